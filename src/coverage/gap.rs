//! Pages of the gaps of now.

use crate::coverage::{CoverageContext, CoverageError};
use crate::domain::gap::{self, Gap, GapReason, Working};
use crate::domain::survey::{Extent, Member};
use crate::domain::{DivisionCode, Inventory, PointCode, State};
use crate::health::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A page of gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapPage {
    /// The gaps, worst first.
    pub items: Vec<Gap>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
    /// Gaps of each reason over every page.
    pub totals: BTreeMap<GapReason, u64>,
}

/// Up to `limit` gaps of a division after the one that `after` names, by what the snapshot shows.
pub async fn gaps(
    context: &CoverageContext,
    snapshot: Arc<Snapshot>,
    division: Option<DivisionCode>,
    after: Option<String>,
    limit: usize,
) -> Result<GapPage, CoverageError> {
    let inventory = context.inventory.borrow().clone();
    let now = context.clock.now();
    let compute = move || {
        let states = states(&snapshot);
        let extent = Extent::of(&inventory, division, now);
        let gaps = gap::find(&extent, |point| states.get(point).copied().unwrap_or(Working::Unknown));
        page(gaps, after.as_deref(), limit, &inventory)
    };
    context.compute(compute).await
}

/// What is measured now; an exclusion does not make a camera work.
fn states(snapshot: &Snapshot) -> BTreeMap<PointCode, Working> {
    let working = |state| match state {
        State::Good | State::Degraded => Working::Yes,
        State::NoVideo | State::Offline | State::Unreachable => Working::No,
        State::Unknown | State::Excluded => Working::Unknown,
    };
    snapshot.points.iter().map(|point| (point.code, working(point.measured.state()))).collect()
}

fn page(gaps: Vec<Gap>, after: Option<&str>, limit: usize, inventory: &Inventory) -> GapPage {
    let mut totals: BTreeMap<GapReason, u64> = BTreeMap::new();
    for gap in &gaps {
        let count = totals.entry(gap.reason).or_default();
        *count = count.saturating_add(1);
    }
    let known = |gap: &Gap| after.is_some_and(|after| !is_behind(gap, after, inventory));
    let mut items: Vec<Gap> = gaps.into_iter().skip_while(known).take(limit.saturating_add(1)).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    GapPage { items, next, totals }
}

/// The rank of a gap as text: households, reason, kind and code.
fn cursor(gap: &Gap) -> String {
    format!("{} {} {} {}", gap.households, gap.reason.as_str(), gap.member.kind(), gap.member.code())
}

/// Whether a gap stands behind the one that the cursor names, which may be closed by now.
fn is_behind(gap: &Gap, cursor: &str, inventory: &Inventory) -> bool {
    let rank = || {
        let mut words = cursor.split(' ');
        let households = words.next()?.parse().ok()?;
        let word = words.next()?;
        let reason = GapReason::ALL.into_iter().find(|reason| reason.as_str() == word)?;
        let (kind, code) = (words.next()?, words.next()?);
        let member = match kind {
            "village" => Member::Village(code.parse().ok()?),
            "grid" => Member::Grid(code.parse().ok()?),
            "place" => Member::Place(inventory.places.get(&code.parse().ok()?)?.code.clone()),
            _ => return None,
        };
        Some((std::cmp::Reverse(households), reason, member))
    };
    rank().is_none_or(|rank| gap.rank() > rank)
}
