//! By what light a camera sees.

use crate::simulate::scene::chance::Chance;
use crate::simulate::scene::drawing::{Drawing, Plane, level};
use crate::simulate::scene::paint::{Lens, SIDE, Sight, spot};

/// The light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Light {
    /// Full daylight.
    Day,
    /// So many percent of daylight: dawn and dusk.
    Dim(u8),
    /// Night in colour, by street lamps.
    Night,
    /// Night by the camera's own infrared lamps: no colour, bright in the middle.
    Infrared,
}

/// Video level of black.
pub(super) const BLACK: i32 = 16;
/// No difference of colour.
pub(super) const NEUTRAL: i32 = 128;
/// What full daylight counts.
const FULL: u16 = 256;
/// What is seen at night away from the lamps.
const MOONLIGHT: i32 = 34;
/// What the infrared lamps give to the middle of the picture.
const BEAM: i64 = 235;

/// How much light there is at each pixel of the brightness, in 256th parts of daylight; `None` when it is full everywhere.
#[derive(Clone, Debug)]
pub(super) struct Glow {
    light: Light,
    plane: Option<Vec<u16>>,
}

impl Glow {
    /// For what is drawn of a sight.
    pub(super) fn of(light: Light, chance: Chance, sight: Sight, drawn: &Plane) -> Self {
        let plane = match light {
            Light::Day => None,
            Light::Dim(percent) => Some(vec![FULL * u16::from(percent) / 100; drawn.levels().len()]),
            Light::Night => Some(lamps(chance, sight.lens(), drawn)),
            Light::Infrared => Some(beam(drawn)),
        };
        Self { light, plane }
    }

    /// Lets a drawn picture be seen by this light.
    pub(super) fn fall_on(&self, drawing: &mut Drawing) {
        let Some(glow) = &self.plane else { return };
        for (pixel, share) in drawing.luma.levels_mut().iter_mut().zip(glow) {
            *pixel = level(BLACK + (((i32::from(*pixel) - BLACK) * i32::from(*share)) >> 8));
        }
        let (saturation, warmth) = match self.light {
            Light::Day => (256, 0),
            Light::Dim(percent) => (96 + i32::from(percent) * 160 / 100, (100 - i32::from(percent)) / 20),
            Light::Night => (110, 5),
            Light::Infrared => (0, 0),
        };
        for (plane, shift) in drawing.colours_mut().into_iter().zip([-warmth, warmth]) {
            for pixel in plane.levels_mut() {
                *pixel = level(NEUTRAL + (((i32::from(*pixel) - NEUTRAL) * saturation) >> 8) + shift);
            }
        }
    }
}

impl Light {
    /// Standard deviation of the sensor's noise in 16th parts of a level: little light is amplified.
    pub(super) fn noise(self) -> i32 {
        match self {
            Self::Day => 14,
            Self::Dim(percent) => 14 + (100 - i32::from(percent)) * 4 / 10,
            Self::Night => 52,
            Self::Infrared => 40,
        }
    }

    /// Whether the sensor sees colour.
    pub(super) const fn has_colour(self) -> bool {
        match self {
            Self::Day | Self::Dim(_) | Self::Night => true,
            Self::Infrared => false,
        }
    }
}

/// Street lamps, three of them around the view.
fn lamps(chance: Chance, lens: Lens, drawn: &Plane) -> Vec<u16> {
    let lamps: Vec<_> = (0..3)
        .map(|number| {
            let chance = chance.about("lamp").number(number);
            let centre = spot(chance.about("x").between(0, SIDE), chance.about("y").between(300, 800));
            let reach = lens.lengths(spot(chance.about("reach").between(60, 140), 0)).x;
            (
                lens.pixel(centre),
                i64::from(reach * reach).max(1),
                i64::from(chance.about("power").between(70, 170)),
            )
        })
        .collect();
    every_pixel(drawn, |x, y| {
        let given = lamps
            .iter()
            .map(|(centre, reach, power)| power * reach / (reach + squared(x - centre.x, y - centre.y)));
        MOONLIGHT + i32::try_from(given.sum::<i64>()).unwrap_or(0)
    })
}

/// The camera's own lamps: what is far from the middle of the picture gets less.
fn beam(drawn: &Plane) -> Vec<u16> {
    let (width, height) = drawn.sides();
    let reach = squared(width / 2, height / 2).max(1);
    every_pixel(drawn, |x, y| {
        let off = squared(x - width / 2, y - height / 2);
        i32::try_from(BEAM * reach / (reach + 3 * off)).unwrap_or(0)
    })
}

fn squared(across: i32, down: i32) -> i64 {
    let (across, down) = (i64::from(across), i64::from(down));
    across * across + down * down
}

fn every_pixel(plane: &Plane, share: impl Fn(i32, i32) -> i32) -> Vec<u16> {
    let (width, height) = plane.sides();
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels.map(|(x, y)| u16::try_from(share(x, y).clamp(0, 400)).unwrap_or(FULL)).collect()
}
