//! State intervals: the open one of each point (`point_state`) and the closed ones (`interval`).
//!
//! A transition closes the open interval at its instant and opens the next one there, both in one transaction and both
//! guarded by `since < at`, so that applying it twice changes nothing. Closed intervals are only inserted.

use crate::domain::{
    Cause, Condition, DivisionCode, Evidence, PointCode, Provenance, StateInterval, Timestamp, Transition,
    Window,
};
use crate::store::{Db, Store, StoreError, on_pool, parse, village_range};
use crate::telemetry;
use sqlx::{FromRow, PgConnection, PgPool, SqliteConnection, SqlitePool};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The open interval of a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenState {
    /// The point.
    pub point: PointCode,
    /// Start of the open interval.
    pub since: Timestamp,
    /// Its condition.
    pub condition: Condition,
}

/// An interval as it is kept, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptInterval {
    /// First instant inside.
    pub start: Timestamp,
    /// First instant no longer inside; none while the interval is open.
    pub end: Option<Timestamp>,
    /// State and cause.
    pub condition: Condition,
    /// Where it comes from.
    pub provenance: Provenance,
    /// When the change that opened it was decided.
    pub decided: Timestamp,
    /// The proof of that change.
    pub evidence: Evidence,
}

const CLOSE_LITE: &str = "
    INSERT INTO interval (point, start_ms, end_ms, state, cause, detail, provenance, decided_ms, evidence)
    SELECT held.point, held.since_ms, given.at_ms, held.state, held.cause, held.detail, held.provenance,
        held.decided_ms, held.evidence
    FROM (SELECT value ->> 0 AS point, value ->> 1 AS at_ms FROM json_each($1)) AS given
    CROSS JOIN point_state AS held ON held.point = given.point
    WHERE held.since_ms < given.at_ms";

const OPEN_LITE: &str = "
    INSERT INTO point_state (point, since_ms, state, cause, detail, provenance, decided_ms, evidence)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
    FROM json_each($1) WHERE true
    ON CONFLICT (point) DO UPDATE SET since_ms = excluded.since_ms, state = excluded.state, cause = excluded.cause,
        detail = excluded.detail, provenance = excluded.provenance, decided_ms = excluded.decided_ms,
        evidence = excluded.evidence
    WHERE point_state.since_ms < excluded.since_ms";

/// A statement of its own: in one with the update below, PostgreSQL may update first and then skip the locked row.
const CLOSE_PG: &str = "
    INSERT INTO interval (point, start_ms, end_ms, state, cause, detail, provenance, decided_ms, evidence)
    SELECT held.point, held.since_ms, given.at_ms, held.state, held.cause, held.detail, held.provenance,
        held.decided_ms, held.evidence
    FROM unnest($1::text[], $2::bigint[]) AS given (point, at_ms)
    JOIN point_state AS held ON held.point = given.point
    WHERE held.since_ms < given.at_ms ORDER BY held.point FOR UPDATE OF held";

const OPEN_PG: &str = "
    INSERT INTO point_state (point, since_ms, state, cause, detail, provenance, decided_ms, evidence)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
        $8::text[])
    ON CONFLICT (point) DO UPDATE SET since_ms = excluded.since_ms, state = excluded.state, cause = excluded.cause,
        detail = excluded.detail, provenance = excluded.provenance, decided_ms = excluded.decided_ms,
        evidence = excluded.evidence
    WHERE point_state.since_ms < excluded.since_ms";

/// Those that were not applied and are no repetition: nothing begins or ends at their instant.
const REFUSED_LITE: &str = "
    SELECT held.point, given.at_ms, held.since_ms
    FROM (SELECT value ->> 0 AS point, value ->> 1 AS at_ms FROM json_each($1)) AS given
    JOIN point_state AS held ON held.point = given.point
    WHERE given.at_ms < held.since_ms AND NOT EXISTS (SELECT 1 FROM interval WHERE interval.point = given.point
        AND interval.end_ms >= given.at_ms AND (interval.end_ms = given.at_ms OR interval.start_ms = given.at_ms))";

const REFUSED_PG: &str = "
    SELECT held.point, given.at_ms, held.since_ms
    FROM unnest($1::text[], $2::bigint[]) AS given (point, at_ms)
    JOIN point_state AS held ON held.point = given.point
    WHERE given.at_ms < held.since_ms AND NOT EXISTS (SELECT 1 FROM interval WHERE interval.point = given.point
        AND interval.end_ms >= given.at_ms AND (interval.end_ms = given.at_ms OR interval.start_ms = given.at_ms))";

/// A change inside a closed day makes the day dirty, for every village that the point was ever recorded in.
const DIRTY_LITE: &str = "
    INSERT INTO dirty_day (village, day)
    SELECT DISTINCT recorded.body ->> 'village', closed_day.day
    FROM (SELECT value ->> 0 AS point, value ->> 1 AS at_ms FROM json_each($1)) AS given
    CROSS JOIN closed_day ON closed_day.end_ms > given.at_ms
    CROSS JOIN record_version AS recorded ON recorded.kind = 'points' AND recorded.code = given.point
    WHERE true
    ON CONFLICT (village, day) DO NOTHING";

/// `DO UPDATE` and `FOR SHARE` so that a day that is being closed or computed meanwhile waits for this transaction.
const DIRTY_PG: &str = "
    WITH late AS (
        SELECT given.point, closed_day.day FROM unnest($1::text[], $2::bigint[]) AS given (point, at_ms)
        JOIN closed_day ON closed_day.end_ms > given.at_ms FOR SHARE OF closed_day
    )
    INSERT INTO dirty_day (village, day)
    SELECT DISTINCT recorded.body::json ->> 'village', late.day
    FROM late JOIN record_version AS recorded ON recorded.kind = 'points' AND recorded.code = late.point
    ORDER BY 1, 2
    ON CONFLICT (village, day) DO UPDATE SET day = excluded.day";

const OPEN_STATES: &str = "SELECT point, since_ms, cause, detail FROM point_state ORDER BY point";

const TIMELINE: &str = "
    SELECT start_ms, end_ms, cause, detail, provenance FROM interval
    WHERE point = $1 AND end_ms > $2 AND start_ms < $3
    UNION ALL
    SELECT since_ms, $3, cause, detail, provenance FROM point_state WHERE point = $1 AND since_ms < $3
    ORDER BY 1";

const INTERVALS: &str = "
    SELECT interval.point, start_ms, end_ms, cause, detail, provenance
    FROM point JOIN interval ON interval.point = point.code
    WHERE point.village >= $1 AND point.village <= $2 AND end_ms > $3 AND start_ms < $4
    UNION ALL
    SELECT point_state.point, since_ms, $4, cause, detail, provenance
    FROM point JOIN point_state ON point_state.point = point.code
    WHERE point.village >= $1 AND point.village <= $2 AND since_ms < $4
    ORDER BY 1, 2";

const INTERVAL_PAGE: &str = "
    SELECT start_ms, end_ms, cause, detail, provenance, decided_ms, evidence FROM interval
    WHERE point = $1 AND end_ms > $2 AND start_ms < $3 AND start_ms > $4
    UNION ALL
    SELECT since_ms, CAST(NULL AS BIGINT), cause, detail, provenance, decided_ms, evidence FROM point_state
    WHERE point = $1 AND since_ms < $3 AND since_ms > $4
    ORDER BY 1 LIMIT $5";

/// Columns that tell an interval.
#[derive(FromRow)]
struct IntervalRow {
    start_ms: i64,
    end_ms: i64,
    cause: Option<String>,
    detail: Option<String>,
    provenance: String,
}

#[derive(FromRow)]
struct PointIntervalRow {
    point: String,
    #[sqlx(flatten)]
    interval: IntervalRow,
}

#[derive(FromRow)]
struct KeptRow {
    start_ms: i64,
    end_ms: Option<i64>,
    cause: Option<String>,
    detail: Option<String>,
    provenance: String,
    decided_ms: i64,
    evidence: String,
}

#[derive(FromRow)]
struct OpenRow {
    point: String,
    since_ms: i64,
    cause: Option<String>,
    detail: Option<String>,
}

#[derive(FromRow)]
struct RefusedRow {
    point: String,
    at_ms: i64,
    since_ms: i64,
}

impl Store {
    /// Applies transitions in one transaction and returns how many changed something.
    ///
    /// Their order does not matter and repetitions change nothing. A transition from before its point's open interval
    /// that was not applied earlier is refused, logged and counted: history is never rewritten in silence.
    pub async fn apply_transitions(&self, transitions: &[Transition]) -> Result<u64, StoreError> {
        let rounds = rounds(transitions);
        let result = match &self.db {
            Db::Lite(pool) => apply_rounds_lite(pool, &rounds).await,
            Db::Pg(pool) => apply_rounds_pg(pool, &rounds).await,
        };
        result.map_err(StoreError::at("apply transitions"))
    }

    /// The open interval of every point that ever had one, ordered by point.
    pub async fn open_states(&self) -> Result<Vec<OpenState>, StoreError> {
        let rows: Vec<OpenRow> =
            on_pool!(&self.db, pool => sqlx::query_as(OPEN_STATES).fetch_all(pool).await)
                .map_err(StoreError::at("read the open states"))?;
        rows.iter().map(OpenRow::read).collect()
    }

    /// A point's intervals in `window`, clipped to it and to `now`, in order; the open one takes part up to `now`.
    pub async fn timeline(
        &self,
        point: PointCode,
        window: Window,
        now: Timestamp,
    ) -> Result<Vec<StateInterval>, StoreError> {
        let Some(window) = Window::new(window.start(), window.end().min(now)) else { return Ok(Vec::new()) };
        let rows: Vec<IntervalRow> = on_pool!(&self.db, pool => sqlx::query_as(TIMELINE)
            .bind(point.as_str())
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read a timeline"))?;
        rows.iter().filter_map(|row| row.read(window).transpose()).collect()
    }

    /// The intervals of every point recorded in a division, as [`Store::timeline`], ordered by point and start.
    pub async fn intervals(
        &self,
        division: DivisionCode,
        window: Window,
        now: Timestamp,
    ) -> Result<Vec<(PointCode, StateInterval)>, StoreError> {
        let Some(window) = Window::new(window.start(), window.end().min(now)) else { return Ok(Vec::new()) };
        let (first, last) = village_range(division);
        let rows: Vec<PointIntervalRow> = on_pool!(&self.db, pool => sqlx::query_as(INTERVALS)
            .bind(first)
            .bind(last)
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the intervals of a division"))?;
        rows.iter().filter_map(|row| row.read(window).transpose()).collect()
    }

    /// Up to `limit` intervals of a point that touch `window` and start after `after`, whole and with their proof.
    pub async fn interval_page(
        &self,
        point: PointCode,
        window: Window,
        after: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<KeptInterval>, StoreError> {
        let rows: Vec<KeptRow> = on_pool!(&self.db, pool => sqlx::query_as(INTERVAL_PAGE)
            .bind(point.as_str())
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .bind(after.unwrap_or(Timestamp::MIN).as_millis())
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read a page of intervals"))?;
        rows.iter().map(KeptRow::read).collect()
    }
}

/// Splits transitions so that each statement holds at most one per point, earliest first, repetitions left out.
fn rounds(transitions: &[Transition]) -> Vec<Vec<&Transition>> {
    let mut by_point: BTreeMap<PointCode, BTreeMap<Timestamp, &Transition>> = BTreeMap::new();
    for transition in transitions {
        by_point.entry(transition.point).or_default().entry(transition.at).or_insert(transition);
    }
    let mut rounds: Vec<Vec<&Transition>> = Vec::new();
    for of_point in by_point.values() {
        for (index, transition) in of_point.values().enumerate() {
            match rounds.get_mut(index) {
                Some(round) => round.push(transition),
                None => rounds.push(vec![transition]),
            }
        }
    }
    rounds
}

async fn apply_rounds_lite(pool: &SqlitePool, rounds: &[Vec<&Transition>]) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut applied = 0;
    for round in rounds {
        applied += apply_lite(&mut tx, round).await?;
    }
    tx.commit().await.map(|()| applied)
}

async fn apply_rounds_pg(pool: &PgPool, rounds: &[Vec<&Transition>]) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let mut applied = 0;
    for round in rounds {
        applied += apply_pg(&mut tx, round).await?;
    }
    tx.commit().await.map(|()| applied)
}

async fn apply_lite(tx: &mut SqliteConnection, round: &[&Transition]) -> Result<u64, sqlx::Error> {
    let rows: Vec<_> = round
        .iter()
        .map(|transition| {
            let (cause, detail) = words(&transition.to);
            let evidence = write_evidence(&transition.evidence);
            let (at, decided) = (transition.at.as_millis(), transition.decided.as_millis());
            let provenance = transition.provenance.as_str();
            (
                transition.point.to_string(),
                at,
                transition.to.state().as_str(),
                cause,
                detail,
                provenance,
                decided,
                evidence,
            )
        })
        .collect();
    let given = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(CLOSE_LITE).bind(&given).execute(&mut *tx).await?;
    let applied = sqlx::query(OPEN_LITE).bind(&given).execute(&mut *tx).await?.rows_affected();
    sqlx::query(DIRTY_LITE).bind(&given).execute(&mut *tx).await?;
    if applied < count(round) {
        tell_refused(sqlx::query_as(REFUSED_LITE).bind(&given).fetch_all(tx).await?);
    }
    Ok(applied)
}

async fn apply_pg(tx: &mut PgConnection, round: &[&Transition]) -> Result<u64, sqlx::Error> {
    let points: Vec<&str> = round.iter().map(|transition| transition.point.as_str()).collect();
    let instants: Vec<i64> = round.iter().map(|transition| transition.at.as_millis()).collect();
    sqlx::query(CLOSE_PG).bind(&points).bind(&instants).execute(&mut *tx).await?;
    let applied = sqlx::query(OPEN_PG)
        .bind(&points)
        .bind(&instants)
        .bind(round.iter().map(|transition| transition.to.state().as_str()).collect::<Vec<_>>())
        .bind(round.iter().map(|transition| words(&transition.to).0).collect::<Vec<_>>())
        .bind(round.iter().map(|transition| words(&transition.to).1).collect::<Vec<_>>())
        .bind(round.iter().map(|transition| transition.provenance.as_str()).collect::<Vec<_>>())
        .bind(round.iter().map(|transition| transition.decided.as_millis()).collect::<Vec<_>>())
        .bind(round.iter().map(|transition| write_evidence(&transition.evidence)).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?
        .rows_affected();
    sqlx::query(DIRTY_PG).bind(&points).bind(&instants).execute(&mut *tx).await?;
    if applied < count(round) {
        tell_refused(sqlx::query_as(REFUSED_PG).bind(&points).bind(&instants).fetch_all(tx).await?);
    }
    Ok(applied)
}

fn count(round: &[&Transition]) -> u64 {
    u64::try_from(round.len()).unwrap_or(u64::MAX)
}

fn tell_refused(rows: Vec<RefusedRow>) {
    for row in rows {
        let (at, since) = (Timestamp::from_millis(row.at_ms), Timestamp::from_millis(row.since_ms));
        telemetry::transition_refused(&row.point, at, since);
    }
}

fn words(condition: &Condition) -> (Option<&str>, Option<&str>) {
    (condition.cause().map(Cause::as_str), condition.cause().and_then(Cause::detail))
}

/// The proof as a JSON list of pairs; a list keeps the order that an object would lose.
fn write_evidence(evidence: &Evidence) -> String {
    let pairs = evidence.0.iter().map(|(word, value)| serde_json::json!([word, value]));
    serde_json::Value::Array(pairs.collect()).to_string()
}

fn read_evidence(text: &str) -> Result<Evidence, StoreError> {
    let pairs: Vec<(String, String)> =
        serde_json::from_str(text).map_err(|_not_ours| StoreError::corrupt("evidence", text))?;
    Ok(Evidence(pairs.into_iter().map(|(word, value)| (Cow::Owned(word), value)).collect()))
}

fn read_condition(cause: Option<&str>, detail: Option<&str>) -> Result<Condition, StoreError> {
    let Some(cause) = cause else { return Ok(Condition::Good) };
    Cause::parse(cause, detail)
        .map(Condition::Because)
        .map_err(|_unknown| StoreError::corrupt("cause", cause))
}

fn read_provenance(text: &str) -> Result<Provenance, StoreError> {
    Provenance::ALL
        .into_iter()
        .find(|provenance| provenance.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("provenance", text))
}

impl OpenRow {
    fn read(&self) -> Result<OpenState, StoreError> {
        Ok(OpenState {
            point: parse("point", &self.point)?,
            since: Timestamp::from_millis(self.since_ms),
            condition: read_condition(self.cause.as_deref(), self.detail.as_deref())?,
        })
    }
}

impl IntervalRow {
    /// The interval clipped to `window`; none when nothing of it is inside.
    fn read(&self, window: Window) -> Result<Option<StateInterval>, StoreError> {
        let condition = read_condition(self.cause.as_deref(), self.detail.as_deref())?;
        let provenance = read_provenance(&self.provenance)?;
        let whole = Window::new(Timestamp::from_millis(self.start_ms), Timestamp::from_millis(self.end_ms));
        Ok(whole.and_then(|whole| whole.intersect(window)).map(|window| StateInterval {
            window,
            condition,
            provenance,
        }))
    }
}

impl PointIntervalRow {
    fn read(&self, window: Window) -> Result<Option<(PointCode, StateInterval)>, StoreError> {
        let point = parse("point", &self.point)?;
        Ok(self.interval.read(window)?.map(|interval| (point, interval)))
    }
}

impl KeptRow {
    fn read(&self) -> Result<KeptInterval, StoreError> {
        Ok(KeptInterval {
            start: Timestamp::from_millis(self.start_ms),
            end: self.end_ms.map(Timestamp::from_millis),
            condition: read_condition(self.cause.as_deref(), self.detail.as_deref())?,
            provenance: read_provenance(&self.provenance)?,
            decided: Timestamp::from_millis(self.decided_ms),
            evidence: read_evidence(&self.evidence)?,
        })
    }
}
