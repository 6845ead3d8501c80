//! Places that must be covered (重点部位).

use crate::domain::{DivisionCode, PlaceCode};

/// Kind of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlaceKind {
    /// 村口/主要出入口.
    VillageEntrance,
    /// 主要路口.
    MainJunction,
    /// 村委会.
    Committee,
    /// 学校.
    School,
    /// 卫生室.
    Clinic,
    /// 水源地.
    WaterSource,
    /// 加油站.
    FuelStation,
    /// 广场/集市.
    Square,
    /// 其他.
    Other,
}

impl PlaceKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::VillageEntrance,
        Self::MainJunction,
        Self::Committee,
        Self::School,
        Self::Clinic,
        Self::WaterSource,
        Self::FuelStation,
        Self::Square,
        Self::Other,
    ];

    /// The word used in SQL, JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VillageEntrance => "village_entrance",
            Self::MainJunction => "main_junction",
            Self::Committee => "committee",
            Self::School => "school",
            Self::Clinic => "clinic",
            Self::WaterSource => "water_source",
            Self::FuelStation => "fuel_station",
            Self::Square => "square",
            Self::Other => "other",
        }
    }
}

/// A place that must be covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Unique code.
    pub code: PlaceCode,
    /// Name.
    pub name: String,
    /// The village or community that it lies in.
    pub village: DivisionCode,
    /// Kind.
    pub kind: PlaceKind,
    /// Whether cover is required; others are listed only.
    pub required: bool,
}
