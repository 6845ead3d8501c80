//! What is too old goes, and nothing else.

use crate::store::fixture::{at, because, change, point, window};
use crate::support::postgres::{new_database, on_both};
use sharpeyes::config::{Settings, StoreSettings};
use sharpeyes::domain::decode::DecodedSize;
use sharpeyes::domain::key_frame::StreamRole;
use sharpeyes::domain::{
    Cause, ClockReading, Codec, Condition, Look, Observation, Outcome, StageTimes, Timestamp, Transition,
};
use sharpeyes::store::PointFacts;
use sharpeyes::store::Store;
use sharpeyes::store::retention::{OBSERVATIONS_LITE, OBSERVATIONS_PG, Pruned};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

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
        assert_eq!(pruned, Pruned { observations: 1_100, ..Pruned::default() });
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
    assert_eq!(pruned, Pruned { intervals: 18, ..Pruned::default() });
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
    assert_eq!(pruned, Pruned { months: 2, ..Pruned::default() });
    let march = at(59 * DAY);
    let kept: Vec<_> = complete.into_iter().filter(|interval| interval.window.end() >= march).collect();
    assert_eq!(all(&store).await, kept);
}

fn fact(number: u32, day: i64) -> PointFacts {
    PointFacts {
        point: point(number),
        at: at(day * DAY),
        codec: Codec::H264,
        size: Some((640, 360)),
        main_size: None,
        frames_per_second: 25.0,
        clock: ClockReading::NotSeen,
        last_video_at: None,
    }
}

#[tokio::test]
async fn a_fact_goes_once_a_newer_one_held_at_the_horizon() {
    on_both(async |store: Store| {
        crate::store::fixture::fill(&store).await;
        let facts = [fact(1, 1), fact(1, 5), fact(1, 9), fact(1, 30), fact(2, 2)];
        store.add_facts(&facts).await.unwrap();
        // The horizon lies on day 20.
        let pruned = store.prune(at(120 * DAY), &settings()).await.unwrap();
        assert_eq!(pruned, Pruned { facts: 2, ..Pruned::default() });
        let held = async |day| {
            let facts = store.facts_at("2305".parse().unwrap(), at(day * DAY)).await.unwrap();
            facts.into_iter().map(|fact| (fact.point, fact.at)).collect::<Vec<_>>()
        };
        assert_eq!(held(8).await, [(point(2), at(2 * DAY))]);
        assert_eq!(held(20).await, [(point(1), at(9 * DAY)), (point(2), at(2 * DAY))]);
        assert_eq!(held(31).await, [(point(1), at(30 * DAY)), (point(2), at(2 * DAY))]);
    })
    .await;
}

#[tokio::test]
async fn a_decoded_size_goes_once_a_newer_one_of_its_stream_held_at_the_horizon() {
    on_both(async |store: Store| {
        crate::store::fixture::fill(&store).await;
        let size = |stream, day| DecodedSize {
            point: point(1),
            stream,
            at: at(day * DAY),
            size: (640, 360),
            promised: None,
        };
        let watched = [1, 5, 30].map(|day| size(StreamRole::Watched, day));
        let main = size(StreamRole::Main, 2);
        store.keep_decoded_sizes(&[&watched[..], &[main]].concat()).await.unwrap();
        // The horizon lies on day 20.
        let pruned = store.prune(at(120 * DAY), &settings()).await.unwrap();
        assert_eq!(pruned, Pruned { facts: 1, ..Pruned::default() });
        let held = store.decoded_sizes_at("2305".parse().unwrap(), at(25 * DAY)).await.unwrap();
        assert_eq!(held, [main, watched[1]]);
    })
    .await;
}

/// Four hundred points with fifty observations each, none of them old.
async fn fill_observations(store: &Store) {
    for number in 1..=400 {
        let rows: Vec<Observation> = (100..150).map(|day| observation(number, day)).collect();
        store.add_observations(&rows).await.unwrap();
    }
}

#[tokio::test]
async fn sqlite_finds_old_observations_by_the_key_of_each_point() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    let mut file = SqliteConnection::connect(&url).await.unwrap();
    let mut plan = async |statement: &str| {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).bind("[]").bind(1_i64).bind(1_i64).fetch_all(&mut file).await.unwrap();
        rows.into_iter().map(|(.., step)| step).collect::<Vec<_>>()
    };
    let remove = plan(OBSERVATIONS_LITE.remove).await;
    assert!(
        remove.contains(&"SEARCH old USING PRIMARY KEY (point=? AND started_ms<?)".to_owned()),
        "{remove:?}"
    );
    let points = plan(OBSERVATIONS_LITE.points).await;
    for steps in [remove, points] {
        assert!(!steps.iter().any(|step| step.starts_with("SCAN o")), "{steps:?}");
    }
}

#[tokio::test]
async fn postgres_finds_old_observations_by_the_key_of_each_point() {
    let url = new_database().await;
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    fill_observations(&store).await;
    let mut pg = PgConnection::connect(&url).await.unwrap();
    sqlx::query("ANALYZE observation").execute(&mut pg).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN {}", OBSERVATIONS_PG.remove));
    let remove: Vec<String> =
        sqlx::query_scalar(explain).bind("[]").bind(1_i64).bind(1_i64).fetch_all(&mut pg).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN {}", OBSERVATIONS_PG.points));
    let points: Vec<String> =
        sqlx::query_scalar(explain).bind("").bind(1_i64).fetch_all(&mut pg).await.unwrap();
    let by_key = |step: &String| step.contains("Index Cond: ((point = ANY") && step.contains("(started_ms <");
    assert!(remove.iter().any(by_key), "{remove:#?}");
    for steps in [remove, points] {
        assert!(!steps.iter().any(|step| step.contains("Seq Scan")), "{steps:#?}");
    }
}
