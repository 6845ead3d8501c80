//! What an RTP payload carries: slices, random-access pictures, parameter sets.
//!
//! Random access is decided here and not by the RTSP library, which takes only IDR pictures of H.265: open-GOP
//! cameras send CRA pictures (type 21) and would never show one. Every NAL unit type 16-23 (IRAP) counts.

use crate::domain::Codec;

/// One unit of an RTP payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// A slice, or a piece of one.
    Slice {
        /// Whether its picture can be decoded without any before it.
        random_access: bool,
        /// Whether a picture begins here; false for later slices and for pieces whose beginning was elsewhere.
        begins_picture: bool,
    },
    /// A sequence parameter set, header included.
    SequenceParameters(&'a [u8]),
    /// Anything else: other parameter sets, SEI, delimiters, padding.
    Other,
}

/// Calls `visit` for every unit of an RTP payload. Payloads that break the format give `Other` or nothing.
pub fn visit_units<'a>(codec: Codec, payload: &'a [u8], visit: &mut impl FnMut(Unit<'a>)) {
    match codec {
        Codec::H264 => visit_h264(payload, visit),
        Codec::H265 => visit_h265(payload, visit),
        Codec::Mjpeg => visit_jpeg(payload, visit),
    }
}

/// RFC 6184.
fn visit_h264<'a>(payload: &'a [u8], visit: &mut impl FnMut(Unit<'a>)) {
    let Some(header) = payload.first() else { return };
    match header & 0x1f {
        24 => visit_aggregate(payload.get(1..), visit, h264_unit),
        25 => visit_aggregate(payload.get(3..), visit, h264_unit),
        28 | 29 => {
            let Some(fragment) = payload.get(1) else { return };
            visit(h264_kind(fragment & 0x1f, fragment & 0x80 != 0, payload.get(2..).unwrap_or_default()));
        }
        _ => visit_single(payload, visit, h264_unit),
    }
}

/// RFC 7798.
fn visit_h265<'a>(payload: &'a [u8], visit: &mut impl FnMut(Unit<'a>)) {
    let Some(header) = payload.first() else { return };
    match (header >> 1) & 0x3f {
        48 => visit_aggregate(payload.get(2..), visit, h265_unit),
        49 => {
            let Some(fragment) = payload.get(2) else { return };
            visit(h265_kind(fragment & 0x3f, fragment & 0x80 != 0, payload.get(3..).unwrap_or_default()));
        }
        _ => visit_single(payload, visit, h265_unit),
    }
}

/// RFC 2435: every picture stands alone; the one with offset 0 begins it.
fn visit_jpeg<'a>(payload: &'a [u8], visit: &mut impl FnMut(Unit<'a>)) {
    if let Some(offset) = payload.get(1..4) {
        visit(Unit::Slice { random_access: true, begins_picture: offset.iter().all(|byte| *byte == 0) });
    }
}

/// Size of the picture in an RFC 2435 payload; `None` when it is too large for the header to say.
pub fn jpeg_size(payload: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = (payload.get(6)?, payload.get(7)?);
    (*width > 0 && *height > 0).then(|| (u32::from(*width) * 8, u32::from(*height) * 8))
}

fn visit_single<'a>(unit: &'a [u8], visit: &mut impl FnMut(Unit<'a>), kind: fn(&'a [u8]) -> Unit<'a>) {
    if unit.starts_with(&[0, 0, 1]) || unit.starts_with(&[0, 0, 0, 1]) {
        // V380 cameras put a whole Annex B byte stream into the payload.
        for unit in annex_b_units(unit) {
            visit(kind(unit));
        }
    } else {
        visit(kind(unit));
    }
}

fn visit_aggregate<'a>(
    units: Option<&'a [u8]>,
    visit: &mut impl FnMut(Unit<'a>),
    kind: fn(&'a [u8]) -> Unit<'a>,
) {
    let mut rest = units.unwrap_or_default();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((unit, behind)) = behind.split_at_checked(length) else { return };
        visit(kind(unit));
        rest = behind;
    }
}

/// The units between start codes. No unit ends with a zero byte (H.264 7.4.1): those belong to the start code behind it.
pub fn annex_b_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let start = find_start_code(rest)? + 3;
        let behind = rest.get(start..)?;
        let length = find_start_code(behind).unwrap_or(behind.len());
        let (unit, next) = behind.split_at_checked(length)?;
        rest = next;
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit.get(..unit.len() - zeros)
    })
    .filter(|unit| !unit.is_empty())
}

fn find_start_code(stream: &[u8]) -> Option<usize> {
    stream.windows(3).position(|window| window == [0, 0, 1])
}

fn h264_unit(unit: &[u8]) -> Unit<'_> {
    let Some((header, body)) = unit.split_first() else { return Unit::Other };
    match header & 0x1f {
        7 => Unit::SequenceParameters(unit),
        kind => h264_kind(kind, true, body),
    }
}

/// `body` is what follows the header; its first bit is 1 when `first_mb_in_slice` is 0.
fn h264_kind(kind: u8, is_start: bool, body: &[u8]) -> Unit<'_> {
    match kind {
        1..=5 => Unit::Slice {
            random_access: kind == 5,
            begins_picture: is_start && kind != 3 && kind != 4 && first_bit(body),
        },
        _ => Unit::Other,
    }
}

fn h265_unit(unit: &[u8]) -> Unit<'_> {
    let Some((header, body)) = unit.split_first_chunk::<2>() else { return Unit::Other };
    match (header[0] >> 1) & 0x3f {
        33 => Unit::SequenceParameters(unit),
        kind => h265_kind(kind, true, body),
    }
}

/// `body` is what follows the header; its first bit is `first_slice_segment_in_pic_flag`.
fn h265_kind(kind: u8, is_start: bool, body: &[u8]) -> Unit<'_> {
    match kind {
        0..=31 => Unit::Slice {
            random_access: (16..=23).contains(&kind),
            begins_picture: is_start && first_bit(body),
        },
        _ => Unit::Other,
    }
}

fn first_bit(body: &[u8]) -> bool {
    body.first().is_some_and(|byte| byte & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    fn units(codec: Codec, payload: &[u8]) -> Vec<Unit<'_>> {
        let mut units = Vec::new();
        visit_units(codec, payload, &mut |unit| units.push(unit));
        units
    }

    const fn slice(random_access: bool, begins_picture: bool) -> Unit<'static> {
        Unit::Slice { random_access, begins_picture }
    }

    #[test]
    fn h264_payloads_are_told_apart() {
        let check = |payload: &[u8], expected: &[Unit<'_>]| {
            assert_eq!(units(Codec::H264, payload), expected, "{payload:02x?}");
        };
        check(&[0x65, 0x88, 0x84], &[slice(true, true)]);
        check(&[0x41, 0x9a, 0x24], &[slice(false, true)]);
        check(&[0x41, 0x01, 0xe2], &[slice(false, false)]);
        check(&[0x06, 0x05], &[Unit::Other]);
        check(&[0x67, 0x42], &[Unit::SequenceParameters(&[0x67, 0x42])]);
        // STAP-A of SPS, PPS and an IDR slice.
        check(
            &[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 2, 0x65, 0x88],
            &[Unit::SequenceParameters(&[0x67, 0x42]), Unit::Other, slice(true, true)],
        );
        // FU-A: start, middle.
        check(&[0x7c, 0x85, 0x88], &[slice(true, true)]);
        check(&[0x7c, 0x05, 0x88], &[slice(true, false)]);
        // V380: Annex B inside the payload.
        check(
            &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x65, 0x88],
            &[Unit::SequenceParameters(&[0x67, 0x42]), slice(true, true)],
        );
        check(&[], &[]);
    }

    #[test]
    fn every_h265_irap_picture_is_random_access() {
        let check = |kind: u8, expected| {
            assert_eq!(units(Codec::H265, &[kind << 1, 1, 0x80]), [slice(expected, true)], "type {kind}");
            assert_eq!(
                units(Codec::H265, &[49 << 1, 1, 0x80 | kind, 0x80]),
                [slice(expected, true)],
                "FU {kind}"
            );
        };
        (0..16).for_each(|kind| check(kind, false));
        (16..24).for_each(|kind| check(kind, true));
        (24..32).for_each(|kind| check(kind, false));
        assert_eq!(units(Codec::H265, &[35 << 1, 1, 0x50]), [Unit::Other]);
        assert_eq!(units(Codec::H265, &[1 << 1, 1, 0x20]), [slice(false, false)], "a later slice segment");
        // AP of a delimiter and a CRA slice.
        let aggregate = [48 << 1, 1, 0, 3, 35 << 1, 1, 0x50, 0, 3, 21 << 1, 1, 0x80];
        assert_eq!(units(Codec::H265, &aggregate), [Unit::Other, slice(true, true)]);
    }

    #[test]
    fn a_jpeg_picture_begins_at_offset_zero_and_names_its_size() {
        assert_eq!(units(Codec::Mjpeg, &[0, 0, 0, 0, 1, 80, 80, 45]), [slice(true, true)]);
        assert_eq!(units(Codec::Mjpeg, &[0, 0, 5, 0, 1, 80, 80, 45]), [slice(true, false)]);
        assert_eq!(jpeg_size(&[0, 0, 0, 0, 1, 80, 80, 45]), Some((640, 360)));
        assert_eq!(jpeg_size(&[0, 0, 0, 0, 1, 80, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            for codec in Codec::ALL {
                units(codec, &payload);
            }
            jpeg_size(&payload);
        }
    }
}
