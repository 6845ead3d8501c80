//! The global open rate.

use std::time::Duration;

/// Lets at most so many sessions be opened per second, with a burst of a tenth of a second's worth.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    burst: Duration,
    /// When the next open would be due at the exact rate.
    next: Duration,
}

impl Pace {
    /// A pace of `per_second` opens; at least one.
    pub fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: interval.max(Duration::from_millis(100)), next: Duration::ZERO }
    }

    /// How long to wait for the next open at `now` (time since any fixed instant); `None` when it may be now.
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        Some(self.next.saturating_sub(self.burst).saturating_sub(now)).filter(|wait| !wait.is_zero())
    }

    /// Notes an open at `now`.
    pub fn take(&mut self, now: Duration) {
        self.next = self.next.max(now).saturating_add(self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens_within(per_second: u32, span: Duration, step: Duration) -> u32 {
        let mut pace = Pace::new(per_second);
        let mut now = Duration::ZERO;
        let mut opens = 0;
        while now < span {
            while pace.wait(now).is_none() {
                pace.take(now);
                opens += 1;
            }
            now += step;
        }
        opens
    }

    #[test]
    fn opens_keep_to_the_rate_whatever_the_step() {
        let check = |per_second, seconds: u64, step_ms, allowed: std::ops::RangeInclusive<u32>| {
            let span = Duration::from_secs(seconds);
            let opens = opens_within(per_second, span, Duration::from_millis(step_ms));
            assert!(allowed.contains(&opens), "{per_second}/s in {step_ms} ms steps: {opens}");
        };
        check(50, 10, 1, 495..=507);
        check(50, 10, 20, 495..=507);
        check(2_000, 2, 7, 3_900..=4_202);
        check(1, 10, 10, 10..=11);
        check(0, 10, 10, 10..=11);
    }

    #[test]
    fn it_says_how_long_to_wait() {
        let mut pace = Pace::new(1);
        let now = Duration::from_secs(5);
        assert_eq!(pace.wait(now), None);
        pace.take(now);
        assert_eq!(pace.wait(now), None, "the burst");
        pace.take(now);
        assert_eq!(pace.wait(now + Duration::from_millis(400)), Some(Duration::from_millis(600)));
    }
}
