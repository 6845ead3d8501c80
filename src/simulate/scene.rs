//! Pictures drawn by program: what made-up cameras see, what can be wrong with it, and what only looks wrong.
//!
//! Owns the test material of the picture checks: unit tests, the bench of detection rates and the simulated cameras take
//! their pictures here. Everything is drawn in whole numbers from seeds, so that every machine draws the same bytes.
//! The way of one picture: [`Place`] -> [`Light`] -> [`Occasion`] -> optical [`Flaw`] -> noise -> electric flaw -> the
//! camera's writing. Knows no codec (`encode`) and no judge.

mod case;
mod chance;
mod damage;
mod drawing;
mod flaw;
mod focus;
mod font;
mod grain;
mod light;
mod occasion;
mod overlay;
mod paint;
mod place;

pub use case::{Case, Harmless, Look};
pub use damage::Harm;
pub use drawing::{Drawing, Plane, Size};
pub use flaw::{Flaw, Spoilt, Strength};
pub use light::Light;
pub use occasion::Occasion;
pub use overlay::{Area, Clock, Overlay};
pub use place::Place;

use crate::domain::Timestamp;
use chance::Chance;
use flaw::{Effects, Held};
use grain::Grain;
use light::Glow;
use paint::{Relief, Sight};

/// What stands still has stood so since the last full day, in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Standard deviation of a good lens, in 16th parts of a pixel of a picture 640 wide, and at most: the lens is one for its
/// sensor.
const LENS_BLUR: i32 = 8;
const WORST_LENS: i32 = 12;

/// A made-up camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// What lays out its scene; another seed is another camera.
    pub seed: u64,
    /// Where it looks.
    pub place: Place,
    /// What it writes over its pictures.
    pub overlay: Overlay,
}

impl Camera {
    /// The camera of a seed.
    pub fn of(seed: u64) -> Self {
        let chance = Chance::of(seed);
        let number = usize::try_from(chance.about("place").below(6)).unwrap_or(0);
        Self { place: *crate::simulate::dice::pick(&Place::ALL, number), ..Self::at(Place::Road, seed) }
    }

    /// The camera of a seed that looks at a place of one kind.
    pub fn at(place: Place, seed: u64) -> Self {
        Self { seed, place, overlay: Overlay::of(Chance::of(seed).about("overlay")) }
    }

    const fn chance(&self) -> Chance {
        Chance::of(self.seed)
    }
}

/// What a camera meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The light.
    pub light: Light,
    /// What happens.
    pub occasion: Occasion,
    /// What is wrong with the camera.
    pub spoilt: Option<Spoilt>,
}

impl Setting {
    /// A sound camera.
    pub const fn sound(light: Light, occasion: Occasion) -> Self {
        Self { light, occasion, spoilt: None }
    }

    /// A camera with a flaw, in an ordinary hour.
    pub const fn spoilt(light: Light, flaw: Flaw, strength: Strength) -> Self {
        Self { light, occasion: Occasion::Lively, spoilt: Some(Spoilt { flaw, strength }) }
    }
}

/// A camera in its setting, ready to be looked through. What stands still is drawn once.
#[derive(Clone, Debug)]
pub struct Stage {
    camera: Camera,
    sight: Sight,
    setting: Setting,
    effects: Effects,
    relief: Relief,
    grain: Grain,
    backdrop: Drawing,
    glow: Glow,
}

impl Stage {
    /// Sets the stage.
    pub fn set(camera: &Camera, size: Size, setting: Setting) -> Self {
        let chance = camera.chance();
        let effects = Effects::of(setting.spoilt);
        let sight = Sight { size, aim: effects.aim(chance) };
        let (relief, grain) = (Relief::of(chance), Grain::of(chance));
        let backdrop = stand(camera, sight, &relief);
        let glow = Glow::of(setting.light, chance, sight, &backdrop.luma);
        Self { camera: camera.clone(), sight, setting, effects, relief, grain, backdrop, glow }
    }

    /// Changes the setting; what stays the same is not drawn anew.
    pub fn change(&mut self, setting: Setting) {
        let chance = self.camera.chance();
        let effects = Effects::of(setting.spoilt);
        let sight = Sight { aim: effects.aim(chance), ..self.sight };
        if sight.aim != self.sight.aim {
            self.backdrop = stand(&self.camera, sight, &self.relief);
        }
        if sight.aim != self.sight.aim || setting.light != self.setting.light {
            self.glow = Glow::of(setting.light, chance, sight, &self.backdrop.luma);
        }
        (self.sight, self.setting, self.effects) = (sight, setting, effects);
    }

    /// The picture that a look finds.
    pub fn look(&mut self, look: Look) -> Drawing {
        self.change(look.setting);
        self.draw(look.at)
    }

    /// The picture at an instant.
    pub fn draw(&self, at: Timestamp) -> Drawing {
        let held = Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(DAY_MS));
        let (seen_at, written_at) = match self.effects.held {
            Held::Nothing => (at, at),
            Held::Scene => (held, at),
            Held::Clock => (at, held),
            Held::Both => (held, held),
        };
        let chance = self.camera.chance();
        let instant = chance.about("instant").number(seen_at.as_millis());
        let mut drawing = self.expose(seen_at.as_millis(), instant);
        self.setting.occasion.show(&mut drawing, chance, instant);
        self.effects.spoil_light(&mut drawing, chance);
        self.sense(&mut drawing, instant);
        self.effects.spoil_signal(&mut drawing, chance, instant);
        self.camera.overlay.write(&mut drawing, written_at);
        self.effects.spoil_picture(&mut drawing, chance, instant);
        drawing
    }

    /// The scene by its light, as far as the camera holds still.
    fn expose(&self, at: i64, instant: Chance) -> Drawing {
        let size = self.sight.size;
        let (left, top) = self.sight.margin();
        let (across, down) = self.shake(instant);
        let mut drawn = self.backdrop.clone();
        let moving = place::moving(self.camera.chance(), at, self.setting.occasion.stir());
        paint::paint(&mut drawn, self.sight.lens(), &self.relief, &moving);
        self.glow.fall_on(&mut drawn);
        let (left, top) = (left + across, top + down);
        let (width, height) = (size.width(), size.height());
        Drawing {
            luma: drawn.luma.crop(left, top, width, height),
            blue: drawn.blue.crop(left / 2, top / 2, width / 2, height / 2),
            red: drawn.red.crop(left / 2, top / 2, width / 2, height / 2),
        }
    }

    /// How far the picture is off at an instant, in pixels; even, as the colours are half as fine.
    fn shake(&self, instant: Chance) -> (i32, i32) {
        let sway = self.effects.sway.max(self.setting.occasion.sway());
        let reach = i32::from(self.sight.size.width()) * sway / 1000;
        let of = |question: &str, reach: i32| instant.about(question).between(-reach, reach) & !1;
        (of("across", reach), of("down", reach / 2))
    }

    /// What a lens out of focus and the sensor make of the light.
    fn sense(&self, drawing: &mut Drawing, instant: Chance) {
        focus::blur(drawing, self.effects.blur(self.sight.size));
        let noise = self.setting.light.noise() / self.setting.occasion.denoised() + self.effects.noise;
        let noise_of = |plane: i64| instant.about("noise").number(plane);
        self.grain.add(&mut drawing.luma, noise, noise_of(0));
        if self.setting.light.has_colour() {
            self.grain.add(&mut drawing.blue, noise / 2, noise_of(1));
            self.grain.add(&mut drawing.red, noise / 2, noise_of(2));
        }
    }
}

/// What stands still, as a good lens shows it.
fn stand(camera: &Camera, sight: Sight, relief: &Relief) -> Drawing {
    let mut drawing = Drawing::filled(sight.size.widened(), drawing::Paint::new(16, 128, 128));
    let shapes = place::standing(camera.place, camera.chance());
    paint::paint(&mut drawing, sight.lens(), relief, &shapes);
    focus::blur(&mut drawing, sight.size.scale(LENS_BLUR).min(WORST_LENS));
    drawing
}

#[cfg(test)]
mod tests;
