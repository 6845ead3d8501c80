//! What a lens does to sharpness: a blur near enough to Gaussian, at the same cost for every width.

use crate::simulate::scene::drawing::{Drawing, Plane};

/// Boxes of one width, one after the other, come near a Gaussian.
const PASSES: usize = 3;

/// A box whose two ends count in part, so that every width is possible.
#[derive(Clone, Copy)]
struct Blur {
    /// Whole pixels on either side.
    reach: i32,
    /// What the pixel after them counts, in 256th parts.
    end: u32,
    /// 2^32 over the sum of all weights.
    inverse: u64,
}

impl Blur {
    /// For a standard deviation in 16th parts of a pixel. A box of r whole pixels on either side and f of the next has
    /// the variance (r(r + 1)(2r + 1) / 3 + 2f(r + 1)^2) / (2r + 1 + 2f), and each pass gives a third of the whole.
    fn of(sigma: u32) -> Self {
        let squared = sigma * sigma;
        let reach = (0..).take_while(|reach| reach * (reach + 1) * 256 <= squared).last().unwrap_or(0);
        let (inside, beyond) = (2 * reach + 1, (reach + 1) * (reach + 1));
        let end = 256 * inside * (squared - 256 * reach * (reach + 1)) / (1536 * beyond - 2 * squared);
        let weight = inside * 256 + 2 * end;
        Self { reach: i32::try_from(reach).unwrap_or(0), end, inverse: (1 << 32) / u64::from(weight) }
    }

    fn weigh(self, sum: u32, ends: u32) -> u8 {
        let total = u64::from(sum * 256 + ends * self.end);
        u8::try_from((total * self.inverse + (1 << 31)) >> 32).unwrap_or(u8::MAX)
    }

    fn across(self, plane: &mut Plane) {
        let beside = usize::try_from(self.reach + 1).unwrap_or(1);
        let mut padded = Vec::new();
        for (_y, row) in plane.rows_mut() {
            padded.clear();
            padded.extend(std::iter::repeat_n(row.first().copied().unwrap_or(0), beside));
            padded.extend_from_slice(row);
            padded.extend(std::iter::repeat_n(row.last().copied().unwrap_or(0), beside));
            let inside = 2 * beside - 1;
            let mut sum: u32 = padded.iter().skip(1).take(inside).map(|pixel| u32::from(*pixel)).sum();
            let ends = padded.iter().zip(padded.iter().skip(inside + 1));
            for ((pixel, (left, right)), first) in row.iter_mut().zip(ends).zip(padded.iter().skip(1)) {
                *pixel = self.weigh(sum, u32::from(*left) + u32::from(*right));
                sum = sum + u32::from(*right) - u32::from(*first);
            }
        }
    }

    fn down(self, plane: &mut Plane) {
        let before = plane.clone();
        let mut sums = vec![0_u32; plane.width()];
        for y in -self.reach..=self.reach {
            sums.iter_mut().zip(before.row(y)).for_each(|(sum, pixel)| *sum += u32::from(*pixel));
        }
        for (y, row) in plane.rows_mut() {
            let (upper, lower) = (before.row(y - self.reach - 1), before.row(y + self.reach + 1));
            let first = before.row(y - self.reach);
            for ((((pixel, sum), upper), lower), first) in
                row.iter_mut().zip(&mut sums).zip(upper).zip(lower).zip(first)
            {
                *pixel = self.weigh(*sum, u32::from(*upper) + u32::from(*lower));
                *sum = *sum + u32::from(*lower) - u32::from(*first);
            }
        }
    }
}

/// Blurs a picture by a standard deviation in 16th parts of a pixel.
pub(super) fn blur(drawing: &mut Drawing, sigma: i32) {
    let sigma = u32::try_from(sigma).unwrap_or(0);
    blur_plane(&mut drawing.luma, sigma);
    drawing.colours_mut().into_iter().for_each(|plane| blur_plane(plane, sigma / 2));
}

/// Blurs one plane.
pub(super) fn blur_plane(plane: &mut Plane, sigma: u32) {
    if sigma == 0 {
        return;
    }
    let blur = Blur::of(sigma);
    for _pass in 0..PASSES {
        blur.across(plane);
        blur.down(plane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blur of one bright pixel.
    fn spread(sigma: u32) -> Plane {
        let mut plane = Plane::filled(121, 121, 0);
        *plane.at_mut(60, 60).unwrap() = 255;
        let line: Vec<(i32, i32)> = (0..121).map(|y| (60, y)).collect();
        line.into_iter().for_each(|(x, y)| *plane.at_mut(x, y).unwrap() = 255);
        blur_plane(&mut plane, sigma);
        plane
    }

    #[test]
    fn a_line_spreads_by_its_standard_deviation() {
        for sigma in [1_u32, 2, 4] {
            let plane = spread(sigma * 16);
            let row = plane.row(60);
            let (mut sum, mut squares) = (0_u32, 0_u32);
            for (x, pixel) in (0_u32..).zip(row) {
                sum += u32::from(*pixel);
                squares += u32::from(*pixel) * x.abs_diff(60) * x.abs_diff(60);
            }
            let hundredths = (squares * 10_000 / sum).isqrt();
            assert!(hundredths.abs_diff(sigma * 100) <= sigma * 15, "sigma {sigma}: {hundredths}");
        }
    }

    #[test]
    fn one_level_stays_one_level() {
        for level in [0, 16, 127, 255] {
            for sigma in [3, 16, 100, 300] {
                let mut plane = Plane::filled(64, 48, level);
                blur_plane(&mut plane, sigma);
                assert!(plane.levels().iter().all(|pixel| *pixel == level), "{level} {sigma}");
            }
        }
    }
}
