//! What is too old goes, and nothing else.

use crate::store::fixture::{at, because, change, point, window};
use crate::support::postgres::{new_database, on_both};
use sharpeyes::config::{Settings, StoreSettings};
use sharpeyes::domain::{Cause, Condition, Look, Observation, Outcome, StageTimes, Timestamp, Transition};
use sharpeyes::store::Store;
use sharpeyes::store::retention::Pruned;

const DAY: i64 = 86_400;

fn settings() -> StoreSettings {
    StoreSettings { observation_days: 7, interval_days: 100, ..Settings::default().store }
}

fn observation(number: u32, day: i64) -> Observation {
    Observation {
        point: point(number),
        started: at(day * DAY),
        ended: at(day * DAY + 1),
        look: Look::Patrol,
        stages: StageTimes::default(),
        outcome: Outcome::NotLooked(Cause::Backlog),
    }
}

/// One change a day from day 1 to `days`.
fn daily(number: u32, days: i64) -> Vec<Transition> {
    let turn = |day| if day % 2 == 0 { Condition::Good } else { because(Cause::ConnectRefused) };
    (1..=days).map(|day| change(number, day * DAY, turn(day))).collect()
}

#[tokio::test]
async fn observations_go_after_their_days() {
    on_both(async |store: Store| {
        // Points without any state too: more than one range of points, the last one open.
        let numbers: Vec<u32> = (1..=1_100).collect();
        let opened: Vec<Transition> =
            numbers.iter().take(600).map(|n| change(*n, 5, Condition::Good)).collect();
        store.apply_transitions(&opened).await.unwrap();
        let rows: Vec<Observation> =
            numbers.iter().flat_map(|number| [observation(*number, 3), observation(*number, 9)]).collect();
        store.add_observations(&rows).await.unwrap();
        let pruned = store.prune(at(11 * DAY), &settings()).await.unwrap();
        assert_eq!(pruned, Pruned { observations: 1_100, intervals: 0, months: 0 });
        for number in [1, 600, 601, 1_100] {
            let kept = store.observations(point(number), Timestamp::MAX, 9).await.unwrap();
            assert_eq!(kept, [observation(number, 9)], "{number}");
        }
        assert_eq!(store.prune(at(11 * DAY), &settings()).await.unwrap(), Pruned::default());
    })
    .await;
}

#[tokio::test]
async fn sqlite_removes_intervals_that_ended_before_the_horizon() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
    store.migrate().await.unwrap();
    store.apply_transitions(&daily(1, 50)).await.unwrap();
    let pruned = store.prune(at(120 * DAY), &settings()).await.unwrap();
    assert_eq!(pruned, Pruned { observations: 0, intervals: 18, months: 0 });
    let kept = store.timeline(point(1), window(0, 60 * DAY), at(60 * DAY)).await.unwrap();
    let ends: Vec<i64> = kept.iter().map(|interval| interval.window.end().as_millis() / 1000 / DAY).collect();
    assert_eq!(ends, (20..=50).chain([60]).collect::<Vec<_>>());
}

#[tokio::test]
async fn postgres_keeps_months_in_partitions_and_drops_whole_ones() {
    let store = Store::open(&new_database().await).await.unwrap();
    store.migrate().await.unwrap();
    let history = daily(1, 150);
    let all =
        async |store: &Store| store.timeline(point(1), window(0, 200 * DAY), at(200 * DAY)).await.unwrap();
    // January 1970 before its partition was made: the rows wait in the rest and move in.
    store.apply_transitions(&history[..40]).await.unwrap();
    let before = all(&store).await;
    assert_eq!(store.prepare_months(at(5 * DAY)).await.unwrap(), 3);
    assert_eq!(store.prepare_months(at(35 * DAY)).await.unwrap(), 1);
    assert_eq!(store.prepare_months(at(35 * DAY)).await.unwrap(), 0);
    assert_eq!(all(&store).await, before);
    store.apply_transitions(&history[40..]).await.unwrap();
    let complete = all(&store).await;
    assert_eq!(complete.len(), 150);
    // The horizon lies on 9 March: January and February are gone, March is whole.
    let pruned = store.prune(at(168 * DAY), &settings()).await.unwrap();
    assert_eq!(pruned, Pruned { observations: 0, intervals: 0, months: 2 });
    let march = at(59 * DAY);
    let kept: Vec<_> = complete.into_iter().filter(|interval| interval.window.end() >= march).collect();
    assert_eq!(all(&store).await, kept);
}
