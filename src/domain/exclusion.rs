//! Exclusions (剔除): approved windows that leave a figure's denominator.
//!
//! Owns who may approve and what a complete request is. An exclusion never changes what was measured: it lies over
//! the measured states, and every report shows the figures with and without it.

use crate::domain::path::PathTree;
use crate::domain::timeline::union;
use crate::domain::{
    DivisionCode, ExclusionKind, Inventory, LinkCode, Point, PointCode, SiteCode, Timestamp, Window,
};
use std::collections::BTreeSet;
use std::time::Duration;

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

impl ExclusionScope {
    /// Whether a point of this village, site and path is meant.
    pub fn covers(&self, point: &Point, path: &[LinkCode]) -> bool {
        match self {
            Self::Points(points) => points.contains(&point.code),
            Self::Site(site) => point.site.as_ref() == Some(site),
            Self::Division(division) => division.contains(&point.village),
            Self::Link(link) => path.contains(link),
        }
    }

    /// The villages of the points that are meant. A site or link may carry points of more divisions than its own.
    pub fn villages(&self, inventory: &Inventory) -> BTreeSet<DivisionCode> {
        let paths = Paths::new(inventory, [self]);
        let meant = inventory.points.values().filter(|point| self.covers(point, &paths.of(point)));
        meant.map(|point| point.village).collect()
    }
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionRequest {
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
    /// Who asks.
    pub applicant: String,
}

/// Why an exclusion was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionError {
    /// No reason.
    #[error("an exclusion needs a reason")]
    NoReason,
    /// No evidence note.
    #[error("an exclusion needs a note that says where its evidence lies")]
    NoEvidence,
    /// No applicant.
    #[error("an exclusion needs the name of its applicant")]
    NoApplicant,
    /// No approver.
    #[error("an approval needs the name of its approver")]
    NoApprover,
    /// A list of points without a point.
    #[error("an exclusion needs at least one point")]
    NoPoints,
    /// The applicant approves.
    #[error("an exclusion must be approved by another person than its applicant")]
    SamePerson,
    /// Approved before.
    #[error("the exclusion is approved already")]
    AlreadyApproved,
    /// Withdrawn before.
    #[error("the exclusion is withdrawn")]
    Withdrawn,
}

impl ExclusionRequest {
    /// Whether the request is complete.
    pub fn check(&self) -> Result<(), ExclusionError> {
        let empty = |text: &str| text.trim().is_empty();
        if empty(&self.reason) {
            return Err(ExclusionError::NoReason);
        }
        if empty(&self.evidence) {
            return Err(ExclusionError::NoEvidence);
        }
        if empty(&self.applicant) {
            return Err(ExclusionError::NoApplicant);
        }
        if self.scope == ExclusionScope::Points(Vec::new()) {
            return Err(ExclusionError::NoPoints);
        }
        Ok(())
    }
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

    /// Whether it was entered later than `limit` after its start.
    pub fn is_late(&self, limit: Duration) -> bool {
        self.entered > self.window.start().plus(limit)
    }

    /// The exclusion approved by another person than its applicant.
    pub fn approve(self, approver: &str, at: Timestamp) -> Result<Self, ExclusionError> {
        if approver.trim().is_empty() {
            return Err(ExclusionError::NoApprover);
        }
        if self.withdrawn.is_some() {
            return Err(ExclusionError::Withdrawn);
        }
        if self.approver.is_some() {
            return Err(ExclusionError::AlreadyApproved);
        }
        if is_same_person(&self.applicant, approver) {
            return Err(ExclusionError::SamePerson);
        }
        Ok(Self { approver: Some(approver.trim().to_owned()), approved: Some(at), ..self })
    }

    /// Whether a point of this village, site and path is meant.
    pub fn covers(&self, point: &Point, path: &[LinkCode]) -> bool {
        self.scope.covers(point, path)
    }

    /// The exclusion taken back; its figures are as if it had never been.
    pub fn withdraw(self, at: Timestamp) -> Result<Self, ExclusionError> {
        if self.withdrawn.is_some() {
            Err(ExclusionError::Withdrawn)
        } else {
            Ok(Self { withdrawn: Some(at), ..self })
        }
    }
}

/// The links above each point; empty where nothing asks for them.
#[derive(Debug)]
struct Paths<'a> {
    inventory: &'a Inventory,
    tree: PathTree,
}

impl<'a> Paths<'a> {
    fn new<'s>(inventory: &'a Inventory, scopes: impl IntoIterator<Item = &'s ExclusionScope>) -> Self {
        let asks = |scope: &ExclusionScope| matches!(scope, ExclusionScope::Link(_));
        let are_asked_for = scopes.into_iter().any(asks);
        let tree = if are_asked_for { PathTree::new(&inventory.links) } else { PathTree::default() };
        Self { inventory, tree }
    }

    /// The codes of the links from the point's first one upwards.
    fn of(&self, point: &Point) -> Vec<LinkCode> {
        if self.tree.is_empty() {
            return Vec::new();
        }
        let first = self.inventory.link_of(point).and_then(|link| self.tree.id(&link.code));
        let upwards = first.map_or(&[][..], |first| self.tree.ancestors(first));
        upwards.iter().filter_map(|link| self.tree.code(*link).cloned()).collect()
    }
}

/// Effective exclusions over one inventory, asked point by point.
#[derive(Debug)]
pub struct ExclusionMap<'a> {
    effective: Vec<&'a Exclusion>,
    paths: Paths<'a>,
}

impl<'a> ExclusionMap<'a> {
    /// Takes the effective ones of `exclusions`.
    pub fn new(inventory: &'a Inventory, exclusions: &'a [Exclusion]) -> Self {
        let effective: Vec<&Exclusion> = exclusions.iter().filter(|it| it.is_effective()).collect();
        let paths = Paths::new(inventory, effective.iter().map(|it| &it.scope));
        Self { effective, paths }
    }

    /// The exclusions that cover a point, in the order of entry.
    pub fn of(&self, point: &Point) -> impl Iterator<Item = &'a Exclusion> {
        let path = self.paths.of(point);
        self.effective.iter().copied().filter(move |exclusion| exclusion.covers(point, &path))
    }

    /// The union of the windows in which a point is excluded.
    pub fn windows(&self, point: &Point) -> Vec<Window> {
        if self.effective.is_empty() {
            Vec::new()
        } else {
            union(self.of(point).map(|it| it.window).collect())
        }
    }
}

/// Names are compared without case and outer blanks, so that a second spelling is no second person.
pub fn is_same_person(left: &str, right: &str) -> bool {
    left.trim().to_lowercase() == right.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ExclusionRequest {
        ExclusionRequest {
            kind: ExclusionKind::PowerCut,
            scope: ExclusionScope::Division("230521".parse().unwrap()),
            window: Window::new(Timestamp::from_seconds(1000), Timestamp::from_seconds(2000)).unwrap(),
            reason: "planned power cut".to_owned(),
            evidence: "notice 2026-118".to_owned(),
            applicant: "Duty".to_owned(),
        }
    }

    fn entered(at: i64) -> Exclusion {
        let ExclusionRequest { kind, scope, window, reason, evidence, applicant } = request();
        Exclusion {
            id: 1,
            kind,
            scope,
            window,
            reason,
            evidence,
            applicant,
            approver: None,
            entered: Timestamp::from_seconds(at),
            approved: None,
            withdrawn: None,
        }
    }

    #[test]
    fn a_request_is_complete_or_refused() {
        let check = |spoil: fn(&mut ExclusionRequest), expected| {
            let mut request = request();
            spoil(&mut request);
            assert_eq!(request.check(), expected);
        };
        check(|_| {}, Ok(()));
        check(|request| request.reason = " ".to_owned(), Err(ExclusionError::NoReason));
        check(|request| request.evidence.clear(), Err(ExclusionError::NoEvidence));
        check(|request| request.applicant.clear(), Err(ExclusionError::NoApplicant));
        check(|request| request.scope = ExclusionScope::Points(Vec::new()), Err(ExclusionError::NoPoints));
    }

    #[test]
    fn the_applicant_cannot_approve_in_any_spelling() {
        let at = Timestamp::from_seconds(1100);
        for name in ["Duty", "duty", "  DUTY "] {
            assert_eq!(entered(1000).approve(name, at), Err(ExclusionError::SamePerson), "{name}");
        }
        assert_eq!(entered(1000).approve("  ", at), Err(ExclusionError::NoApprover));
        let approved = entered(1000).approve("Chief", at).unwrap();
        assert!(approved.is_effective() && !entered(1000).is_effective());
        assert_eq!(approved.clone().approve("Deputy", at), Err(ExclusionError::AlreadyApproved));
        let withdrawn = approved.withdraw(at).unwrap();
        assert!(!withdrawn.is_effective());
        assert_eq!(withdrawn.clone().approve("Chief", at), Err(ExclusionError::Withdrawn));
        assert_eq!(withdrawn.withdraw(at), Err(ExclusionError::Withdrawn));
    }

    #[test]
    fn an_entry_is_late_after_the_limit() {
        let limit = Duration::from_secs(72 * 3600);
        let check = |at, expected| assert_eq!(entered(at).is_late(limit), expected, "{at}");
        check(0, false);
        check(1000 + 72 * 3600, false);
        check(1001 + 72 * 3600, true);
    }
}
