use super::*;
use crate::domain::Condition;
use crate::domain::picture::settings::Learning;
use crate::domain::picture::verdict::ConfirmedFault;
use crate::domain::picture::{
    Damage, Features, ItemSet, Luma, Picture, SMALL_HEIGHT, SMALL_WIDTH, Waiver, When,
};
use crate::health::snapshot::LivePoint;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_780_279_200 + second)
}

fn code(number: u32) -> PointCode {
    format!("23052100001320{number:06}").parse().unwrap()
}

/// Points in the villages of one township.
fn inventory(points: u32) -> Arc<Inventory> {
    let point = |number: u32| Point::bare(code(number), format!("2305211002{number:02}").parse().unwrap());
    Arc::new(Inventory {
        points: (1..=points).map(|number| (code(number), point(number))).collect(),
        ..Inventory::default()
    })
}

fn settings() -> ExaminerSettings {
    let mut rules =
        PictureRules { learning: Learning { time: Duration::ZERO, pictures: 1 }, ..PictureRules::default() };
    for (item, rule) in rules.items.iter_mut() {
        // What drawn scenes as simple as these are no fair subject for.
        if [Item::Covered, Item::Moved, Item::Blurred, Item::Noise, Item::Stripes].contains(&item) {
            *rule = None;
        }
        if let Some(rule) = rule {
            rule.least_time = rule.least_time.min(Duration::from_secs(60));
        }
    }
    let calendar = Calendar::of_zone("Asia/Shanghai").unwrap();
    ExaminerSettings { rules, sky: SkySource::AlwaysDay, round: Duration::from_secs(600), calendar }
}

fn examiner(points: u32, framings: Framings) -> Examiner {
    let mut examiner = Examiner::new(settings(), inventory(points), Arc::new(framings), Vec::new());
    assert_eq!(examiner.take_effects(), Effects::default());
    examiner
}

fn seen(draw: impl Fn(usize, usize) -> usize) -> Shot {
    let pixels = (0..SMALL_HEIGHT).flat_map(|y| (0..SMALL_WIDTH).map(move |x| (x, y)));
    let pixels: Box<[u8]> = pixels.map(|(x, y)| u8::try_from(draw(x, y).min(255)).unwrap()).collect();
    let luma = Luma::new(SMALL_WIDTH, pixels).unwrap();
    let picture = Picture::new((320, 180), luma.clone(), luma, None).unwrap();
    Shot::Seen(Box::new(Features::of(&picture, &Areas::default())))
}

/// A living scene: no two pictures are the same.
fn scene(number: i64) -> Shot {
    let shift = usize::try_from(number).unwrap() % 7;
    seen(move |x, y| 60 + (x / 20 + y / 20) % 2 * 80 + (x * 31 + y * 17 + shift) % 7)
}

fn black() -> Shot {
    seen(|_, _| 0)
}

/// Half of the picture is white: snow blows into every lens.
fn white(number: i64) -> Shot {
    let shift = usize::try_from(number).unwrap() % 7;
    seen(move |x, y| if x < 250 { 250 } else { 40 + (x * 31 + y * 17 + shift) % 90 })
}

fn take(examiner: &mut Examiner, number: u32, second: i64, shot: Shot) {
    let facts = StreamFacts { broken_over_decoded: Some(0.0), ..StreamFacts::default() };
    let (point, taken, promised) = (code(number), at(second), Some((320, 180)));
    examiner.take(Examined { point, taken, shot, facts, promised, still: None }, taken);
}

fn faults_of(effects: &Effects, number: u32) -> Option<Vec<ConfirmedFault>> {
    let verdicts = effects.findings.iter().rev().filter_map(|finding| match finding {
        Finding::Picture(verdict) => Some(verdict),
        Finding::Look(_) | Finding::Link(_) => None,
    });
    verdicts.into_iter().find(|verdict| verdict.point == code(number)).map(|verdict| verdict.faults())
}

fn words(faults: Option<Vec<ConfirmedFault>>) -> Vec<&'static str> {
    faults.unwrap().iter().map(|fault| fault.cause.as_str()).collect()
}

#[test]
fn a_doubt_asks_for_a_still_and_a_fault_is_told_when_it_is_confirmed() {
    let mut examiner = examiner(1, Framings::new());
    for round in 0..4 {
        take(&mut examiner, 1, round * 60, scene(round));
    }
    let effects = examiner.take_effects();
    assert_eq!(words(faults_of(&effects, 1)), [""; 0]);
    assert_eq!(effects.wishes, [Wish::Opinion(code(1), Opinion::Good)]);

    take(&mut examiner, 1, 240, black());
    let effects = examiner.take_effects();
    assert_eq!(words(faults_of(&effects, 1)), [""; 0]);
    assert_eq!(effects.wishes, [Wish::Opinion(code(1), Opinion::Doubtful), Wish::Still(code(1))]);

    take(&mut examiner, 1, 300, black());
    let effects = examiner.take_effects();
    let faults = faults_of(&effects, 1).unwrap();
    assert_eq!((faults[0].cause.as_str(), faults[0].since), ("blank", at(240)));
    assert_eq!(effects.wishes, [Wish::Opinion(code(1), Opinion::Faulty), Wish::Still(code(1))]);

    take(&mut examiner, 1, 360, scene(5));
    take(&mut examiner, 1, 420, scene(6));
    assert_eq!(words(faults_of(&examiner.take_effects(), 1)), [""; 0]);
}

#[test]
fn a_picture_that_was_not_decoded_is_never_good() {
    let mut examiner = examiner(1, Framings::new());
    let facts = StreamFacts { broken_over_decoded: Some(1.0), ..StreamFacts::default() };
    for round in 0..4 {
        let shot = Shot::Damaged(Damage::NotDecoded);
        let taken = at(round * 60);
        examiner.take(Examined { point: code(1), taken, shot, facts, promised: None, still: None }, taken);
    }
    let effects = examiner.take_effects();
    assert_eq!(words(faults_of(&effects, 1)), ["damaged"]);
    let Some(Finding::Picture(verdict)) = effects.findings.last() else { panic!("{effects:?}") };
    assert!(
        verdict.items.iter().all(|(item, status)| item == Item::SignalLost || status.grade != Grade::Normal)
    );
}

/// What is told of an item of the first point.
fn told(effects: &Effects, item: Item) -> Grade {
    let Some(Finding::Picture(verdict)) = effects.findings.last() else { panic!("{effects:?}") };
    verdict.items.of(item).grade
}

#[test]
fn nobody_knows_that_a_picture_is_well_which_nobody_sees() {
    let unseen = Grade::NotChecked(Skip::NoPicture);
    let mut before = examiner(1, Framings::new());
    take(&mut before, 1, 0, scene(0));
    take(&mut before, 1, 60, scene(1));
    assert_eq!(told(&before.take_effects(), Item::Blank), Grade::Normal);
    before.age(at(660));
    assert_eq!(before.take_effects(), Effects::default(), "within the round");
    before.age(at(661));
    let effects = before.take_effects();
    assert_eq!((told(&effects, Item::Blank), effects.wishes.len()), (unseen, 0));
    before.age(at(662));
    assert_eq!(before.take_effects(), Effects::default(), "it is told once");
    take(&mut before, 1, 700, scene(2));
    assert_eq!(told(&before.take_effects(), Item::Blank), Grade::Normal);

    let mut after = Examiner::new(settings(), inventory(1), Arc::default(), before.unkept(true));
    assert_eq!(told(&after.take_effects(), Item::Blank), unseen, "before the first look");
    take(&mut after, 1, 800, scene(3));
    for round in 0..3 {
        take(&mut after, 1, 860 + round * 60, black());
    }
    assert_eq!(told(&after.take_effects(), Item::Blank), Grade::Abnormal);
    after.age(at(9_000));
    assert_eq!(
        told(&after.take_effects(), Item::Blank),
        Grade::Abnormal,
        "a fault is believed until looks say otherwise"
    );
}

#[test]
fn what_was_believed_outlives_a_restart() {
    let mut before = examiner(1, Framings::new());
    take(&mut before, 1, 0, scene(0));
    for round in 1..4 {
        take(&mut before, 1, round * 60, black());
    }
    let kept = before.unkept(false);
    assert_eq!((kept.len(), kept[0].known.len()), (1, 1));
    before.note_kept(&kept);
    assert_eq!(before.unkept(true), []);

    let mut after = Examiner::new(settings(), inventory(1), Arc::default(), kept);
    assert_eq!(words(faults_of(&after.take_effects(), 1)), ["blank"], "before the first look");
    take(&mut after, 1, 600, scene(9));
    assert_eq!(words(faults_of(&after.take_effects(), 1)), ["blank"], "one clean look ends nothing");
    take(&mut after, 1, 660, scene(10));
    assert_eq!(words(faults_of(&after.take_effects(), 1)), [""; 0]);
}

#[test]
fn what_most_of_a_township_shows_at_once_is_weather() {
    let check = |snowy: u32, expected: &[&str]| {
        let mut examiner = examiner(6, Framings::new());
        for round in 0..6 {
            for number in 1..=6 {
                let is_white = round > 1 && number <= snowy;
                let shot = if is_white { white(round) } else { scene(round) };
                take(&mut examiner, number, round * 60, shot);
            }
        }
        assert_eq!(words(faults_of(&examiner.take_effects(), 1)), expected, "{snowy} of 6");
    };
    check(1, &["too_bright"]);
    check(5, &[]);
}

/// A township in which half an hour of snow was believed and is weather.
fn snowed_in() -> Examiner {
    let mut examiner = examiner(6, Framings::new());
    for round in 0..8 {
        for number in 1..=6 {
            take(&mut examiner, number, round * 60, if round > 1 { white(round) } else { scene(round) });
        }
    }
    assert_eq!(words(faults_of(&examiner.take_effects(), 1)), [""; 0]);
    assert_eq!(examiner.unkept(false)[0].items.iter().filter(|(_, grade, _)| grade.is_fault()).count(), 1);
    examiner
}

#[test]
fn what_was_weather_is_not_held_against_a_point_when_it_ends() {
    let mut examiner = snowed_in();
    for number in 3..=6 {
        take(&mut examiner, number, 480, scene(number.into()));
    }
    let effects = examiner.take_effects();
    for number in 1..=6 {
        assert_eq!(words(faults_of(&effects, number)), [""; 0], "{number}");
    }
    // Two cameras whose windows stay white are faulty in their own right, from then on.
    for round in 9..13 {
        take(&mut examiner, 1, round * 60, white(round));
    }
    let faults = faults_of(&examiner.take_effects(), 1).unwrap();
    assert_eq!((faults[0].cause.as_str(), faults[0].since), ("too_bright", at(540)));
}

#[test]
fn weather_goes_on_while_it_cannot_be_checked() {
    let mut examiner = snowed_in();
    for number in 1..=6 {
        take(&mut examiner, number, 480, Shot::Damaged(Damage::PacketsLost));
    }
    let effects = examiner.take_effects();
    for number in 1..=6 {
        assert!(!words(faults_of(&effects, number)).contains(&"too_bright"), "{number}");
    }
}

#[test]
fn weather_outlives_a_restart() {
    let kept = snowed_in().unkept(true);
    let mut after = Examiner::new(settings(), inventory(6), Arc::default(), kept);
    let effects = after.take_effects();
    for number in 1..=6 {
        assert_eq!(words(faults_of(&effects, number)), [""; 0], "{number}");
    }
    take(&mut after, 1, 3_600, white(3));
    assert_eq!(words(faults_of(&after.take_effects(), 1)), [""; 0]);
}

#[test]
fn a_waived_item_is_not_checked() {
    let waiver = Waiver { items: [Item::Blank, Item::TooDark].into_iter().collect(), when: When::Always };
    let framing = Framing { waivers: vec![waiver], ..Framing::default() };
    let mut examiner = examiner(1, [(code(1), framing)].into());
    take(&mut examiner, 1, 0, scene(0));
    for round in 1..5 {
        take(&mut examiner, 1, round * 60, black());
    }
    assert!(!words(faults_of(&examiner.take_effects(), 1)).contains(&"blank"));
}

#[test]
fn a_person_accepts_a_view_or_has_it_learnt_anew() {
    let mut examiner = examiner(1, Framings::new());
    let now = at(0);
    assert_eq!(examiner.change_baselines(code(1), BaselineStep::Accept, now), Err(Unacceptable::NoPicture));
    take(&mut examiner, 1, 0, scene(0));
    assert_eq!(examiner.change_baselines(code(1), BaselineStep::Accept, now), Ok(2));
    assert_eq!(examiner.change_baselines(code(1), BaselineStep::Reset, now), Ok(3));
    let kept = examiner.unkept(false);
    assert_eq!((kept[0].version, kept[0].known.len()), (3, 0));
}

#[test]
fn only_a_fresh_picture_that_shows_something_is_accepted() {
    let check = |shot: Shot, second, expected| {
        let mut examiner = examiner(1, Framings::new());
        take(&mut examiner, 1, 0, scene(0));
        take(&mut examiner, 1, 60, shot);
        assert_eq!(examiner.change_baselines(code(1), BaselineStep::Accept, at(second)), expected);
    };
    check(scene(1), 660, Ok(2));
    check(scene(1), 661, Err(Unacceptable::Old));
    check(Shot::Damaged(Damage::NotDecoded), 60, Err(Unacceptable::NotSeen));
    check(Shot::Lost, 60, Err(Unacceptable::NotSeen));
    check(black(), 60, Err(Unacceptable::Blank));
}

#[test]
fn a_point_without_video_loses_its_signal_in_rounds_of_its_own() {
    let mut examiner = examiner(2, Framings::new());
    take(&mut examiner, 1, 0, scene(0));
    let silent = |number: u32| LivePoint {
        code: code(number),
        measured: Condition::Because(crate::domain::Cause::NoPackets),
        excluded: None,
        since: at(0),
        last_known_up: None,
        last_look: None,
        last_frame: None,
        measurement: None,
        picture: None,
        suspected: None,
        faults: Vec::new(),
        flapping: false,
        frames_total: 0,
        bytes_total: 0,
    };
    let points = vec![Arc::new(silent(1)), Arc::new(silent(2))];
    let snapshot = Snapshot { points, ..Snapshot::default() };
    for round in 0..4 {
        examiner.miss(&snapshot, at(60 + round * 30));
    }
    let effects = examiner.take_effects();
    let Some(Finding::Picture(verdict)) = effects.findings.last() else { panic!("{effects:?}") };
    assert_eq!((verdict.point, verdict.items.of(Item::SignalLost).grade), (code(1), Grade::Abnormal));
    assert_eq!(verdict.faults(), [], "the looks tell it better");
    assert_eq!(faults_of(&effects, 2), None, "it never gave a picture");
}

#[test]
fn only_another_size_of_a_stream_is_kept() {
    let mut examiner = examiner(1, Framings::new());
    let size = |stream, second, size| DecodedSize {
        point: code(1),
        stream,
        at: at(second),
        size,
        promised: Some((320, 180)),
    };
    let hour = 3_600;
    let watched = size(StreamRole::Watched, 0, (320, 180));
    let main = size(StreamRole::Main, 90, (1280, 720));
    let larger = size(StreamRole::Main, 95 + hour, (1920, 1080));
    take(&mut examiner, 1, 0, scene(0));
    take(&mut examiner, 1, 60, scene(1));
    for later in [0, hour] {
        examiner.take_size(DecodedSize { at: at(90 + later), ..main }, at(90 + later));
    }
    examiner.take_size(DecodedSize { point: code(2), ..main }, at(90));
    examiner.take_size(size(StreamRole::Main, 100, (640, 360)), at(100));
    let first = examiner.unkept_sizes();
    assert_eq!(first, [watched, main], "nobody knows the point 2, and nothing changes within the hour");
    // While it was being kept the camera was set to another size.
    examiner.take_size(larger, at(95 + hour));
    examiner.note_sizes_kept(&first);
    assert_eq!(examiner.unkept_sizes(), [larger]);
    examiner.note_sizes_kept(&[larger]);

    let mut after = Examiner::new(settings(), inventory(1), Arc::default(), Vec::new());
    after.restore_sizes(vec![watched, larger], at(2 * hour));
    take(&mut after, 1, 2 * hour, scene(2));
    after.take_size(DecodedSize { at: at(5 * hour), ..larger }, at(5 * hour));
    assert_eq!(after.unkept_sizes(), [], "a restart writes nothing anew");
}

#[test]
fn a_size_from_a_clock_that_was_ahead_is_kept_anew() {
    let main = DecodedSize {
        point: code(1),
        stream: StreamRole::Main,
        at: at(90_000),
        size: (1280, 720),
        promised: Some((1280, 720)),
    };
    let mut examiner = examiner(1, Framings::new());
    examiner.take_size(main, at(90_000));
    examiner.note_sizes_kept(&[main]);
    examiner.shift(-80_000_000);
    let again = DecodedSize { at: at(10_100), ..main };
    examiner.take_size(DecodedSize { at: at(10_200), ..main }, at(10_100));
    assert_eq!(examiner.unkept_sizes(), [again], "never later than now");

    let mut after = Examiner::new(settings(), inventory(1), Arc::default(), Vec::new());
    after.restore_sizes(vec![main], at(10_100));
    after.take_size(again, at(10_100));
    assert_eq!(after.unkept_sizes(), [again]);
}

#[test]
fn a_point_that_is_gone_is_forgotten() {
    let mut examiner = examiner(2, Framings::new());
    take(&mut examiner, 2, 0, scene(0));
    examiner.change_inventory(inventory(1));
    take(&mut examiner, 2, 60, scene(1));
    assert_eq!(
        faults_of(
            &Effects { findings: examiner.take_effects().findings.split_off(1), wishes: Vec::new() },
            2
        ),
        None
    );
    assert_eq!(examiner.unkept(true), []);
    assert_eq!(
        ItemSet::default(),
        examiner.weather.values().copied().fold(ItemSet::default(), ItemSet::union)
    );
}
