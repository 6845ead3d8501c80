//! The discrete Fourier transform of short series of a power of two, and of small pictures.

use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    pub(super) const fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    pub(super) const fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    pub(super) fn length(self) -> f64 {
        self.re.hypot(self.im)
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

/// The transform of one length.
#[derive(Clone, Debug)]
pub(super) struct Transform {
    /// Half a turn around the circle in as many steps as half the length.
    turns: Vec<Complex>,
}

impl Transform {
    /// The transform of series of `length` values, a power of two.
    pub(super) fn of_length(length: u16) -> Self {
        let turn = |step: u16| {
            let angle = -TAU * f64::from(step) / f64::from(length);
            Complex { re: angle.cos(), im: angle.sin() }
        };
        Self { turns: (0..length / 2).map(turn).collect() }
    }

    /// Transforms a series in place: radix two, decimation in time.
    pub(super) fn apply(&self, series: &mut [Complex]) {
        let length = series.len();
        debug_assert_eq!(length, 2 * self.turns.len());
        reverse_bits(series);
        let mut half = 1;
        while half < length {
            let stride = self.turns.len() / half;
            for pair in series.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                for ((low, high), turn) in low.iter_mut().zip(high).zip(self.turns.iter().step_by(stride)) {
                    let turned = *high * *turn;
                    (*low, *high) = (*low + turned, *low - turned);
                }
            }
            half *= 2;
        }
    }
}

fn reverse_bits(series: &mut [Complex]) {
    let bits = series.len().trailing_zeros();
    for at in 0..series.len() {
        let reversed = at.reverse_bits() >> (usize::BITS - bits);
        if at < reversed {
            series.swap(at, reversed);
        }
    }
}

/// Transforms a picture of `width` columns. The result is transposed: its rows are the columns of the picture.
pub(super) fn transform_picture(mut pixels: Vec<Complex>, width: u16, height: u16) -> Vec<Complex> {
    transform_rows(&mut pixels, width);
    let mut columns = transposed(&pixels, width.into());
    transform_rows(&mut columns, height);
    columns
}

fn transform_rows(pixels: &mut [Complex], width: u16) {
    let transform = Transform::of_length(width);
    pixels.chunks_exact_mut(width.into()).for_each(|row| transform.apply(row));
}

fn transposed(pixels: &[Complex], width: usize) -> Vec<Complex> {
    (0..width).flat_map(|column| pixels.iter().skip(column).step_by(width)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, proptest};

    fn naive(series: &[Complex]) -> Vec<Complex> {
        let length = series.len();
        let bin = |k: usize| {
            let terms = series.iter().enumerate().map(|(n, value)| {
                let angle = -TAU * f64::from(u32::try_from(k * n % length).unwrap())
                    / f64::from(u32::try_from(length).unwrap());
                *value * Complex { re: angle.cos(), im: angle.sin() }
            });
            terms.fold(Complex::default(), Add::add)
        };
        (0..length).map(bin).collect()
    }

    fn close(found: &[Complex], expected: &[Complex]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (*found - *expected).length() < 1e-8)
    }

    proptest! {
        #[test]
        fn the_fast_transform_is_the_slow_one(values in prop::collection::vec((-9.0..9.0, -9.0..9.0), 64), power in 1..7_u32) {
            let series: Vec<Complex> = values.iter().take(1 << power).map(|(re, im)| Complex { re: *re, im: *im }).collect();
            let mut found = series.clone();
            Transform::of_length(1 << power).apply(&mut found);
            prop_assert!(close(&found, &naive(&series)));
        }

        #[test]
        fn twice_back_is_the_same_picture(values in prop::collection::vec(0.0..255.0, 8 * 4)) {
            let picture: Vec<Complex> = values.iter().map(|value| Complex::real(*value)).collect();
            let spectrum = transform_picture(picture.clone(), 8, 4);
            let conjugated = spectrum.into_iter().map(Complex::conjugate).collect();
            let back: Vec<Complex> = transform_picture(conjugated, 4, 8)
                .into_iter()
                .map(|value| Complex::real(value.re / 32.0))
                .collect();
            prop_assert!(close(&back, &picture));
        }
    }
}
