//! The units of H.264 (RFC 6184) and H.265 (RFC 7798) in RTP payloads, for an Annex B byte stream.

use crate::domain::Codec;
use crate::domain::irap::annex_b_units;

/// What stands before every unit of an Annex B byte stream.
pub(super) const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A unit, or a piece of one that was cut over several packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole unit with its header.
    Unit(&'a [u8]),
    /// The beginning of a cut unit.
    Begin { header: Header, body: &'a [u8] },
    /// What follows.
    Middle { body: &'a [u8], is_end: bool },
}

/// The header that a cut unit had: one byte in H.264, two in H.265.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    H264([u8; 1]),
    H265([u8; 2]),
}

impl Header {
    pub(super) const fn as_slice(&self) -> &[u8] {
        match self {
            Self::H264(bytes) => bytes,
            Self::H265(bytes) => bytes,
        }
    }
}

/// Calls `visit` for every unit or piece of a payload; false when the payload breaks the format.
pub(super) fn visit_pieces<'a>(codec: Codec, payload: &'a [u8], visit: &mut impl FnMut(Piece<'a>)) -> bool {
    match codec {
        Codec::H264 => visit_h264(payload, visit).is_some(),
        Codec::H265 => visit_h265(payload, visit).is_some(),
        Codec::Mjpeg => false,
    }
}

fn visit_h264<'a>(payload: &'a [u8], visit: &mut impl FnMut(Piece<'a>)) -> Option<()> {
    let (indicator, rest) = payload.split_first()?;
    match indicator & 0x1f {
        24 => visit_aggregate(rest, visit),
        // Interleaved packets (25-27, 29) are of no camera that is known, and carry a decoding order of their own.
        25..=27 | 29 => None,
        28 => {
            let (fragment, body) = rest.split_first()?;
            let header = Header::H264([(indicator & 0xe0) | (fragment & 0x1f)]);
            visit_fragment(*fragment, header, body, visit);
            Some(())
        }
        _ => visit_single(payload, visit),
    }
}

fn visit_h265<'a>(payload: &'a [u8], visit: &mut impl FnMut(Piece<'a>)) -> Option<()> {
    let ([first, second], rest) = payload.split_first_chunk::<2>()?;
    match (first >> 1) & 0x3f {
        48 => visit_aggregate(rest, visit),
        49 => {
            let (fragment, body) = rest.split_first()?;
            let header = Header::H265([(first & 0x81) | ((fragment & 0x3f) << 1), *second]);
            visit_fragment(*fragment, header, body, visit);
            Some(())
        }
        50 => None,
        _ => visit_single(payload, visit),
    }
}

fn visit_fragment<'a>(fragment: u8, header: Header, body: &'a [u8], visit: &mut impl FnMut(Piece<'a>)) {
    if fragment & 0x80 != 0 {
        visit(Piece::Begin { header, body });
    } else {
        visit(Piece::Middle { body, is_end: fragment & 0x40 != 0 });
    }
}

/// V380 cameras put a whole Annex B byte stream into the payload.
fn visit_single<'a>(unit: &'a [u8], visit: &mut impl FnMut(Piece<'a>)) -> Option<()> {
    if unit.starts_with(&START_CODE) || unit.starts_with(&[0, 0, 1]) {
        annex_b_units(unit).for_each(|unit| visit(Piece::Unit(unit)));
    } else {
        visit(Piece::Unit(unit));
    }
    Some(())
}

fn visit_aggregate<'a>(units: &'a [u8], visit: &mut impl FnMut(Piece<'a>)) -> Option<()> {
    let mut rest = units;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (unit, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if !unit.is_empty() {
            visit(Piece::Unit(unit));
        }
        rest = behind;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a payload; `None` when it breaks the format.
    fn pieces(codec: Codec, payload: &[u8]) -> Option<Vec<Piece<'_>>> {
        let mut found = Vec::new();
        visit_pieces(codec, payload, &mut |piece| found.push(piece)).then_some(found)
    }

    #[test]
    fn h264_payloads_are_taken_apart() {
        let check = |payload: &[u8], expected: Option<Vec<Piece<'_>>>| {
            assert_eq!(pieces(Codec::H264, payload), expected, "{payload:02x?}");
        };
        check(&[0x65, 0x88], Some(vec![Piece::Unit(&[0x65, 0x88])]));
        check(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], Some(vec![Piece::Unit(&[0x67, 1]), Piece::Unit(&[0x68])]));
        check(&[0x78, 0, 9, 0x67], None);
        let header = Header::H264([0x65]);
        check(&[0x7c, 0x85, 1, 2], Some(vec![Piece::Begin { header, body: &[1, 2] }]));
        check(&[0x7c, 0x05, 3], Some(vec![Piece::Middle { body: &[3], is_end: false }]));
        check(&[0x7c, 0x45, 4], Some(vec![Piece::Middle { body: &[4], is_end: true }]));
        check(
            &[0, 0, 0, 1, 0x67, 7, 0, 0, 1, 0x65, 8],
            Some(vec![Piece::Unit(&[0x67, 7]), Piece::Unit(&[0x65, 8])]),
        );
        check(&[0x7c], None);
        check(&[], None);
    }

    #[test]
    fn h265_payloads_are_taken_apart() {
        let check = |payload: &[u8], expected: Option<Vec<Piece<'_>>>| {
            assert_eq!(pieces(Codec::H265, payload), expected, "{payload:02x?}");
        };
        check(&[38, 1, 0x80], Some(vec![Piece::Unit(&[38, 1, 0x80])]));
        check(&[96, 1, 0, 3, 66, 1, 9], Some(vec![Piece::Unit(&[66, 1, 9])]));
        let header = Header::H265([19 << 1, 1]);
        check(&[98, 1, 0x80 | 19, 5], Some(vec![Piece::Begin { header, body: &[5] }]));
        check(&[98, 1, 0x40 | 19, 6], Some(vec![Piece::Middle { body: &[6], is_end: true }]));
        check(&[100, 1, 0], None);
        check(&[98, 1], None);
    }
}
