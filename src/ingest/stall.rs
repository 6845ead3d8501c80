//! Our own standstills: when the machine or the runtime did not let us run, what we saw then proves nothing.
//!
//! They are told by the monotonic clock: a step of the wall clock must neither look like a standstill nor hide one.

use crate::domain::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The end of the last standstill; shared by every look.
#[derive(Debug, Default)]
pub(super) struct Stalls(Mutex<Option<(Instant, Timestamp)>>);

impl Stalls {
    /// Notes a standstill that ended at `now`; `wall` is what the wall clock shows, for people.
    pub(super) fn note(&self, now: Instant, wall: Timestamp) {
        *self.lock() = Some((now, wall));
    }

    /// Whether a standstill ended after `began`.
    pub(super) fn touches(&self, began: Instant) -> bool {
        self.lock().is_some_and(|(ended, _)| ended >= began)
    }

    /// When the last one ended.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.lock().map(|(_, wall)| wall)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_standstill_touches_what_began_before_its_end_whatever_the_wall_clock_shows() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let stalls = Stalls::default();
        assert!(!stalls.touches(at(0)));
        for wall in [Timestamp::MIN, Timestamp::from_seconds(1_700_000_000), Timestamp::MAX] {
            stalls.note(at(60), wall);
            assert!(stalls.touches(at(0)) && stalls.touches(at(60)) && !stalls.touches(at(61)));
            assert_eq!(stalls.last(), Some(wall));
        }
    }
}
