//! The snapshot: built from what changed since the last one.

use super::Tracker;
use super::tracked::Tracked;
use crate::domain::correlate::{self, BulkCase, BulkCause, Shared};
use crate::domain::{Cause, Condition, Inventory, LinkCode, PointCode, Timestamp, Transition};
use crate::health::snapshot::{HeldCredential, LiveLink, RootCause, Snapshot};
use crate::ingest::look::host_name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Bulk causes and held credentials are looked for this often at most.
const BULK_STEP: Duration = Duration::from_secs(5);

/// What the snapshot holds beside the points, and what of it must be rebuilt.
#[derive(Debug, Default)]
pub(super) struct View {
    sequence: u64,
    changed: bool,
    roots_changed: bool,
    bulk_changed: bool,
    bulk_checked: Timestamp,
    roots: Vec<RootCause>,
    bulk_causes: Vec<BulkCause>,
    held_credentials: Vec<HeldCredential>,
}

impl View {
    pub(super) const fn touch_point(&mut self) {
        self.changed = true;
    }

    pub(super) const fn touch_link(&mut self) {
        self.changed = true;
        self.roots_changed = true;
    }

    pub(super) const fn touch_hold(&mut self) {
        self.bulk_changed = true;
    }

    pub(super) fn note_transition(&mut self, transition: &Transition) {
        self.changed = true;
        for condition in [&transition.from, &transition.to] {
            self.roots_changed |= matches!(condition, Condition::Because(Cause::LinkDown(_)));
            self.bulk_changed |= matches!(
                condition,
                Condition::Because(Cause::WrongCredential | Cause::StreamNotFound | Cause::CredentialHold)
            );
        }
    }

    /// Moves what was checked along with a stepped clock.
    pub(super) fn shift(&mut self, step_ms: i64) {
        self.bulk_checked = self.bulk_checked.shifted(step_ms);
        self.touch_link();
    }

    /// Looks for bulk causes and held credentials, now and then, when something spoke of them.
    pub(super) fn refresh_bulk(&mut self, now: Timestamp, points: &[Tracked], inventory: &Inventory) {
        if self.bulk_changed && now.since(self.bulk_checked) >= BULK_STEP {
            (self.bulk_changed, self.bulk_checked) = (false, now);
            self.bulk_causes = find_bulk_causes(points, inventory);
            self.held_credentials = find_held_credentials(points, inventory);
            self.changed = true;
        }
    }
}

impl Tracker {
    /// Whether anything changed since the last snapshot.
    pub const fn is_dirty(&self) -> bool {
        self.view.changed
    }

    /// The network at `now`. Points that did not change are shared with the snapshot before.
    pub fn snapshot(&mut self, now: Timestamp) -> Snapshot {
        for index in std::mem::take(&mut self.changed_points) {
            if let (Some(point), Some(live)) = (self.points.get(index), self.live.get_mut(index)) {
                *live = Arc::new(point.live());
            }
        }
        if self.view.roots_changed {
            self.view.roots = self.find_roots();
        }
        self.view.roots_changed = false;
        self.view.changed = false;
        self.view.sequence += 1;
        Snapshot {
            taken: now,
            sequence: self.view.sequence,
            points: self.live.clone(),
            links: self.live_links(),
            first_round_done: self.first_round_done(now),
            suspects_itself: self.suspicion.is_raised(),
            clock_in_doubt: self.clock.contradicts(now),
            roots: self.view.roots.clone(),
            bulk_causes: self.view.bulk_causes.clone(),
            held_credentials: self.view.held_credentials.clone(),
        }
    }

    fn live_links(&self) -> Vec<LiveLink> {
        let links = self.inventory.links.keys().zip(&self.links).zip(&self.layout);
        links
            .map(|((code, machine), layout)| LiveLink {
                code: code.clone(),
                status: machine.status(),
                since: machine.since(),
                last_probe: machine.last_probe(),
                round_trip: machine.round_trip(),
                members: layout.members,
                behind: machine.behind().and_then(|id| self.tree.code(id).cloned()),
                inferred: machine.is_inferred(),
            })
            .collect()
    }

    /// Failed links, and links that came back but not yet all of their members.
    fn find_roots(&self) -> Vec<RootCause> {
        let mut members: BTreeMap<&LinkCode, Vec<PointCode>> = BTreeMap::new();
        let failed = self.inventory.links.keys().zip(&self.links).filter(|(_, machine)| machine.is_failed());
        members.extend(failed.map(|(code, _)| (code, Vec::new())));
        for point in &self.points {
            if let Condition::Because(Cause::LinkDown(link)) = point.machine.condition() {
                members.entry(link).or_default().push(point.code);
            }
        }
        members.into_iter().filter_map(|(link, members)| self.root(link, members)).collect()
    }

    fn root(&self, link: &LinkCode, members: Vec<PointCode>) -> Option<RootCause> {
        let machine = self.links.get(self.tree.id(link)?.index())?;
        let outages = members.iter().filter_map(|code| self.points.get(self.index_of(*code)?)?.outage);
        let since = if machine.is_failed() { machine.since() } else { outages.min()? };
        Some(RootCause {
            link: link.clone(),
            since,
            inferred: machine.is_inferred(),
            members: members.into(),
        })
    }
}

/// Whether a look at the point is refused, or not made, because of its credential.
fn is_refused(point: &Tracked) -> bool {
    let condition = point.machine.condition().cause();
    condition == Some(&Cause::WrongCredential) || point.machine.not_looked() == Some(&Cause::CredentialHold)
}

fn find_bulk_causes(points: &[Tracked], inventory: &Inventory) -> Vec<BulkCause> {
    let credential =
        |code: &PointCode| inventory.points.get(code)?.credential.clone().map(Shared::Credential);
    let host = |code: &PointCode| {
        let stream = inventory.points.get(code)?.watched_stream()?;
        Some(Shared::Host(host_name(stream).to_string()))
    };
    let missing = |point: &Tracked| point.machine.condition().cause() == Some(&Cause::StreamNotFound);
    let mut found = bulk(points, &Cause::WrongCredential, credential, is_refused);
    found.extend(bulk(points, &Cause::StreamNotFound, host, missing));
    found
}

/// Sorts the points into groups; only groups that are hit at all are counted, so that a quiet network costs nothing.
fn bulk(
    points: &[Tracked],
    cause: &Cause,
    shared: impl Fn(&PointCode) -> Option<Shared>,
    hit: impl Fn(&Tracked) -> bool,
) -> Vec<BulkCause> {
    let groups: BTreeSet<Shared> =
        points.iter().filter(|point| hit(point)).filter_map(|point| shared(&point.code)).collect();
    if groups.is_empty() {
        return Vec::new();
    }
    let cases = points.iter().filter(|point| point.watched).filter_map(|point| {
        let shared = shared(&point.code).filter(|shared| groups.contains(shared))?;
        let since = hit(point).then(|| point.machine.since());
        Some(BulkCase { point: point.code, shared, since })
    });
    correlate::bulk_causes(cause, cases)
}

fn find_held_credentials(points: &[Tracked], inventory: &Inventory) -> Vec<HeldCredential> {
    let mut held: BTreeMap<&str, u32> = BTreeMap::new();
    for point in points.iter().filter(|point| point.machine.not_looked() == Some(&Cause::CredentialHold)) {
        if let Some(name) = inventory.points.get(&point.code).and_then(|record| record.credential.as_deref())
        {
            *held.entry(name).or_default() += 1;
        }
    }
    held.into_iter().map(|(name, points)| HeldCredential { name: name.to_owned(), points }).collect()
}
