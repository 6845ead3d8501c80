//! Self-suspicion: if most of everything fails at once, our own network is suspected first.
//!
//! Counts what was looked at within a window, once each, by its newest result. Points that were dead before say nothing
//! about us and are not reported here. While most of the link probes are answered, our own network works.

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
            Outcome::Failed(failure) if failure.cause.is_network_layer() => Some(Self::NetworkFailure),
            Outcome::Failed(failure) => failure.status.map(|_| Self::Alive),
            Outcome::NotLooked(_) => None,
        }
    }
}

/// The newest results within the window.
#[derive(Clone, Debug)]
struct Recent<K> {
    newest: BTreeMap<K, (Timestamp, Sign)>,
    queue: VecDeque<(Timestamp, K)>,
    failed: usize,
}

impl<K: Ord + Clone> Recent<K> {
    const fn new() -> Self {
        Self { newest: BTreeMap::new(), queue: VecDeque::new(), failed: 0 }
    }

    fn observe(&mut self, key: &K, at: Timestamp, sign: Sign) {
        if let Some((_, Sign::NetworkFailure)) = self.newest.insert(key.clone(), (at, sign)) {
            self.failed -= 1;
        }
        self.failed += usize::from(sign == Sign::NetworkFailure);
        self.queue.push_back((at, key.clone()));
    }

    fn forget_before(&mut self, limit: Timestamp) {
        while let Some((at, key)) = self.queue.pop_front_if(|(at, _)| *at < limit) {
            if self.newest.get(&key).is_some_and(|(newest, _)| *newest <= at)
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
    since: Option<Timestamp>,
}

impl Suspicion {
    /// Suspects nothing.
    pub const fn new(limits: SuspicionLimits) -> Self {
        Self { limits, points: Recent::new(), links: Recent::new(), since: None }
    }

    /// Takes a look at a point.
    pub fn observe_point(&mut self, point: &PointCode, at: Timestamp, sign: Sign) {
        self.points.observe(point, at, sign);
    }

    /// Takes a probe of a link.
    pub fn observe_link(&mut self, link: &LinkCode, at: Timestamp, sign: Sign) {
        self.links.observe(link, at, sign);
    }

    /// Since when we suspect ourselves.
    pub const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Points that failed, and that were looked at, within the window.
    pub fn counts(&self) -> (usize, usize) {
        (self.points.failed, self.points.newest.len())
    }

    /// Decides at `now`; returns whether the answer changed. Too few looks leave it as it is.
    pub fn decide(&mut self, now: Timestamp) -> bool {
        let limit = now.minus(self.limits.window);
        self.points.forget_before(limit);
        self.links.forget_before(limit);
        if self.points.newest.len() < self.limits.least_points {
            return false;
        }
        let links_fail = self.links.newest.is_empty() || self.links.fails_more_than(self.limits.ratio);
        let suspects = links_fail && self.points.fails_more_than(self.limits.ratio);
        let changed = suspects != self.since.is_some();
        if changed {
            self.since = suspects.then_some(now);
        }
        changed
    }

    /// Starts anew after our own stall: what was seen before says nothing about now.
    pub fn forget(&mut self) {
        self.points.clear();
        self.links.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SuspicionLimits =
        SuspicionLimits { ratio: 0.5, least_points: 4, window: Duration::from_secs(60) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// Looks at points and probes of links as `second name sign` (`+` alive, `-` failed); names of links are in capitals.
    fn check(looks: &str, now: i64, expected: bool) {
        let mut suspicion = Suspicion::new(LIMITS);
        let words: Vec<&str> = looks.split_whitespace().collect();
        for look in words.chunks(3) {
            let second = at(look[0].parse().unwrap());
            let sign = if look[2] == "+" { Sign::Alive } else { Sign::NetworkFailure };
            match look[1].parse::<usize>() {
                Ok(number) => {
                    let point = format!("2305210000132{number:07}").parse().unwrap();
                    suspicion.observe_point(&point, second, sign);
                }
                Err(_) => suspicion.observe_link(&look[1].parse().unwrap(), second, sign),
            }
        }
        suspicion.decide(at(now));
        assert_eq!(suspicion.since().is_some(), expected, "{looks}");
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
    fn links_that_answer_acquit_us() {
        check("0 1 - 1 2 - 2 3 - 3 4 - 4 T + 4 V -", 10, false);
        check("0 1 - 1 2 - 2 3 - 3 4 - 4 T - 4 V -", 10, true);
    }

    #[test]
    fn a_suspicion_ends_when_most_answers_again() {
        let mut suspicion = Suspicion::new(LIMITS);
        let point = |number: usize| format!("2305210000132{number:07}").parse().unwrap();
        (0..4).for_each(|number| suspicion.observe_point(&point(number), at(0), Sign::NetworkFailure));
        assert!(suspicion.decide(at(1)));
        assert_eq!(suspicion.since(), Some(at(1)));
        (0..2).for_each(|number| suspicion.observe_point(&point(number), at(20), Sign::Alive));
        assert!(suspicion.decide(at(21)));
        assert_eq!(suspicion.since(), None);
        assert!(!suspicion.decide(at(22)));
    }
}
