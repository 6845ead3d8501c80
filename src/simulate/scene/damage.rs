//! What a bad line or a bad device makes of an encoded picture: for the decoder, which must outlive all of it.

use crate::simulate::scene::chance::Chance;

/// How a picture's bytes are harmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// The end is missing.
    Truncated,
    /// A stretch in the middle is missing, as after a lost packet.
    Holed,
    /// A few bits are wrong.
    Flipped,
    /// A stretch of noise in the middle.
    Overwritten,
    /// Next to nothing but the headers is there.
    HeadersOnly,
    /// H.264 headers of a monstrous picture stand before it.
    HostileSize,
}

/// Bytes of parameter sets and slice header that small encoders write, at least.
const HEADERS: usize = 60;
/// What one RTP packet carries.
const PACKET: usize = 1400;
/// Macroblocks across and down of monstrous pictures: 32768 pixels, and what no 32-bit size holds.
const MONSTERS: [u32; 3] = [2047, 16_383, 262_143];

impl Harm {
    /// Every harm.
    pub const ALL: [Self; 6] = [
        Self::Truncated,
        Self::Holed,
        Self::Flipped,
        Self::Overwritten,
        Self::HeadersOnly,
        Self::HostileSize,
    ];

    /// The harmed bytes of an Annex B picture; another seed harms it elsewhere.
    pub fn apply(self, unit: &[u8], seed: u64) -> Vec<u8> {
        let chance = Chance::of(seed).about("harm");
        let mut bytes = unit.to_vec();
        let body = HEADERS.min(unit.len())..unit.len();
        let at = body.start + below(chance.about("at"), body.len());
        match self {
            Self::Truncated => bytes.truncate(at),
            Self::Holed => drop(bytes.drain(at..(at + PACKET).min(unit.len()))),
            Self::Flipped => flip(&mut bytes, body.start, chance),
            Self::Overwritten => {
                let noise = (0..).flat_map(|number| chance.number(number).bytes());
                bytes.iter_mut().skip(at).take(PACKET).zip(noise).for_each(|(byte, noise)| *byte = noise);
            }
            Self::HeadersOnly => bytes.truncate(HEADERS + below(chance.about("rest"), 8)),
            Self::HostileSize => {
                let mut monster = hostile_parameters(chance);
                monster.append(&mut bytes);
                bytes = monster;
            }
        }
        bytes
    }
}

fn flip(bytes: &mut [u8], from: usize, chance: Chance) {
    for number in 0..chance.about("flips").between(1, 12) {
        let chance = chance.about("flip").number(i64::from(number));
        let at = from + below(chance, bytes.len().saturating_sub(from));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << chance.about("bit").below(8);
        }
    }
}

fn below(chance: Chance, length: usize) -> usize {
    usize::try_from(chance.below(i32::try_from(length).unwrap_or(i32::MAX))).unwrap_or(0)
}

/// A sequence parameter set (ITU-T H.264 7.3.2.1.1, baseline) of a picture that nobody has the memory for.
fn hostile_parameters(chance: Chance) -> Vec<u8> {
    let sides = [chance.about("width"), chance.about("height")];
    let mut bits = Bits::default();
    // Identity, drawing numbers, order of pictures as coded, one reference, no gaps.
    [0, 0, 2, 1].into_iter().for_each(|value| bits.put_number(value));
    bits.put(false);
    for side in sides {
        bits.put_number(MONSTERS.get(below(side, MONSTERS.len())).copied().unwrap_or_default());
    }
    // Whole frames only, direct inference, no cropping, no usability information; the stop bit.
    [true, true, false, false, true].into_iter().for_each(|bit| bits.put(bit));
    let mut unit = vec![0, 0, 0, 1, 0x67, 66, 0, 51];
    unit.append(&mut bits.bytes);
    unit
}

/// Bits in the order of H.264.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn put(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.count % 8);
        }
        self.count += 1;
    }

    /// An unsigned Exp-Golomb number: as many zeros as bits follow the leading one.
    fn put_number(&mut self, value: u32) {
        let value = u64::from(value) + 1;
        let more = value.ilog2();
        (0..more).for_each(|_zero| self.put(false));
        (0..=more).rev().for_each(|bit| self.put(value >> bit & 1 == 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_done_and_done_again_alike() {
        let unit: Vec<u8> = (0..9000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
        for harm in Harm::ALL {
            for seed in 0..20 {
                let harmed = harm.apply(&unit, seed);
                assert_ne!(harmed, unit, "{harm:?}");
                assert_eq!(harmed, harm.apply(&unit, seed), "{harm:?}");
            }
        }
    }

    #[test]
    fn nothing_is_too_short_to_be_harmed() {
        for harm in Harm::ALL {
            for length in 0..70 {
                harm.apply(&vec![1; length], 5);
            }
        }
    }

    #[test]
    fn numbers_are_exp_golomb() {
        let check = |value, expected: &[u8]| {
            let mut bits = Bits::default();
            bits.put_number(value);
            assert_eq!(bits.bytes, expected, "{value}");
        };
        check(0, &[0b1000_0000]);
        check(1, &[0b0100_0000]);
        check(3, &[0b0010_0000]);
        check(6, &[0b0011_1000]);
    }
}
