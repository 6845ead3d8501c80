//! Floor 1: the wall clock, read in one place and handed to whoever needs it.
//!
//! Wall time is anchored to the monotonic clock, so that a step of the system clock neither stretches nor reverses
//! an interval; a step is noticed by [`Clock::check_step`], which moves the anchor.

use crate::domain::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A step larger than this moves the anchor; a smaller difference is drift and is taken over silently.
const STEP: Duration = Duration::from_secs(2);

/// A source of wall time; a cheap handle.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Arc<Mutex<Anchor>>),
    Manual(Arc<Mutex<Timestamp>>),
}

#[derive(Debug)]
struct Anchor {
    wall: Timestamp,
    instant: Instant,
}

impl Clock {
    /// The clock of the system.
    pub fn system() -> Self {
        Self(Source::System(Arc::new(Mutex::new(Anchor { wall: system_time(), instant: Instant::now() }))))
    }

    /// A clock that a test moves by hand.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(start))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System(anchor) => {
                let anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
                anchor.wall.plus(anchor.instant.elapsed())
            }
            Source::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock forward; a system clock goes by itself.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual(now) = &self.0 {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = now.plus(span);
        }
    }

    /// Compares with the system's clock and moves the anchor. Returns the step in milliseconds when it was one.
    pub fn check_step(&self) -> Option<i64> {
        let Source::System(anchor) = &self.0 else { return None };
        let mut anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, instant) = (system_time(), Instant::now());
        let expected = anchor.wall.plus(instant.duration_since(anchor.instant));
        *anchor = Anchor { wall, instant };
        let difference = wall.as_millis().saturating_sub(expected.as_millis());
        (Duration::from_millis(difference.unsigned_abs()) > STEP).then_some(difference)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_time() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
