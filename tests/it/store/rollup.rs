//! Daily sums: computed from the intervals once a day has ended, and again when something in it changes.

use crate::store::fixture::{
    EAST, FAR, POINTS, WEST, at, because, change, division, fill, import, point, window,
};
use crate::support::postgres::on_both;
use proptest::prelude::{Strategy, prop};
use proptest::test_runner::{Config, TestRunner};
use sharpeyes::domain::timeline::StateMillis;
use sharpeyes::domain::{
    Calendar, Cause, Condition, Day, ExclusionKind, ExclusionRequest, ExclusionScope, RecordKind, Timestamp,
    Transition,
};
use sharpeyes::store::Store;
use sharpeyes::store::exclusion::ExclusionStep;
use sharpeyes::store::rollup::{RolledUp, VillageDay};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const OFFLINE: Condition = Condition::Because(Cause::ConnectTimeout);

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

async fn roll_up(store: &Store, now: i64) -> RolledUp {
    store.roll_up(&Calendar::of_zone("UTC").unwrap(), at(now), Timestamp::MIN).await.unwrap()
}

async fn all_days(store: &Store) -> Vec<VillageDay> {
    store.village_days(division("23"), day("1970-01-01"), day("1971-01-01")).await.unwrap()
}

/// Hours per state in the order good, degraded, no video, offline, unreachable, unknown.
fn hours(sums: StateMillis) -> [u64; 6] {
    sums.as_array().map(|millis| millis / 3_600_000)
}

/// Day, village, class, raw hours.
fn flat(row: &VillageDay) -> (String, String, &'static str, [u64; 6]) {
    (row.day.to_string(), row.time.village.to_string(), row.time.class.as_str(), hours(row.time.tally.raw))
}

fn row(
    day: &str,
    village: &str,
    class: &'static str,
    hours: [u64; 6],
) -> (String, String, &'static str, [u64; 6]) {
    (day.to_owned(), village.to_owned(), class, hours)
}

#[tokio::test]
async fn a_day_is_summed_by_village_and_class_once_it_has_ended() {
    on_both(async |store: Store| {
        fill(&store).await;
        let unreachable = because(Cause::LinkDown("L-1".parse().unwrap()));
        let changes = [
            change(1, 0, Condition::Good),
            change(1, 6 * HOUR, OFFLINE),
            change(1, 10 * HOUR, Condition::Good),
            change(2, 2 * HOUR, because(Cause::Loss)),
            change(3, 12 * HOUR, because(Cause::Stalled)),
            change(4, 0, unreachable),
            change(5, 0, Condition::Good),
        ];
        store.apply_transitions(&changes).await.unwrap();
        assert_eq!(roll_up(&store, DAY + 60).await, RolledUp::default(), "failures may still be back-dated");
        assert_eq!(store.last_closed_day().await.unwrap(), None);
        assert_eq!(roll_up(&store, DAY + HOUR).await, RolledUp { days: 1, pairs: 3 });
        assert_eq!(roll_up(&store, DAY + HOUR).await, RolledUp::default());
        let expected = [
            row("1970-01-01", EAST, "1", [20, 0, 12, 4, 0, 12]),
            row("1970-01-01", EAST, "2", [0, 22, 0, 0, 0, 2]),
            row("1970-01-01", WEST, "1", [0, 0, 0, 0, 24, 0]),
            row("1970-01-01", FAR, "3", [24, 0, 0, 0, 0, 0]),
        ];
        let rows = all_days(&store).await;
        assert_eq!(rows.iter().map(flat).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row.time.tally.excluded == StateMillis::default()));
        let closed = store.last_closed_day().await.unwrap().unwrap();
        assert_eq!((closed.day, closed.window), (day("1970-01-01"), window(0, DAY)));
    })
    .await;
}

#[tokio::test]
async fn days_are_days_of_the_zone() {
    on_both(async |store: Store| {
        fill(&store).await;
        store.apply_transitions(&[change(5, 0, Condition::Good)]).await.unwrap();
        let beijing = Calendar::of_zone("Asia/Shanghai").unwrap();
        let rolled = store.roll_up(&beijing, at(40 * HOUR + 1_000), Timestamp::MIN).await.unwrap();
        assert_eq!(rolled.days, 2, "1970-01-01 ends at 16:00 UTC, the next day 24 hours later");
        let of_far = store.village_days(division(FAR), day("1970-01-01"), day("1970-01-02")).await.unwrap();
        let flat: Vec<_> = of_far.iter().map(flat).collect();
        let expected = [
            row("1970-01-01", FAR, "3", [16, 0, 0, 0, 0, 0]),
            row("1970-01-02", FAR, "3", [24, 0, 0, 0, 0, 0]),
        ];
        assert_eq!(flat, expected);
    })
    .await;
}

#[tokio::test]
async fn a_late_change_recomputes_its_village_on_the_days_after_it_only() {
    on_both(async |store: Store| {
        fill(&store).await;
        let opened: Vec<Transition> = POINTS.iter().map(|(n, _, _)| change(*n, 0, Condition::Good)).collect();
        store.apply_transitions(&opened).await.unwrap();
        assert_eq!(roll_up(&store, 4 * DAY + HOUR).await, RolledUp { days: 4, pairs: 12 });
        let before = all_days(&store).await;
        store.apply_transitions(&[change(4, 2 * DAY + 18 * HOUR, OFFLINE)]).await.unwrap();
        assert_eq!(roll_up(&store, 4 * DAY + HOUR).await, RolledUp { days: 0, pairs: 2 });
        let after = all_days(&store).await;
        let changed: Vec<_> = after.iter().filter(|row| !before.contains(row)).map(flat).collect();
        let expected = [
            row("1970-01-03", WEST, "1", [18, 0, 0, 6, 0, 0]),
            row("1970-01-04", WEST, "1", [0, 0, 0, 24, 0, 0]),
        ];
        assert_eq!(changed, expected);
        assert_eq!(before.len(), after.len());
    })
    .await;
}

#[tokio::test]
async fn an_exclusion_is_an_overlay_that_comes_and_goes() {
    on_both(async |store: Store| {
        fill(&store).await;
        let opened = [change(1, 0, Condition::Good), change(1, 12 * HOUR, OFFLINE)];
        store.apply_transitions(&opened).await.unwrap();
        roll_up(&store, 2 * DAY + HOUR).await;
        let before = all_days(&store).await;
        let request = ExclusionRequest {
            kind: ExclusionKind::PowerCut,
            scope: ExclusionScope::Points(vec![point(1)]),
            window: window(10 * HOUR, 18 * HOUR),
            reason: "停电".to_owned(),
            evidence: "1".to_owned(),
            applicant: "甲".to_owned(),
        };
        let exclusion = store.add_exclusion(&request, at(DAY)).await.unwrap();
        let step = async |step| {
            store.change_exclusion(exclusion.id, step, "乙", &[division(EAST)], at(DAY)).await.unwrap();
            roll_up(&store, 2 * DAY + HOUR).await
        };
        assert_eq!(step(ExclusionStep::Approve).await, RolledUp { days: 0, pairs: 1 });
        let during = all_days(&store).await;
        let tally = during.first().unwrap().time.tally;
        assert_eq!(hours(tally.raw), [12, 0, 0, 12, 0, 24], "what was measured stays");
        assert_eq!(hours(tally.excluded), [2, 0, 0, 6, 0, 0]);
        assert_eq!(during[1..], before[1..]);
        assert_eq!(step(ExclusionStep::Withdraw).await, RolledUp { days: 0, pairs: 1 });
        assert_eq!(all_days(&store).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_past_day_is_summed_with_the_records_of_that_day() {
    on_both(async |store: Store| {
        fill(&store).await;
        store.apply_transitions(&[change(4, 0, Condition::Good)]).await.unwrap();
        roll_up(&store, DAY + HOUR).await;
        let code = point(4);
        let moved = format!(
            r#"{{"code":"{code}","name":"点","village":"{FAR}","class":"2","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#
        );
        import(&store, at(DAY + 12 * HOUR), &[(RecordKind::Point, &[moved])]).await;
        roll_up(&store, 2 * DAY + HOUR).await;
        store.apply_transitions(&[change(4, 20 * HOUR, OFFLINE)]).await.unwrap();
        roll_up(&store, 2 * DAY + HOUR).await;
        let rows = all_days(&store).await;
        let of_point: Vec<_> =
            rows.iter().map(flat).filter(|(_, village, class, _)| village == WEST || *class == "2" && village == FAR).collect();
        let expected = [
            row("1970-01-01", WEST, "1", [20, 0, 0, 4, 0, 0]),
            row("1970-01-02", FAR, "2", [0, 0, 0, 24, 0, 0]),
        ];
        assert_eq!(of_point, expected);
    })
    .await;
}

#[tokio::test]
async fn days_beyond_the_horizon_keep_their_sums() {
    on_both(async |store: Store| {
        fill(&store).await;
        store.apply_transitions(&[change(4, 0, Condition::Good)]).await.unwrap();
        roll_up(&store, 3 * DAY + HOUR).await;
        let before = all_days(&store).await;
        store.apply_transitions(&[change(4, HOUR, OFFLINE)]).await.unwrap();
        let utc = Calendar::of_zone("UTC").unwrap();
        let rolled = store.roll_up(&utc, at(3 * DAY + HOUR), at(2 * DAY)).await.unwrap();
        assert_eq!(rolled, RolledUp { days: 0, pairs: 1 });
        let after = all_days(&store).await;
        assert_eq!(after[..6], before[..6]);
        assert_ne!(after[6..], before[6..]);
    })
    .await;
}

#[tokio::test]
async fn pooled_time_is_the_sum_of_the_days() {
    on_both(async |store: Store| {
        fill(&store).await;
        let changes =
            [change(1, 5, Condition::Good), change(3, 3 * HOUR, OFFLINE), change(5, DAY, Condition::Good)];
        store.apply_transitions(&changes).await.unwrap();
        roll_up(&store, 4 * DAY + HOUR).await;
        let (first, last) = (day("1970-01-02"), day("1970-01-03"));
        for code in ["23", "230521", EAST, "230522", "2306"] {
            let days = store.village_days(division(code), first, last).await.unwrap();
            let pooled = store.village_time(division(code), first, last).await.unwrap();
            for time in &pooled {
                let same = days
                    .iter()
                    .filter(|row| row.time.village == time.village && row.time.class == time.class);
                let raw = same.fold(StateMillis::default(), |sum, row| sum.plus(row.time.tally.raw));
                assert_eq!(time.tally.raw, raw, "{code}");
                assert_eq!(time.tally.raw.total() % 86_400_000, 0);
            }
            let inside = |row: &VillageDay| division(code).contains(&row.time.village);
            assert!(days.iter().all(inside) && days.len() == 2 * pooled.len(), "{code}");
        }
    })
    .await;
}

/// Changes in the order of time, each with whether the roll-up runs after it.
fn histories() -> impl Strategy<Value = Vec<(Transition, bool)>> {
    let condition = prop::sample::select(vec![Condition::Good, OFFLINE, because(Cause::Loss)]);
    let step = (1..6_u32, 1..40_i64, condition, prop::bool::ANY);
    prop::collection::vec(step, 1..30).prop_map(|steps| {
        let mut now = 0;
        let mut changes = Vec::new();
        for (number, pause, condition, rolls) in steps {
            now += pause * HOUR / 2;
            changes.push((change(number, now, condition), rolls));
        }
        changes
    })
}

#[test]
fn rolling_up_early_and_often_ends_with_the_same_sums() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let case = |changes: Vec<(Transition, bool)>| {
        runtime.block_on(async {
            let [often, once] = [filled().await, filled().await];
            for (change, rolls) in &changes {
                often.apply_transitions(std::slice::from_ref(change)).await.unwrap();
                once.apply_transitions(std::slice::from_ref(change)).await.unwrap();
                if *rolls {
                    // The clock is two days ahead: every further change comes late.
                    roll_up(&often, change.at.as_millis() / 1_000 + 2 * DAY).await;
                }
            }
            for store in [&often, &once] {
                roll_up(store, 30 * DAY).await;
            }
            assert_eq!(all_days(&often).await, all_days(&once).await);
        });
        Ok(())
    };
    TestRunner::new(config).run(&histories(), case).unwrap();
}

async fn filled() -> Store {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    fill(&store).await;
    store
}
