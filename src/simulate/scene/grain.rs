//! The noise of a sensor: fresh for every instant, near enough to normal, from a table.

use crate::simulate::scene::chance::Chance;
use crate::simulate::scene::drawing::{Plane, index, level};

/// Entries of the table; rows start at random places in it.
const LENGTH: i32 = 16_384;
/// A standard deviation in the table: eight bytes added up, halved twice.
const UNIT: i32 = 52;

/// A table of normal numbers.
#[derive(Clone, Debug)]
pub(super) struct Grain {
    numbers: Vec<i16>,
}

impl Grain {
    pub(super) fn of(chance: Chance) -> Self {
        let chance = chance.about("grain");
        let number = |at: i32| {
            let sum: i16 = chance.number(i64::from(at)).bytes().iter().map(|byte| i16::from(*byte)).sum();
            // Eight bytes make 1020 on average, with a standard deviation of 209.
            (sum - 1020) / 4
        };
        Self { numbers: (0..LENGTH).map(number).collect() }
    }

    /// Adds noise with a standard deviation in 16th parts of a level.
    pub(super) fn add(&self, plane: &mut Plane, sigma: i32, chance: Chance) {
        let (width, _height) = plane.sides();
        for (y, row) in plane.rows_mut() {
            let from = chance.number(i64::from(y)).below((LENGTH - width).max(1));
            let numbers = self.numbers.iter().skip(index(from));
            for (pixel, number) in row.iter_mut().zip(numbers) {
                let noise = (i32::from(*number) * sigma + 8 * UNIT).div_euclid(16 * UNIT);
                *pixel = level(i32::from(*pixel) + noise);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_standard_deviation_and_no_mean() {
        let grain = Grain::of(Chance::of(3));
        for sigma in [2, 4, 12] {
            let mut plane = Plane::filled(640, 360, 128);
            grain.add(&mut plane, sigma * 16, Chance::of(9));
            let off = |pixel: &u8| i64::from(*pixel) - 128;
            let count = 640 * 360;
            let mean_thousandths = plane.levels().iter().map(off).sum::<i64>() * 1000 / count;
            let squares = plane.levels().iter().map(|pixel| off(pixel) * off(pixel)).sum::<i64>();
            let hundredths = (squares * 10_000 / count).isqrt();
            assert!(mean_thousandths.abs() < 100, "{sigma}: {mean_thousandths}");
            let expected = i64::from(sigma) * 100;
            assert!((hundredths - expected).abs() < expected / 10, "{sigma}: {hundredths}");
        }
    }
}
