//! Whether the slices of an H.265 key frame are whole.
//!
//! Decoders conceal what is missing of H.265 and say nothing: of key frames with a stretch cut out `avdec_h265` complains of
//! one in six. So the slices are read here, as far as it takes to know where each ends (Rec. ITU-T H.265 7.3.8 and 9.3): they
//! must make every block of the picture once, and use up their bytes. What lost its place among the bits does neither.

mod arithmetic;
mod header;
mod residual;
mod tree;

use crate::domain::bits::without_emulation_prevention;
use crate::domain::irap::annex_b_units;
use header::{OrBroken, Parameters, Segment, Sequence, Stop, parameters_of};
use std::collections::BTreeMap;
use tree::Picture;

/// Whether an Annex B key frame holds all that its headers promise. One of a kind that cameras do not send (tiles, other
/// colour than 4:2:0, extensions), and one whose parameter sets cannot be read, is left to the decoder.
pub(super) fn is_whole(frame: &[u8]) -> bool {
    read(frame) != Err(Stop::Broken)
}

/// Reads every slice of the picture.
fn read(frame: &[u8]) -> Result<(), Stop> {
    let mut sequences = BTreeMap::<u32, Sequence>::new();
    let mut pictures = BTreeMap::<u32, Parameters>::new();
    let mut slices = Vec::new();
    for unit in annex_b_units(frame) {
        let Some((header, body)) = unit.split_first_chunk::<2>() else { continue };
        // Of several layers the first is the picture.
        if header[0] & 1 != 0 || header[1] >> 3 != 0 {
            continue;
        }
        let body = without_emulation_prevention(body);
        match header[0] >> 1 & 0x3f {
            // A set that cannot be read is as good as none: the decoder says whether it was needed.
            33 => sequences.extend(Sequence::read(&body)),
            34 => pictures.extend(Parameters::read(&body)),
            kind @ 16..=21 => slices.push((matches!(kind, 19 | 20), body)),
            // Units of a picture that is no random access do not belong to a key frame.
            0..=15 => return Err(Stop::Broken),
            _ => {}
        }
    }
    let first = slices.first().and_then(|(_, body)| parameters_of(body)).or_broken()?;
    let parameters = pictures.get(&first).ok_or(Stop::Unread)?;
    let sequence = sequences.get(&parameters.sequence).ok_or(Stop::Unread)?;
    let mut picture = Picture::new(sequence, parameters);
    for (is_idr, body) in &slices {
        let segment = Segment::read(body, *is_idr, parameters, sequence).or_broken()?;
        picture.read(&segment, body).or_broken()?;
    }
    picture.is_complete().then_some(()).or_broken()
}

#[cfg(test)]
mod tests;
