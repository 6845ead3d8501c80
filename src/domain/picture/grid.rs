//! Where the picture has edges: the mean step between neighbouring pixels in each of 64 x 36 cells, cleaned of noise.
//!
//! Small enough to keep for every point and light, coarse enough that nobody can be seen in it.

use crate::domain::picture::area::Mask;
use crate::domain::picture::{Luma, SMALL_HEIGHT, SMALL_WIDTH, byte, share};

/// Pixels of the small picture along each side of a cell.
pub const CELL: usize = 5;
/// Cells in a row.
pub const COLUMNS: usize = SMALL_WIDTH / CELL;
/// Rows of cells.
pub const ROWS: usize = SMALL_HEIGHT / CELL;
/// Cells along each side of a block, the unit in which a cover is looked for.
const BLOCK: usize = 4;
const BLOCK_COLUMNS: usize = COLUMNS / BLOCK;
const BLOCK_ROWS: usize = ROWS / BLOCK;
/// Codes per root of a step: the largest step (255 across and 255 down) still fits a byte.
const CODE: f64 = 11.25;
/// White noise of deviation s makes a mean step of 2 x 2/sqrt(pi) x s: two differences of two pixels each.
const STEP_OF_NOISE: f64 = 2.256_758;
const PIXELS_OF_CELL: f64 = 25.0;

/// The edges of a picture. A cell holds the root of its mean step, so that a byte tells faint edges from none and one
/// bright lamp does not outweigh a street.
#[derive(Clone, PartialEq, Eq)]
pub struct EdgeGrid {
    codes: Box<[u8]>,
}

impl std::fmt::Debug for EdgeGrid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EdgeGrid({COLUMNS}x{ROWS})")
    }
}

impl EdgeGrid {
    /// The edges of a small picture that are more than noise of the deviation `noise` makes.
    pub fn of(small: &Luma, noise: f64) -> Self {
        let noise_step = STEP_OF_NOISE * noise;
        let code = |sum: u32| {
            let step = f64::from(sum) / PIXELS_OF_CELL;
            encode((step * step - noise_step * noise_step).max(0.0).sqrt())
        };
        Self { codes: step_sums(small).into_iter().map(code).collect() }
    }

    /// A grid from the codes that [`EdgeGrid::codes`] gave; `None` of another length.
    pub fn from_codes(codes: Box<[u8]>) -> Option<Self> {
        (codes.len() == COLUMNS * ROWS).then_some(Self { codes })
    }

    /// The code of each cell, row by row.
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// The mean step of each block; `None` for one of which more than half is masked.
    pub fn blocks(&self, mask: &Mask) -> Vec<Option<f64>> {
        let mut sums = [(0.0, 0_u8); BLOCK_COLUMNS * BLOCK_ROWS];
        for (at, (code, masked)) in self.codes.iter().zip(mask.cells()).enumerate() {
            let block = at / COLUMNS / BLOCK * BLOCK_COLUMNS + at % COLUMNS / BLOCK;
            if let Some((sum, cells)) = sums.get_mut(block).filter(|_| !masked) {
                *sum += decode(*code);
                *cells += 1;
            }
        }
        let half = BLOCK * BLOCK / 2;
        let mean =
            |(sum, cells): (f64, u8)| (usize::from(cells) >= half).then(|| share(sum, f64::from(cells)));
        sums.into_iter().map(mean).collect()
    }
}

fn encode(step: f64) -> u8 {
    byte(CODE * step.sqrt())
}

fn decode(code: u8) -> f64 {
    let root = f64::from(code) / CODE;
    root * root
}

/// The sum over each cell of the steps to the right and to the lower neighbour.
fn step_sums(small: &Luma) -> Vec<u32> {
    let mut sums = vec![0; COLUMNS * ROWS];
    let mut steps = [0_u16; SMALL_WIDTH];
    let below = small.rows().skip(1).chain(small.rows().last());
    for (y, (row, below)) in small.rows().zip(below).enumerate() {
        for (step, (here, below)) in steps.iter_mut().zip(row.iter().zip(below)) {
            *step = u16::from(here.abs_diff(*below));
        }
        for (step, (here, right)) in steps.iter_mut().zip(row.iter().zip(row.iter().skip(1))) {
            *step += u16::from(here.abs_diff(*right));
        }
        let cells = sums.iter_mut().skip(y / CELL * COLUMNS);
        for (cell, steps) in cells.zip(steps.chunks_exact(CELL)) {
            *cell += steps.iter().map(|step| u32::from(*step)).sum::<u32>();
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;
    use proptest::prelude::{any, prop_assert, proptest};

    fn unmasked() -> Mask {
        Mask::of([])
    }

    #[test]
    fn a_flat_picture_has_no_edges() {
        let grid = EdgeGrid::of(&scene::small(|_, _| 90), 0.0);
        assert!(grid.codes().iter().all(|code| *code == 0));
        assert!(grid.blocks(&unmasked()).iter().all(|block| *block == Some(0.0)));
    }

    #[test]
    fn an_edge_is_where_it_is() {
        // A step of 100 levels down the middle of column 32 of the cells: 5 pixels of 25 hold it.
        let grid = EdgeGrid::of(&scene::small(|x, _| if x < 162 { 50 } else { 150 }), 0.0);
        for (at, code) in grid.codes().iter().enumerate() {
            let expected = if at % COLUMNS == 32 { 20.0 } else { 0.0 };
            assert!((decode(*code) - expected).abs() < 1.0, "{at}: {code}");
        }
    }

    #[test]
    fn noise_alone_makes_no_edges() {
        let noisy = scene::small(|x, y| scene::level(100.0 + 6.0 * scene::gauss(x, y, 1)));
        let mean = |noise| {
            let blocks = EdgeGrid::of(&noisy, noise).blocks(&unmasked());
            blocks.iter().flatten().sum::<f64>() / 144.0
        };
        assert!((mean(0.0) - 6.0 * STEP_OF_NOISE).abs() < 0.7, "{}", mean(0.0));
        assert!(mean(6.0) < 4.5, "{}", mean(6.0));
    }

    #[test]
    fn a_masked_block_says_nothing() {
        let area = crate::domain::picture::Area::new(0, 0, 1000, 111).unwrap();
        let blocks = EdgeGrid::of(&scene::small(|_, _| 90), 0.0).blocks(&Mask::of([area]));
        assert!(blocks.iter().take(16).all(Option::is_none));
        assert!(blocks.iter().skip(16).all(Option::is_some));
    }

    proptest! {
        #[test]
        fn a_code_is_close_to_its_step(step in 0.0..510.0) {
            let near = decode(encode(step));
            prop_assert!((near - step).abs() <= 0.02 + 0.1 * step.sqrt(), "{step} {near}");
        }

        #[test]
        fn codes_survive(codes in proptest::collection::vec(any::<u8>(), COLUMNS * ROWS)) {
            let grid = EdgeGrid::from_codes(codes.clone().into()).unwrap();
            prop_assert!(grid.codes() == codes);
        }
    }
}
