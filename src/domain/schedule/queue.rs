//! The queues of the schedule: due in future, ready, and parked at a resource that is used up.

use crate::domain::budget::{Claim, Grant, Resource};
use crate::domain::schedule::Key;
use crate::domain::schedule::entry::Place;
use crate::domain::{PointCode, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Not yet due, by due time.
    due: BTreeSet<Key>,
    /// Due, by rank (due time less the head start).
    ready: BTreeSet<Key>,
    /// Due but short of a budget, by rank.
    parked: BTreeMap<Resource, BTreeSet<Key>>,
    /// Resources of which something was given back since their queue was last tried.
    freed: BTreeSet<Resource>,
    /// Ready and parked by due time, for the lag.
    waiting: BTreeSet<Key>,
    parked_count: usize,
}

impl Queues {
    pub(super) fn make_due(&mut self, point: PointCode, due: Timestamp) {
        self.due.insert((due, point));
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<PointCode> {
        let (due, _) = self.due.first()?;
        if *due > now {
            return None;
        }
        self.due.pop_first().map(|(_, point)| point)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(super) fn make_ready(&mut self, key: Key, due: Timestamp) {
        self.ready.insert(key);
        self.waiting.insert((due, key.1));
    }

    /// The best-ranked point that may be tried: ready, or first at a resource that was freed.
    pub(super) fn best(&mut self) -> Option<PointCode> {
        self.freed.retain(|resource| self.parked.contains_key(resource));
        let parked = self.freed.iter().filter_map(|resource| self.parked.get(resource)?.first());
        parked.chain(self.ready.first()).min().map(|(_, point)| *point)
    }

    /// A resource of the claim at which a better-ranked point is parked.
    pub(super) fn ahead(&self, claim: &Claim<'_>, key: Key) -> Option<Resource> {
        if self.parked.is_empty() {
            return None;
        }
        let links = claim.path.iter().cloned().map(Resource::Link);
        let mut resources = links.chain([Resource::Host(Arc::clone(claim.host))]);
        resources.find(|resource| {
            self.parked.get(resource).and_then(BTreeSet::first).is_some_and(|first| *first < key)
        })
    }

    /// Parks a point at what it lacks. When it stood first there already, the resource is not tried again until more
    /// of it is given back.
    pub(super) fn park(&mut self, place: &mut Place, key: Key, lacking: Resource) {
        self.take_out(place, key);
        self.freed.remove(&lacking);
        self.parked.entry(lacking.clone()).or_default().insert(key);
        self.parked_count += 1;
        *place = Place::Parked(lacking);
    }

    /// Takes a point out of whichever queue it stands in; one that waits for a main stream is due in future as well.
    pub(super) fn withdraw(&mut self, place: &Place, key: Key, due: Timestamp) {
        self.take_out(place, key);
        self.waiting.remove(&(due, key.1));
        self.due.remove(&(due, key.1));
    }

    fn take_out(&mut self, place: &Place, key: Key) {
        match place {
            Place::Ready => {
                self.ready.remove(&key);
            }
            Place::Parked(resource) => self.unpark(resource, key),
            Place::Due | Place::Running { .. } | Place::Suppressed => {}
        }
    }

    /// Whoever stood behind the leaving point is tried next.
    fn unpark(&mut self, resource: &Resource, key: Key) {
        if let Some(queue) = self.parked.get_mut(resource) {
            self.parked_count -= usize::from(queue.remove(&key));
            if queue.is_empty() {
                self.parked.remove(resource);
            } else {
                self.freed.insert(resource.clone());
            }
        }
    }

    /// Lets the points that wait for anything in `grant` be tried again.
    pub(super) fn free(&mut self, grant: &Grant) {
        let wanted = grant.resources().filter(|resource| self.parked.contains_key(resource));
        self.freed.extend(wanted);
    }

    /// Lets the points that wait for `resource` be tried again.
    pub(super) fn free_at(&mut self, resource: Resource) {
        if self.parked.contains_key(&resource) {
            self.freed.insert(resource);
        }
    }

    pub(super) fn free_all(&mut self) {
        self.freed.extend(self.parked.keys().cloned());
    }

    pub(super) fn waiting_since_before(&self, limit: Timestamp) -> impl Iterator<Item = PointCode> + '_ {
        self.waiting.iter().take_while(move |(due, _)| *due < limit).map(|(_, point)| *point)
    }

    pub(super) fn longest_waiting(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _)| *due)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) const fn parked(&self) -> usize {
        self.parked_count
    }

    /// Every resource that lacks, with the best-ranked point that waits for it.
    pub(super) fn parked_at(&self) -> impl Iterator<Item = (&Resource, PointCode)> {
        self.parked.iter().filter_map(|(resource, queue)| Some((resource, queue.first()?.1)))
    }
}
