//! Stripes (条纹): a line in the spectrum of the rows or columns that stands far out of its neighbours.
//!
//! Not of their means but of the mean steps from one to the next, each pixel's step cut off: stripes make small steps all
//! along a row, a roof makes large ones along a part of it, and its spectrum would drown them.

use crate::domain::picture::fourier::{Complex, Transform};
use crate::domain::picture::{Luma, byte, count, median};
use std::f64::consts::TAU;

/// Both series are filled up with zeros to this length.
const LENGTH: u16 = 512;
/// Shorter series tell no period.
const SHORTEST: usize = 64;
/// Bins of the periods that are looked for, 40 down to 4 pixels (domain.md 3.5); the crop is at 1:1, so that none of them
/// folds over.
const FIRST: usize = 512 / 40;
const LAST: usize = 512 / 4;
/// A line and its sides are this many bins wide at most: the window makes it four, the zeros up to three times as wide.
const LINE: usize = 6;
/// Neighbours are the bins up to this far away.
const NEAR: usize = 24;
/// Larger steps from a pixel to the next are the scene's; stripes of twelve levels, eight pixels wide, make nine.
const LARGEST_STEP: i32 = 8;
/// Mean steps more than so many times as large as the middle one are cut off; a wave reaches 1.4 times its middle.
const CUT_OFF: f64 = 2.5;
/// Steps of stripes that swing by less are not worth their name: three levels in 40 pixels make half a level.
const LEAST_STEP: f64 = 0.04;
/// The bands in which a spectrum is kept.
pub const BANDS: usize = 32;
/// A kept band holds so many steps per unit.
const STEPS: f64 = 4.0;

/// How far the strongest line of each band stands out of its neighbours, for rows and for columns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StripeBands {
    rows: [u8; BANDS],
    columns: [u8; BANDS],
}

impl std::fmt::Debug for StripeBands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StripeBands({})", self.strongest())
    }
}

impl StripeBands {
    /// No stripes.
    pub const NONE: Self = Self { rows: [0; BANDS], columns: [0; BANDS] };

    /// Measures the crop.
    pub fn of(crop: &Luma) -> Self {
        let (rows, columns) = steps(crop);
        Self { rows: bands(&rows), columns: bands(&columns) }
    }

    /// The bands as bytes, rows first.
    pub fn codes(&self) -> impl Iterator<Item = u8> {
        self.rows.into_iter().chain(self.columns)
    }

    /// Bands from the bytes that [`StripeBands::codes`] gave; `None` of another length.
    pub fn from_codes(codes: &[u8]) -> Option<Self> {
        let (rows, columns) = codes.split_at_checked(BANDS)?;
        Some(Self { rows: rows.try_into().ok()?, columns: columns.try_into().ok()? })
    }

    /// The larger of both, band by band: what a baseline learns.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        let largest = |mine: &[u8; BANDS], its: &[u8; BANDS]| {
            let mut both = *mine;
            both.iter_mut().zip(its).for_each(|(both, its)| *both = (*both).max(*its));
            both
        };
        Self { rows: largest(&self.rows, &other.rows), columns: largest(&self.columns, &other.columns) }
    }

    /// How far the strongest line stands out.
    pub fn strongest(&self) -> f64 {
        f64::from(self.codes().max().unwrap_or(0)) / STEPS
    }

    /// As [`StripeBands::strongest`], where a line that `baseline` has in the same band or beside it counts for the less the
    /// further it stands out there above `usual`: what was always there shall not be twice as strong in another light.
    pub fn strongest_new(&self, baseline: &Self, usual: f64) -> f64 {
        let new = |mine: &[u8; BANDS], its: &[u8; BANDS]| {
            let beside = its.iter().skip(1).chain([&0]);
            let before = [&0].into_iter().chain(its);
            let known = its
                .iter()
                .zip(beside)
                .zip(before)
                .map(|((here, beside), before)| here.max(beside).max(before));
            let new = mine.iter().zip(known).map(|(mine, known)| {
                f64::from(*mine) * (usual * STEPS / f64::from(*known).max(1.0)).min(1.0)
            });
            new.fold(0.0, f64::max)
        };
        new(&self.rows, &baseline.rows).max(new(&self.columns, &baseline.columns)) / STEPS
    }
}

fn bands(steps: &[f64]) -> [u8; BANDS] {
    let mut bands = [0; BANDS];
    if steps.len() < SHORTEST {
        return bands;
    }
    let spectrum = spectrum(&evened(steps));
    let mut near = Vec::with_capacity(2 * NEAR);
    for (bin, line) in spectrum.iter().enumerate().take(LAST + 1).skip(FIRST) {
        let neighbours = spectrum.iter().enumerate().take(bin + NEAR + 1).skip(bin.saturating_sub(NEAR));
        near.clear();
        near.extend(neighbours.filter(|(other, _)| other.abs_diff(bin) > LINE).map(|(_, length)| *length));
        let ground = median(&mut near).unwrap_or(0.0).max(least_ground(steps.len()));
        let band = (bin - FIRST) * BANDS / (LAST - FIRST + 1);
        if let Some(band) = bands.get_mut(band) {
            *band = (*band).max(byte(STEPS * line / ground));
        }
    }
    bands
}

/// The steps without their mean, the largest of them cut off: the edge of a wall is one step as long as the row, and its
/// spectrum drowns that of a hundred small ones.
fn evened(steps: &[f64]) -> Vec<f64> {
    let mean = steps.iter().sum::<f64>() / count(steps.len());
    let mut sizes: Vec<f64> = steps.iter().map(|step| (step - mean).abs()).collect();
    let limit = CUT_OFF * median(&mut sizes).unwrap_or(0.0);
    steps.iter().map(|step| (step - mean).clamp(-limit, limit)).collect()
}

/// A line of steps that swing by [`LEAST_STEP`] does not stand out more than once.
fn least_ground(length: usize) -> f64 {
    LEAST_STEP * count(length) / 4.0
}

/// Mean step from each row to the next, and from each column to the next.
fn steps(crop: &Luma) -> (Vec<f64>, Vec<f64>) {
    let step = |from: &u8, to: &u8| (i32::from(*to) - i32::from(*from)).clamp(-LARGEST_STEP, LARGEST_STEP);
    let (width, height) = (count(crop.width()), count(crop.height()));
    let pairs = crop.rows().zip(crop.rows().skip(1));
    let down =
        pairs.map(|(above, below)| above.iter().zip(below).map(|(from, to)| step(from, to)).sum::<i32>());
    let mut across = vec![0; crop.width() - 1];
    for row in crop.rows() {
        for (sum, (left, right)) in across.iter_mut().zip(row.iter().zip(row.iter().skip(1))) {
            *sum += step(left, right);
        }
    }
    let rows = down.map(|sum| f64::from(sum) / width).collect();
    (rows, across.into_iter().map(|sum| f64::from(sum) / height).collect())
}

/// Lengths of the spectrum's lower half of a series, under Hann's window.
fn spectrum(steps: &[f64]) -> Vec<f64> {
    let length = count(steps.len());
    let mut at = 0.0;
    let mut series: Vec<Complex> = Vec::with_capacity(LENGTH.into());
    series.extend(steps.iter().take(LENGTH.into()).map(|step| {
        let weight = 0.5 - 0.5 * (TAU * (at + 0.5) / length).cos();
        at += 1.0;
        Complex::real(step * weight)
    }));
    series.resize(LENGTH.into(), Complex::default());
    Transform::of_length(LENGTH).apply(&mut series);
    series.iter().take(usize::from(LENGTH) / 2).map(|line| line.length()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::scene;
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    fn crop(swing: f64, period: f64, across: bool) -> Luma {
        scene::small(|x, y| {
            let at = f64::from(if across { x } else { y });
            let stripe = swing * (TAU * at / period).sin();
            scene::level(f64::from(scene::street(x, y)) + stripe + 2.0 * scene::gauss(x, y, 9))
        })
    }

    #[test]
    fn stripes_stand_out_and_a_street_does_not() {
        let plain = StripeBands::of(&crop(0.0, 8.0, true));
        for (swing, period) in [(3.0, 4.5), (6.0, 8.0), (6.0, 12.0), (12.0, 25.0)] {
            for across in [false, true] {
                let striped = StripeBands::of(&crop(swing, period, across));
                let found = striped.strongest_new(&plain, 3.0);
                assert!(found > 6.0, "{swing} {period} {across}: {found}");
            }
        }
        let live = StripeBands::of(&crop(0.0, 8.0, true)).strongest_new(&plain, 3.0);
        assert!(live < 6.0, "{live}");
    }

    #[test]
    fn a_fence_that_was_always_there_is_no_stripe() {
        let fence = StripeBands::of(&crop(12.0, 10.0, true));
        assert!(fence.strongest() > 6.0);
        assert!(fence.strongest_new(&fence, 3.0) < 6.0);
        assert!(StripeBands::of(&crop(12.0, 5.0, false)).strongest_new(&fence, 3.0) > 6.0);
    }

    #[test]
    fn a_flat_or_tiny_crop_has_no_stripes() {
        assert_eq!(StripeBands::of(&scene::small(|_, _| 80)), StripeBands::NONE);
        let tiny = Luma::new(10, vec![3; 100].into()).unwrap();
        assert_eq!(StripeBands::of(&tiny), StripeBands::NONE);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bands_survive_their_bytes(codes in prop::collection::vec(any::<u8>(), 2 * BANDS)) {
            let bands = StripeBands::from_codes(&codes).unwrap();
            prop_assert_eq!(bands.codes().collect::<Vec<_>>(), codes);
            prop_assert!(bands.strongest_new(&StripeBands::NONE, 3.0) <= bands.strongest());
            prop_assert!(bands.strongest_new(&bands, 3.0) <= 3.0 + 1e-9);
        }
    }
}
