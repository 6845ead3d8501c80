//! Coordinate systems met in Chinese lists, and the way from each to WGS-84.
//!
//! GCJ-02 and BD-09 are published as one-way formulas; the way back is found by iteration, because the usual one-step
//! inverse errs by up to 4 m. CGCS2000 equals WGS-84 for our purpose.

use crate::domain::site::{Datum, Position};
use std::f64::consts::PI;

/// Semi-major axis of the Krasovsky 1940 ellipsoid that GCJ-02 is computed on, metres.
const KRASOVSKY_AXIS: f64 = 6_378_245.0;
/// Its squared eccentricity.
const KRASOVSKY_ECCENTRICITY: f64 = 0.006_693_421_622_965_943;
/// Angular constant of BD-09.
const BD09_PI: f64 = PI * 3000.0 / 180.0;
/// The box that the GCJ-02 formula is meant for: longitudes, then latitudes.
const CHINA: [std::ops::RangeInclusive<f64>; 2] = [72.004..=137.8347, 0.8293..=55.8271];
/// The iteration ends when a step is smaller, far below the 1e-10 degrees (0.01 mm) that are kept.
const SMALLEST_STEP: f64 = 1e-13;
/// The shift shrinks about a thousandfold with each step; more steps than this find nothing new.
const STEP_LIMIT: usize = 30;

/// Why a pair of numbers is no position in China.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionFault {
    /// They would be one with longitude and latitude exchanged.
    Swapped,
    /// They are metres of a projected system, not degrees.
    Projected,
    /// They lie elsewhere.
    OutsideChina,
}

/// Checks degrees as written in a source. All three systems differ by less than a kilometre, so one box serves them.
pub fn check_degrees(longitude: f64, latitude: f64) -> Result<(), PositionFault> {
    let inside = |longitude: f64, latitude: f64| {
        let [longitudes, latitudes] = CHINA;
        longitudes.contains(&longitude) && latitudes.contains(&latitude)
    };
    if inside(longitude, latitude) {
        Ok(())
    } else if inside(latitude, longitude) {
        Err(PositionFault::Swapped)
    } else if longitude.abs() > 360.0 || latitude.abs() > 360.0 {
        Err(PositionFault::Projected)
    } else {
        Err(PositionFault::OutsideChina)
    }
}

impl Position {
    /// Converts degrees of a source to WGS-84 and keeps them beside it.
    pub fn from_source(source: Datum, raw_longitude: f64, raw_latitude: f64) -> Self {
        let (longitude, latitude) = to_wgs84(source, (raw_longitude, raw_latitude));
        Self {
            longitude: rounded(longitude),
            latitude: rounded(latitude),
            source,
            raw_longitude,
            raw_latitude,
        }
    }
}

/// Rounds to 1e-10 degrees, 0.01 mm: what every database and file gives back unchanged.
pub fn rounded(degrees: f64) -> f64 {
    (degrees * 1e10).round() / 1e10
}

/// Converts (longitude, latitude) of a system to WGS-84.
pub fn to_wgs84(source: Datum, position: (f64, f64)) -> (f64, f64) {
    match source {
        Datum::Wgs84 => position,
        Datum::Gcj02 => invert(gcj02_from_wgs84, position),
        Datum::Bd09 => invert(gcj02_from_wgs84, invert(bd09_from_gcj02, position)),
    }
}

/// Converts (longitude, latitude) from WGS-84 to a system.
pub fn from_wgs84(target: Datum, position: (f64, f64)) -> (f64, f64) {
    match target {
        Datum::Wgs84 => position,
        Datum::Gcj02 => gcj02_from_wgs84(position),
        Datum::Bd09 => bd09_from_gcj02(gcj02_from_wgs84(position)),
    }
}

/// Finds what `forward` takes to `image`, by correcting a guess with what it still misses.
fn invert(forward: impl Fn((f64, f64)) -> (f64, f64), image: (f64, f64)) -> (f64, f64) {
    let mut guess = image;
    for _step in 0..STEP_LIMIT {
        let reached = forward(guess);
        let missing = (image.0 - reached.0, image.1 - reached.1);
        guess = (guess.0 + missing.0, guess.1 + missing.1);
        if missing.0.abs().max(missing.1.abs()) < SMALLEST_STEP {
            break;
        }
    }
    guess
}

fn gcj02_from_wgs84((longitude, latitude): (f64, f64)) -> (f64, f64) {
    let (east, north) = gcj02_shift(longitude - 105.0, latitude - 35.0);
    let radians = latitude / 180.0 * PI;
    let flattening = 1.0 - KRASOVSKY_ECCENTRICITY * radians.sin().powi(2);
    let meridian =
        KRASOVSKY_AXIS * (1.0 - KRASOVSKY_ECCENTRICITY) / (flattening * flattening.sqrt()) / 180.0 * PI;
    let parallel = KRASOVSKY_AXIS / flattening.sqrt() * radians.cos() / 180.0 * PI;
    (longitude + east / parallel, latitude + north / meridian)
}

/// The published shift in metres (east, north), `x` and `y` in degrees from 105 E 35 N.
fn gcj02_shift(x: f64, y: f64) -> (f64, f64) {
    let wave = |value: f64, period: f64, weight: f64| weight * (value / period * PI).sin();
    let common = (wave(x, 1.0 / 6.0, 20.0) + wave(x, 0.5, 20.0)) * 2.0 / 3.0;
    let root = x.abs().sqrt();
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + common
        + (wave(x, 1.0, 20.0) + wave(x, 3.0, 40.0)) * 2.0 / 3.0
        + (wave(x, 12.0, 150.0) + wave(x, 30.0, 300.0)) * 2.0 / 3.0;
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + common
        + (wave(y, 1.0, 20.0) + wave(y, 3.0, 40.0)) * 2.0 / 3.0
        + (wave(y, 12.0, 160.0) + wave(y, 30.0, 320.0)) * 2.0 / 3.0;
    (east, north)
}

fn bd09_from_gcj02((longitude, latitude): (f64, f64)) -> (f64, f64) {
    let radius = longitude.hypot(latitude) + 0.00002 * (latitude * BD09_PI).sin();
    let angle = latitude.atan2(longitude) + 0.000003 * (longitude * BD09_PI).cos();
    (radius * angle.cos() + 0.0065, radius * angle.sin() + 0.006)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(left: (f64, f64), right: (f64, f64), within: f64) -> bool {
        (left.0 - right.0).abs() < within && (left.1 - right.1).abs() < within
    }

    #[test]
    fn known_pairs_convert() {
        let check = |datum, wgs84: (f64, f64), expected: (f64, f64)| {
            let got = from_wgs84(datum, wgs84);
            assert!(close(got, expected, 1e-6), "{datum:?} {wgs84:?}: {got:?}");
            assert!(close(to_wgs84(datum, expected), wgs84, 1e-6), "{datum:?} back from {expected:?}");
        };
        // Shanghai, Shenzhen, Beijing: vectors of the eviltransform project.
        check(Datum::Gcj02, (121.527_210_6, 31.177_427_6), (121.531_541_859_215, 31.175_303_983_646));
        check(Datum::Gcj02, (113.912_316, 22.543_847), (113.917_176_480_836, 22.540_796_131_695));
        check(Datum::Gcj02, (116.377_817, 39.911_954), (116.384_047_224_557, 39.913_345_455_361));
    }

    #[test]
    fn what_is_no_position_is_told_apart() {
        let check = |longitude, latitude, expected| {
            assert_eq!(check_degrees(longitude, latitude), expected, "{longitude} {latitude}");
        };
        check(131.157, 46.65, Ok(()));
        check(72.004, 0.8293, Ok(()));
        check(137.8347, 55.8271, Ok(()));
        check(46.65, 131.157, Err(PositionFault::Swapped));
        check(5_169_000.0, 44_435_463.0, Err(PositionFault::Projected));
        check(139.7, 35.7, Err(PositionFault::OutsideChina));
        check(0.0, 0.0, Err(PositionFault::OutsideChina));
        check(72.003, 40.0, Err(PositionFault::OutsideChina));
        check(f64::NAN, 40.0, Err(PositionFault::OutsideChina));
    }

    proptest! {
        #[test]
        fn a_converted_position_converts_back(longitude in 72.004..137.83_f64, latitude in 0.83..55.82_f64) {
            for datum in Datum::ALL {
                let wgs84 = to_wgs84(datum, (longitude, latitude));
                prop_assert!(close(from_wgs84(datum, wgs84), (longitude, latitude), 1e-9), "{datum:?} {wgs84:?}");
                let image = from_wgs84(datum, (longitude, latitude));
                prop_assert!(close(to_wgs84(datum, image), (longitude, latitude), 1e-9), "{datum:?} {image:?}");
            }
        }

        #[test]
        fn a_kept_position_is_within_a_kilometre_of_its_source(
            longitude in 73.0..135.0_f64,
            latitude in 18.0..54.0_f64,
        ) {
            for datum in Datum::ALL {
                let position = Position::from_source(datum, longitude, latitude);
                prop_assert!(close((position.longitude, position.latitude), (longitude, latitude), 0.03));
                prop_assert_eq!((position.raw_longitude, position.raw_latitude), (longitude, latitude));
            }
        }
    }
}
