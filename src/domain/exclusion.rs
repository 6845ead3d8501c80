//! Exclusions (剔除): approved windows that leave a figure's denominator.

use crate::domain::{DivisionCode, ExclusionKind, LinkCode, Point, PointCode, SiteCode, Timestamp, Window};

/// Which points an exclusion is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExclusionScope {
    /// Named points.
    Points(Vec<PointCode>),
    /// The points of one site.
    Site(SiteCode),
    /// The points of a division and everything below it.
    Division(DivisionCode),
    /// The points whose path begins at or passes the link.
    Link(LinkCode),
}

/// An approved (or still to be approved) exclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Number given by the store.
    pub id: i64,
    /// Kind.
    pub kind: ExclusionKind,
    /// Which points.
    pub scope: ExclusionScope,
    /// When.
    pub window: Window,
    /// Why, in words.
    pub reason: String,
    /// Where the proof lies: file number, notice, picture.
    pub evidence: String,
    /// Who asked.
    pub applicant: String,
    /// Who approved, never the applicant; an exclusion without approval changes no figure.
    pub approver: Option<String>,
    /// When it was entered; later than 72 h after its start is marked late.
    pub entered: Timestamp,
    /// When it was approved.
    pub approved: Option<Timestamp>,
    /// When it was withdrawn; a withdrawn exclusion changes no figure.
    pub withdrawn: Option<Timestamp>,
}

impl Exclusion {
    /// Whether the exclusion changes figures.
    pub const fn is_effective(&self) -> bool {
        self.approver.is_some() && self.withdrawn.is_none()
    }

    /// Whether a point of this village, site and path is meant.
    pub fn covers(&self, point: &Point, path: &[LinkCode]) -> bool {
        match &self.scope {
            ExclusionScope::Points(points) => points.contains(&point.code),
            ExclusionScope::Site(site) => point.site.as_ref() == Some(site),
            ExclusionScope::Division(division) => division.contains(&point.village),
            ExclusionScope::Link(link) => path.contains(link),
        }
    }
}
