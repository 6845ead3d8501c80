//! Exclusions: an overlay on the points; what is measured goes on beneath it.

use super::Tracker;
use crate::domain::{Cause, Exclusion, ExclusionScope, LinkCode, PointCode, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Tracker {
    /// Takes the exclusions that change figures.
    pub fn change_exclusions(&mut self, exclusions: Arc<Vec<Exclusion>>, now: Timestamp) {
        self.exclusions = exclusions;
        self.lay_exclusions(now);
    }

    /// Lays the exclusions in force at `now` over the points; the one entered first names the kind.
    pub(super) fn lay_exclusions(&mut self, now: Timestamp) {
        let exclusions = Arc::clone(&self.exclusions);
        let effective = || exclusions.iter().filter(|exclusion| exclusion.is_effective());
        let mut laid: BTreeMap<PointCode, &Exclusion> = BTreeMap::new();
        for exclusion in effective().filter(|exclusion| exclusion.window.contains(now)) {
            for point in self.points_meant(exclusion) {
                let kept = laid.entry(point).or_insert(exclusion);
                *kept = if exclusion.id < kept.id { exclusion } else { *kept };
            }
        }
        for point in &mut self.points {
            let excluded = laid.get(&point.code).map(|exclusion| Cause::Excluded(exclusion.kind));
            if point.excluded != excluded {
                point.excluded = excluded;
                point.dirty = true;
                self.view.touch_point();
            }
        }
        let edges = effective().flat_map(|exclusion| [exclusion.window.start(), exclusion.window.end()]);
        self.overlay_until = edges.filter(|edge| *edge > now).min().unwrap_or(Timestamp::MAX);
    }

    fn points_meant(&self, exclusion: &Exclusion) -> Vec<PointCode> {
        if let ExclusionScope::Points(points) = &exclusion.scope {
            return points.clone();
        }
        let mut meant = Vec::new();
        for point in &self.points {
            let Some(record) = self.inventory.points.get(&point.code) else { continue };
            let links = point.link.map_or(&[][..], |link| self.tree.ancestors(link));
            let path: Vec<LinkCode> = links.iter().filter_map(|id| self.tree.code(*id).cloned()).collect();
            if exclusion.covers(record, &path) {
                meant.push(point.code);
            }
        }
        meant
    }
}
