//! The single writer: takes records from the tracker and commits them in batches.
//!
//! The watching never waits for the database. What cannot be written is kept in a bounded buffer, the failure is shown
//! in [`WriterStatus`] and in metrics, and the batch is tried again, with a growing and jittered delay, until the
//! database takes it. Every write is idempotent, so a commit whose answer was lost is simply repeated. `kill -9` loses
//! at most what came within the flush interval before it.

mod buffer;

use crate::clock::Clock;
use crate::config::StoreSettings;
use crate::domain::ladder::Ladder;
use crate::domain::{Observation, PointCode, Timestamp, Transition};
use crate::store::fact::{PointFacts, learned};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, Worker};
use buffer::{Batch, Buffer, Dropped};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// Rows of each kind in one commit: larger batches gain little (measured at 100 and 500).
const BATCH: usize = 500;
/// Records kept while the database is away: an hour of a hundred thousand points in a bad hour, about 60 MB.
const BUFFER_LIMIT: usize = 200_000;
/// A commit that takes longer has failed: the server is gone without a word.
const COMMIT_DEADLINE: Duration = Duration::from_secs(15);
/// Longest time for the last batches at the end.
const LAST_FLUSH_DEADLINE: Duration = Duration::from_secs(5);
/// First and longest delay after a refused batch.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What the writer takes. The channel is bounded; the writer drains it even while the database is away.
#[derive(Clone, Debug)]
pub enum Record {
    /// A point's condition changed.
    Transition(Transition),
    /// A look at a point ended.
    Observation(Box<Observation>),
}

/// How the writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterStatus {
    /// Whether the last batch was committed.
    pub healthy: bool,
    /// When that was.
    pub last_commit: Option<Timestamp>,
    /// Records that wait.
    pub buffered: usize,
    /// Records given up since start because the buffer was full.
    pub dropped: u64,
    /// What failed last; none while healthy.
    pub last_error_operation: Option<&'static str>,
}

impl Default for WriterStatus {
    /// Nothing has failed yet.
    fn default() -> Self {
        Self { healthy: true, last_commit: None, buffered: 0, dropped: 0, last_error_operation: None }
    }
}

/// Writes what comes until `cancel`, then what is left, within a deadline.
pub async fn run(
    store: Store,
    clock: Clock,
    records: mpsc::Receiver<Record>,
    settings: &StoreSettings,
    status: watch::Sender<WriterStatus>,
    cancel: CancellationToken,
) {
    let now = Instant::now();
    let mut writer = Writer {
        store,
        clock,
        inbox: Inbox { records, open: true, buffer: Buffer::new(BUFFER_LIMIT), dropped: Dropped::default() },
        known: None,
        flush_interval: settings.flush_interval,
        heartbeat_interval: settings.heartbeat_interval,
        next_flush: now,
        next_heartbeat: now,
        mark: None,
        retry: Ladder::new(RETRY.0, RETRY.1, Duration::ZERO),
        retry_at: None,
        end: None,
        status,
    };
    while !cancel.is_cancelled() {
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            () = sleep_until(writer.due()) => writer.flush().await,
            () = writer.inbox.receive(), if writer.inbox.open => {}
        }
    }
    writer.finish().await;
}

struct Writer {
    store: Store,
    clock: Clock,
    inbox: Inbox,
    /// The newest facts of every point; read from the store before the first observation is written.
    known: Option<BTreeMap<PointCode, PointFacts>>,
    flush_interval: Duration,
    heartbeat_interval: Duration,
    next_flush: Instant,
    next_heartbeat: Instant,
    mark: Option<Mark>,
    retry: Ladder,
    retry_at: Option<Instant>,
    /// When the last commit must be over; known once the end has begun.
    end: Option<Instant>,
    status: watch::Sender<WriterStatus>,
}

/// A heartbeat to be written once every transition that had come before it is committed.
#[derive(Clone, Copy)]
struct Mark {
    at: Timestamp,
    waiting: usize,
}

/// The channel and what was taken from it.
struct Inbox {
    records: mpsc::Receiver<Record>,
    open: bool,
    buffer: Buffer,
    /// Given up and not yet told.
    dropped: Dropped,
}

impl Inbox {
    /// Waits for records. Dropping the future loses nothing.
    async fn receive(&mut self) {
        let mut incoming = Vec::new();
        if self.records.recv_many(&mut incoming, BATCH).await == 0 {
            self.open = false;
        }
        for record in incoming {
            self.dropped = self.dropped.plus(self.buffer.push(record));
        }
    }

    /// Takes what is there without waiting.
    fn receive_ready(&mut self) {
        while let Ok(record) = self.records.try_recv() {
            self.dropped = self.dropped.plus(self.buffer.push(record));
        }
    }

    fn put_back(&mut self, batch: Batch) {
        self.dropped = self.dropped.plus(self.buffer.put_back(batch));
    }
}

impl Writer {
    /// When something is to be written.
    fn due(&self) -> Instant {
        if let Some(retry_at) = self.retry_at {
            retry_at
        } else if self.inbox.buffer.len() >= BATCH {
            Instant::now()
        } else if self.inbox.buffer.len() > 0 {
            self.next_flush.min(self.next_heartbeat)
        } else {
            self.next_heartbeat
        }
    }

    /// Commits one batch, and the heartbeat when it is due and everything from before it is written.
    async fn flush(&mut self) {
        self.set_mark();
        let batch = self.inbox.buffer.take(BATCH);
        let heartbeat = self.mark.filter(|mark| mark.waiting <= batch.transitions.len()).map(|mark| mark.at);
        let started = Instant::now();
        match self.commit_and_receive(&batch, heartbeat).await {
            Ok(()) => self.note_success(&batch, heartbeat, started.elapsed()),
            Err(error) => self.note_failure(batch, &error),
        }
        self.next_flush = Instant::now() + self.flush_interval;
        self.publish();
    }

    fn set_mark(&mut self) {
        if self.mark.is_none() && Instant::now() >= self.next_heartbeat {
            let at = self.clock.now();
            self.inbox.receive_ready();
            self.mark = Some(Mark { at, waiting: self.inbox.buffer.transition_count() });
        }
    }

    /// Commits while the channel is drained, so that a slow database does not hold up the tracker.
    async fn commit_and_receive(
        &mut self,
        batch: &Batch,
        heartbeat: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + COMMIT_DEADLINE;
        let deadline = self.end.map_or(deadline, |end| end.min(deadline));
        let Self { store, known, inbox, .. } = self;
        let mut commit = pin!(timeout_at(deadline, commit(store, known, batch, heartbeat)));
        loop {
            tokio::select! {
                biased;
                done = &mut commit => {
                    return done.unwrap_or(Err(StoreError::Deadline { operation: "commit a batch" }));
                }
                () = inbox.receive(), if inbox.open => {}
            }
        }
    }

    fn note_success(&mut self, batch: &Batch, heartbeat: Option<Timestamp>, took: Duration) {
        self.retry.reset();
        self.retry_at = None;
        if let Some(mark) = &mut self.mark {
            mark.waiting = mark.waiting.saturating_sub(batch.transitions.len());
        }
        if let Some(at) = heartbeat {
            self.mark = None;
            self.next_heartbeat = Instant::now() + self.heartbeat_interval;
            telemetry::worker_alive(Worker::Writer, at);
        }
        if batch.len() > 0 {
            telemetry::batch_committed(batch.len(), took);
        }
        let now = self.clock.now();
        self.status.send_modify(|status| {
            status.healthy = true;
            status.last_commit = Some(now);
            status.last_error_operation = None;
        });
    }

    fn note_failure(&mut self, batch: Batch, error: &StoreError) {
        telemetry::batch_failed(batch.len(), error);
        self.inbox.put_back(batch);
        self.retry_at = Some(Instant::now() + self.retry.fail(rand::random()));
        self.status.send_modify(|status| {
            status.healthy = false;
            status.last_error_operation = Some(error.operation());
        });
    }

    fn publish(&mut self) {
        let buffered = self.inbox.buffer.len();
        let dropped = std::mem::take(&mut self.inbox.dropped);
        telemetry::buffer_measured(buffered);
        if dropped.total() > 0 {
            telemetry::records_dropped(dropped.transitions, dropped.observations);
        }
        self.status.send_modify(|status| {
            status.buffered = buffered;
            status.dropped = status.dropped.saturating_add(dropped.total());
        });
    }

    /// Writes what is left. What the database does not take in time is lost, and said so.
    async fn finish(mut self) {
        let end = Instant::now() + LAST_FLUSH_DEADLINE;
        self.end = Some(end);
        self.inbox.records.close();
        self.inbox.receive_ready();
        self.next_heartbeat = Instant::now();
        self.flush().await;
        while self.inbox.buffer.len() > 0 && Instant::now() < end {
            sleep_until(self.retry_at.unwrap_or_else(Instant::now).min(end)).await;
            self.flush().await;
        }
        self.inbox.dropped = self.inbox.dropped.plus(self.inbox.buffer.give_up());
        self.publish();
    }
}

/// Writes a batch: transitions first, they matter most.
async fn commit(
    store: &Store,
    known: &mut Option<BTreeMap<PointCode, PointFacts>>,
    batch: &Batch,
    heartbeat: Option<Timestamp>,
) -> Result<(), StoreError> {
    if !batch.transitions.is_empty() {
        store.apply_transitions(&batch.transitions).await?;
    }
    if let Some(at) = heartbeat {
        store.heartbeat(at).await?;
    }
    if !batch.observations.is_empty() {
        store.add_observations(&batch.observations).await?;
        keep_facts(store, known, &batch.observations).await?;
    }
    Ok(())
}

async fn keep_facts(
    store: &Store,
    known: &mut Option<BTreeMap<PointCode, PointFacts>>,
    observations: &[Observation],
) -> Result<(), StoreError> {
    let known = match known {
        Some(known) => known,
        None => {
            let newest = store.newest_facts().await?;
            known.insert(newest.into_iter().map(|fact| (fact.point, fact)).collect())
        }
    };
    let mut fresh: BTreeMap<PointCode, PointFacts> = BTreeMap::new();
    let mut rows = Vec::new();
    for observation in observations {
        let point = observation.point;
        if let Some(fact) = learned(fresh.get(&point).or_else(|| known.get(&point)), observation) {
            rows.push(fact.clone());
            fresh.insert(point, fact);
        }
    }
    if !rows.is_empty() {
        store.add_facts(&rows).await?;
        known.append(&mut fresh);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, Condition, Evidence, Provenance};
    use crate::store::{Db, StoreError};
    use sqlx::SqlitePool;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
    use tokio::task::JoinSet;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn transition(step: i64) -> Record {
        let at = Timestamp::from_seconds(step);
        Record::Transition(Transition {
            point: "23052100001320000001".parse().unwrap(),
            at,
            decided: at,
            from: Condition::Good,
            to: if step % 2 == 0 { Condition::Good } else { Condition::Because(Cause::Stalled) },
            evidence: Evidence(vec![("note".into(), "x".repeat(500))]),
            provenance: Provenance::Probe,
        })
    }

    /// A database whose one connection may hold no more pages than it has: what a full disk looks like.
    async fn store_on_a_disk(folder: &tempfile::TempDir) -> (Store, SqlitePool) {
        let options =
            SqliteConnectOptions::new().filename(folder.path().join("store.db")).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let store = Store { db: Db::Lite(pool.clone()) };
        store.migrate().await.unwrap();
        (store, pool)
    }

    #[tokio::test]
    async fn a_full_disk_is_shown_outlived_and_caught_up_with() {
        let folder = tempfile::tempdir().unwrap();
        let (store, pool) = store_on_a_disk(&folder).await;
        sqlx::query("PRAGMA max_page_count = 1").execute(&pool).await.unwrap();
        let settings = StoreSettings {
            flush_interval: Duration::from_millis(10),
            ..crate::config::Settings::default().store
        };
        let (sender, records) = mpsc::channel(64);
        let (status_sender, mut status) = watch::channel(WriterStatus::default());
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (clock, child, of_writer) =
            (Clock::manual(Timestamp::from_seconds(9)), cancel.clone(), store.clone());
        tasks.spawn(async move { run(of_writer, clock, records, &settings, status_sender, child).await });
        for step in 1..=1_000 {
            tokio::time::timeout(PATIENCE, sender.send(transition(step))).await.unwrap().unwrap();
        }
        let full = tokio::time::timeout(PATIENCE, status.wait_for(|status| !status.healthy)).await;
        assert_eq!(full.unwrap().unwrap().last_error_operation, Some("apply transitions"));
        sqlx::query("PRAGMA max_page_count = 1000000").execute(&pool).await.unwrap();
        let caught_up = |status: &WriterStatus| status.healthy && status.buffered == 0;
        let well = tokio::time::timeout(PATIENCE, status.wait_for(caught_up)).await.unwrap().unwrap().clone();
        assert_eq!((well.dropped, well.last_error_operation), (0, None));
        cancel.cancel();
        tasks.join_next().await.unwrap().unwrap();
        let closed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM interval").fetch_one(&pool).await.unwrap();
        assert_eq!(closed, 999);
    }

    #[test]
    fn a_failure_says_what_was_tried() {
        let missed = StoreError::Deadline { operation: "commit a batch" };
        assert_eq!(missed.operation(), "commit a batch");
    }
}
