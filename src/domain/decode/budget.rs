//! How much CPU time decoding may take: so many milliseconds in each second.

use std::time::Duration;

/// A bucket of CPU time. What a frame takes is known only afterwards, so a frame may begin while anything is left, and a
/// dear one is paid off before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeBudget {
    /// Per second.
    share: Duration,
    left: Duration,
    owed: Duration,
    filled: Duration,
}

impl DecodeBudget {
    /// A full bucket at time `now`, into which `share` flows in each second; it never holds more than that.
    pub const fn new(share: Duration, now: Duration) -> Self {
        Self { share, left: share, owed: Duration::ZERO, filled: now }
    }

    /// How long to wait until a frame may be decoded; `None` when it may be now.
    pub fn wait(&mut self, now: Duration) -> Option<Duration> {
        self.fill(now);
        if !self.left.is_zero() {
            return None;
        }
        // The least that lets a frame begin: the debt and a thousandth of a second's share.
        let lacking = self.owed.saturating_add(self.share / 1_000);
        let seconds = lacking.as_secs_f64() / self.share.as_secs_f64().max(f64::EPSILON);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Notes what a frame took.
    pub fn take(&mut self, cost: Duration, now: Duration) {
        self.fill(now);
        self.owed = self.owed.saturating_add(cost.saturating_sub(self.left));
        self.left = self.left.saturating_sub(cost);
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled);
        self.filled = self.filled.max(now);
        let flowed = self.share.mul_f64(passed.as_secs_f64().min(86_400.0));
        let paid = flowed.min(self.owed);
        self.owed = self.owed.saturating_sub(paid);
        self.left = self.left.saturating_add(flowed.saturating_sub(paid)).min(self.share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_dear_frame_is_paid_off_before_the_next() {
        let mut budget = DecodeBudget::new(ms(50), Duration::ZERO);
        budget.take(ms(20), ms(0));
        assert_eq!(budget.wait(ms(0)), None);
        budget.take(ms(130), ms(0));
        let wait = budget.wait(ms(0)).unwrap();
        assert!((ms(2_000)..=ms(2_002)).contains(&wait), "{wait:?}");
        assert!(budget.wait(ms(1_999)).is_some());
        assert_eq!(budget.wait(wait), None);
    }

    #[test]
    fn a_quiet_hour_saves_no_more_than_a_second() {
        let mut budget = DecodeBudget::new(ms(50), Duration::ZERO);
        budget.take(ms(51), ms(3_600_000));
        assert!(budget.wait(ms(3_600_000)).is_some());
    }

    proptest! {
        #[test]
        fn what_is_taken_follows_the_share(costs in prop::collection::vec(1_u64..40, 20..60)) {
            let mut budget = DecodeBudget::new(ms(50), Duration::ZERO);
            let (mut now, mut total) = (Duration::ZERO, Duration::ZERO);
            for cost in costs {
                if let Some(wait) = budget.wait(now) {
                    now += wait;
                }
                budget.take(ms(cost), now);
                total += ms(cost);
            }
            // The first second's share and the debt of the last frame stand beside what flowed in.
            assert!(total <= Duration::from_millis(50).mul_f64(now.as_secs_f64()) + ms(50 + 40 + 1));
        }
    }
}
