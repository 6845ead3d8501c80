//! What a point delivers when it is well: learnt from its own looks where the record says nothing.

use crate::domain::judge::{Expectation, Verdict};
use crate::domain::{Cause, Measurement, Point, Timestamp};
use std::time::Duration;

/// Fewer looks than this make no learnt frame rate.
const LOOKS_TO_LEARN: u32 = 5;
/// Weight of one look on the learnt frame rate: about ten looks follow a change.
const WEIGHT: f64 = 0.1;
/// A new picture size that stands this long is the point's size from then on (somebody changed the settings).
const SIZE_ACCEPTED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A point's usual frame rate and picture size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Norm {
    looks: u32,
    frames_per_second: f64,
    size: Option<(u32, u32)>,
    other_size: Option<((u32, u32), Timestamp)>,
}

impl Norm {
    /// What the point should deliver: its record first, then what was learnt.
    pub fn expectation(&self, point: &Point) -> Expectation {
        Expectation {
            size: point.expected_size.or(self.size),
            frames_per_second: point.expected_frames_per_second.or(self.learnt_rate()),
        }
    }

    fn learnt_rate(&self) -> Option<f64> {
        (self.looks >= LOOKS_TO_LEARN).then_some(self.frames_per_second)
    }

    /// Learns from a look that began at `at`. A rate that was judged too low is not learnt, lest the fault become
    /// the norm.
    pub fn learn(&mut self, measurement: &Measurement, verdict: &Verdict, at: Timestamp) {
        if !is_slow(verdict) {
            self.learn_rate(measurement.frames_per_second());
        }
        if let Some(size) = measurement.size {
            self.learn_size(size, at);
        }
    }

    /// Moves the remembered instant along with a stepped clock.
    pub fn shift(&mut self, step_ms: i64) {
        if let Some((_, since)) = &mut self.other_size {
            *since = since.shifted(step_ms);
        }
    }

    fn learn_rate(&mut self, rate: f64) {
        let weight = if self.looks == 0 { 1.0 } else { WEIGHT };
        self.frames_per_second += weight * (rate - self.frames_per_second);
        self.looks = self.looks.saturating_add(1);
    }

    fn learn_size(&mut self, size: (u32, u32), at: Timestamp) {
        let since = match self.other_size {
            Some((other, since)) if other == size => since,
            Some(_) | None => at,
        };
        if self.size.is_none() || self.size == Some(size) || at.since(since) >= SIZE_ACCEPTED_AFTER {
            (self.size, self.other_size) = (Some(size), None);
        } else {
            self.other_size = Some((size, since));
        }
    }
}

fn is_slow(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Faulty(faults, _) => faults.contains(&Cause::LowFrameRate),
        Verdict::Good(_) | Verdict::Failed(_) | Verdict::Reachable | Verdict::NotLooked(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::judge::Proof;

    #[test]
    fn a_rate_is_learnt_after_five_looks_and_a_fault_is_not_learnt() {
        let mut norm = Norm::default();
        (0..4).for_each(|_| norm.learn_rate(25.0));
        assert_eq!(norm.learnt_rate(), None);
        norm.learn_rate(25.0);
        assert_eq!(norm.learnt_rate(), Some(25.0));
        norm.learn_rate(15.0);
        assert_eq!(norm.learnt_rate(), Some(24.0));
        let slow = Verdict::Faulty(vec![Cause::Loss, Cause::LowFrameRate], Proof::KeyFrame);
        assert!(is_slow(&slow));
        assert!(!is_slow(&Verdict::Good(Proof::KeyFrame)));
    }

    #[test]
    fn another_size_is_the_norm_after_a_day() {
        let at = Timestamp::from_seconds;
        let mut norm = Norm::default();
        let check = |norm: &Norm, expected| assert_eq!(norm.size, Some(expected));
        norm.learn_size((640, 360), at(0));
        norm.learn_size((704, 576), at(100));
        check(&norm, (640, 360));
        norm.learn_size((704, 576), at(100 + 86_399));
        check(&norm, (640, 360));
        norm.learn_size((640, 360), at(86_500));
        norm.learn_size((704, 576), at(86_600));
        norm.learn_size((704, 576), at(86_600 + 86_400));
        check(&norm, (704, 576));
    }
}
