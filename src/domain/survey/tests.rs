//! Each indicator on a small village network, counted by hand.

use super::*;
use crate::domain::Ratio;
use crate::domain::grid::Leader;
use crate::domain::place::PlaceKind;
use crate::domain::point::{CatalogueRecord, PointStatus};
use crate::domain::site::{Datum, Position};
use crate::domain::target::HighDefinition;
use crate::domain::timeline::Span;

const HOUR: i64 = 3_600_000;
const V1: &str = "230502100201";
const V2: &str = "230502100202";
const V3: &str = "230502100203";
const FARM: &str = "230502400201";
/// Points: A and B in V1, C in V2, D in the farm.
const A: &str = "23050200001320000001";
const B: &str = "23050200001320000002";
const C: &str = "23050200001320000003";
const D: &str = "23050200001320000004";

fn at(hours: i64) -> Timestamp {
    Timestamp::from_millis(hours * HOUR)
}

fn window(from: i64, to: i64) -> Window {
    Window::new(at(from), at(to)).unwrap()
}

fn division(code: &str, assessed: bool, households: Option<u32>) -> Division {
    Division {
        code: code.parse().unwrap(),
        name: code.to_owned(),
        assessed,
        households,
        has_centre: false,
        valid_from: None,
        valid_to: None,
    }
}

fn grid(code: &str, village: &str, kind: GridKind, households: Option<u32>, leader: Option<Leader>) -> Grid {
    let (code, village) = (code.parse().unwrap(), village.parse().unwrap());
    Grid { name: format!("{code}"), code, village, kind, households, leader }
}

fn leader(to: Option<Timestamp>) -> Option<Leader> {
    Some(Leader { name: "L".to_owned(), phone: None, from: None, to })
}

fn place(code: &str, village: &str, kind: PlaceKind, required: bool) -> Place {
    let (code, village) = (code.parse().unwrap(), village.parse().unwrap());
    Place { name: format!("{code}"), code, village, kind, required }
}

fn complete_record() -> CatalogueRecord {
    let text = |text: &str| Some(text.to_owned());
    CatalogueRecord {
        manufacturer: text("M"),
        model: text("X1"),
        address: text("road 1"),
        position: Some(Position {
            longitude: 131.1,
            latitude: 46.6,
            source: Datum::Wgs84,
            raw_longitude: 131.1,
            raw_latitude: 46.6,
        }),
        secrecy: text("0"),
        grassroots_code: text("000000"),
        install_time: Some(Timestamp::from_millis(0)),
        contact: text("0469-1"),
        record_save_days: Some(30),
        ..CatalogueRecord::default()
    }
}

fn point(code: &str, village: &str, grid: &str, place: Option<&str>, class: PointClass) -> Point {
    Point {
        grid: Some(grid.parse().unwrap()),
        place: place.map(|place| place.parse().unwrap()),
        class,
        commissioned: Timestamp::from_millis(-HOUR),
        sub_stream: Some("rtsp://10.0.0.1/2".parse().unwrap()),
        maintainer: Some("Maintainer".to_owned()),
        maintainer_phone: Some("0469-2".to_owned()),
        record: complete_record(),
        ..Point::bare(code.parse().unwrap(), village.parse().unwrap())
    }
}

/// V1 has two points, V2 one, V3 none; the farm is not assessed.
fn network() -> Inventory {
    let mut inventory = Inventory::default();
    let divisions = [
        division("230502", true, None),
        division("230502400", false, None),
        division(V1, true, Some(300)),
        division(V2, true, Some(200)),
        division(V3, true, Some(100)),
        division(FARM, true, Some(900)),
    ];
    inventory.divisions = divisions.into_iter().map(|it| (it.code, it)).collect();
    let grids = [
        grid("G1", V1, GridKind::Rural, Some(100), leader(None)),
        grid("G2", V1, GridKind::Rural, Some(200), None),
        grid("G3", V2, GridKind::Urban, Some(300), leader(Some(at(50)))),
        grid("G4", V3, GridKind::Dedicated, Some(1), None),
        grid("G5", V3, GridKind::Rural, None, None),
        grid("G6", FARM, GridKind::Rural, Some(100), None),
    ];
    inventory.grids = grids.into_iter().map(|it| (it.code.clone(), it)).collect();
    let places = [
        place("P1", V1, PlaceKind::VillageEntrance, true),
        place("P2", V1, PlaceKind::Committee, true),
        place("P3", V2, PlaceKind::School, true),
        place("P4", V3, PlaceKind::Square, false),
    ];
    inventory.places = places.into_iter().map(|it| (it.code.clone(), it)).collect();
    let main = "rtsp://10.0.0.1/1";
    let points = [
        Point {
            sub_stream: None,
            main_stream: Some(main.parse().unwrap()),
            record: CatalogueRecord { install_time: Some(at(30)), ..complete_record() },
            ..point(A, V1, "G1", Some("P1"), PointClass::One)
        },
        Point {
            main_stream: Some(main.parse().unwrap()),
            maintainer_phone: None,
            record: CatalogueRecord { contact: None, install_time: None, ..complete_record() },
            ..point(B, V1, "G1", Some("P2"), PointClass::One)
        },
        Point {
            record: CatalogueRecord { contact: None, ..complete_record() },
            ..point(C, V2, "G3", None, PointClass::Two)
        },
        point(D, FARM, "G6", None, PointClass::One),
        Point {
            status: PointStatus::Removed,
            ..point("23050200001320000005", V3, "G5", None, PointClass::One)
        },
        Point { retired: Some(at(50)), ..point("23050200001320000006", V3, "G5", None, PointClass::One) },
        Point { commissioned: at(100), ..point("23050200001320000007", V3, "G5", None, PointClass::One) },
    ];
    inventory.points = points.into_iter().map(|it| (it.code, it)).collect();
    inventory
}

fn targets() -> Targets {
    let percent = |percent: u32| Ratio::of_millionths(percent * 10_000);
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    Targets {
        version: "t".to_owned(),
        default_rule: VillageRule { min_points: 1, required_places: Vec::new() },
        target_rule: VillageRule {
            min_points: 2,
            required_places: vec![
                vec![PlaceKind::VillageEntrance],
                vec![PlaceKind::School, PlaceKind::Committee],
            ],
        },
        hd: HighDefinition { width: 1280, height: 720, new_since: "1970-01-02".parse().unwrap() },
        effective_share: percent(80),
        sufficient: percent(90),
        clock_tolerance: Duration::from_secs(30),
        repair_deadline: BTreeMap::from([(PointClass::One, hours(12)), (PointClass::Two, hours(24))]),
        urban_households: 200..=500,
        rural_households: 0..=150,
        late_entry_after: hours(72),
        values: BTreeMap::new(),
    }
}

fn measured() -> BTreeMap<PointCode, Measured> {
    let of = |point: &str, size, clock| {
        (point.parse().unwrap(), Measured { size: Some(size), main_size: None, clock })
    };
    BTreeMap::from([
        of(A, (1920, 1080), ClockReading::ErrorMs(-30_000)),
        of(B, (640, 360), ClockReading::ErrorMs(30_001)),
        of(C, (640, 360), ClockReading::NotAWallClock),
    ])
}

/// 100 hours: A has one outage of 10 h, B is good for 70 h and unknown for 20 h, C goes down at 60 h and stays so.
fn histories(excluded: &[(&str, Window)]) -> BTreeMap<PointCode, History> {
    let span = |(from, to, state)| Span { window: window(from, to), state };
    let spans = [
        (A, vec![(0, 40, State::Good), (40, 50, State::NoVideo), (50, 100, State::Good)]),
        (B, vec![(0, 70, State::Good), (70, 80, State::Offline), (80, 100, State::Unknown)]),
        (C, vec![(0, 60, State::Degraded), (60, 100, State::Offline)]),
    ];
    let history = |(point, spans): (&str, Vec<(i64, i64, State)>)| {
        let spans: Vec<Span> = spans.into_iter().map(span).collect();
        let exclusions: Vec<Window> =
            excluded.iter().filter(|(code, _)| *code == point).map(|(_, window)| *window).collect();
        (point.parse().unwrap(), History::read(&spans, window(-1, 1_000), window(0, 100), &exclusions))
    };
    spans.into_iter().map(history).collect()
}

fn time(histories: &BTreeMap<PointCode, History>, inventory: &Inventory) -> Vec<TimeRow> {
    let row = |(code, history): (&PointCode, &History)| TimeRow {
        member: Member::Point(*code),
        village: inventory.points[code].village,
        class: inventory.points[code].class,
        tally: history.tally,
    };
    histories.iter().map(row).collect()
}

/// Numerator, denominator, unknown and excluded of a figure, and the members that miss the rule with their words.
fn figure(id: &str, basis: Basis, excluded: &[(&str, Window)]) -> ([u64; 4], Vec<String>) {
    figure_of(&measured(), id, basis, excluded)
}

fn figure_of(
    measured: &BTreeMap<PointCode, Measured>,
    id: &str,
    basis: Basis,
    excluded: &[(&str, Window)],
) -> ([u64; 4], Vec<String>) {
    let (inventory, targets) = (network(), targets());
    let histories = histories(excluded);
    let time = time(&histories, &inventory);
    let calendar = Calendar::of_zone("Asia/Shanghai").unwrap();
    let survey = Survey {
        calendar: &calendar,
        targets: &targets,
        window: window(0, 100),
        extent: Extent::of(&inventory, None, Timestamp::from_millis(100 * HOUR - 1)),
        measured,
        histories: &histories,
        time: &time,
    };
    let parts = survey.contributions(id.parse().unwrap(), basis);
    let sum = parts.iter().fold(Counts::default(), |sum, part| sum.plus(part.counts));
    let missing = parts.iter().filter(|part| !part.why.is_empty());
    let missing = missing.map(|part| format!("{} {}", part.member.code(), part.why.join(","))).collect();
    ([sum.numerator, sum.denominator, sum.unknown, sum.excluded], missing)
}

#[track_caller]
fn check(id: &str, expected: [u64; 4], missing: &[&str]) {
    assert_eq!(
        figure(id, Basis::Adjusted, &[]),
        (expected, missing.iter().map(|it| (*it).to_owned()).collect())
    );
    assert_eq!(figure(id, Basis::Raw, &[]).0, expected);
}

#[test]
fn villages_are_covered_by_their_rule() {
    check("C1", [2, 3, 0, 0], &["230502100203 no_point"]);
    check(
        "C1.target",
        [1, 3, 0, 0],
        &[
            "230502100202 too_few_points,village_entrance,school",
            "230502100203 no_point,village_entrance,school",
        ],
    );
}

#[test]
fn only_required_places_are_counted() {
    check("C2", [2, 3, 0, 0], &["P3 no_point"]);
}

#[test]
fn grids_need_a_point_of_their_own() {
    check("C3", [2, 5, 0, 0], &["G2 no_point", "G4 no_point", "G5 no_point"]);
}

#[test]
fn hd_is_measured_and_a_small_sub_stream_proves_nothing_of_its_main_stream() {
    let words = [format!("{B} main_stream_not_measured"), format!("{C} too_small")];
    check("C4", [1, 2, 1, 0], &[words[0].as_str(), words[1].as_str()]);
}

#[test]
fn a_decoded_picture_proves_the_size_that_the_stream_promises_still() {
    let (small, large) = (Some((640, 360)), Some((1920, 1080)));
    let after = |promised, size, stream, now: (Option<_>, Option<_>)| {
        let mut measured = Measured { size: now.0, main_size: now.1, clock: ClockReading::NotSeen };
        let at = Timestamp::from_seconds(0);
        measured.prove(&DecodedSize { point: B.parse().unwrap(), stream, at, size, promised });
        (measured.size, measured.main_size)
    };
    let decoded = (704, 576);
    assert_eq!(after(small, decoded, StreamRole::Watched, (small, large)), (Some(decoded), large));
    assert_eq!(after(large, decoded, StreamRole::Main, (small, large)), (small, Some(decoded)));
    assert_eq!(
        after(large, decoded, StreamRole::Main, (large, small)),
        (large, small),
        "set to another size since"
    );
    assert_eq!(after(None, decoded, StreamRole::Watched, (None, None)), (Some(decoded), None));
}

#[test]
fn the_main_stream_decides_where_it_was_measured() {
    let check = |main_size, watched, expected: [u64; 4], words: &[&str]| {
        let mut measured = measured();
        let of_b = measured.get_mut(&B.parse::<PointCode>().unwrap()).unwrap();
        (of_b.main_size, of_b.size) = (main_size, watched);
        let (counts, missing) = figure_of(&measured, "C4", Basis::Adjusted, &[]);
        let words: Vec<String> = words.iter().map(|word| format!("{B} {word}")).collect();
        let of_b: Vec<String> = missing.into_iter().filter(|line| line.starts_with(B)).collect();
        assert_eq!((counts, of_b), (expected, words), "{main_size:?} {watched:?}");
    };
    let (small, large) = (Some((640, 360)), Some((1280, 720)));
    check(large, small, [2, 3, 0, 0], &[]);
    check(large, None, [2, 3, 0, 0], &[]);
    check(None, large, [2, 3, 0, 0], &[]);
    check(small, small, [1, 3, 0, 0], &["too_small"]);
    check(None, small, [1, 2, 1, 0], &["main_stream_not_measured"]);
    check(None, None, [1, 2, 1, 0], &["not_measured"]);
}

#[test]
fn new_points_are_told_by_their_installation() {
    // New since 1970-01-02 in Beijing: A was installed on that day, C a day earlier; B has no date of installation and was
    // commissioned earlier.
    check("C4.new", [1, 1, 0, 0], &[]);
}

#[test]
fn effective_cover_counts_working_points_only() {
    // A is good for 90 %, B for 70 % with 20 % unknown, C never.
    check("C5", [1, 3, 0, 0], &["230502100202 too_few_points", "230502100203 no_point"]);
    check("C5.grid", [1, 5, 0, 0], &["G2 no_point", "G3 not_good_enough", "G4 no_point", "G5 no_point"]);
    // Without A the village stands on B alone, which may have been good enough.
    let (counts, _) = figure("C5", Basis::Adjusted, &[(A, window(0, 100))]);
    assert_eq!(counts, [0, 2, 1, 0]);
}

#[test]
fn a_village_whose_only_point_is_excluded_leaves_the_denominator_and_not_the_raw_figure() {
    let excluded = [(C, window(0, 100))];
    assert_eq!(figure("C5", Basis::Adjusted, &excluded).0, [1, 2, 0, 1]);
    assert_eq!(figure("C5", Basis::Raw, &excluded).0, [1, 3, 0, 0]);
    assert_eq!(figure("N1", Basis::Adjusted, &excluded).0, [2, 2, 0, 1]);
    assert_eq!(figure("N1", Basis::Raw, &excluded).0, [3, 3, 0, 0]);
}

#[test]
fn household_norms_differ_by_kind_and_dedicated_grids_have_none() {
    check("C6", [2, 3, 1, 0], &["G2 too_many", "G5 not_recorded"]);
}

#[test]
fn networked_is_a_point_whose_video_arrived_once() {
    check("N1", [3, 3, 0, 0], &[]);
    let (counts, _) = figure("N1", Basis::Adjusted, &[(C, window(0, 60))]);
    assert_eq!(counts, [2, 3, 0, 0]);
}

#[test]
fn time_is_pooled_in_milliseconds() {
    let hours = |[numerator, denominator, unknown, excluded]: [u64; 4]| {
        [numerator, denominator, unknown, excluded].map(|count| count * HOUR.unsigned_abs())
    };
    check("A1", hours([90 + 70 + 60, 100 + 80 + 100, 20, 0]), &[]);
    check("A2.installed", hours([90 + 70, 100 + 80 + 100, 20, 0]), &[]);
    check("A2.installed.class1", hours([90 + 70, 100 + 80, 20, 0]), &[]);
    check("A2.installed.class2", hours([0, 100, 0, 0]), &[]);
    check("A2.installed.class3", [0; 4], &[]);
    check("A2.online", hours([90 + 70, 90 + 70 + 60, 20, 0]), &[]);
    let excluded = [(C, window(50, 100))];
    assert_eq!(figure("A1", Basis::Adjusted, &excluded).0, hours([210, 230, 20, 50]));
    assert_eq!(figure("A1", Basis::Raw, &excluded).0, hours([220, 280, 20, 0]));
}

#[test]
fn a_clock_that_cannot_be_read_is_unknown() {
    check("A4", [1, 2, 1, 0], &[]);
}

#[test]
fn repairs_are_held_against_the_deadline_of_their_class() {
    // A was repaired in 10 of 12 h; B's outage of 10 h is open and not due; C's of 100 h is past its 24 h.
    check("A5", [1, 2, 0, 0], &[]);
    let (counts, _) = figure("A5", Basis::Adjusted, &[(C, window(10, 90))]);
    assert_eq!(counts, [1, 1, 0, 0]);
}

#[test]
fn people_answer_for_a_point() {
    let words = [format!("{B} maintainer_phone"), format!("{C} leader")];
    check("K4", [1, 3, 0, 0], &[words[0].as_str(), words[1].as_str()]);
}

#[test]
fn a_record_is_complete_by_class() {
    let words = format!("{B} InstallTime,ContactInfo");
    check("K5", [2, 3, 0, 0], &[words.as_str()]);
    check("K5.class1", [1, 2, 0, 0], &[words.as_str()]);
    check("K5.class2", [1, 1, 0, 0], &[]);
    check("K5.class9", [0; 4], &[]);
}

#[test]
fn what_is_not_assessed_is_left_out_and_counted_apart() {
    let inventory = network();
    let extent = Extent::of(&inventory, None, at(99));
    assert_eq!(extent.not_assessed, NotAssessed { villages: 1, grids: 1, places: 0, points: 1 });
    let farm = Extent::of(&inventory, Some("230502400".parse().unwrap()), at(99));
    assert_eq!((farm.villages.len(), farm.points.len()), (0, 0));
}

#[test]
fn a_point_counts_from_commissioning_until_it_is_retired() {
    let inventory = network();
    let codes = |at| -> Vec<String> {
        let extent = Extent::of(&inventory, Some(V3.parse().unwrap()), at);
        extent.points.iter().map(|point| point.code.to_string()).collect()
    };
    assert_eq!(codes(at(49)), ["23050200001320000006"]);
    assert_eq!(codes(at(50)), [""; 0]);
    assert_eq!(codes(at(100)), ["23050200001320000007"]);
}
