//! A run of consecutive looks that agree: the raw material of every confirmation.

use crate::domain::Timestamp;
use std::time::Duration;

/// When a look or probe took place, on the clock as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookTime {
    /// Its start; what follows from it is back-dated to this.
    pub started: Timestamp,
    /// Its end.
    pub ended: Timestamp,
}

impl LookTime {
    /// A look of which only the end counts.
    pub const fn ending(at: Timestamp) -> Self {
        Self { started: at, ended: at }
    }
}

/// Consecutive looks that told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streak {
    /// How many.
    pub count: u32,
    /// Start of the first one; what a confirmed change is back-dated to.
    pub first: Timestamp,
    /// Start of the last one.
    pub last: Timestamp,
}

impl Streak {
    /// A streak of one look.
    pub const fn starting(at: Timestamp) -> Self {
        Self { count: 1, first: at, last: at }
    }

    /// Adds one look that began at `at`.
    pub fn lengthen(streak: &mut Option<Self>, at: Timestamp) {
        *streak = Some(match *streak {
            None => Self::starting(at),
            Some(Self { count, first, last }) => {
                Self { count: count.saturating_add(1), first, last: last.max(at) }
            }
        });
    }

    /// Whether enough looks agree over enough time: both are needed, so that neither a fast nor a slow rhythm of
    /// looks alarms early.
    pub fn confirms(self, looks: u32, time: Duration) -> bool {
        self.count >= looks && self.last.since(self.first) >= time
    }

    /// The same streak on a clock that was stepped.
    #[must_use]
    pub fn shifted(self, step_ms: i64) -> Self {
        Self { count: self.count, first: self.first.shifted(step_ms), last: self.last.shifted(step_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streak_confirms_by_number_and_time_together() {
        let check = |starts: &[i64], expected| {
            let mut streak = None;
            starts.iter().for_each(|&s| Streak::lengthen(&mut streak, Timestamp::from_seconds(s)));
            let confirmed = streak.unwrap().confirms(3, Duration::from_secs(60));
            assert_eq!(confirmed, expected, "{starts:?}");
        };
        check(&[0], false);
        check(&[0, 10, 20], false);
        check(&[0, 600], false);
        check(&[0, 30, 59], false);
        check(&[0, 30, 60], true);
        check(&[0, 10, 20, 61], true);
    }
}
