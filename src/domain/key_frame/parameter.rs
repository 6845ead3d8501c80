//! Parameter sets, which many cameras send in the session description only.

use crate::domain::Codec;
use crate::domain::key_frame::{nal, size_of};

/// Far more than any camera has; a stream that keeps sending others cannot make them grow.
const MOST_SETS: usize = 16;
/// A set has some tens of bytes; scaling lists make it some hundreds.
const LARGEST_SET: usize = 4 * 1024;

/// The parameter sets of a stream, those of the session description first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets(Vec<Box<[u8]>>);

impl ParameterSets {
    /// Reads the extra data of a session description: an Annex B byte stream, an `avcC` (ISO/IEC 14496-15 5.3.3.1) or an
    /// `hvcC` (8.3.3.1). What cannot be read gives none.
    pub fn of_description(codec: Codec, extra_data: &[u8]) -> Self {
        let mut sets = Self::default();
        let mut note = |unit: &[u8]| sets.note(codec, unit);
        let _cut_short = match codec {
            _ if extra_data.starts_with(&nal::START_CODE) => {
                nal::visit_pieces(codec, extra_data, &mut |piece| {
                    if let nal::Piece::Unit(unit) = piece {
                        note(unit);
                    }
                });
                Some(())
            }
            Codec::H264 => visit_avcc(extra_data, &mut note),
            Codec::H265 => visit_hvcc(extra_data, &mut note),
            Codec::Mjpeg => None,
        };
        sets
    }

    /// Takes a unit, when it is a parameter set; of several with the same number the last one counts, as in a decoder.
    pub(super) fn note(&mut self, codec: Codec, unit: &[u8]) {
        if !is_parameter_set(codec, unit) || unit.len() > LARGEST_SET {
            return;
        }
        self.0.retain(|known| **known != *unit);
        if self.0.len() >= MOST_SETS {
            self.0.remove(0);
        }
        self.0.push(unit.into());
    }

    /// The picture size that the last sequence parameter set names.
    pub(super) fn size(&self, codec: Codec) -> Option<(u32, u32)> {
        self.0.iter().rev().find_map(|unit| size_of(codec, unit))
    }

    /// `slices` with the parameter sets before them; `None` when there are none.
    pub(super) fn before(&self, slices: &[u8]) -> Option<Vec<u8>> {
        let length: usize = self.0.iter().map(|set| set.len() + nal::START_CODE.len()).sum();
        let mut stream = Vec::with_capacity(length.saturating_add(slices.len()));
        for set in &self.0 {
            stream.extend_from_slice(&nal::START_CODE);
            stream.extend_from_slice(set);
        }
        stream.extend_from_slice(slices);
        (!self.0.is_empty()).then_some(stream)
    }
}

pub(super) fn is_parameter_set(codec: Codec, unit: &[u8]) -> bool {
    match codec {
        Codec::H264 => matches!(kind_of(codec, unit), Some(7 | 8)),
        Codec::H265 => matches!(kind_of(codec, unit), Some(32..=34)),
        Codec::Mjpeg => false,
    }
}

pub(super) fn is_sequence_parameters(codec: Codec, unit: &[u8]) -> bool {
    kind_of(codec, unit) == Some(if codec == Codec::H264 { 7 } else { 33 })
}

pub(super) fn is_picture_parameters(codec: Codec, unit: &[u8]) -> bool {
    kind_of(codec, unit) == Some(if codec == Codec::H264 { 8 } else { 34 })
}

fn kind_of(codec: Codec, unit: &[u8]) -> Option<u8> {
    let header = unit.first()?;
    match codec {
        Codec::H264 => Some(header & 0x1f),
        Codec::H265 => Some((header >> 1) & 0x3f),
        Codec::Mjpeg => None,
    }
}

fn visit_avcc(record: &[u8], visit: &mut impl FnMut(&[u8])) -> Option<()> {
    let (count, mut rest) = record.get(5..)?.split_first()?;
    for _ in 0..count & 0x1f {
        rest = visit_counted(rest, visit)?;
    }
    let (count, mut rest) = rest.split_first()?;
    for _ in 0..*count {
        rest = visit_counted(rest, visit)?;
    }
    Some(())
}

fn visit_hvcc(record: &[u8], visit: &mut impl FnMut(&[u8])) -> Option<()> {
    let (arrays, mut rest) = record.get(22..)?.split_first()?;
    for _ in 0..*arrays {
        let ([_kind, high, low], units) = rest.split_first_chunk::<3>()?;
        rest = units;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            rest = visit_counted(rest, visit)?;
        }
    }
    Some(())
}

/// Visits a unit behind its 16-bit length and gives what follows.
fn visit_counted<'a>(record: &'a [u8], visit: &mut impl FnMut(&[u8])) -> Option<&'a [u8]> {
    let (length, behind) = record.split_first_chunk::<2>()?;
    let (unit, rest) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    visit(unit);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    #[test]
    fn every_form_of_a_description_gives_the_same_sets() {
        let expected = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0xff];
        let check = |extra: &[u8]| {
            let sets = ParameterSets::of_description(Codec::H264, extra);
            assert_eq!(sets.before(&[0xff]).as_deref(), Some(&expected[..]), "{extra:02x?}");
        };
        check(&[1, 66, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3]);
        check(&[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);
    }

    #[test]
    fn the_sets_of_h265_stand_in_arrays_by_kind() {
        let mut record = vec![0; 22];
        record.push(2);
        record.extend_from_slice(&[33, 0, 1, 0, 3, 66, 1, 7]);
        record.extend_from_slice(&[34, 0, 1, 0, 3, 68, 1, 8]);
        let sets = ParameterSets::of_description(Codec::H265, &record);
        assert_eq!(sets.before(&[]).unwrap(), [0, 0, 0, 1, 66, 1, 7, 0, 0, 0, 1, 68, 1, 8]);
    }

    #[test]
    fn sets_are_bounded_and_the_last_one_counts() {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.before(&[1]), None);
        (0..40).for_each(|body| sets.note(Codec::H264, &[0x67, body]));
        sets.note(Codec::H264, &[0x67, 30]);
        sets.note(Codec::H264, &[0x65, 1]);
        sets.note(Codec::H264, &vec![0x67; LARGEST_SET + 1]);
        assert_eq!(sets.0.len(), MOST_SETS);
        assert_eq!(sets.0.last().unwrap()[..], [0x67, 30]);
    }

    proptest! {
        #[test]
        fn random_descriptions_never_panic(extra in prop::collection::vec(any::<u8>(), 0..100)) {
            for codec in Codec::ALL {
                ParameterSets::of_description(codec, &extra);
            }
        }
    }
}
