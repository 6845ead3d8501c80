//! The tracker: every live state, moved by findings and by time.
//!
//! A plain value whose steps take the time as an argument; `task` runs it. Findings of one instant are taken first
//! (`apply`) and decided together (`settle`), so that their order does not matter. What follows from a decision leaves
//! as [`Effects`].

mod change;
mod clock;
mod decide;
mod link;
mod overlay;
mod task;
mod tracked;
mod view;

pub use task::{LAST_RECORDS_DEADLINE, TrackerInputs, TrackerOutputs, run};

use crate::domain::judge::{Verdict, judge};
use crate::domain::link_machine::LinkMachine;
use crate::domain::path::{LinkId, PathTree};
use crate::domain::picture::PictureVerdict;
use crate::domain::streak::LookTime;
use crate::domain::suspicion::{Sign, Suspicion, Turn};
use crate::domain::{
    Cause, Condition, Exclusion, Finding, Inventory, LinkObservation, Look, Observation, Order, Outcome,
    PointCode, State, Timestamp, Transition,
};
use crate::health::restore;
use crate::health::settings::TrackerSettings;
use crate::health::snapshot::LivePoint;
use crate::store::OpenState;
use crate::telemetry;
use clock::ClockCheck;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tracked::Tracked;

/// What follows from the decisions of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Changes of points, in the order in which they were decided.
    pub transitions: Vec<Transition>,
    /// Wishes to the watchers.
    pub orders: Vec<Order>,
}

/// Every live state of the network.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    inventory: Arc<Inventory>,
    exclusions: Arc<Vec<Exclusion>>,
    tree: PathTree,
    /// Points by code; `due`, `live` and the members of `layout` follow the same order.
    points: Vec<Tracked>,
    /// When time alone may change a point: scanned at each tick, so kept apart and small.
    due: Vec<Timestamp>,
    live: Vec<Arc<LivePoint>>,
    /// Points that look otherwise than in `live`.
    changed_points: BTreeSet<usize>,
    links: Vec<LinkMachine>,
    layout: Vec<link::Layout>,
    suspicion: Suspicion,
    /// Whether any point has answered since start; before that the first round may be about us.
    any_answered: bool,
    touched_points: BTreeSet<usize>,
    /// Further looks at touched points, taken when what was found before them is decided: the order in which looks of one
    /// instant come changes nothing.
    repeated_looks: Vec<Observation>,
    touched_links: BTreeSet<LinkId>,
    /// Points that an explanation for their failure has left, to be looked at after this step.
    released_points: BTreeSet<PointCode>,
    /// Points whose look failed: on the first failure their neighbours are asked.
    failed_points: BTreeSet<usize>,
    /// Links without a probe's answer behind which looks fail, with the start of the newest failed one: inferred at the
    /// next tick, unless something came through since.
    silent_links: BTreeMap<LinkId, Timestamp>,
    /// Links behind which one canary is looked at only.
    canaries: BTreeSet<LinkId>,
    canaries_changed: bool,
    /// The next start or end of an exclusion.
    overlay_until: Timestamp,
    /// When the next point is commissioned or retired.
    records_until: Timestamp,
    round: Round,
    /// The last tick; a long time without one is a stall of ours.
    last_tick: Timestamp,
    /// Looks that began before this prove nothing by what they missed: we stood still meanwhile.
    void_before: Timestamp,
    /// The end of our last outage: no look counts before it.
    missed_until: Timestamp,
    clock: ClockCheck,
    view: view::View,
    effects: Effects,
}

/// The first round of looks after start, or after an outage of ours.
#[derive(Clone, Copy, Debug)]
struct Round {
    ends_at: Timestamp,
    left: usize,
}

impl Tracker {
    /// Starts with the states that the store left open; `heartbeat` is our last sign of life.
    pub fn new(
        settings: TrackerSettings,
        inventory: Arc<Inventory>,
        restored: &[OpenState],
        heartbeat: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let mut tracker = Self {
            settings,
            inventory: Arc::default(),
            exclusions: Arc::default(),
            tree: PathTree::default(),
            points: Vec::new(),
            due: Vec::new(),
            live: Vec::new(),
            changed_points: BTreeSet::new(),
            links: Vec::new(),
            layout: Vec::new(),
            suspicion: Suspicion::new(settings.suspicion),
            any_answered: false,
            touched_points: BTreeSet::new(),
            repeated_looks: Vec::new(),
            touched_links: BTreeSet::new(),
            released_points: BTreeSet::new(),
            failed_points: BTreeSet::new(),
            silent_links: BTreeMap::new(),
            canaries: BTreeSet::new(),
            canaries_changed: false,
            overlay_until: Timestamp::MAX,
            records_until: Timestamp::MAX,
            round: Round { ends_at: now.plus(settings.rules.stale_after), left: 0 },
            last_tick: now,
            void_before: Timestamp::MIN,
            missed_until: Timestamp::MIN,
            clock: ClockCheck::default(),
            view: view::View::default(),
            effects: Effects::default(),
        };
        tracker.restore(restored, heartbeat, now);
        tracker.change_inventory(inventory, now);
        tracker.remember_down_links(restored);
        tracker.restart_round(now);
        tracker
    }

    fn restore(&mut self, restored: &[OpenState], heartbeat: Option<Timestamp>, now: Timestamp) {
        let alive = restore::last_sign_of_life(heartbeat, restored).unwrap_or(now);
        for open in restored {
            let (machine, transition) = restore::resume(open, alive, now);
            self.clock.note(machine.since());
            self.points.push(Tracked::new(open.point, machine));
            self.effects.transitions.extend(transition);
        }
        self.points.sort_unstable_by_key(|point| point.code);
        self.clock.compare(now);
    }

    fn restart_round(&mut self, now: Timestamp) {
        for point in &mut self.points {
            (point.seen, point.in_first_round) = (!point.watched, point.watched);
        }
        self.round.ends_at = now.plus(self.settings.rules.stale_after);
        self.count_round();
    }

    fn count_round(&mut self) {
        self.round.left = self.points.iter().filter(|point| !point.seen).count();
    }

    /// Whether every watched point was looked at once since start, or had the time to be.
    fn first_round_done(&self, now: Timestamp) -> bool {
        self.round.left == 0 || now >= self.round.ends_at
    }

    fn mark_seen(&mut self, index: usize) {
        if let Some(point) = self.points.get_mut(index).filter(|point| !point.seen) {
            point.seen = true;
            self.round.left = self.round.left.saturating_sub(1);
        }
    }

    fn index_of(&self, code: PointCode) -> Option<usize> {
        self.points.binary_search_by_key(&code, |point| point.code).ok()
    }

    /// Takes a finding. Its consequences are decided by the next [`Tracker::settle`].
    pub fn apply(&mut self, finding: &Finding, now: Timestamp) {
        self.notice_stall(now);
        match finding {
            // The watched stream is what is judged; the main stream is looked at for its size alone.
            Finding::Look(observation) if observation.look == Look::Main => {}
            Finding::Look(observation) => self.apply_look(observation, now),
            Finding::Link(observation) => self.apply_probe(observation, now),
            Finding::Picture(verdict) => self.apply_picture(verdict),
        }
    }

    fn apply_picture(&mut self, verdict: &PictureVerdict) {
        let Some(index) = self.index_of(verdict.point) else { return };
        let Some(point) = self.points.get_mut(index).filter(|point| point.watched) else { return };
        point.take_picture(verdict);
        self.view.touch_point();
        self.touched_points.insert(index);
        self.changed_points.insert(index);
    }

    fn apply_look(&mut self, observation: &Observation, now: Timestamp) {
        let Some(index) = self.index_of(observation.point) else { return };
        if self.touched_points.contains(&index) {
            self.repeated_looks.push(observation.clone());
            return;
        }
        let counted = self.counted_time(observation.started, observation.ended, now);
        let (inventory, thresholds) = (Arc::clone(&self.inventory), self.settings.thresholds);
        let Some(record) = inventory.points.get(&observation.point) else { return };
        let Some(point) = self.points.get_mut(index).filter(|point| point.watched) else { return };
        let verdict = judge(observation, &point.norm.expectation(record), &thresholds);
        let verdict = if observation.started < self.void_before { void(verdict) } else { verdict };
        let (verdict, time) = match counted {
            Some(time) => (verdict, time),
            None => (Verdict::NotLooked(Cause::Backlog), LookTime::ending(observation.ended)),
        };
        point.take(observation, &verdict, time);
        if verdict == Verdict::Reachable && point.machine.condition().state() == State::Offline {
            let points = vec![point.code];
            self.effects.orders.push(Order::LookSoon { points, spread: decide::SOON });
        }
        if matches!(verdict, Verdict::NotLooked(Cause::CredentialHold)) {
            self.view.touch_hold();
        }
        self.view.touch_point();
        let sign = match verdict {
            Verdict::NotLooked(_) => None,
            Verdict::Good(_) | Verdict::Faulty(..) | Verdict::Failed(_) | Verdict::Reachable => {
                Sign::of(&observation.outcome)
            }
        };
        self.note_sign(index, sign, LookTime { started: time.started, ended: now });
        if matches!(observation.outcome, Outcome::Failed(_)) && sign != Some(Sign::Alive) {
            self.failed_points.insert(index);
        }
        self.touched_points.insert(index);
        self.changed_points.insert(index);
        self.mark_seen(index);
    }

    /// When a look or probe took place, as far as it counts: not during our last outage, and not in a time from which the
    /// clock was set back since. `None` when it was over before the end of that outage: it says nothing about now.
    fn counted_time(&self, started: Timestamp, ended: Timestamp, now: Timestamp) -> Option<LookTime> {
        let ended = ended.min(now);
        let started = started.max(self.missed_until);
        (ended >= self.missed_until).then_some(LookTime { started: started.min(ended), ended })
    }

    /// Notes what a look says about the links on the path and about our own network.
    fn note_sign(&mut self, index: usize, sign: Option<Sign>, time: LookTime) {
        let Some(point) = self.points.get_mut(index) else { return };
        let (code, link, known) = (point.code, point.link, point.answered);
        let silent = point.machine.failing_network().is_some();
        match sign {
            Some(Sign::Alive) => {
                point.answered = true;
                self.any_answered = true;
                self.suspicion.observe_point(&code, time, Sign::Alive);
                self.note_passage(link, time.started);
            }
            Some(Sign::NetworkFailure) => {
                let dead_before =
                    matches!(point.machine.condition().state(), State::Offline | State::Unreachable);
                if !dead_before && (known || !self.any_answered) {
                    self.suspicion.observe_point(&code, time, Sign::NetworkFailure);
                }
                if silent {
                    self.note_silence(link, time.started);
                }
            }
            None => {}
        }
    }

    fn apply_probe(&mut self, observation: &LinkObservation, now: Timestamp) {
        let Some(id) = self.tree.id(&observation.link) else { return };
        let Some(time) = self.counted_time(observation.started, observation.ended, now) else { return };
        let Some(machine) = self.links.get_mut(id.index()) else { return };
        if observation.outcome.is_err() && observation.started < self.void_before {
            return;
        }
        machine.observe_probe(&observation.outcome, time);
        let heard = LookTime { started: time.started, ended: now };
        let failed = machine.is_failed();
        match observation.outcome {
            Ok(_) => {
                self.suspicion.observe_link(&observation.link, heard, Sign::Alive);
                for &above in self.tree.carriers(id).iter().skip(1) {
                    if let Some(machine) = self.links.get_mut(above.index()) {
                        machine.observe_passage(time.started);
                        self.touched_links.insert(above);
                    }
                }
            }
            Err(_) if !failed => {
                self.suspicion.observe_link(&observation.link, heard, Sign::NetworkFailure);
            }
            Err(_) => {}
        }
        self.touched_links.insert(id);
        self.view.touch_link();
    }

    /// Lets time pass: staleness, held decisions, exclusions, inference, and our own stalls.
    pub fn tick(&mut self, now: Timestamp) {
        self.notice_stall(now);
        self.last_tick = self.last_tick.max(now);
        if now >= self.records_until {
            self.change_inventory(Arc::clone(&self.inventory), now);
        }
        if now >= self.overlay_until {
            self.lay_exclusions(now);
        }
        let due = self.due.iter().enumerate().filter(|(_, due)| **due <= now).map(|(index, _)| index);
        self.touched_points.extend(due);
        self.tick_links(now);
        self.settle(now);
        self.view.refresh_bulk(now, &self.points, &self.inventory);
    }

    /// Our own stall: what failed meanwhile failed with us. A long one is an outage.
    fn notice_stall(&mut self, now: Timestamp) {
        let stood_still = now.since(self.last_tick);
        if stood_still <= self.settings.stall {
            return;
        }
        let from = std::mem::replace(&mut self.last_tick, now);
        self.void_before = now;
        if stood_still > self.settings.outage {
            self.miss(from, now, Vec::new());
        }
    }

    /// Decides everything that findings or time have touched.
    pub fn settle(&mut self, now: Timestamp) {
        self.settle_touched(now);
        while !self.repeated_looks.is_empty() {
            for observation in std::mem::take(&mut self.repeated_looks) {
                self.apply_look(&observation, now);
            }
            self.settle_touched(now);
        }
    }

    fn settle_touched(&mut self, now: Timestamp) {
        if let Some(turn) = self.suspicion.decide(now) {
            self.turn_suspicion(turn, now);
        }
        let mut links: Vec<LinkId> = std::mem::take(&mut self.touched_links).into_iter().collect();
        links.sort_by_key(|id| self.tree.rank(*id));
        for id in links {
            self.settle_link(id, now);
        }
        self.order_canaries();
        self.order_released();
        for index in std::mem::take(&mut self.failed_points) {
            self.ask_neighbours(index, now);
        }
        let mut looks = Vec::new();
        for index in std::mem::take(&mut self.touched_points) {
            self.settle_point(index, now, &mut looks);
        }
        if !looks.is_empty() {
            let order = Order::LookSoon { points: looks, spread: decide::SOON };
            self.effects.orders.push(order);
        }
    }

    /// Hands over what follows from the steps since the last call.
    pub fn take_effects(&mut self) -> Effects {
        let effects = std::mem::take(&mut self.effects);
        effects.transitions.iter().for_each(|transition| self.clock.note(transition.at));
        effects
    }

    /// We did not watch from `from` to `to`: as after a restart, the first looks decide.
    fn miss(&mut self, from: Timestamp, to: Timestamp, proof: tracked::Proof) {
        self.suspicion.forget();
        (self.void_before, self.missed_until) = (to, to);
        self.forget_links(to);
        let down = Condition::Because(Cause::MonitorDown);
        for index in 0..self.points.len() {
            if let Some(point) = self.points.get_mut(index).filter(|point| point.watched) {
                point.machine.forget_looks(to);
                self.commit(index, &down, from, decide::Change::derived(to, &proof));
            }
        }
        self.restart_round(to);
    }

    /// The suspicion against ourselves began or ended.
    fn turn_suspicion(&mut self, turn: Turn, now: Timestamp) {
        self.view.touch_link();
        match turn {
            Turn::Raised => {
                let (failed, looked) = self.suspicion.counts();
                telemetry::own_network_suspected(failed, looked);
                let failing = self.points.iter().map(|point| point.machine.failing_perhaps_by_us());
                let failing = (0..).zip(failing).filter_map(|(index, failing)| failing.map(|_| index));
                self.touched_points.extend(failing);
            }
            Turn::Cleared => {
                telemetry::own_network_cleared();
                self.clear_suspicion(now);
            }
            Turn::GivenUp => {
                telemetry::own_network_given_up(self.settings.suspicion.longest);
                self.clear_suspicion(now);
            }
        }
    }
}

/// A look under way while we stood still proves what it received, but nothing by what it missed.
fn void(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Good(_) | Verdict::Reachable | Verdict::NotLooked(_) => verdict,
        Verdict::Faulty(_, proof) => Verdict::Good(proof),
        Verdict::Failed(_) => Verdict::NotLooked(Cause::Backlog),
    }
}
