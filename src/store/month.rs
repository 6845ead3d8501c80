//! Reported months: the hash and revision under which a closed month was given out.

use crate::domain::{DivisionCode, Month, Timestamp};
use crate::store::{Store, StoreError, on_pool};

const SELECT_NEWEST: &str = "SELECT revision, hash, targets, reported_ms FROM month_report \
    WHERE month = $1 AND division = $2 ORDER BY revision DESC LIMIT 1";

/// Of two writers of the same revision the second one is told by the count of rows.
const INSERT: &str = "INSERT INTO month_report (month, division, revision, hash, targets, reported_ms) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (month, division, revision) DO NOTHING";

#[derive(sqlx::FromRow)]
struct Row {
    revision: i64,
    hash: String,
    targets: String,
    reported_ms: i64,
}

/// One revision of a reported month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthRevision {
    /// 1, then one more each time that the figures changed.
    pub revision: i64,
    /// SHA-256 of the JSON report, in hex.
    pub hash: String,
    /// Version of the targets.
    pub targets: String,
    /// When this revision was first reported.
    pub reported: Timestamp,
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
            hash: row.hash,
            targets: row.targets,
            reported: Timestamp::from_millis(row.reported_ms),
        }))
    }

    /// Notes that a closed month was reported with this hash; other figures than before are a new revision.
    pub async fn freeze_month(
        &self,
        month: Month,
        division: Option<DivisionCode>,
        hash: &str,
        targets: &str,
        now: Timestamp,
    ) -> Result<Frozen, StoreError> {
        loop {
            let before = self.month_revision(month, division).await?;
            if let Some(same) = before.clone().filter(|before| before.hash == hash) {
                return Ok(Frozen::Same(same));
            }
            let fresh = MonthRevision {
                revision: before.as_ref().map_or(1, |before| before.revision.saturating_add(1)),
                hash: hash.to_owned(),
                targets: targets.to_owned(),
                reported: now,
            };
            // Someone else who takes the number first leaves a newer revision to compare with: this ends.
            if self.add_month_revision(month, division, &fresh).await? {
                return Ok(match before {
                    None => Frozen::First(fresh),
                    Some(before) => Frozen::Changed { before, now: fresh },
                });
            }
        }
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
            .bind(&fresh.hash)
            .bind(&fresh.targets)
            .bind(fresh.reported.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected() > 0))
        .map_err(StoreError::at("freeze a month"))
    }
}

fn division_text(division: Option<DivisionCode>) -> String {
    division.map(|division| division.to_string()).unwrap_or_default()
}
