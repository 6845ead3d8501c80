//! Everything that is measured of one picture: numbers and coarse grids, from which nobody can be recognised.

use crate::domain::picture::area::{Areas, Mask};
use crate::domain::picture::chroma::{ColourFeatures, Tone};
use crate::domain::picture::detail::Detail;
use crate::domain::picture::grid::{CELL, COLUMNS, EdgeGrid};
use crate::domain::picture::still::Imprint;
use crate::domain::picture::stripe::StripeBands;
use crate::domain::picture::{Luma, Picture, share};
use std::cmp::Reverse;

/// Levels below this are dark (domain.md 3.3).
const DARK: u8 = 16;
/// Levels above this are bright (domain.md 3.3).
const BRIGHT: u8 = 240;

/// The words of a recorder cover up to one pixel in so many: "VIDEO LOSS" in letters of a tenth of the height.
const WORDS: u32 = 25;

/// What is measured of the levels of the small picture, outside the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// Mean level.
    pub mean: f64,
    /// Standard deviation of the levels.
    pub deviation: f64,
    /// The same without the few pixels that differ most from the middle level: a recorder writes its words over a lost
    /// channel.
    pub core_deviation: f64,
    /// Pixels darker than 16 over all.
    pub dark_over_all: f64,
    /// Pixels brighter than 240 over all.
    pub bright_over_all: f64,
}

impl Levels {
    /// Measures a small picture; everything is 0 when all of it is masked.
    pub fn of(small: &Luma, mask: &Mask) -> Self {
        let histogram = histogram(small, mask);
        let pixels: u32 = histogram.iter().sum();
        let over_all = |counts: fn(u8) -> bool| {
            let counted = (0_u8..=255).zip(histogram).filter(|(level, _)| counts(*level));
            share(counted.map(|(_, number)| f64::from(number)).sum(), f64::from(pixels))
        };
        let (mean, deviation) = spread(&histogram);
        let (_, core_deviation) = spread(&core(&histogram, pixels));
        Self {
            mean,
            deviation,
            core_deviation,
            dark_over_all: over_all(|level| level < DARK),
            bright_over_all: over_all(|level| level > BRIGHT),
        }
    }
}

/// Mean and standard deviation of counted levels.
fn spread(histogram: &[u32; 256]) -> (f64, f64) {
    let (mut pixels, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (level, number) in (0_u8..=255).zip(histogram) {
        let (value, number) = (f64::from(level), f64::from(*number));
        pixels += number;
        sum += number * value;
        squares += number * value * value;
    }
    let mean = share(sum, pixels);
    (mean, (share(squares, pixels) - mean * mean).max(0.0).sqrt())
}

/// The counted levels without one in [`WORDS`] of the pixels, those that differ most from the middle level.
fn core(histogram: &[u32; 256], pixels: u32) -> [u32; 256] {
    let mut below = 0;
    let middle = (0_u8..=255).zip(histogram).find(|(_, number)| {
        below += **number;
        2 * below >= pixels
    });
    let middle = middle.map_or(0, |(level, _)| level);
    let mut core = *histogram;
    let mut spare = pixels / WORDS;
    let mut numbers: Vec<(u8, &mut u32)> = (0_u8..=255).zip(&mut core).collect();
    numbers.sort_by_key(|(level, _)| Reverse(level.abs_diff(middle)));
    for (_, number) in numbers {
        let taken = spare.min(*number);
        (*number, spare) = (*number - taken, spare - taken);
    }
    core
}

fn histogram(small: &Luma, mask: &Mask) -> [u32; 256] {
    let mut histogram = [0; 256];
    for (y, row) in small.rows().enumerate() {
        let masked = mask.cells().iter().skip(y / CELL * COLUMNS);
        for (pixels, _) in row.chunks_exact(CELL).zip(masked).filter(|(_, masked)| !**masked) {
            for pixel in pixels {
                if let Some(number) = histogram.get_mut(usize::from(*pixel)) {
                    *number += 1;
                }
            }
        }
    }
    histogram
}

/// What is measured of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Width and height in pixels as decoded.
    pub size: (u32, u32),
    /// The levels.
    pub levels: Levels,
    /// The colour.
    pub colour: ColourFeatures,
    /// Detail and noise of the crop.
    pub detail: Detail,
    /// Stripes of the crop.
    pub stripes: StripeBands,
    /// Where the edges are.
    pub edges: EdgeGrid,
    /// What tells the picture from another one.
    pub imprint: Imprint,
}

impl Features {
    /// Measures a picture of a point.
    pub fn of(picture: &Picture, areas: &Areas) -> Self {
        let mask = areas.mask();
        let (small, crop) = (picture.small(), picture.crop());
        let detail = Detail::of(crop, small, picture.size(), &mask);
        let colour = picture.chroma().map(|chroma| ColourFeatures::of(small, chroma, &mask));
        Self {
            size: picture.size(),
            levels: Levels::of(small, &mask),
            colour: colour.unwrap_or(ColourFeatures::NONE),
            detail,
            stripes: StripeBands::of(crop),
            edges: EdgeGrid::of(small, detail.noise),
            imprint: Imprint::of(small, areas.clock),
        }
    }

    /// Whether the picture has colour.
    pub const fn tone(&self) -> Tone {
        self.colour.tone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

    fn check(draw: impl Fn(u32, u32) -> u8, expected: Levels) {
        let levels = Levels::of(&scene::small(draw), &Mask::of([]));
        let pairs = [
            (levels.mean, expected.mean),
            (levels.deviation, expected.deviation),
            (levels.core_deviation, expected.core_deviation),
            (levels.dark_over_all, expected.dark_over_all),
            (levels.bright_over_all, expected.bright_over_all),
        ];
        assert!(
            pairs.iter().all(|(found, expected)| (found - expected).abs() < 1e-9),
            "{levels:?} {expected:?}"
        );
    }

    #[test]
    fn levels_are_counted() {
        check(|_, _| 0, Levels { dark_over_all: 1.0, ..Levels::default() });
        check(|_, _| 16, Levels { mean: 16.0, ..Levels::default() });
        check(|_, _| 255, Levels { mean: 255.0, bright_over_all: 1.0, ..Levels::default() });
        // Four pixels in a hundred leave the core, all of the level that is not the middle one.
        let core_deviation = 230.0 * (46.0_f64 / 96.0 * 50.0 / 96.0).sqrt();
        let half = Levels {
            mean: 125.0,
            deviation: 115.0,
            core_deviation,
            dark_over_all: 0.5,
            bright_over_all: 0.0,
        };
        check(|x, _| if x < 160 { 10 } else { 240 }, half);
    }

    #[test]
    fn what_is_masked_is_not_counted() {
        let drawn = scene::small(|_, y| if y < 20 { 255 } else { 90 });
        let levels = Levels::of(&drawn, &Areas::default().mask());
        assert_eq!(levels, Levels { mean: 90.0, ..Levels::default() });
    }

    #[test]
    fn words_over_one_colour_leave_the_core() {
        let levels = Levels::of(&scene::small(|x, y| if x < 60 && y < 36 { 235 } else { 41 }), &Mask::of([]));
        assert!(levels.deviation > 30.0 && levels.core_deviation < 1e-9, "{levels:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_picture_has_features(seed in any::<u64>(), swing in 0.0..400.0, width in 1..700_u32, height in 1..500_u32) {
            let noise = |x, y| scene::level(128.0 + swing * scene::gauss(x, y, seed));
            let picture = scene::picture((width, height), noise, |x, y| (noise(x, y), noise(y, x)));
            let features = Features::of(&picture, &Areas::default());
            let Levels { mean, deviation, core_deviation, dark_over_all, bright_over_all } = features.levels;
            prop_assert!((0.0..=255.0).contains(&mean) && (0.0..=128.0).contains(&deviation));
            prop_assert!(core_deviation <= deviation + 1e-9);
            prop_assert!(dark_over_all + bright_over_all <= 1.0 + 1e-9);
            let Detail { noise, detail, coarse, torn_over_sides } = features.detail;
            prop_assert!((0.0..=1.0).contains(&torn_over_sides));
            prop_assert!([noise, detail, coarse, features.colour.cast()].iter().all(|value| value.is_finite() && *value >= 0.0));
        }
    }
}
