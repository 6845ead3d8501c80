//! Day and night at a point: from the sun, not from the clock, whose dusk moves by four hours between summer and winter
//! at 47 degrees north.

use crate::domain::Timestamp;
use crate::domain::picture::chroma::Tone;

/// Days from 2000-01-01T12:00Z to 1970-01-01T00:00Z.
const EPOCH_DAYS: f64 = -10_957.5;
const DAY_MS: f64 = 86_400_000.0;
/// Dawn and dusk: the sun is within this many degrees of the horizon. Below lies civil night; above, the sun no longer
/// shines level into the lens.
const TWILIGHT_DEGREES: f64 = 6.0;

/// What the sun does at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sky {
    /// It stands high enough.
    Day,
    /// Dawn or dusk: light changes faster than anything can be compared.
    Twilight,
    /// It is down.
    Night,
}

impl Sky {
    /// The sky over a place on the earth.
    pub fn at(now: Timestamp, longitude: f64, latitude: f64) -> Self {
        let altitude = sun_altitude(now, longitude, latitude);
        if altitude > TWILIGHT_DEGREES {
            Self::Day
        } else if altitude < -TWILIGHT_DEGREES {
            Self::Night
        } else {
            Self::Twilight
        }
    }
}

/// Altitude of the sun in degrees: the low-precision formula of the Astronomical Almanac, good to 0.01 degrees from 1950
/// to 2050.
fn sun_altitude(now: Timestamp, longitude: f64, latitude: f64) -> f64 {
    let days = millis(now) / DAY_MS + EPOCH_DAYS;
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let mean_longitude = 280.460 + 0.985_647_4 * days;
    let ecliptic = (mean_longitude + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 0.000_000_4 * days).to_radians();
    let declination = (obliquity.sin() * ecliptic.sin()).asin();
    let ascension = (obliquity.cos() * ecliptic.sin()).atan2(ecliptic.cos());
    let sidereal = (280.460_618 + 360.985_647_366 * days + longitude).to_radians();
    let (latitude, hour) = (latitude.to_radians(), sidereal - ascension);
    let sine = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour.cos();
    sine.clamp(-1.0, 1.0).asin().to_degrees()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to the year 287396")]
const fn millis(now: Timestamp) -> f64 {
    now.as_millis() as f64
}

/// The light in which a picture was taken: pictures are compared only with pictures of the same light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Light {
    /// The sun is up, in colour.
    Day,
    /// The sun is up and there is no colour: a grey camera, fog over snow, or a filter that stuck.
    GreyDay,
    /// The sun is down, in colour.
    Night,
    /// The sun is down and there is no colour: infrared.
    Infrared,
}

impl Light {
    /// Every light.
    pub const ALL: [Self; 4] = [Self::Day, Self::GreyDay, Self::Night, Self::Infrared];

    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::GreyDay => "grey_day",
            Self::Night => "night",
            Self::Infrared => "infrared",
        }
    }

    /// The light of a picture. At dawn and dusk a picture in colour is taken to be of the day and a grey one of the night,
    /// as the camera itself decided.
    pub const fn of(tone: Tone, sky: Sky) -> Self {
        match (tone, sky) {
            (Tone::Colour, Sky::Day | Sky::Twilight) => Self::Day,
            (Tone::Grey, Sky::Day) => Self::GreyDay,
            (Tone::Colour, Sky::Night) => Self::Night,
            (Tone::Grey, Sky::Twilight | Sky::Night) => Self::Infrared,
        }
    }

    /// The same time of the day in the other tone.
    #[must_use]
    pub const fn other_tone(self) -> Self {
        match self {
            Self::Day => Self::GreyDay,
            Self::GreyDay => Self::Day,
            Self::Night => Self::Infrared,
            Self::Infrared => Self::Night,
        }
    }

    /// Whether it is one of the night, when sensors are noisy.
    pub const fn is_night(self) -> bool {
        match self {
            Self::Night | Self::Infrared => true,
            Self::Day | Self::GreyDay => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn the_sun_stands_where_it_should() {
        // Solstices and equinox at Shuangyashan (131.16 E, 46.65 N): noon is at 11:15 there by Beijing time, and the
        // altitude then is 90 - 46.65 + declination.
        let check = |when: &str, expected: f64| {
            let altitude = sun_altitude(at(when), 131.16, 46.65);
            assert!((altitude - expected).abs() < 0.5, "{when}: {altitude}");
        };
        check("2026-06-21T11:17:00+08:00", 66.8);
        check("2026-12-21T11:13:00+08:00", 19.9);
        check("2026-03-20T11:23:00+08:00", 43.3);
        check("2026-06-21T23:17:00+08:00", -19.9);
    }

    #[test]
    fn dusk_comes_early_in_winter_and_late_in_summer() {
        let check = |when: &str, expected| assert_eq!(Sky::at(at(when), 131.16, 46.65), expected, "{when}");
        check("2026-12-21T11:00:00+08:00", Sky::Day);
        check("2026-12-21T15:30:00+08:00", Sky::Twilight);
        check("2026-12-21T17:00:00+08:00", Sky::Night);
        check("2026-06-21T17:00:00+08:00", Sky::Day);
        check("2026-06-21T19:00:00+08:00", Sky::Twilight);
        check("2026-06-21T21:00:00+08:00", Sky::Night);
    }

    #[test]
    fn every_picture_has_one_light() {
        let check = |tone, sky, expected| assert_eq!(Light::of(tone, sky), expected);
        check(Tone::Colour, Sky::Day, Light::Day);
        check(Tone::Grey, Sky::Day, Light::GreyDay);
        check(Tone::Colour, Sky::Twilight, Light::Day);
        check(Tone::Grey, Sky::Twilight, Light::Infrared);
        check(Tone::Colour, Sky::Night, Light::Night);
        check(Tone::Grey, Sky::Night, Light::Infrared);
    }

    proptest! {
        #[test]
        fn the_altitude_is_an_angle(ms in i64::MIN..i64::MAX, longitude in -180.0..180.0, latitude in -90.0..90.0) {
            let altitude = sun_altitude(Timestamp::from_millis(ms), longitude, latitude);
            prop_assert!((-90.0..=90.0).contains(&altitude));
        }
    }
}
