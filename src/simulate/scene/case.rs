//! Cases for judges of pictures: a camera that was learnt for three days, then looks that are to be judged.
//!
//! A case is told by its kind and a number, so that thousands of them need no list. The number is that of the camera: one
//! camera meets a kind once, and is learnt once for all kinds.

use crate::domain::Timestamp;
use crate::simulate::scene::chance::Chance;
use crate::simulate::scene::flaw::{Flaw, Strength};
use crate::simulate::scene::light::Light;
use crate::simulate::scene::occasion::Occasion;
use crate::simulate::scene::overlay::Clock;
use crate::simulate::scene::place::Place;
use crate::simulate::scene::{Camera, Setting};

/// 2026-06-01 in China.
const FIRST_DAY: i64 = 1_780_243_200_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours at which cameras are learnt: by day, then by night.
const DAY_HOURS: [i64; 2] = [9, 15];
const NIGHT_HOURS: [i64; 2] = [1, 22];
/// Hours at which judging begins.
const DAWN: i64 = 5;
const MORNING: i64 = 10;
const DUSK: i64 = 18;
const EVENING: i64 = 20;
/// Days of learning, as baselines need them.
const LEARNT_DAYS: i64 = 3;
/// Looks at what stays wrong, as many as confirm it, and at what passes; of what shakes, or seems to, it takes more to tell.
const LASTING_LOOKS: i64 = 3;
const PASSING_LOOKS: i64 = 6;
const SHAKING_LOOKS: i64 = 14;
/// The time from one look to the next: a patrol of five minutes.
const APART_MS: i64 = 300_000;

/// One look at a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What the camera meets.
    pub setting: Setting,
    /// When.
    pub at: Timestamp,
}

/// A camera and the looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The camera.
    pub camera: Camera,
    /// Sound pictures of days and nights, in order.
    pub learnt: Vec<Look>,
    /// What is to be judged, five minutes apart.
    pub judged: Vec<Look>,
}

/// What only looks wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harmless {
    /// An ordinary day.
    Day,
    /// An ordinary night.
    Night,
    /// A day on which nothing moves.
    StillDay,
    /// The same, and the camera takes most of the noise away.
    DenoisedDay,
    /// The same by night.
    DenoisedNight,
    /// A night by street lamps on which nothing moves.
    StillNight,
    /// The same by infrared.
    StillInfrared,
    /// Nothing moves, and no clock is written over it.
    StillClockless,
    /// It gets light.
    Dawn,
    /// It gets dark, and the camera switches to infrared.
    InfraredSwitch,
    /// Headlights every other time.
    Headlights,
    /// The low sun.
    LowSun,
    /// Snow falls.
    Snowfall,
    /// Snow falls by infrared: each flake is bright.
    InfraredSnowfall,
    /// Snow lies.
    SnowCover,
    /// Fog.
    Fog,
    /// Rain.
    Rain,
    /// Wind.
    Wind,
    /// A lorry stands before the camera for five minutes.
    Lorry,
    /// An insect sits before the camera for five minutes at night.
    Insect,
    /// Bars that look like stripes.
    Fence,
    /// Rows that look like stripes.
    CropRows,
    /// Sharp, and yet next to no edges.
    SmoothWater,
}

impl Harmless {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::Day,
        Self::Night,
        Self::StillDay,
        Self::DenoisedDay,
        Self::DenoisedNight,
        Self::StillNight,
        Self::StillInfrared,
        Self::StillClockless,
        Self::Dawn,
        Self::InfraredSwitch,
        Self::Headlights,
        Self::LowSun,
        Self::Snowfall,
        Self::InfraredSnowfall,
        Self::SnowCover,
        Self::Fog,
        Self::Rain,
        Self::Wind,
        Self::Lorry,
        Self::Insect,
        Self::Fence,
        Self::CropRows,
        Self::SmoothWater,
    ];

    /// Where it is looked for; `None` for anywhere.
    const fn place(self) -> Option<Place> {
        match self {
            Self::Fence => Some(Place::Gate),
            Self::CropRows => Some(Place::Field),
            Self::SmoothWater => Some(Place::River),
            Self::Day
            | Self::Night
            | Self::StillDay
            | Self::DenoisedDay
            | Self::DenoisedNight
            | Self::StillNight
            | Self::StillInfrared
            | Self::StillClockless
            | Self::Dawn
            | Self::InfraredSwitch
            | Self::Headlights
            | Self::LowSun
            | Self::Snowfall
            | Self::InfraredSnowfall
            | Self::SnowCover
            | Self::Fog
            | Self::Rain
            | Self::Wind
            | Self::Lorry
            | Self::Insect => None,
        }
    }

    /// The light of the nights that it needs; `None` for either.
    const fn night(self) -> Option<Light> {
        match self {
            Self::StillNight | Self::Headlights => Some(Light::Night),
            Self::StillInfrared | Self::InfraredSwitch | Self::InfraredSnowfall | Self::Insect => {
                Some(Light::Infrared)
            }
            Self::Day
            | Self::Night
            | Self::StillDay
            | Self::DenoisedDay
            | Self::DenoisedNight
            | Self::StillClockless
            | Self::Dawn
            | Self::LowSun
            | Self::Snowfall
            | Self::SnowCover
            | Self::Fog
            | Self::Rain
            | Self::Wind
            | Self::Lorry
            | Self::Fence
            | Self::CropRows
            | Self::SmoothWater => None,
        }
    }

    /// How many looks it is given.
    const fn passing(self) -> i64 {
        if matches!(self, Self::Wind | Self::Snowfall | Self::Rain) { SHAKING_LOOKS } else { PASSING_LOOKS }
    }

    /// What the camera meets at the `look`-th look; `night` is the light of its nights.
    fn setting(self, look: i64, night: Light) -> Setting {
        let (light, occasion) = match self {
            Self::Day | Self::Fence | Self::CropRows | Self::SmoothWater => (Light::Day, Occasion::Lively),
            Self::Night => (night, Occasion::Lively),
            Self::StillDay | Self::StillClockless => (Light::Day, Occasion::Still),
            Self::StillNight | Self::StillInfrared => (night, Occasion::Still),
            Self::DenoisedDay => (Light::Day, Occasion::Denoised),
            Self::DenoisedNight => (night, Occasion::Denoised),
            Self::Dawn => (dawn(look, night), Occasion::Lively),
            Self::InfraredSwitch => (dusk(look, night), Occasion::Lively),
            Self::Headlights => (night, if look % 2 == 0 { Occasion::Lively } else { Occasion::Headlights }),
            Self::LowSun => (Light::Dim(80), Occasion::LowSun),
            Self::Snowfall => (Light::Dim(80), Occasion::Snowfall),
            Self::InfraredSnowfall => (night, Occasion::Snowfall),
            Self::SnowCover => (Light::Day, Occasion::SnowCover),
            Self::Fog => (Light::Dim(80), Occasion::Fog),
            Self::Rain => (Light::Dim(70), Occasion::Rain),
            Self::Wind => (Light::Day, Occasion::Wind),
            Self::Lorry => (Light::Day, if look == 2 { Occasion::Lorry } else { Occasion::Lively }),
            Self::Insect => (night, if look == 2 { Occasion::Insect } else { Occasion::Still }),
        };
        Setting::sound(light, occasion)
    }
}

impl Case {
    /// The `number`-th camera with a flaw; `None` when it cannot have it. Most flaws are shown by day and by night; those of
    /// the view only by day, because nobody could tell them at night.
    pub fn spoilt(flaw: Flaw, strength: Strength, number: u32) -> Option<Self> {
        let (camera, night) = camera(number);
        if needs_clock(flaw) && camera.overlay.clock == Clock::Absent {
            return None;
        }
        let chance = camera.chance().about("spoilt").about(&format!("{flaw:?}"));
        let is_night = !needs_day(flaw) && chance.about("night").is_one_in(3);
        let (light, hour) = if is_night { (night, EVENING) } else { (Light::Day, MORNING) };
        let judged = looks(chance, hour, lasting(flaw), |_look| Setting::spoilt(light, flaw, strength));
        Some(Self { camera, learnt: learnt(night), judged })
    }

    /// The `number`-th camera as it meets what only looks wrong; `None` when it cannot, for its lamps, its place or its
    /// clock.
    pub fn harmless(kind: Harmless, number: u32) -> Option<Self> {
        let (camera, night) = camera(number);
        let fits = kind.place().is_none_or(|place| place == camera.place)
            && kind.night().is_none_or(|light| light == night)
            && (kind != Harmless::StillClockless || camera.overlay.clock == Clock::Absent);
        if !fits {
            return None;
        }
        let hour = match (kind.setting(0, night).light, kind.setting(PASSING_LOOKS - 1, night).light) {
            (first, last) if first == last && last == night => EVENING,
            (first, last) if first == last => MORNING,
            (first, _day) if first == night => DAWN,
            (_day, _night) => DUSK,
        };
        let chance = camera.chance().about("harmless").about(&format!("{kind:?}"));
        let judged = looks(chance, hour, kind.passing(), |look| kind.setting(look, night));
        Some(Self { camera, learnt: learnt(night), judged })
    }
}

/// The camera of a number, and the light of its nights.
fn camera(number: u32) -> (Camera, Light) {
    let chance = Chance::of(0).about("case").number(i64::from(number));
    (Camera::of(chance.seed()), night_of(chance))
}

/// How many looks a flaw is given.
const fn lasting(flaw: Flaw) -> i64 {
    if matches!(flaw, Flaw::Shaking) { SHAKING_LOOKS } else { LASTING_LOOKS }
}

/// Whether a flaw shows by daylight only.
const fn needs_day(flaw: Flaw) -> bool {
    matches!(
        flaw,
        Flaw::Covered
            | Flaw::Moved
            | Flaw::Frosted
            | Flaw::TooDark
            | Flaw::TooBright
            | Flaw::ColourCast
            | Flaw::Shaking
    )
}

const fn needs_clock(flaw: Flaw) -> bool {
    matches!(flaw, Flaw::FrozenScene | Flaw::StoppedClock)
}

/// Two cameras in three have infrared lamps.
fn night_of(chance: Chance) -> Light {
    if chance.about("lamps").is_one_in(3) { Light::Night } else { Light::Infrared }
}

fn dawn(look: i64, night: Light) -> Light {
    match look {
        ..1 => night,
        1 => Light::Dim(20),
        2 => Light::Dim(40),
        3 => Light::Dim(60),
        4 => Light::Dim(80),
        5.. => Light::Day,
    }
}

fn dusk(look: i64, night: Light) -> Light {
    match look {
        ..1 => Light::Dim(50),
        1 => Light::Dim(35),
        2.. => night,
    }
}

fn learnt(night: Light) -> Vec<Look> {
    let of_day = |day: i64| {
        let by_day = DAY_HOURS.map(|hour| (hour, Light::Day));
        let by_night = NIGHT_HOURS.map(|hour| (hour, night));
        by_day.into_iter().chain(by_night).map(move |(hour, light)| {
            let occasion = if day == 0 { Occasion::Still } else { Occasion::Lively };
            let at = Timestamp::from_millis(FIRST_DAY + day * DAY_MS + hour * HOUR_MS);
            Look { setting: Setting::sound(light, occasion), at }
        })
    };
    let mut looks: Vec<Look> = (0..LEARNT_DAYS).flat_map(of_day).collect();
    looks.sort_by_key(|look| look.at);
    looks
}

/// Looks from an hour of the day after learning on, or a little later.
fn looks(chance: Chance, hour: i64, number: i64, setting: impl Fn(i64) -> Setting) -> Vec<Look> {
    let start = FIRST_DAY + LEARNT_DAYS * DAY_MS + hour * HOUR_MS;
    let start = start + i64::from(chance.about("start").below(1_800_000));
    (0..number)
        .map(|look| Look { setting: setting(look), at: Timestamp::from_millis(start + look * APART_MS) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn spoilt() -> impl Iterator<Item = Case> {
        let numbers = |flaw| (0..20).filter_map(move |number| Case::spoilt(flaw, Strength::Clear, number));
        Flaw::ALL.into_iter().flat_map(numbers)
    }

    fn harmless() -> impl Iterator<Item = Case> {
        let numbers = |kind| (0..20).filter_map(move |number| Case::harmless(kind, number));
        Harmless::ALL.into_iter().flat_map(numbers)
    }

    #[test]
    fn a_case_comes_again_the_same_and_its_camera_is_learnt_once() {
        let cases = || spoilt().chain(harmless());
        assert!(cases().eq(cases()));
        let seeds: BTreeSet<u64> = cases().map(|case| case.camera.seed).collect();
        assert_eq!(seeds.len(), 20);
        for case in cases() {
            let learnt = cases().filter(|other| other.camera == case.camera).map(|other| other.learnt);
            assert!(learnt.into_iter().all(|learnt| learnt == case.learnt));
        }
    }

    #[test]
    fn strengths_of_a_case_differ_in_nothing_else() {
        let of = |strength| Case::spoilt(Flaw::Blurred, strength, 3).unwrap();
        let (faint, gross) = (of(Strength::Faint), of(Strength::Gross));
        assert_eq!((&faint.camera, &faint.learnt), (&gross.camera, &gross.learnt));
        assert_ne!(faint.judged, gross.judged);
    }

    #[test]
    fn every_camera_meets_much_and_every_kind_is_met() {
        for kind in Harmless::ALL {
            assert!((0..60).any(|number| Case::harmless(kind, number).is_some()), "{kind:?}");
        }
        for number in 0..60 {
            let kinds = Harmless::ALL.into_iter().filter_map(|kind| Case::harmless(kind, number));
            assert!(kinds.count() >= 12, "{number}");
        }
    }

    #[test]
    fn learning_comes_first_and_knows_day_and_night() {
        for case in harmless() {
            let times: Vec<Timestamp> = case.learnt.iter().chain(&case.judged).map(|look| look.at).collect();
            assert!(times.is_sorted());
            let lights: BTreeSet<Light> = case.learnt.iter().map(|look| look.setting.light).collect();
            assert_eq!(lights.len(), 2);
            assert!(case.learnt.iter().chain(&case.judged).all(|look| look.setting.spoilt.is_none()));
        }
    }

    #[test]
    fn flaws_of_the_view_are_shown_by_day() {
        let lights = |flaw| {
            let cases = (0..90).filter_map(move |number| Case::spoilt(flaw, Strength::Clear, number));
            cases.map(|case| case.judged[0].setting.light)
        };
        assert!(lights(Flaw::Covered).all(|light| light == Light::Day));
        assert!((15..45).contains(&lights(Flaw::Frozen).filter(|light| *light != Light::Day).count()));
    }
}
