//! Small scenes for the unit tests, drawn from the coordinates alone.

use crate::domain::picture::{
    Areas, CHROMA_HEIGHT, CHROMA_WIDTH, Chroma, Features, Luma, Picture, SMALL_HEIGHT, SMALL_WIDTH, byte,
    crop_size,
};
use std::f64::consts::TAU;

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap()
}

fn drawn(width: usize, height: usize, draw: impl Fn(u32, u32) -> u8) -> Luma {
    let row = |y| (0..side(width)).map(move |x| (x, y));
    let pixels = (0..side(height)).flat_map(row).map(|(x, y)| draw(x, y)).collect();
    Luma::new(width, pixels).unwrap()
}

/// Draws a small picture.
pub(super) fn small(draw: impl Fn(u32, u32) -> u8) -> Luma {
    drawn(SMALL_WIDTH, SMALL_HEIGHT, draw)
}

/// Draws small chroma planes, Cb and Cr.
pub(super) fn chroma(draw: impl Fn(u32, u32) -> (u8, u8)) -> Chroma {
    let plane = |part: fn((u8, u8)) -> u8| {
        drawn(CHROMA_WIDTH, CHROMA_HEIGHT, |x, y| part(draw(x, y))).pixels().to_vec().into_boxed_slice()
    };
    Chroma::new(plane(|(blue, _)| blue), plane(|(_, red)| red)).unwrap()
}

/// Draws a picture of a size.
pub(super) fn picture(
    size: (u32, u32),
    luma: impl Fn(u32, u32) -> u8,
    colour: impl Fn(u32, u32) -> (u8, u8),
) -> Picture {
    let (width, height) = crop_size(size);
    let crop = drawn(width, height, &luma);
    Picture::new(size, small(luma), crop, Some(chroma(colour))).unwrap()
}

/// The features of a picture that is as small as the small one.
pub(super) fn features(small: &Luma, chroma: Option<Chroma>, areas: &Areas) -> Features {
    let picture = Picture::new((320, 180), small.clone(), small.clone(), chroma).unwrap();
    Features::of(&picture, areas)
}

/// The nearest level.
pub(super) fn level(value: f64) -> u8 {
    byte(value)
}

/// Changes every pixel of a picture.
pub(super) fn changed(luma: &Luma, change: impl Fn(f64, u32, u32) -> f64) -> Luma {
    let at = |x: u32, y: u32| f64::from(luma.pixels()[usize::try_from(y * 320 + x).unwrap()]);
    small(|x, y| level(change(at(x, y), x, y)))
}

/// Adds noise of a deviation; another seed is another moment.
pub(super) fn noisy(luma: &Luma, deviation: f64, seed: u64) -> Luma {
    changed(luma, |level, x, y| level + deviation * gauss(x, y, seed))
}

/// The mean over a square around each pixel, twice: close to a Gauss blur of deviation 0.8 x radius.
pub(super) fn blurred(luma: &Luma, radius: i32) -> Luma {
    (0..2).fold(luma.clone(), |luma, _| {
        let along = |luma: &Luma, (across, down): (i32, i32)| {
            let moved = |at: u32, by: i32, length: u32| at.saturating_add_signed(by).min(length - 1);
            small(|x, y| {
                let near = (-radius..=radius).map(|step| {
                    let (x, y) = (moved(x, step * across, 320), moved(y, step * down, 180));
                    f64::from(luma.pixels()[usize::try_from(y * 320 + x).unwrap()])
                });
                level(near.sum::<f64>() / f64::from(2 * radius + 1))
            })
        };
        along(&along(&luma, (1, 0)), (0, 1))
    })
}

/// splitmix64.
fn mixed(x: u32, y: u32, seed: u64) -> u64 {
    let mut z = (u64::from(x) << 32 | u64::from(y)).wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for _ in 0..2 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z
}

/// A number in `[0, 1)` that belongs to a place.
fn uniform(x: u32, y: u32, seed: u64) -> f64 {
    f64::from(u32::try_from(mixed(x, y, seed) >> 32).unwrap()) / 4_294_967_296.0
}

/// A number of the normal distribution that belongs to a place.
pub(super) fn gauss(x: u32, y: u32, seed: u64) -> f64 {
    let (one, other) = (uniform(x, y, seed), uniform(x, y, seed ^ 0xa5a5_a5a5));
    (-2.0 * (1.0 - one).ln()).sqrt() * (TAU * other).cos()
}

/// Hills of a width.
fn smooth(x: u32, y: u32, width: u32, seed: u64) -> f64 {
    let (column, row) = (x / width, y / width);
    let (right, down) = (f64::from(x % width) / f64::from(width), f64::from(y % width) / f64::from(width));
    let at = |column, row| uniform(column, row, seed);
    let above = at(column, row) * (1.0 - right) + at(column + 1, row) * right;
    let below = at(column, row + 1) * (1.0 - right) + at(column + 1, row + 1) * right;
    above * (1.0 - down) + below * down
}

/// A scene with edges everywhere, of any size.
pub(super) fn yard(x: u32, y: u32) -> u8 {
    let height = 0.6 * smooth(x, y, 24, 11) + 0.4 * smooth(x, y, 9, 12);
    level(30.0 + 35.0 * (6.0 * height).floor())
}

/// Another scene: an even sky over walls and a road.
pub(super) fn street(x: u32, y: u32) -> u8 {
    if y < 40 {
        return 185;
    }
    let height = 0.5 * smooth(x, y, 31, 21) + 0.5 * smooth(x, y, 13, 22);
    level(40.0 + 30.0 * (6.0 * height).floor())
}
