//! Exclusions on their way: approved and withdrawn with the roll-ups that they touch.

use crate::coverage::CoverageContext;
use crate::domain::exclusion::ExclusionMap;
use crate::domain::{DivisionCode, Exclusion, Timestamp};
use crate::store::exclusion::{ExclusionChangeError, ExclusionStep};
use std::collections::BTreeSet;

/// Approves or withdraws an exclusion as `by`, another person than the applicant for an approval.
pub async fn change_exclusion(
    context: &CoverageContext,
    id: i64,
    step: ExclusionStep,
    by: &str,
) -> Result<Exclusion, ExclusionChangeError> {
    let exclusion = context.store.exclusion(id).await?.ok_or(ExclusionChangeError::Missing(id))?;
    let villages = villages(context, exclusion);
    context.store.change_exclusion(id, step, by, &villages, context.clock.now()).await
}

/// The villages whose sums the exclusion changes once it is effective.
fn villages(context: &CoverageContext, exclusion: Exclusion) -> Vec<DivisionCode> {
    let inventory = context.inventory.borrow().clone();
    let effective = Exclusion {
        approver: exclusion.approver.or(Some(String::new())),
        approved: Some(Timestamp::MIN),
        withdrawn: None,
        ..exclusion
    };
    let exclusions = [effective];
    let map = ExclusionMap::new(&inventory, &exclusions);
    let covered = inventory.points.values().filter(|point| map.of(point).next().is_some());
    covered.map(|point| point.village).collect::<BTreeSet<_>>().into_iter().collect()
}
