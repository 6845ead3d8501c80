//! Dice that always fall the same way: the same question gets the same answer on every machine and in every build.
//!
//! A crate's generator may change its sequence between versions; the fleet and its faults must not.

/// Rolls a number below `sides` for the `number`-th thing of the kind `of`.
pub fn roll(of: &str, number: usize, sides: usize) -> usize {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let sides = u64::try_from(sides.max(1)).unwrap_or(u64::MAX);
    usize::try_from(mix(name_hash(of) ^ mix(number)) % sides).unwrap_or(0)
}

/// The `number`-th item, starting over at the end.
#[expect(clippy::indexing_slicing, reason = "a remainder of the length is below it; no table here is empty")]
pub fn pick<T, const N: usize>(items: &[T; N], number: usize) -> &T {
    &items[number % N]
}

/// FNV-1a.
pub(crate) fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_never_change() {
        let rolls: Vec<usize> = (0..8).map(|number| roll("x", number, 100)).collect();
        assert_eq!(rolls, (0..8).map(|number| roll("x", number, 100)).collect::<Vec<_>>());
        assert_ne!(rolls, (0..8).map(|number| roll("y", number, 100)).collect::<Vec<_>>());
        assert!(rolls.iter().all(|value| *value < 100));
    }

    #[test]
    fn picking_starts_over() {
        assert_eq!((*pick(&[1, 2, 3], 0), *pick(&[1, 2, 3], 4)), (1, 2));
    }
}
