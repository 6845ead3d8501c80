//! The state machine of a point: when a series of verdicts becomes a change of condition.
//!
//! Owns confirmation, back-dating, recovery, staleness and what our own outage leaves open. It knows one point only:
//! it *proposes* a change, and whoever sees the whole path (`correlate`) decides whether a failure is the point's own.
//!
//! The rules, in the order of the code:
//! - A failure is confirmed by enough consecutive failed looks over enough time, whatever their causes; the last look
//!   names the cause and the interval begins with the first one. A fault of the stream is confirmed alike.
//! - A confirmed failure ends with enough looks with pictures, one of them from a key frame each; the interval begins
//!   with the first of them.
//! - Inside a failure another state or cause must be confirmed like a new one, so that mixed answers do not flutter.
//!   Inside `degraded` the cause stays while its fault is still seen.
//! - `unknown` and `unreachable` protect nothing: one clean proof ends them. A failure that was confirmed before them
//!   and is seen again needs no second confirmation.
//! - A wrong credential was refused on two fresh sessions and is held afterwards: time alone confirms it.
//! - Without a conclusive look for too long the point is `unknown`; a held credential keeps the verdict that caused it.

use crate::domain::judge::{Proof, Verdict};
use crate::domain::streak::{LookTime, Streak};
use crate::domain::{Cause, Condition, State, Timestamp};
use std::time::Duration;

/// When looks are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Consecutive looks that confirm a failure or a fault.
    pub confirm_looks: u32,
    /// ..and the least time from the first to the last of them.
    pub confirm_time: Duration,
    /// Consecutive proofs that confirm a recovery.
    pub recover_looks: u32,
    /// Without a conclusive look for this long a point is `unknown`.
    pub stale_after: Duration,
}

impl Rules {
    /// Whether a streak is enough to believe it.
    pub fn confirm(&self, streak: Streak) -> bool {
        streak.confirms(self.confirm_looks, self.confirm_time)
    }

    /// Time between two looks while something waits for its confirmation.
    pub fn confirm_step(&self) -> Duration {
        self.confirm_time / self.confirm_looks.saturating_sub(1).max(1)
    }
}

/// A change of condition that the looks at the point alone suggest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The condition.
    pub to: Condition,
    /// Since when, not yet bounded by the open interval.
    pub at: Timestamp,
    /// Looks that suggest it; zero when time alone does.
    pub looks: u32,
}

/// One point's condition and the looks that do not agree with it yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    condition: Condition,
    since: Timestamp,
    before: Option<Condition>,
    /// Start of the last look that told something, or of the condition.
    last_start: Timestamp,
    /// End of the last look that told something about video.
    conclusive: Timestamp,
    not_looked: Option<(Cause, Timestamp)>,
    failed: Option<Failing>,
    video: Option<Streak>,
    clean: Option<Streak>,
    faulty: Option<Faulting>,
}

/// Consecutive failed looks.
#[derive(Clone, Debug, PartialEq)]
struct Failing {
    all: Streak,
    cause: Cause,
    same_cause: Streak,
    same_state: Streak,
}

/// Consecutive looks with a fault.
#[derive(Clone, Debug, PartialEq)]
struct Faulting {
    all: Streak,
    worst: Cause,
    same_worst: Streak,
    faults: Vec<Cause>,
}

impl Machine {
    /// A machine whose condition holds since `since`.
    pub const fn new(condition: Condition, since: Timestamp) -> Self {
        Self {
            condition,
            since,
            before: None,
            last_start: since,
            conclusive: since,
            not_looked: None,
            failed: None,
            video: None,
            clean: None,
            faulty: None,
        }
    }

    /// A machine that is taken up at `now`. Its condition may begin later, when the clock was set back meanwhile; its looks
    /// are counted from now on.
    pub fn resumed(condition: Condition, since: Timestamp, now: Timestamp) -> Self {
        let counted = since.min(now);
        Self { last_start: counted, conclusive: counted, ..Self::new(condition, since) }
    }

    /// The condition now.
    pub const fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Start of the open interval.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// The measured condition before `unknown` or `unreachable` covered it.
    pub const fn before(&self) -> Option<&Condition> {
        self.before.as_ref()
    }

    /// The faults of the last look with pictures, worst first.
    pub fn faults(&self) -> &[Cause] {
        self.faulty.as_ref().map_or(&[], |faulty| &faulty.faults)
    }

    /// The credential hold, backlog or the like that kept the last due look from taking place.
    pub fn not_looked(&self) -> Option<&Cause> {
        self.not_looked.as_ref().map(|(cause, _)| cause)
    }

    /// The cause that the last looks suggest and that is not confirmed.
    pub fn suspected(&self) -> Option<&Cause> {
        let failing = self.failed.as_ref().map(|failing| &failing.cause);
        let suspect = failing.or_else(|| self.faulty.as_ref().map(|faulty| &faulty.worst))?;
        (self.condition.cause() != Some(suspect) && !self.is_explained(suspect)).then_some(suspect)
    }

    /// The streak of failed looks with the cause of the last one.
    pub fn failing(&self) -> Option<(Streak, &Cause)> {
        self.failed.as_ref().map(|failing| (failing.all, &failing.cause))
    }

    /// Consecutive failed looks whose cause lies in the network layer: what a dead link is inferred from.
    pub fn failing_network(&self) -> Option<Streak> {
        let failing = self.failed.as_ref()?;
        failing.cause.is_network_layer().then_some(failing.same_state)
    }

    /// As [`Machine::failing_network`], for causes that our own network may be the reason of.
    pub fn failing_perhaps_by_us(&self) -> Option<Streak> {
        let failing = self.failed.as_ref()?;
        failing.cause.may_be_our_network().then_some(failing.same_state)
    }

    /// A fault that is seen but hidden behind the confirmed one is no suspicion.
    fn is_explained(&self, suspect: &Cause) -> bool {
        self.condition.state() == State::Degraded
            && suspect.state() == State::Degraded
            && self.condition.cause().is_some_and(|cause| self.faults().contains(cause))
    }

    /// Takes the verdict of a look.
    pub fn observe(&mut self, verdict: &Verdict, LookTime { started, ended }: LookTime) {
        match verdict {
            Verdict::Good(proof) => self.observe_video(*proof, &[], started),
            Verdict::Faulty(faults, proof) => self.observe_video(*proof, faults, started),
            Verdict::Failed(cause) => self.observe_failure(cause, started),
            Verdict::Reachable => return self.observe_answer(started),
            Verdict::NotLooked(cause) => return self.observe_skip(cause, ended),
        }
        self.last_start = started;
        self.conclusive = self.conclusive.max(ended);
        self.not_looked = None;
    }

    fn observe_video(&mut self, proof: Proof, faults: &[Cause], started: Timestamp) {
        self.failed = None;
        let proven = proof == Proof::KeyFrame;
        if proven {
            Streak::lengthen(&mut self.video, started);
        }
        match faults.first() {
            Some(worst) => {
                self.clean = None;
                self.observe_faults(worst, faults, started);
            }
            None if proven => {
                self.faulty = None;
                Streak::lengthen(&mut self.clean, started);
            }
            None => self.faulty = None,
        }
    }

    fn observe_faults(&mut self, worst: &Cause, faults: &[Cause], started: Timestamp) {
        let fresh = Streak::starting(started);
        let (mut all, mut same_worst) = (None, None);
        if let Some(before) = self.faulty.take() {
            all = Some(before.all);
            same_worst = (before.worst == *worst).then_some(before.same_worst);
        }
        Streak::lengthen(&mut all, started);
        Streak::lengthen(&mut same_worst, started);
        self.faulty = Some(Faulting {
            all: all.unwrap_or(fresh),
            worst: worst.clone(),
            same_worst: same_worst.unwrap_or(fresh),
            faults: faults.to_vec(),
        });
    }

    fn observe_failure(&mut self, cause: &Cause, started: Timestamp) {
        (self.video, self.clean, self.faulty) = (None, None, None);
        let fresh = Streak::starting(started);
        let (mut all, mut same_cause, mut same_state) = (None, None, None);
        if let Some(before) = self.failed.take() {
            all = Some(before.all);
            same_cause = (before.cause == *cause).then_some(before.same_cause);
            same_state = (before.cause.state() == cause.state()).then_some(before.same_state);
        }
        Streak::lengthen(&mut all, started);
        Streak::lengthen(&mut same_cause, started);
        Streak::lengthen(&mut same_state, started);
        self.failed = Some(Failing {
            all: all.unwrap_or(fresh),
            cause: cause.clone(),
            same_cause: same_cause.unwrap_or(fresh),
            same_state: same_state.unwrap_or(fresh),
        });
    }

    /// A device that answers was not offline in the looks before; whether it sends video stays open.
    fn observe_answer(&mut self, started: Timestamp) {
        self.last_start = started;
        if self.failed.as_ref().is_some_and(|failing| failing.cause.state() == State::Offline) {
            self.failed = None;
        }
    }

    fn observe_skip(&mut self, cause: &Cause, ended: Timestamp) {
        let refused = [self.condition.cause(), self.failed.as_ref().map(|failing| &failing.cause)];
        if *cause == Cause::CredentialHold && refused.contains(&Some(&Cause::WrongCredential)) {
            self.conclusive = self.conclusive.max(ended);
        }
        self.not_looked = Some((cause.clone(), ended));
    }

    /// What the looks suggest at `now`; `None` while they agree with the condition or wait for confirmation.
    pub fn proposal(&self, rules: &Rules, now: Timestamp) -> Option<Proposal> {
        let measured = match self.condition.state() {
            State::Good => self.new_failure(rules, now).or_else(|| self.new_fault(rules)),
            State::Degraded => self
                .new_failure(rules, now)
                .or_else(|| self.fault_gone(rules))
                .or_else(|| self.other_fault(rules)),
            State::NoVideo | State::Offline => {
                self.video_back(rules).or_else(|| self.other_failure(rules, now))
            }
            State::Unreachable | State::Unknown | State::Excluded => {
                self.first_proof().or_else(|| self.new_failure(rules, now)).or_else(|| self.new_fault(rules))
            }
        };
        measured.or_else(|| self.unmeasured(rules, now))
    }

    fn new_failure(&self, rules: &Rules, now: Timestamp) -> Option<Proposal> {
        let failing = self.failed.as_ref()?;
        let known = self.before.as_ref().is_some_and(|before| before.state() == failing.cause.state());
        let held =
            failing.cause == Cause::WrongCredential && now.since(failing.all.first) >= rules.confirm_time;
        (known || held || rules.confirm(failing.all)).then(|| propose(&failing.cause, failing.all))
    }

    fn new_fault(&self, rules: &Rules) -> Option<Proposal> {
        let faulty = self.faulty.as_ref()?;
        let known = self.before.as_ref().and_then(Condition::cause) == Some(&faulty.worst);
        (known || rules.confirm(faulty.all)).then(|| propose(&faulty.worst, faulty.all))
    }

    fn fault_gone(&self, rules: &Rules) -> Option<Proposal> {
        let clean = self.clean.filter(|clean| clean.count >= rules.recover_looks)?;
        Some(Proposal { to: Condition::Good, at: clean.first, looks: clean.count })
    }

    fn other_fault(&self, rules: &Rules) -> Option<Proposal> {
        let faulty = self.faulty.as_ref()?;
        let gone = self.condition.cause().is_none_or(|cause| !faulty.faults.contains(cause));
        (gone && rules.confirm(faulty.same_worst)).then(|| propose(&faulty.worst, faulty.same_worst))
    }

    /// Pictures are back; still `degraded` when every one of the proofs showed a fault.
    fn video_back(&self, rules: &Rules) -> Option<Proposal> {
        let video = self.video.filter(|video| video.count >= rules.recover_looks)?;
        let faulty = self.faulty.as_ref().filter(|faulty| faulty.all.count >= video.count);
        let to = faulty.map_or(Condition::Good, |faulty| Condition::Because(faulty.worst.clone()));
        Some(Proposal { to, at: video.first, looks: video.count })
    }

    fn other_failure(&self, rules: &Rules, now: Timestamp) -> Option<Proposal> {
        let failing =
            self.failed.as_ref().filter(|failing| self.condition.cause() != Some(&failing.cause))?;
        let held = failing.cause == Cause::WrongCredential
            && now.since(failing.same_cause.first) >= rules.confirm_time;
        if held || rules.confirm(failing.same_cause) {
            return Some(propose(&failing.cause, failing.same_cause));
        }
        let other_state = self.condition.state() != failing.cause.state();
        (other_state && rules.confirm(failing.same_state))
            .then(|| propose(&failing.cause, failing.same_state))
    }

    /// One clean proof. Pictures with a fault end `unreachable`, too, for something came through: to `good` where that was
    /// proven before and the fault is new, else to what they show.
    fn first_proof(&self) -> Option<Proposal> {
        if let Some(clean) = self.clean {
            return Some(Proposal { to: Condition::Good, at: clean.first, looks: clean.count });
        }
        let video = self.video.filter(|_| self.condition.state() == State::Unreachable)?;
        let shown = self.faulty.as_ref().filter(|_| self.before != Some(Condition::Good));
        let to = shown.map_or(Condition::Good, |faulty| Condition::Because(self.known_fault(faulty)));
        Some(Proposal { to, at: video.first, looks: video.count })
    }

    /// The fault that was confirmed before, while it is still seen; else the worst one seen.
    fn known_fault(&self, faulty: &Faulting) -> Cause {
        let known = self.before.as_ref().and_then(Condition::cause);
        known.filter(|known| faulty.faults.contains(known)).unwrap_or(&faulty.worst).clone()
    }

    /// Nothing was measured: the newest reason of a skipped look, else staleness.
    fn unmeasured(&self, rules: &Rules, now: Timestamp) -> Option<Proposal> {
        let stale_at = self.conclusive.plus(rules.stale_after);
        let (cause, at) = match (&self.not_looked, self.condition.state()) {
            (Some((Cause::NotWatchable, at)), _) => (Cause::NotWatchable, *at),
            (Some((cause, at)), State::Unknown) if self.replaces_reason(cause) => (cause.clone(), *at),
            (_, State::Unknown) => return None,
            (Some((cause, _)), _) if now >= stale_at => (cause.clone(), stale_at),
            (None, _) if now >= stale_at => (Cause::Stale, stale_at),
            (Some(_) | None, _) => return None,
        };
        let to = Condition::Because(cause);
        (to != self.condition).then_some(Proposal { to, at, looks: 0 })
    }

    /// A hold tells more than that nothing was looked at; a backlog does not take a hold's place.
    fn replaces_reason(&self, cause: &Cause) -> bool {
        let vague = [Cause::NotYetProbed, Cause::Stale, Cause::Backlog];
        *cause == Cause::CredentialHold && self.condition.cause().is_some_and(|now| vague.contains(now))
    }

    /// Enters a condition. Returns the start of the new interval: `at`, but after the start of the interval that it
    /// closes, so that intervals are never empty and no two begin at the same instant.
    pub fn enter(&mut self, to: Condition, at: Timestamp) -> Timestamp {
        let from = std::mem::replace(&mut self.condition, to);
        self.before = match (self.condition.state().is_measured(), from.state().is_measured()) {
            (true, _) => None,
            (false, true) => Some(from),
            (false, false) => self.before.take(),
        };
        self.since = at.max(self.since.plus(Duration::from_millis(1)));
        if !self.condition.state().is_measured() {
            (self.video, self.clean) = (None, None);
        }
        if self.condition == Condition::Good {
            self.forget_fault_of_first_proof();
        }
        self.since
    }

    /// A point that enters `good` by a look that shows a fault: the fault is confirmed by the looks after that one, so
    /// that its interval does not begin where `good` does.
    fn forget_fault_of_first_proof(&mut self) {
        if self.faulty.as_ref().is_some_and(|faulty| faulty.all.first <= self.since) {
            self.faulty = None;
        }
    }

    /// Forgets the failed looks that began before `at`: a dead link explained them, or our own network did.
    /// Staleness counts from `at` on.
    pub fn forget_failures_before(&mut self, at: Timestamp) {
        self.failed = self.failed.take().filter(|failing| failing.all.first >= at);
        self.conclusive = self.conclusive.max(at);
    }

    /// Forgets every look: the point was changed, what was seen before says nothing about it.
    pub fn forget_looks(&mut self, now: Timestamp) {
        (self.failed, self.video, self.clean, self.faulty, self.not_looked) = (None, None, None, None, None);
        self.conclusive = self.conclusive.max(now);
    }

    /// Lets a verdict that was derived from elsewhere become stale at `now`, not in the past.
    pub fn expire_at(&mut self, now: Timestamp, rules: &Rules) {
        self.conclusive = self.conclusive.max(now.minus(rules.stale_after));
    }

    /// End of the last look that told something about video.
    pub const fn conclusive(&self) -> Timestamp {
        self.conclusive
    }

    /// The next instant at which time alone may change something.
    pub fn due(&self, rules: &Rules) -> Timestamp {
        let held = match &self.failed {
            Some(failing) if failing.cause == Cause::WrongCredential && self.suspected().is_some() => {
                failing.same_cause.first.plus(rules.confirm_time)
            }
            Some(_) | None => Timestamp::MAX,
        };
        let stale = match self.condition.state() {
            State::Unknown => Timestamp::MAX,
            State::Good
            | State::Degraded
            | State::NoVideo
            | State::Offline
            | State::Unreachable
            | State::Excluded => self.conclusive.plus(rules.stale_after),
        };
        held.min(stale)
    }

    /// When the next look is wanted so that something unconfirmed is decided in time; `None` when nothing waits, or
    /// when a held credential forbids to look.
    pub fn look_due(&self, rules: &Rules) -> Option<Timestamp> {
        let waits = match self.condition.state() {
            State::NoVideo | State::Offline => self.video.is_some(),
            State::Degraded => self.clean.is_some() || self.failed.is_some(),
            State::Good | State::Unreachable | State::Unknown | State::Excluded => self.suspected().is_some(),
        };
        let held = self.suspected() == Some(&Cause::WrongCredential);
        (waits && !held).then(|| self.last_start.plus(rules.confirm_step()))
    }

    /// Moves every unconfirmed instant along with a stepped clock; the open interval keeps its start.
    pub fn shift(&mut self, step_ms: i64) {
        self.last_start = self.last_start.shifted(step_ms);
        self.conclusive = self.conclusive.shifted(step_ms);
        for streak in [&mut self.video, &mut self.clean].into_iter().flatten() {
            *streak = streak.shifted(step_ms);
        }
        if let Some(failing) = &mut self.failed {
            failing.all = failing.all.shifted(step_ms);
            failing.same_cause = failing.same_cause.shifted(step_ms);
            failing.same_state = failing.same_state.shifted(step_ms);
        }
        if let Some(faulty) = &mut self.faulty {
            faulty.all = faulty.all.shifted(step_ms);
            faulty.same_worst = faulty.same_worst.shifted(step_ms);
        }
        if let Some((_, at)) = &mut self.not_looked {
            *at = at.shifted(step_ms);
        }
    }
}

fn propose(cause: &Cause, streak: Streak) -> Proposal {
    Proposal { to: Condition::Because(cause.clone()), at: streak.first, looks: streak.count }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        confirm_looks: 3,
        confirm_time: Duration::from_secs(60),
        recover_looks: 2,
        stale_after: Duration::from_secs(1_200),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// The verdict behind a word: `good`, `pictures` (no key frame), `reachable`, `-cause` (not looked) or a cause.
    fn verdict(word: &str) -> Verdict {
        let cause = |word| Cause::parse(word, None).unwrap();
        match word {
            "good" => Verdict::Good(Proof::KeyFrame),
            "pictures" => Verdict::Good(Proof::PicturesOnly),
            "reachable" => Verdict::Reachable,
            word if word.starts_with('-') => Verdict::NotLooked(cause(word.trim_start_matches('-'))),
            word if cause(word).state() == State::Degraded => {
                Verdict::Faulty(vec![cause(word)], Proof::KeyFrame)
            }
            word => Verdict::Failed(cause(word)),
        }
    }

    fn condition(word: &str) -> Condition {
        if word == "good" { Condition::Good } else { Condition::Because(Cause::parse(word, None).unwrap()) }
    }

    fn word(condition: &Condition) -> &'static str {
        condition.cause().map_or("good", Cause::as_str)
    }

    /// Feeds `second word` looks of one second each (`wait` only lets time pass) to a point that was `start` since 0;
    /// expects the intervals that follow as `second word`.
    fn check(start: &str, looks: &str, expected: &str) {
        let mut machine = Machine::new(condition(start), at(0));
        check_from(&mut machine, looks, expected);
    }

    fn check_from(machine: &mut Machine, looks: &str, expected: &str) {
        let mut intervals = Vec::new();
        let words: Vec<&str> = looks.split_whitespace().collect();
        for pair in words.chunks(2) {
            let started = at(pair[0].parse().unwrap());
            let ended = started.plus(Duration::from_secs(1));
            if pair[1] != "wait" {
                machine.observe(&verdict(pair[1]), LookTime { started, ended });
            }
            while let Some(proposal) = machine.proposal(&RULES, ended) {
                let start = machine.enter(proposal.to, proposal.at).as_millis();
                intervals.push(format!("{} {}", start.div_euclid(1000), word(machine.condition())));
            }
        }
        assert_eq!(intervals.join(" "), expected, "{looks}");
    }

    #[test]
    fn a_failure_needs_looks_and_time_and_begins_with_its_first_look() {
        check("good", "100 no_packets 110 no_packets 120 no_packets", "");
        check("good", "100 no_packets 400 no_packets", "");
        check("good", "100 no_packets 130 no_packets 160 no_packets", "100 no_packets");
        check("good", "100 connect_timeout 130 connect_timeout 140 good 170 connect_timeout", "");
        check("good", "100 stalled 130 connect_timeout 160 connect_timeout", "100 connect_timeout");
    }

    #[test]
    fn a_failure_ends_with_two_proofs_from_a_key_frame() {
        check("no_packets", "100 good", "");
        check("no_packets", "100 good 160 good", "100 good");
        check("no_packets", "100 good 160 no_packets 220 good", "");
        check("no_packets", "100 pictures 110 pictures 120 good", "");
        check("no_packets", "100 good 110 pictures 120 good", "100 good");
        check("no_packets", "100 loss 160 loss", "100 loss");
        check("no_packets", "100 loss 160 good", "100 good");
    }

    #[test]
    fn a_cause_inside_a_failure_changes_only_when_confirmed() {
        check("connect_timeout", "100 no_route 130 connect_timeout 160 no_route 190 connect_timeout", "");
        check("connect_timeout", "100 no_route 130 no_route 160 no_route", "100 no_route");
        check(
            "connect_timeout",
            "100 stream_not_found 130 no_packets 160 stream_not_found",
            "100 stream_not_found",
        );
    }

    #[test]
    fn a_fault_is_confirmed_like_a_failure_and_keeps_its_name() {
        check("good", "100 loss 130 loss 160 loss", "100 loss");
        check("good", "100 loss 130 good 160 loss", "");
        check("loss", "100 clock_wrong 130 clock_wrong 160 clock_wrong", "100 clock_wrong");
        check("loss", "100 clock_wrong 130 loss 160 clock_wrong", "");
        check("loss", "100 good", "");
        check("loss", "100 good 160 good", "100 good");
        check("loss", "100 no_packets 130 no_packets 160 no_packets", "100 no_packets");
    }

    #[test]
    fn unknown_ends_with_one_clean_proof() {
        check("not_yet_probed", "100 good", "100 good");
        check("not_yet_probed", "100 pictures", "");
        check("not_yet_probed", "100 loss", "");
        check("not_yet_probed", "100 loss 130 loss 160 loss", "100 loss");
        check("not_yet_probed", "100 connect_timeout 130 connect_timeout", "");
        check("stale", "100 connect_timeout 130 no_route 160 no_route", "100 no_route");
    }

    #[test]
    fn a_point_behind_a_repaired_link_is_what_its_first_pictures_show() {
        let cut_off = |before: &str| {
            let mut machine = Machine::new(condition(before), at(0));
            machine.enter(Condition::Because(Cause::LinkDown("V".parse().unwrap())), at(50));
            machine
        };
        check_from(&mut cut_off("good"), "100 loss", "100 good");
        check_from(&mut cut_off("good"), "100 loss 130 loss 160 loss 190 loss", "100 good 130 loss");
        check_from(&mut cut_off("loss"), "100 good", "100 good");
        check_from(&mut cut_off("loss"), "100 loss", "100 loss");
        check_from(&mut cut_off("loss"), "100 clock_wrong", "100 clock_wrong");
        check_from(&mut cut_off("connect_timeout"), "100 loss", "100 loss");
        check_from(&mut cut_off("loss"), "100 pictures", "");
    }

    #[test]
    fn a_failure_seen_again_after_a_gap_needs_no_second_confirmation() {
        let resumed = |before: &str| {
            let mut machine = Machine::new(condition(before), at(0));
            let gap = machine.enter(Condition::Because(Cause::MonitorDown), at(50));
            assert_eq!(gap, at(50));
            machine
        };
        check_from(&mut resumed("connect_timeout"), "100 connect_timeout", "100 connect_timeout");
        check_from(&mut resumed("connect_timeout"), "100 connect_refused", "100 connect_refused");
        check_from(&mut resumed("connect_timeout"), "100 no_packets", "");
        check_from(&mut resumed("connect_timeout"), "100 good", "100 good");
        check_from(&mut resumed("loss"), "100 loss", "100 loss");
        check_from(&mut resumed("good"), "100 connect_timeout", "");
    }

    #[test]
    fn a_wrong_credential_is_confirmed_by_time_because_the_hold_forbids_looks() {
        check("good", "100 wrong_credential", "");
        check("good", "100 wrong_credential 130 -credential_hold 161 wait", "100 wrong_credential");
        check("good", "100 wrong_credential 130 good 200 wait", "");
        // The hold keeps the verdict that caused it; without word of the hold it becomes stale.
        check("wrong_credential", "1000 -credential_hold 2000 -credential_hold 3000 wait", "");
        check("wrong_credential", "1300 wait", "1200 stale");
    }

    #[test]
    fn what_was_not_looked_at_is_unknown_only_when_the_last_look_is_stale() {
        check("good", "100 -backlog 1198 wait", "");
        check("good", "100 good 200 -backlog 1302 wait", "1301 backlog");
        check("good", "100 good 200 -credential_hold 1302 wait", "1301 credential_hold");
        check("good", "100 good 1302 wait", "1301 stale");
        check("good", "100 -not_watchable", "101 not_watchable");
        check("not_yet_probed", "100 -credential_hold 200 -backlog", "101 credential_hold");
    }

    #[test]
    fn a_device_that_answers_was_not_offline_but_proves_no_video() {
        check("good", "100 connect_timeout 130 reachable 160 connect_timeout 190 connect_timeout", "");
        check("good", "100 no_packets 130 reachable 160 no_packets 190 no_packets", "100 no_packets");
        check("connect_timeout", "100 reachable 160 reachable", "");
    }

    #[test]
    fn an_interval_is_never_empty() {
        let mut machine = Machine::new(Condition::Good, at(100));
        assert_eq!(
            machine.enter(Condition::Because(Cause::Stalled), at(90)),
            Timestamp::from_millis(100_001)
        );
        assert_eq!(machine.enter(Condition::Good, at(200)), at(200));
    }

    #[test]
    fn a_stepped_clock_neither_confirms_nor_forgets() {
        let mut machine = Machine::new(Condition::Good, at(0));
        machine.observe(&verdict("no_packets"), LookTime { started: at(100), ended: at(101) });
        machine.shift(-3_600_000);
        check_from(&mut machine, "-3470 no_packets -3440 no_packets", "0 no_packets");
        let mut machine = Machine::new(Condition::Good, at(0));
        machine.observe(&verdict("no_packets"), LookTime { started: at(100), ended: at(101) });
        machine.shift(3_600_000);
        check_from(&mut machine, "3710 no_packets 3720 no_packets", "");
    }
}
