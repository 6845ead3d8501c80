//! Parts of the picture that are left out: what the camera itself writes over it (OSD), and what a person marked.

use crate::domain::picture::grid::{CELL, COLUMNS, ROWS};
use std::ops::Range;

/// Thousandths of a side.
const WHOLE: u16 = 1000;
/// Without a word about a point its OSD is taken to lie in the top and the bottom ninth: date and time on top, the name
/// below, two lines at most, is the one written rule that was found (domain.md 8).
const OSD_BAND: u16 = 111;

/// A rectangle in thousandths of the picture's width and height; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    left: u16,
    top: u16,
    right: u16,
    bottom: u16,
}

impl Area {
    /// Takes `[left, right)` x `[top, bottom)` in thousandths; `None` when empty or outside the picture.
    pub const fn new(left: u16, top: u16, right: u16, bottom: u16) -> Option<Self> {
        if left < right && top < bottom && right <= WHOLE && bottom <= WHOLE {
            Some(Self { left, top, right, bottom })
        } else {
            None
        }
    }

    /// Left, top, right and bottom in thousandths.
    pub const fn edges(self) -> [u16; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    /// The part of a side of `length` pixels between two thousandths, grown to whole pixels.
    fn pixels(from: u16, to: u16, length: usize) -> Range<usize> {
        let whole = usize::from(WHOLE);
        (usize::from(from) * length / whole)..(usize::from(to) * length).div_ceil(whole)
    }

    /// Columns of a picture `width` wide.
    pub fn columns(self, width: usize) -> Range<usize> {
        Self::pixels(self.left, self.right, width)
    }

    /// Rows of a picture `height` high.
    pub fn rows(self, height: usize) -> Range<usize> {
        Self::pixels(self.top, self.bottom, height)
    }
}

/// What is known of the parts of a point's picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Areas {
    /// What is left out of every check.
    pub masked: Vec<Area>,
    /// Where the camera writes the running time; only a person knows.
    pub clock: Option<Area>,
}

impl Default for Areas {
    fn default() -> Self {
        let band = |top, bottom| Area { left: 0, top, right: WHOLE, bottom };
        Self { masked: vec![band(0, OSD_BAND), band(WHOLE - OSD_BAND, WHOLE)], clock: None }
    }
}

impl Areas {
    /// The cells that are left out; the clock is one of them.
    pub fn mask(&self) -> Mask {
        Mask::of(self.masked.iter().copied().chain(self.clock))
    }
}

/// The cells of the picture that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    cells: Box<[bool]>,
}

impl Default for Mask {
    /// What is left out where nobody said anything.
    fn default() -> Self {
        Areas::default().mask()
    }
}

impl Mask {
    /// Leaves out every cell that one of the areas touches.
    pub fn of(areas: impl IntoIterator<Item = Area>) -> Self {
        let mut cells = vec![false; COLUMNS * ROWS].into_boxed_slice();
        for area in areas {
            let (across, down) = (area.columns(COLUMNS), area.rows(ROWS));
            let rows = cells.chunks_exact_mut(COLUMNS).take(down.end).skip(down.start);
            for row in rows {
                row.iter_mut().take(across.end).skip(across.start).for_each(|cell| *cell = true);
            }
        }
        Self { cells }
    }

    /// Whether each cell is left out, row by row.
    pub fn cells(&self) -> &[bool] {
        &self.cells
    }

    /// Whether nothing of the picture is looked at.
    pub fn is_whole(&self) -> bool {
        self.cells.iter().all(|masked| *masked)
    }

    /// Whether the cell that holds a pixel of the small picture is left out; outside the picture nothing is.
    pub fn covers(&self, x: usize, y: usize) -> bool {
        let column = (x / CELL).min(COLUMNS - 1);
        self.cells.get(y / CELL * COLUMNS + column).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_a_part_of_the_picture() {
        assert!(Area::new(0, 0, 1000, 1000).is_some());
        assert_eq!(Area::new(500, 0, 500, 10), None);
        assert_eq!(Area::new(0, 0, 1001, 10), None);
        let area = Area::new(250, 900, 501, 1000).unwrap();
        assert_eq!((area.columns(320), area.rows(180)), (80..161, 162..180));
    }

    #[test]
    fn a_mask_covers_every_cell_that_an_area_touches() {
        let check = |areas: &[Area], expected: usize| {
            let mask = Mask::of(areas.iter().copied());
            assert_eq!(mask.cells().iter().filter(|cell| **cell).count(), expected, "{areas:?}");
        };
        check(&[], 0);
        check(&[Area::new(0, 0, 1000, 1000).unwrap()], COLUMNS * ROWS);
        check(&[Area::new(0, 0, 1, 1).unwrap()], 1);
        check(&[Area::new(0, 0, 1, 1).unwrap(), Area::new(0, 0, 1, 1).unwrap()], 1);
        check(&Areas::default().masked, COLUMNS * 8);
    }

    #[test]
    fn the_clock_is_left_out_like_the_rest_of_the_osd() {
        let areas = Areas { masked: Vec::new(), clock: Area::new(0, 0, 250, 111) };
        let mask = areas.mask();
        assert!(mask.covers(0, 0) && mask.covers(79, 19));
        assert!(!mask.covers(80, 0) && !mask.covers(0, 20));
    }
}
