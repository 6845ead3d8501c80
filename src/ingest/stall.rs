//! Our own standstills: when the machine or the runtime did not let us run, what we saw then proves nothing.

use crate::domain::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// The end of the last standstill; shared by every look.
#[derive(Debug)]
pub(super) struct Stalls(AtomicI64);

impl Default for Stalls {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Stalls {
    /// Notes a standstill that ended at `now`.
    pub(super) fn note(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Whether a standstill ended after `started`.
    pub(super) fn touches(&self, started: Timestamp) -> bool {
        self.0.load(Ordering::Relaxed) >= started.as_millis()
    }

    /// When the last one ended.
    pub(super) fn last(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != i64::MIN).map(Timestamp::from_millis)
    }
}
