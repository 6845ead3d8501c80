//! Exclusions: an overlay on the points; what is measured goes on beneath it.

use super::Tracker;
use super::tracked::Tracked;
use crate::domain::path::LinkId;
use crate::domain::{Cause, Exclusion, ExclusionScope, PointCode, Timestamp};
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
        for (index, point) in self.points.iter_mut().enumerate() {
            let excluded = laid.get(&point.code).map(|exclusion| Cause::Excluded(exclusion.kind));
            if point.excluded != excluded {
                point.excluded = excluded;
                self.changed_points.insert(index);
                self.view.touch_point();
            }
        }
        let edges = effective().flat_map(|exclusion| [exclusion.window.start(), exclusion.window.end()]);
        self.overlay_until = edges.filter(|edge| *edge > now).min().unwrap_or(Timestamp::MAX);
    }

    fn points_meant(&self, exclusion: &Exclusion) -> Vec<PointCode> {
        match &exclusion.scope {
            ExclusionScope::Points(points) => points.clone(),
            ExclusionScope::Link(link) => {
                self.tree.id(link).map_or_else(Vec::new, |id| self.points_behind(id))
            }
            ExclusionScope::Site(_) | ExclusionScope::Division(_) => {
                let records = self.points.iter().filter_map(|point| self.inventory.points.get(&point.code));
                records.filter(|record| exclusion.covers(record, &[])).map(|record| record.code).collect()
            }
        }
    }

    /// The points whose path begins at or passes the link.
    fn points_behind(&self, id: LinkId) -> Vec<PointCode> {
        let passes =
            |point: &&Tracked| point.link.is_some_and(|link| self.tree.ancestors(link).contains(&id));
        self.points.iter().filter(passes).map(|point| point.code).collect()
    }
}
