//! What is to be watched: one target per point, with the budgets of the links that its stream passes.
//!
//! A value made by the reconciler from the inventory; two of them are compared so that a reload touches only the
//! points that changed.

use crate::domain::point::StreamUrl;
use crate::domain::{LinkCode, PointClass, PointCode, Trust, WatchMode};
use crate::ingest::Credential;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A point as the scheduler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The point.
    pub point: PointCode,
    /// Class; class 1 is looked at first.
    pub class: PointClass,
    /// How it is watched; never `Off`.
    pub watch: WatchMode,
    /// The stream to pull; a point without one is reported as not watchable.
    pub stream: Option<StreamUrl>,
    /// The main stream, where it is another one: its size is measured once a day.
    pub main_stream: Option<StreamUrl>,
    /// Whom a TLS connection may lead to.
    pub trust: Trust,
    /// What to log in with.
    pub credential: Option<Arc<Credential>>,
    /// Every link that the stream may pass, nearest first; each is charged.
    pub path: Vec<LinkCode>,
    /// The links without which the point is cut off: `path` without redundant uplinks.
    pub needs: Vec<LinkCode>,
}

/// What the watching may use of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkBudget {
    /// kbit/s; the setting's value when `None`.
    pub kbps: Option<u32>,
    /// Sessions at once; the setting's value when `None`.
    pub sessions: Option<u16>,
}

/// Everything to be watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetSet {
    /// The targets by point.
    pub targets: BTreeMap<PointCode, Arc<Target>>,
    /// The budgets by link.
    pub budgets: BTreeMap<LinkCode, LinkBudget>,
}

/// What a reload changes.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Points that are new or whose target differs; a running look at one of them is ended.
    pub changed: Vec<Arc<Target>>,
    /// Points that are gone.
    pub removed: Vec<PointCode>,
}

impl TargetSet {
    /// What has to be done to come from `self` to `wanted`.
    pub fn difference(&self, wanted: &Self) -> Difference {
        let changed = wanted
            .targets
            .iter()
            .filter(|(point, target)| self.targets.get(point) != Some(target))
            .map(|(_, target)| Arc::clone(target))
            .collect();
        let removed =
            self.targets.keys().filter(|point| !wanted.targets.contains_key(point)).copied().collect();
        Difference { changed, removed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(point: &str, stream: &str) -> Arc<Target> {
        Arc::new(Target {
            point: point.parse().unwrap(),
            class: PointClass::One,
            watch: WatchMode::Patrol,
            stream: Some(stream.parse().unwrap()),
            main_stream: None,
            trust: Trust::Authority,
            credential: None,
            path: Vec::new(),
            needs: Vec::new(),
        })
    }

    fn set(targets: &[Arc<Target>]) -> TargetSet {
        let targets = targets.iter().map(|target| (target.point, Arc::clone(target))).collect();
        TargetSet { targets, budgets: BTreeMap::new() }
    }

    #[test]
    fn a_reload_names_only_what_changed() {
        let (a, b) = ("23052100001320000001", "23052100001320000002");
        let running = set(&[target(a, "rtsp://h/1"), target(b, "rtsp://h/2")]);
        let difference = running.difference(&set(&[target(a, "rtsp://h/1"), target(b, "rtsp://h/3")]));
        assert_eq!(difference.changed, [target(b, "rtsp://h/3")]);
        assert_eq!(difference.removed, []);
        let difference = running.difference(&set(&[target(b, "rtsp://h/2")]));
        assert_eq!((difference.changed, difference.removed), (vec![], vec![a.parse().unwrap()]));
        assert_eq!(running.difference(&running.clone()), Difference::default());
    }
}
