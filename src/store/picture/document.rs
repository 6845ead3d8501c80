//! The JSON forms in which baselines and framings are kept.

use crate::domain::decode::Polygon;
use crate::domain::hex::hex;
use crate::domain::picture::chroma::{ColourFeatures, Hue, Tone};
use crate::domain::picture::detail::Detail;
use crate::domain::picture::feature::Levels;
use crate::domain::picture::grid::EdgeGrid;
use crate::domain::picture::stripe::StripeBands;
use crate::domain::picture::{Area, Areas, Baseline, Framing, ItemSet, Waiver, When};
use crate::domain::{Timestamp, Window};
use serde::{Deserialize, Serialize};

/// A baseline.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BaselineDocument {
    size: (u32, u32),
    pictures: u32,
    levels: [f64; 5],
    /// Whether it has colour, the hue, and how far colours spread.
    colour: (bool, [f64; 3]),
    detail: [f64; 4],
    /// Bytes in hex.
    stripes: String,
    /// Bytes in hex.
    edges: String,
}

impl BaselineDocument {
    pub(super) fn of(baseline: &Baseline) -> Self {
        let Baseline { size, pictures, levels, colour, detail, stripes, edges } = baseline;
        let ColourFeatures { tone, hue: Hue { a, b }, spread } = colour;
        let Levels { mean, deviation, core_deviation, dark_over_all, bright_over_all } = levels;
        let Detail { noise, detail, coarse, torn_over_sides } = detail;
        Self {
            size: *size,
            pictures: *pictures,
            levels: [*mean, *deviation, *core_deviation, *dark_over_all, *bright_over_all],
            colour: (*tone == Tone::Colour, [*a, *b, *spread]),
            detail: [*noise, *detail, *coarse, *torn_over_sides],
            stripes: hex(&stripes.codes().collect::<Vec<_>>()),
            edges: hex(edges.codes()),
        }
    }

    pub(super) fn read(self) -> Option<Baseline> {
        let [mean, deviation, core_deviation, dark_over_all, bright_over_all] = self.levels;
        let [noise, detail, coarse, torn_over_sides] = self.detail;
        let (has_colour, [a, b, spread]) = self.colour;
        let tone = if has_colour { Tone::Colour } else { Tone::Grey };
        Some(Baseline {
            size: self.size,
            pictures: self.pictures,
            levels: Levels { mean, deviation, core_deviation, dark_over_all, bright_over_all },
            colour: ColourFeatures { tone, hue: Hue { a, b }, spread },
            detail: Detail { noise, detail, coarse, torn_over_sides },
            stripes: StripeBands::from_codes(&bytes(&self.stripes)?)?,
            edges: EdgeGrid::from_codes(bytes(&self.edges)?.into())?,
        })
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let byte = |pair: &[u8]| pair.iter().fold(0_u8, |byte, digit| (byte << 4) | digit);
    Some(digits.chunks_exact(2).map(byte).collect())
}

/// What a person set for a picture. Thousandths of a side throughout.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FramingDocument {
    /// Left, top, right, bottom.
    masked: Vec<[u16; 4]>,
    clock: Option<[u16; 4]>,
    privacy: Vec<Vec<(u16, u16)>>,
    waivers: Vec<WaiverDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WaiverDocument {
    items: Vec<String>,
    when: WhenDocument,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhenDocument {
    Always,
    /// Start and end in milliseconds.
    Within(i64, i64),
    /// Minutes of the local day.
    Daily(u16, u16),
}

impl FramingDocument {
    pub(super) fn of(framing: &Framing) -> Self {
        Self {
            masked: framing.areas.masked.iter().map(|area| area.edges()).collect(),
            clock: framing.areas.clock.map(Area::edges),
            privacy: framing.privacy_masks.iter().map(|mask| mask.corners().to_vec()).collect(),
            waivers: framing.waivers.iter().map(WaiverDocument::of).collect(),
        }
    }

    pub(super) fn read(self) -> Option<Framing> {
        let area = |[left, top, right, bottom]: [u16; 4]| Area::new(left, top, right, bottom);
        let clock = match self.clock {
            Some(edges) => Some(area(edges)?),
            None => None,
        };
        Some(Framing {
            areas: Areas { masked: self.masked.into_iter().map(area).collect::<Option<_>>()?, clock },
            privacy_masks: self.privacy.into_iter().map(Polygon::new).collect::<Option<_>>()?,
            waivers: self.waivers.into_iter().map(WaiverDocument::read).collect::<Option<_>>()?,
        })
    }
}

impl WaiverDocument {
    fn of(waiver: &Waiver) -> Self {
        let when = match waiver.when {
            When::Always => WhenDocument::Always,
            When::Within(window) => {
                WhenDocument::Within(window.start().as_millis(), window.end().as_millis())
            }
            When::Daily { from, to } => WhenDocument::Daily(from, to),
        };
        Self { items: waiver.items.iter().map(|item| item.as_str().to_owned()).collect(), when }
    }

    fn read(self) -> Option<Waiver> {
        let items: Option<ItemSet> = self
            .items
            .iter()
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<_>>>()
            .map(|items| items.into_iter().collect());
        let when = match self.when {
            WhenDocument::Always => When::Always,
            WhenDocument::Within(start, end) => {
                When::Within(Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end))?)
            }
            WhenDocument::Daily(from, to) => When::Daily { from, to },
        };
        Some(Waiver { items: items?, when })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_digits() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&hex(&all)), Some(all));
        assert_eq!(bytes("0"), None);
        assert_eq!(bytes("0g"), None);
    }
}
