//! Torn blocks (花屏): what a decoder makes of slices that never came, or came wrong, and says nothing of.
//!
//! Coders work in squares of 16 pixels and smooth their rims, so that a sound picture has no step there that is not in the
//! scene. A torn one has: across the rim of a square the levels jump, right inside and right outside they do not.

use crate::domain::picture::{Luma, count, share};

/// Side of a macroblock of H.264, the smallest coding tree block of H.265, and twice the block of JPEG.
const SIDE: usize = 16;
/// A jump of fewer levels on average is no tear. Not measured on real cameras.
const LEAST_JUMP: u32 = 14;
/// A jump this many times as large as the steps beside it is a tear. Not measured on real cameras.
const TIMES: u32 = 3;

/// Sums of the steps before, across and behind the side of a block.
#[derive(Clone, Copy, Default)]
struct Steps {
    before: u32,
    across: u32,
    behind: u32,
    pixels: u32,
}

impl Steps {
    fn of(quads: impl Iterator<Item = [u8; 4]>) -> Self {
        quads.fold(Self::default(), |steps, [a, b, c, d]| Self {
            before: steps.before + u32::from(a.abs_diff(b)),
            across: steps.across + u32::from(b.abs_diff(c)),
            behind: steps.behind + u32::from(c.abs_diff(d)),
            pixels: steps.pixels + 1,
        })
    }

    const fn is_torn(self) -> bool {
        let beside = if self.before > self.behind { self.before } else { self.behind };
        self.across > LEAST_JUMP * self.pixels && self.across > TIMES * beside
    }
}

/// The share of the blocks' sides in the crop that are torn; the crop was cut from the middle of a picture of `size`.
pub fn torn_over_sides(crop: &Luma, size: (u32, u32)) -> f64 {
    let rows: Vec<&[u8]> = crop.rows().collect();
    let upright = boundaries(crop.width(), size.0);
    let level = boundaries(crop.height(), size.1);
    let (mut sides, mut torn) = (0, 0);
    let mut take = |steps: Steps| {
        sides += 1;
        torn += usize::from(steps.is_torn());
    };
    let bands = rows.get(level.first().copied().unwrap_or(0)..).unwrap_or_default().chunks_exact(SIDE);
    for band in bands {
        for at in &upright {
            let quads = band.iter().filter_map(|row| row.get(at - 2..at + 2)?.try_into().ok());
            take(Steps::of(quads));
        }
    }
    let first = upright.first().copied().unwrap_or(0);
    for at in &level {
        let Some([a, b, c, d]) = rows.get(at - 2..at + 2) else { continue };
        let [a, b, c, d] = [a, b, c, d].map(|row| row.get(first..).unwrap_or_default().chunks_exact(SIDE));
        for (((a, b), c), d) in a.zip(b).zip(c).zip(d) {
            let quads = a.iter().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| [*a, *b, *c, *d]);
            take(Steps::of(quads));
        }
    }
    share(count(torn), count(sides))
}

/// Where in the crop the blocks of the whole picture begin, with two pixels on either side.
fn boundaries(cropped: usize, whole: u32) -> Vec<usize> {
    let cut = usize::try_from(whole).unwrap_or(usize::MAX).saturating_sub(cropped) / 2;
    let first = (SIDE - cut % SIDE) % SIDE;
    (first..cropped).step_by(SIDE).filter(|at| *at >= 2 && at + 2 <= cropped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;
    use proptest::prelude::{any, prop_assert, proptest};

    #[test]
    fn blocks_begin_where_the_picture_does() {
        let check = |cropped, whole, first: &[usize]| {
            assert_eq!(boundaries(cropped, whole)[..first.len()], *first, "{cropped} of {whole}");
        };
        check(320, 640, &[16, 32]);
        check(180, 360, &[6, 22]);
        check(180, 1080, &[14, 30]);
        check(144, 144, &[16, 32]);
        assert_eq!(boundaries(3, 3), Vec::<usize>::new());
    }

    fn torn(draw: impl Fn(u32, u32) -> u8) -> f64 {
        torn_over_sides(&scene::small(draw), (640, 360))
    }

    #[test]
    fn torn_blocks_are_seen_and_a_sharp_scene_is_not_torn() {
        let whole = torn(scene::yard);
        assert!(whole < 0.02, "{whole}");
        // Every third block shows another place. The crop begins 160 pixels to the right and 90 below.
        let spoilt = torn(|x, y| {
            let block = (x + 160) / 16 + 7 * ((y + 90) / 16);
            if block % 3 == 0 { 240 } else { scene::yard(x, y) }
        });
        assert!(spoilt > 0.3, "{spoilt}");
    }

    #[test]
    fn a_flat_or_noisy_picture_is_not_torn() {
        assert!(torn(|_, _| 60) <= 0.0);
        assert!(torn(|x, y| scene::level(90.0 + 12.0 * scene::gauss(x, y, 4))) <= 0.0);
        assert!(torn_over_sides(&Luma::new(2, vec![0, 255].into()).unwrap(), (2, 1)) <= 0.0);
    }

    proptest! {
        #[test]
        fn every_crop_has_a_share(width in 1..80_usize, height in 1..60_usize, whole in any::<(u16, u16)>(), seed in any::<u64>()) {
            let pixels = (0..width * height).map(|at| scene::level(128.0 + 90.0 * scene::gauss(u32::try_from(at).unwrap(), 0, seed)));
            let crop = Luma::new(width, pixels.collect()).unwrap();
            let torn = torn_over_sides(&crop, (whole.0.into(), whole.1.into()));
            prop_assert!((0.0..=1.0).contains(&torn));
        }
    }
}
