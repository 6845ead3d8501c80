//! The one retry ladder: full-jitter exponential with a cap, reset only by minutes of good frames.
//!
//! Peers reset after a mere connect, which makes a camera that accepts and dies be dialled for ever at full speed.

use std::time::Duration;

/// Delays before the next try of something that keeps failing. The random number is an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    first: Duration,
    cap: Duration,
    reset_after: Duration,
    failures: u32,
    good: Duration,
}

impl Ladder {
    /// A ladder on its lowest rung: delays of up to `first`, doubling up to `cap`; `reset_after` of good frames since
    /// the last failure bring it back here.
    pub const fn new(first: Duration, cap: Duration, reset_after: Duration) -> Self {
        Self { first, cap, reset_after, failures: 0, good: Duration::ZERO }
    }

    /// Failures since the last reset.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure and gives the delay until the next try: `random` (0 up to 1) of the rung's height.
    pub fn fail(&mut self, random: f64) -> Duration {
        let height = self.height();
        self.failures = self.failures.saturating_add(1);
        self.good = Duration::ZERO;
        height.mul_f64(random.clamp(0.0, 1.0))
    }

    /// Notes that frames were good for `span` more; enough of it resets the ladder.
    pub fn succeed(&mut self, span: Duration) {
        self.good = self.good.saturating_add(span);
        if self.good >= self.reset_after {
            self.reset();
        }
    }

    /// Back to the lowest rung.
    pub const fn reset(&mut self) {
        self.failures = 0;
        self.good = Duration::ZERO;
    }

    /// The longest delay of the present rung.
    pub fn height(&self) -> Duration {
        let doubled = 2_u32.checked_pow(self.failures).and_then(|factor| self.first.checked_mul(factor));
        doubled.map_or(self.cap, |height| height.min(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let mut ladder = Ladder::new(seconds(5), seconds(300), seconds(180));
        let delays: Vec<u64> = (0..8).map(|_| ladder.fail(1.0).as_secs()).collect();
        assert_eq!(delays, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(ladder.fail(0.5), seconds(150));
        assert_eq!(ladder.fail(0.0), Duration::ZERO);
    }

    #[test]
    fn only_minutes_of_good_frames_reset_it() {
        let mut ladder = Ladder::new(seconds(5), seconds(300), seconds(180));
        ladder.fail(1.0);
        ladder.fail(1.0);
        ladder.succeed(seconds(179));
        assert_eq!(ladder.height(), seconds(20));
        ladder.fail(1.0);
        ladder.succeed(seconds(100));
        assert_eq!(ladder.height(), seconds(40), "good time before a failure does not count");
        ladder.succeed(seconds(80));
        assert_eq!((ladder.height(), ladder.failures()), (seconds(5), 0));
    }

    proptest! {
        #[test]
        fn a_delay_never_exceeds_the_cap(failures in 0_u32..200, random in any::<f64>()) {
            let mut ladder = Ladder::new(seconds(5), seconds(300), seconds(180));
            for _ in 0..failures {
                ladder.fail(0.3);
            }
            let random = if random.is_nan() { 0.0 } else { random };
            assert!(ladder.fail(random) <= seconds(300));
        }
    }
}
