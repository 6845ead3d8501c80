//! The arithmetic decoder of H.265 (Rec. ITU-T H.265 9.3) and its contexts for intra slices.

/// The part of the range that goes to the less probable symbol (Table 9-52), by state and by the range's upper bits.
#[rustfmt::skip]
const LESS_PROBABLE: [[u8; 4]; 64] = [
    [128, 176, 208, 240], [128, 167, 197, 227], [128, 158, 187, 216], [123, 150, 178, 205],
    [116, 142, 169, 195], [111, 135, 160, 185], [105, 128, 152, 175], [100, 122, 144, 166],
    [95, 116, 137, 158], [90, 110, 130, 150], [85, 104, 123, 142], [81, 99, 117, 135],
    [77, 94, 111, 128], [73, 89, 105, 122], [69, 85, 100, 116], [66, 80, 95, 110],
    [62, 76, 90, 104], [59, 72, 86, 99], [56, 69, 81, 94], [53, 65, 77, 89],
    [51, 62, 73, 85], [48, 59, 69, 80], [46, 56, 66, 76], [43, 53, 63, 72],
    [41, 50, 59, 69], [39, 48, 56, 65], [37, 45, 54, 62], [35, 43, 51, 59],
    [33, 41, 48, 56], [32, 39, 46, 53], [30, 37, 43, 50], [29, 35, 41, 48],
    [27, 33, 39, 45], [26, 31, 37, 43], [24, 30, 35, 41], [23, 28, 33, 39],
    [22, 27, 32, 37], [21, 26, 30, 35], [20, 24, 29, 33], [19, 23, 27, 31],
    [18, 22, 26, 30], [17, 21, 25, 28], [16, 20, 23, 27], [15, 19, 22, 25],
    [14, 18, 21, 24], [14, 17, 20, 23], [13, 16, 19, 22], [12, 15, 18, 21],
    [12, 14, 17, 20], [11, 14, 16, 19], [11, 13, 15, 18], [10, 12, 15, 17],
    [10, 12, 14, 16], [9, 11, 13, 15], [9, 11, 12, 14], [8, 10, 12, 14],
    [8, 9, 11, 13], [7, 9, 11, 12], [7, 9, 10, 12], [7, 8, 10, 11],
    [6, 8, 9, 11], [6, 7, 9, 10], [6, 7, 8, 9], [2, 2, 2, 2],
];
/// The state after the less probable symbol (Table 9-53).
const AFTER_LESS: [u8; 64] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22,
    22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35,
    36, 36, 36, 37, 37, 37, 38, 38, 63,
];

/// The states after the more and the less probable symbol, by twice the state and the more probable symbol.
const AFTER: [(u8, u8); 128] = after();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
#[expect(clippy::cast_possible_truncation, reason = "evaluated by the compiler, below 128")]
const fn after() -> [(u8, u8); 128] {
    let mut after = [(0, 0); 128];
    let mut state = 0;
    while state < 128 {
        let (probability, probable) = (state / 2, state as u8 & 1);
        let more = if probability < 62 { state as u8 + 2 } else { state as u8 };
        let turned = if probability == 0 { 1 - probable } else { probable };
        after[state] = (more, AFTER_LESS[probability] << 1 | turned);
        state += 1;
    }
    after
}

/// Where the contexts of each element begin.
pub(super) mod context {
    pub(in crate::picture::slices) const SAO_MERGE: usize = 0;
    pub(in crate::picture::slices) const SAO_TYPE: usize = 1;
    pub(in crate::picture::slices) const SPLIT_UNIT: usize = 2;
    pub(in crate::picture::slices) const BYPASS: usize = 5;
    pub(in crate::picture::slices) const PARTS: usize = 6;
    pub(in crate::picture::slices) const PROBABLE_MODE: usize = 7;
    pub(in crate::picture::slices) const CHROMA_MODE: usize = 8;
    pub(in crate::picture::slices) const SPLIT_TRANSFORM: usize = 9;
    pub(in crate::picture::slices) const CODED_LUMA: usize = 12;
    pub(in crate::picture::slices) const CODED_CHROMA: usize = 14;
    pub(in crate::picture::slices) const QUANTISER: usize = 18;
    pub(in crate::picture::slices) const TRANSFORM_SKIP: usize = 20;
    pub(in crate::picture::slices) const LAST_X: usize = 22;
    pub(in crate::picture::slices) const LAST_Y: usize = 40;
    pub(in crate::picture::slices) const CODED_GROUP: usize = 58;
    pub(in crate::picture::slices) const SIGNIFICANT: usize = 62;
    pub(in crate::picture::slices) const ABOVE_ONE: usize = 104;
    pub(in crate::picture::slices) const ABOVE_TWO: usize = 128;
    pub(super) const COUNT: usize = 134;
}

/// What contexts begin with in intra slices (Tables 9-5 to 9-37, initType 0).
#[rustfmt::skip]
const INITIAL: [u8; context::COUNT] = [
    153,
    200,
    139, 141, 157,
    154,
    184,
    184,
    63,
    153, 138, 138,
    111, 141,
    94, 138, 182, 154,
    154, 154,
    139, 139,
    110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
    110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
    91, 171, 134, 141,
    111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125,
    107, 125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,
    140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197,
    138, 153, 136, 167, 152, 152,
];

/// How probable the symbols of each context are: twice the state, and the more probable symbol in the lowest bit.
#[derive(Clone, Debug)]
pub(super) struct Contexts([u8; context::COUNT]);

impl Contexts {
    /// The contexts at the beginning of a slice with this quantiser (9.3.2.2).
    pub(super) fn new(quantiser: i64) -> Self {
        let quantiser = quantiser.clamp(0, 51);
        Self(INITIAL.map(|initial| {
            let slope = i64::from(initial >> 4) * 5 - 45;
            let offset = (i64::from(initial & 15) << 3) - 16;
            let before = (((slope * quantiser) >> 4) + offset).clamp(1, 126);
            let state = if before <= 63 { (63 - before) << 1 } else { (before - 64) << 1 | 1 };
            u8::try_from(state).unwrap_or_default()
        }))
    }
}

/// Reads symbols.
#[derive(Debug)]
pub(super) struct Arithmetic<'a> {
    data: &'a [u8],
    /// The byte that is read next; zeros are read behind the last one.
    next: usize,
    range: u32,
    /// The offset of 9.3.4.3 with seven bits ahead.
    value: u32,
    /// Bits that may still be taken before a byte is read, less eight.
    needed: i32,
    contexts: Contexts,
}

impl<'a> Arithmetic<'a> {
    pub(super) fn new(data: &'a [u8], at: usize, contexts: Contexts) -> Self {
        let mut new = Self { data, next: at, range: 0, value: 0, needed: 0, contexts };
        new.begin();
        new
    }

    fn begin(&mut self) {
        self.range = 510;
        self.value = self.byte() << 8;
        self.value |= self.byte();
        self.needed = -8;
    }

    fn byte(&mut self) -> u32 {
        let byte = self.data.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        byte.into()
    }

    pub(super) const fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    /// Whether more was read than there is.
    pub(super) const fn is_exhausted(&self) -> bool {
        // Two bytes are read ahead.
        self.next > self.data.len() + 2
    }

    /// A symbol whose probability a context knows.
    #[inline]
    pub(super) fn symbol(&mut self, context: usize) -> bool {
        let Some(state) = self.contexts.0.get_mut(context) else { return false };
        let now = *state & 127;
        let (Some(parts), Some((more, less))) =
            (LESS_PROBABLE.get(usize::from(now >> 1)), AFTER.get(usize::from(now)))
        else {
            return false;
        };
        // The byte of the quarter that the range is in.
        let part = u32::from_le_bytes(*parts) >> (self.range >> 3 & 0x18) & 0xff;
        self.range -= part;
        let scaled = self.range << 7;
        let is_probable = self.value < scaled;
        let shift = if is_probable {
            *state = *more;
            u32::from(self.range < 256)
        } else {
            *state = *less;
            self.value -= scaled;
            self.range = part;
            part.leading_zeros() - 23
        };
        self.range <<= shift;
        self.shift(shift);
        (now & 1 == 1) == is_probable
    }

    #[inline]
    fn shift(&mut self, count: u32) {
        self.value <<= count;
        self.needed += count.cast_signed();
        if self.needed >= 0 {
            self.value |= self.byte() << self.needed;
            self.needed -= 8;
        }
    }

    /// A symbol that is as probable as not.
    #[inline]
    pub(super) fn even(&mut self) -> bool {
        self.shift(1);
        let scaled = self.range << 7;
        let is_one = self.value >= scaled;
        if is_one {
            self.value -= scaled;
        }
        is_one
    }

    /// A number of `count` such symbols, at most 32: as many at once as a byte has.
    pub(super) fn number(&mut self, count: u32) -> u32 {
        let (mut left, mut number) = (count, 0);
        while left > 0 {
            let some = left.min(8);
            self.shift(some);
            let scaled = self.range << 7;
            let digits = self.value / scaled;
            self.value -= digits * scaled;
            number = number << some | digits;
            left -= some;
        }
        number
    }

    /// Ones before the first zero, at most `most`.
    pub(super) fn ones(&mut self, most: u32) -> u32 {
        let mut ones = 0;
        while ones < most && self.even() {
            ones += 1;
        }
        ones
    }

    /// A symbol that ends what is coded when it is one.
    pub(super) fn end(&mut self) -> bool {
        self.range -= 2;
        let scaled = self.range << 7;
        if self.value >= scaled {
            return true;
        }
        if scaled < 256 << 7 {
            self.range = scaled >> 6;
            self.shift(1);
        }
        false
    }

    /// Where what follows the end begins; `None` when the byte does not end as an encoder ends it: with a one and zeros.
    pub(super) fn end_byte(&self) -> Option<usize> {
        let last = self.data.get(self.next.checked_sub(1)?)?;
        let left = last.checked_shl(u32::try_from(8 + self.needed).ok()?)?;
        (left == 0x80).then_some(self.next)
    }

    /// Goes on behind so many bytes that are not coded.
    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.next += count;
        self.begin();
    }
}
