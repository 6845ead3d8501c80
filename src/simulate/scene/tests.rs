//! What the pictures are like, by simple statistics.

use super::*;
use std::collections::BTreeSet;

const SMALL: Size = Size::new(320, 180);
const SEEDS: std::ops::Range<u64> = 0..8;

fn noon() -> Timestamp {
    Timestamp::from_millis(1_780_286_400_000)
}

fn later(seconds: i64) -> Timestamp {
    noon().shifted(seconds * 1000)
}

fn shown(seed: u64, setting: Setting, at: Timestamp) -> Drawing {
    Stage::set(&Camera::of(seed), SMALL, setting).draw(at)
}

fn sound(seed: u64, light: Light, occasion: Occasion) -> Drawing {
    shown(seed, Setting::sound(light, occasion), noon())
}

fn spoilt(seed: u64, flaw: Flaw, strength: Strength) -> Drawing {
    shown(seed, Setting { occasion: Occasion::Still, ..Setting::spoilt(Light::Day, flaw, strength) }, noon())
}

fn day(seed: u64) -> Drawing {
    sound(seed, Light::Day, Occasion::Still)
}

/// What the middle of a picture shows, away from the writing.
fn middle(plane: &Plane) -> Plane {
    let (width, height) = plane.sides();
    let part = |side: i32| u16::try_from(side * 3 / 4).unwrap();
    plane.crop(width / 8, height / 8, part(width), part(height))
}

/// Mean in hundredths of a level.
fn mean(plane: &Plane) -> i64 {
    let sum: i64 = plane.levels().iter().map(|level| i64::from(*level)).sum();
    sum * 100 / i64::try_from(plane.levels().len()).unwrap()
}

/// Variance in levels.
fn variance(plane: &Plane) -> i64 {
    let mean = mean(plane);
    let squares = plane.levels().iter().map(|level| (i64::from(*level) * 100 - mean).pow(2));
    squares.sum::<i64>() / i64::try_from(plane.levels().len()).unwrap() / 10_000
}

/// Variance of the Laplacian, the usual measure of sharpness.
fn laplacian(plane: &Plane) -> i64 {
    let (width, height) = plane.sides();
    let mut squares = 0;
    for (x, y) in (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (x, y))) {
        let at = |x, y| i64::from(plane.at(x, y));
        let bend = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4 * at(x, y);
        squares += bend * bend;
    }
    squares / i64::from((width - 2) * (height - 2))
}

/// Pixels that differ, in thousandths.
fn differing(first: &Plane, second: &Plane, by_more_than: u8) -> usize {
    let pairs = first.levels().iter().zip(second.levels());
    pairs.filter(|(first, second)| first.abs_diff(**second) > by_more_than).count() * 1000
        / first.levels().len()
}

#[test]
fn the_same_seed_draws_the_same_bytes() {
    for seed in SEEDS {
        for light in [Light::Day, Light::Dim(40), Light::Night, Light::Infrared] {
            assert_eq!(sound(seed, light, Occasion::Lively), sound(seed, light, Occasion::Lively));
        }
    }
    assert_ne!(day(1), day(2));
}

#[test]
fn every_machine_draws_these_bytes() {
    let hash = |drawing: &Drawing| {
        drawing.to_i420().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let hashes: Vec<u64> = (0..3).map(|seed| hash(&sound(seed, Light::Night, Occasion::Rain))).collect();
    assert_eq!(hashes, [2_991_219_529_714_888_736, 12_426_719_642_466_284_045, 6_897_122_136_473_610_136]);
}

#[test]
fn a_changed_stage_is_the_stage_set_anew() {
    let settings = [
        Setting::sound(Light::Day, Occasion::Lively),
        Setting::sound(Light::Infrared, Occasion::Still),
        Setting::spoilt(Light::Day, Flaw::Moved, Strength::Gross),
        Setting::spoilt(Light::Night, Flaw::Blurred, Strength::Slight),
        Setting::sound(Light::Night, Occasion::Headlights),
    ];
    let camera = Camera::of(3);
    let mut stage = Stage::set(&camera, SMALL, settings[0]);
    for setting in settings {
        let look = Look { setting, at: noon() };
        assert_eq!(stage.look(look), Stage::set(&camera, SMALL, setting).draw(noon()), "{setting:?}");
    }
}

#[test]
fn places_differ_and_have_something_to_see() {
    let mut means = BTreeSet::new();
    for place in Place::ALL {
        let stage = Stage::set(&Camera::at(place, 5), SMALL, Setting::sound(Light::Day, Occasion::Still));
        let drawing = stage.draw(noon());
        assert!((8_000..18_000).contains(&mean(&drawing.luma)), "{place:?}: {}", mean(&drawing.luma));
        assert!(variance(&drawing.luma) > 300, "{place:?}: {}", variance(&drawing.luma));
        means.insert(mean(&drawing.luma));
    }
    assert_eq!(means.len(), Place::ALL.len());
}

#[test]
fn a_scene_is_the_same_at_every_size() {
    for seed in SEEDS {
        let of = |size| {
            let stage = Stage::set(&Camera::of(seed), size, Setting::sound(Light::Day, Occasion::Still));
            mean(&stage.draw(noon()).luma)
        };
        let (sub, main) = (of(Size::SUB), of(Size::MAIN));
        assert!((sub - main).abs() < 300, "{seed}: {sub} {main}");
    }
}

#[test]
fn a_still_scene_lives_by_its_noise_alone() {
    for light in [Light::Day, Light::Night, Light::Infrared] {
        let stage = Stage::set(&Camera::of(4), SMALL, Setting::sound(light, Occasion::Still));
        let (first, second) = (middle(&stage.draw(noon()).luma), middle(&stage.draw(later(60)).luma));
        assert!(differing(&first, &second, 0) > 300, "{light:?}");
        assert!(differing(&first, &second, 30) < 5, "{light:?}");
    }
}

#[test]
fn frozen_pictures_stay_the_same() {
    let mut camera = Camera::of(4);
    camera.overlay.clock = Clock::Shown;
    let check = |flaw, scene_stays, clock_stays| {
        let stage = Stage::set(&camera, SMALL, Setting::spoilt(Light::Day, flaw, Strength::Clear));
        let (first, second) = (stage.draw(noon()), stage.draw(later(61)));
        assert_eq!(middle(&first.luma) == middle(&second.luma), scene_stays, "{flaw:?}");
        let area = camera.overlay.areas(SMALL)[0];
        let clock = |drawing: &Drawing| {
            let (width, height) = (area.width.try_into().unwrap(), area.height.try_into().unwrap());
            let cut = drawing.luma.crop(area.left, area.top, width, height);
            cut.levels().iter().map(|level| u8::from(*level >= 235)).collect::<Vec<u8>>()
        };
        let is_alike =
            clock(&first).iter().zip(clock(&second)).filter(|(one, two)| **one != *two).count() < 4;
        assert_eq!(is_alike, clock_stays, "{flaw:?}");
    };
    check(Flaw::Frozen, true, true);
    check(Flaw::FrozenScene, true, false);
    check(Flaw::StoppedClock, false, true);
    check(Flaw::Blurred, false, false);
}

#[test]
fn a_stronger_flaw_changes_more() {
    let check = |flaw, measure: fn(&Drawing) -> i64| {
        for seed in SEEDS {
            let by = Strength::ALL.map(|strength| measure(&spoilt(seed, flaw, strength)));
            let all: Vec<i64> = [measure(&day(seed))].into_iter().chain(by).collect();
            assert!(all.windows(2).all(|pair| pair[1] <= pair[0]), "{flaw:?} of {seed}: {all:?}");
            assert!(all[4] < all[0], "{flaw:?} of {seed}: {all:?}");
        }
    };
    let sharpness = |drawing: &Drawing| laplacian(&middle(&drawing.luma));
    let brightness = |drawing: &Drawing| mean(&middle(&drawing.luma));
    check(Flaw::Blurred, sharpness);
    check(Flaw::TooDark, brightness);
    check(Flaw::TooBright, |drawing| -mean(&middle(&drawing.luma)));
    check(Flaw::Noise, |drawing| -laplacian(&middle(&drawing.luma)));
    check(Flaw::Speckles, |drawing| -laplacian(&middle(&drawing.luma)));
}

#[test]
fn flaws_leave_the_marks_they_are_named_for() {
    for seed in SEEDS {
        let whole = day(seed);
        let marked = |flaw| spoilt(seed, flaw, Strength::Clear);
        let changed = |flaw, by| differing(&middle(&whole.luma), &middle(&marked(flaw).luma), by);
        assert!(
            variance(&middle(&marked(Flaw::Black).luma)) == 0
                && mean(&middle(&marked(Flaw::Black).luma)) == 1600
        );
        assert!(changed(Flaw::Covered, 12) > 200, "covered {seed}: {}", changed(Flaw::Covered, 12));
        assert!(changed(Flaw::Moved, 12) > 150, "moved {seed}: {}", changed(Flaw::Moved, 12));
        assert!(changed(Flaw::Damaged, 12) > 100, "damaged {seed}: {}", changed(Flaw::Damaged, 12));
        let off = |drawing: &Drawing| {
            (mean(&middle(&drawing.blue)) - 12_800).abs() + (mean(&middle(&drawing.red)) - 12_800).abs()
        };
        let (tinted, plain) = (off(&marked(Flaw::ColourCast)), off(&whole));
        assert!((tinted - plain).abs() > 800, "cast {seed}: {tinted} {plain}");
    }
}

#[test]
fn a_shaking_camera_is_elsewhere_every_time() {
    let setting =
        Setting { occasion: Occasion::Still, ..Setting::spoilt(Light::Day, Flaw::Shaking, Strength::Clear) };
    let stage = Stage::set(&Camera::of(2), SMALL, setting);
    let shifts: BTreeSet<(i32, i32)> =
        (0..15).map(|number| stage.shake(Chance::of(2).about("instant").number(number * 200))).collect();
    assert!(shifts.len() > 8, "{shifts:?}");
    let still = Stage::set(&Camera::of(2), SMALL, Setting::sound(Light::Day, Occasion::Lively));
    assert_eq!(still.shake(Chance::of(9)), (0, 0));
}

#[test]
fn light_is_what_it_is_called() {
    for seed in SEEDS {
        let of = |light| mean(&middle(&sound(seed, light, Occasion::Still).luma));
        let (full, dim, night) = (of(Light::Day), of(Light::Dim(40)), of(Light::Night));
        assert!(dim < full && night < full * 6 / 10, "{seed}: {full} {dim} {night}");
        let infrared = sound(seed, Light::Infrared, Occasion::Still);
        let has_colour = |plane: &Plane| middle(plane).levels().iter().any(|level| *level != 128);
        assert!(!has_colour(&infrared.blue) && !has_colour(&infrared.red));
        assert!(has_colour(&sound(seed, Light::Night, Occasion::Still).blue));
    }
}

#[test]
fn every_occasion_and_flaw_is_drawn_at_every_size() {
    let occasions = [
        Occasion::Still,
        Occasion::Denoised,
        Occasion::Lively,
        Occasion::Wind,
        Occasion::Snowfall,
        Occasion::SnowCover,
        Occasion::Fog,
        Occasion::Rain,
        Occasion::Headlights,
        Occasion::Lorry,
        Occasion::Insect,
        Occasion::LowSun,
    ];
    for size in [Size::new(32, 32), Size::new(352, 288), Size::new(720, 576)] {
        for occasion in occasions {
            let stage = Stage::set(&Camera::of(1), size, Setting::sound(Light::Infrared, occasion));
            assert_eq!(stage.draw(noon()).size(), size, "{occasion:?}");
        }
        for flaw in Flaw::ALL {
            let stage = Stage::set(&Camera::of(1), size, Setting::spoilt(Light::Day, flaw, Strength::Gross));
            assert_eq!(stage.draw(noon()).size(), size, "{flaw:?}");
        }
    }
}

#[test]
fn harmless_occasions_change_the_picture() {
    for seed in SEEDS {
        let whole = middle(&day(seed).luma);
        for occasion in [
            Occasion::Snowfall,
            Occasion::SnowCover,
            Occasion::Fog,
            Occasion::Lorry,
            Occasion::Insect,
            Occasion::LowSun,
        ] {
            let seen = middle(&sound(seed, Light::Day, occasion).luma);
            let changed = differing(&whole, &seen, 8);
            assert!(changed > 5, "{occasion:?} {seed}: {changed}");
        }
    }
}
