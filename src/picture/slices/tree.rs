//! Coding tree units of intra slices (Rec. ITU-T H.265 7.3.8): read as far as it takes to know where each ends.

use crate::picture::slices::arithmetic::{Arithmetic, Contexts, context};
use crate::picture::slices::header::{Own, Parameters, Segment, Sequence};
use crate::picture::slices::residual::{Plane, Residual, Scan};

/// Intra prediction modes (8.4.2).
const PLANAR: u8 = 0;
const DC: u8 = 1;
const HORIZONTAL: u8 = 10;
const VERTICAL: u8 = 26;
const DIAGONAL: u8 = 34;

/// Bytes that may follow the end of a segment: hardware writes words.
const MOST_REST: usize = 16;

/// A square of samples: where it begins, and the binary logarithm of its side.
#[derive(Clone, Copy, Debug)]
struct Square {
    x: usize,
    y: usize,
    log: u32,
}

impl Square {
    const fn side(self) -> usize {
        1 << self.log
    }

    fn quarters(self) -> [Self; 4] {
        let (half, log) = (self.side() / 2, self.log - 1);
        let at = |right: usize, down: usize| Self { x: self.x + right * half, y: self.y + down * half, log };
        [at(0, 0), at(1, 0), at(0, 1), at(1, 1)]
    }
}

/// What the transforms of a coding unit have in common.
#[derive(Clone, Copy, Debug)]
struct Unit {
    is_bypassed: bool,
    has_four_parts: bool,
    chroma_mode: u8,
}

/// Reads the slice segments of one picture, in their order.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    sequence: &'a Sequence,
    parameters: &'a Parameters,
    blocks: (usize, usize),
    /// Of every 8x8 samples how often the tree was split; the smallest unit is not smaller.
    depths: Grid,
    /// Of every 4x4 samples the prediction mode.
    modes: Grid,
    /// The coding tree unit that comes next.
    next: usize,
    slice: Option<Slice>,
    /// What the next row begins with.
    row: Option<Contexts>,
    /// What a dependent segment goes on with.
    end: Option<Contexts>,
}

#[derive(Clone, Copy, Debug)]
struct Slice {
    address: usize,
    own: Own,
}

impl<'a> Picture<'a> {
    pub(super) fn new(sequence: &'a Sequence, parameters: &'a Parameters) -> Self {
        let blocks = sequence.blocks();
        let (across, down) = (blocks.0 << sequence.units.1, blocks.1 << sequence.units.1);
        Self {
            sequence,
            parameters,
            blocks,
            depths: Grid::new(across / 8, down / 8, 0),
            modes: Grid::new(across / 4, down / 4, DC),
            next: 0,
            slice: None,
            row: None,
            end: None,
        }
    }

    /// Whether every coding tree unit was there.
    pub(super) const fn is_complete(&self) -> bool {
        self.next == self.blocks.0 * self.blocks.1
    }

    /// Reads a slice segment; `None` when it is not what its header promises. `data` is its unit without the escapes.
    pub(super) fn read<'p>(&'p mut self, segment: &Segment, data: &'p [u8]) -> Option<()> {
        (segment.address == self.next).then_some(())?;
        if let Some(own) = segment.own {
            self.slice = Some(Slice { address: segment.address, own });
        }
        let slice = self.slice?;
        let contexts = if segment.own.is_some() || self.starts_row() {
            self.row_contexts(slice)
        } else {
            self.end.clone()?
        };
        let symbols = Arithmetic::new(data, segment.data, contexts);
        let walk = Walk { picture: self, slice, symbols, is_quantiser_known: false };
        walk.run(data)
    }

    /// Whether a row begins that goes on with the contexts of the one above.
    const fn starts_row(&self) -> bool {
        self.parameters.syncs_rows && self.next.is_multiple_of(self.blocks.0)
    }

    /// What such a row begins with: the contexts after the second unit above, when that is of the same slice. Anything else
    /// begins anew.
    fn row_contexts(&self, slice: Slice) -> Contexts {
        let above = self.next.checked_sub(self.blocks.0).filter(|_| self.starts_row() && self.blocks.0 > 1);
        let above = above.filter(|above| above + 1 >= slice.address).and(self.row.clone());
        above.unwrap_or_else(|| Contexts::new(slice.own.quantiser))
    }
}

/// One segment on its way.
struct Walk<'p, 'a> {
    picture: &'p mut Picture<'a>,
    slice: Slice,
    symbols: Arithmetic<'p>,
    /// Whether the quantiser of the present group of units was read.
    is_quantiser_known: bool,
}

impl<'p> Walk<'p, '_> {
    fn run(mut self, data: &'p [u8]) -> Option<()> {
        let (across, down) = self.picture.blocks;
        loop {
            let block = self.picture.next;
            (block < across * down).then_some(())?;
            self.block(block)?;
            if block % across == 1 && self.picture.parameters.syncs_rows {
                self.picture.row = Some(self.symbols.contexts().clone());
            }
            self.picture.next += 1;
            if self.symbols.end() {
                break;
            }
            if self.picture.starts_row() {
                self.symbols.end().then_some(())?;
                let contexts = self.picture.row_contexts(self.slice);
                self.symbols = Arithmetic::new(data, self.symbols.end_byte()?, contexts);
            }
        }
        if self.picture.parameters.has_dependent_segments {
            self.picture.end = Some(self.symbols.contexts().clone());
        }
        // Nothing but zeros fills a unit up; some bytes of another kind harm nothing.
        let rest = data.get(self.symbols.end_byte()?..)?;
        (rest.len() <= MOST_REST || rest.iter().all(|byte| *byte == 0)).then_some(())
    }

    /// `coding_tree_unit`.
    fn block(&mut self, block: usize) -> Option<()> {
        let across = self.picture.blocks.0;
        let (column, row) = (block % across, block / across);
        if self.slice.own.has_luma_sao || self.slice.own.has_chroma_sao {
            self.sao(block, column, row);
        }
        let log = self.picture.sequence.units.1;
        self.quadtree(Square { x: column << log, y: row << log, log }, 0)
    }

    /// `sao`.
    fn sao(&mut self, block: usize, column: usize, row: usize) {
        let Slice { address, own } = self.slice;
        if column > 0 && block > address && self.symbols.symbol(context::SAO_MERGE) {
            return;
        }
        let above = block.checked_sub(self.picture.blocks.0).filter(|_| row > 0);
        if above.is_some_and(|above| above >= address) && self.symbols.symbol(context::SAO_MERGE) {
            return;
        }
        let (luma, chroma) = self.picture.sequence.bit_depths;
        if own.has_luma_sao {
            let kind = self.sao_kind();
            self.sao_offsets(kind, luma, true);
        }
        if own.has_chroma_sao {
            let kind = self.sao_kind();
            self.sao_offsets(kind, chroma, true);
            // The second plane has the kind and the class of the first.
            self.sao_offsets(kind, chroma, false);
        }
    }

    fn sao_kind(&mut self) -> SaoKind {
        if !self.symbols.symbol(context::SAO_TYPE) {
            SaoKind::None
        } else if self.symbols.even() {
            SaoKind::Edge
        } else {
            SaoKind::Band
        }
    }

    fn sao_offsets(&mut self, kind: SaoKind, depth: u32, has_class: bool) {
        if kind == SaoKind::None {
            return;
        }
        let most = (1 << (depth.min(10) - 5)) - 1;
        let offsets = [(); 4].map(|()| self.symbols.ones(most));
        if kind == SaoKind::Band {
            for _ in offsets.into_iter().filter(|offset| *offset > 0) {
                self.symbols.even();
            }
            self.symbols.number(5);
        } else if has_class {
            self.symbols.number(2);
        }
    }

    /// `coding_quadtree`.
    fn quadtree(&mut self, square: Square, depth: u8) -> Option<()> {
        (!self.symbols.is_exhausted()).then_some(())?;
        let Sequence { size, units, .. } = *self.picture.sequence;
        let fits = square.x + square.side() <= size.0 && square.y + square.side() <= size.1;
        let is_split = if fits && square.log > units.0 {
            let deeper = u8::from(self.left_of(square, depth)) + u8::from(self.above(square, depth));
            self.symbols.symbol(context::SPLIT_UNIT + usize::from(deeper))
        } else {
            square.log > units.0
        };
        if self.picture.parameters.quantiser_depth.is_some_and(|depth| square.log + depth >= units.1) {
            self.is_quantiser_known = false;
        }
        if !is_split {
            self.picture.depths.fill(square.x / 8, square.y / 8, square.side() / 8, depth);
            return self.unit(square);
        }
        let inside = square.quarters().into_iter().filter(|quarter| quarter.x < size.0 && quarter.y < size.1);
        inside.into_iter().try_for_each(|quarter| self.quadtree(quarter, depth + 1))
    }

    /// Whether what is left of a square belongs to the slice and was split more often.
    fn left_of(&self, square: Square, depth: u8) -> bool {
        let Some(x) = square.x.checked_sub(1) else { return false };
        self.is_in_slice(x, square.y) && self.picture.depths.at(x / 8, square.y / 8) > depth
    }

    fn above(&self, square: Square, depth: u8) -> bool {
        let Some(y) = square.y.checked_sub(1) else { return false };
        self.is_in_slice(square.x, y) && self.picture.depths.at(square.x / 8, y / 8) > depth
    }

    fn is_in_slice(&self, x: usize, y: usize) -> bool {
        let log = self.picture.sequence.units.1;
        (y >> log) * self.picture.blocks.0 + (x >> log) >= self.slice.address
    }

    /// `coding_unit`.
    fn unit(&mut self, square: Square) -> Option<()> {
        let is_bypassed = self.picture.parameters.may_bypass && self.symbols.symbol(context::BYPASS);
        let has_four_parts =
            square.log == self.picture.sequence.units.0 && !self.symbols.symbol(context::PARTS);
        if !has_four_parts && self.has_plain_samples(square) {
            self.picture.modes.fill(square.x / 4, square.y / 4, square.side() / 4, DC);
            return self.skip_plain_samples(square);
        }
        self.luma_modes(square, has_four_parts)?;
        let chroma_mode = self.chroma_mode(self.picture.modes.at(square.x / 4, square.y / 4));
        let unit = Unit { is_bypassed, has_four_parts, chroma_mode };
        self.transform_tree(square, square, 0, 0, (true, true), &unit)
    }

    fn has_plain_samples(&mut self, square: Square) -> bool {
        let sides = self.picture.sequence.plain.map(|plain| plain.sides);
        sides.is_some_and(|(least, most)| (least..=most).contains(&square.log)) && self.symbols.end()
    }

    fn skip_plain_samples(&mut self, square: Square) -> Option<()> {
        let plain = self.picture.sequence.plain?;
        let samples = square.side() * square.side();
        let bits = samples * plain.luma_bits + samples / 2 * plain.chroma_bits;
        self.symbols.skip_bytes(bits.div_ceil(8));
        Some(())
    }

    /// The prediction modes of a unit's parts.
    fn luma_modes(&mut self, square: Square, has_four_parts: bool) -> Option<()> {
        let quarters = square.quarters();
        let parts = if has_four_parts { &quarters[..] } else { &[square] };
        let mut are_probable = [false; 4];
        for is_probable in are_probable.iter_mut().take(parts.len()) {
            *is_probable = self.symbols.symbol(context::PROBABLE_MODE);
        }
        parts.iter().zip(are_probable).try_for_each(|(part, is_probable)| self.luma_mode(*part, is_probable))
    }

    fn luma_mode(&mut self, part: Square, is_probable: bool) -> Option<()> {
        let mut candidates = self.candidates(part);
        let mode = if is_probable {
            let place = self.symbols.ones(2);
            candidates.get(usize::try_from(place).ok()?).copied()?
        } else {
            let rest = u8::try_from(self.symbols.number(5)).ok()?;
            candidates.sort_unstable();
            candidates.into_iter().fold(rest, |mode, candidate| mode + u8::from(mode >= candidate))
        };
        self.picture.modes.fill(part.x / 4, part.y / 4, part.side() / 4, mode);
        Some(())
    }

    /// The three modes that are probable (8.4.2).
    fn candidates(&self, part: Square) -> [u8; 3] {
        let Square { x, y, .. } = part;
        let log = self.picture.sequence.units.1;
        let left = x.checked_sub(1).filter(|left| self.is_in_slice(*left, y));
        let left = left.map_or(DC, |left| self.picture.modes.at(left / 4, y / 4));
        // Nothing is remembered of the row of coding tree units above.
        let above = y.checked_sub(1).filter(|above| above >> log == y >> log);
        let above = above.map_or(DC, |above| self.picture.modes.at(x / 4, above / 4));
        if left != above {
            let third = [PLANAR, DC, VERTICAL].into_iter().find(|mode| *mode != left && *mode != above);
            return [left, above, third.unwrap_or(VERTICAL)];
        }
        if left < 2 { [PLANAR, DC, VERTICAL] } else { [left, 2 + (left + 29) % 32, 2 + (left - 1) % 32] }
    }

    fn chroma_mode(&mut self, luma: u8) -> u8 {
        if !self.symbols.symbol(context::CHROMA_MODE) {
            return luma;
        }
        let mode = match self.symbols.number(2) {
            0 => PLANAR,
            1 => VERTICAL,
            2 => HORIZONTAL,
            _ => DC,
        };
        if mode == luma { DIAGONAL } else { mode }
    }

    /// `transform_tree`: `parent` says of which chroma planes the square around has coefficients, `part` which quarter of it
    /// this one is.
    fn transform_tree(
        &mut self,
        square: Square,
        around: Square,
        part: usize,
        depth: u32,
        parent: (bool, bool),
        unit: &Unit,
    ) -> Option<()> {
        let Sequence { transforms, deepest_transform, .. } = *self.picture.sequence;
        let deepest = deepest_transform + u32::from(unit.has_four_parts);
        let must_split = square.log > transforms.1 || (unit.has_four_parts && depth == 0);
        let may_split = square.log > transforms.0 && depth < deepest && !must_split;
        let is_split = must_split
            || (may_split
                && self.symbols.symbol(context::SPLIT_TRANSFORM + usize::try_from(5 - square.log).ok()?));
        let coded_context = context::CODED_CHROMA + usize::try_from(depth).ok()?;
        let mut chroma = parent;
        if square.log > 2 {
            chroma.0 = parent.0 && self.symbols.symbol(coded_context);
            chroma.1 = parent.1 && self.symbols.symbol(coded_context);
        }
        if is_split {
            (square.log > 2).then_some(())?;
            return square.quarters().into_iter().zip(0..).try_for_each(|(quarter, part)| {
                self.transform_tree(quarter, square, part, depth + 1, chroma, unit)
            });
        }
        let has_luma = self.symbols.symbol(context::CODED_LUMA + usize::from(depth == 0));
        self.transform_unit(square, around, part, (has_luma, chroma), unit)
    }

    /// `transform_unit`.
    fn transform_unit(
        &mut self,
        square: Square,
        around: Square,
        part: usize,
        (has_luma, chroma): (bool, (bool, bool)),
        unit: &Unit,
    ) -> Option<()> {
        if !has_luma && !chroma.0 && !chroma.1 {
            return Some(());
        }
        if self.picture.parameters.quantiser_depth.is_some() && !self.is_quantiser_known {
            self.quantiser_delta()?;
        }
        if has_luma {
            let mode = self.picture.modes.at(square.x / 4, square.y / 4);
            self.residual(square.log, Plane::Luma, mode, unit)?;
        }
        // Four luma squares of 4x4 share one of chroma, which comes with the last.
        let chroma_log = if square.log > 2 { square.log - 1 } else { around.log - 1 };
        if square.log > 2 || part == 3 {
            for _ in [chroma.0, chroma.1].into_iter().filter(|is_coded| *is_coded) {
                self.residual(chroma_log, Plane::Chroma, unit.chroma_mode, unit)?;
            }
        }
        Some(())
    }

    /// `cu_qp_delta_abs` and its sign.
    fn quantiser_delta(&mut self) -> Option<()> {
        let mut size = 0;
        while size < 5 && self.symbols.symbol(context::QUANTISER + usize::from(size > 0)) {
            size += 1;
        }
        if size == 5 {
            let length = self.symbols.ones(16);
            // 51 and half of what deeper samples add is the largest.
            (length < 7).then_some(())?;
            self.symbols.number(length);
        }
        if size > 0 {
            self.symbols.even();
        }
        self.is_quantiser_known = true;
        Some(())
    }

    fn residual(&mut self, log: u32, plane: Plane, mode: u8, unit: &Unit) -> Option<()> {
        let follows_mode = log == 2 || (log == 3 && plane == Plane::Luma);
        let scan = match mode {
            6..=14 if follows_mode => Scan::Vertical,
            22..=30 if follows_mode => Scan::Horizontal,
            _ => Scan::Diagonal,
        };
        let parameters = self.picture.parameters;
        Residual {
            log,
            plane,
            scan,
            may_skip: parameters.may_skip_transform && !unit.is_bypassed && log == 2,
            hides_signs: parameters.hides_signs && !unit.is_bypassed,
        }
        .read(&mut self.symbols)
    }
}

/// How a block is filtered after it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SaoKind {
    None,
    Band,
    Edge,
}

/// A number for each square of a picture.
#[derive(Debug)]
struct Grid {
    across: usize,
    values: Vec<u8>,
}

impl Grid {
    fn new(across: usize, down: usize, value: u8) -> Self {
        Self { across, values: vec![value; across * down] }
    }

    fn at(&self, column: usize, row: usize) -> u8 {
        self.values.get(row * self.across + column).copied().unwrap_or_default()
    }

    fn fill(&mut self, column: usize, row: usize, side: usize, value: u8) {
        let first = row * self.across + column;
        for line in (0..side).map(|line| first + line * self.across) {
            if let Some(places) = self.values.get_mut(line..line + side) {
                places.fill(value);
            }
        }
    }
}
