//! Days and months of the configured zone: the borders of every figure.
//!
//! A day is a day of the zone (00:00-24:00 there), never of UTC, and may be 23 or 25 hours long where clocks are
//! changed. Owns the only place where a zone turns into instants.

use crate::domain::{Timestamp, Window};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;

/// A calendar day, without a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// The day after; the last representable day is its own successor.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }

    /// The day `count` days earlier, stopping at the first representable day.
    #[must_use]
    pub fn back(self, count: u32) -> Self {
        Self(self.0.saturating_sub(jiff::Span::new().days(i64::from(count.min(1_000_000)))))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a text is no day, month or zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not `2026-10-31`.
    #[error("`{0}` is no day; write it as 2026-10-31")]
    Day(String),
    /// Not `2026-10`.
    #[error("`{0}` is no month; write it as 2026-10")]
    Month(String),
    /// Not an IANA zone.
    #[error("`{0}` is no time zone; write it as Asia/Shanghai")]
    Zone(String),
}

impl FromStr for Day {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let refused = |_| CalendarError::Day(text.to_owned());
        if text.len() == 10 {
            text.parse().map(Self).map_err(refused)
        } else {
            Err(CalendarError::Day(text.to_owned()))
        }
    }
}

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl FromStr for Month {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let refused = || CalendarError::Month(text.to_owned());
        if text.len() != 7 {
            return Err(refused());
        }
        format!("{text}-01").parse().map(Self).map_err(|_jiff_error| refused())
    }
}

/// One day's share of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayPart {
    /// The day.
    pub day: Day,
    /// The part of the day inside the window.
    pub window: Window,
    /// Whether the window holds the whole day.
    pub whole: bool,
}

/// The days of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar(TimeZone);

impl Calendar {
    /// The calendar of an IANA zone, `Asia/Shanghai`.
    pub fn of_zone(name: &str) -> Result<Self, CalendarError> {
        TimeZone::get(name).map(Self).map_err(|_jiff_error| CalendarError::Zone(name.to_owned()))
    }

    /// The day that holds `at`.
    pub fn day_of(&self, at: Timestamp) -> Day {
        let clamped = at.as_millis().clamp(-62_000_000_000_000, 253_000_000_000_000);
        let instant = jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Day(self.0.to_datetime(instant).date())
    }

    /// The instants of a day; `None` only beyond the year 9999.
    pub fn window_of(&self, day: Day) -> Option<Window> {
        Window::new(self.start_of(day.0)?, self.start_of(day.next().0)?)
    }

    /// The month that holds `at`.
    pub fn month_of(&self, at: Timestamp) -> Month {
        Month(self.day_of(at).0.first_of_month())
    }

    /// The instants of a month.
    pub fn month(&self, month: Month) -> Option<Window> {
        let next = month.0.last_of_month().tomorrow().ok()?;
        Window::new(self.start_of(month.0)?, self.start_of(next)?)
    }

    /// The last `count` days up to `now`: whole days and the part of today.
    pub fn last_days(&self, count: u32, now: Timestamp) -> Option<Window> {
        let first = self.day_of(now).back(count.saturating_sub(1));
        Window::new(self.start_of(first.0)?, now)
    }

    /// Cuts a window at the borders of days.
    pub fn split(&self, window: Window) -> Vec<DayPart> {
        let mut parts = Vec::new();
        let mut day = self.day_of(window.start());
        while let Some(whole_day) = self.window_of(day) {
            let Some(inside) = whole_day.intersect(window) else { break };
            parts.push(DayPart { day, window: inside, whole: inside == whole_day });
            day = day.next();
        }
        parts
    }

    fn start_of(&self, date: Date) -> Option<Timestamp> {
        let midnight = date.to_zoned_datetime(self.0.clone()).ok()?;
        Some(Timestamp::from_millis(midnight.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_day_is_cut_at_midnight_in_beijing() {
        let calendar = Calendar::of_zone("Asia/Shanghai").unwrap();
        assert_eq!(calendar.day_of(at("2026-10-31T15:59:59.999Z")).to_string(), "2026-10-31");
        assert_eq!(calendar.day_of(at("2026-10-31T16:00:00Z")).to_string(), "2026-11-01");
        let day = calendar.window_of("2026-10-31".parse().unwrap()).unwrap();
        assert_eq!((day.start(), day.end()), (at("2026-10-30T16:00:00Z"), at("2026-10-31T16:00:00Z")));
    }

    #[test]
    fn a_month_is_a_calendar_month() {
        let calendar = Calendar::of_zone("Asia/Shanghai").unwrap();
        let month = calendar.month("2026-02".parse().unwrap()).unwrap();
        assert_eq!((month.start(), month.end()), (at("2026-01-31T16:00:00Z"), at("2026-02-28T16:00:00Z")));
        assert_eq!("2026-02".parse::<Month>().unwrap().to_string(), "2026-02");
    }

    #[test]
    fn a_day_with_a_clock_change_is_not_24_hours_long() {
        let calendar = Calendar::of_zone("Europe/Berlin").unwrap();
        let check = |day: &str, hours: i64| {
            let window = calendar.window_of(day.parse().unwrap()).unwrap();
            assert_eq!(window.millis(), hours * 3_600_000, "{day}");
        };
        check("2026-03-29", 23);
        check("2026-10-25", 25);
        check("2026-10-26", 24);
    }

    #[test]
    fn a_window_is_the_sum_of_its_day_parts() {
        let calendar = Calendar::of_zone("Asia/Shanghai").unwrap();
        let window = Window::new(at("2026-10-01T03:00:00Z"), at("2026-10-04T16:00:00Z")).unwrap();
        let parts = calendar.split(window);
        let whole: Vec<bool> = parts.iter().map(|part| part.whole).collect();
        assert_eq!(whole, [false, true, true, true]);
        assert_eq!(parts.iter().map(|part| part.window.millis()).sum::<i64>(), window.millis());
    }

    #[test]
    fn malformed_days_months_and_zones_are_refused() {
        for text in ["", "2026-13-01", "2026-1-1", "2026-02-30", "20261031", "2026-10-31T00:00"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        for text in ["", "2026", "2026-13", "2026-1", "2026/10", "2026-10-01"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        assert!(Calendar::of_zone("Asia/Atlantis").is_err());
    }
}
