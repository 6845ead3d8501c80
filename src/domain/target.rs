//! Targets (目标), rules and thresholds: what the figures are held against. Read from `config/targets.toml`.

use crate::domain::coverage::Ratio;
use crate::domain::indicator::FigureId;
use crate::domain::place::PlaceKind;
use crate::domain::{Day, PointClass};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Everything that a figure is held against, under one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Version, printed on every report.
    pub version: String,
    /// Village rule of C1 and C5.
    pub default_rule: VillageRule,
    /// Village rule of C1.target.
    pub target_rule: VillageRule,
    /// What counts as HD (高清).
    pub hd: HighDefinition,
    /// Least share of its considered time that a point is good to count in C5.
    pub effective_share: Ratio,
    /// Least observed share of a figure that says one number.
    pub sufficient: Ratio,
    /// Largest clock error of A4.
    pub clock_tolerance: Duration,
    /// Repair deadline (修复时限) of each class.
    pub repair_deadline: BTreeMap<PointClass, Duration>,
    /// Household norm of urban grids.
    pub urban_households: RangeInclusive<u32>,
    /// Household norm of rural grids.
    pub rural_households: RangeInclusive<u32>,
    /// An exclusion entered later than this after its start is marked late.
    pub late_entry_after: Duration,
    /// What each figure should reach; a figure without an entry has no target.
    pub values: BTreeMap<FigureId, Ratio>,
}

/// When a village counts as covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VillageRule {
    /// Fewest points in use.
    pub min_points: u32,
    /// Each group needs one covered place of any of its kinds.
    pub required_places: Vec<Vec<PlaceKind>>,
}

/// What counts as HD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HighDefinition {
    /// Least width in pixels.
    pub width: u32,
    /// Least height in pixels.
    pub height: u32,
    /// Points installed from this day on are new ones.
    pub new_since: Day,
}

impl Targets {
    /// What a figure should reach.
    pub fn value(&self, figure: FigureId) -> Option<Ratio> {
        self.values.get(&figure).copied()
    }

    /// How long a repair may take.
    pub fn deadline(&self, class: PointClass) -> Duration {
        self.repair_deadline.get(&class).copied().unwrap_or(Duration::MAX)
    }
}
