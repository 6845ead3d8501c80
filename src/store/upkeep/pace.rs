//! How fast upkeep follows the clock.
//!
//! A clock that a broken time server sets a year ahead would close the days of that year and remove every observation.
//! Heartbeats and observations carry the same wrong time, so they prove nothing. Upkeep follows a leap by one day an
//! hour: someone has the time to see it and to set the clock right, and after a true absence it catches up by itself.

use crate::domain::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// The clock may be ahead of what was believed last by this much: a weekend switched off is caught up with in hours.
const STRIDE: Duration = Duration::from_secs(86_400);
/// Time between two strides.
const REST: Duration = Duration::from_secs(3_600);

/// The time that is believed, and when it was moved last.
#[derive(Debug)]
pub(super) struct Pace {
    believed: Timestamp,
    /// When the last stride was made; none while the clock has been followed.
    stride: Option<Instant>,
}

impl Pace {
    /// Begins at the time that was believed last.
    pub(super) const fn new(believed: Timestamp) -> Self {
        Self { believed, stride: None }
    }

    /// Moves on towards `now` and tells the time that is believed.
    pub(super) fn follow(&mut self, now: Timestamp, instant: Instant) -> Timestamp {
        let furthest = self.believed.plus(STRIDE);
        if now <= furthest {
            *self = Self { believed: now, stride: None };
        } else if self.stride.is_none_or(|last| instant.duration_since(last) >= REST) {
            *self = Self { believed: furthest, stride: Some(instant) };
        }
        self.believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    /// Follows a clock that shows these seconds at these minutes; gives the days that are believed.
    fn check(steps: &[(u64, i64)], expected: &[i64]) {
        let (mut pace, start) = (Pace::new(Timestamp::from_seconds(0)), Instant::now());
        let believed: Vec<i64> = steps
            .iter()
            .map(|(minute, seconds)| {
                let instant = start + Duration::from_secs(minute * 60);
                pace.follow(Timestamp::from_seconds(*seconds), instant).as_millis() / 1_000
            })
            .collect();
        assert_eq!(believed, expected, "{steps:?}");
    }

    #[test]
    fn a_clock_that_goes_as_it_should_is_believed() {
        check(&[(0, 60), (1, 120), (2, DAY), (3, 2 * DAY)], &[60, 120, DAY, 2 * DAY]);
    }

    #[test]
    fn a_leap_is_followed_by_a_day_an_hour() {
        let year = 365 * DAY;
        check(
            &[(0, 60), (1, year), (2, year), (60, year), (61, year), (121, year)],
            &[60, 60 + DAY, 60 + DAY, 60 + DAY, 60 + 2 * DAY, 60 + 3 * DAY],
        );
    }

    #[test]
    fn a_clock_that_is_set_right_again_is_believed_at_once() {
        check(&[(0, 60), (1, 365 * DAY), (2, 180), (3, 240)], &[60, 60 + DAY, 180, 240]);
    }
}
