//! Which of the waiting key frames is decoded next.
//!
//! Every point has at most one frame waiting; a newer one takes its place and keeps its turn. What looks suspicious
//! before it is decoded goes ahead by a head start and not by rank, so that nothing waits for ever.

use crate::domain::decode::{Cadence, FrameFacts, Opinion, Suspects};
use crate::domain::{PointClass, PointCode};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the size of a coded key frame suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Nothing.
    Routine,
    /// It is far larger or smaller than the one before: something happened to the picture.
    Changed,
    /// It is next to empty: black, one colour or covered.
    Empty,
}

/// A key frame of a black picture has 142 bytes at 640x360 (x264), of a street 7 000: 6 and 300 in 10 000 pixels.
const EMPTY_BYTES_PER_10000_PIXELS: u64 = 30;
/// Key frames of one scene differ by some percent.
const CHANGE: usize = 2;

impl Urgency {
    /// Looks at the coded size alone, which costs nothing. A picture without a known size is compared only.
    pub fn of(facts: &FrameFacts, bytes_before: Option<usize>) -> Self {
        let bytes = u64::try_from(facts.bytes).unwrap_or(u64::MAX);
        let is_empty =
            |pixels: u64| bytes.saturating_mul(10_000) < pixels.saturating_mul(EMPTY_BYTES_PER_10000_PIXELS);
        if facts.pixels.is_some_and(is_empty) {
            return Self::Empty;
        }
        let differs = |before: usize| {
            facts.bytes > before.saturating_mul(CHANGE) || before > facts.bytes.saturating_mul(CHANGE)
        };
        if bytes_before.is_some_and(differs) { Self::Changed } else { Self::Routine }
    }

    /// How much earlier it counts as due.
    const fn head_start(self) -> Duration {
        match self {
            Self::Routine => Duration::ZERO,
            Self::Changed => Duration::from_secs(30),
            Self::Empty => Duration::from_secs(60),
        }
    }
}

/// What becomes of an offered frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It waits for its turn; an older one of the same point is given up.
    Waits,
    /// The point's picture is not due.
    NotDue,
}

/// Frames that wait, and when each point's next one is due.
#[derive(Debug)]
pub struct Queue {
    cadence: Cadence,
    points: BTreeMap<PointCode, Entry>,
    /// By the instant from which each waits, less its head start.
    turns: BTreeSet<(Turn, PointCode)>,
    suspects: Suspects,
}

/// Milliseconds, moved into the future so that a head start at the very beginning still counts.
type Turn = Duration;

/// No turn lies before the start of time.
const LONGEST_HEAD_START: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Entry {
    class: PointClass,
    opinion: Opinion,
    /// When the frame that was decoded last began.
    decoded: Option<Duration>,
    /// Size of that one.
    bytes_before: Option<usize>,
    waiting: Option<Waiting>,
    offered: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    turn: Turn,
    since: Duration,
    bytes: usize,
}

impl Queue {
    /// An empty queue.
    pub fn new(cadence: Cadence) -> Self {
        Self { cadence, points: BTreeMap::new(), turns: BTreeSet::new(), suspects: Suspects::default() }
    }

    /// Offers a key frame that was just received.
    pub fn offer(&mut self, facts: &FrameFacts, now: Duration) -> Offer {
        let entry = self.points.entry(facts.point).or_insert_with(|| Entry::new(facts.class, now));
        (entry.class, entry.offered) = (facts.class, now);
        if self.suspects.rests(facts.point, now) {
            return Offer::NotDue;
        }
        // What decoders die over is in no hurry.
        let urgency = if self.suspects.holds(facts.point) {
            Urgency::Routine
        } else {
            Urgency::of(facts, entry.bytes_before)
        };
        // What looks suspicious is due as if its verdict were in doubt.
        let opinion = if urgency == Urgency::Routine { entry.opinion } else { entry.opinion.doubted() };
        let pause = self.cadence.pause(entry.class, opinion);
        if entry.decoded.is_some_and(|decoded| decoded.saturating_add(pause) > now) && entry.waiting.is_none()
        {
            return Offer::NotDue;
        }
        let since = entry.waiting.map_or(now, |waiting| waiting.since);
        let turn = since.saturating_add(LONGEST_HEAD_START).saturating_sub(urgency.head_start());
        let waiting = Waiting { turn, since, bytes: facts.bytes };
        if let Some(before) = entry.waiting.replace(waiting) {
            self.turns.remove(&(before.turn, facts.point));
        }
        self.turns.insert((turn, facts.point));
        Offer::Waits
    }

    /// Takes the point whose frame is next, and how long it has waited.
    pub fn next(&mut self, now: Duration) -> Option<(PointCode, Duration)> {
        let (_, point) = self.turns.pop_first()?;
        let entry = self.points.get_mut(&point)?;
        let waiting = entry.waiting.take()?;
        (entry.decoded, entry.bytes_before) = (Some(now), Some(waiting.bytes));
        Some((point, now.saturating_sub(waiting.since)))
    }

    /// Notes that a point's frame was decoded.
    pub fn decoded(&mut self, point: PointCode) {
        self.suspects.decoded(point);
    }

    /// Notes that the decoder died over a point's frame: another one that waits is given up, and the point rests. Tells whether
    /// that is the camera's doing.
    pub fn died(&mut self, point: PointCode, now: Duration) -> bool {
        if let Some(waiting) = self.points.get_mut(&point).and_then(|entry| entry.waiting.take()) {
            self.turns.remove(&(waiting.turn, point));
        }
        self.suspects.died(point, now)
    }

    /// Notes how a point's picture stands now.
    pub fn judged(&mut self, point: PointCode, opinion: Opinion) {
        if let Some(entry) = self.points.get_mut(&point) {
            entry.opinion = opinion;
        }
    }

    /// Frames that wait.
    pub fn waiting(&self) -> usize {
        self.turns.len()
    }

    /// How long the frame that has waited longest has waited.
    pub fn lag(&self, now: Duration) -> Duration {
        let since = self.points.values().filter_map(|entry| entry.waiting).map(|waiting| waiting.since).min();
        since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Forgets the points of which nothing was offered since `before`.
    pub fn forget(&mut self, before: Duration) {
        self.points.retain(|_point, entry| entry.waiting.is_some() || entry.offered >= before);
        self.suspects.forget(before);
    }
}

impl Entry {
    const fn new(class: PointClass, now: Duration) -> Self {
        Self {
            class,
            opinion: Opinion::Unknown,
            decoded: None,
            bytes_before: None,
            waiting: None,
            offered: now,
        }
    }
}

impl Opinion {
    const fn doubted(self) -> Self {
        match self {
            Self::Good => Self::Doubtful,
            Self::Unknown | Self::Doubtful | Self::Faulty => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    const CADENCE: Cadence = Cadence { public: seconds(60), inner: seconds(120), doubtful: seconds(20) };

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn point(number: u32) -> PointCode {
        format!("230521000013{number:08}").parse().unwrap()
    }

    fn facts(number: u32, bytes: usize) -> FrameFacts {
        FrameFacts { point: point(number), class: PointClass::One, bytes, pixels: Some(640 * 360) }
    }

    #[test]
    fn the_coded_size_tells_what_may_be_wrong() {
        let check = |bytes, before, expected| {
            assert_eq!(Urgency::of(&facts(1, bytes), before), expected, "{bytes} after {before:?}");
        };
        check(7_000, None, Urgency::Routine);
        check(142, None, Urgency::Empty);
        check(142, Some(150), Urgency::Empty);
        check(7_000, Some(6_000), Urgency::Routine);
        check(7_000, Some(3_000), Urgency::Changed);
        check(3_000, Some(7_000), Urgency::Changed);
        let unknown = FrameFacts { pixels: None, ..facts(1, 142) };
        assert_eq!(Urgency::of(&unknown, None), Urgency::Routine);
    }

    #[test]
    fn a_point_is_due_again_after_its_pause() {
        let mut queue = Queue::new(CADENCE);
        let mut offer = |at, opinion| {
            queue.judged(point(1), opinion);
            let offered = queue.offer(&facts(1, 7_000), seconds(at));
            let taken = queue.next(seconds(at)).is_some();
            assert_eq!(offered == Offer::Waits, taken);
            taken
        };
        assert!(offer(0, Opinion::Unknown));
        assert!(!offer(59, Opinion::Good));
        assert!(offer(60, Opinion::Good));
        assert!(!offer(79, Opinion::Doubtful));
        assert!(offer(80, Opinion::Doubtful));
        assert!(!offer(139, Opinion::Faulty));
    }

    #[test]
    fn the_suspicious_goes_first_and_a_newer_frame_keeps_its_turn() {
        let mut queue = Queue::new(CADENCE);
        queue.offer(&facts(1, 7_000), seconds(0));
        queue.offer(&facts(2, 7_000), seconds(1));
        queue.offer(&facts(3, 142), seconds(2));
        queue.offer(&facts(1, 7_100), seconds(3));
        assert_eq!((queue.waiting(), queue.lag(seconds(5))), (3, seconds(5)));
        let order: Vec<_> = std::iter::from_fn(|| queue.next(seconds(5))).collect();
        assert_eq!(order, [(point(3), seconds(3)), (point(1), seconds(5)), (point(2), seconds(4))]);
        assert_eq!(queue.lag(seconds(9)), Duration::ZERO);
    }

    #[test]
    fn what_waits_long_enough_goes_before_the_suspicious() {
        let mut queue = Queue::new(CADENCE);
        queue.offer(&facts(1, 7_000), seconds(0));
        queue.offer(&facts(2, 142), seconds(61));
        assert_eq!(queue.next(seconds(62)).unwrap().0, point(1));
    }

    #[test]
    fn what_decoders_die_over_rests_and_has_no_head_start() {
        let mut queue = Queue::new(CADENCE);
        queue.offer(&facts(1, 142), seconds(0));
        queue.next(seconds(0));
        queue.offer(&facts(1, 142), seconds(30));
        queue.died(point(1), seconds(31));
        assert_eq!((queue.waiting(), queue.next(seconds(31))), (0, None), "what waits is given up");
        assert_eq!(queue.offer(&facts(1, 142), seconds(90)), Offer::NotDue);
        assert_eq!(queue.offer(&facts(2, 7_000), seconds(91)), Offer::Waits);
        assert_eq!(queue.offer(&facts(1, 142), seconds(92)), Offer::Waits);
        assert_eq!(queue.next(seconds(92)).unwrap().0, point(2));
        queue.next(seconds(92));
        queue.decoded(point(1));
        assert_eq!(queue.offer(&facts(1, 142), seconds(112)), Offer::Waits);
    }

    #[test]
    fn a_point_that_is_gone_is_forgotten() {
        let mut queue = Queue::new(CADENCE);
        queue.offer(&facts(1, 7_000), seconds(0));
        queue.forget(seconds(10));
        assert_eq!(queue.points.len(), 1, "a frame of it waits");
        queue.next(seconds(10));
        queue.forget(seconds(10));
        assert_eq!(queue.points.len(), 0);
    }

    proptest! {
        #[test]
        fn every_turn_belongs_to_a_waiting_frame(
            steps in prop::collection::vec((0_u32..5, 0_usize..9_000, 0_u64..30, 0_u8..4), 0..60)
        ) {
            let mut queue = Queue::new(CADENCE);
            let mut now = Duration::ZERO;
            for (number, bytes, passed, act) in steps {
                now += seconds(passed);
                match act {
                    0 => {
                        queue.next(now);
                    }
                    1 => queue.forget(now),
                    3 => {
                        queue.died(point(number), now);
                    }
                    _ => {
                        queue.offer(&facts(number, bytes), now);
                    }
                }
                let waiting = queue.points.values().filter(|entry| entry.waiting.is_some()).count();
                assert_eq!(waiting, queue.waiting());
            }
        }
    }
}
