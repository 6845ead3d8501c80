//! Picture size from sequence parameter sets, for streams whose parameter sets come only in band.

use crate::domain::Codec;
use crate::domain::bits::{Bits, without_emulation_prevention};

/// Width and height of the shown picture, in pixels, from a sequence parameter set with its NAL header.
pub fn size_of(codec: Codec, unit: &[u8]) -> Option<(u32, u32)> {
    match codec {
        Codec::H264 => h264_size(&without_emulation_prevention(unit.get(1..)?)),
        Codec::H265 => h265_size(&without_emulation_prevention(unit.get(2..)?)),
        Codec::Mjpeg => None,
    }
}

/// Rec. ITU-T H.264 7.3.2.1.1.
fn h264_size(body: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(body);
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.exp_golomb()?;
    let mut chroma_format = 1;
    if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        chroma_format = bits.exp_golomb()?;
        skip_h264_chroma(&mut bits, chroma_format)?;
    }
    bits.exp_golomb()?;
    skip_h264_picture_order(&mut bits)?;
    bits.exp_golomb()?;
    bits.skip(1)?;
    let width_in_blocks = bits.exp_golomb()?.checked_add(1)?;
    let height_in_units = bits.exp_golomb()?.checked_add(1)?;
    let frames_only = bits.take(1)? == 1;
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let (width, height) =
        (width_in_blocks.checked_mul(16)?, height_in_units.checked_mul(if frames_only { 16 } else { 32 })?);
    let (step_x, step_y) = chroma_step(chroma_format);
    cropped(&mut bits, (width, height), (step_x, if frames_only { step_y } else { step_y * 2 }))
}

fn skip_h264_chroma(bits: &mut Bits<'_>, chroma_format: u32) -> Option<()> {
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.skip(1)?;
    if bits.take(1)? == 0 {
        return Some(());
    }
    for list in 0..if chroma_format == 3 { 12 } else { 8 } {
        if bits.take(1)? == 1 {
            skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
        }
    }
    Some(())
}

fn skip_scaling_list(bits: &mut Bits<'_>, length: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed_exp_golomb()? + 256).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn skip_h264_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Rec. ITU-T H.265 7.3.2.2.1.
fn h265_size(body: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(body);
    bits.skip(4)?;
    let max_sub_layers = bits.take(3)?;
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, max_sub_layers)?;
    bits.exp_golomb()?;
    let chroma_format = bits.exp_golomb()?;
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    let size = (bits.exp_golomb()?, bits.exp_golomb()?);
    cropped(&mut bits, size, chroma_step(chroma_format))
}

/// Rec. ITU-T H.265 7.3.3.
pub fn skip_profile_tier_level(bits: &mut Bits<'_>, max_sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut present = Vec::new();
    for _ in 0..max_sub_layers {
        present.push((bits.take(1)? == 1, bits.take(1)? == 1));
    }
    if max_sub_layers > 0 {
        bits.skip((8 - max_sub_layers) * 2)?;
    }
    for (has_profile, has_level) in present {
        bits.skip(if has_profile { 88 } else { 0 })?;
        bits.skip(if has_level { 8 } else { 0 })?;
    }
    Some(())
}

/// How many luma pixels one unit of the cropping window is.
const fn chroma_step(chroma_format: u32) -> (u32, u32) {
    match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

/// Takes the cropping (conformance) window, if there is one, off the coded size.
fn cropped(bits: &mut Bits<'_>, size: (u32, u32), step: (u32, u32)) -> Option<(u32, u32)> {
    let (mut width, mut height) = size;
    if bits.take(1)? == 1 {
        let (left, right) = (bits.exp_golomb()?, bits.exp_golomb()?);
        let (top, bottom) = (bits.exp_golomb()?, bits.exp_golomb()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(step.0)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(step.1)?)?;
    }
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
        hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    /// Parameter sets made by x264 and x265.
    const FIXTURES: &[(Codec, &str, (u32, u32))] = &[
        (Codec::H264, "6742c028da01e0089f97011000000300100000030140f1832a", (1920, 1080)),
        (Codec::H264, "6742c00cda05825b011000000300100000030140f142aa", (352, 288)),
        (Codec::H264, "6742c016da0280bfe5c044000003000400000300503c58ba80", (640, 360)),
        (Codec::H264, "6742c016da02c049b011000003000100000300140f162ea0", (704, 576)),
        // A scaling matrix.
        (Codec::H264, "6764001facd9405005bb011000000300100000030140f1831960", (1280, 720)),
        // 4:2:2, cropped in single lines.
        (Codec::H264, "677a0028bcd940780227e27011000003000100000300140f183196", (1920, 1080)),
        // Interlaced: heights count in pairs of lines.
        (Codec::H264, "6764001eacd940b424d8088000000300800000190f8a14cb", (720, 576)),
        (
            Codec::H265,
            "420101016000000300900000030000030078a003c0801107cb96e92930bc05a02000000300200000030141",
            (1920, 1080),
        ),
        (
            Codec::H265,
            "42010101600000030090000003000003003ca00b08048596e92930bc05a02000000300200000030141",
            (352, 288),
        ),
        (
            Codec::H265,
            "42010101600000030090000003000003003fa005020171f2e5ba4a4c2f0168080000030008000003005040",
            (640, 360),
        ),
    ];

    #[test]
    fn the_size_is_read_from_the_parameter_set() {
        for (codec, hex, expected) in FIXTURES {
            assert_eq!(size_of(*codec, &bytes(hex)), Some(*expected), "{hex}");
        }
    }

    #[test]
    fn a_cut_parameter_set_gives_nothing_or_the_size_but_never_another() {
        for (codec, hex, expected) in FIXTURES {
            let unit = bytes(hex);
            for length in 0..unit.len() {
                let size = size_of(*codec, &unit[..length]);
                assert!(size.is_none() || size == Some(*expected), "{hex} cut to {length}: {size:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(unit in prop::collection::vec(any::<u8>(), 0..80)) {
            for codec in Codec::ALL {
                size_of(codec, &unit);
            }
        }
    }
}
