//! Floor 1: the wall clock, read in one place and handed to whoever needs it.
//!
//! Wall time is anchored to the monotonic clock, so that a step of the system clock neither stretches nor reverses
//! an interval; a step is noticed by [`Clock::step`] and taken over by [`Clock::follow`].

use crate::domain::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A larger difference is a step; a smaller one is drift and is taken over silently.
const STEP: Duration = Duration::from_secs(2);

/// A source of wall time; a cheap handle.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Arc<Mutex<Anchor>>),
    Manual(Arc<Mutex<Manual>>),
}

#[derive(Debug)]
struct Anchor {
    wall: Timestamp,
    instant: Instant,
}

#[derive(Debug)]
struct Manual {
    now: Timestamp,
    step_ms: i64,
}

impl Clock {
    /// The clock of the system.
    pub fn system() -> Self {
        Self(Source::System(Arc::new(Mutex::new(Anchor { wall: system_time(), instant: Instant::now() }))))
    }

    /// A clock that a test moves by hand.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(Manual { now: start, step_ms: 0 }))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System(anchor) => {
                let anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
                anchor.wall.plus(anchor.instant.elapsed())
            }
            Source::Manual(manual) => manual.lock().unwrap_or_else(PoisonError::into_inner).now,
        }
    }

    /// Moves a manual clock forward; a system clock goes by itself.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual(manual) = &self.0 {
            let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
            manual.now = manual.now.plus(span);
        }
    }

    /// Steps what a manual clock follows, as somebody would step the system's.
    pub fn step_by(&self, step_ms: i64) {
        if let Source::Manual(manual) = &self.0 {
            manual.lock().unwrap_or_else(PoisonError::into_inner).step_ms += step_ms;
        }
    }

    /// Compares with the system's clock: how many milliseconds that one is ahead, when it was stepped.
    pub fn step(&self) -> Option<i64> {
        let difference = match &self.0 {
            Source::System(anchor) => {
                let mut anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
                let (wall, instant) = (system_time(), Instant::now());
                let expected = anchor.wall.plus(instant.duration_since(anchor.instant));
                let difference = wall.as_millis().saturating_sub(expected.as_millis());
                if !is_step(difference) {
                    *anchor = Anchor { wall, instant };
                }
                difference
            }
            Source::Manual(manual) => manual.lock().unwrap_or_else(PoisonError::into_inner).step_ms,
        };
        is_step(difference).then_some(difference)
    }

    /// Takes the system's time over after a step.
    pub fn follow(&self) {
        match &self.0 {
            Source::System(anchor) => {
                let mut anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
                *anchor = Anchor { wall: system_time(), instant: Instant::now() };
            }
            Source::Manual(manual) => {
                let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
                manual.now = manual.now.shifted(std::mem::take(&mut manual.step_ms));
            }
        }
    }
}

fn is_step(difference_ms: i64) -> bool {
    Duration::from_millis(difference_ms.unsigned_abs()) > STEP
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_time() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
