//! `kill -9` in the middle of writing: nothing acknowledged is lost, nothing is torn.
//!
//! The writing process is this test binary again, asked for [`write_until_killed`] alone.

use crate::store::fixture::{at, because, change, point, window};
use crate::store::writer::{Running, transition};
use sharpeyes::domain::{Cause, Condition, Transition};
use sharpeyes::store::Store;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the database for the writing process; without it [`write_until_killed`] does nothing.
const CHILD: &str = "SHARPEYES_TEST_CRASH_DATABASE";
/// Names what it writes with: `store` or `writer`.
const BY: &str = "SHARPEYES_TEST_CRASH_BY";
/// Points that change together in each transaction.
const POINT_COUNT: u32 = 20;
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

fn turn(step: i64) -> Condition {
    if step % 2 == 0 { Condition::Good } else { because(Cause::ConnectTimeout) }
}

/// Writes steps on end and prints each one: after its commit (`store`), or when it was handed over (`writer`).
#[tokio::test]
async fn write_until_killed() {
    let Some(url) = std::env::var_os(CHILD) else { return };
    let store = Store::open(url.to_str().unwrap()).await.unwrap();
    let first: i64 = match store.open_states().await.unwrap().first() {
        Some(open) => open.since.as_millis() / 1000,
        None => 0,
    };
    if std::env::var_os(BY) == Some(OsString::from("writer")) {
        hand_over(&store, first).await;
    }
    for step in first + 1.. {
        let batch: Vec<Transition> =
            (1..=POINT_COUNT).map(|number| change(number, step, turn(step))).collect();
        store.apply_transitions(&batch).await.unwrap();
        print_step(step);
    }
}

async fn hand_over(store: &Store, first: i64) {
    let running = Running::start(store, FLUSH_INTERVAL);
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    for step in first + 1.. {
        running.send(transition(1, step - 100)).await;
        print_step(step);
        pace.tick().await;
    }
}

fn print_step(step: i64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "step {step}").unwrap();
    out.flush().unwrap();
}

/// Starts the writing process; lines that are no steps come from the test harness.
fn spawn(url: &str, by: &str) -> (Child, impl Iterator<Item = (i64, Instant)>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::crash::write_until_killed", "--nocapture", "--test-threads=1"])
        .env(CHILD, url)
        .env(BY, by)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let steps = lines.filter_map(|line| {
        let step = line.ok()?.strip_prefix("step ")?.parse().ok()?;
        Some((step, Instant::now()))
    });
    (child, steps)
}

async fn steps_of(store: &Store, number: u32) -> Vec<(i64, i64)> {
    let intervals = store.timeline(point(number), window(0, 10_000_000), at(10_000_000)).await.unwrap();
    let seconds = |at: sharpeyes::domain::Timestamp| at.as_millis() / 1000;
    intervals.iter().map(|it| (seconds(it.window.start()), seconds(it.window.end()))).collect()
}

async fn check_whole(url: &str, acknowledged: i64) {
    let store = Store::open(url).await.unwrap();
    let first = steps_of(&store, 1).await;
    let written = first.last().map_or(0, |(start, _)| *start);
    assert!(written >= acknowledged, "{acknowledged} was acknowledged, {written} is there");
    let expected: Vec<(i64, i64)> =
        (1..=written).map(|step| (step, if step == written { 10_000_000 } else { step + 1 })).collect();
    assert_eq!(first, expected, "a gap or an overlap");
    for number in 2..=POINT_COUNT {
        assert_eq!(steps_of(&store, number).await, first, "a torn transaction at point {number}");
    }
    store.close().await;
    let mut file = <sqlx::SqliteConnection as sqlx::Connection>::connect(url).await.unwrap();
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut file).await.unwrap();
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_in_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    for round in 0..20_usize {
        let (mut child, mut steps) = spawn(&url, "store");
        // Each round dies after another number of commits.
        let before = steps.nth(3 + round % 7).expect("the writing process ended by itself").0;
        child.kill().unwrap();
        let acknowledged = steps.last().map_or(before, |(step, _)| step);
        child.wait().unwrap();
        check_whole(&url, acknowledged).await;
    }
}

#[tokio::test]
async fn the_writer_loses_no_more_than_the_flush_interval() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    for _ in 0..3 {
        let (mut child, mut steps) = spawn(&url, "writer");
        let mut handed_over = vec![steps.next().expect("the writing process ended by itself")];
        // Long enough for many flushes.
        handed_over.extend(steps.by_ref().take(1_500));
        let killed = Instant::now();
        child.kill().unwrap();
        child.wait().unwrap();
        // The flush interval, one commit on a busy machine, and the way through the pipe.
        let bound = killed - FLUSH_INTERVAL - Duration::from_millis(1_000);
        let certain = handed_over.iter().rfind(|(_, when)| *when < bound).map(|(step, _)| *step);
        let kept = steps_of(&store, 1).await.last().map_or(0, |(start, _)| *start);
        assert!(kept >= certain.expect("the run was too short to tell"), "{kept} of {certain:?} is there");
    }
}
