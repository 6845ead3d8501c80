//! Days and instants as people write them.

use crate::inventory::fault::Wrong;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// First and last year that is taken for a year: a slip such as 0204 or 20204 is none.
const YEARS: std::ops::RangeInclusive<i16> = 1980..=2100;

/// Reads a day (its first instant in `zone`) or an instant, in milliseconds.
pub(crate) fn read_instant(text: &str, zone: &TimeZone) -> Result<i64, Wrong> {
    let wrong = || Wrong::new("is no date", "write 2026-10-01, 2026年10月1日 or 2026-10-01 08:30:00");
    if let Ok(instant) = text.parse::<Timestamp>() {
        let year = instant.to_zoned_datetime(zone.clone()).year();
        return if YEARS.contains(&year) { Ok(instant.as_millisecond()) } else { Err(wrong()) };
    }
    let civil = civil(text).filter(|civil| YEARS.contains(&civil.year())).ok_or_else(wrong)?;
    civil
        .to_zoned_datetime(zone.clone())
        .map(|zoned| zoned.timestamp().as_millisecond())
        .map_err(|_error| wrong())
}

fn civil(text: &str) -> Option<DateTime> {
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let date = date(day)?;
    let clock = clock.trim();
    let time = if clock.is_empty() { Time::midnight() } else { time(clock)? };
    Some(date.to_datetime(time))
}

fn date(text: &str) -> Option<Date> {
    let compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = if compact {
        vec![text.get(..4)?, text.get(4..6)?, text.get(6..)?]
    } else {
        text.trim_end_matches('日').split(['-', '/', '.', '年', '月']).collect()
    };
    let [year, month, day] = parts.as_slice() else { return None };
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn time(text: &str) -> Option<Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, "0"),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    Time::new(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?, 0).ok()
}

/// Writes an instant: a first instant of a day as the day, any other with its offset.
pub(super) fn write_instant(millis: i64, zone: &TimeZone) -> String {
    let Ok(instant) = Timestamp::from_millisecond(millis) else { return millis.to_string() };
    let zoned = instant.to_zoned_datetime(zone.clone());
    let starts_day = zoned.start_of_day().is_ok_and(|start| start.timestamp() == instant);
    if starts_day { zoned.date().to_string() } else { with_offset(&zoned) }
}

fn with_offset(zoned: &ZonedDateTime) -> String {
    zoned.timestamp().display_with_offset(zoned.offset()).to_string()
}

/// The first instant of the day that `millis` lies in.
pub(crate) fn day_of(millis: i64, zone: &TimeZone) -> i64 {
    Timestamp::from_millisecond(millis)
        .ok()
        .and_then(|instant| instant.to_zoned_datetime(zone.clone()).start_of_day().ok())
        .map_or(millis, |start| start.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_date_is_read_and_written_back() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let check = |text: &str, expected: &str| {
            let millis = read_instant(text, &zone).unwrap();
            assert_eq!(write_instant(millis, &zone), expected, "{text}");
            assert_eq!(read_instant(expected, &zone), Ok(millis));
        };
        for text in ["2026-10-01", "2026/10/1", "2026.10.1", "2026年10月1日", "20261001", "2026-10-01 00:00"]
        {
            check(text, "2026-10-01");
        }
        check("2026-09-30T16:00:00Z", "2026-10-01");
        check("2026-10-01 08:30:05", "2026-10-01T08:30:05+08:00");
        check("2026-10-01T08:30:05.123+08:00", "2026-10-01T08:30:05.123+08:00");
        check("1988-04-17", "1988-04-17");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        for text in
            ["2026-13-01", "2026-02-30", "0204-01-01", "45931", "yesterday", "2026-10", "2026-10-01 25:00"]
        {
            assert!(read_instant(text, &zone).is_err(), "{text}");
        }
    }
}
