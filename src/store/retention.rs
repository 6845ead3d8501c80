//! Retention: what is older than the settings say goes, in steps that never hold the writer up for long.
//!
//! Observations go by point range on both databases. Closed intervals too on SQLite; PostgreSQL drops whole months.
//! Daily sums stay: they are small and the figures of past years are made of them.

use crate::config::StoreSettings;
use crate::domain::{Timestamp, Window};
use crate::store::{Db, Store, StoreError, on_pool};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Points whose old rows go in one statement.
const POINTS_AT_ONCE: i64 = 500;
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
}

/// The point that ends a range of `$2` points after `$1`. Every point with an interval has a row here.
const RANGE_END: &str = "SELECT point FROM point_state WHERE point > $1 ORDER BY point LIMIT 1 OFFSET $2";
const PRUNE_OBSERVATIONS: &str =
    "DELETE FROM observation WHERE point > $1 AND point <= $2 AND started_ms < $3";
const PRUNE_INTERVALS: &str = "DELETE FROM interval WHERE point > $1 AND point <= $2 AND end_ms < $3";
const ADD_MONTH: &str = "SELECT add_interval_partition($1, $2, $3)";
const DROP_MONTHS: &str = "SELECT drop_interval_partitions($1)";
/// Sorts after every code: codes are digits.
const AFTER_ALL_POINTS: &str = "~";

impl Store {
    /// Removes what is older than the settings say. Safe to repeat.
    pub async fn prune(&self, now: Timestamp, settings: &StoreSettings) -> Result<Pruned, StoreError> {
        let observations = now.minus(days(settings.observation_days));
        let intervals = horizon(now, settings);
        let observations = self.prune_by_range(PRUNE_OBSERVATIONS, observations).await?;
        Ok(match &self.db {
            Db::Lite(_) => {
                let intervals = self.prune_by_range(PRUNE_INTERVALS, intervals).await?;
                Pruned { observations, intervals, months: 0 }
            }
            Db::Pg(_) => Pruned { observations, intervals: 0, months: self.drop_months(intervals).await? },
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

    async fn prune_by_range(&self, statement: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let (mut after, mut removed) = (String::new(), 0);
        loop {
            let end: Option<String> = on_pool!(&self.db, pool => sqlx::query_scalar(RANGE_END)
                .bind(&after)
                .bind(POINTS_AT_ONCE - 1)
                .fetch_optional(pool)
                .await)
            .map_err(StoreError::at("read a range of points"))?;
            let last = end.as_deref().unwrap_or(AFTER_ALL_POINTS);
            removed += on_pool!(&self.db, pool => sqlx::query(statement)
                .bind(&after)
                .bind(last)
                .bind(before.as_millis())
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))
            .map_err(StoreError::at("remove old rows"))?;
            match end {
                Some(end) => after = end,
                None => return Ok(removed),
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
