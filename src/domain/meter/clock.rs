//! The device's clock, from the NTP time of its RTCP sender reports.

use crate::domain::{ClockReading, Timestamp};

/// 1970-01-01 in NTP seconds of era 0.
const UNIX_EPOCH: i64 = 2_208_988_800;

/// Length of an NTP era in seconds; era 1 begins on 2036-02-07.
const ERA: i64 = 1 << 32;

/// Compares the NTP time (32.32 fixed point) of a sender report with our own time of its arrival.
///
/// A time before 1970 is no wall clock but an uptime or garbage. The error holds the one-way delay too.
pub fn clock_reading(ntp: u64, received: Timestamp) -> ClockReading {
    let seconds = i64::from(u32::try_from(ntp >> 32).unwrap_or(u32::MAX));
    let fraction_ms = i64::try_from(((ntp & 0xffff_ffff) * 1000) >> 32).unwrap_or(0);
    let in_era_1 = seconds < UNIX_EPOCH && received.as_millis() / 1000 > ERA - UNIX_EPOCH;
    let unix = seconds - UNIX_EPOCH + if in_era_1 { ERA } else { 0 };
    if unix < 0 {
        return ClockReading::NotAWallClock;
    }
    ClockReading::ErrorMs(unix * 1000 + fraction_ms - received.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn ntp(unix_seconds: i64, milliseconds: u64) -> u64 {
        let seconds = u64::try_from((unix_seconds + UNIX_EPOCH).rem_euclid(ERA)).unwrap();
        (seconds << 32) | ((milliseconds << 32) / 1000 + 1)
    }

    #[test]
    fn the_error_is_device_time_less_local_time() {
        let check = |ntp, expected| assert_eq!(clock_reading(ntp, NOW), expected);
        check(ntp(1_790_000_000, 0), ClockReading::ErrorMs(0));
        check(ntp(1_790_000_037, 250), ClockReading::ErrorMs(37_250));
        check(ntp(1_789_996_400, 0), ClockReading::ErrorMs(-3_600_000));
        // A dead battery: the clock began in 1970, or in 2000.
        check(ntp(12, 0), ClockReading::ErrorMs(-1_789_999_988_000));
        check(ntp(946_684_800, 0), ClockReading::ErrorMs(-843_315_200_000));
        check(0, ClockReading::NotAWallClock);
        check(86_400 << 32, ClockReading::NotAWallClock);
    }

    #[test]
    fn the_era_after_2036_is_understood() {
        let later = Timestamp::from_seconds(2_100_000_000);
        assert_eq!(clock_reading(ntp(2_100_000_005, 0), later), ClockReading::ErrorMs(5_000));
    }

    proptest! {
        #[test]
        fn any_report_gives_an_answer(ntp in any::<u64>(), now in 0_i64..4_000_000_000) {
            clock_reading(ntp, Timestamp::from_seconds(now));
        }
    }
}
