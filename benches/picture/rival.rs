//! The usual methods, with the limits that are in use (domain.md 3.2): they know neither the point nor the light.

use sharpeyes::domain::picture::{Item, ItemSet, Luma, Picture};

/// Variance of the Laplacian below which a picture is called blurred.
const SHARP: f64 = 100.0;
/// Correlation of the histograms above which a picture is called frozen.
const ALIKE: f64 = 0.98;
/// Mean levels between which a picture is called well lit.
const LIT: (f64, f64) = (60.0, 190.0);

/// The items of which the usual methods know something.
pub(super) const ITEMS: [(Item, &str); 4] = [
    (Item::Frozen, "histogram similarity > 0.98"),
    (Item::Blurred, "variance of the Laplacian < 100"),
    (Item::TooDark, "mean < 60"),
    (Item::TooBright, "mean > 190"),
];

/// What they call wrong with a picture that follows another one.
pub(super) fn faults(picture: &Picture, before: Option<&Picture>) -> ItemSet {
    let mean = mean(picture.small());
    let is_frozen =
        before.is_some_and(|before| correlation(&counts(before.small()), &counts(picture.small())) > ALIKE);
    [
        (Item::Frozen, is_frozen),
        (Item::Blurred, laplacian(picture.crop()) < SHARP),
        (Item::TooDark, mean < LIT.0),
        (Item::TooBright, mean > LIT.1),
    ]
    .into_iter()
    .filter_map(|(item, is_fault)| is_fault.then_some(item))
    .collect()
}

fn mean(luma: &Luma) -> f64 {
    let sum: u32 = luma.pixels().iter().map(|pixel| u32::from(*pixel)).sum();
    f64::from(sum) / f64::from(u32::try_from(luma.pixels().len()).unwrap())
}

fn laplacian(luma: &Luma) -> f64 {
    let (mut number, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for ((above, here), below) in luma.rows().zip(luma.rows().skip(1)).zip(luma.rows().skip(2)) {
        for ((above, near), below) in above[1..].iter().zip(here.windows(3)).zip(&below[1..]) {
            let level = |pixel: u8| f64::from(pixel);
            let bend = level(*above) + level(*below) + level(near[0]) + level(near[2]) - 4.0 * level(near[1]);
            number += 1.0;
            sum += bend;
            squares += bend * bend;
        }
    }
    squares / number - (sum / number) * (sum / number)
}

fn counts(luma: &Luma) -> [f64; 256] {
    let mut counts = [0.0; 256];
    luma.pixels().iter().for_each(|pixel| counts[usize::from(*pixel)] += 1.0);
    counts
}

fn correlation(one: &[f64; 256], other: &[f64; 256]) -> f64 {
    let mean = one.iter().sum::<f64>() / 256.0;
    let covariance = |one: &[f64; 256], other: &[f64; 256]| {
        one.iter().zip(other).map(|(one, other)| (one - mean) * (other - mean)).sum::<f64>()
    };
    let spread = (covariance(one, one) * covariance(other, other)).sqrt();
    // Two pictures of one level each are alike.
    if spread > 0.0 { covariance(one, other) / spread } else { 1.0 }
}
