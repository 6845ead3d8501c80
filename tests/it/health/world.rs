//! A simulated network, its watchers and its clock: faults are told as a timeline, the tracker sees only findings.
//!
//! `world("V*=4").at(60).cut("V").at(300).repair("V").until(900)` runs a second at a time: the schedule looks at every
//! point once a period and retries failures, links are probed, orders are obeyed, a mini store keeps what was decided.

use super::network::{network, point};
use sharpeyes::config::{Health, Settings, Watch};
use sharpeyes::domain::path::PathTree;
use sharpeyes::domain::{
    Cause, ClockReading, Codec, Condition, Declared, Failure, Finding, Inventory, LinkCode, LinkObservation,
    Look, Measurement, Observation, Order, Outcome, PointCode, Stage, StageTimes, State, Timestamp,
    Transition,
};
use sharpeyes::health::settings::TrackerSettings;
use sharpeyes::health::snapshot::{LinkStatus, Snapshot};
use sharpeyes::health::tracker::{Effects, Tracker};
use sharpeyes::store::OpenState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Second zero of every story.
const EPOCH: i64 = 1_700_000_000;
/// Every point is looked at once in this many seconds, every link probed once in that many.
pub(crate) const PERIOD: i64 = 120;
const LINK_PERIOD: i64 = 30;
/// Behind a dead link one point is looked at once in this many seconds, each in turn.
const CANARY_PERIOD: i64 = 30;
/// A failed connect or probe takes this long, a good look that.
const TIMEOUT: i64 = 5;
const LOOK_TIME: i64 = 4;
const HEARTBEAT: i64 = 10;
/// A picture is published this often when nothing changed.
pub(crate) const SIGN_OF_LIFE: i64 = 5;

/// The instant of a second of the story.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(EPOCH + second)
}

/// What happens to the network, to a camera or to us.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Cut(LinkCode),
    Repair(LinkCode),
    Break(PointCode, Box<Outcome>),
    Mend(PointCode),
    OwnNetworkDown,
    OwnNetworkUp,
    Kill,
    Start,
    Freeze,
    Thaw,
    /// Somebody moves the clock by so many seconds.
    SetClock(i64),
}

/// A network and the timeline of what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) inventory: Inventory,
    pub(crate) deeds: Vec<(i64, Deed)>,
    pub(crate) seed: u64,
    cursor: i64,
}

pub(crate) fn world(text: &str) -> Script {
    Script { inventory: network(text), deeds: Vec::new(), seed: 0, cursor: 0 }
}

impl Script {
    pub(crate) fn at(mut self, second: i64) -> Self {
        self.cursor = second;
        self
    }

    pub(crate) fn then(mut self, deed: Deed) -> Self {
        self.deeds.push((self.cursor, deed));
        self
    }

    pub(crate) fn cut(self, link: &str) -> Self {
        self.then(Deed::Cut(link.parse().unwrap()))
    }

    pub(crate) fn repair(self, link: &str) -> Self {
        self.then(Deed::Repair(link.parse().unwrap()))
    }

    /// The point fails from now on with this cause.
    pub(crate) fn fail(self, number: usize, cause: Cause) -> Self {
        self.then(Deed::Break(point(number), Box::new(failed(cause))))
    }

    /// The point sends pictures with these measurements from now on.
    pub(crate) fn send(self, number: usize, measurement: Measurement) -> Self {
        self.then(Deed::Break(point(number), Box::new(Outcome::Video(measurement))))
    }

    pub(crate) fn mend(self, number: usize) -> Self {
        self.then(Deed::Mend(point(number)))
    }

    /// Runs the story up to a second.
    pub(crate) fn until(self, end: i64) -> Story {
        let mut run = Run::new(self);
        for second in 0..=end {
            run.step(second);
        }
        run.finish(end)
    }

    /// ..and shows every picture that is published on the way.
    pub(crate) fn watched_until(self, end: i64, mut watch: impl FnMut(&Moment<'_>)) -> Story {
        let mut run = Run::new(self);
        for second in 0..=end {
            run.step(second);
            if let Some(snapshot) = run.picture(second) {
                watch(&Moment { second, now: run.clock(second), snapshot, run: &run });
            }
        }
        run.finish(end)
    }
}

/// A failed look at the stage where such a cause is met.
pub(crate) fn failed(cause: Cause) -> Outcome {
    let (stage, status) = match cause {
        Cause::WrongCredential => (Stage::Describe, Some(401)),
        Cause::StreamNotFound => (Stage::Describe, Some(404)),
        Cause::NoPackets => (Stage::FirstPacket, None),
        Cause::Stalled => (Stage::Measure, None),
        _ => (Stage::Connect, None),
    };
    Outcome::Failed(Failure { stage, cause, status, measured: None })
}

/// What a healthy camera sends.
pub(crate) fn healthy() -> Measurement {
    Measurement {
        window: Duration::from_secs(4),
        frames: 100,
        key_frames: 2,
        packets: 400,
        lost_packets: 0,
        bytes: 128_000,
        longest_gap: Duration::from_millis(60),
        gop_frames: Some(50),
        gop_time: Some(Duration::from_secs(2)),
        codec: Codec::H264,
        size: Some((640, 360)),
        clock: ClockReading::ErrorMs(120),
        declared: Declared::default(),
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) transitions: Vec<Transition>,
    pub(crate) orders: Vec<(i64, Order)>,
    pub(crate) snapshot: Snapshot,
    pub(crate) points: Vec<PointCode>,
    /// Seconds in which each point's path and camera were really well.
    pub(crate) well: BTreeMap<PointCode, Vec<bool>>,
    pub(crate) end: i64,
}

impl Story {
    /// The transitions of a point.
    pub(crate) fn of(&self, number: usize) -> Vec<&Transition> {
        self.transitions.iter().filter(|transition| transition.point == point(number)).collect()
    }

    /// The conditions that a point went through, as words: `not_yet_probed good link_down:V good`.
    pub(crate) fn words(&self, number: usize) -> String {
        let words: Vec<String> = self.of(number).iter().map(|transition| word(&transition.to)).collect();
        words.join(" ")
    }

    /// The second at which the last interval of a point began.
    pub(crate) fn since(&self, number: usize) -> i64 {
        self.of(number).last().map_or(0, |transition| second_of(transition.at))
    }
}

pub(crate) fn second_of(instant: Timestamp) -> i64 {
    instant.as_millis().div_euclid(1000) - EPOCH
}

pub(crate) fn word(condition: &Condition) -> String {
    match condition.cause() {
        None => "good".to_owned(),
        Some(cause) => match cause.detail() {
            Some(detail) => format!("{cause}:{detail}"),
            None => cause.to_string(),
        },
    }
}

/// The limits of the stories: the shipped ones, with a short memory for what is stale.
pub(crate) fn settings() -> TrackerSettings {
    let shipped = Settings::default();
    let health = Health { stale_after: Duration::from_secs(600), ..shipped.health };
    TrackerSettings::new(&health, &Watch { period: Duration::from_secs(120), ..shipped.watch })
}

/// One second of a story: what was published, and what is really so.
pub(crate) struct Moment<'a> {
    pub(crate) second: i64,
    /// What the clock shows.
    pub(crate) now: Timestamp,
    pub(crate) snapshot: Snapshot,
    run: &'a Run,
}

impl Moment<'_> {
    /// Whether we reach the network at all.
    pub(crate) const fn sees(&self) -> bool {
        !self.run.own_network_down
    }

    /// Whether the path of a point is cut.
    pub(crate) fn is_cut_off(&self, point: PointCode) -> bool {
        self.run.is_cut(point)
    }

    /// Whether nothing comes through a link.
    pub(crate) fn link_is_cut(&self, link: &LinkCode) -> bool {
        self.run.link_is_cut(link)
    }

    /// Whether a camera itself fails.
    pub(crate) fn is_ill(&self, point: PointCode) -> bool {
        self.run.ill.contains_key(&point)
    }

    /// Whether these links together cut a point off.
    pub(crate) fn would_cut_off(&self, links: &BTreeSet<LinkCode>, point: PointCode) -> bool {
        self.run.is_cut_by(links, point)
    }
}

struct Run {
    script: Script,
    tree: PathTree,
    tracker: Option<Tracker>,
    open: BTreeMap<PointCode, OpenState>,
    heartbeat: Option<Timestamp>,
    /// The heartbeat at the last start: what lies before it is not touched.
    kept_until: Timestamp,
    /// How far the clock was moved.
    set_by: i64,
    frozen: bool,
    own_network_down: bool,
    cut: BTreeSet<LinkCode>,
    ill: BTreeMap<PointCode, Outcome>,
    due: BTreeMap<PointCode, i64>,
    failures: BTreeMap<PointCode, i64>,
    probe_due: BTreeMap<LinkCode, i64>,
    canaries_only: BTreeSet<LinkCode>,
    under_way: Vec<(i64, Finding)>,
    story: Story,
}

impl Run {
    fn new(script: Script) -> Self {
        let tree = PathTree::new(&script.inventory.links);
        let points: Vec<PointCode> = script.inventory.points.keys().copied().collect();
        let story = Story {
            transitions: Vec::new(),
            orders: Vec::new(),
            snapshot: Snapshot::default(),
            well: points.iter().map(|point| (*point, Vec::new())).collect(),
            points,
            end: 0,
        };
        let mut run = Self {
            tree,
            tracker: None,
            open: BTreeMap::new(),
            heartbeat: None,
            kept_until: Timestamp::MIN,
            set_by: 0,
            frozen: false,
            own_network_down: false,
            cut: BTreeSet::new(),
            ill: BTreeMap::new(),
            due: BTreeMap::new(),
            failures: BTreeMap::new(),
            probe_due: BTreeMap::new(),
            canaries_only: BTreeSet::new(),
            under_way: Vec::new(),
            story,
            script,
        };
        run.start(0);
        run
    }

    /// What the clock shows at a second of the story.
    fn clock(&self, second: i64) -> Timestamp {
        at(second + self.set_by)
    }

    /// Starts (or restarts) the service at a second: everything it knew is gone but the store.
    fn start(&mut self, second: i64) {
        let restored: Vec<OpenState> = self.open.values().cloned().collect();
        let inventory = Arc::new(self.script.inventory.clone());
        self.kept_until = self.heartbeat.unwrap_or(Timestamp::MIN);
        self.tracker =
            Some(Tracker::new(settings(), inventory, &restored, self.heartbeat, self.clock(second)));
        self.under_way.clear();
        self.failures.clear();
        self.canaries_only.clear();
        for (i, point) in (0..).zip(&self.story.points) {
            self.due.insert(*point, second + 1 + (i * 37) % PERIOD);
        }
        for (i, link) in (0..).zip(self.script.inventory.links.keys()) {
            self.probe_due.insert(link.clone(), second + 1 + (i * 7) % LINK_PERIOD);
        }
        self.take_effects(second);
    }

    fn step(&mut self, second: i64) {
        let deeds: Vec<Deed> = self
            .script
            .deeds
            .iter()
            .filter(|(when, _)| *when == second)
            .map(|(_, deed)| deed.clone())
            .collect();
        for deed in deeds {
            self.act(deed, second);
        }
        for point in self.story.points.clone() {
            let well = !self.is_cut(point) && !self.ill.contains_key(&point);
            self.story.well.get_mut(&point).unwrap().push(well);
        }
        if self.tracker.is_none() || self.frozen {
            return;
        }
        self.begin_looks(second);
        self.begin_probes(second);
        self.deliver(second);
        let now = self.clock(second);
        self.tracker.as_mut().unwrap().tick(now);
        if self.take_effects(second) {
            self.check_no_point_offline_behind_a_failed_link(second);
        }
        if second % HEARTBEAT == 0 {
            self.heartbeat = Some(now);
        }
    }

    /// What is published at a second: whatever changed, and now and then a sign of life.
    fn picture(&mut self, second: i64) -> Option<Snapshot> {
        let now = self.clock(second);
        let runs = self.tracker.as_mut().filter(|_| !self.frozen);
        let tells = |tracker: &&mut Tracker| tracker.is_dirty() || second % SIGN_OF_LIFE == 0;
        runs.filter(tells).map(|tracker| tracker.snapshot(now))
    }

    /// Invariant of every story, whenever anything was decided.
    fn check_no_point_offline_behind_a_failed_link(&mut self, second: i64) {
        let now = self.clock(second);
        let snapshot = self.tracker.as_mut().unwrap().snapshot(now);
        let failed: BTreeSet<&LinkCode> = snapshot
            .links
            .iter()
            .filter(|link| link.status == LinkStatus::Down && link.behind.is_none())
            .map(|link| &link.code)
            .collect();
        let is_failed = |id| self.tree.code(id).is_some_and(|code| failed.contains(code));
        for live in snapshot.points.iter().filter(|live| is_offline(&live.measured)) {
            let link = self.script.inventory.link_of(&self.script.inventory.points[&live.code]).unwrap();
            let blocked = self.tree.blocked_by(self.tree.id(&link.code).unwrap(), &is_failed);
            assert_eq!(blocked, None, "{} is offline behind a failed link at {second}", live.code);
        }
    }

    fn act(&mut self, deed: Deed, second: i64) {
        match deed {
            Deed::Cut(link) => drop(self.cut.insert(link)),
            Deed::Repair(link) => drop(self.cut.remove(&link)),
            Deed::Break(point, outcome) => drop(self.ill.insert(point, *outcome)),
            Deed::Mend(point) => drop(self.ill.remove(&point)),
            Deed::OwnNetworkDown => self.own_network_down = true,
            Deed::OwnNetworkUp => self.own_network_down = false,
            Deed::Kill => self.tracker = None,
            Deed::Start => self.start(second),
            Deed::Freeze => self.frozen = true,
            Deed::Thaw => self.frozen = false,
            Deed::SetClock(seconds) => self.set_clock(seconds, second),
        }
    }

    fn set_clock(&mut self, seconds: i64, second: i64) {
        self.set_by += seconds;
        let now = self.clock(second);
        if let Some(tracker) = &mut self.tracker {
            tracker.step_clock(seconds * 1_000, now);
            self.take_effects(second);
        }
    }

    fn link_is_cut(&self, link: &LinkCode) -> bool {
        self.link_is_cut_by(&self.cut, link)
    }

    fn link_is_cut_by(&self, links: &BTreeSet<LinkCode>, link: &LinkCode) -> bool {
        let cut = |id| self.tree.code(id).is_some_and(|code| links.contains(code));
        self.tree.id(link).is_some_and(|id| self.tree.blocked_by(id, &cut).is_some())
    }

    fn is_cut(&self, point: PointCode) -> bool {
        self.is_cut_by(&self.cut, point)
    }

    fn is_cut_by(&self, links: &BTreeSet<LinkCode>, point: PointCode) -> bool {
        let record = &self.script.inventory.points[&point];
        self.script.inventory.link_of(record).is_some_and(|link| self.link_is_cut_by(links, &link.code))
    }

    fn begin_looks(&mut self, second: i64) {
        for point in self.story.points.clone() {
            let is_canary = self.canaries_only.iter().any(|root| self.canary(root, second) == Some(point));
            if !is_canary && self.due[&point] > second {
                continue;
            }
            self.due.insert(point, second + PERIOD);
            if !is_canary && self.is_left_to_the_canary(point) {
                continue;
            }
            let outcome = self.outcome(point);
            let took = if matches!(outcome, Outcome::Failed(_)) { TIMEOUT } else { LOOK_TIME };
            let observation = Observation {
                point,
                started: self.clock(second),
                ended: self.clock(second + took),
                look: Look::Patrol,
                stages: StageTimes::default(),
                outcome,
            };
            self.under_way.push((second + took, Finding::Look(Box::new(observation))));
        }
    }

    fn is_left_to_the_canary(&self, point: PointCode) -> bool {
        self.canaries_only.iter().any(|root| self.is_behind(point, root))
    }

    fn is_behind(&self, point: PointCode, root: &LinkCode) -> bool {
        let link = self.script.inventory.link_of(&self.script.inventory.points[&point]).unwrap();
        let id = self.tree.id(&link.code).unwrap();
        self.tree.ancestors(id).iter().any(|above| self.tree.code(*above) == Some(root))
    }

    /// The point behind a dead link whose turn it is to be looked at in this second.
    fn canary(&self, root: &LinkCode, second: i64) -> Option<PointCode> {
        if second % CANARY_PERIOD != 0 {
            return None;
        }
        let behind: Vec<_> = self.story.points.iter().filter(|point| self.is_behind(**point, root)).collect();
        let turn = usize::try_from(second / CANARY_PERIOD).unwrap();
        behind.get(turn % behind.len().max(1)).map(|point| **point)
    }

    fn outcome(&self, point: PointCode) -> Outcome {
        if self.own_network_down {
            failed(Cause::NoRoute)
        } else if self.is_cut(point) {
            failed(Cause::ConnectTimeout)
        } else {
            self.ill.get(&point).cloned().unwrap_or_else(|| Outcome::Video(healthy()))
        }
    }

    fn begin_probes(&mut self, second: i64) {
        for (code, link) in self.script.inventory.links.clone() {
            if link.target.is_none() || self.probe_due[&code] > second {
                continue;
            }
            self.probe_due.insert(code.clone(), second + LINK_PERIOD);
            let fails = self.own_network_down || self.link_is_cut(&code);
            let took = if fails { TIMEOUT } else { 0 };
            let outcome = if fails { Err(Cause::ConnectTimeout) } else { Ok(Duration::from_millis(9)) };
            let observation = LinkObservation {
                link: code,
                started: self.clock(second),
                ended: self.clock(second + took),
                outcome,
            };
            self.under_way.push((second + took, Finding::Link(observation)));
        }
    }

    /// Hands over what ended by now, in the order that the seed says.
    fn deliver(&mut self, second: i64) {
        let (mut ended, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.under_way).into_iter().partition(|(end, _)| *end <= second);
        self.under_way = rest;
        shuffle(&mut ended, self.script.seed.wrapping_add(second.unsigned_abs()));
        let now = self.clock(second);
        for (_, finding) in ended {
            let finding = ended_at(now, self.broken_on_the_way(finding));
            self.note_retry(&finding, second);
            self.tracker.as_mut().unwrap().apply(&finding, now);
        }
        self.tracker.as_mut().unwrap().settle(now);
    }

    /// A look that began well and ended behind a cut link is a stall.
    fn broken_on_the_way(&self, finding: Finding) -> Finding {
        match finding {
            Finding::Look(mut observation)
                if matches!(observation.outcome, Outcome::Video(_))
                    && (self.own_network_down || self.is_cut(observation.point)) =>
            {
                observation.outcome = failed(Cause::Stalled);
                Finding::Look(observation)
            }
            other => other,
        }
    }

    fn note_retry(&mut self, finding: &Finding, second: i64) {
        let Finding::Look(observation) = finding else { return };
        let failures = self.failures.entry(observation.point).or_default();
        if matches!(observation.outcome, Outcome::Failed(_)) {
            *failures += 1;
            let delay = (10 << (*failures).min(5)).min(PERIOD);
            self.due.insert(observation.point, second + delay);
        } else {
            *failures = 0;
        }
    }

    /// Keeps what was decided and obeys what was ordered; tells whether there was anything.
    fn take_effects(&mut self, second: i64) -> bool {
        let effects = self.tracker.as_mut().unwrap().take_effects();
        let any = effects != Effects::default();
        for transition in effects.transitions {
            assert!(transition.at >= self.kept_until, "before {}: {transition:?}", self.kept_until);
            let open =
                OpenState { point: transition.point, since: transition.at, condition: transition.to.clone() };
            self.open.insert(transition.point, open);
            self.story.transitions.push(transition);
        }
        for order in effects.orders {
            self.obey(&order, second);
            self.story.orders.push((second, order));
        }
        any
    }

    fn obey(&mut self, order: &Order, second: i64) {
        match order {
            Order::LookSoon { points, spread } => {
                let spread = i64::try_from(spread.as_secs()).unwrap().max(1);
                for (i, point) in (0..).zip(points) {
                    let soon = second + 1 + (i * 17) % spread;
                    let due = self.due.get_mut(point).unwrap();
                    *due = (*due).min(soon);
                }
            }
            Order::ProbeLink(link) => drop(self.probe_due.insert(link.clone(), second + 1)),
            Order::LinkDown(link) => drop(self.canaries_only.insert(link.clone())),
            Order::LinkUp { link, .. } => drop(self.canaries_only.remove(link)),
        }
    }

    fn finish(mut self, end: i64) -> Story {
        check_each_instant_has_one_state(&self.story);
        let now = self.clock(end);
        if let Some(tracker) = &mut self.tracker {
            self.story.snapshot = tracker.snapshot(now);
        }
        self.story.end = end;
        self.story
    }
}

/// A look or probe ends when the clock shows its end.
fn ended_at(now: Timestamp, finding: Finding) -> Finding {
    match finding {
        Finding::Look(mut observation) => {
            observation.ended = now;
            Finding::Look(observation)
        }
        Finding::Link(observation) => Finding::Link(LinkObservation { ended: now, ..observation }),
        seen @ Finding::Picture(_) => seen,
    }
}

/// Invariant of every story: the transitions of a point follow one another, each after the start of the one before.
fn check_each_instant_has_one_state(story: &Story) {
    let mut last: BTreeMap<PointCode, &Transition> = BTreeMap::new();
    for transition in &story.transitions {
        if let Some(before) = last.insert(transition.point, transition) {
            assert!(before.at < transition.at, "{before:?} {transition:?}");
            assert_eq!(before.to, transition.from, "{before:?} {transition:?}");
        }
        assert!(transition.at <= transition.decided, "{transition:?}");
    }
    assert_eq!(last.len(), story.points.len(), "every point has a state from the start on");
}

/// A permutation that only the seed decides.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    for i in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let j = usize::try_from(state >> 33).unwrap() % (i + 1);
        items.swap(i, j);
    }
}

/// Whether a state means that the point's own device fails.
pub(crate) fn is_offline(condition: &Condition) -> bool {
    condition.state() == State::Offline
}
