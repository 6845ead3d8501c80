//! The records joined with the live picture: what the lists and the metrics read.
//!
//! Built once per inventory and snapshot and shared. What depends on the records only (`Roster`) outlives a snapshot.

use crate::api::metrics::label::Labels;
use crate::api::problem::ApiError;
use crate::api::tally::Tally;
use crate::domain::access::Scope;
use crate::domain::{Cause, Condition, Inventory, Link, LinkCode, Point, PointCode, SiteCode, State};
use crate::health::snapshot::{LiveLink, LivePoint, RootCause, Snapshot};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The records and the live picture at one instant.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) snapshot: Arc<Snapshot>,
    labels: Arc<OnceLock<Labels>>,
    tally: OnceLock<Tally>,
}

/// The view that was built last.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<Option<Arc<View>>>);

impl Views {
    /// The view of these two, built when it is not the last one.
    pub(crate) fn of(&self, inventory: Arc<Inventory>, snapshot: Arc<Snapshot>) -> Arc<View> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same_records = last.as_ref().filter(|view| Arc::ptr_eq(&view.inventory, &inventory));
        if let Some(view) = same_records.filter(|view| Arc::ptr_eq(&view.snapshot, &snapshot)) {
            return Arc::clone(view);
        }
        let labels = same_records.map_or_else(Arc::default, |view| Arc::clone(&view.labels));
        let view = Arc::new(View { inventory, snapshot, labels, tally: OnceLock::new() });
        *last = Some(Arc::clone(&view));
        view
    }
}

/// A point with what is known of it now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) point: &'a Point,
    /// `None` for a point that the tracker does not hold (just imported, or removed).
    pub(crate) live: Option<&'a LivePoint>,
}

impl View {
    /// Joins records and picture without anything kept from before.
    pub(crate) fn new(inventory: Arc<Inventory>, snapshot: Arc<Snapshot>) -> Self {
        Self { inventory, snapshot, labels: Arc::default(), tally: OnceLock::new() }
    }

    /// The points after a code, in the order of their codes, each joined with its live state.
    pub(crate) fn points_after(&self, after: Option<PointCode>) -> impl Iterator<Item = Seen<'_>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let first =
            self.snapshot.points.partition_point(|live| after.is_some_and(|after| live.code <= after));
        let mut rest = self.snapshot.points.iter().skip(first).peekable();
        self.inventory.points.range((start, Bound::Unbounded)).map(move |(code, point)| {
            while rest.next_if(|live| live.code < *code).is_some() {}
            Seen { point, live: rest.next_if(|live| live.code == *code).map(Arc::as_ref) }
        })
    }

    /// One point inside the scope.
    pub(crate) fn point(&self, code: PointCode, scope: Scope) -> Result<Seen<'_>, ApiError> {
        let found = self.inventory.points.get(&code).filter(|point| scope.holds(&point.village));
        let point = found.ok_or_else(|| ApiError::NotFound { what: "point", code: code.to_string() })?;
        Ok(Seen { point, live: self.live_point(code) })
    }

    /// What is known of a point now.
    pub(crate) fn live_point(&self, code: PointCode) -> Option<&LivePoint> {
        let index = self.snapshot.points.binary_search_by_key(&code, |live| live.code).ok()?;
        self.snapshot.points.get(index).map(Arc::as_ref)
    }

    /// What is known of a link now.
    pub(crate) fn live_link(&self, code: &LinkCode) -> Option<&LiveLink> {
        let index = self.snapshot.links.binary_search_by(|live| live.code.cmp(code)).ok()?;
        self.snapshot.links.get(index)
    }

    /// The outage that a link is the root cause of.
    pub(crate) fn root(&self, code: &LinkCode) -> Option<&RootCause> {
        let index = self.snapshot.roots.binary_search_by(|root| root.link.cmp(code)).ok()?;
        self.snapshot.roots.get(index)
    }

    /// Counts per division, grid and place; computed at the first call.
    pub(crate) fn tally(&self) -> &Tally {
        self.tally.get_or_init(|| Tally::of(self))
    }

    /// The label sets of the metrics, rendered at the first call for these records.
    pub(crate) fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| Labels::of(&self.inventory))
    }

    /// The sites whose path passes a link.
    pub(crate) fn sites_behind(&self, link: &LinkCode) -> BTreeSet<&SiteCode> {
        let links = self.links_behind(link);
        let hangs_behind = |link: &Option<LinkCode>| link.as_ref().is_some_and(|link| links.contains(link));
        self.inventory.sites.values().filter(|site| hangs_behind(&site.link)).map(|site| &site.code).collect()
    }

    /// Whether a link is of the scope, or carries a site of it.
    pub(crate) fn concerns(&self, link: &LinkCode, scope: Scope) -> bool {
        let Some(link) = self.inventory.links.get(link) else { return false };
        let is_inside =
            |site: &SiteCode| self.inventory.sites.get(site).is_some_and(|site| scope.holds(&site.village));
        scope.holds(&link.division) || self.sites_behind(&link.code).into_iter().any(is_inside)
    }

    /// A link and every link whose way up passes it.
    fn links_behind<'a>(&'a self, link: &'a LinkCode) -> BTreeSet<&'a LinkCode> {
        let mut behind = BTreeSet::from([link]);
        loop {
            let before = behind.len();
            let is_new = |child: &&Link| child.parents.iter().any(|parent| behind.contains(parent));
            let children: Vec<_> =
                self.inventory.links.values().filter(is_new).map(|child| &child.code).collect();
            behind.extend(children);
            if behind.len() == before {
                return behind;
            }
        }
    }
}

/// What is shown for a point that the tracker does not hold.
static NOT_YET_PROBED: Condition = Condition::Because(Cause::NotYetProbed);

impl<'a> Seen<'a> {
    /// What is measured.
    pub(crate) fn measured(&self) -> &'a Condition {
        self.live.map_or(&NOT_YET_PROBED, |live| &live.measured)
    }

    /// The state that is shown.
    pub(crate) fn state(&self) -> State {
        self.live.map_or_else(|| NOT_YET_PROBED.state(), LivePoint::state)
    }

    /// The cause that is shown.
    pub(crate) fn cause(&self) -> Option<&'a Cause> {
        self.live.map_or_else(|| NOT_YET_PROBED.cause(), LivePoint::cause)
    }
}
