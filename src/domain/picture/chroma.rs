//! Colour: whether there is any (infrared has none), and whether one colour lies over everything (偏色).

use crate::domain::picture::area::Mask;
use crate::domain::picture::{CHROMA_WIDTH, Chroma, Luma, SMALL_WIDTH, byte, count};

/// Below this mean distance of the chroma from 128 there is no colour. Infrared gives 0, its encoder adds one level or
/// two; snow under a grey sky gives more. Not measured on real cameras.
const NEAR_ZERO: f64 = 3.0;
/// Every fourth sample of every fourth row: of 900 the mean is known to a thirtieth of their spread.
const STRIDE: usize = 4;
/// Reference white D65 of CIE 1931.
const WHITE: [f64; 3] = [0.950_47, 1.0, 1.088_83];
/// Where CIE's cube root turns into a line: (6/29)^3.
const LINEAR_BELOW: f64 = 0.008_856;
/// A spread smaller than this many units of a* and b* is one colour: dividing by it would say nothing.
const LEAST_SPREAD: f64 = 0.5;

/// Whether a picture has colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// It has.
    Colour,
    /// It has none: infrared, or a grey camera.
    Grey,
}

/// What is measured of the colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourFeatures {
    /// Whether there is any.
    pub tone: Tone,
    /// The mean colour.
    pub hue: Hue,
    /// M: how far the colours spread around it, as mean distance. At least `LEAST_SPREAD`.
    pub spread: f64,
}

/// A colour without its lightness: a* and b* of CIE L*a*b*.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hue {
    /// From green to red.
    pub a: f64,
    /// From blue to yellow.
    pub b: f64,
}

impl Hue {
    fn distance(self, other: Self) -> f64 {
        (self.a - other.a).hypot(self.b - other.b)
    }
}

impl ColourFeatures {
    /// What a picture without chroma has.
    pub const NONE: Self = Self { tone: Tone::Grey, hue: Hue { a: 0.0, b: 0.0 }, spread: LEAST_SPREAD };

    /// K = D/M: how far the mean colour is from grey, over how far the colours spread around it.
    pub fn cast(&self) -> f64 {
        self.cast_over(&Self::NONE)
    }

    /// K from the usual colour instead of grey: a field is green by nature, and blue light over it is as near to grey as it
    /// was. Of both spreads the larger one counts, so that a field under snow, which lost its colour, is as far as it was
    /// from grey before and no further.
    pub fn cast_over(&self, usual: &Self) -> f64 {
        self.hue.distance(usual.hue) / self.spread.max(usual.spread)
    }

    /// Measures the colour outside the mask.
    pub fn of(small: &Luma, chroma: &Chroma, mask: &Mask) -> Self {
        let mut colours = Vec::with_capacity(1024);
        let linear = linear_levels();
        let planes = chroma.blue().chunks_exact(CHROMA_WIDTH).zip(chroma.red().chunks_exact(CHROMA_WIDTH));
        let lumas = small.rows().step_by(2);
        let mut saturation = 0.0;
        for (y, (luma, (blue, red))) in lumas.zip(planes).enumerate().step_by(STRIDE) {
            let samples = luma.iter().step_by(2).zip(blue.iter().zip(red)).enumerate().step_by(STRIDE);
            for (_, (luma, (blue, red))) in samples.filter(|(x, _)| !mask.covers(2 * x, 2 * y)) {
                saturation += f64::from(blue.abs_diff(128).max(red.abs_diff(128)));
                colours.push(hue_of(rgb(*luma, *blue, *red), &linear));
            }
        }
        let number = count(colours.len());
        if colours.is_empty() || saturation / number < NEAR_ZERO {
            return Self::NONE;
        }
        let mean = |part: &dyn Fn(&Hue) -> f64| colours.iter().map(part).sum::<f64>() / number;
        let hue = Hue { a: mean(&|colour| colour.a), b: mean(&|colour| colour.b) };
        let spread = mean(&|colour| (colour.a - hue.a).abs()).hypot(mean(&|colour| (colour.b - hue.b).abs()));
        Self { tone: Tone::Colour, hue, spread: spread.max(LEAST_SPREAD) }
    }
}

/// ITU-R BT.601 in full range.
fn rgb(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (luma, blue, red) = (f64::from(luma), f64::from(blue) - 128.0, f64::from(red) - 128.0);
    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue].map(byte)
}

/// The light of each level of sRGB.
fn linear_levels() -> [f64; 256] {
    let mut levels = [0.0; 256];
    for (light, level) in levels.iter_mut().zip(0_u8..=255) {
        let share = f64::from(level) / 255.0;
        *light = if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) };
    }
    levels
}

fn hue_of(rgb: [u8; 3], linear: &[f64; 256]) -> Hue {
    let [r, g, b] = rgb.map(|level| linear.get(usize::from(level)).copied().unwrap_or(0.0));
    let [white_x, white_y, white_z] = WHITE;
    let x = root((0.412_456 * r + 0.357_576 * g + 0.180_438 * b) / white_x);
    let y = root((0.212_673 * r + 0.715_152 * g + 0.072_175 * b) / white_y);
    let z = root((0.019_334 * r + 0.119_192 * g + 0.950_304 * b) / white_z);
    Hue { a: 500.0 * (x - y), b: 200.0 * (y - z) }
}

fn root(share: f64) -> f64 {
    if share > LINEAR_BELOW { share.cbrt() } else { 7.787 * share + 16.0 / 116.0 }
}

const _: () = assert!(SMALL_WIDTH == 2 * CHROMA_WIDTH);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;

    fn measured(colour: impl Fn(u32, u32) -> (u8, u8)) -> ColourFeatures {
        ColourFeatures::of(&scene::small(scene::street), &scene::chroma(colour), &Mask::of([]))
    }

    #[test]
    fn lab_is_that_of_the_books() {
        let linear = linear_levels();
        let check = |rgb, expected: (f64, f64)| {
            let hue = hue_of(rgb, &linear);
            assert!((hue.a - expected.0).hypot(hue.b - expected.1) < 0.1, "{rgb:?}: {hue:?}");
        };
        check([128, 128, 128], (0.0, 0.0));
        check([255, 0, 0], (80.09, 67.20));
        check([0, 255, 0], (-86.18, 83.18));
        check([0, 0, 255], (79.19, -107.86));
    }

    #[test]
    fn infrared_has_no_colour() {
        assert_eq!(measured(|_, _| (128, 128)), ColourFeatures::NONE);
        assert_eq!(measured(|x, _| if x % 2 == 0 { (127, 129) } else { (130, 128) }), ColourFeatures::NONE);
    }

    #[test]
    fn a_cast_lies_over_everything_and_a_coloured_wall_does_not() {
        let colours = |x: u32, y: u32| match (x / 40 + y / 30) % 4 {
            0 => (110, 150),
            1 => (145, 115),
            2 => (120, 120),
            _ => (138, 136),
        };
        let plain = measured(colours);
        assert!(plain.tone == Tone::Colour && plain.cast() < 1.0, "{plain:?}");
        let cast = measured(|x, y| {
            let (blue, red) = colours(x, y);
            (blue, red.saturating_add(60))
        });
        assert!(cast.cast() > 1.5, "{cast:?}");
        assert!(cast.cast_over(&plain) > 1.5 && plain.cast_over(&plain) <= 0.0, "{cast:?} {plain:?}");
        let one_colour = measured(|_, _| (190, 100));
        assert!(one_colour.cast() > 1.5, "{one_colour:?}");
    }

    #[test]
    fn what_is_masked_has_no_colour() {
        let all = crate::domain::picture::Area::new(0, 0, 1000, 1000);
        let chroma = scene::chroma(|_, _| (200, 40));
        assert_eq!(
            ColourFeatures::of(&scene::small(scene::street), &chroma, &Mask::of(all)),
            ColourFeatures::NONE
        );
    }
}
