//! Gaps (缺口): villages, grids and places without cover or without cover that works, worst first.

use crate::domain::survey::{Extent, Member};
use crate::domain::{DivisionCode, Point, PointCode};
use std::collections::BTreeMap;

/// Whether a point delivers video now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Working {
    /// Video arrives.
    Yes,
    /// It does not.
    No,
    /// Not measured.
    Unknown,
}

/// Why something is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// 无点位: no point at all.
    NoPoint,
    /// 有点位无画面: points, but none of them works now.
    NotWorking,
    /// 未测: points, none known to work, some not measured.
    NotMeasured,
}

impl GapReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::NoPoint, Self::NotWorking, Self::NotMeasured];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPoint => "no_point",
            Self::NotWorking => "not_working",
            Self::NotMeasured => "not_measured",
        }
    }
}

/// A village, grid or place without working cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What is not covered.
    pub member: Member,
    /// Its name.
    pub name: String,
    /// The village that it lies in.
    pub village: DivisionCode,
    /// Households behind it; a place stands for those of its village.
    pub households: u32,
    /// Why.
    pub reason: GapReason,
    /// Points that should cover it.
    pub points: u32,
}

/// The place of a gap in the list: households from many to few, then reason and member.
pub type GapRank = (std::cmp::Reverse<u32>, GapReason, Member);

impl Gap {
    /// Where the gap stands in the list.
    pub fn rank(&self) -> GapRank {
        (std::cmp::Reverse(self.households), self.reason, self.member.clone())
    }
}

/// What the points of one member come to.
#[derive(Clone, Copy, Debug, Default)]
struct Cover {
    points: u32,
    working: u32,
    unknown: u32,
}

impl Cover {
    fn add(&mut self, working: Working) {
        self.points = self.points.saturating_add(1);
        match working {
            Working::Yes => self.working = self.working.saturating_add(1),
            Working::Unknown => self.unknown = self.unknown.saturating_add(1),
            Working::No => {}
        }
    }

    const fn reason(self) -> Option<GapReason> {
        if self.points == 0 {
            Some(GapReason::NoPoint)
        } else if self.working > 0 {
            None
        } else if self.unknown > 0 {
            Some(GapReason::NotMeasured)
        } else {
            Some(GapReason::NotWorking)
        }
    }
}

/// Every gap of an extent, worst first.
pub fn find(extent: &Extent<'_>, working: impl Fn(&PointCode) -> Working) -> Vec<Gap> {
    let covers = covers(&extent.points, working);
    let cover = |member: &Member| covers.get(member).copied().unwrap_or_default();
    let households = |village| {
        extent.inventory().divisions.get(village).and_then(|village| village.households).unwrap_or(0)
    };
    let mut gaps = Vec::new();
    let mut add = |member: Member, name: &str, village: DivisionCode, households: u32| {
        let cover = cover(&member);
        gaps.extend(cover.reason().map(|reason| Gap {
            member,
            name: name.to_owned(),
            village,
            households,
            reason,
            points: cover.points,
        }));
    };
    for village in &extent.villages {
        add(Member::Village(village.code), &village.name, village.code, village.households.unwrap_or(0));
    }
    for grid in &extent.grids {
        add(Member::Grid(grid.code.clone()), &grid.name, grid.village, grid.households.unwrap_or(0));
    }
    for place in &extent.places {
        add(Member::Place(place.code.clone()), &place.name, place.village, households(&place.village));
    }
    gaps.sort_by_cached_key(Gap::rank);
    gaps
}

fn covers(points: &[&Point], working: impl Fn(&PointCode) -> Working) -> BTreeMap<Member, Cover> {
    let mut covers: BTreeMap<Member, Cover> = BTreeMap::new();
    for point in points {
        let works = working(&point.code);
        let grid = point.grid.clone().map(Member::Grid);
        let place = point.place.clone().map(Member::Place);
        for member in [Some(Member::Village(point.village)), grid, place].into_iter().flatten() {
            covers.entry(member).or_default().add(works);
        }
    }
    covers
}
