//! Exclusions on their way: approved and withdrawn with the roll-ups that they touch.

use crate::coverage::gather::{Segment, segments};
use crate::coverage::{CoverageContext, CoverageError, last_instant};
use crate::domain::{DivisionCode, Exclusion, ExclusionScope, Window};
use crate::store::exclusion::{ExclusionChangeError, ExclusionStep};
use std::collections::BTreeSet;

/// Why an exclusion was not approved or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The rules or the store refuse it.
    #[error(transparent)]
    Change(#[from] ExclusionChangeError),
    /// What it touches could not be found.
    #[error("find the villages that the exclusion touches")]
    Villages(#[source] CoverageError),
}

/// Approves or withdraws an exclusion as `by`, another person than the applicant for an approval.
pub async fn change_exclusion(
    context: &CoverageContext,
    id: i64,
    step: ExclusionStep,
    by: &str,
) -> Result<Exclusion, ApprovalError> {
    let store = &context.store;
    let exclusion = store.exclusion(id).await.map_err(ExclusionChangeError::from)?;
    let exclusion = exclusion.ok_or(ExclusionChangeError::Missing(id))?;
    let villages = villages(context, exclusion.scope, exclusion.window).await;
    let villages = villages.map_err(ApprovalError::Villages)?;
    Ok(store.change_exclusion(id, step, by, &villages, context.clock.now()).await?)
}

/// The villages whose sums the exclusion changes: those of its points on the days of its window.
async fn villages(
    context: &CoverageContext,
    scope: ExclusionScope,
    window: Window,
) -> Result<Vec<DivisionCode>, CoverageError> {
    // What has not passed has no sums yet.
    let Ok(passed) = context.passed(window) else { return Ok(Vec::new()) };
    let last = context.inventory_at(last_instant(passed)).await?;
    let segments = segments(context, passed, &last).await?;
    let of_segment = move |segment: &Segment| scope.villages(&segment.inventory);
    let villages = move || segments.iter().flat_map(of_segment).collect::<BTreeSet<_>>();
    Ok(context.compute(villages).await?.into_iter().collect())
}
