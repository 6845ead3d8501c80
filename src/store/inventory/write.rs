//! Writing the inventory: one transaction that advances the version, writes the records in batches, keeps their
//! versions and checks what only the whole can tell.

use crate::domain::{GridCode, PointCode, RecordKind, Timestamp};
use crate::store::inventory::RunNote;
use crate::store::inventory::row::{DivisionRow, GridRow, LinkRow, PlaceRow, PointRow, SiteRow, Statements};
use crate::store::{Db, Store, StoreError};
use sqlx::{Postgres, Sqlite, Transaction};
use std::collections::BTreeMap;

/// Records written by one statement: large enough to hide its cost, small enough for a parameter of some 500 kB.
const BATCH: usize = 500;

/// Most conflicts told at once.
const CONFLICT_LIMIT: i64 = 1000;

/// What an import wants to write.
#[derive(Debug)]
pub struct ChangeSet {
    /// Version of the inventory that the changes were computed against.
    pub based_on: i64,
    /// When.
    pub at: Timestamp,
    /// New and changed records: JSON objects with the columns of their table as keys.
    pub records: BTreeMap<RecordKind, Vec<String>>,
    /// New and changed credentials, sealed, by name.
    pub credentials: Vec<(String, Vec<u8>)>,
    /// What to note about the run.
    pub run: RunNote,
}

impl ChangeSet {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty() && self.records.values().all(Vec::is_empty)
    }
}

/// Whether written changes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Commit.
    Keep,
    /// Roll back: a rehearsal.
    RollBack,
}

/// What came of applying a change set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Written (and kept, unless it was a rehearsal).
    Done {
        /// The new version.
        version: i64,
        /// Number of the run.
        run: i64,
    },
    /// The inventory changed since the change set was computed; nothing was written.
    Stale,
    /// A grid would leave the village of these points, which the change set does not move; nothing was written.
    Torn(Vec<(PointCode, GridCode)>),
}

const ADVANCE: &str = "UPDATE inventory_version SET version = version + 1, \
    changed_ms = CASE WHEN changed_ms < $2 THEN $2 ELSE changed_ms + 1 END \
    WHERE one = 1 AND version = $1 RETURNING version, changed_ms";
const OPEN_VERSIONS_LITE: &str = "INSERT INTO record_version (kind, code, from_ms, to_ms, earliest, body) \
    SELECT $1, value ->> 'code', $2, 9223372036854775807, \
    NOT EXISTS (SELECT 1 FROM record_version older WHERE older.kind = $1 AND older.code = value ->> 'code'), \
    value FROM json_each($3)";
const OPEN_VERSIONS_PG: &str = "INSERT INTO record_version (kind, code, from_ms, to_ms, earliest, body) \
    SELECT $1, value ->> 'code', $2, 9223372036854775807, \
    NOT EXISTS (SELECT 1 FROM record_version older WHERE older.kind = $1 AND older.code = value ->> 'code'), \
    value::text FROM json_array_elements($3::json) AS batch(value)";
const CLOSE_VERSIONS: &str = "UPDATE record_version SET to_ms = $1 \
    WHERE to_ms = 9223372036854775807 AND from_ms < $1 AND EXISTS (SELECT 1 FROM record_version newer \
    WHERE newer.kind = record_version.kind AND newer.code = record_version.code AND newer.from_ms = $1)";
const CLOSE_LEADERS: &str = "UPDATE grid_leader SET to_ms = COALESCE((SELECT grid.leader_from_ms FROM grid \
    WHERE grid.code = grid_leader.grid AND grid.leader_from_ms > grid_leader.from_ms), $1) \
    WHERE to_ms IS NULL \
    AND grid IN (SELECT code FROM record_version WHERE kind = 'grids' AND from_ms = $1) \
    AND NOT EXISTS (SELECT 1 FROM grid WHERE grid.code = grid_leader.grid AND grid.leader_name = grid_leader.name)";
const RENEW_LEADERS: &str = "UPDATE grid_leader SET \
    phone = (SELECT grid.leader_phone FROM grid WHERE grid.code = grid_leader.grid), \
    to_ms = (SELECT grid.leader_to_ms FROM grid WHERE grid.code = grid_leader.grid) \
    WHERE to_ms IS NULL \
    AND grid IN (SELECT code FROM record_version WHERE kind = 'grids' AND from_ms = $1)";
const OPEN_LEADERS: &str = "INSERT INTO grid_leader (grid, from_ms, to_ms, name, phone) \
    SELECT code, COALESCE(leader_from_ms, $1), leader_to_ms, leader_name, leader_phone FROM grid \
    WHERE leader_name IS NOT NULL \
    AND code IN (SELECT code FROM record_version WHERE kind = 'grids' AND from_ms = $1) \
    AND NOT EXISTS (SELECT 1 FROM grid_leader known WHERE known.grid = grid.code \
    AND known.name = grid.leader_name AND (known.to_ms IS NULL OR known.to_ms = grid.leader_to_ms)) \
    ON CONFLICT (grid, from_ms) DO UPDATE SET \
    name = excluded.name, phone = excluded.phone, to_ms = excluded.to_ms";
/// A new point counts from its commissioning on, also on days whose sums are computed already.
const DIRTY_LITE: &str = "INSERT INTO dirty_day (village, day) SELECT DISTINCT point.village, closed_day.day \
    FROM record_version JOIN point ON point.code = record_version.code \
    JOIN closed_day ON closed_day.end_ms > point.commissioned_ms \
    WHERE record_version.kind = 'points' AND record_version.from_ms = $1 AND record_version.earliest \
    ON CONFLICT (village, day) DO NOTHING";
/// `DO UPDATE` and `FOR SHARE` so that a day that is being closed or computed meanwhile waits for this transaction.
const DIRTY_PG: &str = "WITH late AS (SELECT point.village, closed_day.day \
    FROM record_version JOIN point ON point.code = record_version.code \
    JOIN closed_day ON closed_day.end_ms > point.commissioned_ms \
    WHERE record_version.kind = 'points' AND record_version.from_ms = $1 AND record_version.earliest \
    FOR SHARE OF closed_day) \
    INSERT INTO dirty_day (village, day) SELECT DISTINCT village, day FROM late ORDER BY 1, 2 \
    ON CONFLICT (village, day) DO UPDATE SET day = excluded.day";
const TORN: &str = "SELECT point.code, grid.code FROM point JOIN grid ON grid.code = point.grid \
    WHERE grid.village <> point.village ORDER BY point.code LIMIT $1";
const PUT_CREDENTIAL: &str = "INSERT INTO credential (name, sealed) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";
const NOTE_RUN: &str = "INSERT INTO import_run (at_ms, imported_by, files, version, new_count, changed_count, \
    unchanged_count, missing_count, fault_count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";

/// An open transaction on whichever database is open.
enum Tx {
    Lite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

/// Runs one expression inside the transaction, with its connection bound to `$connection`.
macro_rules! on_tx {
    ($tx:expr, $connection:ident => $run:expr) => {
        match $tx {
            Tx::Lite(tx) => {
                let $connection = &mut **tx;
                $run
            }
            Tx::Pg(tx) => {
                let $connection = &mut **tx;
                $run
            }
        }
    };
}

impl Store {
    /// Writes a change set in one transaction, or nothing.
    pub async fn apply_inventory(&self, changes: &ChangeSet, ending: Ending) -> Result<Applied, StoreError> {
        let mut tx = self.begin().await?;
        let Some((version, at_ms)) = tx.advance(changes).await? else { return Ok(Applied::Stale) };
        for (kind, bodies) in &changes.records {
            for batch in bodies.chunks(BATCH) {
                tx.write_records(*kind, at_ms, &json_array(batch)).await?;
            }
        }
        for statement in [CLOSE_VERSIONS, CLOSE_LEADERS, RENEW_LEADERS, OPEN_LEADERS] {
            tx.close_before(statement, at_ms).await?;
        }
        tx.mark_dirty_days(at_ms).await?;
        tx.write_credentials(&changes.credentials).await?;
        let torn = tx.torn_points().await?;
        if !torn.is_empty() {
            return Ok(Applied::Torn(torn));
        }
        let run = tx.note_run(at_ms, &changes.run, Some(version)).await?;
        tx.end(ending).await?;
        Ok(Applied::Done { version, run })
    }

    /// Notes an import that was refused for its faults.
    pub async fn note_refused_import(&self, at: Timestamp, run: &RunNote) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let id = tx.note_run(at.as_millis(), run, None).await?;
        tx.end(Ending::Keep).await?;
        Ok(id)
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.db {
            Db::Lite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Tx::Lite),
            Db::Pg(pool) => pool.begin().await.map(Tx::Pg),
        }
        .map_err(StoreError::at("begin a transaction"))
    }
}

impl Tx {
    /// Takes the next version, when the inventory still has the one that the changes are based on.
    async fn advance(&mut self, changes: &ChangeSet) -> Result<Option<(i64, i64)>, StoreError> {
        on_tx!(self, connection => {
            sqlx::query_as(ADVANCE)
                .bind(changes.based_on)
                .bind(changes.at.as_millis())
                .fetch_optional(connection)
                .await
        })
        .map_err(StoreError::at("advance the inventory version"))
    }

    async fn write_records(&mut self, kind: RecordKind, at_ms: i64, batch: &str) -> Result<(), StoreError> {
        let (upsert, open_versions) = match self {
            Self::Lite(_) => (statements(kind).upsert_lite, OPEN_VERSIONS_LITE),
            Self::Pg(_) => (statements(kind).upsert_pg, OPEN_VERSIONS_PG),
        };
        on_tx!(self, connection => {
            sqlx::query(upsert).bind(batch).execute(connection).await.map(|_written| ())
        })
        .map_err(StoreError::at("write the inventory"))?;
        on_tx!(self, connection => {
            sqlx::query(open_versions)
                .bind(kind.as_str())
                .bind(at_ms)
                .bind(batch)
                .execute(connection)
                .await
                .map(|_written| ())
        })
        .map_err(StoreError::at("keep the versions of the inventory"))
    }

    /// Runs a statement that ends what the records written at `at_ms` replace.
    async fn close_before(&mut self, statement: &'static str, at_ms: i64) -> Result<(), StoreError> {
        on_tx!(self, connection => {
            sqlx::query(statement).bind(at_ms).execute(connection).await.map(|_written| ())
        })
        .map_err(StoreError::at("end replaced versions and leaders"))
    }

    /// Marks the closed days on which a point that was first written at `at_ms` counts.
    async fn mark_dirty_days(&mut self, at_ms: i64) -> Result<(), StoreError> {
        let statement = match self {
            Self::Lite(_) => DIRTY_LITE,
            Self::Pg(_) => DIRTY_PG,
        };
        on_tx!(self, connection => {
            sqlx::query(statement).bind(at_ms).execute(connection).await.map(|_written| ())
        })
        .map_err(StoreError::at("mark the days of new points"))
    }

    async fn write_credentials(&mut self, credentials: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        for (name, sealed) in credentials {
            on_tx!(self, connection => {
                sqlx::query(PUT_CREDENTIAL).bind(name).bind(sealed).execute(connection).await.map(|_written| ())
            })
            .map_err(StoreError::at("write the credentials"))?;
        }
        Ok(())
    }

    /// Points whose grid lies in another village than they do.
    async fn torn_points(&mut self) -> Result<Vec<(PointCode, GridCode)>, StoreError> {
        let rows: Vec<(String, String)> = on_tx!(self, connection => {
            sqlx::query_as(TORN).bind(CONFLICT_LIMIT).fetch_all(connection).await
        })
        .map_err(StoreError::at("check the grids of the points"))?;
        rows.into_iter()
            .map(|(point, grid)| {
                Ok((
                    point.parse().map_err(|_error| StoreError::corrupt("point code", &point))?,
                    grid.parse().map_err(|_error| StoreError::corrupt("grid code", &grid))?,
                ))
            })
            .collect()
    }

    async fn note_run(&mut self, at_ms: i64, run: &RunNote, version: Option<i64>) -> Result<i64, StoreError> {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        on_tx!(self, connection => {
            sqlx::query_scalar(NOTE_RUN)
                .bind(at_ms)
                .bind(&run.by)
                .bind(run.files.join("\n"))
                .bind(version)
                .bind(count(run.new_count))
                .bind(count(run.changed_count))
                .bind(count(run.unchanged_count))
                .bind(count(run.missing_count))
                .bind(count(run.fault_count))
                .fetch_one(connection)
                .await
        })
        .map_err(StoreError::at("note the import"))
    }

    async fn end(self, ending: Ending) -> Result<(), StoreError> {
        match (self, ending) {
            (Self::Lite(tx), Ending::Keep) => tx.commit().await,
            (Self::Lite(tx), Ending::RollBack) => tx.rollback().await,
            (Self::Pg(tx), Ending::Keep) => tx.commit().await,
            (Self::Pg(tx), Ending::RollBack) => tx.rollback().await,
        }
        .map_err(StoreError::at("end the transaction"))
    }
}

const fn statements(kind: RecordKind) -> Statements {
    match kind {
        RecordKind::Division => DivisionRow::STATEMENTS,
        RecordKind::Grid => GridRow::STATEMENTS,
        RecordKind::Link => LinkRow::STATEMENTS,
        RecordKind::Place => PlaceRow::STATEMENTS,
        RecordKind::Site => SiteRow::STATEMENTS,
        RecordKind::Point => PointRow::STATEMENTS,
    }
}

/// Joins JSON objects to a JSON array.
fn json_array(bodies: &[String]) -> String {
    format!("[{}]", bodies.join(","))
}
