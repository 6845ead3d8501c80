use super::*;
use crate::domain::Timestamp;
use crate::domain::picture::detail::Detail;
use crate::domain::picture::settings::Learning;
use crate::domain::picture::{Areas, Chroma, Luma, scene};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};
use std::sync::LazyLock;

const QUIET: StreamFacts =
    StreamFacts { lost_over_sent: Some(0.0), broken_over_decoded: Some(0.0), pace: Pace::Moving };

fn rules() -> PictureRules {
    PictureRules {
        learning: Learning { time: Duration::from_secs(10), pictures: 4 },
        ..PictureRules::default()
    }
}

/// The yard, seen so many pixels further to the right and below.
fn yard(right: u32, below: u32) -> Luma {
    scene::small(|x, y| scene::yard(1_000 + x + right, 1_000 + y + below))
}

fn coloured() -> Chroma {
    scene::chroma(|x, y| match (x / 40 + y / 30) % 4 {
        0 => (110, 150),
        1 => (145, 115),
        2 => (120, 120),
        _ => (138, 136),
    })
}

fn seen(small: &Luma, chroma: Option<Chroma>) -> Features {
    scene::features(small, chroma, &Areas::default())
}

/// The yard as it always looks.
fn home() -> &'static Luma {
    static HOME: LazyLock<Luma> = LazyLock::new(|| yard(0, 0));
    &HOME
}

/// Baselines of the yard by day, with the noise of a good sensor.
fn learnt() -> &'static Baselines {
    static LEARNT: LazyLock<Baselines> = LazyLock::new(learn);
    &LEARNT
}

fn learn() -> Baselines {
    let mut baselines = Baselines::new(Timestamp::from_seconds(0));
    for second in [0, 3, 6, 10] {
        let live = scene::noisy(home(), 1.5, u64::try_from(second).unwrap() + 100);
        let at = Timestamp::from_seconds(second);
        baselines.learn(&seen(&live, Some(coloured())), Light::Day, at, &rules().learning);
    }
    assert!(baselines.of(Light::Day).is_some());
    baselines
}

fn read(shot: &Shot, facts: &StreamFacts, baselines: &Baselines, sky: Sky) -> PerItem<Reading> {
    let (rules, mask) = (rules(), Areas::default().mask());
    let (waived, standing) = (ItemSet::default(), Standing::default());
    let (series, at) = (&Series::default(), Timestamp::from_seconds(0));
    let context = Context { rules: &rules, baselines, mask: &mask, sky, waived, standing, series, at };
    check(shot, facts, &context).readings
}

fn faults(readings: &PerItem<Reading>) -> Vec<Item> {
    readings.iter().filter(|(_, reading)| reading.grade.is_fault()).map(|(item, _)| item).collect()
}

/// Looks at a picture by day and tells what is wrong with it.
fn check_picture(name: &str, small: &Luma, chroma: Option<Chroma>, expected: &[Item]) {
    let shot = Shot::Seen(Box::new(seen(small, chroma)));
    let readings = read(&shot, &QUIET, learnt(), Sky::Day);
    assert_eq!(faults(&readings), expected, "{name}: {readings:#?}");
}

/// As [`check_picture`], for a change of the yard's levels, with noise.
fn check_level(name: &str, change: impl Fn(f64, u32, u32) -> f64, expected: &[Item]) {
    let changed = scene::changed(home(), |level, x, y| change(level, x, y) + 1.5 * scene::gauss(x, y, 1));
    check_picture(name, &changed, Some(coloured()), expected);
}

#[test]
fn each_fault_of_a_picture_is_found_and_named() {
    let flat = |level: f64| move |_, _, _| level;
    check_level("black", flat(2.0), &[Item::Blank]);
    check_picture(
        "blue screen",
        &scene::small(|_, _| 41),
        Some(scene::chroma(|_, _| (240, 110))),
        &[Item::Blank],
    );
    check_level("dark", |level, _, _| level - 130.0, &[Item::TooDark]);
    let without_colour = scene::changed(home(), |level, _, _| level - 130.0);
    check_picture("dark, and so without colour", &without_colour, None, &[Item::TooDark]);
    check_level("bright", |level, _, _| level + 150.0, &[Item::TooBright]);
    check_level("half covered", |level, x, _| if x < 160 { 90.0 } else { level }, &[Item::Covered]);
    check_level("noise", |level, x, y| level + 12.0 * scene::gauss(x, y, 77), &[Item::Noise]);
    let stripe = |at: u32| 10.0 * (std::f64::consts::TAU * f64::from(at) / 8.0).sin();
    check_level("upright stripes", |level, x, _| level + stripe(x), &[Item::Stripes]);
    check_level("level stripes", |level, _, y| level + stripe(y), &[Item::Stripes]);
    let torn = |x: u32, y: u32| (x / 16 + 7 * ((y + 12) / 16)).is_multiple_of(3) && y > 60;
    check_level("torn", |level, x, y| if torn(x, y) { 235.0 } else { level }, &[Item::Damaged]);
    let words = |x: u32, y: u32| x < 60 && (80..100).contains(&y);
    check_level("no signal", |_, x, y| if words(x, y) { 235.0 } else { 41.0 }, &[Item::Blank]);
    let blurred = scene::noisy(&scene::blurred(home(), 4), 1.5, 2);
    check_picture("blurred", &blurred, Some(coloured()), &[Item::Blurred]);
    let turned = scene::noisy(&yard(60, 12), 1.5, 3);
    check_picture("moved", &turned, Some(coloured()), &[Item::Moved]);
    let elsewhere = scene::noisy(&yard(5_000, 3_000), 1.5, 4);
    check_picture("elsewhere", &elsewhere, Some(coloured()), &[Item::Moved]);
    let (blue, red) = (coloured().blue().to_vec(), coloured().red().to_vec());
    let red = red.into_iter().map(|red| red.saturating_add(70)).collect();
    let cast = Chroma::new(blue.into(), red);
    check_picture("colour cast", &scene::noisy(home(), 1.5, 5), cast, &[Item::ColourCast]);
}

#[test]
fn what_is_no_fault_is_none() {
    check_level("live", |level, _, _| level, &[]);
    check_level("fog", |level, _, _| 0.4 * level + 130.0, &[]);
    check_level("a cloud", |level, _, _| 0.6 * level, &[]);
    let lamp = |x: u32, y: u32| (f64::from(x) - 200.0).hypot(f64::from(y) - 90.0) < 25.0;
    check_level("headlights", |level, x, y| if lamp(x, y) { 255.0 } else { level }, &[]);
    check_level("a lorry", |level, x, y| if (60..130).contains(&x) && y > 80 { 70.0 } else { level }, &[]);
    check_picture("a breath of wind", &scene::noisy(&yard(3, 1), 1.5, 6), Some(coloured()), &[]);
    check_picture("infrared", &scene::noisy(home(), 1.5, 7), None, &[]);
    let flakes = |x, y| scene::gauss(x / 3, y / 3, 8) > 2.2;
    check_level("snowfall", |level, x, y| if flakes(x, y) { 235.0 } else { 0.8 * level + 40.0 }, &[]);
}

#[test]
fn a_cover_is_told_from_a_blur() {
    let half = |level: f64, x, _| if x < 160 { 90.0 } else { level };
    check_level("a cover", half, &[Item::Covered]);
    let grey = scene::changed(home(), |level, x, y| half(level, x, y) + 1.5 * scene::gauss(x, y, 1));
    check_picture("a cover that takes the colour as well", &grey, None, &[Item::Covered]);
    // A strong blur takes the edges of many blocks; those of some it leaves.
    let strong = |x: u32, y: u32| y % 60 < 30 && x % 64 < 4;
    let barred = scene::changed(home(), |level, x, y| if strong(x, y) { 0.0 } else { level });
    let blurred = scene::noisy(&scene::blurred(&barred, 5), 0.5, 2);
    let shot = Shot::Seen(Box::new(seen(&blurred, Some(coloured()))));
    let readings = read(&shot, &QUIET, learnt(), Sky::Day);
    assert_eq!(faults(&readings), [Item::Blurred], "{readings:#?}");
}

/// What is read of the blur when so much detail of a pixel and of the small picture was learnt, and so much is seen.
fn blur_of((usual, usual_coarse): (f64, f64), (now, coarse): (f64, f64)) -> (Grade, Option<f64>) {
    let of = |detail, coarse| {
        let features = seen(home(), Some(coloured()));
        Features { detail: Detail { detail, coarse, ..features.detail }, ..features }
    };
    let mut baselines = Baselines::new(Timestamp::from_seconds(0));
    for second in [0, 3, 6, 10] {
        let at = Timestamp::from_seconds(second);
        baselines.learn(&of(usual, usual_coarse), Light::Day, at, &rules().learning);
    }
    let shot = Shot::Seen(Box::new(of(now, coarse)));
    let reading = *read(&shot, &QUIET, &baselines, Sky::Day).of(Item::Blurred);
    (reading.grade, reading.value.map(|value| (value * 100.0).round() / 100.0))
}

#[test]
fn a_blur_takes_what_detail_there_is_of_pixels_and_of_the_small_picture() {
    let check = |usual, now, expected| assert_eq!(blur_of(usual, now), expected, "{now:?} of {usual:?}");
    check((40.0, 400.0), (8.0, 40.0), (Grade::Abnormal, Some(0.2)));
    // A coder that cleans the pixels leaves the small picture as it was.
    check((40.0, 400.0), (8.0, 380.0), (Grade::Normal, Some(0.95)));
    // A pixel of a large picture shows little that could be sharp.
    check((2.0, 400.0), (2.0, 40.0), (Grade::Abnormal, Some(0.1)));
    check((40.0, 2.0), (8.0, 2.0), (Grade::Abnormal, Some(0.2)));
    check((2.0, 2.0), (0.0, 0.0), (Grade::NotChecked(Skip::Featureless), None));
}

#[test]
fn noise_is_held_against_its_own_light() {
    let mut baselines = Baselines::new(Timestamp::from_seconds(0));
    for second in [0, 3, 6, 10] {
        let at = Timestamp::from_seconds(second);
        baselines.learn(&seen(home(), Some(coloured())), Light::Night, at, &rules().learning);
    }
    let meadow = scene::noisy(home(), 12.0, 1);
    let shot = Shot::Seen(Box::new(seen(&meadow, Some(coloured()))));
    let readings = read(&shot, &QUIET, &baselines, Sky::Day);
    assert_eq!(readings.of(Item::Noise).grade, Grade::NotChecked(Skip::Learning), "grass passes for noise");
}

#[test]
fn what_fog_leaves_of_the_levels_says_nothing_of_focus() {
    let fog = scene::noisy(&scene::blurred(home(), 3), 0.5, 2);
    let fog = scene::changed(&fog, |level, _, _| 0.3 * level + 140.0);
    let shot = Shot::Seen(Box::new(seen(&fog, Some(coloured()))));
    let readings = read(&shot, &QUIET, learnt(), Sky::Day);
    assert_eq!(readings.of(Item::Blurred).grade, Grade::NotChecked(Skip::Light));
}

#[test]
fn dawn_dusk_and_night_leave_out_what_light_changes() {
    let dark = scene::changed(home(), |level, _, _| level - 130.0);
    let shot = Shot::Seen(Box::new(seen(&dark, Some(coloured()))));
    let at_dusk = read(&shot, &QUIET, learnt(), Sky::Twilight);
    for item in [
        Item::TooDark,
        Item::TooBright,
        Item::Covered,
        Item::Moved,
        Item::Blurred,
        Item::Noise,
        Item::ColourCast,
    ] {
        assert_eq!(at_dusk.of(item).grade, Grade::NotChecked(Skip::Light), "{item}");
    }
    let at_night = read(&shot, &QUIET, learnt(), Sky::Night);
    assert_eq!(at_night.of(Item::TooDark).grade, Grade::NotChecked(Skip::Learning));
}

#[test]
fn without_a_baseline_only_what_needs_none_is_checked() {
    let shot = Shot::Seen(Box::new(seen(home(), Some(coloured()))));
    let readings = read(&shot, &QUIET, &Baselines::new(Timestamp::from_seconds(0)), Sky::Day);
    for (item, reading) in readings.iter() {
        let learning = reading.grade == Grade::NotChecked(Skip::Learning);
        assert_eq!(learning, item.needs_baseline(), "{item}: {reading:?}");
    }
}

#[test]
fn a_stream_of_another_size_cannot_be_compared() {
    let features = Features { size: (704, 576), ..seen(home(), Some(coloured())) };
    let readings = read(&Shot::Seen(Box::new(features)), &QUIET, learnt(), Sky::Day);
    assert_eq!(readings.of(Item::Blurred).grade, Grade::NotChecked(Skip::Resized));
    assert_eq!(readings.of(Item::Blank).grade, Grade::Normal);
}

#[test]
fn a_damaged_picture_is_never_judged() {
    for (shot, expected) in [
        (Shot::Lost, vec![Item::SignalLost]),
        (Shot::Damaged(Damage::PacketsLost), vec![]),
        (Shot::Damaged(Damage::NotDecoded), vec![Item::Damaged]),
    ] {
        let facts = StreamFacts { broken_over_decoded: None, ..QUIET };
        let readings = read(&shot, &facts, learnt(), Sky::Day);
        assert_eq!(faults(&readings), expected, "{shot:?}");
        for item in [Item::Blank, Item::Blurred, Item::Moved, Item::Noise] {
            assert_eq!(readings.of(item).grade, Grade::NotChecked(Skip::NoPicture), "{shot:?} {item}");
        }
    }
}

#[test]
fn packets_and_decoder_tell_of_damage_and_freezing() {
    let shot = Shot::Seen(Box::new(seen(&scene::noisy(home(), 1.5, 1), Some(coloured()))));
    let check = |facts: StreamFacts, expected: &[Item]| {
        assert_eq!(faults(&read(&shot, &facts, learnt(), Sky::Day)), expected, "{facts:?}");
    };
    check(QUIET, &[]);
    check(StreamFacts { lost_over_sent: Some(0.01), ..QUIET }, &[]);
    check(StreamFacts { lost_over_sent: Some(0.011), ..QUIET }, &[Item::Damaged]);
    check(StreamFacts { broken_over_decoded: Some(0.5), ..QUIET }, &[Item::Damaged]);
    check(StreamFacts { pace: Pace::Stopped, ..QUIET }, &[Item::Frozen]);
}

#[test]
fn a_picture_is_frozen_when_it_or_its_clock_stood_for_a_minute() {
    let check = |picture: Option<u64>, clock: Option<u64>, expected: Grade| {
        let standing =
            Standing { picture: picture.map(Duration::from_secs), clock: clock.map(Duration::from_secs) };
        let reading = frozen(&QUIET, standing, &Rule::of(Item::Frozen)).unwrap_or_else(Reading::skipped);
        assert_eq!(reading.grade, expected, "{standing:?}");
    };
    check(None, None, Grade::NotChecked(Skip::NotMeasured));
    check(Some(0), None, Grade::Normal);
    check(Some(59), None, Grade::Normal);
    check(Some(60), None, Grade::Abnormal);
    check(Some(0), Some(60), Grade::Abnormal);
    check(Some(300), Some(0), Grade::Abnormal);
}

#[test]
fn what_is_turned_off_or_waived_is_not_checked() {
    let mask = Areas::default().mask();
    let mut rules = rules();
    *rules.items.of_mut(Item::Stripes) = None;
    let waived = [Item::Blurred, Item::SignalLost].into_iter().collect();
    let context = Context {
        rules: &rules,
        baselines: learnt(),
        mask: &mask,
        sky: Sky::Day,
        waived,
        standing: Standing::default(),
        series: &Series::default(),
        at: Timestamp::from_seconds(0),
    };
    let shot = Shot::Seen(Box::new(seen(&scene::blurred(home(), 4), Some(coloured()))));
    let readings = check(&shot, &QUIET, &context).readings;
    assert_eq!(readings.of(Item::Stripes).grade, Grade::NotChecked(Skip::Off));
    assert_eq!(readings.of(Item::Blurred).grade, Grade::NotChecked(Skip::Waived));
    assert_eq!(readings.of(Item::SignalLost).grade, Grade::NotChecked(Skip::Waived));
}

#[test]
fn a_value_is_held_against_the_limit_that_it_crosses() {
    let rule = Rule { warning: Some(2.0), alarm: Some(3.0), ..Rule::of(Item::Noise) };
    let check = |value, grade, threshold| {
        let reading = Reading::above(value, &rule);
        assert_eq!((reading.grade, reading.threshold, reading.value), (grade, Some(threshold), Some(value)));
    };
    check(1.0, Grade::Normal, 2.0);
    check(2.0, Grade::Normal, 2.0);
    check(2.5, Grade::Warning, 2.0);
    check(3.5, Grade::Abnormal, 3.0);
    let below = |value| Reading::below(value, &Rule::of(Item::Blurred)).grade;
    assert_eq!([0.6, 0.45, 0.3].map(below), [Grade::Normal, Grade::Warning, Grade::Abnormal]);
}

#[test]
fn a_cover_takes_some_edges_and_fog_takes_of_all() {
    let blocks = |value: f64, number: usize| vec![Some(value); number];
    let check = |before: Vec<Option<f64>>, now: Vec<Option<f64>>, expected: Option<f64>| {
        assert_eq!(edges_left(&before, &now).map(|left| left.lost), expected);
    };
    check(blocks(10.0, 20), blocks(10.0, 20), Some(0.0));
    check(blocks(10.0, 20), blocks(4.0, 20), Some(0.0));
    check(blocks(10.0, 20), blocks(0.2, 20), Some(1.0));
    check(blocks(10.0, 20), [blocks(0.5, 8), blocks(10.0, 12)].concat(), Some(0.4));
    check(blocks(10.0, 20), [blocks(0.2, 8), blocks(5.0, 12)].concat(), Some(0.4));
    check(
        [blocks(0.5, 8), blocks(10.0, 12)].concat(),
        [blocks(0.0, 8), blocks(10.0, 12)].concat(),
        Some(0.0),
    );
    check([vec![None; 40], blocks(10.0, 11)].concat(), blocks(0.0, 51), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn an_explained_item_is_no_fault_and_its_reason_is_one(
        seed in any::<u64>(),
        gain in 0.0..2.0,
        lift in -200.0..200.0,
        noise in 0.0..20.0,
        loss in prop::option::of(0.0..1.0),
    ) {
        let small = scene::changed(home(), |level, x, y| gain * level + lift + noise * scene::gauss(x, y, seed));
        let shot = Shot::Seen(Box::new(seen(&small, Some(coloured()))));
        let readings = read(&shot, &StreamFacts { lost_over_sent: loss, ..QUIET }, learnt(), Sky::Day);
        for (item, reading) in readings.iter() {
            if let Grade::NotChecked(Skip::Explained(by)) = reading.grade {
                prop_assert!(readings.of(by).grade.is_fault(), "{item} is explained by {by}");
            }
            prop_assert!(reading.value.is_none_or(f64::is_finite), "{item}: {reading:?}");
        }
    }
}
