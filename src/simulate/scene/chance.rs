//! Chance for the drawn pictures, in whole numbers: the same seed gives the same picture on every machine.

use crate::simulate::dice::{mix, name_hash};

/// What chance holds for one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance(u64);

impl Chance {
    /// Chance of a seed.
    pub(super) const fn of(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Chance of one question about the same thing.
    pub(super) fn about(self, question: &str) -> Self {
        Self(mix(self.0 ^ name_hash(question)))
    }

    /// Chance of the `number`-th of many things.
    pub(super) const fn number(self, number: i64) -> Self {
        Self(mix(self.0 ^ mix(u64::from_le_bytes(number.to_le_bytes()))))
    }

    /// A number from 0 to below `sides`.
    pub(super) fn below(self, sides: i32) -> i32 {
        let sides = u64::try_from(sides.max(1)).unwrap_or(1);
        i32::try_from(self.0 % sides).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(self, low: i32, high: i32) -> i32 {
        low + self.below(high - low + 1)
    }

    /// Whether something of which `one_in` are so is so.
    pub(super) fn is_one_in(self, one_in: i32) -> bool {
        self.below(one_in) == 0
    }

    /// Either sign.
    pub(super) fn sign(self) -> i32 {
        if self.is_one_in(2) { -1 } else { 1 }
    }

    /// A seed that comes of it.
    pub(super) const fn seed(self) -> u64 {
        self.0
    }

    /// Eight bytes.
    pub(super) const fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

/// 1024 times the sine of so many 1024th parts of a circle, by Bhaskara's formula: within 0.2 percent and in whole
/// numbers, which the sines of two machines need not be.
pub(super) fn sine(angle: i32) -> i32 {
    let half = angle.rem_euclid(512);
    let product = half * (512 - half);
    let height = 16 * product * 1024 / (5 * 512 * 512 - 4 * product);
    if angle.rem_euclid(1024) < 512 { height } else { -height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_within_its_limits_and_differs_by_question() {
        let chance = Chance::of(7);
        let rolls = |question: &str| -> Vec<i32> {
            (0..64).map(|number| chance.about(question).number(number).between(-3, 3)).collect()
        };
        assert_eq!(rolls("sky"), rolls("sky"));
        assert_ne!(rolls("sky"), rolls("sea"));
        assert!((-3..=3).all(|value| rolls("sky").contains(&value)));
        assert!(rolls("sky").iter().all(|value| (-3..=3).contains(value)));
    }

    #[test]
    fn the_sine_is_one() {
        let check = |angle, expected: i32| {
            assert!((sine(angle) - expected).abs() <= 16, "{angle}: {}", sine(angle));
        };
        check(0, 0);
        check(128, 724);
        check(256, 1024);
        check(512, 0);
        check(768, -1024);
        check(-256, -1024);
    }
}
