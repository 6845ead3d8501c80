//! A new inventory: only what it changes is touched.

use super::Tracker;
use super::decide::Change;
use super::link::lay_out;
use super::tracked::{self, Tracked};
use crate::domain::link_machine::LinkMachine;
use crate::domain::machine::Machine;
use crate::domain::path::{LinkId, PathTree};
use crate::domain::{Cause, Condition, Inventory, LinkCode, Order, Point, PointCode, PointStatus, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Tracker {
    /// Takes over an inventory. A new point is `unknown` (not yet probed); a point that is gone or no longer watched is
    /// closed as `unknown` (not watchable); a point whose stream changed starts its looks anew.
    pub fn change_inventory(&mut self, inventory: Arc<Inventory>, now: Timestamp) {
        let before = std::mem::replace(&mut self.inventory, inventory);
        self.rebuild_links(&before, now);
        self.take_over_points(now);
        self.refresh_points(&before, now);
        // Points that went are waited for no longer; those that come are no part of the first round.
        self.count_round();
        self.records_until = next_coming_or_going(&self.inventory, now);
        let links = self.points.iter().enumerate();
        let links = links.filter_map(|(index, point)| point.link.map(|link| (index, link, point.watched)));
        self.layout = lay_out(&self.tree, links);
        self.failed_points.clear();
        self.touched_points.clear();
        self.touched_points.extend(0..self.points.len());
        self.changed_points.extend(0..self.points.len());
        self.touched_links.extend(self.tree.top_down().iter().copied());
        self.lay_exclusions(now);
        self.view.touch_link();
        self.settle(now);
    }

    /// Links keep their machines by code; a link that is gone releases its canary.
    fn rebuild_links(&mut self, before: &Inventory, now: Timestamp) {
        if before.links == self.inventory.links {
            return;
        }
        self.tree = PathTree::new(&self.inventory.links);
        let machines = std::mem::take(&mut self.links).into_iter();
        let mut kept: BTreeMap<LinkCode, LinkMachine> = before.links.keys().cloned().zip(machines).collect();
        self.links = self
            .inventory
            .links
            .keys()
            .map(|code| kept.remove(code))
            .map(|machine| machine.unwrap_or_else(|| LinkMachine::new(now)))
            .collect();
        self.silent_links.clear();
        self.touched_links.clear();
        self.explain_all_anew();
        // Places in the old tree mean nothing in the new one: every canary is ordered anew.
        let canaries = std::mem::take(&mut self.canaries);
        let codes: Vec<&LinkCode> = before.links.keys().collect();
        let released: Vec<Order> = canaries
            .iter()
            .filter_map(|id| Some((codes.get(id.index())?, self.recovery_spread(*id))))
            .map(|(link, spread)| Order::LinkUp { link: (*link).clone(), spread })
            .collect();
        self.effects.orders.extend(released);
        self.canaries_changed = true;
    }

    /// Links that were down behind another one point at it by its place in the old tree: looked up in the new one.
    fn explain_all_anew(&mut self) {
        let explained: Vec<LinkId> = self.tree.top_down().to_vec();
        let explained: Vec<LinkId> =
            explained.into_iter().filter(|id| self.forget_explanation(*id)).collect();
        for id in explained {
            let above = self.tree.parents_blocked_by(id, &|link| self.is_failed(link));
            if let Some(machine) = self.links.get_mut(id.index()) {
                machine.explain(above);
            }
        }
    }

    fn forget_explanation(&mut self, id: LinkId) -> bool {
        let Some(machine) = self.links.get_mut(id.index()) else { return false };
        let explained = machine.behind().is_some();
        machine.explain(None);
        explained
    }

    /// Merges the points of the inventory with those that are tracked.
    fn take_over_points(&mut self, now: Timestamp) {
        let inventory = Arc::clone(&self.inventory);
        let in_use = |point: &&Point| point.status != PointStatus::Removed;
        let mut old: BTreeMap<PointCode, (Tracked, Timestamp, _)> = BTreeMap::new();
        let due = std::mem::take(&mut self.due).into_iter().chain(std::iter::repeat(Timestamp::MAX));
        let live = std::mem::take(&mut self.live).into_iter().map(Some).chain(std::iter::repeat(None));
        for ((point, due), live) in std::mem::take(&mut self.points).into_iter().zip(due).zip(live) {
            old.insert(point.code, (point, due, live));
        }
        for point in inventory.points.values().filter(in_use) {
            let (tracked, due, live) = old.remove(&point.code).unwrap_or_else(|| {
                let condition = Condition::Because(Cause::NotYetProbed);
                let tracked = Tracked::new(point.code, Machine::new(condition, now));
                self.effects.transitions.push(tracked::first_transition(point.code, now));
                (tracked, Timestamp::MAX, None)
            });
            let live = live.unwrap_or_else(|| Arc::new(tracked.live()));
            self.points.push(tracked);
            self.due.push(due);
            self.live.push(live);
        }
        for (mut gone, _, _) in old.into_values() {
            self.effects.transitions.extend(tracked::close(&mut gone, now));
        }
    }

    fn refresh_points(&mut self, before: &Inventory, now: Timestamp) {
        let inventory = Arc::clone(&self.inventory);
        for index in 0..self.points.len() {
            let Some(point) = self.points.get_mut(index) else { continue };
            let Some(record) = inventory.points.get(&point.code) else { continue };
            point.link = link_of(&inventory, record, &self.tree);
            let old = before.points.get(&point.code);
            if old.is_some_and(|old| code_of_link(before, old) != code_of_link(&inventory, record)) {
                // Its new links have not been asked yet.
                point.hold = None;
            }
            if old.is_some_and(|old| expects_other(old, record)) {
                point.norm = crate::domain::norm::Norm::default();
                point.machine.forget_looks(now);
            }
            self.refresh_watched(index, tracked::is_watched(record, now), now);
        }
    }

    fn refresh_watched(&mut self, index: usize, watched: bool, now: Timestamp) {
        let Some(point) = self.points.get_mut(index) else { return };
        let was = std::mem::replace(&mut point.watched, watched);
        point.seen |= !watched;
        let unwatchable = Condition::Because(Cause::NotWatchable);
        let is_unwatchable = *point.machine.condition() == unwatchable;
        if !watched && !is_unwatchable {
            self.commit(index, &unwatchable, now, Change::derived(now, &[]));
        } else if watched && !was && is_unwatchable {
            let to = Condition::Because(Cause::NotYetProbed);
            self.commit(index, &to, now, Change::derived(now, &[]));
        }
    }
}

fn link_of(inventory: &Inventory, point: &Point, tree: &PathTree) -> Option<LinkId> {
    inventory.link_of(point).and_then(|link| tree.id(&link.code))
}

fn code_of_link<'a>(inventory: &'a Inventory, point: &Point) -> Option<&'a LinkCode> {
    inventory.link_of(point).map(|link| &link.code)
}

/// When a point is next commissioned or retired after `now`.
fn next_coming_or_going(inventory: &Inventory, now: Timestamp) -> Timestamp {
    let edges = inventory.points.values().flat_map(|point| [Some(point.commissioned), point.retired]);
    edges.flatten().filter(|edge| *edge > now).min().unwrap_or(Timestamp::MAX)
}

/// Whether the point delivers something else from now on.
fn expects_other(old: &Point, new: &Point) -> bool {
    old.watched_stream() != new.watched_stream()
        || old.credential != new.credential
        || old.trust != new.trust
        || old.expected_size != new.expected_size
        || old.expected_frames_per_second != new.expected_frames_per_second
}
