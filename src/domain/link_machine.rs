//! The state machine of a link: what its probes and the points behind it prove.
//!
//! A link is down when enough consecutive probes failed over enough time, or, where it cannot be probed, when the points
//! behind it say so (`correlate::infer`). Whatever answers from behind it proves it up at once; probes of the link
//! alone must answer twice. All evidence is dated by the start of the look or probe, so that order does not matter.

use crate::domain::machine::Rules;
use crate::domain::path::LinkId;
use crate::domain::streak::{LookTime, Streak};
use crate::domain::{Cause, Timestamp};
use std::time::Duration;

/// What is known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkStatus {
    /// Probed up, or a point behind it was seen.
    Up,
    /// Down and confirmed.
    Down,
    /// 疑似: inferred from two points behind it.
    Suspected,
    /// Never probed.
    Unknown,
}

impl LinkStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Up, Self::Down, Self::Suspected, Self::Unknown];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspected => "suspected",
            Self::Unknown => "unknown",
        }
    }
}

/// One link's status and the evidence that does not agree with it yet.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkMachine {
    status: LinkStatus,
    since: Timestamp,
    /// The failed link above that explains why this one is down; `None` when it failed itself.
    behind: Option<LinkId>,
    /// Whether the verdict was inferred from points.
    inferred: bool,
    /// Down before an outage that hid it: one failed probe since then confirms it again.
    was_down: bool,
    probed: bool,
    failing: Option<Streak>,
    answering: Option<Streak>,
    /// Start of the newest look or probe that was answered from behind the link.
    alive: Timestamp,
    /// Start of the newest look at a point behind the link that was answered.
    seen: Timestamp,
    /// When anything was last heard of it, good or bad.
    heard: Timestamp,
    last_probe: Option<Timestamp>,
    round_trip: Option<Duration>,
}

impl LinkMachine {
    /// A link of which nothing is known.
    pub const fn new(now: Timestamp) -> Self {
        Self {
            status: LinkStatus::Unknown,
            since: now,
            behind: None,
            inferred: false,
            was_down: false,
            probed: false,
            failing: None,
            answering: None,
            alive: Timestamp::MIN,
            seen: Timestamp::MIN,
            heard: now,
            last_probe: None,
            round_trip: None,
        }
    }

    /// Notes that the link was down before an outage that hid it.
    pub const fn remember_down(&mut self) {
        self.was_down = true;
    }

    /// Takes the verdict back: until `at` nothing could come from the link, so that its probes say nothing of it.
    pub fn doubt(&mut self, at: Timestamp) {
        self.enter(LinkStatus::Unknown, at);
        if self.suspicion().is_some() {
            // The last answer came before the failures that are forgotten, and proves nothing now.
            self.alive = Timestamp::MIN;
        }
        (self.failing, self.answering) = (None, None);
        self.remember_down();
    }

    /// The status.
    pub const fn status(&self) -> LinkStatus {
        self.status
    }

    /// Since when.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// The failed link above that explains why this one is down.
    pub const fn behind(&self) -> Option<LinkId> {
        self.behind
    }

    /// Whether the link itself failed: the root of an outage.
    pub fn is_failed(&self) -> bool {
        self.status == LinkStatus::Down && self.behind.is_none()
    }

    /// Whether the verdict was inferred from the points behind the link.
    pub const fn is_inferred(&self) -> bool {
        self.inferred
    }

    /// Start of the newest look or probe that was answered from behind the link.
    pub const fn alive(&self) -> Timestamp {
        self.alive
    }

    /// End of the last probe.
    pub const fn last_probe(&self) -> Option<Timestamp> {
        self.last_probe
    }

    /// Round-trip time of the last answered probe.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether a probe has ever been answered; from then on nothing is inferred from points.
    pub const fn was_probed(&self) -> bool {
        self.probed
    }

    /// The failed probes that no later answer refuted.
    pub fn suspicion(&self) -> Option<Streak> {
        self.failing.filter(|failing| failing.first > self.alive)
    }

    /// Takes the outcome of a probe: its round-trip time, or why there was none.
    pub fn observe_probe(
        &mut self,
        outcome: &Result<Duration, Cause>,
        LookTime { started, ended }: LookTime,
    ) {
        self.last_probe = Some(ended);
        self.heard = self.heard.max(ended);
        match outcome {
            Ok(round_trip) => {
                self.round_trip = Some(*round_trip);
                self.probed = true;
                self.alive = self.alive.max(started);
                Streak::lengthen(&mut self.answering, started);
            }
            Err(_) => {
                self.answering = None;
                self.failing = self.suspicion();
                Streak::lengthen(&mut self.failing, started);
            }
        }
    }

    /// Takes an answer of a point behind the link, or of a probe of a link below it.
    pub fn observe_passage(&mut self, started: Timestamp) {
        self.alive = self.alive.max(started);
        self.seen = self.seen.max(started);
        self.heard = self.heard.max(started);
    }

    /// Takes a look at a point behind the link that failed in the network layer: it keeps an inferred outage fresh.
    pub fn observe_silence(&mut self, started: Timestamp) {
        self.heard = self.heard.max(started);
    }

    /// Whether nothing was heard for so long that the status can no longer be believed.
    pub fn is_stale(&self, rules: &Rules, now: Timestamp) -> bool {
        self.status != LinkStatus::Unknown && now.since(self.heard) >= rules.stale_after
    }

    /// Whether the evidence says that the link is down; since when.
    pub fn confirmed_down(&self, rules: &Rules) -> Option<Timestamp> {
        let failing = self.suspicion()?;
        let is_known_again = self.was_down && failing.last >= self.since;
        (is_known_again || rules.confirm(failing)).then_some(failing.first)
    }

    /// Whether the evidence says that the link is up again (or for the first time); since when.
    pub fn confirmed_up(&self, rules: &Rules) -> Option<Timestamp> {
        let down = match self.status {
            LinkStatus::Up => return None,
            LinkStatus::Unknown | LinkStatus::Suspected => {
                return (self.alive > Timestamp::MIN && self.alive >= self.last_failure())
                    .then_some(self.alive);
            }
            LinkStatus::Down => self.last_failure(),
        };
        let answering = self
            .answering
            .filter(|answering| answering.first > down && answering.count >= rules.recover_looks);
        let seen = (self.seen > down).then_some(self.seen);
        seen.or_else(|| answering.map(|answering| answering.first))
    }

    /// The newest evidence of failure.
    fn last_failure(&self) -> Timestamp {
        let failed = self.failing.map_or(Timestamp::MIN, |failing| failing.last);
        if self.status == LinkStatus::Unknown { failed } else { failed.max(self.since) }
    }

    /// Enters a status.
    pub fn enter(&mut self, status: LinkStatus, at: Timestamp) {
        (self.status, self.since) = (status, at);
        (self.behind, self.inferred) = (None, false);
        if status != LinkStatus::Unknown {
            self.was_down = false;
        }
    }

    /// Enters `suspected`, which is only ever inferred from points.
    pub fn enter_inferred(&mut self, status: LinkStatus, at: Timestamp) {
        self.enter(status, at);
        self.inferred = true;
    }

    /// Notes that the points behind the link said it, not a probe.
    pub const fn mark_inferred(&mut self) {
        self.inferred = true;
    }

    /// Notes which failed link above explains why this one is down, or that none does.
    pub const fn explain(&mut self, behind: Option<LinkId>) {
        self.behind = behind;
    }

    /// Forgets unconfirmed failures: they were our own network's.
    pub const fn forget_failures(&mut self) {
        self.failing = None;
    }

    /// When the next probe is wanted so that a suspicion is decided in time.
    pub fn probe_due(&self, rules: &Rules) -> Option<Timestamp> {
        let last = match self.status {
            LinkStatus::Down => self.answering.map(|answering| answering.last),
            LinkStatus::Up | LinkStatus::Suspected | LinkStatus::Unknown => {
                self.suspicion().map(|failing| failing.last)
            }
        };
        last.map(|last| last.plus(rules.confirm_step()))
    }

    /// Moves every instant along with a stepped clock; nothing of a link is kept.
    pub fn shift(&mut self, step_ms: i64) {
        for streak in [&mut self.failing, &mut self.answering].into_iter().flatten() {
            *streak = streak.shifted(step_ms);
        }
        self.since = self.since.shifted(step_ms);
        self.heard = self.heard.shifted(step_ms);
        self.last_probe = self.last_probe.map(|at| at.shifted(step_ms));
        for instant in [&mut self.alive, &mut self.seen] {
            *instant = if *instant == Timestamp::MIN { *instant } else { instant.shifted(step_ms) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds evidence as `second word`: `up` and `down` are probes, `seen` is a point behind the link. Expects the
    /// changes as `second status`.
    fn check(evidence: &str, expected: &str) {
        let mut machine = LinkMachine::new(Timestamp::from_seconds(0));
        let mut changes = Vec::new();
        let words: Vec<&str> = evidence.split_whitespace().collect();
        for pair in words.chunks(2) {
            let started = Timestamp::from_seconds(pair[0].parse().unwrap());
            let time = LookTime { started, ended: started.plus(Duration::from_secs(1)) };
            match pair[1] {
                "up" => machine.observe_probe(&Ok(Duration::from_millis(8)), time),
                "down" => machine.observe_probe(&Err(Cause::ConnectTimeout), time),
                _ => machine.observe_passage(started),
            }
            let up = machine.confirmed_up(&Rules::OF_EXAMPLES).map(|at| (LinkStatus::Up, at));
            let down =
                machine.confirmed_down(&Rules::OF_EXAMPLES).filter(|_| machine.status() != LinkStatus::Down);
            if let Some((status, at)) = up.or(down.map(|at| (LinkStatus::Down, at))) {
                machine.enter(status, at);
                changes.push(format!("{} {}", at.as_millis() / 1000, status.as_str()));
            }
        }
        assert_eq!(changes.join(" "), expected, "{evidence}");
    }

    #[test]
    fn a_link_goes_down_by_probes_over_time_and_begins_with_the_first() {
        check("10 up", "10 up");
        check("10 up 40 down 70 down", "10 up");
        check("10 up 40 down 45 down 50 down", "10 up");
        check("10 up 40 down 70 down 100 down", "10 up 40 down");
        check("10 up 40 down 70 down 80 up 100 down", "10 up");
        check("10 down 40 down 70 down", "10 down");
    }

    #[test]
    fn what_comes_through_refutes_the_probes() {
        check("10 up 40 down 70 down 75 seen 100 down", "10 up");
        check("10 up 40 down 70 down 100 down 110 seen", "10 up 40 down 110 up");
    }

    #[test]
    fn a_link_comes_back_by_two_probes_or_one_point() {
        check("10 down 40 down 70 down 100 up", "10 down");
        check("10 down 40 down 70 down 100 up 130 up", "10 down 100 up");
        check("10 down 40 down 70 down 100 up 130 down 160 up", "10 down");
        check("10 down 40 down 70 down 71 seen", "10 down 71 up");
        check("10 down 40 down 70 down 65 seen", "10 down");
    }

    #[test]
    fn a_link_that_was_down_before_our_outage_needs_one_probe() {
        let mut machine = LinkMachine::new(Timestamp::from_seconds(0));
        machine.remember_down();
        let started = Timestamp::from_seconds(10);
        let time = LookTime { started, ended: Timestamp::from_seconds(15) };
        machine.observe_probe(&Err(Cause::ConnectTimeout), time);
        assert_eq!(machine.confirmed_down(&Rules::OF_EXAMPLES), Some(started));
    }

    #[test]
    fn a_link_that_was_hidden_is_believed_to_be_down_by_a_probe_since_then() {
        let mut machine = LinkMachine::new(Timestamp::from_seconds(0));
        let probe = |machine: &mut LinkMachine, second| {
            let started = Timestamp::from_seconds(second);
            let time = LookTime { started, ended: started.plus(Duration::from_secs(5)) };
            machine.observe_probe(&Err(Cause::ConnectTimeout), time);
            machine.confirmed_down(&Rules::OF_EXAMPLES)
        };
        machine.observe_passage(Timestamp::from_seconds(5));
        for second in [10, 40, 70] {
            probe(&mut machine, second);
        }
        machine.enter(LinkStatus::Down, Timestamp::from_seconds(10));
        machine.doubt(Timestamp::from_seconds(100));
        assert_eq!((machine.status(), machine.suspicion()), (LinkStatus::Unknown, None));
        assert_eq!(machine.confirmed_up(&Rules::OF_EXAMPLES), None, "what answered before says nothing");
        assert_eq!(probe(&mut machine, 99), None, "it was under way before");
        assert_eq!(probe(&mut machine, 101), Some(Timestamp::from_seconds(99)));
    }

    #[test]
    fn a_link_comes_back_on_a_clock_that_was_set_back() {
        let mut machine = LinkMachine::new(Timestamp::from_seconds(0));
        machine.enter(LinkStatus::Down, Timestamp::from_seconds(4_000));
        machine.shift(-3_600_000);
        let seen = Timestamp::from_seconds(500);
        machine.observe_passage(seen);
        assert_eq!(machine.confirmed_up(&Rules::OF_EXAMPLES), Some(seen));
    }

    #[test]
    fn a_status_of_which_nothing_is_heard_is_stale() {
        let mut machine = LinkMachine::new(Timestamp::from_seconds(0));
        machine.enter(LinkStatus::Down, Timestamp::from_seconds(0));
        machine.observe_silence(Timestamp::from_seconds(100));
        assert!(!machine.is_stale(&Rules::OF_EXAMPLES, Timestamp::from_seconds(1_299)));
        assert!(machine.is_stale(&Rules::OF_EXAMPLES, Timestamp::from_seconds(1_300)));
    }
}
