//! What a person says about the picture of a point: what of it is left out, what must not be kept, what is not checked.

use crate::domain::PointCode;
use crate::domain::decode::Polygon;
use crate::domain::picture::{Areas, Waiver};
use std::collections::BTreeMap;

/// Most areas that are left out of a picture, and most waivers of a point; more are a mistake.
pub const MOST_ENTRIES: usize = 32;

/// The settings by point; one that is not there has the defaults.
pub type Framings = BTreeMap<PointCode, Framing>;

/// The settings of one point's picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// What is left out of the checks, and where the clock is.
    pub areas: Areas,
    /// What is painted over before a still is kept.
    pub privacy_masks: Vec<Polygon>,
    /// Items that are not checked, always or at times.
    pub waivers: Vec<Waiver>,
}

impl Framing {
    /// Whether a still that was painted over with `painted` hides all that must not be kept.
    pub fn is_hidden_by(&self, painted: &[Polygon]) -> bool {
        self.privacy_masks.iter().all(|mask| painted.contains(mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_hides_enough_when_every_mask_was_painted() {
        let mask = |x| Polygon::new(vec![(x, 0), (x, 100), (0, 0)]).unwrap();
        let framing = |masks: &[u16]| Framing {
            privacy_masks: masks.iter().copied().map(mask).collect(),
            ..Framing::default()
        };
        let check = |masks: &[u16], painted: &[u16], expected| {
            let painted: Vec<Polygon> = painted.iter().copied().map(mask).collect();
            assert_eq!(framing(masks).is_hidden_by(&painted), expected, "{masks:?} {painted:?}");
        };
        check(&[], &[], true);
        check(&[1], &[], false);
        check(&[], &[1], true);
        check(&[1, 2], &[2, 1], true);
        check(&[1, 3], &[1, 2], false);
    }
}
