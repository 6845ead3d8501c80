//! How fast the store is: transitions per second into both databases, and the daily sums of a county.
//!
//! `cargo bench --bench store` (or `make bench`). SQLite on a file in the temporary folder with synchronous=FULL as in
//! production; PostgreSQL 15 from Debian's package, started by the bench with fsync on. Each figure is the median of several
//! rounds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures and stops when it cannot go on"
)]

#[expect(dead_code, reason = "the suite's server; a bench needs only a part of it")]
#[path = "../tests/it/support/postgres.rs"]
mod postgres;

use sharpeyes::domain::{
    Calendar, Cause, Condition, DivisionCode, Evidence, PointCode, Provenance, RecordKind, Timestamp,
    Transition,
};
use sharpeyes::store::Store;
use sharpeyes::store::inventory::{ChangeSet, Ending, RunNote};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A province: 20 counties of 250 villages of 20 points.
const COUNTIES: u32 = 20;
const VILLAGES: u32 = 250;
const POINTS: u32 = 20;
const POINT_COUNT: u32 = COUNTIES * VILLAGES * POINTS;
const DAYS: i64 = 30;
const DAY: i64 = 86_400;
const ROUNDS: usize = 7;
/// Transitions of one round of the writing bench: every fifth point.
const WRITTEN: u32 = POINT_COUNT / 5;

fn village(index: u32) -> String {
    format!("23{:04}{:06}", 501 + index / VILLAGES, 100_000 + index % VILLAGES)
}

fn point(index: u32) -> PointCode {
    format!("23{:04}0000132{index:07}", 501 + index / (VILLAGES * POINTS)).parse().unwrap()
}

fn turn(step: i64) -> Condition {
    if step % 2 == 0 { Condition::Good } else { Condition::Because(Cause::ConnectTimeout) }
}

fn change(index: u32, seconds: i64, step: i64) -> Transition {
    let at = Timestamp::from_seconds(seconds);
    Transition {
        point: point(index),
        at,
        decided: at.plus(Duration::from_secs(60)),
        from: turn(step + 1),
        to: turn(step),
        evidence: Evidence(vec![("stage".into(), "connect".to_owned()), ("looks".into(), "3".to_owned())]),
        provenance: Provenance::Probe,
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let lite = format!("sqlite:{}", folder.path().join("store.db").display());
    bench("sqlite", &lite).await;
    let server = tokio::task::spawn_blocking(postgres::Server::start).await.unwrap();
    bench("postgres", &server.new_database().await).await;
}

async fn bench(name: &str, url: &str) {
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    store.prepare_months(Timestamp::from_seconds(0)).await.unwrap();
    fill(&store).await;
    let started = Instant::now();
    open_all(&store).await;
    println!("{name}: {POINT_COUNT} points opened in {:.1} s", started.elapsed().as_secs_f64());
    let mut step = 1;
    for batch in [100, 500] {
        let per_second = write(&store, batch, &mut step).await;
        println!("{name}: {per_second:.0} transitions/s, {batch} per transaction, {POINT_COUNT} points");
    }
    roll_up(name, &store).await;
    read(name, &store).await;
    store.close().await;
}

async fn fill(store: &Store) {
    let villages: Vec<String> = (0..COUNTIES * VILLAGES)
        .map(|index| {
            let code = village(index);
            format!(r#"{{"code":"{code}","name":"村","assessed":true,"has_centre":false}}"#)
        })
        .collect();
    let points: Vec<String> = (0..POINT_COUNT)
        .map(|index| {
            let (code, village, class) = (point(index), village(index / POINTS), 1 + index % 3);
            format!(
                r#"{{"code":"{code}","name":"点","village":"{village}","class":"{class}","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#
            )
        })
        .collect();
    let run = RunNote {
        by: "bench".to_owned(),
        files: Vec::new(),
        new_count: 0,
        changed_count: 0,
        unchanged_count: 0,
        missing_count: 0,
        fault_count: 0,
    };
    let records = BTreeMap::from([(RecordKind::Division, villages), (RecordKind::Point, points)]);
    let changes =
        ChangeSet { based_on: 0, at: Timestamp::from_seconds(1), records, credentials: Vec::new(), run };
    store.apply_inventory(&changes, Ending::Keep).await.unwrap();
}

/// Every point is good from 0 on.
async fn open_all(store: &Store) {
    let opened: Vec<Transition> = (0..POINT_COUNT).map(|index| change(index, 0, 0)).collect();
    for batch in opened.chunks(5_000) {
        store.apply_transitions(batch).await.unwrap();
    }
}

/// Changes points all over the province; returns transitions per second.
async fn write(store: &Store, batch: usize, step: &mut i64) -> f64 {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let seconds = *step * 2 * DAY / 3;
        let points = (0..POINT_COUNT).step_by(5);
        let changes: Vec<Transition> = points.map(|index| change(index, seconds, *step)).collect();
        let started = Instant::now();
        for batch in changes.chunks(batch) {
            store.apply_transitions(batch).await.unwrap();
        }
        times.push(started.elapsed());
        *step += 1;
    }
    f64::from(WRITTEN) / median(times).as_secs_f64()
}

async fn roll_up(name: &str, store: &Store) {
    let now = Timestamp::from_seconds(DAYS * DAY + 3_600);
    let calendar = Calendar::of_zone("UTC").unwrap();
    let started = Instant::now();
    let rolled = store.roll_up(&calendar, now, Timestamp::MIN).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!("{name}: {} days of {} village days rolled up in {seconds:.1} s", rolled.days, rolled.pairs);
    let late: Vec<Transition> = (0..100).map(|index| change(index * 997, DAYS * DAY - 3_600, 1)).collect();
    store.apply_transitions(&late).await.unwrap();
    let started = Instant::now();
    let rolled = store.roll_up(&calendar, now, Timestamp::MIN).await.unwrap();
    println!("{name}: {} late village days recomputed in {:.0} ms", rolled.pairs, millis(started.elapsed()));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn read(name: &str, store: &Store) {
    let county: DivisionCode = "230501".parse().unwrap();
    let province: DivisionCode = "23".parse().unwrap();
    let (first, last) = ("1970-01-01".parse().unwrap(), "1970-01-30".parse().unwrap());
    for (what, division) in [("county", county), ("province", province)] {
        let (mut times, mut rows) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let started = Instant::now();
            rows = store.village_time(division, first, last).await.unwrap().len();
            times.push(started.elapsed());
        }
        println!(
            "{name}: {DAYS} days of one {what} pooled to {rows} rows in {:.1} ms",
            millis(median(times))
        );
    }
}
