//! The inventory: every record of the network, joined and looked up by code.
//!
//! A value: built once from the records (by `store` or by an import), shared behind an `Arc`, never changed.

use crate::domain::division::Division;
use crate::domain::grid::Grid;
use crate::domain::link::Link;
use crate::domain::place::Place;
use crate::domain::point::Point;
use crate::domain::site::Site;
use crate::domain::{DivisionCode, DivisionLevel, GridCode, LinkCode, PlaceCode, PointCode, SiteCode};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Every record of the network, by code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Divisions of every level; villages are the 12-digit ones.
    pub divisions: BTreeMap<DivisionCode, Division>,
    /// Grids.
    pub grids: BTreeMap<GridCode, Grid>,
    /// Sites.
    pub sites: BTreeMap<SiteCode, Site>,
    /// Links.
    pub links: BTreeMap<LinkCode, Link>,
    /// Points.
    pub points: BTreeMap<PointCode, Point>,
    /// Places.
    pub places: BTreeMap<PlaceCode, Place>,
}

impl Inventory {
    /// The first link of a point's path.
    pub fn link_of(&self, point: &Point) -> Option<&Link> {
        let site = self.sites.get(point.site.as_ref()?)?;
        self.links.get(site.link.as_ref()?)
    }

    /// The points of a division and everything below it.
    pub fn points_in(&self, division: DivisionCode) -> impl Iterator<Item = &Point> {
        self.points.values().filter(move |point| division.contains(&point.village))
    }

    /// A division with everything below it (all of them when `None`), in the order of codes.
    ///
    /// A range, as a parent's code is a prefix of its children's.
    pub fn divisions_in(&self, division: Option<DivisionCode>) -> impl Iterator<Item = &Division> {
        let first = division.map_or(Bound::Unbounded, Bound::Included);
        let below = self.divisions.range((first, Bound::Unbounded)).map(|(_, division)| division);
        below.take_while(move |candidate| division.is_none_or(|division| division.contains(&candidate.code)))
    }

    /// The villages of a division and everything below it.
    pub fn villages_in(&self, division: Option<DivisionCode>) -> impl Iterator<Item = &Division> {
        self.divisions_in(division).filter(|candidate| candidate.code.level() == DivisionLevel::Village)
    }
}

/// The six kinds of records, in an order in which each refers to earlier ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// 行政区划.
    Division,
    /// 网格.
    Grid,
    /// 链路.
    Link,
    /// 重点部位.
    Place,
    /// 点位.
    Site,
    /// 监控点.
    Point,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Division, Self::Grid, Self::Link, Self::Place, Self::Site, Self::Point];

    /// The word used in SQL, JSON, file names and sheet names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Division => "divisions",
            Self::Grid => "grids",
            Self::Link => "links",
            Self::Place => "places",
            Self::Site => "sites",
            Self::Point => "points",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_is_a_range_of_codes() {
        let division = |code: &str| Division {
            code: code.parse().unwrap(),
            name: String::new(),
            assessed: true,
            households: None,
            has_centre: false,
            valid_from: None,
            valid_to: None,
        };
        let codes =
            ["23", "2305", "230502", "230502001", "230502001201", "230521", "230521100201", "2306", "31"];
        let divisions = codes.map(division).map(|division| (division.code, division)).into();
        let inventory = Inventory { divisions, ..Inventory::default() };
        let check = |of: &str, expected: &[&str]| {
            let found = inventory.divisions_in(of.parse().ok()).map(|division| division.code.to_string());
            assert_eq!(found.collect::<Vec<_>>(), expected, "{of}");
        };
        check("23", &codes[..8]);
        check("2305", &codes[1..7]);
        check("230502", &codes[2..5]);
        check("230521", &codes[5..7]);
        check("230521100", &["230521100201"]);
        check("99", &[]);
        let villages = inventory.villages_in("23".parse().ok()).count();
        assert_eq!((villages, inventory.divisions_in(None).count()), (2, codes.len()));
    }
}
