//! Instants and windows in whole UTC milliseconds.
//!
//! Owns the only time types of the domain. A duration is `std::time::Duration`; a day is a day of the configured
//! zone and is computed where that zone is known.

use std::fmt;
use std::time::Duration;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant; sorts before every real one.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant; sorts after every real one.
    pub const MAX: Self = Self(i64::MAX);

    /// Takes milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Takes whole seconds since the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `span` later, saturating at [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The instant `span` earlier, saturating at [`Timestamp::MIN`].
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The instant moved by a signed number of milliseconds, saturating.
    #[must_use]
    pub const fn shifted(self, by_ms: i64) -> Self {
        Self(self.0.saturating_add(by_ms))
    }

    /// The time from `earlier` to `self`; zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A half-open span of time `[start, end)`; never empty, never backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl Window {
    /// Builds `[start, end)`; `None` when `end` is not after `start`.
    pub fn new(start: Timestamp, end: Timestamp) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// First instant inside.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// First instant no longer inside.
    pub const fn end(self) -> Timestamp {
        self.end
    }

    /// Length in milliseconds.
    pub const fn millis(self) -> i64 {
        self.end.as_millis().saturating_sub(self.start.as_millis())
    }

    /// The part that both windows share.
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Whether `at` lies inside.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_half_open_and_never_empty() {
        let at = Timestamp::from_millis;
        assert_eq!(Window::new(at(5), at(5)), None);
        assert_eq!(Window::new(at(6), at(5)), None);
        let window = Window::new(at(5), at(7)).unwrap();
        assert!(window.contains(at(5)) && window.contains(at(6)) && !window.contains(at(7)));
        assert_eq!(window.millis(), 2);
    }

    #[test]
    fn neighbours_share_nothing() {
        let at = Timestamp::from_millis;
        let left = Window::new(at(0), at(5)).unwrap();
        let right = Window::new(at(5), at(9)).unwrap();
        assert_eq!(left.intersect(right), None);
        assert_eq!(left.intersect(Window::new(at(4), at(9)).unwrap()), Window::new(at(4), at(5)));
    }
}
