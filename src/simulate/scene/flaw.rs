//! What can be wrong with a picture: the distortions of video quality diagnosis, each in four strengths.
//!
//! Optical flaws come before the sensor's noise and the camera's writing, electric ones after the noise, and those of
//! the coder and the recorder after everything. Lengths are those of a picture 640 wide and grow with it.

use crate::simulate::scene::chance::{Chance, sine};
use crate::simulate::scene::drawing::{Drawing, Paint, Plane, Size, level, mix};
use crate::simulate::scene::focus::blur;
use crate::simulate::scene::light::{BLACK, NEUTRAL};
use crate::simulate::scene::overlay;
use crate::simulate::scene::paint::{SIDE, Spot, spot};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// All is black, but for the camera's writing.
    Black,
    /// A recorder shows one colour, mostly blue, for a camera that is gone.
    OneColour,
    /// The same picture again and again, its clock included.
    Frozen,
    /// The picture stands, the camera's clock runs on.
    FrozenScene,
    /// The picture lives, the camera's clock stands.
    StoppedClock,
    /// Something hides a part of the view.
    Covered,
    /// The camera was turned away.
    Moved,
    /// Out of focus.
    Blurred,
    /// Ice or dirt on the window: blurred and white from the rim inwards.
    Frosted,
    /// Hardly any light is seen.
    TooDark,
    /// Too much light is seen.
    TooBright,
    /// Blocks are torn, as after losses.
    Damaged,
    /// Noise all over.
    Noise,
    /// White and black specks: snow of an analogue line.
    Speckles,
    /// Stripes of a disturbed line.
    Stripes,
    /// One colour is too strong.
    ColourCast,
    /// The pole shakes.
    Shaking,
}

/// How bad it is. Flaws that are or are not take no notice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Hardly to be seen.
    Faint,
    /// To be seen by who looks for it.
    Slight,
    /// Nobody would accept it.
    Clear,
    /// The picture is of no use.
    Gross,
}

/// A flaw in its strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spoilt {
    /// What is wrong.
    pub flaw: Flaw,
    /// How bad it is.
    pub strength: Strength,
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 17] = [
        Self::Black,
        Self::OneColour,
        Self::Frozen,
        Self::FrozenScene,
        Self::StoppedClock,
        Self::Covered,
        Self::Moved,
        Self::Blurred,
        Self::Frosted,
        Self::TooDark,
        Self::TooBright,
        Self::Damaged,
        Self::Noise,
        Self::Speckles,
        Self::Stripes,
        Self::ColourCast,
        Self::Shaking,
    ];
}

impl Strength {
    /// Every strength, the least first.
    pub const ALL: [Self; 4] = [Self::Faint, Self::Slight, Self::Clear, Self::Gross];

    /// The value for this strength, of one for each.
    const fn of(self, values: [i32; 4]) -> i32 {
        let [faint, slight, clear, gross] = values;
        match self {
            Self::Faint => faint,
            Self::Slight => slight,
            Self::Clear => clear,
            Self::Gross => gross,
        }
    }
}

/// What a flaw does; zero is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effects {
    pub(super) held: Held,
    /// How far the camera was turned, in thousandths of the picture's width.
    turn: i32,
    /// How far the picture shakes, likewise.
    pub(super) sway: i32,
    /// Standard deviation of the blur, in 16th parts of a pixel.
    blur: i32,
    /// Hidden thousandths of the picture.
    cover: i32,
    /// Frosted hundredths of the way from a corner to the middle.
    frost: i32,
    /// Hundredths of the light that the sensor takes, beside the first hundred.
    gain: i32,
    /// Hundredths of one colour, beside the first hundred.
    cast: i32,
    /// Standard deviation of more noise, in 16th parts of a level.
    pub(super) noise: i32,
    /// Specks in a thousand pixels.
    specks: i32,
    /// Height of the stripes in levels.
    stripes: i32,
    /// Torn hundredths of the blocks.
    torn: i32,
    shown: Shown,
}

/// What stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    Scene,
    Clock,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Scene,
    Black,
    OneColour,
}

impl Effects {
    /// A sound camera.
    const NONE: Self = Self {
        held: Held::Nothing,
        turn: 0,
        sway: 0,
        blur: 0,
        cover: 0,
        frost: 0,
        gain: 0,
        cast: 0,
        noise: 0,
        specks: 0,
        stripes: 0,
        torn: 0,
        shown: Shown::Scene,
    };

    /// The usual recipe of synthetic distortions, one value for each strength.
    pub(super) const fn of(spoilt: Option<Spoilt>) -> Self {
        let none = Self::NONE;
        let Some(Spoilt { flaw, strength: by }) = spoilt else { return none };
        match flaw {
            Flaw::Black => Self { shown: Shown::Black, ..none },
            Flaw::OneColour => Self { shown: Shown::OneColour, ..none },
            Flaw::Frozen => Self { held: Held::Both, ..none },
            Flaw::FrozenScene => Self { held: Held::Scene, ..none },
            Flaw::StoppedClock => Self { held: Held::Clock, ..none },
            Flaw::Covered => Self { cover: by.of([200, 300, 450, 600]), ..none },
            Flaw::Moved => Self { turn: by.of([30, 80, 150, 300]), ..none },
            Flaw::Blurred => Self { blur: by.of([16, 32, 64, 128]), ..none },
            Flaw::Frosted => Self { frost: by.of([30, 50, 70, 90]), ..none },
            Flaw::TooDark => Self { gain: by.of([-70, -80, -90, -96]), ..none },
            Flaw::TooBright => Self { gain: by.of([50, 120, 250, 500]), ..none },
            Flaw::Damaged => Self { torn: by.of([10, 25, 50, 80]), ..none },
            Flaw::Noise => Self { noise: by.of([48, 80, 128, 192]), ..none },
            Flaw::Speckles => Self { specks: by.of([10, 20, 30, 50]), ..none },
            Flaw::Stripes => Self { stripes: by.of([3, 6, 9, 12]), ..none },
            Flaw::ColourCast => Self { cast: by.of([20, 40, 80, 140]), ..none },
            Flaw::Shaking => Self { sway: by.of([10, 20, 35, 50]), ..none },
        }
    }

    /// Where a camera looks that should look at the origin.
    pub(super) fn aim(&self, chance: Chance) -> Spot {
        let across = self.turn * SIDE / 1000;
        let chance = chance.about("turned");
        spot(across * chance.about("across").sign(), across * chance.about("down").between(-40, 40) / 100)
    }

    /// Standard deviation of the blur of a picture, in 16th parts of a pixel.
    pub(super) fn blur(&self, size: Size) -> i32 {
        size.scale(self.blur)
    }

    /// What happens to the light, before the sensor.
    pub(super) fn spoil_light(&self, drawing: &mut Drawing, chance: Chance) {
        if self.cover > 0 {
            cover(drawing, self.cover, chance);
        }
        if self.frost > 0 {
            frost(drawing, 100 - self.frost);
        }
        if self.gain != 0 {
            expose(drawing, 100 + self.gain);
        }
        if self.cast > 0 {
            cast(drawing, self.cast, chance);
        }
    }

    /// What happens to the signal, behind the sensor; `instant` is the picture's chance.
    pub(super) fn spoil_signal(&self, drawing: &mut Drawing, chance: Chance, instant: Chance) {
        if self.specks > 0 {
            speckle(drawing, self.specks, instant);
        }
        if self.stripes > 0 {
            stripe(drawing, self.stripes, chance, instant);
        }
        if self.shown == Shown::Black {
            *drawing = Drawing::filled(drawing.size(), Paint::new(16, 128, 128));
        }
    }

    /// What happens to the whole picture, the camera's writing included.
    pub(super) fn spoil_picture(&self, drawing: &mut Drawing, chance: Chance, instant: Chance) {
        if self.shown == Shown::OneColour {
            lose(drawing, chance);
        }
        if self.torn > 0 {
            tear(drawing, self.torn, instant);
        }
    }
}

/// A recorder's picture for a camera that is gone.
fn lose(drawing: &mut Drawing, chance: Chance) {
    let chance = chance.about("gone");
    let paint = match chance.below(4) {
        0 => Paint::new(128, 128, 128),
        1 => Paint::new(16, 128, 128),
        _ => Paint::new(41, 240, 110),
    };
    *drawing = Drawing::filled(drawing.size(), paint);
    if chance.about("words").is_one_in(2) {
        overlay::announce(drawing, "VIDEO LOSS");
    }
}

/// Hides so many thousandths of the picture behind something close, from one side, with a slanting soft edge.
fn cover(drawing: &mut Drawing, thousandths: i32, chance: Chance) {
    let chance = chance.about("cover");
    let paint = match chance.about("paint").below(4) {
        0 => Paint::new(24, 128, 128),
        1 => Paint::new(70, 112, 116),
        2 => Paint::new(96, 128, 130),
        _ => Paint::new(186, 126, 130),
    };
    let (side, slant) = (chance.about("side").below(4), chance.about("slant").between(-160, 160));
    for (plane, tone) in drawing.planes_mut().into_iter().zip([paint.luma, paint.blue, paint.red]) {
        let (width, height) = plane.sides();
        for (y, row) in plane.rows_mut() {
            let down = y * 1000 / height;
            for (x, pixel) in (0..).zip(row) {
                let across = x * 1000 / width;
                let (from_side, along) = match side {
                    0 => (across, down),
                    1 => (1000 - across, down),
                    2 => (down, across),
                    _ => (1000 - down, across),
                };
                let edge = thousandths + slant * (along - 500) / 500;
                // The edge is as soft as 50 thousandths of the side.
                *pixel = mix(*pixel, tone, (edge - from_side) * 256 / 50 + 128);
            }
        }
    }
}

/// Blurs and whitens what is further from the middle than so many hundredths of the way to a corner.
fn frost(drawing: &mut Drawing, clear: i32) {
    let mut behind = drawing.clone();
    let sigma = drawing.size().scale(96);
    blur(&mut behind, sigma);
    behind.veil(Paint::new(205, 128, 128), |_y| 120);
    for (plane, hidden) in drawing.planes_mut().into_iter().zip([&behind.luma, &behind.blue, &behind.red]) {
        let (width, height) = plane.sides();
        let corner = i64::from((width * width + height * height) / 4);
        for ((y, row), hidden) in plane.rows_mut().zip(hidden.rows()) {
            for ((x, pixel), hidden) in (0..).zip(row).zip(hidden) {
                let (across, down) = (x - width / 2, y - height / 2);
                let off = i64::from(across * across + down * down) * 10_000 / corner;
                let off = i32::try_from(off).unwrap_or(0);
                *pixel = mix(*pixel, *hidden, (off - clear * clear) / 8);
            }
        }
    }
}

/// Multiplies the light by so many hundredths; the sensor saturates at white, and white has no colour.
fn expose(drawing: &mut Drawing, hundredths: i32) {
    for pixel in drawing.luma.levels_mut() {
        *pixel = level((BLACK + (i32::from(*pixel) - BLACK) * hundredths / 100).min(235));
    }
    let saturation = if hundredths <= 100 { hundredths } else { 10_000 / hundredths };
    for plane in drawing.colours_mut() {
        for pixel in plane.levels_mut() {
            *pixel = level(NEUTRAL + (i32::from(*pixel) - NEUTRAL) * saturation / 100);
        }
    }
}

/// Adds so many hundredths of red, green or blue.
fn cast(drawing: &mut Drawing, hundredths: i32, chance: Chance) {
    let tint = match chance.about("cast").below(3) {
        0 => Tint { blue: 0, red: 409, given: [66, -38, 112] },
        1 => Tint { blue: -100, red: -208, given: [129, -74, -94] },
        _ => Tint { blue: 516, red: 0, given: [25, 112, -18] },
    };
    let width = drawing.luma.width();
    let colours = drawing.blue.rows_mut().zip(drawing.red.rows_mut());
    let pairs = drawing.luma.levels_mut().chunks_exact_mut(2 * width);
    for (((_, blue), (_, red)), rows) in colours.zip(pairs) {
        let (upper, lower) = rows.split_at_mut(width);
        let fours = upper.chunks_exact_mut(2).zip(lower.chunks_exact_mut(2));
        for ((blue, red), (upper, lower)) in blue.iter_mut().zip(red.iter_mut()).zip(fours) {
            let more = |luma: u8| tint.share_of(luma, *blue, *red) * hundredths / 100;
            let mean = upper.iter().chain(lower.iter()).map(|luma| more(*luma)).sum::<i32>() / 4;
            let [luma_given, blue_given, red_given] = tint.given;
            for luma in upper.iter_mut().chain(lower.iter_mut()) {
                *luma = level((i32::from(*luma) + ((more(*luma) * luma_given) >> 8)).min(235));
            }
            let (new_blue, new_red) =
                (i32::from(*blue) + ((mean * blue_given) >> 8), i32::from(*red) + ((mean * red_given) >> 8));
            (*blue, *red) = (level(new_blue), level(new_red));
        }
    }
}

/// One of red, green and blue in terms of the planes, by BT.601 in 256th parts.
struct Tint {
    /// What the blue difference gives to it.
    blue: i32,
    /// What the red difference gives to it.
    red: i32,
    /// What it gives to the three planes.
    given: [i32; 3],
}

impl Tint {
    fn share_of(&self, luma: u8, blue: u8, red: u8) -> i32 {
        let off = |level: u8| i32::from(level) - NEUTRAL;
        let share = 298 * (i32::from(luma) - BLACK) + self.blue * off(blue) + self.red * off(red);
        (share >> 8).clamp(0, 255)
    }
}

/// Turns so many thousandths of the pixels white or black.
fn speckle(drawing: &mut Drawing, thousandths: i32, instant: Chance) {
    let size = drawing.size();
    let (width, height) = (i32::from(size.width()), i32::from(size.height()));
    for speck in 0..width * height / 1000 * thousandths {
        let speck = instant.number(i64::from(speck));
        let (x, y) = (speck.about("x").below(width), speck.about("y").below(height));
        if let Some(pixel) = drawing.luma.at_mut(x, y) {
            *pixel = if speck.is_one_in(3) { 16 } else { 235 };
        }
    }
}

/// Adds a wave of so many levels, across or down; it may run. Its period is one of the signal, whatever the size.
fn stripe(drawing: &mut Drawing, levels: i32, chance: Chance, instant: Chance) {
    let chance = chance.about("stripes");
    let period = chance.about("period").between(4, 40);
    let phase = if chance.about("running").is_one_in(2) { instant.about("phase").below(SIDE) } else { 0 };
    let is_across = chance.about("across").is_one_in(2);
    let wave = |at: i32| (sine(at * SIDE / period + phase) * levels + 512) >> 10;
    for (y, row) in drawing.luma.rows_mut() {
        let of_row = wave(y);
        for (x, pixel) in (0..).zip(row) {
            *pixel = level(i32::from(*pixel) + if is_across { of_row } else { wave(x) });
        }
    }
}

/// Tears so many hundredths of the macroblocks, from some row on downwards, as a decoder that hides losses.
fn tear(drawing: &mut Drawing, hundredths: i32, instant: Chance) {
    let instant = instant.about("torn");
    for (plane, side) in drawing.planes_mut().into_iter().zip([16, 8, 8]) {
        let (width, height) = plane.sides();
        let (columns, rows) = (width / side, height / side);
        let first = instant.about("first row").below((rows / 3).max(1));
        for row in first..rows {
            for column in 0..columns {
                let block = instant.number(i64::from(row * 4096 + column / 4));
                if block.below(100) < hundredths {
                    spoil_block(plane, (column * side, row * side), side, block);
                }
            }
        }
    }
}

fn spoil_block(plane: &mut Plane, corner: (i32, i32), side: i32, block: Chance) {
    let (left, top) = corner;
    let kind = block.about("kind").below(3);
    let (across, down) =
        (block.about("across").between(-3, 3) * side, block.about("down").between(1, 3) * side);
    for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (left + x, top + y))) {
        let taken = match kind {
            // Smeared downwards, from elsewhere, or nothing.
            0 => plane.at(x, top - 1),
            1 => plane.at(x + across, y - down),
            _ => 128,
        };
        if let Some(pixel) = plane.at_mut(x, y) {
            *pixel = taken;
        }
    }
}
