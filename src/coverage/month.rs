//! Monthly reports: computed like any other window; a closed one is frozen and given out again as it was.
//!
//! After its end a month stays provisional for some days: batches are late, confirmed failures are dated back,
//! exclusions wait for their approver. Then the first report is kept under a hash and a revision. Only who asks for it
//! issues it anew; what was recorded first after it closed is no part of it in any revision.

use crate::coverage::document::{CoverageDocument, MonthDocument};
use crate::coverage::{CoverageContext, CoverageError, Selection, report, table};
use crate::domain::{DivisionCode, Month, Timestamp};
use crate::store::month::{Frozen, Issued};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A month's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthReport {
    /// What is given out.
    pub issued: Arc<Issued>,
    /// Whether it holds.
    pub standing: Standing,
}

/// Whether a month's report still changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Provisional {
        /// Until then.
        until: Timestamp,
    },
    /// It does not, and so it compares with what was given out before.
    Frozen(Frozen),
}

/// Which report of a frozen month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issue {
    /// The one that was given out.
    Kept,
    /// One of what is known now: another document is a new revision.
    Anew,
}

/// Why a month could not be reported.
#[derive(Debug, thiserror::Error)]
pub enum MonthError {
    /// The figures failed.
    #[error("report {month}")]
    Figures {
        /// The month.
        month: Month,
        /// Why.
        #[source]
        source: CoverageError,
    },
    /// The revision could not be read or kept.
    #[error("freeze {month}")]
    Freeze {
        /// The month.
        month: Month,
        /// Why.
        #[source]
        source: crate::store::StoreError,
    },
    /// The report could not be written as text.
    #[error("write {month} as text")]
    Text {
        /// The month.
        month: Month,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The report could not be written as a table.
    #[error("write {month} as a table")]
    Table {
        /// The month.
        month: Month,
        /// Why.
        #[source]
        source: csv::Error,
    },
}

/// Reports a month of a division (the whole inventory when `None`); of the current one what has passed.
pub async fn month(
    context: &CoverageContext,
    month: Month,
    division: Option<DivisionCode>,
    issue: Issue,
) -> Result<MonthReport, MonthError> {
    let figures = |source| MonthError::Figures { month, source };
    let window = context.calendar.month(month).ok_or(CoverageError::Future).map_err(figures)?;
    let (now, until) = (context.clock.now(), window.end().plus(context.provisional));
    if now < until {
        let issued = compute(context, month, division, now).await?;
        return Ok(MonthReport { issued, standing: Standing::Provisional { until } });
    }
    let failed = |source| MonthError::Freeze { month, source };
    let kept = context.store.month_revision(month, division).await.map_err(failed)?;
    // A revision from before documents were kept has none to give out.
    if let Some(kept) = kept.clone().filter(|kept| issue == Issue::Kept && !kept.issued.json.is_empty()) {
        return Ok(frozen(Frozen::Same(kept)));
    }
    let closed = CoverageContext { known_until: Some(until), ..context.clone() };
    let issued = compute(&closed, month, division, now).await?;
    Ok(frozen(context.store.freeze_month(month, division, kept, issued, now).await.map_err(failed)?))
}

fn frozen(frozen: Frozen) -> MonthReport {
    MonthReport { issued: frozen.revision().issued.clone(), standing: Standing::Frozen(frozen) }
}

async fn compute(
    context: &CoverageContext,
    month: Month,
    division: Option<DivisionCode>,
    now: Timestamp,
) -> Result<Arc<Issued>, MonthError> {
    let figures = |source| MonthError::Figures { month, source };
    let window = context.calendar.month(month).ok_or(CoverageError::Future).map_err(figures)?;
    let report = report(context, division, window, &Selection::All).await.map_err(figures)?;
    let document = MonthDocument {
        month: month.to_string(),
        closed: window.end() <= now,
        provisional: now < window.end().plus(context.provisional),
        coverage: CoverageDocument::from(&report),
    };
    let json =
        serde_json::to_string_pretty(&document).map_err(|source| MonthError::Text { month, source })?;
    let csv = table::write(&report).map_err(|source| MonthError::Table { month, source })?;
    Ok(Arc::new(Issued { hash: sha256(&json), json, csv, targets: context.targets.version.clone() }))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
