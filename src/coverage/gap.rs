//! Pages of the gaps of now.

use crate::coverage::{CoverageContext, CoverageError};
use crate::domain::gap::{self, Gap, GapRank, GapReason, Working};
use crate::domain::survey::{Extent, Member};
use crate::domain::{DivisionCode, PointCode, State};
use crate::health::snapshot::Snapshot;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A page of gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapPage {
    /// The gaps, worst first.
    pub items: Vec<Gap>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<GapCursor>,
    /// Gaps of each reason over every page.
    pub totals: BTreeMap<GapReason, u64>,
}

/// Which gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapFilter {
    /// Only of this division.
    pub division: Option<DivisionCode>,
    /// Only of this kind of thing.
    pub kind: Option<GapKind>,
    /// Only for this reason.
    pub reason: Option<GapReason>,
}

impl GapFilter {
    fn holds(&self, gap: &Gap) -> bool {
        self.kind.is_none_or(|kind| kind.as_str() == gap.member.kind())
            && self.reason.is_none_or(|reason| reason == gap.reason)
    }
}

/// What can lack cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// A village.
    Village,
    /// A grid.
    Grid,
    /// A required place.
    Place,
}

impl GapKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Village, Self::Grid, Self::Place];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Village => "village",
            Self::Grid => "grid",
            Self::Place => "place",
        }
    }

    fn member(self, code: &str) -> Option<Member> {
        match self {
            Self::Village => code.parse().ok().map(Member::Village),
            Self::Grid => code.parse().ok().map(Member::Grid),
            Self::Place => code.parse().ok().map(Member::Place),
        }
    }
}

/// Where a page begins: the rank of the last gap of the page before, which may be closed by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapCursor(GapRank);

impl fmt::Display for GapCursor {
    /// Households, reason, kind and code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Reverse(households), reason, member) = &self.0;
        write!(f, "{households} {} {} {}", reason.as_str(), member.kind(), member.code())
    }
}

impl FromStr for GapCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rank = || {
            let mut words = text.split(' ');
            let households = words.next()?.parse().ok()?;
            let reason = words.next()?;
            let reason = GapReason::ALL.into_iter().find(|it| it.as_str() == reason)?;
            let kind = words.next()?;
            let kind = GapKind::ALL.into_iter().find(|it| it.as_str() == kind)?;
            let member = kind.member(words.next()?)?;
            words.next().is_none().then_some((Reverse(households), reason, member))
        };
        rank().map(Self).ok_or("`after` is `next` of the page before, whole and unchanged")
    }
}

/// Up to `limit` gaps after the one that `after` names, by what the snapshot shows.
pub async fn gaps(
    context: &CoverageContext,
    snapshot: Arc<Snapshot>,
    filter: GapFilter,
    after: Option<GapCursor>,
    limit: usize,
) -> Result<GapPage, CoverageError> {
    let inventory = context.inventory.borrow().clone();
    let now = context.clock.now();
    let compute = move || {
        let states = states(&snapshot);
        let extent = Extent::of(&inventory, filter.division, now);
        let mut gaps = gap::find(&extent, |point| states.get(point).copied().unwrap_or(Working::Unknown));
        gaps.retain(|gap| filter.holds(gap));
        page(gaps, after.as_ref(), limit)
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

fn page(gaps: Vec<Gap>, after: Option<&GapCursor>, limit: usize) -> GapPage {
    let mut totals: BTreeMap<GapReason, u64> = BTreeMap::new();
    for gap in &gaps {
        let count = totals.entry(gap.reason).or_default();
        *count = count.saturating_add(1);
    }
    let known = |gap: &Gap| after.is_some_and(|after| gap.rank() <= after.0);
    let mut items: Vec<Gap> = gaps.into_iter().skip_while(known).take(limit.saturating_add(1)).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| GapCursor(last.rank()));
    GapPage { items, next, totals }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_in_no_other_way() {
        let check = |text: &str, is_cursor: bool| {
            let cursor = text.parse::<GapCursor>().ok().map(|cursor| cursor.to_string());
            assert_eq!(cursor, is_cursor.then(|| text.to_owned()), "{text}");
        };
        check("300 no_point grid G2", true);
        check("0 not_measured village 230521100201", true);
        check("5 not_working place P-1", true);
        for wrong in [
            "",
            "300",
            "x no_point grid G2",
            "300 no_reason grid G2",
            "300 no_point point G2",
            "300 no_point grid G2 ",
        ] {
            check(wrong, false);
        }
        check("300 no_point village G2", false);
    }
}
