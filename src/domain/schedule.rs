//! Which point is looked at next: a pure structure, driven with the time as an argument.
//!
//! Every point is due once a period, at an instant spread by a hash of its code. Among the due ones a head start in
//! time, never more than a period, ranks the never-seen before the failing with few proofs before class 1 before the
//! rest, so that nothing starves. A look starts only when every link of its path and its host have budget left, and its
//! host need not be left alone; until then it is parked at the first one that lacks, and nothing behind it in rank
//! overtakes it there.
//!
//! A point whose sub-stream is watched gets a look at its main stream once a day, in the time between two other looks
//! and only if nothing else wants the room.

mod canary;
mod entry;
mod pace;
mod queue;

use crate::domain::budget::{Budgets, Grant, LinkLimit, Resource};
use crate::domain::{LinkCode, Look, PointCode, Timestamp};
use canary::Canaries;
pub use entry::{Ended, Plan, Rules};
use entry::{Entry, Place};
pub use pace::Pace;
use queue::Queues;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A stable share of `over` for `key`: equal for equal keys on every machine, evenly spread over many.
pub fn spread(key: &str, over: Duration) -> Duration {
    let share = mix(fnv(key)) >> 32;
    let millis = (u128::from(share) * over.as_millis()) >> 32;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// FNV-1a.
fn fnv(key: &str) -> u64 {
    key.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finalizer of SplitMix64: codes that differ in the last digits only would stay neighbours without it.
const fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A look to be started now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The point.
    pub point: PointCode,
    /// The kind of look.
    pub look: Look,
    /// How long after its due time it starts.
    pub lag: Duration,
}

/// The schedule of every watched point.
#[derive(Debug)]
pub struct Schedule {
    rules: Rules,
    entries: BTreeMap<PointCode, Entry>,
    /// The points that a link cuts off: it goes down without a walk over all of them.
    behind: BTreeMap<LinkCode, BTreeSet<PointCode>>,
    queues: Queues,
    canaries: Canaries,
    budgets: Budgets,
    running_count: usize,
    /// Kept sessions under way, the longest one first.
    kept: BTreeSet<Key>,
}

impl Schedule {
    /// An empty schedule.
    pub fn new(rules: Rules, budgets: Budgets) -> Self {
        let (entries, behind, queues, canaries, kept) = Default::default();
        Self { rules, entries, behind, queues, canaries, budgets, running_count: 0, kept }
    }

    /// Takes a new point, or the new plan of a known one. A look that runs goes on until [`Schedule::finished`].
    pub fn put(&mut self, plan: Plan, now: Timestamp) {
        let point = plan.point;
        self.withdraw(point);
        self.leave_links(point);
        for link in &plan.needs {
            self.behind.entry(link.clone()).or_default().insert(point);
        }
        let cut = self.canaries.join(&plan);
        let is_cut = !cut.is_empty();
        let due = match self.entries.get_mut(&point) {
            Some(entry) => {
                entry.replace(plan, &self.rules, now);
                entry.cut = cut;
                now
            }
            None => {
                let due = now.plus(spread(point.as_str(), self.rules.first_round()));
                self.entries.insert(point, Entry::new(plan, &self.rules, due, cut));
                due
            }
        };
        if !is_cut {
            self.make_due(point, due);
        }
    }

    /// Forgets a point. A look that runs is forgotten when it ends.
    pub fn remove(&mut self, point: PointCode) {
        self.withdraw(point);
        self.leave_links(point);
        match self.entries.get_mut(&point) {
            Some(entry) if entry.is_running() => entry.gone = true,
            _ => {
                self.entries.remove(&point);
            }
        }
    }

    /// Replaces the limits of the links.
    pub fn set_limits(&mut self, limits: BTreeMap<LinkCode, LinkLimit>) {
        self.budgets.set_limits(limits);
        self.queues.free_all();
    }

    /// The next look to start, if one is due and its budgets allow it. Call until it gives `None`.
    pub fn next(&mut self, now: Timestamp) -> Option<Start> {
        self.promote(now);
        while let Some(point) = self.queues.best() {
            let entry = self.entries.get_mut(&point)?;
            let look = entry.next_look(now);
            let claim = entry.claim(look);
            let key = entry.key(&self.rules);
            let lacking = match self.queues.ahead(&claim, (key, point)) {
                Some(resource) => resource,
                None => match self.budgets.take(&claim, now) {
                    Ok(grant) => {
                        let lag = now.since(entry.due);
                        self.queues.withdraw(&entry.place, (key, point), entry.due);
                        entry.wants_main = false;
                        entry.place = Place::Running { grant, look, since: now };
                        self.running_count += 1;
                        if look == Look::Continuous {
                            self.kept.insert((now, point));
                        }
                        return Some(Start { point, look, lag });
                    }
                    Err(resource) => resource,
                },
            };
            self.queues.park(&mut entry.place, (key, point), lacking);
        }
        None
    }

    /// Notes that a look ended and plans the next one. `random` (0 up to 1) is the jitter of the retry ladder.
    pub fn finished(&mut self, point: PointCode, ended: Ended, now: Timestamp, random: f64) {
        let Some(entry) = self.entries.get_mut(&point) else { return };
        let Place::Running { grant, look, since } = std::mem::replace(&mut entry.place, Place::Suppressed)
        else {
            return;
        };
        self.kept.remove(&(since, point));
        self.running_count = self.running_count.saturating_sub(1);
        if ended == Ended::Limited {
            // The sessions that fill a recorder may be our own: ask for as many as it served from now on.
            let others = self.budgets.host_sessions(entry.host(look)).saturating_sub(1);
            self.budgets.cap_host(entry.host(look), others, now);
        }
        if let Ended::Unquiet { wait } = ended {
            self.budgets.rest_host(entry.host(look), now.plus(wait));
        }
        self.queues.free(&grant);
        self.budgets.give_back(grant);
        if entry.gone {
            self.entries.remove(&point);
            return;
        }
        let due = entry.plan_next(&self.rules, look, ended, now, random);
        if !entry.cut.is_empty() {
            return;
        }
        if entry.deserves_main(ended, now) {
            let until = entry.main_until(&self.rules, due, now);
            self.offer_main(point, until);
        } else {
            self.make_due(point, due);
        }
    }

    /// Takes what a look outside the schedule uses, if its host and links have that much left.
    pub fn take_aside(&mut self, point: PointCode, now: Timestamp) -> Option<Grant> {
        let claim = self.entries.get(&point)?.claim(Look::Manual);
        self.budgets.take(&claim, now).ok()
    }

    /// Gives back what a look had.
    pub fn give_back(&mut self, grant: Grant) {
        self.queues.free(&grant);
        self.budgets.give_back(grant);
    }

    /// Notes a measured bit rate; the next look claims that much.
    pub fn measured(&mut self, point: PointCode, kbps: u32) {
        if let Some(entry) = self.entries.get_mut(&point).filter(|entry| entry.is_running()) {
            entry.measured(kbps);
        }
    }

    /// Makes a point due at `at` for a full look, unless that is so already or it runs or is cut off. One whose main
    /// stream is being looked at is due afterwards.
    pub fn look_soon(&mut self, point: PointCode, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(&point) else { return };
        let due = at.min(entry.due);
        match entry.place {
            Place::Due | Place::Ready | Place::Parked(_) => {
                entry.full_look_at(at);
                self.make_due(point, due);
            }
            Place::Running { look: Look::Main, .. } => {
                entry.full_look_at(at);
                entry.due = due;
            }
            Place::Running { .. } | Place::Suppressed => {}
        }
    }

    /// Stops looking at the points behind a dead link, but for one canary at a time. Names the points whose next look is
    /// given up.
    pub fn link_down(&mut self, link: &LinkCode, now: Timestamp) -> Vec<PointCode> {
        let members: Vec<PointCode> = self.behind.get(link).into_iter().flatten().copied().collect();
        let mut given_up = Vec::new();
        for point in &members {
            if let Some(entry) = self.entries.get_mut(point) {
                entry.cut.insert(link.clone());
            }
            if self.withdraw(*point) {
                given_up.push(*point);
            }
        }
        self.canaries.link_down(link, members, now);
        given_up
    }

    /// Looks again at the points behind a link that came up, spread over the given time.
    pub fn link_up(&mut self, link: &LinkCode, over: Duration, now: Timestamp) {
        for point in self.canaries.link_up(link) {
            let Some(entry) = self.entries.get_mut(&point) else { continue };
            entry.cut.remove(link);
            if entry.cut.is_empty() && matches!(entry.place, Place::Suppressed) {
                let due = now.plus(spread(point.as_str(), over));
                entry.full_look_at(due);
                self.make_due(point, due);
            }
        }
    }

    /// When the next look falls due; looks that wait for a budget are started by [`Schedule::finished`].
    pub fn next_due(&self) -> Option<Timestamp> {
        let dues = [self.queues.next_due(), self.canaries.next_due(), self.budgets.next_rested()];
        dues.into_iter().flatten().min()
    }

    /// Points whose look has been due for longer than a period, each named once per look, with what it lacks.
    pub fn overdue(&mut self, now: Timestamp) -> Vec<(PointCode, Option<Resource>)> {
        let limit = now.minus(self.rules.period);
        let late: Vec<PointCode> = self.queues.waiting_since_before(limit).collect();
        let named_first = |point: PointCode| {
            let entry = self.entries.get_mut(&point)?;
            (!std::mem::replace(&mut entry.late, true)).then(|| (point, entry.lacking().cloned()))
        };
        late.into_iter().filter_map(named_first).collect()
    }

    /// Kept sessions that have run a period and should end and queue up again: because others wait for their link or
    /// host, or because the main stream of their point is to be looked at.
    pub fn to_yield(&self, now: Timestamp) -> Vec<PointCode> {
        let is_other = |point: &PointCode| self.entries.get(point).is_some_and(|entry| !entry.wants_main);
        let wanted: Vec<&Resource> = self
            .queues
            .parked_at()
            .filter(|(_, first)| is_other(first))
            .map(|(resource, _)| resource)
            .collect();
        let ran_long = now.minus(self.rules.period);
        let holds_up = |point: &PointCode| {
            let Some(entry) = self.entries.get(point) else { return false };
            match &entry.place {
                Place::Running { grant, .. } => {
                    entry.is_main_due(now) || wanted.iter().any(|resource| grant.holds(resource))
                }
                Place::Due | Place::Ready | Place::Parked(_) | Place::Suppressed => false,
            }
        };
        let kept_long = self.kept.iter().take_while(|(since, _)| *since <= ran_long).map(|(_, point)| *point);
        kept_long.filter(holds_up).collect()
    }

    /// Due looks that have not started.
    pub fn waiting(&self) -> usize {
        self.queues.waiting()
    }

    /// Looks that wait for a budget.
    pub fn parked(&self) -> usize {
        self.queues.parked()
    }

    /// Looks under way, kept sessions included.
    pub const fn running(&self) -> usize {
        self.running_count
    }

    /// Points in the schedule.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How long the longest-waiting due look has waited.
    pub fn lag(&self, now: Timestamp) -> Duration {
        self.queues.longest_waiting().map_or(Duration::ZERO, |due| now.since(due))
    }

    /// Sessions that we hold to the host of a point, the one of `point` itself left out.
    pub fn other_sessions(&self, point: PointCode) -> u16 {
        let Some(entry) = self.entries.get(&point) else { return 0 };
        let own = u16::from(entry.is_running());
        self.budgets.host_sessions(&entry.plan.host).saturating_sub(own)
    }

    /// What is in use, for checks from outside.
    pub const fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    fn promote(&mut self, now: Timestamp) {
        while let Some(host) = self.budgets.pop_rested(now) {
            self.queues.free_at(Resource::Host(host));
        }
        while let Some(point) = self.queues.pop_due(now) {
            let Some(entry) = self.entries.get_mut(&point) else { continue };
            if entry.wants_main {
                self.queues.withdraw(&entry.place, (entry.key(&self.rules), point), entry.due);
                entry.postpone_main(now);
            }
            // One that kept its turn has been named if it was late.
            entry.late &= now.since(entry.due) > self.rules.period;
            self.queues.make_ready((entry.key(&self.rules), point), entry.due);
            entry.place = Place::Ready;
        }
        while let Some(point) = self.canaries.pop_due(now, self.rules.canary_period(), &self.entries) {
            if let Some(entry) = self.entries.get_mut(&point) {
                entry.full_look_at(now);
                entry.due = now;
                self.queues.make_ready((entry.key(&self.rules), point), now);
                entry.place = Place::Ready;
            }
        }
    }

    /// Queues a point for `due`; one that runs is queued when its look ends.
    fn make_due(&mut self, point: PointCode, due: Timestamp) {
        self.withdraw(point);
        if let Some(entry) = self.entries.get_mut(&point).filter(|entry| !entry.is_running()) {
            entry.due = due;
            entry.place = Place::Due;
            self.queues.make_due(point, due);
        }
    }

    /// Lets a look at the main stream begin until `until`, when the next other look is due.
    fn offer_main(&mut self, point: PointCode, until: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&point) {
            (entry.due, entry.wants_main, entry.place) = (until, true, Place::Ready);
            self.queues.make_due(point, until);
            self.queues.make_ready((entry.key(&self.rules), point), until);
        }
    }

    /// Takes a point off the links that it needed until now.
    fn leave_links(&mut self, point: PointCode) {
        let Some(entry) = self.entries.get(&point) else { return };
        for link in &entry.plan.needs {
            let Some(members) = self.behind.get_mut(link) else { continue };
            members.remove(&point);
            if members.is_empty() {
                self.behind.remove(link);
            }
        }
    }

    /// Takes a point out of every queue; a running look is left alone. Says whether a look is given up by it.
    fn withdraw(&mut self, point: PointCode) -> bool {
        let Some(entry) = self.entries.get_mut(&point).filter(|entry| !entry.is_running()) else {
            return false;
        };
        self.queues.withdraw(&entry.place, (entry.key(&self.rules), point), entry.due);
        entry.wants_main = false;
        !matches!(std::mem::replace(&mut entry.place, Place::Suppressed), Place::Suppressed)
    }
}

/// A queue position: earlier instants first, codes break ties.
type Key = (Timestamp, PointCode);

#[cfg(test)]
mod tests;
