//! How far the whole picture moved against another one: phase correlation of their edge grids (移位, 抖动).
//!
//! Edges, not levels, so that lamps and clouds do not move the picture; all phases weigh alike, so that two views of
//! different places give no peak at all.

use crate::domain::Timestamp;
use crate::domain::picture::area::Mask;
use crate::domain::picture::count;
use crate::domain::picture::fourier::{Complex, transform_picture};
use crate::domain::picture::grid::{COLUMNS, EdgeGrid, ROWS};
use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

/// Columns and rows that are correlated: powers of two. The rows left out lie at the top and the bottom, where the OSD
/// is.
const WIDTH: u16 = 64;
const HEIGHT: u16 = 32;
const LEFT_OUT_ABOVE: usize = (ROWS - HEIGHT as usize) / 2;
/// A shift with a lower peak is not one (domain.md 3.3).
const SURE_PEAK: f64 = 0.15;
/// A pole shakes by a twentieth of the picture to either side at most (domain.md 3.5): between two pictures six cells.
const SWAY_REACH: u16 = 6;
/// A peak of at least this share of another one fits as well.
const AS_WELL: f64 = 0.8;
/// So many pictures tell whether a camera shakes, and fewer than the second tell nothing: a deviation of 0.02 is found to be
/// within 0.015 and 0.025 from twelve of them in nine cases of ten.
const SERIES: usize = 12;
const LEAST_SERIES: usize = 6;
/// What is older says nothing about the camera now.
const SERIES_TIME: Duration = Duration::from_secs(2 * 3_600);
/// A frequency weaker than this share of the strongest one holds rounding only.
const LEAST_LENGTH: f64 = 1e-6;

/// The shift between two pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// To the right, as a share of the picture's width.
    pub across: f64,
    /// Downwards, as a share of the picture's width as well: cells are square in the small picture.
    pub down: f64,
    /// How sure it is: 1 for the same picture, near 0.1 for two that have nothing in common.
    pub peak: f64,
}

impl Shift {
    /// How far, as a share of the picture's width.
    pub fn distance(self) -> f64 {
        self.across.hypot(self.down)
    }
}

/// How well two pictures fit at every shift.
#[derive(Debug)]
pub struct Correlation(Vec<Complex>);

impl Correlation {
    /// Holds `now` against `before`; `None` when one of them has no edges outside the mask.
    pub fn between(before: &EdgeGrid, now: &EdgeGrid, mask: &Mask) -> Option<Self> {
        let phases = cross_power(&spectrum(before, mask)?, &spectrum(now, mask)?);
        Some(Self(transform_picture(phases, HEIGHT, WIDTH)))
    }

    /// The best shift of all: where the camera looks.
    pub fn shift(&self) -> Option<Shift> {
        self.highest_within(WIDTH)
    }

    /// The shift of a camera that hangs where it did: a pole moves little, and what fits about as well far away is the next
    /// bar of a fence. `None` when it is not sure.
    pub fn lean(&self) -> Option<Shift> {
        let (far, near) = (self.highest_within(SWAY_REACH)?, self.highest_within(1)?);
        let lean = if near.peak >= AS_WELL * far.peak { near } else { far };
        (lean.peak >= SURE_PEAK).then_some(lean)
    }

    fn at(&self, column: usize, row: usize) -> f64 {
        let (width, height) = (usize::from(WIDTH), usize::from(HEIGHT));
        self.0.get(row % height * width + column % width).map_or(0.0, |value| value.re)
    }

    /// The best shift of at most `reach` cells in either direction.
    fn highest_within(&self, reach: u16) -> Option<Shift> {
        let (width, height) = (usize::from(WIDTH), usize::from(HEIGHT));
        let is_near = |place: usize| {
            let (across, down) = (signed(place % width, WIDTH), signed(place / width, HEIGHT));
            across.abs().max(down.abs()) <= f64::from(reach)
        };
        let places = self.0.iter().map(|value| value.re).enumerate().filter(|(place, _)| is_near(*place));
        let (place, peak) = places.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let (column, row) = (place % width, place / width);
        let across = vertex(self.at(column + width - 1, row), peak, self.at(column + 1, row));
        let down = vertex(self.at(column, row + height - 1), peak, self.at(column, row + 1));
        Some(Shift {
            across: (signed(column, WIDTH) + across) / f64::from(WIDTH),
            down: (signed(row, HEIGHT) + down) / f64::from(WIDTH),
            peak: peak / (f64::from(WIDTH) * f64::from(HEIGHT)),
        })
    }
}

/// How far the newest pictures of a camera were off its baseline, by daylight.
///
/// One picture a minute tells as well as five a second whether a camera shakes: how often it sways does not change how far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series(VecDeque<(Timestamp, Option<Shift>)>);

impl Series {
    /// Adds a picture that leans so; `None` for one that cannot be told.
    pub fn add(&mut self, at: Timestamp, lean: Option<Shift>) {
        self.0.push_back((at, lean));
        while self.0.len() > SERIES || self.0.front().is_some_and(|(old, _)| at.since(*old) > SERIES_TIME) {
            self.0.pop_front();
        }
    }

    /// The same with one more picture.
    #[must_use]
    pub fn with(&self, at: Timestamp, lean: Option<Shift>) -> Self {
        let mut longer = self.clone();
        longer.add(at, lean);
        longer
    }

    /// Standard deviation of the shift, as a share of the picture's width, the larger of both directions; `None` of few
    /// pictures, or when most of them cannot be told, as in driving snow.
    pub fn sway(&self) -> Option<f64> {
        let leans: Vec<Shift> = self.0.iter().filter_map(|(_, lean)| *lean).collect();
        if self.0.len() < LEAST_SERIES || 2 * leans.len() < self.0.len() {
            return None;
        }
        let of = |part: fn(&Shift) -> f64| unsteadiness(&leans.iter().map(part).collect::<Vec<_>>());
        Some(of(|shift| shift.across).max(of(|shift| shift.down)))
    }

    /// Moves the remembered instants along with a stepped clock.
    pub fn shift(&mut self, step_ms: i64) {
        for (at, _) in &mut self.0 {
            *at = at.shifted(step_ms);
        }
    }
}

/// The deviation of values that go to and fro. One step, as of a camera that was pushed once, is none: it deviates as a
/// whole, but hardly from one value to the next.
fn unsteadiness(values: &[f64]) -> f64 {
    let steps = values.iter().zip(values.iter().skip(1)).map(|(before, now)| (now - before).powi(2));
    let (sum, largest) = steps.fold((0.0, 0.0_f64), |(sum, largest), step| (sum + step, largest.max(step)));
    let to_and_fro = ((sum - largest) / (2.0 * f64::max(count(values.len()) - 2.0, 1.0))).sqrt();
    deviation(values.iter().copied()).min(2.0 * to_and_fro)
}

/// Standard deviation of what some values are a sample of.
fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let (mut number, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        number += 1.0;
        sum += value;
        squares += value * value;
    }
    ((squares - sum * sum / number) / f64::max(number - 1.0, 1.0)).max(0.0).sqrt()
}

/// The spectrum of a grid's middle rows, freed of its mean and faded out towards its rim: the rim would be an edge of
/// every picture, at the same place.
fn spectrum(grid: &EdgeGrid, mask: &Mask) -> Option<Vec<Complex>> {
    let middle = grid.codes().iter().zip(mask.cells()).skip(LEFT_OUT_ABOVE * COLUMNS);
    let cells: Vec<Option<f64>> = middle
        .take(usize::from(WIDTH) * usize::from(HEIGHT))
        .map(|(code, masked)| (!masked).then(|| f64::from(*code)))
        .collect();
    let (number, sum) =
        cells.iter().flatten().fold((0.0, 0.0), |(number, sum), code| (number + 1.0, sum + code));
    let mean = sum / f64::max(number, 1.0);
    let seen = cells.iter().flatten().any(|code| (code - mean).abs() > 0.5);
    let (across, down) = (fade(WIDTH), fade(HEIGHT));
    let faded = cells.chunks_exact(WIDTH.into()).zip(&down).flat_map(|(row, down)| {
        let level = move |(cell, across): (&Option<f64>, &f64)| {
            Complex::real(cell.map_or(0.0, |code| (code - mean) * across * down))
        };
        row.iter().zip(&across).map(level)
    });
    let faded: Vec<Complex> = faded.collect();
    seen.then(|| transform_picture(faded, WIDTH, HEIGHT))
}

/// Hann's window.
fn fade(length: u16) -> Vec<f64> {
    let weight = |at: u16| 0.5 - 0.5 * (TAU * (f64::from(at) + 0.5) / f64::from(length)).cos();
    (0..length).map(weight).collect()
}

/// The phases between two spectra, each with the length one, conjugated for the way back.
fn cross_power(before: &[Complex], now: &[Complex]) -> Vec<Complex> {
    let product: Vec<Complex> =
        before.iter().zip(now).map(|(before, now)| before.conjugate() * *now).collect();
    let strongest = product.iter().fold(0.0, |strongest: f64, value| strongest.max(value.length()));
    let phase = |value: &Complex| {
        let length = value.length();
        if length > LEAST_LENGTH * strongest {
            Complex { re: value.re / length, im: -value.im / length }
        } else {
            Complex::default()
        }
    };
    product.iter().map(phase).collect()
}

/// A place beyond the middle is a shift to the other side.
fn signed(place: usize, length: u16) -> f64 {
    let place = f64::from(u16::try_from(place).unwrap_or(0));
    let length = f64::from(length);
    if place > length / 2.0 { place - length } else { place }
}

/// Where a parabola through three neighbours has its top, counted from the middle one.
fn vertex(left: f64, middle: f64, right: f64) -> f64 {
    let bend = left - 2.0 * middle + right;
    if bend < 0.0 { (0.5 * (left - right) / bend).clamp(-0.5, 0.5) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    fn grid(seed: u64, (right, down): (i32, i32)) -> EdgeGrid {
        let drawn = scene::small(|x, y| {
            let place = |at: u32, shift: i32| (at + 10_000).saturating_add_signed(-shift);
            let level = f64::from(scene::yard(place(x, right), place(y, down)));
            scene::level(level + 2.0 * scene::gauss(x, y, seed))
        });
        EdgeGrid::of(&drawn, 2.0)
    }

    fn between(before: &EdgeGrid, now: &EdgeGrid) -> Shift {
        Correlation::between(before, now, &Mask::of([])).unwrap().shift().unwrap()
    }

    #[test]
    fn the_same_picture_did_not_move() {
        let shift = between(&grid(1, (0, 0)), &grid(1, (0, 0)));
        assert!(shift.distance() < 1e-9 && shift.peak > 0.9, "{shift:?}");
        let live = between(&grid(1, (0, 0)), &grid(2, (0, 0)));
        assert!(live.distance() < 0.01 && live.peak > 0.3, "{live:?}");
    }

    #[test]
    fn a_shift_is_measured() {
        let check = |right: i32, down: i32| {
            let shift = between(&grid(1, (0, 0)), &grid(2, (right, down)));
            let wanted = (f64::from(right) / 320.0, f64::from(down) / 320.0);
            let off = (shift.across - wanted.0).hypot(shift.down - wanted.1);
            assert!(off < 0.01, "{right} {down}: {shift:?}");
        };
        check(5, 0);
        check(-10, 0);
        check(30, 0);
        check(-48, 10);
        check(0, 20);
        check(25, -15);
    }

    #[test]
    fn another_place_has_no_peak() {
        let street = EdgeGrid::of(&scene::small(scene::street), 0.0);
        let shift = between(&street, &grid(1, (0, 0)));
        assert!(shift.peak < 0.15, "{shift:?}");
    }

    #[test]
    fn a_picture_without_edges_cannot_be_compared() {
        let flat = EdgeGrid::of(&scene::small(|_, _| 70), 0.0);
        assert!(Correlation::between(&flat, &grid(1, (0, 0)), &Mask::of([])).is_none());
        let all = crate::domain::picture::Area::new(0, 0, 1000, 1000);
        assert!(Correlation::between(&grid(1, (0, 0)), &grid(1, (0, 0)), &Mask::of(all)).is_none());
    }

    /// How a series of pictures a minute apart sways that are so many pixels off the first one.
    fn sway(ways: &[i32]) -> Option<f64> {
        let (baseline, mut series) = (grid(0, (0, 0)), Series::default());
        for (way, number) in ways.iter().zip(1..) {
            let lean =
                Correlation::between(&baseline, &grid(number, (*way, 0)), &Mask::of([])).unwrap().lean();
            series.add(Timestamp::from_seconds(60 * i64::try_from(number).unwrap()), lean);
        }
        series.sway()
    }

    #[test]
    fn a_shaking_camera_sways_and_a_fixed_one_does_not() {
        assert!(sway(&[0; 6]).is_some_and(|sway| sway < 0.005));
        assert!(sway(&[0, 9, -8, 10, -9, 4, 7, -10]).is_some_and(|sway| sway > 0.015));
        assert_eq!(sway(&[0, 9, -8, 10, -9]), None);
    }

    #[test]
    fn a_camera_that_was_pushed_once_does_not_shake() {
        for place in 1..12 {
            let ways: Vec<i32> = (0..12).map(|number| if number < place { 0 } else { 12 }).collect();
            assert!(sway(&ways).is_some_and(|sway| sway < 0.01), "{place}: {:?}", sway(&ways));
        }
    }

    #[test]
    fn what_cannot_be_told_is_no_series_and_what_is_old_is_forgotten() {
        let lean = |across| Some(Shift { across, down: 0.0, peak: 0.5 });
        let mut series = Series::default();
        for second in 0..6 {
            series.add(Timestamp::from_seconds(second), lean(0.0).filter(|_| second % 3 == 0));
        }
        assert_eq!(series.sway(), None);
        for second in 6..18 {
            series.add(Timestamp::from_seconds(second), lean(if second % 2 == 0 { 0.03 } else { -0.03 }));
        }
        assert!(series.sway().is_some_and(|sway| sway > 0.025));
        series.add(Timestamp::from_seconds(10_000), lean(0.0));
        assert_eq!(series.sway(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_shift_back_is_the_opposite(right in -40..40_i32, down in -15..15_i32) {
            let (here, there) = (grid(1, (0, 0)), grid(1, (right, down)));
            let (away, back) = (between(&here, &there), between(&there, &here));
            prop_assert!((away.across + back.across).abs() < 1e-6, "{away:?} {back:?}");
            prop_assert!((away.down + back.down).abs() < 1e-6, "{away:?} {back:?}");
            prop_assert!((away.peak - back.peak).abs() < 1e-6, "{away:?} {back:?}");
        }
    }
}
