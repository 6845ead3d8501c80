//! Counts of points by state, per division, grid and place.

use crate::api::view::View;
use crate::domain::access::Scope;
use crate::domain::{DivisionCode, DivisionLevel, GridCode, PlaceCode, PointStatus, State};
use serde::Serialize;
use std::collections::BTreeMap;

/// Points by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct PointCounts {
    /// 正常.
    pub(crate) good: u32,
    /// 异常.
    pub(crate) degraded: u32,
    /// 无视频.
    pub(crate) no_video: u32,
    /// 离线.
    pub(crate) offline: u32,
    /// 链路中断.
    pub(crate) unreachable: u32,
    /// 未知.
    pub(crate) unknown: u32,
    /// 剔除.
    pub(crate) excluded: u32,
}

impl PointCounts {
    fn slot(&mut self, state: State) -> &mut u32 {
        match state {
            State::Good => &mut self.good,
            State::Degraded => &mut self.degraded,
            State::NoVideo => &mut self.no_video,
            State::Offline => &mut self.offline,
            State::Unreachable => &mut self.unreachable,
            State::Unknown => &mut self.unknown,
            State::Excluded => &mut self.excluded,
        }
    }

    /// The count of one state.
    pub(crate) fn of(mut self, state: State) -> u32 {
        *self.slot(state)
    }

    fn add(&mut self, other: Self) {
        for state in State::ALL {
            *self.slot(state) += other.of(state);
        }
    }
}

/// The counts of one view.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    everything: PointCounts,
    divisions: BTreeMap<DivisionCode, PointCounts>,
    grids: BTreeMap<GridCode, PointCounts>,
    places: BTreeMap<PlaceCode, PointCounts>,
}

impl Tally {
    /// Counts every point in use.
    pub(crate) fn of(view: &View) -> Self {
        let mut tally = Self::default();
        for seen in view.points_after(None).filter(|seen| seen.point.status != PointStatus::Removed) {
            let state = seen.state();
            *tally.divisions.entry(seen.point.village).or_default().slot(state) += 1;
            if let Some(grid) = &seen.point.grid {
                *tally.grids.entry(grid.clone()).or_default().slot(state) += 1;
            }
            if let Some(place) = &seen.point.place {
                *tally.places.entry(place.clone()).or_default().slot(state) += 1;
            }
        }
        tally.roll_up();
        tally
    }

    fn roll_up(&mut self) {
        let villages: Vec<_> = self.divisions.iter().map(|(code, counts)| (*code, *counts)).collect();
        for (village, counts) in villages {
            self.everything.add(counts);
            for level in DivisionLevel::ALL {
                if let Some(above) = village.ancestor(level).filter(|above| *above != village) {
                    self.divisions.entry(above).or_default().add(counts);
                }
            }
        }
    }

    /// Points of a division and everything below it.
    pub(crate) fn division(&self, code: &DivisionCode) -> PointCounts {
        self.divisions.get(code).copied().unwrap_or_default()
    }

    /// Points inside a scope.
    pub(crate) fn scope(&self, scope: Scope) -> PointCounts {
        match scope.division() {
            Some(division) => self.division(&division),
            None => self.everything,
        }
    }

    /// Points of a grid.
    pub(crate) fn grid(&self, code: &GridCode) -> PointCounts {
        self.grids.get(code).copied().unwrap_or_default()
    }

    /// Points that cover a place.
    pub(crate) fn place(&self, code: &PlaceCode) -> PointCounts {
        self.places.get(code).copied().unwrap_or_default()
    }
}
