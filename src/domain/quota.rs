//! How much one may send to somebody who counts: so many in any minute, and together in one what would be too many.

use crate::domain::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The robots count 20 in a minute and then block for ten. What we sent arrives sooner or later than we think, so that our
/// minute is a little longer than theirs.
const MINUTE: Duration = Duration::from_secs(65);

/// What one channel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests in any minute; none: as many as there are.
    pub per_minute: Option<u32>,
    /// Messages that one request carries, each of them whole.
    pub together: usize,
}

/// What may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Send so many of those that wait, the oldest, as one.
    Send(usize),
    /// Send nothing for so long.
    Wait(Duration),
}

/// Counts what was sent to one channel.
#[derive(Clone, Debug)]
pub struct Quota {
    allowance: Allowance,
    /// When each request of the last minute was sent, oldest first.
    sent: VecDeque<Timestamp>,
}

impl Quota {
    /// Begins to count.
    pub const fn new(allowance: Allowance) -> Self {
        Self { allowance, sent: VecDeque::new() }
    }

    /// What to do with `waiting` messages, at least one. A [`Turn::Send`] is counted, whatever comes of it.
    ///
    /// While there is room for each of them they go one by one; else they go as one digest, so that a flood neither
    /// blocks the channel nor keeps the last of it waiting for minutes.
    pub fn turn(&mut self, waiting: usize, now: Timestamp) -> Turn {
        let together = self.allowance.together.clamp(1, waiting.max(1));
        let Some(per_minute) = self.allowance.per_minute else { return Turn::Send(together) };
        // An instant after now was read from a clock that was set back since: it says nothing any more.
        self.sent.retain(|at| *at <= now && now.since(*at) < MINUTE);
        let left = usize::try_from(per_minute).unwrap_or(usize::MAX).saturating_sub(self.sent.len());
        if left == 0 {
            let oldest = self.sent.front().copied().unwrap_or(now);
            return Turn::Wait(MINUTE.saturating_sub(now.since(oldest)));
        }
        self.sent.push_back(now);
        if waiting <= left.saturating_mul(together) { Turn::Send(together) } else { Turn::Send(waiting) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    fn robot(per_minute: u32) -> Quota {
        Quota::new(Allowance { per_minute: Some(per_minute), together: 1 })
    }

    #[test]
    fn what_fits_goes_one_by_one_and_a_flood_goes_as_one() {
        let mut quota = robot(3);
        assert_eq!(quota.turn(2, at(0)), Turn::Send(1));
        assert_eq!(quota.turn(1, at(1)), Turn::Send(1));
        assert_eq!(quota.turn(38, at(2)), Turn::Send(38));
        assert_eq!(quota.turn(1, at(3)), Turn::Wait(Duration::from_secs(62)));
        assert_eq!(quota.turn(1, at(65)), Turn::Send(1));
    }

    #[test]
    fn without_a_limit_as_many_go_as_one_request_carries() {
        let mut quota = Quota::new(Allowance { per_minute: None, together: 64 });
        assert_eq!(quota.turn(3, at(0)), Turn::Send(3));
        assert_eq!(quota.turn(200, at(0)), Turn::Send(64));
    }

    #[test]
    fn a_clock_that_is_set_back_blocks_nothing() {
        let mut quota = robot(1);
        assert_eq!(quota.turn(1, at(7_200)), Turn::Send(1));
        assert_eq!(quota.turn(1, at(0)), Turn::Send(1));
        assert_eq!(quota.turn(1, at(1)), Turn::Wait(Duration::from_secs(64)));
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_limit(steps in prop::collection::vec((0_i64..20, 1_usize..50), 1..200)) {
            let mut quota = robot(20);
            let mut now = 0;
            let mut sent: Vec<i64> = Vec::new();
            for (pause, waiting) in steps {
                now += pause;
                if let Turn::Send(count) = quota.turn(waiting, at(now)) {
                    prop_assert!((1..=waiting).contains(&count));
                    sent.push(now);
                }
            }
            for end in &sent {
                prop_assert!(sent.iter().filter(|start| (*end - 60..=*end).contains(*start)).count() <= 20);
            }
        }
    }
}
