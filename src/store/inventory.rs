//! The inventory: its records, every version they had, and the imports that wrote them.
//!
//! Records are read whole, as one value; they are written by imports only, in one transaction that either keeps
//! everything or leaves nothing. A record is never deleted: it is given an end by its own fields.

mod row;
mod write;

pub use write::{Applied, ChangeSet, Ending};

use crate::domain::division::Division;
use crate::domain::grid::{Grid, Leader};
use crate::domain::place::Place;
use crate::domain::site::Site;
use crate::domain::{GridCode, Inventory, Link, Point, RecordKind, Timestamp};
use crate::store::{Db, Store, StoreError, on_pool};
use row::{DivisionRow, GridRow, LinkRow, PlaceRow, PointRow, SiteRow, Statements};
use serde::de::DeserializeOwned;
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// What is kept about an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunNote {
    /// Who.
    pub by: String,
    /// Names of the files.
    pub files: Vec<String>,
    /// Records that were new.
    pub new_count: u64,
    /// Records that changed.
    pub changed_count: u64,
    /// Records that were the same.
    pub unchanged_count: u64,
    /// Records of the imported kinds that the files did not name.
    pub missing_count: u64,
    /// Faults; an import with faults was refused.
    pub fault_count: u64,
}

/// An import that was applied or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRun {
    /// Number of the run.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The inventory version that it led to; none when it was refused.
    pub version: Option<i64>,
    /// The rest.
    pub note: RunNote,
}

const VERSION: &str = "SELECT version FROM inventory_version WHERE one = 1";
const VERSIONS_AT: &str = "SELECT body FROM record_version WHERE kind = $1 \
    AND ((from_ms <= $2 AND $2 < to_ms) OR (earliest AND $2 < from_ms AND from_ms <= $3)) ORDER BY code";
const CODES: &str = "SELECT code FROM record_version WHERE kind = $1 AND earliest ORDER BY code";
const BODIES_AFTER: &str = "SELECT body FROM record_version WHERE kind = $1 \
    AND to_ms = 9223372036854775807 AND code > $2 ORDER BY code LIMIT $3";
const BODIES_LITE: &str = "SELECT body FROM record_version WHERE kind = $1 \
    AND to_ms = 9223372036854775807 AND code IN (SELECT value FROM json_each($2))";
const BODIES_PG: &str = "SELECT body FROM record_version WHERE kind = $1 \
    AND to_ms = 9223372036854775807 AND code IN (SELECT json_array_elements_text($2::json))";
const LEADERS: &str = "SELECT name, phone, from_ms, to_ms FROM grid_leader WHERE grid = $1 ORDER BY from_ms";
const RUNS: &str = "SELECT id, at_ms, imported_by, files, version, new_count, changed_count, unchanged_count, \
    missing_count, fault_count FROM import_run WHERE id < $1 ORDER BY id DESC LIMIT $2";

#[derive(Debug, FromRow)]
struct RunRow {
    id: i64,
    at_ms: i64,
    imported_by: String,
    files: String,
    version: Option<i64>,
    new_count: i64,
    changed_count: i64,
    unchanged_count: i64,
    missing_count: i64,
    fault_count: i64,
}

#[derive(Debug, FromRow)]
struct LeaderRow {
    name: String,
    phone: Option<String>,
    from_ms: i64,
    to_ms: Option<i64>,
}

impl Store {
    /// Every record as it is now.
    pub async fn load_inventory(&self) -> Result<Inventory, StoreError> {
        Ok(Inventory {
            divisions: by_code(
                self.rows::<DivisionRow>(&DivisionRow::STATEMENTS).await?,
                |it: &Division| it.code,
            )?,
            grids: by_code(self.rows::<GridRow>(&GridRow::STATEMENTS).await?, |it: &Grid| it.code.clone())?,
            sites: by_code(self.rows::<SiteRow>(&SiteRow::STATEMENTS).await?, |it: &Site| it.code.clone())?,
            links: by_code(self.rows::<LinkRow>(&LinkRow::STATEMENTS).await?, |it: &Link| it.code.clone())?,
            points: by_code(self.rows::<PointRow>(&PointRow::STATEMENTS).await?, |it: &Point| it.code)?,
            places: by_code(self.rows::<PlaceRow>(&PlaceRow::STATEMENTS).await?, |it: &Place| {
                it.code.clone()
            })?,
        })
    }

    /// Every record as it was at `at`; before its first version a record is taken as that version has it.
    pub async fn load_inventory_at(&self, at: Timestamp) -> Result<Inventory, StoreError> {
        self.load_inventory_known(at, Timestamp::MAX).await
    }

    /// As [`Store::load_inventory_at`], without the records that were first written after `known_until`.
    pub async fn load_inventory_known(
        &self,
        at: Timestamp,
        known_until: Timestamp,
    ) -> Result<Inventory, StoreError> {
        let when = (at, known_until);
        Ok(Inventory {
            divisions: by_code(
                self.versions::<DivisionRow>(RecordKind::Division, when).await?,
                |it: &Division| it.code,
            )?,
            grids: by_code(self.versions::<GridRow>(RecordKind::Grid, when).await?, |it: &Grid| {
                it.code.clone()
            })?,
            sites: by_code(self.versions::<SiteRow>(RecordKind::Site, when).await?, |it: &Site| {
                it.code.clone()
            })?,
            links: by_code(self.versions::<LinkRow>(RecordKind::Link, when).await?, |it: &Link| {
                it.code.clone()
            })?,
            points: by_code(self.versions::<PointRow>(RecordKind::Point, when).await?, |it: &Point| it.code)?,
            places: by_code(self.versions::<PlaceRow>(RecordKind::Place, when).await?, |it: &Place| {
                it.code.clone()
            })?,
        })
    }

    /// A number that grows with each import that changed something; 0 before the first.
    pub async fn inventory_version(&self) -> Result<i64, StoreError> {
        on_pool!(&self.db, pool => sqlx::query_scalar(VERSION).fetch_one(pool).await)
            .map_err(StoreError::at("read the inventory version"))
    }

    /// Codes of every record of a kind, in order.
    pub async fn record_codes(&self, kind: RecordKind) -> Result<Vec<String>, StoreError> {
        on_pool!(&self.db, pool => sqlx::query_scalar(CODES).bind(kind.as_str()).fetch_all(pool).await)
            .map_err(StoreError::at("read the codes of the inventory"))
    }

    /// The records of a kind with these codes, as JSON objects; unknown codes are left out.
    pub async fn record_bodies(&self, kind: RecordKind, codes: &[&str]) -> Result<Vec<String>, StoreError> {
        let wanted = serde_json::Value::from(codes).to_string();
        let statement = match &self.db {
            Db::Lite(_) => BODIES_LITE,
            Db::Pg(_) => BODIES_PG,
        };
        on_pool!(&self.db, pool => {
            sqlx::query_scalar(statement).bind(kind.as_str()).bind(wanted).fetch_all(pool).await
        })
        .map_err(StoreError::at("read records of the inventory"))
    }

    /// The first `limit` records of a kind after the code `after`, as JSON objects in order of their codes.
    pub async fn record_page(
        &self,
        kind: RecordKind,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        on_pool!(&self.db, pool => {
            sqlx::query_scalar(BODIES_AFTER).bind(kind.as_str()).bind(after).bind(limit).fetch_all(pool).await
        })
        .map_err(StoreError::at("read a page of the inventory"))
    }

    /// Who led a grid when, oldest first.
    pub async fn grid_leaders(&self, grid: &GridCode) -> Result<Vec<Leader>, StoreError> {
        let rows: Vec<LeaderRow> =
            on_pool!(&self.db, pool => sqlx::query_as(LEADERS).bind(grid.as_str()).fetch_all(pool).await)
                .map_err(StoreError::at("read the leaders of a grid"))?;
        Ok(rows
            .into_iter()
            .map(|row| Leader {
                name: row.name,
                phone: row.phone,
                from: Some(Timestamp::from_millis(row.from_ms)),
                to: row.to_ms.map(Timestamp::from_millis),
            })
            .collect())
    }

    /// Imports before the run `before` (all, when `None`), newest first.
    pub async fn import_runs(&self, before: Option<i64>, limit: u32) -> Result<Vec<ImportRun>, StoreError> {
        let rows: Vec<RunRow> = on_pool!(&self.db, pool => {
            sqlx::query_as(RUNS).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit)).fetch_all(pool).await
        })
        .map_err(StoreError::at("list imports"))?;
        Ok(rows.into_iter().map(RunRow::into_run).collect())
    }

    async fn rows<R>(&self, statements: &Statements) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        on_pool!(&self.db, pool => sqlx::query_as(statements.select).fetch_all(pool).await)
            .map_err(StoreError::at("load the inventory"))
    }

    async fn versions<R: DeserializeOwned>(
        &self,
        kind: RecordKind,
        (at, known_until): (Timestamp, Timestamp),
    ) -> Result<Vec<R>, StoreError> {
        let bodies: Vec<String> = on_pool!(&self.db, pool => sqlx::query_scalar(VERSIONS_AT)
            .bind(kind.as_str())
            .bind(at.as_millis())
            .bind(known_until.as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("load the inventory of an instant"))?;
        bodies.iter().map(|body| parse_body(body)).collect()
    }
}

fn parse_body<R: DeserializeOwned>(body: &str) -> Result<R, StoreError> {
    serde_json::from_str(body).map_err(|_error| StoreError::corrupt("version of a record", body))
}

/// Turns rows into domain values, by code.
fn by_code<R, T, C: Ord>(rows: Vec<R>, code: impl Fn(&T) -> C) -> Result<BTreeMap<C, T>, StoreError>
where
    T: TryFrom<R, Error = StoreError>,
{
    rows.into_iter()
        .map(|row| {
            let record = T::try_from(row)?;
            Ok((code(&record), record))
        })
        .collect()
}

impl RunRow {
    fn into_run(self) -> ImportRun {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        ImportRun {
            id: self.id,
            at: Timestamp::from_millis(self.at_ms),
            version: self.version,
            note: RunNote {
                by: self.imported_by,
                files: self.files.lines().map(str::to_owned).collect(),
                new_count: count(self.new_count),
                changed_count: count(self.changed_count),
                unchanged_count: count(self.unchanged_count),
                missing_count: count(self.missing_count),
                fault_count: count(self.fault_count),
            },
        }
    }
}
