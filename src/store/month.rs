//! Reported months: the documents, hash and revision under which a closed month was given out.

use crate::domain::{DivisionCode, Month, Timestamp};
use crate::store::{Store, StoreError, on_pool, parse};
use std::sync::Arc;

const SELECT_NEWEST: &str = "SELECT revision, hash, targets, reported_ms, json, csv FROM month_report \
    WHERE month = $1 AND division = $2 ORDER BY revision DESC LIMIT 1";

/// Of two writers of the same revision the second one is told by the count of rows.
const INSERT: &str = "INSERT INTO month_report (month, division, revision, hash, targets, reported_ms, json, csv) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (month, division, revision) DO NOTHING";

/// Twelve rows a year.
const SELECT_REPORTED: &str =
    "SELECT month, MIN(reported_ms) FROM month_report GROUP BY month ORDER BY month";

#[derive(sqlx::FromRow)]
struct Row {
    revision: i64,
    hash: String,
    targets: String,
    reported_ms: i64,
    json: String,
    csv: String,
}

/// What is given out of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The report as JSON, without a line end.
    pub json: String,
    /// The report as CSV.
    pub csv: String,
    /// SHA-256 of the JSON report, in hex.
    pub hash: String,
    /// Version of the targets.
    pub targets: String,
}

/// One revision of a reported month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthRevision {
    /// 1, then one more each time that the figures changed.
    pub revision: i64,
    /// When this revision was first reported.
    pub reported: Timestamp,
    /// What was given out.
    pub issued: Arc<Issued>,
}

/// What freezing a month came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// Reported for the first time: revision 1.
    First(MonthRevision),
    /// The same bytes as before.
    Same(MonthRevision),
    /// Other bytes than before: a new revision.
    Changed {
        /// What was given out before.
        before: MonthRevision,
        /// What holds now.
        now: MonthRevision,
    },
}

impl Frozen {
    /// The revision that holds.
    pub const fn revision(&self) -> &MonthRevision {
        match self {
            Self::First(revision) | Self::Same(revision) | Self::Changed { now: revision, .. } => revision,
        }
    }
}

impl Store {
    /// The newest revision of a reported month; `None` as division is the whole inventory.
    pub async fn month_revision(
        &self,
        month: Month,
        division: Option<DivisionCode>,
    ) -> Result<Option<MonthRevision>, StoreError> {
        let row: Option<Row> = on_pool!(&self.db, pool => sqlx::query_as(SELECT_NEWEST)
            .bind(month.to_string())
            .bind(division_text(division))
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::at("read the revision of a month"))?;
        Ok(row.map(|row| MonthRevision {
            revision: row.revision,
            reported: Timestamp::from_millis(row.reported_ms),
            issued: Arc::new(Issued { json: row.json, csv: row.csv, hash: row.hash, targets: row.targets }),
        }))
    }

    /// Keeps what is given out of a closed month after the revision `before`; another document than that is a new
    /// revision. Of two that do so at once the second one gets what the first one kept.
    pub async fn freeze_month(
        &self,
        month: Month,
        division: Option<DivisionCode>,
        before: Option<MonthRevision>,
        issued: Arc<Issued>,
        now: Timestamp,
    ) -> Result<Frozen, StoreError> {
        if let Some(same) = before.clone().filter(|before| before.issued == issued) {
            return Ok(Frozen::Same(same));
        }
        let revision = before.as_ref().map_or(1, |before| before.revision.saturating_add(1));
        let fresh = MonthRevision { revision, reported: now, issued };
        if !self.add_month_revision(month, division, &fresh).await? {
            let kept = self.month_revision(month, division).await?;
            return Ok(Frozen::Same(kept.unwrap_or(fresh)));
        }
        Ok(match before {
            None => Frozen::First(fresh),
            Some(before) => Frozen::Changed { before, now: fresh },
        })
    }

    /// Adds a revision; `false` when its number is taken.
    async fn add_month_revision(
        &self,
        month: Month,
        division: Option<DivisionCode>,
        fresh: &MonthRevision,
    ) -> Result<bool, StoreError> {
        on_pool!(&self.db, pool => sqlx::query(INSERT)
            .bind(month.to_string())
            .bind(division_text(division))
            .bind(fresh.revision)
            .bind(&fresh.issued.hash)
            .bind(&fresh.issued.targets)
            .bind(fresh.reported.as_millis())
            .bind(&fresh.issued.json)
            .bind(&fresh.issued.csv)
            .execute(pool)
            .await
            .map(|done| done.rows_affected() > 0))
        .map_err(StoreError::at("freeze a month"))
    }

    /// Every month of which a report was given out, with when that was first done, oldest first.
    pub async fn reported_months(&self) -> Result<Vec<(Month, Timestamp)>, StoreError> {
        let rows: Vec<(String, i64)> =
            on_pool!(&self.db, pool => sqlx::query_as(SELECT_REPORTED).fetch_all(pool).await)
                .map_err(StoreError::at("read the reported months"))?;
        let read = |(month, ms): &(String, i64)| Ok((parse("month", month)?, Timestamp::from_millis(*ms)));
        rows.iter().map(read).collect()
    }
}

fn division_text(division: Option<DivisionCode>) -> String {
    division.map(|division| division.to_string()).unwrap_or_default()
}
