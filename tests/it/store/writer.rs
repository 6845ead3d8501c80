//! The writer: what it takes is committed within the flush interval, whatever happens to the database meanwhile.

#![expect(clippy::panic, reason = "a test that waited in vain says what for")]

use crate::store::fixture::{at, because, change, point, window};
use crate::support::postgres::{Server, new_database, on_both};
use sharpeyes::clock::Clock;
use sharpeyes::config::{Settings, StoreSettings};
use sharpeyes::domain::{
    Cause, ClockReading, Codec, Condition, Declared, Look, Measurement, Observation, Outcome, StageTimes,
};
use sharpeyes::store::writer::{self, WriterInputs};
use sharpeyes::store::{Record, Store, WriterStatus};
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longest time that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A writer at work.
pub(crate) struct Running {
    records: mpsc::Sender<Record>,
    status: watch::Receiver<WriterStatus>,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    pub(crate) fn start(store: &Store, flush_interval: Duration) -> Self {
        let settings = StoreSettings {
            flush_interval,
            heartbeat_interval: Duration::from_millis(50),
            ..Settings::default().store
        };
        let (records, receiver) = mpsc::channel(64);
        let (status_sender, status) = watch::channel(WriterStatus::default());
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let inputs = WriterInputs {
            store: store.clone(),
            clock: Clock::manual(at(5_000)),
            records: receiver,
            settings,
            status: status_sender,
        };
        tasks.spawn(writer::run(inputs, cancel.clone()));
        Self { records, status, cancel, tasks }
    }

    pub(crate) async fn send(&self, record: Record) {
        timeout(PATIENCE, self.records.send(record)).await.unwrap().unwrap();
    }

    async fn wait_for(&mut self, what: &str, condition: impl FnMut(&WriterStatus) -> bool) -> WriterStatus {
        let found = timeout(PATIENCE, self.status.wait_for(condition)).await;
        found.unwrap_or_else(|_elapsed| panic!("waited for: {what}")).unwrap().clone()
    }

    async fn end(mut self) {
        self.cancel.cancel();
        timeout(PATIENCE, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
    }
}

fn turn(step: i64) -> Condition {
    if step % 2 == 0 { Condition::Good } else { because(Cause::ConnectTimeout) }
}

pub(crate) fn transition(number: u32, step: i64) -> Record {
    Record::Transition(change(number, 100 + step, turn(step)))
}

fn observation(number: u32, step: i64, size: (u32, u32)) -> Record {
    let measured = Measurement {
        window: Duration::from_secs(4),
        frames: 100,
        key_frames: 2,
        packets: 300,
        lost_packets: 0,
        bytes: 100_000,
        longest_gap: Duration::from_millis(40),
        gop_frames: None,
        gop_time: None,
        codec: Codec::H264,
        size: Some(size),
        clock: ClockReading::NotSeen,
        declared: Declared::default(),
    };
    Record::Observation(Box::new(Observation {
        point: point(number),
        started: at(100 + step),
        ended: at(101 + step),
        look: Look::Patrol,
        stages: StageTimes::default(),
        outcome: Outcome::Video(measured),
    }))
}

async fn interval_count(store: &Store, number: u32) -> usize {
    store.timeline(point(number), window(0, 1_000_000), at(1_000_000)).await.unwrap().len()
}

#[tokio::test]
async fn what_comes_is_committed_within_the_flush_interval() {
    on_both(async |store: Store| {
        let mut running = Running::start(&store, Duration::from_millis(20));
        running.send(transition(1, 0)).await;
        running.send(transition(1, 1)).await;
        running.send(observation(1, 0, (640, 360))).await;
        let kept = async || !store.observations(point(1), at(9_999), 9).await.unwrap().is_empty();
        while !kept().await {
            timeout(PATIENCE, running.status.changed()).await.unwrap().unwrap();
        }
        assert_eq!(interval_count(&store, 1).await, 2);
        let status = running.wait_for("an empty buffer", |status| status.buffered == 0).await;
        assert_eq!(status, WriterStatus { last_commit: Some(at(5_000)), ..WriterStatus::default() });
        running.end().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_left_at_the_end_is_committed() {
    on_both(async |store: Store| {
        let running = Running::start(&store, Duration::from_secs(3_600));
        for number in 1..=1_500 {
            running.send(transition(number, 0)).await;
        }
        running.end().await;
        assert_eq!(store.open_states().await.unwrap().len(), 1_500);
        assert_eq!(store.last_heartbeat().await.unwrap(), Some(at(5_000)));
    })
    .await;
}

#[tokio::test]
async fn the_heartbeat_goes_on_without_any_record() {
    on_both(async |store: Store| {
        let mut running = Running::start(&store, Duration::from_secs(3_600));
        running.wait_for("a heartbeat", |status| status.last_commit.is_some()).await;
        assert_eq!(store.last_heartbeat().await.unwrap(), Some(at(5_000)));
        running.end().await;
    })
    .await;
}

#[tokio::test]
async fn facts_are_written_when_they_change_also_after_a_restart() {
    on_both(async |store: Store| {
        crate::store::fixture::fill(&store).await;
        let sizes = [(640, 360), (640, 360), (1280, 720), (1280, 720), (640, 360)];
        for (step, size) in (0..).zip(sizes) {
            let running = Running::start(&store, Duration::from_millis(5));
            running.send(observation(1, step, size)).await;
            running.end().await;
        }
        let mut seen = Vec::new();
        for step in 0..5 {
            let facts = store.facts_at("2305".parse().unwrap(), at(101 + step)).await.unwrap();
            seen.push((facts[0].at.as_millis() / 1000, facts[0].size.unwrap()));
        }
        let (small, large) = ((640, 360), (1280, 720));
        assert_eq!(seen, [(101, small), (101, small), (103, large), (103, large), (105, small)]);
    })
    .await;
}

#[tokio::test]
async fn a_lost_database_is_shown_outlived_and_caught_up_with() {
    let mut server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    let store = Store::open(&server.new_database().await).await.unwrap();
    store.migrate().await.unwrap();
    let mut running = Running::start(&store, Duration::from_millis(10));
    for step in 0..10 {
        running.send(transition(1, step)).await;
    }
    running.wait_for("the first commit", |status| status.last_commit.is_some() && status.buffered == 0).await;
    server.stop("KILL");
    for step in 10..2_000 {
        running.send(transition(1, step)).await;
    }
    let lost = running.wait_for("the failure", |status| !status.healthy && status.buffered > 0).await;
    assert!(lost.last_error_operation.is_some());
    server.restart();
    let back = running.wait_for("the recovery", |status| status.healthy && status.buffered == 0).await;
    assert_eq!((back.dropped, back.last_error_operation), (0, None));
    running.end().await;
    assert_eq!(interval_count(&store, 1).await, 2_000);
}

/// Makes the database refuse a second state that was decided at the same instant, and a second look that ended at the
/// same one.
const REFUSE_TWINS: [&str; 2] = [
    "CREATE UNIQUE INDEX one_decision ON point_state (decided_ms)",
    "CREATE UNIQUE INDEX one_end ON observation (ended_ms)",
];

async fn refuse_twins(url: &str) {
    for statement in REFUSE_TWINS {
        if url.starts_with("sqlite:") {
            let mut file = SqliteConnection::connect(url).await.unwrap();
            sqlx::query(statement).execute(&mut file).await.unwrap();
        } else {
            let mut server = PgConnection::connect(url).await.unwrap();
            sqlx::query(statement).execute(&mut server).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_record_that_is_refused_for_good_goes_alone() {
    const COUNT: u32 = 60;
    const TWIN: u32 = 31;
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("store.db").display());
    for url in [file, new_database().await] {
        let store = Store::open(&url).await.unwrap();
        store.migrate().await.unwrap();
        refuse_twins(&url).await;
        let mut running = Running::start(&store, Duration::from_millis(10));
        for number in 1..=COUNT {
            let step = i64::from(if number == TWIN { number - 1 } else { number });
            running.send(transition(number, step)).await;
            running.send(observation(number, step, (640, 360))).await;
        }
        let status = running
            .wait_for("the others", |status| status.dropped == 2 && status.buffered == 0 && status.healthy)
            .await;
        assert_eq!(status.last_error_operation, None, "{url}");
        running.end().await;
        let open: Vec<_> = store.open_states().await.unwrap().iter().map(|open| open.point).collect();
        let expected: Vec<_> = (1..=COUNT).filter(|number| *number != TWIN).map(point).collect();
        assert_eq!(open, expected, "{url}");
        for number in 1..=COUNT {
            let kept = store.observations(point(number), at(9_999), 9).await.unwrap().len();
            assert_eq!(kept, usize::from(number != TWIN), "{url} {number}");
        }
        store.close().await;
    }
}
