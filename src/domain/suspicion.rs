//! Self-suspicion: if most of everything fails at once, our own network is suspected first.
//!
//! Counts what was looked at within a window, once each, by the look that began last. Points that were dead before say nothing
//! about us and are not reported here. While most of the link probes are answered, our own network works. A suspicion is
//! bounded: what fails for longer than our own network would be left broken is called by its own name in the end.

use crate::domain::streak::LookTime;
use crate::domain::{LinkCode, Outcome, PointCode, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// When we suspect ourselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuspicionLimits {
    /// More than this share of what was looked at fails in the network layer.
    pub ratio: f64,
    /// ..of at least this many points.
    pub least_points: usize,
    /// ..within this time. Not longer than the confirmation, so that it speaks before any point is called offline.
    pub window: Duration,
    /// A suspicion that nothing has cleared is given up after this time, and not raised again before most answers.
    pub longest: Duration,
}

/// A suspicion began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// We suspect ourselves.
    Raised,
    /// Most of what is looked at answers again.
    Cleared,
    /// Nothing has cleared it for too long: it is not us.
    GivenUp,
}

/// Where we stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    Trusting,
    Suspecting(Timestamp),
    /// A suspicion was given up and most still fails.
    Resigned,
}

/// What a look or probe says about our own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Something came back.
    Alive,
    /// It failed in the network layer.
    NetworkFailure,
}

impl Sign {
    /// What the outcome of a look says about the network between us and the point. Silence after a connection (a
    /// stall, no packets, no RTSP answer) says nothing: a link may have died meanwhile.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Video(_) | Outcome::Answered(_) => Some(Self::Alive),
            Outcome::Failed(failure) if failure.cause.may_be_our_network() => Some(Self::NetworkFailure),
            Outcome::Failed(failure) => failure.status.map(|_| Self::Alive),
            Outcome::NotLooked(_) => None,
        }
    }
}

/// The newest results within the window.
#[derive(Clone, Debug)]
struct Recent<K> {
    newest: BTreeMap<K, (LookTime, Sign)>,
    queue: VecDeque<(Timestamp, K)>,
    failed: usize,
}

impl<K: Ord + Clone> Recent<K> {
    const fn new() -> Self {
        Self { newest: BTreeMap::new(), queue: VecDeque::new(), failed: 0 }
    }

    /// Takes a result; of an answer and a failure that began before it, or with it, the answer counts.
    fn observe(&mut self, key: &K, time: LookTime, sign: Sign) {
        if let Some((newest, known)) = self.newest.get(key) {
            if (newest.started, *known == Sign::Alive) > (time.started, sign == Sign::Alive) {
                return;
            }
            self.failed -= usize::from(*known == Sign::NetworkFailure);
        }
        self.newest.insert(key.clone(), (time, sign));
        self.failed += usize::from(sign == Sign::NetworkFailure);
        self.queue.push_back((time.ended, key.clone()));
    }

    fn forget_before(&mut self, limit: Timestamp) {
        while let Some((at, key)) = self.queue.pop_front_if(|(at, _)| *at < limit) {
            if self.newest.get(&key).is_some_and(|(newest, _)| newest.ended <= at)
                && let Some((_, Sign::NetworkFailure)) = self.newest.remove(&key)
            {
                self.failed -= 1;
            }
        }
    }

    fn clear(&mut self) {
        self.newest.clear();
        self.queue.clear();
        self.failed = 0;
    }

    /// Whether more than `ratio` of what was looked at failed.
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 looks")]
    fn fails_more_than(&self, ratio: f64) -> bool {
        self.failed as f64 > ratio * self.newest.len() as f64
    }
}

/// Whether we suspect ourselves, and what was seen lately.
#[derive(Clone, Debug)]
pub struct Suspicion {
    limits: SuspicionLimits,
    points: Recent<PointCode>,
    links: Recent<LinkCode>,
    stance: Stance,
}

impl Suspicion {
    /// Suspects nothing.
    pub const fn new(limits: SuspicionLimits) -> Self {
        Self { limits, points: Recent::new(), links: Recent::new(), stance: Stance::Trusting }
    }

    /// Takes a look at a point.
    pub fn observe_point(&mut self, point: &PointCode, time: LookTime, sign: Sign) {
        self.points.observe(point, time, sign);
    }

    /// Takes a probe of a link.
    pub fn observe_link(&mut self, link: &LinkCode, time: LookTime, sign: Sign) {
        self.links.observe(link, time, sign);
    }

    /// Whether we suspect ourselves.
    pub const fn is_raised(&self) -> bool {
        matches!(self.stance, Stance::Suspecting(_))
    }

    /// Points that failed, and that were looked at, within the window.
    pub fn counts(&self) -> (usize, usize) {
        (self.points.failed, self.points.newest.len())
    }

    /// Decides at `now`; returns what changed. It takes enough points to raise a suspicion, but any answer may end it.
    pub fn decide(&mut self, now: Timestamp) -> Option<Turn> {
        let limit = now.minus(self.limits.window);
        self.points.forget_before(limit);
        self.links.forget_before(limit);
        match self.stance {
            Stance::Trusting if self.is_suspicious() => self.turn(Stance::Suspecting(now), Turn::Raised),
            Stance::Suspecting(_) if self.is_acquitted() => self.turn(Stance::Trusting, Turn::Cleared),
            Stance::Suspecting(since) if now.since(since) >= self.limits.longest => {
                self.turn(Stance::Resigned, Turn::GivenUp)
            }
            Stance::Resigned if self.is_acquitted() => {
                self.stance = Stance::Trusting;
                None
            }
            Stance::Trusting | Stance::Suspecting(_) | Stance::Resigned => None,
        }
    }

    const fn turn(&mut self, stance: Stance, turn: Turn) -> Option<Turn> {
        self.stance = stance;
        Some(turn)
    }

    fn is_suspicious(&self) -> bool {
        let ratio = self.limits.ratio;
        let links_fail = self.links.newest.is_empty() || self.links.fails_more_than(ratio);
        self.points.newest.len() >= self.limits.least_points
            && links_fail
            && self.points.fails_more_than(ratio)
    }

    fn is_acquitted(&self) -> bool {
        let ratio = self.limits.ratio;
        let points_answer = !self.points.newest.is_empty() && !self.points.fails_more_than(ratio);
        let links_answer = !self.links.newest.is_empty() && !self.links.fails_more_than(ratio);
        points_answer || links_answer
    }

    /// Starts anew after our own stall: what was seen before says nothing about now.
    pub fn forget(&mut self) {
        self.points.clear();
        self.links.clear();
    }

    /// Starts anew on a clock that was stepped; a suspicion is as old as before.
    pub fn shift(&mut self, step_ms: i64) {
        self.forget();
        if let Stance::Suspecting(since) = &mut self.stance {
            *since = since.shifted(step_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Cause;

    const LIMITS: SuspicionLimits = SuspicionLimits {
        ratio: 0.5,
        least_points: 4,
        window: Duration::from_secs(60),
        longest: Duration::from_secs(600),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    fn ending(second: i64) -> LookTime {
        LookTime::ending(at(second))
    }

    /// Looks at points and probes of links as `second name sign` (`+` alive, `-` failed); names of links are in capitals.
    fn check(looks: &str, now: i64, expected: bool) {
        let mut suspicion = Suspicion::new(LIMITS);
        let words: Vec<&str> = looks.split_whitespace().collect();
        for look in words.chunks(3) {
            let time = ending(look[0].parse().unwrap());
            let sign = if look[2] == "+" { Sign::Alive } else { Sign::NetworkFailure };
            match look[1].parse::<usize>() {
                Ok(number) => {
                    let point = format!("2305210000132{number:07}").parse().unwrap();
                    suspicion.observe_point(&point, time, sign);
                }
                Err(_) => suspicion.observe_link(&look[1].parse().unwrap(), time, sign),
            }
        }
        suspicion.decide(at(now));
        assert_eq!(suspicion.is_raised(), expected, "{looks}");
    }

    #[test]
    fn more_than_half_of_enough_points_is_suspicious() {
        check("0 1 - 1 2 - 2 3 - 3 4 +", 10, true);
        check("0 1 - 1 2 - 2 3 + 3 4 +", 10, false);
        check("0 1 - 1 2 - 2 3 -", 10, false);
        check("0 1 - 1 2 - 2 3 - 3 4 + 4 3 +", 10, false);
        check("0 1 - 1 1 - 2 1 - 3 1 -", 10, false);
    }

    #[test]
    fn what_lies_before_the_window_is_forgotten() {
        check("0 1 + 1 2 + 2 3 + 70 4 - 71 5 - 72 6 - 73 7 +", 80, true);
        check("0 1 - 1 2 - 2 3 - 70 4 - 71 5 + 72 6 + 73 7 +", 80, false);
    }

    #[test]
    fn a_failure_that_began_before_an_answer_says_nothing() {
        let check = |results: [(i64, Sign); 2], failed| {
            let mut suspicion = Suspicion::new(LIMITS);
            for (started, sign) in results {
                let time = LookTime { started: at(started), ended: at(10) };
                suspicion.observe_point(&point(0), time, sign);
            }
            assert_eq!(suspicion.counts(), (failed, 1), "{results:?}");
        };
        check([(4, Sign::NetworkFailure), (8, Sign::Alive)], 0);
        check([(8, Sign::Alive), (4, Sign::NetworkFailure)], 0);
        check([(8, Sign::Alive), (8, Sign::NetworkFailure)], 0);
        check([(4, Sign::Alive), (8, Sign::NetworkFailure)], 1);
        check([(8, Sign::NetworkFailure), (4, Sign::Alive)], 1);
    }

    #[test]
    fn links_that_answer_acquit_us() {
        check("0 1 - 1 2 - 2 3 - 3 4 - 4 T + 4 V -", 10, false);
        check("0 1 - 1 2 - 2 3 - 3 4 - 4 T - 4 V -", 10, true);
    }

    fn point(number: usize) -> PointCode {
        format!("2305210000132{number:07}").parse().unwrap()
    }

    fn raised() -> Suspicion {
        let mut suspicion = Suspicion::new(LIMITS);
        (0..4).for_each(|number| suspicion.observe_point(&point(number), ending(0), Sign::NetworkFailure));
        assert_eq!(suspicion.decide(at(1)), Some(Turn::Raised));
        suspicion
    }

    #[test]
    fn a_suspicion_ends_when_most_answers_again() {
        let mut suspicion = raised();
        (0..2).for_each(|number| suspicion.observe_point(&point(number), ending(20), Sign::Alive));
        assert_eq!(suspicion.decide(at(21)), Some(Turn::Cleared));
        assert_eq!(suspicion.decide(at(22)), None);
    }

    #[test]
    fn few_answers_end_a_suspicion_that_few_could_not_raise() {
        let mut suspicion = raised();
        assert_eq!(suspicion.decide(at(100)), None, "silence clears nothing");
        suspicion.observe_point(&point(0), ending(101), Sign::NetworkFailure);
        suspicion.observe_link(&"V".parse().unwrap(), ending(101), Sign::NetworkFailure);
        assert_eq!(suspicion.decide(at(102)), None);
        suspicion.observe_point(&point(1), ending(103), Sign::Alive);
        assert_eq!(suspicion.decide(at(104)), Some(Turn::Cleared));
    }

    #[test]
    fn a_suspicion_that_nothing_clears_is_given_up_and_rests_until_most_answers() {
        let mut suspicion = raised();
        let mut look = |second, sign| {
            (0..4).for_each(|number| suspicion.observe_point(&point(number), ending(second), sign));
            suspicion.decide(at(second))
        };
        assert_eq!(look(600, Sign::NetworkFailure), None);
        assert_eq!(look(601, Sign::NetworkFailure), Some(Turn::GivenUp));
        assert_eq!(look(602, Sign::NetworkFailure), None);
        assert_eq!(look(700, Sign::Alive), None);
        assert_eq!(look(800, Sign::NetworkFailure), Some(Turn::Raised));
    }

    #[test]
    fn a_suspicion_is_as_old_after_a_step_of_the_clock() {
        let mut suspicion = raised();
        suspicion.shift(-3_600_000);
        assert_eq!(suspicion.decide(at(-3_000)), None);
        assert_eq!(suspicion.decide(at(-2_999)), Some(Turn::GivenUp));
    }

    #[test]
    fn a_name_that_is_not_resolved_may_be_our_own_fault() {
        let failed = |cause| {
            Outcome::Failed(crate::domain::Failure {
                stage: crate::domain::Stage::Connect,
                cause,
                status: None,
                measured: None,
            })
        };
        let check = |cause, expected| assert_eq!(Sign::of(&failed(cause)), expected);
        check(Cause::NameNotResolved, Some(Sign::NetworkFailure));
        check(Cause::ConnectTimeout, Some(Sign::NetworkFailure));
        check(Cause::RtspTimeout, None);
    }
}
