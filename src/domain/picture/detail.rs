//! Detail and noise of the crop at 1:1, where a pixel is a pixel of the stream (模糊, 雪花/噪声).
//!
//! The variance of the Laplacian alone is no sharpness: white noise of deviation s adds 20 s^2 to it, so that a fully blurred
//! picture with night noise passes as sharp (domain.md 3.4: 324-326 at noise 6, 321 predicted). The noise is measured
//! with Immerkaer's mask, which sees neither edges nor slopes, and taken off.

use crate::domain::picture::area::Mask;
use crate::domain::picture::torn::torn_over_sides;
use crate::domain::picture::{Luma, SMALL_HEIGHT, SMALL_WIDTH, median, share};

/// Pixels along each side of the blocks over which noise is measured: the middle one of many blocks leaves out those
/// that are textured all over.
const BLOCK: usize = 20;
/// sqrt(pi/2)/6: J. Immerkaer, "Fast noise variance estimation", 1996.
const NOISE_OF_MASK: f64 = 0.208_885;
/// The sum of the squares of the Laplacian's four neighbours and its centre: what noise of variance 1 adds.
const LAPLACIAN_OF_NOISE: f64 = 20.0;
/// Blocks darker or brighter than this are clipped: they hide their noise.
const CLIPPED: (f64, f64) = (6.0, 249.0);

/// What is measured of the crop, and of the small picture beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detail {
    /// Deviation of the noise, in levels.
    pub noise: f64,
    /// Variance of the Laplacian without what the noise adds.
    pub detail: f64,
    /// The same of the small picture: by night and in large pictures a pixel of the stream shows little that could be sharp.
    pub coarse: f64,
    /// Torn sides of blocks over all.
    pub torn_over_sides: f64,
}

/// Sums over the pixels of a block; the largest, of squares of the Laplacian, stays below 2^29.
#[derive(Clone, Copy, Default)]
struct Block {
    pixels: i32,
    level: i32,
    laplacian: i32,
    laplacian_squares: i32,
    noise: i32,
}

impl Block {
    /// Takes a row of pixels with what the masks give for each of them.
    fn take(&mut self, levels: &[u8], laplacians: &[i16], noises: &[i16]) {
        let level = |level: &u8| i32::from(*level);
        let squared = |value: i32| value * value;
        self.pixels += levels.iter().map(|_| 1).sum::<i32>();
        self.level += levels.iter().map(level).sum::<i32>();
        self.laplacian += laplacians.iter().map(|value| i32::from(*value)).sum::<i32>();
        self.laplacian_squares += laplacians.iter().map(|value| squared((*value).into())).sum::<i32>();
        self.noise += noises.iter().map(|value| i32::from(value.abs())).sum::<i32>();
    }

    fn is_clipped(&self) -> bool {
        let mean = share(self.level.into(), self.pixels.into());
        mean < CLIPPED.0 || mean > CLIPPED.1
    }

    fn noise(&self) -> f64 {
        NOISE_OF_MASK * share(self.noise.into(), self.pixels.into())
    }
}

/// The variance of what the blocks summed up.
fn variance(blocks: &[Block], sums: fn(&Block) -> (i32, i32)) -> f64 {
    let total = |part: &dyn Fn(&Block) -> i32| blocks.iter().map(|block| f64::from(part(block))).sum::<f64>();
    let number = total(&|block| block.pixels);
    let mean = share(total(&|block| sums(block).0), number);
    share(total(&|block| sums(block).1), number) - mean * mean
}

impl Detail {
    /// Measures the crop and the small form of a picture of `size` outside the mask.
    pub fn of(crop: &Luma, small: &Luma, size: (u32, u32), mask: &Mask) -> Self {
        let (noise, detail) = noise_and_detail(crop, size, mask);
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let (_, coarse) = noise_and_detail(small, (side(SMALL_WIDTH), side(SMALL_HEIGHT)), mask);
        Self { noise, detail, coarse, torn_over_sides: torn_over_sides(crop, size) }
    }
}

/// The deviation of the noise in what was cut out of the middle of a picture of `size`, and the variance of the Laplacian
/// without it.
fn noise_and_detail(crop: &Luma, size: (u32, u32), mask: &Mask) -> (f64, f64) {
    let across = crop.width().div_ceil(BLOCK);
    let seen = |block: &(usize, Block)| {
        let (x, y) = (block.0 % across * BLOCK + BLOCK / 2, block.0 / across * BLOCK + BLOCK / 2);
        let (x, y) = in_small(crop, size, (x, y));
        block.1.pixels > 0 && !mask.covers(x, y)
    };
    let blocks: Vec<Block> =
        blocks(crop, across).into_iter().enumerate().filter(seen).map(|(_, block)| block).collect();
    let mut noises: Vec<f64> = blocks.iter().filter(|block| !block.is_clipped()).map(Block::noise).collect();
    let noise = median(&mut noises).unwrap_or(0.0);
    let laplacian = variance(&blocks, |block| (block.laplacian, block.laplacian_squares));
    (noise, (laplacian - added_by_noise(noise)).max(0.0))
}

/// Measures the inner pixels of the crop, block by block. Both masks are second differences: the Laplacian is that down
/// plus that across, Immerkaer's is that across of those down.
fn blocks(crop: &Luma, across: usize) -> Vec<Block> {
    let mut blocks = vec![Block::default(); across * crop.height().div_ceil(BLOCK)];
    let [mut down, mut laplacians, mut noises] = [const { Vec::new() }; 3];
    let rows = crop.rows().zip(crop.rows().skip(1)).zip(crop.rows().skip(2));
    for (y, ((above, here), below)) in rows.enumerate() {
        down.clear();
        let columns = above.iter().zip(here).zip(below);
        down.extend(
            columns.map(|((above, here), below)| bend((*above).into(), (*here).into(), (*below).into())),
        );
        let (left, middle, right) = beside(here);
        let (left_down, middle_down, right_down) = beside(&down);
        laplacians.clear();
        let pixels = left.iter().zip(middle).zip(right).zip(middle_down);
        laplacians.extend(pixels.map(|(((left, middle), right), down)| {
            down + bend((*left).into(), (*middle).into(), (*right).into())
        }));
        noises.clear();
        let pixels = left_down.iter().zip(middle_down).zip(right_down);
        noises.extend(pixels.map(|((left, middle), right)| bend(*left, *middle, *right)));
        let parts = middle.chunks(BLOCK).zip(laplacians.chunks(BLOCK)).zip(noises.chunks(BLOCK));
        let row = blocks.iter_mut().skip(y / BLOCK * across);
        row.zip(parts)
            .for_each(|(block, ((levels, laplacians), noises))| block.take(levels, laplacians, noises));
    }
    blocks
}

/// The second difference of three values in a row.
const fn bend(before: i16, here: i16, after: i16) -> i16 {
    before - 2 * here + after
}

/// All but the last two, the inner ones, and all but the first two.
fn beside<T>(row: &[T]) -> (&[T], &[T], &[T]) {
    let inner = row.len().saturating_sub(2);
    let from = |start: usize| row.get(start..start + inner).unwrap_or_default();
    (from(0), from(1), from(2))
}

/// The pixel of the small picture that shows a pixel of the crop.
fn in_small(crop: &Luma, size: (u32, u32), (x, y): (usize, usize)) -> (usize, usize) {
    let scaled = |at: usize, cropped: usize, whole: u32, small: usize| {
        let whole = usize::try_from(whole).unwrap_or(usize::MAX).max(1);
        (whole.saturating_sub(cropped) / 2).saturating_add(at).saturating_mul(small) / whole
    };
    (scaled(x, crop.width(), size.0, SMALL_WIDTH), scaled(y, crop.height(), size.1, SMALL_HEIGHT))
}

/// What noise of a deviation adds to the variance of the Laplacian.
pub fn added_by_noise(deviation: f64) -> f64 {
    LAPLACIAN_OF_NOISE * deviation * deviation
}

/// How much of the usual detail is left that is not explained by a loss of contrast: fog, dusk and gain take of both, a blur of
/// the detail alone. Contrast is the deviation of the levels of the whole picture, of which a blur takes little.
pub fn detail_left(now: f64, usual: f64, deviation_left: f64) -> f64 {
    let gain = if deviation_left > 0.0 { deviation_left.min(1.0) } else { 1.0 };
    share(now, usual) / (gain * gain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::feature::Levels;
    use crate::domain::picture::scene;
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    fn measured(small: &Luma) -> Detail {
        Detail::of(small, small, (640, 360), &Mask::of([]))
    }

    fn left(before: &Luma, now: &Luma) -> f64 {
        let deviation = |luma| Levels::of(luma, &Mask::of([])).deviation;
        detail_left(measured(now).detail, measured(before).detail, deviation(now) / deviation(before))
    }

    #[test]
    fn noise_is_measured_and_taken_off_the_detail() {
        for deviation in [2.0, 3.0, 6.0, 12.0] {
            let noisy = measured(&scene::noisy(&scene::small(|_, _| 120), deviation, 7));
            assert!((noisy.noise / deviation - 1.0).abs() < 0.06, "{deviation}: {noisy:?}");
            let added = LAPLACIAN_OF_NOISE * deviation * deviation;
            assert!(noisy.detail < 0.12 * added, "{deviation}: {noisy:?}");
        }
    }

    #[test]
    fn a_blurred_picture_with_noise_does_not_pass_as_sharp() {
        let yard = scene::small(scene::yard);
        let sharp = scene::noisy(&yard, 1.0, 1);
        for (radius, noise) in [(2, 0.0), (5, 0.0), (5, 3.0), (5, 6.0)] {
            let left = left(&sharp, &scene::noisy(&scene::blurred(&yard, radius), noise, 3));
            assert!(left < 0.4, "{radius} {noise}: {left}");
        }
    }

    #[test]
    fn fog_dusk_and_noise_are_no_blur() {
        let yard = scene::small(scene::yard);
        let sharp = scene::noisy(&yard, 1.0, 1);
        let check = |name: &str, draw: &dyn Fn(f64) -> f64| {
            let other = scene::changed(&yard, |level, x, y| draw(level) + 2.0 * scene::gauss(x, y, 5));
            let left = left(&sharp, &other);
            assert!(left > 0.5, "{name}: {left}");
        };
        check("noise", &|level| level);
        check("60 % white", &|level| 0.4 * level + 150.0);
        check("dusk", &|level| 0.3 * level);
    }

    #[test]
    fn nothing_is_measured_of_nothing() {
        assert_eq!(measured(&scene::small(|_, _| 0)), Detail::default());
        let tiny = Luma::new(2, vec![9; 4].into()).unwrap();
        assert_eq!(Detail::of(&tiny, &tiny, (2, 2), &Mask::of([])), Detail::default());
        let all = crate::domain::picture::Area::new(0, 0, 1000, 1000);
        let yard = scene::small(scene::yard);
        let masked = Detail::of(&yard, &yard, (640, 360), &Mask::of(all));
        assert_eq!(Detail { torn_over_sides: 0.0, ..masked }, Detail::default());
    }

    #[test]
    fn a_pixel_of_the_crop_lies_where_it_was_cut() {
        let crop = scene::small(|_, _| 0);
        let check = |size, place, expected| assert_eq!(in_small(&crop, size, place), expected);
        check((640, 360), (0, 0), (80, 45));
        check((640, 360), (319, 179), (239, 134));
        check((1920, 1080), (160, 90), (160, 90));
        check((320, 180), (7, 9), (7, 9));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_gain_changes_no_share_of_detail(gain in 0.35..1.0) {
            let yard = scene::small(scene::yard);
            let left = left(&yard, &scene::changed(&yard, |level, _, _| gain * level));
            prop_assert!((0.8..1.25).contains(&left), "{left}");
        }
    }
}
