//! Monthly reports: computed like any other window; a closed one is frozen by hash and revision.

use crate::coverage::document::{CoverageDocument, MonthDocument};
use crate::coverage::{CoverageContext, CoverageError, CoverageReport, Selection, report};
use crate::domain::{DivisionCode, Month};
use crate::store::month::Frozen;
use sha2::{Digest, Sha256};

/// A month's report.
#[derive(Clone, Debug, PartialEq)]
pub struct MonthReport {
    /// The figures.
    pub report: CoverageReport,
    /// The JSON text, without a line end; its hash is what is frozen.
    pub json: String,
    /// How a closed month compares with what was given out before; `None` while the month is open.
    pub frozen: Option<Frozen>,
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
}

/// Reports a month of a division (the whole inventory when `None`); of the current one what has passed.
pub async fn month(
    context: &CoverageContext,
    month: Month,
    division: Option<DivisionCode>,
) -> Result<MonthReport, MonthError> {
    let figures = |source| MonthError::Figures { month, source };
    let window = context.calendar.month(month).ok_or(CoverageError::Future).map_err(figures)?;
    let closed = window.end() <= context.clock.now();
    let report = report(context, division, window, &Selection::All).await.map_err(figures)?;
    let coverage = CoverageDocument::from(&report);
    let document = MonthDocument { month: month.to_string(), closed, coverage };
    let json =
        serde_json::to_string_pretty(&document).map_err(|source| MonthError::Text { month, source })?;
    let frozen = if closed {
        let (hash, now) = (sha256(&json), context.clock.now());
        let freeze = context.store.freeze_month(month, division, &hash, &context.targets.version, now);
        Some(freeze.await.map_err(|source| MonthError::Freeze { month, source })?)
    } else {
        None
    };
    Ok(MonthReport { report, json, frozen })
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
