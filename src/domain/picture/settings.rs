//! Every limit of picture diagnosis, with where it comes from. The defaults are what `[picture]` says when it says nothing.

use crate::domain::picture::{Item, PerItem};
use std::time::Duration;

/// When an item is a fault, and when that is believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The value beyond which it is a warning; `None` never warns.
    pub warning: Option<f64>,
    /// The value beyond which it is abnormal; `None` never is.
    pub alarm: Option<f64>,
    /// Consecutive rounds that confirm it.
    pub rounds: u32,
    /// ..and the least time from the first to the last of them.
    pub least_time: Duration,
    /// Consecutive rounds that end it.
    pub clear_rounds: u32,
}

/// Three rounds over ten minutes confirm, two clear (domain.md 3.3).
const USUAL: Rule =
    Rule { warning: None, alarm: None, rounds: 3, least_time: Duration::from_secs(600), clear_rounds: 2 };

impl Rule {
    /// The default of an item; all limits are those of domain.md 3.3 unless said otherwise.
    pub const fn of(item: Item) -> Self {
        match item {
            // Not a value: there is a picture or there is none. As long as other failures need to be believed.
            Item::SignalLost => Self { least_time: Duration::from_secs(60), ..USUAL },
            // Deviation of the levels without a recorder's words; or of all levels below 4 where the mean is below 16.
            Item::Blank => Self { alarm: Some(3.0), rounds: 2, least_time: Duration::from_secs(60), ..USUAL },
            // Seconds without a change. Two rounds, so that three pictures have to be the same.
            Item::Frozen => Self { alarm: Some(60.0), rounds: 2, least_time: Duration::ZERO, ..USUAL },
            // Share of the blocks that lost their edges.
            Item::Covered => Self { alarm: Some(0.3), ..USUAL },
            // Shift over the width of the picture.
            Item::Moved => Self { alarm: Some(0.08), ..USUAL },
            // Share of the baseline's detail that is left.
            Item::Blurred => Self { warning: Some(0.5), alarm: Some(0.4), ..USUAL },
            // Share of the pixels that are dark or bright and were not so in the baseline.
            Item::TooDark | Item::TooBright => Self { alarm: Some(0.6), ..USUAL },
            // Share of the packets that were lost, or of the key frames that could not be decoded.
            Item::Damaged => Self { warning: Some(0.01), ..USUAL },
            // Deviation of the noise beyond the baseline's, over that of the night. Domain.md's 3 counts all the noise, before a
            // coder took most of it; of eight drawn levels it leaves 0.63 to 0.9, and infrared snowfall makes 0.6.
            Item::Noise => Self { warning: Some(0.63), ..USUAL },
            // Spectral line over its neighbours. Domain.md has 6; nine drawn levels make 5 to 6, sound pictures 4.
            Item::Stripes => Self { warning: Some(4.5), ..USUAL },
            // K = D/M in CIE L*a*b*, counted from the baseline's colour: it moved further than colours spread. Domain.md's 1.5
            // counts from grey, over what spread the cast left.
            Item::ColourCast => Self { warning: Some(1.0), ..USUAL },
            // Standard deviation of the shift over the width of the picture.
            Item::Shaking => Self { warning: Some(0.015), ..USUAL },
        }
    }
}

/// How long a baseline is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    /// At least this long (domain.md 3.3: the first three days).
    pub time: Duration,
    /// ..and from at least this many pictures; not measured, enough for a median.
    pub pictures: u32,
}

/// When what many cameras show at once is weather.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeatherRule {
    /// The same item on at least this share of a township's checked points (domain.md 3.3).
    pub ratio: f64,
    /// ..of at least this many; not measured: two of three cameras may well have failed together.
    pub least_points: usize,
}

/// Every setting of picture diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureRules {
    /// The items; `None` turns one off.
    pub items: PerItem<Option<Rule>>,
    /// A picture darker than this on average is black already when its levels spread by less than `black_deviation`.
    pub black_mean: f64,
    /// See `black_mean`.
    pub black_deviation: f64,
    /// More torn sides of blocks than in the baseline by this share of all are damage; not measured on real cameras.
    pub torn_over_sides: f64,
    /// Below this peak of the correlation the camera sees another place, however far away (domain.md 3.3).
    pub moved_peak: f64,
    /// A point whose baseline has at least this K is of one colour by nature: what it is of another one cannot be told. A
    /// field has up to 2 (domain.md 3.3 has 1.0, for a K counted from grey, and leaves fields out).
    pub cast_baseline: f64,
    /// How long baselines are learnt.
    pub learning: Learning,
    /// When it is weather.
    pub weather: WeatherRule,
}

impl Default for PictureRules {
    fn default() -> Self {
        Self {
            items: PerItem::new(|item| Some(Rule::of(item))),
            black_mean: 16.0,
            black_deviation: 4.0,
            torn_over_sides: 0.05,
            moved_peak: 0.15,
            cast_baseline: 3.0,
            learning: Learning { time: Duration::from_secs(3 * 24 * 3_600), pictures: 24 },
            weather: WeatherRule { ratio: 0.5, least_points: 4 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_never_stricter_than_an_alarm() {
        for item in Item::ALL {
            let rule = Rule::of(item);
            if let (Some(warning), Some(alarm)) = (rule.warning, rule.alarm) {
                let order = if item == Item::Blurred { alarm < warning } else { warning < alarm };
                assert!(order, "{item}");
            }
            assert!(rule.rounds > 0 && rule.clear_rounds > 0, "{item}");
        }
    }
}
