//! What happens before a healthy camera: weather, light and life that a careless judge takes for a fault.

use crate::simulate::scene::chance::Chance;
use crate::simulate::scene::drawing::{Drawing, Paint, Size, index, level, mix};
use crate::simulate::scene::place::Stir;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// Nothing at all moves; only the sensor's noise tells that the picture lives.
    Still,
    /// The same before a camera that takes most of the noise away.
    Denoised,
    /// An ordinary hour: trees sway a little, something passes now and then.
    Lively,
    /// Trees sway, and the pole a little with them.
    Wind,
    /// Snow falls.
    Snowfall,
    /// Snow lies, and the sun shines on it.
    SnowCover,
    /// Fog.
    Fog,
    /// Rain.
    Rain,
    /// Headlights at night shine into the lens.
    Headlights,
    /// A lorry stands close by and hides much of the view.
    Lorry,
    /// An insect sits near the lens.
    Insect,
    /// The low sun shines into the lens.
    LowSun,
}

/// Video level of what is too bright for the sensor.
const WHITE: i32 = 235;
const FOG: Paint = Paint::new(196, 130, 126);
const SNOW: Paint = Paint::new(226, 130, 127);

impl Occasion {
    /// What moves meanwhile.
    pub(super) const fn stir(self) -> Stir {
        match self {
            Self::Still | Self::Denoised | Self::SnowCover | Self::Fog | Self::Insect | Self::LowSun => {
                Stir::Still
            }
            Self::Wind => Stir::Windy,
            Self::Lively | Self::Snowfall | Self::Rain | Self::Headlights | Self::Lorry => Stir::Lively,
        }
    }

    /// How far the pole moves, in thousandths of the picture's width.
    pub(super) const fn sway(self) -> i32 {
        match self.stir() {
            Stir::Still | Stir::Lively => 0,
            Stir::Windy => 4,
        }
    }

    /// How many times less noise than usual there is.
    pub(super) const fn denoised(self) -> i32 {
        if matches!(self, Self::Denoised) { 4 } else { 1 }
    }

    /// Changes what is before the lens; `chance` is the camera's, `instant` that of the picture.
    pub(super) fn show(self, drawing: &mut Drawing, chance: Chance, instant: Chance) {
        match self {
            Self::Still | Self::Denoised | Self::Lively | Self::Wind => {}
            Self::Snowfall => snowfall(drawing, chance, instant),
            Self::SnowCover => snow_cover(drawing, chance),
            Self::Fog => fog(drawing, chance.about("fog").between(110, 190)),
            Self::Rain => rain(drawing, instant),
            Self::Headlights => headlights(drawing, instant),
            Self::Lorry => lorry(drawing, chance),
            Self::Insect => insect(drawing, chance, instant),
            Self::LowSun => low_sun(drawing, chance),
        }
    }
}

/// Fog hides what is far, which is above.
fn fog(drawing: &mut Drawing, share: i32) {
    drawing.veil(FOG, |y| share - share * y / 512);
}

fn snowfall(drawing: &mut Drawing, chance: Chance, instant: Chance) {
    fog(drawing, chance.about("snowfall").between(40, 100));
    let flakes = chance.about("flakes").between(150, 500);
    let size = drawing.size();
    for flake in 0..flakes {
        let flake = instant.about("flake").number(i64::from(flake));
        let (x, y) = somewhere(size, flake);
        let radius = size.scale(flake.about("radius").between(10, 32));
        dab(drawing, (x, y), (radius.max(10), radius.max(10)), SNOW.luma, 210);
    }
}

/// Snow takes the colour from the ground and leaves what stands.
fn snow_cover(drawing: &mut Drawing, chance: Chance) {
    let line = chance.about("snow line").between(90, 130);
    let share = |y: i32| if y < line { 30 } else { (60 + (y - line) * 4).min(215) };
    drawing.veil(SNOW, share);
}

fn rain(drawing: &mut Drawing, instant: Chance) {
    fog(drawing, 50);
    let size = drawing.size();
    for drop in 0..260 {
        let drop = instant.about("drop").number(drop);
        let (left, top) = somewhere(size, drop);
        let long = size.scale(drop.about("length").between(10, 34));
        for down in 0..long {
            if let Some(pixel) = drawing.luma.at_mut(left + down / 6, top + down) {
                *pixel = mix(*pixel, 220, 70);
            }
        }
    }
}

fn headlights(drawing: &mut Drawing, instant: Chance) {
    let size = drawing.size();
    let (width, height) = (i32::from(size.width()), i32::from(size.height()));
    let x = width * instant.about("x").between(15, 80) / 100;
    let y = height * instant.about("y").between(40, 80) / 100;
    let apart = width * instant.about("near").between(3, 9) / 100;
    for lamp in [x, x + apart] {
        glare(drawing, (lamp, y), apart / 3 + 2);
    }
}

fn low_sun(drawing: &mut Drawing, chance: Chance) {
    let (width, height) = drawing.luma.sides();
    let x = width * chance.about("sun").between(10, 90) / 100;
    glare(drawing, (x, height * chance.about("altitude").between(4, 20) / 100), width / 22);
}

/// Light that shines into the lens: a saturated disc, and around it a glow that fades.
fn glare(drawing: &mut Drawing, centre: (i32, i32), radius: i32) {
    let reach = radius * radius;
    for (y, row) in drawing.luma.rows_mut() {
        for (x, pixel) in (0..).zip(row) {
            let off = (x - centre.0) * (x - centre.0) + (y - centre.1) * (y - centre.1);
            // Far away a 16th part of a level is nothing.
            if off < reach * 4096 {
                *pixel = level((i32::from(*pixel) + 240 * reach / (off + reach / 2 + 1)).min(WHITE));
            }
        }
    }
}

/// The side of a lorry: panels with seams, from the ground up, over a third to a half of the width.
fn lorry(drawing: &mut Drawing, chance: Chance) {
    let (width, height) = drawing.luma.sides();
    let left = width * chance.about("lorry").between(5, 45) / 100;
    let right = left + width * chance.about("length").between(35, 50) / 100;
    let top = height * chance.about("roof").between(15, 30) / 100;
    let paint = chance.about("paint");
    let body =
        [paint.between(60, 190), paint.about("blue").between(100, 156), paint.about("red").between(100, 156)];
    let seam = (width / 24).max(2);
    for ((plane, tone), half) in drawing.planes_mut().into_iter().zip(body).zip([1, 2, 2]) {
        for (y, row) in plane.rows_mut().skip(index(top / half)) {
            for (x, pixel) in (0..).zip(row).filter(|(x, _)| (left / half..right / half).contains(x)) {
                let is_seam = half == 1 && (x % seam < 2 || y % (seam * 3) < 2);
                *pixel = level(if is_seam { tone - 30 } else { tone });
            }
        }
    }
}

fn insect(drawing: &mut Drawing, chance: Chance, instant: Chance) {
    let (width, height) = drawing.luma.sides();
    let at = chance.about("insect");
    let x = width * at.about("x").between(10, 90) / 100 + instant.below(width / 20 + 1);
    let y = height * at.about("y").between(10, 90) / 100 + instant.below(height / 20 + 1);
    let radius = width * at.about("size").between(60, 130) / 1000;
    dab(drawing, (x, y), (radius * 16, radius * 8), 215, 250);
}

fn somewhere(size: Size, chance: Chance) -> (i32, i32) {
    let (width, height) = (i32::from(size.width()), i32::from(size.height()));
    (chance.about("x").below(width), chance.about("y").below(height))
}

/// A soft spot: `radius` in 16th parts of a pixel, `share` of 256 parts of it in the middle.
fn dab(drawing: &mut Drawing, centre: (i32, i32), radius: (i32, i32), tone: u8, share: i32) {
    let reach = (radius.0 / 16 + 1, radius.1 / 16 + 1);
    for y in centre.1 - reach.1..=centre.1 + reach.1 {
        for x in centre.0 - reach.0..=centre.0 + reach.0 {
            let across = (x - centre.0) * 16 * 256 / radius.0;
            let down = (y - centre.1) * 16 * 256 / radius.1;
            let off = (across * across + down * down) >> 8;
            if off < 256
                && let Some(pixel) = drawing.luma.at_mut(x, y)
            {
                *pixel = mix(*pixel, tone, share * (256 - off) / 256);
            }
        }
    }
}
