//! Exclusions: requested, approved by another person, withdrawn; never deleted.
//!
//! When one begins or ceases to change figures, the rolled-up days that it touches are marked dirty in the same
//! transaction, so that no reader meets an old sum beside a new exclusion for longer than one roll-up.

use crate::domain::{
    DivisionCode, Exclusion, ExclusionError, ExclusionRequest, ExclusionScope, Timestamp, Window,
};
use crate::store::{Db, Store, StoreError, json_list, on_pool};

const INSERT: &str = "INSERT INTO exclusion (kind, scope, codes, start_ms, end_ms, reason, evidence, applicant, entered_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";

const SELECT_ONE: &str = "SELECT id, kind, scope, codes, start_ms, end_ms, reason, evidence, applicant, entered_ms, \
    approver, approved_ms, withdrawn_ms FROM exclusion WHERE id = $1";

/// A page in the order of entry; `$1` is the last id of the page before.
const SELECT_PAGE: &str = "SELECT id, kind, scope, codes, start_ms, end_ms, reason, evidence, applicant, entered_ms, \
    approver, approved_ms, withdrawn_ms FROM exclusion WHERE id > $1 ORDER BY id LIMIT $2";

/// Every exclusion that changes figures of `[$1, $2)`. As many as people approve: hundreds a year.
const SELECT_EFFECTIVE: &str = "SELECT id, kind, scope, codes, start_ms, end_ms, reason, evidence, applicant, entered_ms, \
    approver, approved_ms, withdrawn_ms FROM exclusion \
    WHERE approver IS NOT NULL AND withdrawn_ms IS NULL AND start_ms < $2 AND end_ms > $1 ORDER BY id";

/// Guarded by what was read, so that two people at once do not both approve.
const APPROVE: &str = "UPDATE exclusion SET approver = $2, approved_ms = $3 \
    WHERE id = $1 AND approver IS NULL AND withdrawn_ms IS NULL";

const WITHDRAW: &str =
    "UPDATE exclusion SET withdrawn_ms = $3, withdrawn_by = $2 WHERE id = $1 AND withdrawn_ms IS NULL";

const MARK_DIRTY_LITE: &str = "INSERT INTO dirty_day (village, day) \
    SELECT village.value, closed_day.day FROM json_each($1) AS village CROSS JOIN closed_day \
    WHERE closed_day.start_ms < $3 AND closed_day.end_ms > $2 ON CONFLICT DO NOTHING";

const MARK_DIRTY_PG: &str = "INSERT INTO dirty_day (village, day) \
    SELECT village.value, closed_day.day FROM json_array_elements_text($1::json) AS village(value) CROSS JOIN closed_day \
    WHERE closed_day.start_ms < $3 AND closed_day.end_ms > $2 ON CONFLICT DO NOTHING";

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    kind: String,
    scope: String,
    codes: String,
    start_ms: i64,
    end_ms: i64,
    reason: String,
    evidence: String,
    applicant: String,
    entered_ms: i64,
    approver: Option<String>,
    approved_ms: Option<i64>,
    withdrawn_ms: Option<i64>,
}

/// What is done to an exclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExclusionStep {
    /// Another person approves.
    Approve,
    /// It is taken back.
    Withdraw,
}

/// Why an exclusion was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ExclusionChangeError {
    /// No such number.
    #[error("exclusion {0} is not known")]
    Missing(i64),
    /// The rules refuse it.
    #[error("change exclusion {id}")]
    Refused {
        /// Its number.
        id: i64,
        /// Which rule.
        #[source]
        source: ExclusionError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Enters a request that [`ExclusionRequest::check`] accepted; it changes no figure until it is approved.
    pub async fn add_exclusion(
        &self,
        request: &ExclusionRequest,
        now: Timestamp,
    ) -> Result<Exclusion, StoreError> {
        let (scope, codes) = write_scope(&request.scope);
        let id: i64 = on_pool!(&self.db, pool => sqlx::query_scalar(INSERT)
            .bind(request.kind.as_str())
            .bind(scope)
            .bind(codes)
            .bind(request.window.start().as_millis())
            .bind(request.window.end().as_millis())
            .bind(&request.reason)
            .bind(&request.evidence)
            .bind(&request.applicant)
            .bind(now.as_millis())
            .fetch_one(pool)
            .await)
        .map_err(StoreError::at("enter an exclusion"))?;
        Ok(entered(id, request, now))
    }

    /// The exclusion of this number.
    pub async fn exclusion(&self, id: i64) -> Result<Option<Exclusion>, StoreError> {
        let row: Option<Row> =
            on_pool!(&self.db, pool => sqlx::query_as(SELECT_ONE).bind(id).fetch_optional(pool).await)
                .map_err(StoreError::at("read an exclusion"))?;
        row.map(read_row).transpose()
    }

    /// Up to `limit` exclusions with a number above `after`, in every stage, in the order of entry.
    pub async fn exclusions(&self, after: i64, limit: u32) -> Result<Vec<Exclusion>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(SELECT_PAGE)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("list exclusions"))?;
        rows.into_iter().map(read_row).collect()
    }

    /// Every exclusion that changes figures of `window`, in the order of entry.
    pub async fn effective_exclusions(&self, window: Window) -> Result<Vec<Exclusion>, StoreError> {
        let rows: Vec<Row> = on_pool!(&self.db, pool => sqlx::query_as(SELECT_EFFECTIVE)
            .bind(window.start().as_millis())
            .bind(window.end().as_millis())
            .fetch_all(pool)
            .await)
        .map_err(StoreError::at("read the effective exclusions"))?;
        rows.into_iter().map(read_row).collect()
    }

    /// Approves or withdraws an exclusion and marks the rolled-up days of `villages` in its window dirty, at once.
    pub async fn change_exclusion(
        &self,
        id: i64,
        step: ExclusionStep,
        by: &str,
        villages: &[DivisionCode],
        now: Timestamp,
    ) -> Result<Exclusion, ExclusionChangeError> {
        let before = self.exclusion(id).await?.ok_or(ExclusionChangeError::Missing(id))?;
        let was_effective = before.is_effective();
        let changed = match step {
            ExclusionStep::Approve => before.approve(by, now),
            ExclusionStep::Withdraw => before.withdraw(now),
        };
        let changed = changed.map_err(|source| ExclusionChangeError::Refused { id, source })?;
        let touched = if changed.is_effective() == was_effective { &[] } else { villages };
        let rows = self.write_step(id, step, by, touched, &changed, now).await?;
        if rows == 0 {
            // Someone else was faster; the rules say what is wrong now.
            let source = match step {
                ExclusionStep::Approve => ExclusionError::AlreadyApproved,
                ExclusionStep::Withdraw => ExclusionError::Withdrawn,
            };
            return Err(ExclusionChangeError::Refused { id, source });
        }
        Ok(changed)
    }

    async fn write_step(
        &self,
        id: i64,
        step: ExclusionStep,
        by: &str,
        villages: &[DivisionCode],
        changed: &Exclusion,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let statement = match step {
            ExclusionStep::Approve => APPROVE,
            ExclusionStep::Withdraw => WITHDRAW,
        };
        let mark_dirty = match &self.db {
            Db::Lite(_) => MARK_DIRTY_LITE,
            Db::Pg(_) => MARK_DIRTY_PG,
        };
        let villages = json_list(villages.iter().map(DivisionCode::as_str));
        let (start, end) = (changed.window.start().as_millis(), changed.window.end().as_millis());
        on_pool!(&self.db, pool => async {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(statement).bind(id).bind(by).bind(now.as_millis()).execute(&mut *tx).await?;
            sqlx::query(mark_dirty).bind(villages).bind(start).bind(end).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok::<u64, sqlx::Error>(done.rows_affected())
        }
        .await)
        .map_err(StoreError::at("change an exclusion"))
    }
}

fn entered(id: i64, request: &ExclusionRequest, now: Timestamp) -> Exclusion {
    let ExclusionRequest { kind, scope, window, reason, evidence, applicant } = request.clone();
    Exclusion {
        id,
        kind,
        scope,
        window,
        reason,
        evidence,
        applicant,
        approver: None,
        entered: now,
        approved: None,
        withdrawn: None,
    }
}

fn write_scope(scope: &ExclusionScope) -> (&'static str, String) {
    match scope {
        ExclusionScope::Points(points) => ("points", json_list(points.iter().map(|point| point.as_str()))),
        ExclusionScope::Site(site) => ("site", json_list([site.as_str()])),
        ExclusionScope::Division(division) => ("division", json_list([division.as_str()])),
        ExclusionScope::Link(link) => ("link", json_list([link.as_str()])),
    }
}

fn read_scope(scope: &str, codes: &str) -> Option<ExclusionScope> {
    let codes: Vec<String> = serde_json::from_str(codes).ok()?;
    let only = codes.first().map(String::as_str);
    match scope {
        "points" => {
            codes.iter().map(|code| code.parse().ok()).collect::<Option<_>>().map(ExclusionScope::Points)
        }
        "site" => only?.parse().ok().map(ExclusionScope::Site),
        "division" => only?.parse().ok().map(ExclusionScope::Division),
        "link" => only?.parse().ok().map(ExclusionScope::Link),
        _ => None,
    }
}

fn read_row(row: Row) -> Result<Exclusion, StoreError> {
    let (start, end) = (Timestamp::from_millis(row.start_ms), Timestamp::from_millis(row.end_ms));
    Ok(Exclusion {
        id: row.id,
        kind: row.kind.parse().map_err(|_unknown_kind| StoreError::corrupt("exclusion.kind", &row.kind))?,
        scope: read_scope(&row.scope, &row.codes)
            .ok_or_else(|| StoreError::corrupt("exclusion.codes", &row.codes))?,
        window: Window::new(start, end).ok_or_else(|| StoreError::corrupt("exclusion.end_ms", row.end_ms))?,
        reason: row.reason,
        evidence: row.evidence,
        applicant: row.applicant,
        approver: row.approver,
        entered: Timestamp::from_millis(row.entered_ms),
        approved: row.approved_ms.map(Timestamp::from_millis),
        withdrawn: row.withdrawn_ms.map(Timestamp::from_millis),
    })
}
