//! The inventory: every record of the network, joined and looked up by code.
//!
//! A value: built once from the records (by `store` or by an import), shared behind an `Arc`, never changed.

use crate::domain::division::Division;
use crate::domain::grid::Grid;
use crate::domain::link::Link;
use crate::domain::place::Place;
use crate::domain::point::Point;
use crate::domain::site::Site;
use crate::domain::{DivisionCode, GridCode, LinkCode, PlaceCode, PointCode, SiteCode};
use std::collections::BTreeMap;

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

    /// The villages of a division and everything below it.
    pub fn villages_in(&self, division: DivisionCode) -> impl Iterator<Item = &Division> {
        self.divisions.values().filter(move |candidate| {
            candidate.code.level() == crate::domain::DivisionLevel::Village
                && division.contains(&candidate.code)
        })
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
