//! Retention: what is older than the settings say goes, in steps that never hold the writer up for long.
//!
//! Observations go point by point on both databases, closed intervals too on SQLite; PostgreSQL drops whole months of
//! them. Facts go once a newer one held at the horizon of the intervals, incidents with all that was told of them once they
//! ended before it. Daily sums stay: they are small and the figures of past years are made of them. So do silences and
//! hand-overs, which are few and signed.

use crate::config::StoreSettings;
use crate::domain::{Timestamp, Window};
use crate::store::{Db, Store, StoreError, json_list, on_pool};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Points whose old rows go in one statement.
const POINTS_AT_ONCE: i64 = 100;
/// Rows that go in one statement: some ten milliseconds of the one write lock of SQLite.
const ROWS_AT_ONCE: i64 = 5_000;
/// Incidents that go at once, with their events and notifications.
const INCIDENTS_AT_ONCE: i64 = 100;
/// Months for which partitions are made ahead: the service may be stopped for one and still find its partition.
const MONTHS_AHEAD: i64 = 2;

/// What one retention run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Observations.
    pub observations: u64,
    /// Closed intervals (SQLite).
    pub intervals: u64,
    /// Months of closed intervals (PostgreSQL).
    pub months: u64,
    /// Facts, decoded sizes among them.
    pub facts: u64,
    /// Incidents.
    pub incidents: u64,
}

/// How old rows of one table are found and removed.
///
/// `points` gives up to `$2` points after `$1` that have rows, each found by one step of the index, so that a table
/// without old rows is not read. `remove` takes up to `$3` rows of the points `$1` (a JSON list) from before `$2`, each
/// point by the range of its key.
#[derive(Clone, Copy, Debug)]
pub struct Old {
    /// Which points.
    pub points: &'static str,
    /// Which rows of them.
    pub remove: &'static str,
}

/// The walk over the points of a table that [`Old::points`] tells of.
macro_rules! points_of {
    ($table:literal) => {
        concat!(
            "WITH RECURSIVE walk (point) AS (SELECT MIN(point) FROM ",
            $table,
            " WHERE point > $1 UNION ALL SELECT (SELECT MIN(point) FROM ",
            $table,
            " AS later WHERE later.point > walk.point) FROM walk WHERE walk.point IS NOT NULL) ",
            "SELECT point FROM walk WHERE point IS NOT NULL LIMIT $2"
        )
    };
}

/// Old observations on SQLite; public as the next one, so that the contract suite can ask for the plans.
pub const OBSERVATIONS_LITE: Old = Old {
    points: points_of!("observation"),
    remove: "
        DELETE FROM observation WHERE (point, started_ms) IN (
            SELECT old.point, old.started_ms FROM json_each($1) AS given
            CROSS JOIN observation AS old ON old.point = given.value AND old.started_ms < $2 LIMIT $3)",
};
/// Old observations on PostgreSQL.
pub const OBSERVATIONS_PG: Old = Old {
    points: points_of!("observation"),
    remove: "
        DELETE FROM observation WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM observation
            WHERE point = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND started_ms < $2 LIMIT $3))",
};
const INTERVALS_LITE: Old = Old {
    points: points_of!("interval"),
    remove: "
        DELETE FROM interval WHERE (point, end_ms) IN (
            SELECT old.point, old.end_ms FROM json_each($1) AS given
            CROSS JOIN interval AS old ON old.point = given.value AND old.end_ms < $2 LIMIT $3)",
};
/// A decoded size holds until the next one of its stream, as a fact does.
const SIZES_LITE: Old = Old {
    points: points_of!("decoded_size"),
    remove: "
        DELETE FROM decoded_size WHERE (point, stream, at_ms) IN (
            SELECT old.point, old.stream, old.at_ms FROM json_each($1) AS given
            CROSS JOIN decoded_size AS old ON old.point = given.value AND old.at_ms < $2
            WHERE EXISTS (SELECT 1 FROM decoded_size AS newer
                WHERE newer.point = old.point AND newer.stream = old.stream
                    AND newer.at_ms > old.at_ms AND newer.at_ms <= $2)
            LIMIT $3)",
};
const SIZES_PG: Old = Old {
    points: points_of!("decoded_size"),
    remove: "
        DELETE FROM decoded_size WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM decoded_size AS old
            WHERE point = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND at_ms < $2
                AND EXISTS (SELECT 1 FROM decoded_size AS newer
                    WHERE newer.point = old.point AND newer.stream = old.stream
                        AND newer.at_ms > old.at_ms AND newer.at_ms <= $2)
            LIMIT $3))",
};
/// A fact holds until the next one: the last one from before `$2` stays.
const FACTS_LITE: Old = Old {
    points: points_of!("fact"),
    remove: "
        DELETE FROM fact WHERE (point, at_ms) IN (
            SELECT old.point, old.at_ms FROM json_each($1) AS given
            CROSS JOIN fact AS old ON old.point = given.value AND old.at_ms < $2
            WHERE EXISTS (SELECT 1 FROM fact AS newer
                WHERE newer.point = old.point AND newer.at_ms > old.at_ms AND newer.at_ms <= $2)
            LIMIT $3)",
};
const FACTS_PG: Old = Old {
    points: points_of!("fact"),
    remove: "
        DELETE FROM fact WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM fact AS old
            WHERE point = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND at_ms < $2
                AND EXISTS (SELECT 1 FROM fact AS newer
                    WHERE newer.point = old.point AND newer.at_ms > old.at_ms AND newer.at_ms <= $2)
            LIMIT $3))",
};
/// Up to `$2` incidents that ended before `$1` and are followed no more.
const OLD_INCIDENTS: &str =
    "SELECT id FROM incident WHERE live = 0 AND ended_ms < $1 ORDER BY ended_ms LIMIT $2";
/// What is kept of the incidents of a list: what was told of them, what happened to them, themselves.
macro_rules! all_of_incidents {
    ($list:literal) => {
        [
            concat!("DELETE FROM notification WHERE incident IN (", $list, ")"),
            concat!("DELETE FROM incident_event WHERE incident IN (", $list, ")"),
            concat!("DELETE FROM incident WHERE id IN (", $list, ")"),
        ]
    };
}
const INCIDENTS_LITE: [&str; 3] = all_of_incidents!("SELECT value FROM json_each($1)");
const INCIDENTS_PG: [&str; 3] =
    all_of_incidents!("SELECT value::bigint FROM json_array_elements_text($1::json)");
const ADD_MONTH: &str = "SELECT add_interval_partition($1, $2, $3)";
const DROP_MONTHS: &str = "SELECT drop_interval_partitions($1)";

impl Store {
    /// Removes what is older than the settings say. Safe to repeat.
    pub async fn prune(&self, now: Timestamp, settings: &StoreSettings) -> Result<Pruned, StoreError> {
        let observations = now.minus(days(settings.observation_days));
        let intervals = horizon(now, settings);
        Ok(match &self.db {
            Db::Lite(_) => Pruned {
                observations: self.remove_old(&OBSERVATIONS_LITE, observations).await?,
                intervals: self.remove_old(&INTERVALS_LITE, intervals).await?,
                months: 0,
                facts: self.remove_old(&FACTS_LITE, intervals).await?
                    + self.remove_old(&SIZES_LITE, intervals).await?,
                incidents: self.remove_incidents(&INCIDENTS_LITE, intervals).await?,
            },
            Db::Pg(_) => Pruned {
                observations: self.remove_old(&OBSERVATIONS_PG, observations).await?,
                intervals: 0,
                months: self.drop_months(intervals).await?,
                facts: self.remove_old(&FACTS_PG, intervals).await?
                    + self.remove_old(&SIZES_PG, intervals).await?,
                incidents: self.remove_incidents(&INCIDENTS_PG, intervals).await?,
            },
        })
    }

    /// Makes the partitions of this month and the next ones; nothing to do on SQLite.
    pub async fn prepare_months(&self, now: Timestamp) -> Result<u64, StoreError> {
        let Db::Pg(pool) = &self.db else { return Ok(0) };
        let mut made = 0;
        for (name, month) in months_from(now) {
            let is_new: bool = sqlx::query_scalar(ADD_MONTH)
                .bind(name)
                .bind(month.start().as_millis())
                .bind(month.end().as_millis())
                .fetch_one(pool)
                .await
                .map_err(StoreError::at("add a month of intervals"))?;
            made += u64::from(is_new);
        }
        Ok(made)
    }

    async fn drop_months(&self, before: Timestamp) -> Result<u64, StoreError> {
        let Db::Pg(pool) = &self.db else { return Ok(0) };
        let count: i64 = sqlx::query_scalar(DROP_MONTHS)
            .bind(before.as_millis())
            .fetch_one(pool)
            .await
            .map_err(StoreError::at("drop months of intervals"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn remove_incidents(&self, all: &[&'static str; 3], before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let old: Vec<i64> = on_pool!(&self.db, pool => sqlx::query_scalar(OLD_INCIDENTS)
                .bind(before.as_millis())
                .bind(INCIDENTS_AT_ONCE)
                .fetch_all(pool)
                .await)
            .map_err(StoreError::at("read old incidents"))?;
            if old.is_empty() {
                return Ok(removed);
            }
            let list = json_list(old.iter().copied());
            // It begins with a write, so that it waits for others; nothing of them lives again meanwhile.
            on_pool!(&self.db, pool => async {
                let mut tx = pool.begin().await?;
                for statement in *all {
                    sqlx::query(statement).bind(&list).execute(&mut *tx).await?;
                }
                tx.commit().await
            }
            .await)
            .map_err(StoreError::at("remove old incidents"))?;
            removed += u64::try_from(old.len()).unwrap_or(0);
        }
    }

    /// Removes old rows, some points and some rows at a time, so that a writer never waits for long.
    async fn remove_old(&self, old: &Old, before: Timestamp) -> Result<u64, StoreError> {
        let (mut after, mut removed) = (String::new(), 0);
        loop {
            let points: Vec<String> = on_pool!(&self.db, pool => sqlx::query_scalar(old.points)
                .bind(&after)
                .bind(POINTS_AT_ONCE)
                .fetch_all(pool)
                .await)
            .map_err(StoreError::at("read points with old rows"))?;
            let Some(last) = points.last() else { return Ok(removed) };
            let given = json_list(points.iter().map(String::as_str));
            removed += self.remove_old_of(old, &given, before).await?;
            last.clone_into(&mut after);
        }
    }

    async fn remove_old_of(&self, old: &Old, points: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let count = on_pool!(&self.db, pool => sqlx::query(old.remove)
                .bind(points)
                .bind(before.as_millis())
                .bind(ROWS_AT_ONCE)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))
            .map_err(StoreError::at("remove old rows"))?;
            removed += count;
            if count < ROWS_AT_ONCE.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}

/// Before this instant intervals are no longer kept.
pub(crate) fn horizon(now: Timestamp, settings: &StoreSettings) -> Timestamp {
    now.minus(days(settings.interval_days))
}

fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 86_400)
}

/// Partition names and windows of the month of `now` and those after it; UTC, because only order matters.
fn months_from(now: Timestamp) -> Vec<(String, Window)> {
    let instant = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let first = TimeZone::UTC.to_datetime(instant).date().first_of_month();
    let name = |date: Date| format!("interval_{:04}_{:02}", date.year(), date.month());
    let months = (0..=MONTHS_AHEAD).map(|ahead| (first.saturating_add(ahead.months()), ahead + 1));
    months
        .filter_map(|(start, next)| {
            let end = first.saturating_add(next.months());
            Some((name(start), Window::new(midnight(start)?, midnight(end)?)?))
        })
        .collect()
}

fn midnight(date: Date) -> Option<Timestamp> {
    let zoned = date.to_zoned_datetime(TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_calendar_months_that_touch() {
        // 2026-11-25T09:00:00Z
        let months = months_from(Timestamp::from_seconds(1_795_597_200));
        let names: Vec<&str> = months.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["interval_2026_11", "interval_2026_12", "interval_2027_01"]);
        let windows: Vec<String> = months.iter().map(|(_, month)| month.start().to_string()).collect();
        assert_eq!(windows, ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]);
        assert!(months.windows(2).all(|pair| pair[0].1.end() == pair[1].1.start()));
    }
}
