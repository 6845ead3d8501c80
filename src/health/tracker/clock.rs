//! The clock under the tracker: its steps, its leaps, and the kept history that it may have fallen behind.

use super::{Tracker, tracked};
use crate::domain::Timestamp;
use crate::telemetry;
use std::time::Duration;

/// A machine that was switched off, or kept asleep, is started anew; a running clock that is set further ahead than this is
/// broken. Following it would end every interval and fill the time up to then with `unknown`, for good.
const LEAP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Intervals begin a millisecond after one another where the clock is behind; further behind than this is worth a word.
const BEHIND: Duration = Duration::from_secs(60);

/// Where the kept history ends, and whether the clock goes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockCheck {
    newest: Timestamp,
    leapt: bool,
}

impl Default for ClockCheck {
    fn default() -> Self {
        Self { newest: Timestamp::MIN, leapt: false }
    }
}

impl ClockCheck {
    /// Notes the start of an interval.
    pub(super) fn note(&mut self, start: Timestamp) {
        self.newest = self.newest.max(start);
    }

    /// Tells when the clock is behind the history.
    pub(super) fn compare(self, now: Timestamp) {
        if self.is_ahead_of(now) {
            telemetry::clock_behind_history(self.newest, self.newest.since(now));
        }
    }

    fn is_ahead_of(self, now: Timestamp) -> bool {
        self.newest.since(now) > BEHIND
    }

    /// Whether the clock contradicts the history at `now`.
    pub(super) fn contradicts(self, now: Timestamp) -> bool {
        self.leapt || self.is_ahead_of(now)
    }
}

impl Tracker {
    /// Whether a step of the system's clock is to be followed: not a leap ahead, unless from behind the history, where a
    /// clock stands that was not set yet.
    pub fn follows(&self, step_ms: i64, now: Timestamp) -> bool {
        step_ms <= 0 || Duration::from_millis(step_ms.unsigned_abs()) <= LEAP || self.clock.is_ahead_of(now)
    }

    /// Notes how far the system's clock is ahead of ours by a leap that is not followed, or that it is not (any more).
    pub fn note_leap(&mut self, leap_ms: Option<i64>) {
        if self.clock.leapt == leap_ms.is_some() {
            return;
        }
        self.clock.leapt = leap_ms.is_some();
        self.view.touch_point();
        if let Some(leap_ms) = leap_ms {
            telemetry::clock_leap_refused(leap_ms);
        }
    }

    /// The clock was moved by `step_ms`: a wall hour that nobody lived through is `unknown`; a clock that was set back
    /// moves every instant that is not kept with it, the kept intervals stay in order.
    pub fn step_clock(&mut self, step_ms: i64, now: Timestamp) {
        telemetry::clock_stepped(step_ms);
        let step = Duration::from_millis(step_ms.unsigned_abs());
        self.note_leap(None);
        self.shift(step_ms);
        self.last_tick = now;
        (self.overlay_until, self.records_until) = (now, now);
        if step_ms > 0 && step > self.settings.outage {
            let proof: tracked::Proof = vec![("clock_step_ms".into(), step_ms.to_string())];
            self.miss(now.minus(step), now, proof);
        }
        self.clock.compare(now);
        self.touched_points.extend(0..self.points.len());
        self.tick(now);
    }

    /// Moves every instant that is not kept with the clock, lest those in the future block what they guard.
    fn shift(&mut self, step_ms: i64) {
        self.suspicion.shift(step_ms);
        self.points.iter_mut().for_each(|point| point.shift(step_ms));
        self.changed_points.extend(0..self.points.len());
        self.links.iter_mut().for_each(|link| link.shift(step_ms));
        self.layout.iter_mut().for_each(|layout| layout.shift(step_ms));
        self.silent_links.values_mut().for_each(|newest| *newest = newest.shifted(step_ms));
        self.view.shift(step_ms);
        for instant in [&mut self.round.ends_at, &mut self.void_before, &mut self.missed_until] {
            *instant = instant.shifted(step_ms);
        }
    }
}
