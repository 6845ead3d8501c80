//! The burst of old pictures with which many cameras and servers greet a new client.
//!
//! They send the current group of pictures from its key frame at line speed, then go on in real time. Counted into
//! the first second it would double the frame rate. The burst is over at the first picture that took at least half
//! of its own RTP time to come. RTP time serves for nothing else here: it lies about the rate, but not by half for
//! long, and after two seconds we stop waiting.

use std::time::Duration;

/// A stream whose RTP clock runs fast for ever must not look like an endless burst.
const LONGEST_BURST: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Burst {
    clock_rate: i64,
    began: Duration,
    last: Duration,
    last_ticks: i64,
}

impl Burst {
    pub(super) fn new(clock_rate: u32) -> Self {
        let zero = Duration::ZERO;
        Self { clock_rate: i64::from(clock_rate.max(1)), began: zero, last: zero, last_ticks: 0 }
    }

    /// The first key frame came.
    pub(super) const fn begin(&mut self, now: Duration, ticks: i64) {
        self.began = now;
        self.last = now;
        self.last_ticks = ticks;
    }

    /// A picture came after the first key frame: whether it came in real time.
    pub(super) fn is_over(&mut self, now: Duration, ticks: i64) -> bool {
        let wall = i128::try_from(now.saturating_sub(self.last).as_micros()).unwrap_or(i128::MAX);
        let stream =
            i128::from(ticks.saturating_sub(self.last_ticks)) * 1_000_000 / i128::from(self.clock_rate);
        self.last = now;
        self.last_ticks = ticks;
        wall.saturating_mul(2) >= stream || now.saturating_sub(self.began) >= LONGEST_BURST
    }
}
