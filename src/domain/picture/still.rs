//! Whether the picture stands still (冻结): bit by bit outside the OSD, or by the clock that the camera writes.
//!
//! Never by likeness: by histograms every pair of live pictures of a quiet scene is "frozen" (domain.md 3.4, 39 of 39
//! pairs in each of twelve runs), while none of them was alike bit by bit.

use crate::domain::picture::area::{Area, Mask};
use crate::domain::picture::grid::{CELL, COLUMNS, ROWS};
use crate::domain::picture::{Luma, count, share};

/// FNV-1a of 64 bits, a row of a cell at a time.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// Two levels further apart than this are another pixel of the clock: its digits are white with a black rim, what lies
/// between them may be live, and coders leave a halo of up to 50 levels around them.
const CLOCK_STEP: u8 = 64;
/// Digits and their rims cover at least one pixel in so many of the area of a clock; not measured on real cameras.
const WRITTEN_ONE_IN: usize = 16;
/// Fewer such pixels than this are no other digit. A digit of a sub-stream is some 7 x 5 pixels small; the least change was
/// 8 of them.
const LEAST_CLOCK_PIXELS: usize = 5;

/// The bit of an imprint that says that its cell has contrast.
const STRUCTURED: u16 = 1;
/// Levels between the darkest and the brightest pixel of a cell that has contrast. What has less is rounded to nothing by
/// coders, and saturated light is white every time: neither tells a live picture from a still one.
const LEAST_CONTRAST: u8 = 12;
/// Fewer cells with contrast tell nothing.
const LEAST_STRUCTURED: usize = 100;
/// A camera whose sensor stands still while its clock runs encodes the picture anew, and what is predicted from the clock
/// differs by a level here and there; the rest is the same over large parts. In a live picture cells are the same by chance,
/// one here and one there: so only those count around which nothing changed within so many cells. Measured on drawn
/// pictures: 0.98 of the cells with contrast, of one camera in ten only 0.1 to 0.3; live ones reach 0.08 where a fifth of the
/// noise is left, else none.
const AROUND: usize = 3;
const ALIKE: f64 = 0.2;

/// How much of two pictures is alike bit by bit, in cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// Cells outside the mask.
    pub seen: usize,
    /// Those that are the same in both.
    pub same: usize,
    /// Cells with contrast.
    pub structured: usize,
    /// Those of them that are the same in both with all around them.
    pub untouched: usize,
}

impl Likeness {
    /// The share of the cells with contrast around which nothing changed; zero when too few have any.
    pub fn untouched_over_structured(&self) -> f64 {
        if self.structured < LEAST_STRUCTURED {
            0.0
        } else {
            share(count(self.untouched), count(self.structured))
        }
    }
}

/// What is kept of a picture to tell whether the next one is the same: a checksum for each cell, and the clock.
#[derive(Clone, PartialEq, Eq)]
pub struct Imprint {
    cells: Box<[u16]>,
    clock: Option<Box<[u8]>>,
}

impl std::fmt::Debug for Imprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Imprint({COLUMNS}x{ROWS})")
    }
}

impl Imprint {
    /// Takes the imprint of a small picture, and of the clock in it.
    pub fn of(small: &Luma, clock: Option<Area>) -> Self {
        let mut sums = vec![FNV_START; COLUMNS * ROWS];
        for (y, row) in small.rows().enumerate() {
            let cells = sums.iter_mut().skip(y / CELL * COLUMNS);
            for (cell, pixels) in cells.zip(row.chunks_exact(CELL)) {
                let word = pixels.iter().fold(0, |word, pixel| word << 8 | u64::from(*pixel));
                *cell = (*cell ^ word).wrapping_mul(FNV_PRIME);
            }
        }
        let cells = sums.into_iter().zip(contrasts(small)).map(|(sum, contrast)| imprint_of(sum, contrast));
        Self { cells: cells.collect(), clock: clock.map(|area| cut(small, area)) }
    }

    /// Whether nothing but the OSD changed: all that is seen is alike bit by bit, or most of what has some contrast is.
    /// `None` when nothing is seen.
    pub fn is_same(&self, other: &Self, mask: &Mask) -> Option<bool> {
        let likeness = self.likeness(other, mask);
        let Likeness { seen, .. } = likeness;
        (seen > 0).then(|| likeness.same == seen || likeness.untouched_over_structured() >= ALIKE)
    }

    /// Compares the cells outside the mask.
    pub fn likeness(&self, other: &Self, mask: &Mask) -> Likeness {
        let same: Vec<bool> = self.cells.iter().zip(&other.cells).map(|(mine, its)| mine == its).collect();
        let quiet: Vec<bool> = same.iter().zip(mask.cells()).map(|(same, masked)| *same || *masked).collect();
        let untouched = untouched(&quiet);
        let cells = same.iter().zip(&other.cells).zip(&untouched).zip(mask.cells());
        let seen = cells.filter(|(_, masked)| !**masked).map(|(cell, _)| cell);
        seen.fold(Likeness::default(), |likeness, ((same, its), untouched)| {
            let is_structured = its & STRUCTURED != 0;
            Likeness {
                seen: likeness.seen + 1,
                same: likeness.same + usize::from(*same),
                structured: likeness.structured + usize::from(is_structured),
                untouched: likeness.untouched + usize::from(is_structured && *untouched),
            }
        })
    }

    /// Whether the clock shows the same in both; `None` when it is not known where it is, or when it cannot be read now, white
    /// on white.
    pub fn has_same_clock(&self, other: &Self) -> Option<bool> {
        let (mine, its) = (self.clock.as_ref()?, other.clock.as_ref()?);
        if !is_legible(its) {
            return None;
        }
        let changed = mine.iter().zip(its).filter(|(mine, its)| mine.abs_diff(**its) > CLOCK_STEP).count();
        Some(mine.len() == its.len() && changed < LEAST_CLOCK_PIXELS)
    }
}

/// Whether enough pixels stand out of their ground to be writing.
fn is_legible(clock: &[u8]) -> bool {
    let mut levels = clock.to_vec();
    let middle = levels.len() / 2;
    if levels.is_empty() {
        return false;
    }
    let (_, ground, _) = levels.select_nth_unstable(middle);
    let written = clock.iter().filter(|level| level.abs_diff(*ground) > CLOCK_STEP).count();
    written * WRITTEN_ONE_IN >= clock.len()
}

/// Folds a checksum into a quarter, and says whether the cell has contrast.
const fn imprint_of(sum: u64, contrast: u8) -> u16 {
    let [a, b, c, d, e, f, g, h] = sum.to_be_bytes();
    let folded = u16::from_be_bytes([a ^ c ^ e ^ g, b ^ d ^ f ^ h]) & !STRUCTURED;
    if contrast >= LEAST_CONTRAST { folded | STRUCTURED } else { folded }
}

/// The cells around which all is quiet within [`AROUND`] cells.
fn untouched(quiet: &[bool]) -> Vec<bool> {
    let around = |at: usize, of: usize| at.saturating_sub(AROUND)..(at + AROUND + 1).min(of);
    let along: Vec<bool> = quiet
        .chunks_exact(COLUMNS)
        .flat_map(|row| (0..COLUMNS).map(|at| row.get(around(at, COLUMNS)).is_some_and(all)))
        .collect();
    let rows: Vec<&[bool]> = along.chunks_exact(COLUMNS).collect();
    let column_of = |row: usize, column: usize| {
        let near = rows.get(around(row, ROWS)).unwrap_or_default();
        near.iter().all(|row| row.get(column).copied().unwrap_or(false))
    };
    (0..ROWS)
        .flat_map(|row| (0..COLUMNS).map(move |column| (row, column)))
        .map(|(row, column)| column_of(row, column))
        .collect()
}

fn all(quiet: &[bool]) -> bool {
    quiet.iter().all(|quiet| *quiet)
}

/// The range of the levels in each cell.
fn contrasts(small: &Luma) -> Vec<u8> {
    let mut ranges = vec![(u8::MAX, 0_u8); COLUMNS * ROWS];
    for (y, row) in small.rows().enumerate() {
        let cells = ranges.iter_mut().skip(y / CELL * COLUMNS);
        for ((least, most), pixels) in cells.zip(row.chunks_exact(CELL)) {
            for pixel in pixels {
                (*least, *most) = ((*least).min(*pixel), (*most).max(*pixel));
            }
        }
    }
    ranges.into_iter().map(|(least, most)| most.saturating_sub(least)).collect()
}

fn cut(small: &Luma, area: Area) -> Box<[u8]> {
    let (across, down) = (area.columns(small.width()), area.rows(small.height()));
    let rows = small.rows().take(down.end).skip(down.start);
    rows.flat_map(|row| row.get(across.clone()).unwrap_or_default()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;

    fn noisy(deviation: f64, seed: u64) -> Luma {
        scene::small(|x, y| scene::level(40.0 + f64::from(y) / 4.0 + deviation * scene::gauss(x, y, seed)))
    }

    fn likeness(one: &Luma, other: &Luma) -> Likeness {
        Imprint::of(one, None).likeness(&Imprint::of(other, None), &Mask::of([]))
    }

    fn is_same(one: &Luma, other: &Luma) -> Option<bool> {
        Imprint::of(one, None).is_same(&Imprint::of(other, None), &Mask::of([]))
    }

    #[test]
    fn the_same_picture_is_the_same_and_a_live_still_one_is_not() {
        assert_eq!(is_same(&noisy(1.0, 1), &noisy(1.0, 1)), Some(true));
        for deviation in [0.5, 1.0, 3.0, 6.0] {
            assert_eq!(is_same(&noisy(deviation, 1), &noisy(deviation, 2)), Some(false), "noise {deviation}");
        }
    }

    #[test]
    fn a_running_osd_does_not_hide_a_frozen_picture() {
        let with_osd =
            |level| scene::small(move |x, y| if y < 18 && x < 80 { level } else { scene::street(x, y) });
        let [one, other] = [with_osd(30), with_osd(220)].map(|small| Imprint::of(&small, None));
        let osd = Area::new(0, 0, 250, 100).unwrap();
        assert_eq!(one.is_same(&other, &Mask::of([osd])), Some(true));
        assert_eq!(one.is_same(&other, &Mask::of(Area::new(0, 0, 1000, 1000))), None);
    }

    #[test]
    fn what_is_predicted_from_the_clock_may_differ() {
        let check = |differs: &dyn Fn(u32, u32) -> bool, expected| {
            let drawn = |step| {
                scene::small(|x, y| scene::yard(x, y).saturating_add(if differs(x, y) { step } else { 0 }))
            };
            assert_eq!(is_same(&drawn(0), &drawn(1)), Some(expected));
        };
        // A part on the right changes; of the rest, what touches it does not count.
        check(&|x, _| x > 160, true);
        check(&|x, _| x > 60, false);
        // As much changes here and there.
        check(&|x, y| (x / 5 + y / 5) % 7 == 0, false);
    }

    #[test]
    fn saturated_light_is_no_still_picture() {
        let lit = |seed| {
            let noisy = noisy(2.0, seed);
            scene::changed(&noisy, |level, x, _| if x > 40 { 255.0 } else { level })
        };
        assert!(likeness(&lit(1), &lit(2)).same > 1_800);
        assert_eq!(is_same(&lit(1), &lit(2)), Some(false));
    }

    #[test]
    fn a_clock_stands_when_no_digit_changes() {
        let area = Area::new(0, 0, 250, 111);
        let clock = |digit: u32, seed| {
            let drawn = scene::small(move |x, y| {
                let is_digit = (4..14).contains(&y) && (x / 8 == digit || x / 8 > 5) && x % 8 < 4;
                if is_digit { 235 } else { scene::level(60.0 + 4.0 * scene::gauss(x, y, seed)) }
            });
            Imprint::of(&drawn, area)
        };
        assert_eq!(clock(3, 1).has_same_clock(&clock(4, 2)), Some(false));
        assert_eq!(clock(3, 1).has_same_clock(&clock(3, 2)), Some(true), "the scene behind it may live");
        assert_eq!(clock(3, 1).has_same_clock(&Imprint::of(&noisy(1.0, 1), None)), None);
        let white = Imprint::of(&scene::small(|_, _| 240), area);
        assert_eq!(white.has_same_clock(&white), None, "white on white");
    }

    #[test]
    fn one_other_pixel_is_seen() {
        let street = scene::small(scene::street);
        for (place, step) in [(0, 1), (160, 255), (4_000, 128), (57_599, 1)] {
            let changed = scene::small(|x, y| {
                scene::street(x, y).wrapping_add(if y * 320 + x == place { step } else { 0 })
            });
            let Likeness { seen, same, .. } = likeness(&street, &changed);
            assert_eq!((seen, same), (2304, 2303), "{place}");
        }
    }
}
