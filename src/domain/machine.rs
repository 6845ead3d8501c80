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
//! - A fault of the picture comes confirmed from the diagnosis, over rounds of its own: it is believed at once, before any
//!   fault of the stream, and until the diagnosis takes it back. It neither hides a failure nor outlives one's name.
//! - `unknown` and `unreachable` protect nothing: one clean proof ends them. A failure that was confirmed before them
//!   and is seen again needs no second confirmation.
//! - A wrong credential was refused on two fresh sessions and is held afterwards: time alone confirms it.
//! - Without a conclusive look for too long the point is `unknown`; a held credential keeps the verdict that caused it.

use crate::domain::judge::{Proof, Verdict};
use crate::domain::picture::ConfirmedFault;
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

#[cfg(test)]
impl Rules {
    /// The rules that the examples of the tests are written for.
    pub(crate) const OF_EXAMPLES: Self = Self {
        confirm_looks: 3,
        confirm_time: Duration::from_secs(60),
        recover_looks: 2,
        stale_after: Duration::from_secs(1_200),
    };
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
    picture: Seen,
}

/// The faults of the picture, as the diagnosis believes them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    /// The worst first.
    faults: Vec<ConfirmedFault>,
    /// Since when the fault that the point is degraded by is gone.
    gone: Option<Timestamp>,
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
            picture: Seen { faults: Vec::new(), gone: None },
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

    /// The faults of the picture and of the last look with pictures; the one that names the condition first, then the worst.
    pub fn faults(&self) -> Vec<Cause> {
        let picture = self.picture.faults.iter().map(|fault| &fault.cause);
        let stream = self.faulty.iter().flat_map(|faulty| &faulty.faults);
        let mut faults: Vec<Cause> = picture.chain(stream).cloned().collect();
        faults.sort_by_key(|fault| self.condition.cause() != Some(fault));
        faults
    }

    /// Whether a fault is still there.
    fn sees(&self, cause: &Cause) -> bool {
        self.picture.faults.iter().any(|fault| fault.cause == *cause)
            || self.faulty.as_ref().is_some_and(|faulty| faulty.faults.contains(cause))
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
            && self.condition.cause().is_some_and(|cause| self.sees(cause))
    }

    /// Takes the faults of the picture that the diagnosis believes, the worst first. `gone` tells since when the fault that
    /// the point is degraded by is not among them any more, where it was of the picture.
    pub fn believe_picture(&mut self, faults: Vec<ConfirmedFault>, gone: Timestamp) {
        self.picture = Seen { faults, gone: None };
        let named = self.condition.cause().filter(|cause| cause.item().is_some());
        if named.is_some_and(|cause| !self.sees(cause)) {
            self.picture.gone = Some(gone);
        }
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
            State::Good => self
                .new_failure(rules, now)
                .or_else(|| self.picture_fault())
                .or_else(|| self.new_fault(rules)),
            State::Degraded => self
                .new_failure(rules, now)
                .or_else(|| self.picture_fault_gone(rules))
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

    /// The worst fault of the picture needs no look of ours.
    fn picture_fault(&self) -> Option<Proposal> {
        let fault = self.picture.faults.first()?;
        Some(Proposal { to: Condition::Because(fault.cause.clone()), at: fault.since, looks: 0 })
    }

    /// What is left when the fault of the picture is gone: another one, or what the stream shows.
    fn picture_fault_gone(&self, rules: &Rules) -> Option<Proposal> {
        let at = self.picture.gone?;
        let stream = self.faulty.as_ref().filter(|faulty| rules.confirm(faulty.all));
        let stream = stream.map_or(Condition::Good, |faulty| Condition::Because(faulty.worst.clone()));
        Some(Proposal { to: self.unless_picture(stream), at, looks: 0 })
    }

    /// Where nothing is wrong with the stream.
    fn fault_gone(&self, rules: &Rules) -> Option<Proposal> {
        let is_of_stream = self.condition.cause().is_some_and(|cause| cause.item().is_none());
        let clean = self.clean.filter(|clean| is_of_stream && clean.count >= rules.recover_looks)?;
        Some(Proposal { to: self.unless_picture(Condition::Good), at: clean.first, looks: clean.count })
    }

    /// The worst fault of the picture, else what the stream shows.
    fn unless_picture(&self, stream: Condition) -> Condition {
        self.picture.faults.first().map_or(stream, |fault| Condition::Because(fault.cause.clone()))
    }

    fn other_fault(&self, rules: &Rules) -> Option<Proposal> {
        let faulty = self.faulty.as_ref()?;
        let gone = self.condition.cause().is_none_or(|cause| !self.sees(cause));
        (gone && rules.confirm(faulty.same_worst)).then(|| propose(&faulty.worst, faulty.same_worst))
    }

    /// Pictures are back; still `degraded` when every one of the proofs showed a fault.
    fn video_back(&self, rules: &Rules) -> Option<Proposal> {
        let video = self.video.filter(|video| video.count >= rules.recover_looks)?;
        let faulty = self.faulty.as_ref().filter(|faulty| faulty.all.count >= video.count);
        let to = faulty.map_or(Condition::Good, |faulty| Condition::Because(faulty.worst.clone()));
        Some(Proposal { to: self.unless_picture(to), at: video.first, looks: video.count })
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
            let to = self.unless_picture(Condition::Good);
            return Some(Proposal { to, at: clean.first, looks: clean.count });
        }
        let video = self.video.filter(|_| self.condition.state() == State::Unreachable)?;
        let shown = self.faulty.as_ref().filter(|_| self.before != Some(Condition::Good));
        let to = shown.map_or(Condition::Good, |faulty| Condition::Because(self.known_fault(faulty)));
        Some(Proposal { to: self.unless_picture(to), at: video.first, looks: video.count })
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

    /// A hold tells more than that nothing was looked at, or that we were away before; a backlog does not take a hold's
    /// place.
    fn replaces_reason(&self, cause: &Cause) -> bool {
        let vague = [Cause::NotYetProbed, Cause::MonitorDown, Cause::Stale, Cause::Backlog];
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
        self.picture.gone = None;
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
            // The end of a fault of the picture is not for looks to prove.
            State::Degraded => {
                let is_of_stream = self.condition.cause().is_some_and(|cause| cause.item().is_none());
                (is_of_stream && self.clean.is_some()) || self.failed.is_some()
            }
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
        for fault in &mut self.picture.faults {
            fault.since = fault.since.shifted(step_ms);
        }
        if let Some(gone) = &mut self.picture.gone {
            *gone = gone.shifted(step_ms);
        }
    }
}

fn propose(cause: &Cause, streak: Streak) -> Proposal {
    Proposal { to: Condition::Because(cause.clone()), at: streak.first, looks: streak.count }
}

#[cfg(test)]
mod tests;
