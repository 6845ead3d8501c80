//! The coefficients of a transform (Rec. ITU-T H.265 7.3.8.11), of which only the bits are counted.

use crate::picture::slices::arithmetic::{Arithmetic, context};

/// Which samples are transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Luma,
    Chroma,
}

/// In which order coefficients come (6.5.3 to 6.5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    Diagonal,
    Horizontal,
    Vertical,
}

/// Column and row.
type Place = (u8, u8);

const DIAGONAL_1: [Place; 1] = [(0, 0)];
const DIAGONAL_2: [Place; 4] = diagonal(2);
const DIAGONAL_4: [Place; 16] = diagonal(4);
const DIAGONAL_8: [Place; 64] = diagonal(8);
const HORIZONTAL_2: [Place; 4] = lines(2, false);
const HORIZONTAL_4: [Place; 16] = lines(4, false);
const VERTICAL_2: [Place; 4] = lines(2, true);
const VERTICAL_4: [Place; 16] = lines(4, true);

/// Contexts of the coefficients of a 4x4 transform, by place (Table 9-50).
const SIGNIFICANT_4: [u8; 16] = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8];

/// Contexts of the coefficients of a group in a larger transform, by whether the groups to the right and below have any
/// (9.3.4.2.5), and then by place.
const SIGNIFICANT: [[u8; 16]; 4] = [
    [2, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    [2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    [2, 1, 0, 0, 2, 1, 0, 0, 2, 1, 0, 0, 2, 1, 0, 0],
    [2; 16],
];

/// All of them in the order of a scan: by scan, then as above, and last those of a 4x4 transform.
const SCANNED: [[[u8; 16]; 5]; 3] = [scanned(&DIAGONAL_4), scanned(&HORIZONTAL_4), scanned(&VERTICAL_4)];

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn scanned(within: &[Place; 16]) -> [[u8; 16]; 5] {
    let [neither, right, below, both] = SIGNIFICANT;
    let by_place = [neither, right, below, both, SIGNIFICANT_4];
    let mut scanned = [[0; 16]; 5];
    let (mut kind, mut number) = (0, 0);
    while kind < 5 {
        let (column, row) = within[number];
        scanned[kind][number] = by_place[kind][row as usize * 4 + column as usize];
        number += 1;
        if number == 16 {
            (kind, number) = (kind + 1, 0);
        }
    }
    scanned
}

/// The ones that the binary form of a level's rest can begin with in 16-bit levels (9.3.3.11); more are damage.
const LONGEST_PREFIX: u32 = 20;
/// Levels of a group whose excess above one is coded by contexts.
const MODELLED: usize = 8;

/// Diagonals from the lower left to the upper right.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
#[expect(clippy::cast_possible_truncation, reason = "evaluated by the compiler, at most 8")]
const fn diagonal<const COUNT: usize>(side: usize) -> [Place; COUNT] {
    let mut places = [(0, 0); COUNT];
    let (mut sum, mut count) = (0, 0);
    while count < COUNT {
        let mut column = 0;
        while column <= sum {
            let row = sum - column;
            if column < side && row < side {
                places[count] = (column as u8, row as u8);
                count += 1;
            }
            column += 1;
        }
        sum += 1;
    }
    places
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
#[expect(clippy::cast_possible_truncation, reason = "evaluated by the compiler, at most 4")]
const fn lines<const COUNT: usize>(side: usize, are_upright: bool) -> [Place; COUNT] {
    let mut places = [(0, 0); COUNT];
    let mut count = 0;
    while count < COUNT {
        let (along, line) = ((count % side) as u8, (count / side) as u8);
        places[count] = if are_upright { (line, along) } else { (along, line) };
        count += 1;
    }
    places
}

impl Scan {
    /// The order of 4x4 coefficients in their group.
    const fn within(self) -> &'static [Place; 16] {
        match self {
            Self::Diagonal => &DIAGONAL_4,
            Self::Horizontal => &HORIZONTAL_4,
            Self::Vertical => &VERTICAL_4,
        }
    }

    /// The order of groups; only small transforms have another than the diagonal.
    const fn groups(self, log: u32) -> &'static [Place] {
        match (log, self) {
            (2, _) => &DIAGONAL_1,
            (3, Self::Diagonal) => &DIAGONAL_2,
            (3, Self::Horizontal) => &HORIZONTAL_2,
            (3, Self::Vertical) => &VERTICAL_2,
            (4, _) => &DIAGONAL_4,
            _ => &DIAGONAL_8,
        }
    }
}

/// The coefficients of one transform.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residual {
    /// Binary logarithm of the side.
    pub(super) log: u32,
    pub(super) plane: Plane,
    pub(super) scan: Scan,
    pub(super) may_skip: bool,
    pub(super) hides_signs: bool,
}

/// The groups that have coefficients, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
struct Groups(u64);

impl Groups {
    const fn has(self, (column, row): Place) -> bool {
        column < 8 && row < 8 && self.0 >> (row * 8 + column) & 1 == 1
    }

    const fn add(&mut self, (column, row): Place) {
        self.0 |= 1 << (row * 8 + column);
    }
}

impl Residual {
    /// Reads them; `None` when they cannot be.
    pub(super) fn read(self, symbols: &mut Arithmetic<'_>) -> Option<()> {
        let is_chroma = usize::from(self.plane == Plane::Chroma);
        if self.may_skip {
            symbols.symbol(context::TRANSFORM_SKIP + is_chroma);
        }
        let (column, row) = self.last_place(symbols);
        let (groups, within) = (self.scan.groups(self.log), self.scan.within());
        let last_group = groups.iter().position(|group| *group == (column >> 2, row >> 2))?;
        let last_place = within.iter().position(|place| *place == (column & 3, row & 3))?;
        let mut coded = Groups::default();
        let mut had_only_ones = true;
        for (number, group) in groups.iter().enumerate().take(last_group + 1).rev() {
            let (right, below) = (coded.has((group.0 + 1, group.1)), coded.has((group.0, group.1 + 1)));
            let is_inner = number > 0 && number < last_group;
            if is_inner {
                let near = usize::from(right || below);
                if !symbols.symbol(context::CODED_GROUP + near + 2 * is_chroma) {
                    continue;
                }
            }
            coded.add(*group);
            let last = if number == last_group { last_place } else { 16 };
            let places = self.significant(symbols, *group, (right, below), last, is_inner);
            self.levels(symbols, places, number, number == last_group, &mut had_only_ones)?;
        }
        Some(())
    }

    /// Column and row of the last coefficient.
    fn last_place(self, symbols: &mut Arithmetic<'_>) -> Place {
        let (offset, shift) = match self.plane {
            Plane::Luma => (3 * (self.log - 2) + ((self.log - 1) >> 2), (self.log + 1) >> 2),
            Plane::Chroma => (15, self.log - 2),
        };
        let most = 2 * self.log - 1;
        let mut prefix = |first: usize| {
            let mut length = 0;
            let at = |length: u32| usize::try_from(offset + (length >> shift)).unwrap_or_default();
            while length < most && symbols.symbol(first + at(length)) {
                length += 1;
            }
            length
        };
        let prefixes = (prefix(context::LAST_X), prefix(context::LAST_Y));
        let mut place = |prefix: u32| {
            if prefix < 4 {
                return prefix;
            }
            let length = prefix / 2 - 1;
            (1 << length) * (2 + (prefix & 1)) + symbols.number(length)
        };
        let (column, row) = (place(prefixes.0), place(prefixes.1));
        let place = (u8::try_from(column).unwrap_or(u8::MAX), u8::try_from(row).unwrap_or(u8::MAX));
        if self.scan == Scan::Vertical { (place.1, place.0) } else { place }
    }

    /// The places of a group that have coefficients, a bit for each; `last` is that of the last one, 16 when it is elsewhere.
    fn significant(
        self,
        symbols: &mut Arithmetic<'_>,
        group: Place,
        near: (bool, bool),
        last: usize,
        is_inner: bool,
    ) -> u16 {
        let (contexts, first) = self.significant_contexts(group, near);
        let mut places = if last < 16 { 1 << last } else { 0_u16 };
        for (number, context) in contexts.iter().enumerate().take(last).skip(1).rev() {
            places |= u16::from(symbols.symbol(first + usize::from(*context))) << number;
        }
        // A group that has coefficients has its first when it has no other.
        if last > 0 {
            let is_implied = is_inner && places == 0;
            // The mean of a larger transform has a context of its own.
            let is_mean = self.log > 2 && group == (0, 0);
            let [own, ..] = *contexts;
            let context = if is_mean { self.plane_of_significant() } else { first + usize::from(own) };
            if is_implied || symbols.symbol(context) {
                places |= 1;
            }
        }
        places
    }

    const fn plane_of_significant(self) -> usize {
        context::SIGNIFICANT
            + match self.plane {
                Plane::Luma => 0,
                Plane::Chroma => 27,
            }
    }

    /// The contexts of a group's places, and where they begin (9.3.4.2.5).
    fn significant_contexts(self, group: Place, (right, below): (bool, bool)) -> (&'static [u8; 16], usize) {
        let plane = self.plane_of_significant();
        let [diagonal, horizontal, vertical] = &SCANNED;
        let [neither, only_right, only_below, both, small] = match self.scan {
            Scan::Diagonal => diagonal,
            Scan::Horizontal => horizontal,
            Scan::Vertical => vertical,
        };
        if self.log == 2 {
            return (small, plane);
        }
        let contexts = match (right, below) {
            (false, false) => neither,
            (true, false) => only_right,
            (false, true) => only_below,
            (true, true) => both,
        };
        let elsewhere = if group == (0, 0) { 0 } else { 3 };
        let first = match self.plane {
            Plane::Luma if self.log == 3 => elsewhere + if self.scan == Scan::Diagonal { 9 } else { 15 },
            Plane::Luma => elsewhere + 21,
            Plane::Chroma if self.log == 3 => 9,
            Plane::Chroma => 12,
        };
        (contexts, plane + first)
    }

    /// The levels of a group's coefficients.
    fn levels(
        self,
        symbols: &mut Arithmetic<'_>,
        places: u16,
        number: usize,
        is_last: bool,
        had_only_ones: &mut bool,
    ) -> Option<()> {
        let count = usize::try_from(places.count_ones()).ok()?;
        if count == 0 {
            return Some(());
        }
        let is_chroma = self.plane == Plane::Chroma;
        let mut set = if number == 0 || is_chroma { 0 } else { 2 };
        if !is_last && !*had_only_ones {
            set += 1;
        }
        let modelled = count.min(MODELLED);
        let (mut above_one, mut first_above) = (0_u16, None);
        let mut run = 1;
        for place in 0..modelled {
            let plane = if is_chroma { 16 } else { 0 };
            if symbols.symbol(context::ABOVE_ONE + plane + set * 4 + run) {
                above_one |= 1 << place;
                first_above = first_above.or(Some(place));
                run = 0;
            } else if (1..3).contains(&run) {
                run += 1;
            }
        }
        *had_only_ones = run > 0;
        let plane = if is_chroma { 4 } else { 0 };
        let is_above_two = first_above.is_some() && symbols.symbol(context::ABOVE_TWO + plane + set);
        let span = places.ilog2() - places.trailing_zeros();
        let is_hidden = self.hides_signs && span > 3;
        symbols.number(u32::try_from(count - usize::from(is_hidden)).ok()?);
        let mut rice = 0;
        for place in 0..count {
            let is_first_above = first_above == Some(place);
            let base = if place >= modelled {
                1
            } else {
                1 + (above_one >> place & 1) + u16::from(is_first_above && is_above_two)
            };
            let most = match (place < modelled, is_first_above) {
                (true, true) => 3,
                (true, false) => 2,
                (false, _) => 1,
            };
            if base == most {
                let level = u32::from(base) + rest_of_level(symbols, rice)?;
                if level > 3 << rice {
                    rice = 4.min(rice + 1);
                }
            }
        }
        Some(())
    }
}

/// `coeff_abs_level_remaining` (9.3.3.11).
fn rest_of_level(symbols: &mut Arithmetic<'_>, rice: u32) -> Option<u32> {
    let prefix = symbols.ones(LONGEST_PREFIX + 1);
    (prefix <= LONGEST_PREFIX).then_some(())?;
    if prefix <= 3 {
        return Some((prefix << rice) + symbols.number(rice));
    }
    let more = prefix - 3;
    Some((((1 << more) + 2) << rice) + symbols.number(more + rice))
}
