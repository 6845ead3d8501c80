//! What the parameter sets and the header of a slice segment say of its data (Rec. ITU-T H.265 7.3.2 and 7.3.6).

use crate::domain::bits::Bits;
use crate::domain::sps::skip_profile_tier_level;

/// Most samples of a coded picture: what the decoder is given.
const MOST_PIXELS: usize = 4096 * 4096;
/// Highest number of picture sets (7.4.3.2.1), and of pictures in one.
const MOST_SETS: u32 = 64;
const MOST_PICTURES: u32 = 16;

/// Why a unit is not looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is damaged.
    Broken,
    /// It is of a kind that is not read here.
    Unread,
}

impl Stop {
    fn unless(is_read: bool) -> Result<(), Self> {
        if is_read { Ok(()) } else { Err(Self::Unread) }
    }
}

/// For `?` where nothing means damage.
pub(super) trait OrBroken<T> {
    fn or_broken(self) -> Result<T, Stop>;
}

impl<T> OrBroken<T> for Option<T> {
    fn or_broken(self) -> Result<T, Stop> {
        self.ok_or(Stop::Broken)
    }
}

/// Samples that are not coded.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainSamples {
    pub(super) luma_bits: usize,
    pub(super) chroma_bits: usize,
    /// Binary logarithms of the sides of units that may have them.
    pub(super) sides: (u32, u32),
}

/// A sequence parameter set.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) size: (usize, usize),
    pub(super) bit_depths: (u32, u32),
    /// Binary logarithms of the sides of the smallest and the largest coding unit; of transforms.
    pub(super) units: (u32, u32),
    pub(super) transforms: (u32, u32),
    pub(super) deepest_transform: u32,
    pub(super) has_sao: bool,
    pub(super) plain: Option<PlainSamples>,
    order_bits: u32,
    /// Pictures in each of the short-term sets.
    sets: Vec<u32>,
    /// How many long-term pictures it names, when there are such pictures.
    long_term: Option<u32>,
    has_temporal_vectors: bool,
}

impl Sequence {
    /// Reads a unit without its header.
    pub(super) fn read(body: &[u8]) -> Result<(u32, Self), Stop> {
        let mut bits = Bits::new(body);
        let (profile, sub_layers) = read_profile(&mut bits).or_broken()?;
        let number = bits.exp_golomb().or_broken()?;
        let chroma_format = bits.exp_golomb().or_broken()?;
        Stop::unless(chroma_format == 1)?;
        let sequence = Self::read_main(&mut bits, sub_layers).or_broken()?;
        // Main, Main 10 and Main Still Picture have no extension; cameras often write nonsense before it.
        Stop::unless(profile <= 3 || has_no_extension(&mut bits) == Some(true))?;
        Ok((number, sequence))
    }

    fn read_main(bits: &mut Bits<'_>, sub_layers: u32) -> Option<Self> {
        let size = (read_size(bits)?, read_size(bits)?);
        (size.0 * size.1 <= MOST_PIXELS).then_some(())?;
        if bits.flag()? {
            (0..4).try_for_each(|_| bits.exp_golomb().map(drop))?;
        }
        let bit_depths = (bits.exp_golomb()?.checked_add(8)?, bits.exp_golomb()?.checked_add(8)?);
        let order_bits = bits.exp_golomb()?.checked_add(4).filter(|bits| *bits <= 16)?;
        let for_each = bits.flag()?;
        for _ in if for_each { 0 } else { sub_layers }..=sub_layers {
            (0..3).try_for_each(|_| bits.exp_golomb().map(drop))?;
        }
        let units = read_range(bits, 3)?;
        let transforms = read_range(bits, 2)?;
        bits.exp_golomb()?;
        let deepest_transform = bits.exp_golomb()?;
        if bits.flag()? && bits.flag()? {
            skip_scaling_lists(bits)?;
        }
        bits.skip(1)?;
        let has_sao = bits.flag()?;
        let plain = if bits.flag()? { Some(read_plain(bits)?) } else { None };
        let count = bits.exp_golomb()?;
        let sets = (count <= MOST_SETS).then(Vec::new)?;
        let sets = (0..count).try_fold(sets, |mut sets, number| {
            let pictures = read_set(bits, number, &sets)?;
            sets.push(pictures);
            Some(sets)
        })?;
        let long_term = if bits.flag()? { Some(read_long_term(bits, order_bits)?) } else { None };
        let has_temporal_vectors = bits.flag()?;
        let is_sound = bit_depths.0.max(bit_depths.1) <= 16
            && (3..=6).contains(&units.0)
            && (4..=6).contains(&units.1)
            && transforms.0 < units.0
            && (2..=5).contains(&transforms.1)
            && deepest_transform <= 4;
        let sequence = Self {
            size,
            bit_depths,
            units,
            transforms,
            deepest_transform,
            has_sao,
            plain,
            order_bits,
            sets,
            long_term,
            has_temporal_vectors,
        };
        is_sound.then_some(sequence)
    }

    /// Coding tree units across and down.
    pub(super) const fn blocks(&self) -> (usize, usize) {
        let side = 1 << self.units.1;
        (self.size.0.div_ceil(side), self.size.1.div_ceil(side))
    }
}

/// Whether none of the flags is set that change how slices are read; `None` where that cannot be seen.
fn has_no_extension(bits: &mut Bits<'_>) -> Option<bool> {
    bits.skip(1)?;
    if bits.flag()? {
        skip_usability(bits)?;
    }
    Some(!bits.flag()? || bits.take(8)? == 0)
}

/// Video usability information (E.2.1) without a buffer model.
fn skip_usability(bits: &mut Bits<'_>) -> Option<()> {
    if bits.flag()? && bits.take(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    let skip_numbers = |bits: &mut Bits<'_>, count| (0..count).try_for_each(|_| bits.exp_golomb().map(drop));
    if bits.flag()? {
        skip_numbers(bits, 2)?;
    }
    bits.skip(3)?;
    if bits.flag()? {
        skip_numbers(bits, 4)?;
    }
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            skip_numbers(bits, 1)?;
        }
        (!bits.flag()?).then_some(())?;
    }
    if bits.flag()? {
        bits.skip(3)?;
        skip_numbers(bits, 5)?;
    }
    Some(())
}

fn read_profile(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    bits.skip(4)?;
    let sub_layers = bits.take(3)?;
    bits.skip(1)?;
    let profile = bits.clone().take(8)? & 31;
    skip_profile_tier_level(bits, sub_layers)?;
    Some((profile, sub_layers))
}

fn read_size(bits: &mut Bits<'_>) -> Option<usize> {
    let size = usize::try_from(bits.exp_golomb()?).ok()?;
    // Above every level of the standard.
    (1..=16_888).contains(&size).then_some(size)
}

/// The smaller of two binary logarithms and the larger one, coded as the difference.
fn read_range(bits: &mut Bits<'_>, least: u32) -> Option<(u32, u32)> {
    let smaller = bits.exp_golomb()?.checked_add(least)?;
    Some((smaller, smaller.checked_add(bits.exp_golomb()?)?))
}

fn read_plain(bits: &mut Bits<'_>) -> Option<PlainSamples> {
    let depth = |bits: u32| usize::try_from(bits + 1).ok();
    let (luma_bits, chroma_bits) = (depth(bits.take(4)?)?, depth(bits.take(4)?)?);
    let sides = read_range(bits, 3)?;
    bits.skip(1)?;
    (sides.1 <= 5).then_some(PlainSamples { luma_bits, chroma_bits, sides })
}

/// 7.3.4.
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.exp_golomb()?;
                continue;
            }
            if size > 1 {
                bits.signed_exp_golomb()?;
            }
            for _ in 0..64.min(1_u32 << (4 + (size << 1))) {
                bits.signed_exp_golomb()?;
            }
        }
    }
    Some(())
}

/// How many pictures the `number`-th short-term set has (7.3.7 and 7.4.8).
fn read_set(bits: &mut Bits<'_>, number: u32, sets: &[u32]) -> Option<u32> {
    let is_predicted = number > 0 && bits.flag()?;
    if is_predicted {
        return read_predicted_set(bits, *sets.last()?);
    }
    let (before, behind) = (bits.exp_golomb()?, bits.exp_golomb()?);
    let count = before.checked_add(behind).filter(|count| *count <= MOST_PICTURES)?;
    for _ in 0..count {
        bits.exp_golomb()?;
        bits.skip(1)?;
    }
    Some(count)
}

fn read_predicted_set(bits: &mut Bits<'_>, reference: u32) -> Option<u32> {
    bits.skip(1)?;
    bits.exp_golomb()?;
    let mut count = 0;
    for _ in 0..=reference {
        let is_used = bits.flag()?;
        if is_used || bits.flag()? {
            count += 1;
        }
    }
    (count <= MOST_PICTURES).then_some(count)
}

fn read_long_term(bits: &mut Bits<'_>, order_bits: u32) -> Option<u32> {
    let count = bits.exp_golomb().filter(|count| *count <= 32)?;
    bits.skip(count * (order_bits + 1))?;
    Some(count)
}

/// A picture parameter set.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) sequence: u32,
    pub(super) hides_signs: bool,
    pub(super) may_skip_transform: bool,
    /// Binary logarithm by which units with a quantiser of their own are smaller than the largest; none have one otherwise.
    pub(super) quantiser_depth: Option<u32>,
    pub(super) may_bypass: bool,
    /// Each row of coding tree units goes on with the contexts of the one above.
    pub(super) syncs_rows: bool,
    pub(super) has_dependent_segments: bool,
    has_output_flag: bool,
    extra_bits: u32,
    quantiser: i64,
    has_chroma_offsets: bool,
    filters_across: bool,
    may_override_deblocking: bool,
    is_deblocking_off: bool,
    has_extension: bool,
}

impl Parameters {
    /// Reads a unit without its header.
    pub(super) fn read(body: &[u8]) -> Result<(u32, Self), Stop> {
        let mut bits = Bits::new(body);
        let (number, parameters, is_read) = Self::read_all(&mut bits).or_broken()?;
        Stop::unless(is_read)?;
        Ok((number, parameters))
    }

    /// Whether slices under it are read: not with tiles or an extension.
    fn read_all(bits: &mut Bits<'_>) -> Option<(u32, Self, bool)> {
        let number = bits.exp_golomb()?;
        let sequence = bits.exp_golomb()?;
        let has_dependent_segments = bits.flag()?;
        let has_output_flag = bits.flag()?;
        let extra_bits = bits.take(3)?;
        let hides_signs = bits.flag()?;
        bits.skip(1)?;
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        let quantiser = bits.signed_exp_golomb()?.checked_add(26)?;
        bits.skip(1)?;
        let may_skip_transform = bits.flag()?;
        // From 64 to 8 samples at most.
        let quantiser_depth =
            if bits.flag()? { Some(bits.exp_golomb().filter(|depth| *depth <= 3)?) } else { None };
        bits.signed_exp_golomb()?;
        bits.signed_exp_golomb()?;
        let has_chroma_offsets = bits.flag()?;
        bits.skip(2)?;
        let may_bypass = bits.flag()?;
        let has_tiles = bits.flag()?;
        let syncs_rows = bits.flag()?;
        let mut parameters = Self {
            sequence,
            hides_signs,
            may_skip_transform,
            quantiser_depth,
            may_bypass,
            syncs_rows,
            has_dependent_segments,
            has_output_flag,
            extra_bits,
            quantiser,
            has_chroma_offsets,
            filters_across: false,
            may_override_deblocking: false,
            is_deblocking_off: false,
            has_extension: false,
        };
        let is_read = !has_tiles && parameters.read_filters(bits)?;
        Some((number, parameters, is_read))
    }

    /// Whether nothing follows that changes how slices are read.
    fn read_filters(&mut self, bits: &mut Bits<'_>) -> Option<bool> {
        self.filters_across = bits.flag()?;
        if bits.flag()? {
            self.may_override_deblocking = bits.flag()?;
            self.is_deblocking_off = bits.flag()?;
            if !self.is_deblocking_off {
                bits.signed_exp_golomb()?;
                bits.signed_exp_golomb()?;
            }
        }
        if bits.flag()? {
            skip_scaling_lists(bits)?;
        }
        bits.skip(1)?;
        bits.exp_golomb()?;
        self.has_extension = bits.flag()?;
        Some(!bits.flag()? || bits.take(8)? == 0)
    }
}

/// The header of a slice segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The coding tree unit that it begins with.
    pub(super) address: usize,
    /// What it has of its own; a dependent one goes on with that of the one before.
    pub(super) own: Option<Own>,
    /// Where its data begin.
    pub(super) data: usize,
}

/// What the segments of a slice share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) quantiser: i64,
    pub(super) has_luma_sao: bool,
    pub(super) has_chroma_sao: bool,
}

/// The number of the picture parameter set that the slice segment of a random-access picture names.
pub(super) fn parameters_of(body: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(body);
    bits.skip(2)?;
    bits.exp_golomb()
}

impl Segment {
    /// Reads the header of a slice segment of a random-access picture, without that of its unit.
    pub(super) fn read(
        body: &[u8],
        is_idr: bool,
        parameters: &Parameters,
        sequence: &Sequence,
    ) -> Option<Self> {
        let mut bits = Bits::new(body);
        let is_first = bits.flag()?;
        bits.skip(1)?;
        bits.exp_golomb()?;
        let (mut address, mut is_dependent) = (0, false);
        if !is_first {
            is_dependent = parameters.has_dependent_segments && bits.flag()?;
            let (across, down) = sequence.blocks();
            address = usize::try_from(bits.take(bits_for(across.checked_mul(down)?)?)?).ok()?;
        }
        let own = if is_dependent { None } else { Some(Own::read(&mut bits, is_idr, parameters, sequence)?) };
        if parameters.syncs_rows {
            let count = bits.exp_golomb()?;
            if count > 0 {
                let length = bits.exp_golomb()?.checked_add(1).filter(|length| *length <= 32)?;
                bits.skip(count.checked_mul(length)?)?;
            }
        }
        if parameters.has_extension {
            let length = bits.exp_golomb()?;
            bits.skip(length.checked_mul(8)?)?;
        }
        Some(Self { address, own, data: bits.align()? })
    }
}

impl Own {
    fn read(bits: &mut Bits<'_>, is_idr: bool, parameters: &Parameters, sequence: &Sequence) -> Option<Self> {
        bits.skip(parameters.extra_bits)?;
        // Random-access pictures have intra slices alone.
        (bits.exp_golomb()? == 2).then_some(())?;
        if parameters.has_output_flag {
            bits.skip(1)?;
        }
        if !is_idr {
            skip_references(bits, sequence)?;
        }
        let (mut has_luma_sao, mut has_chroma_sao) = (false, false);
        if sequence.has_sao {
            (has_luma_sao, has_chroma_sao) = (bits.flag()?, bits.flag()?);
        }
        let quantiser = parameters.quantiser.checked_add(bits.signed_exp_golomb()?)?;
        if parameters.has_chroma_offsets {
            bits.signed_exp_golomb()?;
            bits.signed_exp_golomb()?;
        }
        let mut is_deblocking_off = parameters.is_deblocking_off;
        if parameters.may_override_deblocking && bits.flag()? {
            is_deblocking_off = bits.flag()?;
            if !is_deblocking_off {
                bits.signed_exp_golomb()?;
                bits.signed_exp_golomb()?;
            }
        }
        if parameters.filters_across && (has_luma_sao || has_chroma_sao || !is_deblocking_off) {
            bits.skip(1)?;
        }
        let least = -6 * i64::from(sequence.bit_depths.0 - 8);
        (least..=51).contains(&quantiser).then_some(Self { quantiser, has_luma_sao, has_chroma_sao })
    }
}

/// What the header of a picture that is not IDR says of its references.
fn skip_references(bits: &mut Bits<'_>, sequence: &Sequence) -> Option<()> {
    bits.skip(sequence.order_bits)?;
    if bits.flag()? {
        if sequence.sets.len() > 1 {
            bits.skip(bits_for(sequence.sets.len())?)?;
        }
    } else {
        skip_own_set(bits, &sequence.sets)?;
    }
    if let Some(named) = sequence.long_term {
        let from_sequence = if named > 0 { bits.exp_golomb()? } else { 0 };
        let own = bits.exp_golomb()?;
        let index_bits = if named > 1 { bits_for(usize::try_from(named).ok()?)? } else { 0 };
        let count = from_sequence.checked_add(own).filter(|count| *count <= 2 * MOST_PICTURES)?;
        for number in 0..count {
            bits.skip(if number < from_sequence { index_bits } else { sequence.order_bits + 1 })?;
            if bits.flag()? {
                bits.exp_golomb()?;
            }
        }
    }
    bits.skip(sequence.has_temporal_vectors.into())
}

/// A short-term set in a slice header, which may be predicted from any of the sequence's.
fn skip_own_set(bits: &mut Bits<'_>, sets: &[u32]) -> Option<()> {
    if sets.is_empty() || !bits.flag()? {
        return read_set(bits, 0, &[]).map(drop);
    }
    let back = usize::try_from(bits.exp_golomb()?).ok()?.checked_add(1)?;
    let reference = *sets.get(sets.len().checked_sub(back)?)?;
    read_predicted_set(bits, reference).map(drop)
}

/// Bits of a number below `count`: the binary logarithm, rounded up.
fn bits_for(count: usize) -> Option<u32> {
    Some(count.checked_sub(1)?.checked_ilog2().map_or(0, |log| log + 1))
}
