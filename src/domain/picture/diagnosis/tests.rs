use super::*;
use crate::domain::picture::settings::Learning;
use crate::domain::picture::{Area, Areas, Luma, Pace, scene};
use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};
use std::sync::LazyLock;
use std::time::Duration;

const RULE: Rule = Rule {
    warning: Some(1.0),
    alarm: Some(2.0),
    rounds: 3,
    least_time: Duration::from_secs(600),
    clear_rounds: 2,
};
const QUIET: StreamFacts =
    StreamFacts { lost_over_sent: Some(0.0), broken_over_decoded: Some(0.0), pace: Pace::Moving };

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn reading(letter: char) -> Reading {
    let grade = match letter {
        'n' => Grade::Normal,
        'w' => Grade::Warning,
        'a' => Grade::Abnormal,
        'l' => Grade::NotChecked(Skip::Learning),
        _ => Grade::NotChecked(Skip::Light),
    };
    Reading { grade, ..Reading::skipped(Skip::NotMeasured) }
}

/// Rounds five minutes apart: `n`ormal, `w`arning, `a`bnormal, `l`earning, `-` not checked this time.
fn believed(rounds: &str) -> Believed {
    let mut believed = Believed::UNCHECKED;
    for (round, letter) in (0..).zip(rounds.chars()) {
        believed.observe(reading(letter), at(300 * round), &RULE);
    }
    believed
}

/// What is believed in the end, and since which round.
fn check(rounds: &str, grade: Grade, since_round: Option<i64>) {
    let status = believed(rounds).status;
    assert_eq!((status.grade, status.since), (grade, since_round.map(|round| at(300 * round))), "{rounds}");
}

#[test]
fn three_rounds_over_ten_minutes_confirm_and_are_back_dated() {
    check("n", Grade::Normal, Some(0));
    check("na", Grade::Normal, Some(0));
    check("naa", Grade::Normal, Some(0));
    check("naaa", Grade::Abnormal, Some(1));
    check("nwww", Grade::Warning, Some(1));
    check("nanaa", Grade::Normal, Some(0));
    check("aaa", Grade::Abnormal, Some(0));
}

#[test]
fn a_warning_that_grows_is_a_warning_first() {
    check("nwaa", Grade::Warning, Some(1));
    check("nwaaa", Grade::Abnormal, Some(2));
    check("naaw", Grade::Warning, Some(1));
}

#[test]
fn two_rounds_clear() {
    check("aaan", Grade::Abnormal, Some(0));
    check("aaann", Grade::Normal, Some(3));
    check("aaananann", Grade::Normal, Some(7));
    check("aaaw", Grade::Abnormal, Some(0));
    check("aaaww", Grade::Warning, Some(3));
    check("wwwnn", Grade::Normal, Some(3));
}

#[test]
fn a_round_that_could_not_check_changes_nothing() {
    check("aaa---", Grade::Abnormal, Some(0));
    check("aa--a", Grade::Abnormal, Some(0));
    check("aaan--n", Grade::Normal, Some(3));
    check("--", Grade::NotChecked(Skip::Light), None);
}

#[test]
fn what_has_nothing_to_be_held_against_is_not_believed() {
    check("aaal", Grade::NotChecked(Skip::Learning), None);
    check("aaalaa", Grade::NotChecked(Skip::Learning), None);
    check("aaaln", Grade::Normal, Some(4));
}

#[test]
fn fast_rounds_have_to_last_as_well() {
    let mut believed = Believed::UNCHECKED;
    for second in [0, 10, 20, 30, 599] {
        believed.observe(reading('a'), at(second), &RULE);
    }
    assert!(!believed.status.grade.is_fault());
    believed.observe(reading('a'), at(600), &RULE);
    assert_eq!((believed.status.grade, believed.status.since), (Grade::Abnormal, Some(at(0))));
}

/// A point that is looked at by day, once a minute.
struct Point {
    diagnosis: Diagnosis,
    rules: PictureRules,
    areas: Areas,
    second: i64,
}

impl Point {
    fn new(areas: Areas) -> Self {
        let learning = Learning { time: Duration::from_secs(180), pictures: 4 };
        let rules = PictureRules { learning, ..PictureRules::default() };
        Self { diagnosis: Diagnosis::new(Baselines::new(at(0))), rules, areas, second: 0 }
    }

    /// A point that knows its yard.
    fn learnt() -> Self {
        let mut point = Self::new(Areas::default());
        for seed in 1..5 {
            point.see(&yard(View::Home, seed));
        }
        assert!(point.diagnosis.baselines().of(Light::GreyDay).is_some());
        point
    }

    fn see(&mut self, small: &Luma) -> Option<Light> {
        self.look(Shot::Seen(Box::new(scene::features(small, None, &self.areas))))
    }

    fn look(&mut self, shot: Shot) -> Option<Light> {
        self.look_under(Sky::Day, shot)
    }

    fn look_under(&mut self, sky: Sky, shot: Shot) -> Option<Light> {
        let mask = self.areas.mask();
        let around = Circumstances { rules: &self.rules, mask: &mask, sky, waived: ItemSet::default() };
        let look = PictureLook { at: at(self.second), shot, facts: QUIET };
        self.second += 60;
        self.diagnosis.observe(look, &around)
    }

    fn faults(&self) -> Vec<(Item, Option<Timestamp>)> {
        self.diagnosis.faults(ItemSet::default()).map(|(item, status)| (item, status.since)).collect()
    }
}

/// Where the camera looks.
#[derive(Clone, Copy)]
enum View {
    Home,
    Turned,
}

/// The yard, live.
fn yard(view: View, seed: u64) -> Luma {
    static HOME: LazyLock<Luma> = LazyLock::new(|| drawn(0));
    static TURNED: LazyLock<Luma> = LazyLock::new(|| drawn(60));
    scene::noisy(
        match view {
            View::Home => &HOME,
            View::Turned => &TURNED,
        },
        1.5,
        seed,
    )
}

fn drawn(right: u32) -> Luma {
    scene::small(|x, y| scene::yard(1_000 + x + right, y))
}

#[test]
fn a_point_learns_its_view_once_and_says_so() {
    let mut point = Point::new(Areas::default());
    assert_eq!(point.see(&yard(View::Home, 1)), None);
    assert_eq!(point.see(&scene::small(|_, _| 3)), None, "a black picture is not learnt");
    assert_eq!(point.see(&yard(View::Home, 2)), None);
    assert_eq!(point.see(&yard(View::Home, 3)), None);
    assert_eq!(point.see(&yard(View::Home, 4)), Some(Light::GreyDay));
    assert_eq!(point.see(&yard(View::Home, 5)), None);
    assert_eq!(point.faults(), []);
}

#[test]
fn a_picture_of_which_nothing_is_looked_at_is_not_blank() {
    let masked = vec![Area::new(0, 0, 1_000, 1_000).unwrap()];
    let mut point = Point::new(Areas { masked, clock: None });
    for seed in 0..6 {
        point.see(&yard(View::Home, seed));
    }
    assert_eq!(point.diagnosis.status(Item::Blank).grade, Grade::NotChecked(Skip::Featureless));
    assert_eq!(point.faults(), []);
}

#[test]
fn a_camera_that_was_turned_away_is_a_fault_until_its_view_is_accepted() {
    let mut point = Point::learnt();
    for seed in 0..10 {
        point.see(&yard(View::Turned, 10 + seed));
        assert_eq!(point.faults(), [], "{seed}");
    }
    point.see(&yard(View::Turned, 30));
    assert_eq!(point.faults(), [(Item::Moved, Some(at(240)))], "ten minutes after the first look at it");
    let accepted = point.diagnosis.accept(at(0), at(900)).map(Baselines::version);
    assert_eq!((accepted, point.faults()), (Ok(2), vec![]));
    (0..12).for_each(|seed| assert_eq!(point.see(&yard(View::Turned, 40 + seed)), None));
    assert_eq!(point.faults(), []);
    (0..12).for_each(|seed| assert_eq!(point.see(&yard(View::Home, 60 + seed)), None));
    assert_eq!(
        point.faults().first().map(|(item, _)| *item),
        Some(Item::Moved),
        "now the old view is the wrong one"
    );
    assert_eq!(point.diagnosis.reset(at(9_000)).version(), 3);
    assert_eq!(point.faults(), []);
}

#[test]
fn only_a_fresh_picture_of_day_or_night_that_shows_something_is_accepted() {
    let seen = |small: &Luma| Shot::Seen(Box::new(scene::features(small, None, &Areas::default())));
    let check = |sky, shot, oldest, expected| {
        let mut point = Point::new(Areas::default());
        point.see(&yard(View::Home, 1));
        point.look_under(sky, shot);
        assert_eq!(point.diagnosis.accept(at(oldest), at(90)).map(Baselines::version), expected, "{sky:?}");
    };
    let home = || seen(&yard(View::Home, 2));
    check(Sky::Day, home(), 60, Ok(2));
    check(Sky::Night, home(), 60, Ok(2));
    check(Sky::Twilight, home(), 60, Err(Unacceptable::Twilight));
    check(Sky::Day, home(), 61, Err(Unacceptable::Old));
    check(Sky::Day, Shot::Lost, 0, Err(Unacceptable::NotSeen));
    check(Sky::Day, seen(&scene::small(|_, _| 3)), 60, Err(Unacceptable::Blank));
    let mut unseen = Point::new(Areas::default());
    assert_eq!(unseen.diagnosis.accept(at(0), at(0)).map(Baselines::version), Err(Unacceptable::NoPicture));
}

#[test]
fn a_camera_that_sways_from_look_to_look_shakes_and_one_that_was_pushed_does_not() {
    let looks = |places: &[u32]| {
        let mut point = Point::learnt();
        for (place, seed) in places.iter().zip(50..) {
            point.see(&scene::noisy(&drawn(*place), 1.5, seed));
        }
        point.faults()
    };
    let swaying = [0, 14, 2, 16, 1, 13, 3, 15, 0, 16, 2, 12, 1, 14, 4, 15, 0, 13];
    let since = looks(&swaying).first().map(|(item, since)| (*item, *since));
    assert_eq!(since, Some((Item::Shaking, Some(at(540)))), "from the sixth picture that could be told");
    assert_eq!(looks(&[0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]), []);
}

#[test]
fn a_frozen_picture_is_back_dated_to_the_first_of_its_kind() {
    let mut point = Point::learnt();
    let stuck = yard(View::Home, 9);
    point.see(&stuck);
    point.see(&stuck);
    assert_eq!(point.faults(), [], "one pair of pictures");
    point.see(&stuck);
    assert_eq!(point.faults(), [(Item::Frozen, Some(at(240)))]);
    point.see(&yard(View::Home, 20));
    point.see(&yard(View::Home, 21));
    assert_eq!(point.faults(), []);
}

#[test]
fn a_clock_that_stands_freezes_a_live_picture() {
    let clock = Area::new(0, 0, 250, 111);
    let mut point = Point::new(Areas { clock, ..Areas::default() });
    let with_clock = |digit: u32, seed| {
        scene::changed(&yard(View::Home, seed), |level, x, y| match (x / 8 == digit, y) {
            (true, 4..14) => 235.0,
            (false, 0..20) => 60.0,
            _ => level,
        })
    };
    for (digit, seed) in [(1, 1), (2, 2), (3, 3), (3, 4)] {
        point.see(&with_clock(digit, seed));
        assert_eq!(point.faults(), [], "{digit}");
    }
    (5..7).for_each(|seed| assert_eq!(point.see(&with_clock(3, seed)), None));
    assert_eq!(point.faults(), [(Item::Frozen, Some(at(120)))]);
}

#[test]
fn a_lost_picture_leaves_the_others_as_they_were() {
    let mut point = Point::learnt();
    (0..3).for_each(|_| assert_eq!(point.look(Shot::Lost), None));
    assert_eq!(point.faults(), [(Item::SignalLost, Some(at(240)))]);
    let blurred = point.diagnosis.status(Item::Blurred);
    assert_eq!(blurred.newest.grade, Grade::NotChecked(Skip::NoPicture));
}

#[test]
fn weather_is_no_fault_of_the_point() {
    let mut point = Point::learnt();
    let blurred = scene::blurred(&drawn(0), 4);
    (0..12).for_each(|seed| assert_eq!(point.see(&scene::noisy(&blurred, 1.5, seed)), None));
    assert_eq!(point.faults(), [(Item::Blurred, Some(at(240)))]);
    assert!(point.diagnosis.shown().of(Item::Blurred).grade.is_fault());
    let weather: ItemSet = [Item::Blurred].into_iter().collect();
    assert_eq!(point.diagnosis.faults(weather).count(), 0);
}

proptest! {
    #[test]
    fn nothing_is_believed_early_or_from_the_future(
        rounds in prop::collection::vec((1..900_i64, prop::sample::select(vec!['n', 'w', 'a', 'l', '-'])), 1..40),
    ) {
        let mut believed = Believed::UNCHECKED;
        let (mut now, mut faulty) = (0, 0);
        for (wait, letter) in rounds {
            let before = believed.status.grade;
            now += wait;
            believed.observe(reading(letter), at(now), &RULE);
            faulty = match letter {
                'w' | 'a' => faulty + 1,
                '-' => faulty,
                _ => 0,
            };
            let status = believed.status;
            prop_assert!(status.since.is_none_or(|since| since <= at(now)));
            prop_assert_eq!(status.since.is_none(), rank(status.grade) == 0);
            if status.grade.is_fault() && !before.is_fault() {
                prop_assert!(faulty >= RULE.rounds);
                prop_assert!(status.since.is_some_and(|since| at(now).since(since) >= RULE.least_time));
            }
        }
    }

    #[test]
    fn a_step_of_the_clock_moves_everything_alike(
        rounds in "[nwal-]{1,12}",
        more in "[nwal-]{1,12}",
        step in -5_000_i64..5_000,
    ) {
        let (mut stepped, mut plain) = (believed(&rounds), believed(&rounds));
        stepped.shift(step * 1_000);
        for (round, letter) in (20..).zip(more.chars()) {
            plain.observe(reading(letter), at(300 * round), &RULE);
            stepped.observe(reading(letter), at(300 * round + step), &RULE);
        }
        plain.shift(step * 1_000);
        prop_assert_eq!(plain, stepped);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn a_healthy_point_has_no_faults(seed in 0..1_000_000_u64) {
        let mut point = Point::learnt();
        for round in 0..6 {
            point.see(&yard(View::Home, 7 * seed + round + 5));
            prop_assert_eq!(point.faults(), []);
        }
    }
}
