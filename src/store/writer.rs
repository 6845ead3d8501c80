//! The single writer: takes records from the tracker and commits them in batches.
//!
//! The watching never waits for the database. What cannot be written is kept in a bounded buffer, the failure is shown
//! in [`WriterStatus`] and in metrics, and the batch is tried again, with a growing and jittered delay, until the
//! database takes it. Every write is idempotent, so a commit whose answer was lost is simply repeated. `kill -9` loses
//! at most what came within the flush interval before it. A record that the database refuses for good is looked for and
//! given up, so that it does not hold up the others.

mod buffer;
mod portion;

use crate::clock::Clock;
use crate::config::StoreSettings;
use crate::domain::ladder::Ladder;
use crate::domain::{Observation, PointCode, Timestamp, Transition};
use crate::store::fact::{PointFacts, learned};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, Worker};
use buffer::{Batch, Buffer, Dropped, Kind};
use portion::{BATCH, Portion, Search};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// Records kept while the database is away: an hour of a hundred thousand points in a bad hour, about 60 MB.
const BUFFER_LIMIT: usize = 200_000;
/// A commit that takes longer has failed: the server is gone without a word.
const COMMIT_DEADLINE: Duration = Duration::from_secs(15);
/// Longest time for everything that is left at the end, the commit that is under way included; `app` checks that it
/// fits into the time from SIGTERM to exit.
pub const LAST_FLUSH_DEADLINE: Duration = Duration::from_millis(2_250);
/// The longest time between two tries, each of which is told: the longest heartbeat interval that the settings allow, longer than
/// any delay after a refused batch, and then a commit that takes as long as it may.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(30).saturating_add(COMMIT_DEADLINE);
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
    /// Records given up since start: the buffer was full, or the database refuses them for good.
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

/// What the writer takes from outside.
#[derive(Debug)]
pub struct WriterInputs {
    /// Where to.
    pub store: Store,
    /// What the heartbeats are dated by.
    pub clock: Clock,
    /// What is to be written.
    pub records: mpsc::Receiver<Record>,
    /// How often.
    pub settings: StoreSettings,
    /// Where it says how it is.
    pub status: watch::Sender<WriterStatus>,
}

/// Writes what comes until `cancel`, then what is left, within a deadline. Takes connections of its own, so that
/// readers who hold every other one do not hold up the writing.
pub async fn run(inputs: WriterInputs, cancel: CancellationToken) {
    let store = inputs.store.apart();
    Writer::new(WriterInputs { store, ..inputs }, cancel).run().await;
}

struct Writer {
    store: Store,
    clock: Clock,
    inbox: Inbox,
    /// The newest facts of every point; read from the store before the first observation is written.
    known: Option<BTreeMap<PointCode, PointFacts>>,
    transitions: Portion,
    observations: Portion,
    flush_interval: Duration,
    heartbeat_interval: Duration,
    next_flush: Instant,
    next_heartbeat: Instant,
    mark: Option<Mark>,
    retry: Ladder,
    retry_at: Option<Instant>,
    cancel: CancellationToken,
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

/// A commit that failed.
struct Failed {
    /// The kind of record that the database refuses for good, where it does.
    refused: Option<Kind>,
    error: StoreError,
}

impl Failed {
    fn writing(kind: Kind) -> impl FnOnce(StoreError) -> Self {
        move |error| Self { refused: error.is_permanent().then_some(kind), error }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { refused: None, error }
    }
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
    fn new(inputs: WriterInputs, cancel: CancellationToken) -> Self {
        let WriterInputs { store, clock, records, settings, status } = inputs;
        let (now, buffer) = (Instant::now(), Buffer::new(BUFFER_LIMIT));
        Self {
            store,
            clock,
            inbox: Inbox { records, open: true, buffer, dropped: Dropped::default() },
            known: None,
            transitions: Portion::new(),
            observations: Portion::new(),
            flush_interval: settings.flush_interval,
            heartbeat_interval: settings.heartbeat_interval,
            next_flush: now,
            // Not at once: the tracker has yet to say that the time before this start is unknown. A heartbeat of now would
            // claim that time as watched if we were killed before that is written.
            next_heartbeat: now + settings.heartbeat_interval,
            mark: None,
            retry: Ladder::new(RETRY.0, RETRY.1, Duration::ZERO),
            retry_at: None,
            cancel,
            end: None,
            status,
        }
    }

    async fn run(mut self) {
        while !self.cancel.is_cancelled() {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                () = sleep_until(self.due()) => self.flush().await,
                () = self.inbox.receive(), if self.inbox.open => {}
            }
        }
        self.finish().await;
    }

    /// When something is to be written.
    fn due(&self) -> Instant {
        if let Some(retry_at) = self.retry_at {
            retry_at
        } else if self.is_portion_full() {
            Instant::now()
        } else if self.inbox.buffer.len() > 0 {
            self.next_flush.min(self.next_heartbeat)
        } else {
            self.next_heartbeat
        }
    }

    fn is_portion_full(&self) -> bool {
        let buffer = &self.inbox.buffer;
        buffer.transition_count() >= self.transitions.size()
            || buffer.observation_count() >= self.observations.size()
    }

    /// Commits one batch, and the heartbeat when it is due and everything from before it is written.
    async fn flush(&mut self) {
        self.set_mark();
        let mut batch = self.inbox.buffer.take(self.transitions.size(), self.observations.size());
        let (transitions, observations) = (batch.transitions.len(), batch.observations.len());
        let heartbeat = self.mark.filter(|mark| mark.waiting <= transitions).map(|mark| mark.at);
        let started = Instant::now();
        let done = self.commit_and_receive(&mut batch, heartbeat).await;
        self.note_taken(transitions - batch.transitions.len(), observations - batch.observations.len());
        match done {
            Ok(()) => self.note_success(transitions + observations, heartbeat, started.elapsed()),
            Err(failed) => self.note_failure(batch, &failed),
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

    /// Commits while the channel is drained, so that a slow database does not hold up the tracker. Leaves in `batch`
    /// what was not committed.
    async fn commit_and_receive(
        &mut self,
        batch: &mut Batch,
        heartbeat: Option<Timestamp>,
    ) -> Result<(), Failed> {
        let Self { store, known, inbox, cancel, end, .. } = self;
        let mut deadline = pin!(sleep_until(end.unwrap_or_else(|| Instant::now() + COMMIT_DEADLINE)));
        let mut commit = pin!(commit(store, known, batch, heartbeat));
        loop {
            tokio::select! {
                biased;
                done = &mut commit => return done,
                () = &mut deadline => break,
                () = cancel.cancelled(), if end.is_none() => {
                    let last = Instant::now() + LAST_FLUSH_DEADLINE;
                    *end = Some(last);
                    let earlier = deadline.deadline().min(last);
                    deadline.as_mut().reset(earlier);
                }
                () = inbox.receive(), if inbox.open => {}
            }
        }
        Err(StoreError::Deadline { operation: "commit a batch" }.into())
    }

    fn note_taken(&mut self, transitions: usize, observations: usize) {
        if let Some(mark) = &mut self.mark {
            mark.waiting = mark.waiting.saturating_sub(transitions);
        }
        if transitions > 0 {
            self.transitions.note_taken();
        }
        if observations > 0 {
            self.observations.note_taken();
        }
    }

    fn note_success(&mut self, row_count: usize, heartbeat: Option<Timestamp>, took: Duration) {
        self.retry.reset();
        self.retry_at = None;
        if let Some(at) = heartbeat {
            self.mark = None;
            self.next_heartbeat = Instant::now() + self.heartbeat_interval;
            telemetry::worker_alive(Worker::Writer, at);
        }
        if row_count > 0 {
            telemetry::batch_committed(row_count, took);
        }
        let now = self.clock.now();
        self.status.send_modify(|status| {
            status.healthy = true;
            status.last_commit = Some(now);
            status.last_error_operation = None;
        });
    }

    fn note_failure(&mut self, mut batch: Batch, failed: &Failed) {
        telemetry::batch_failed(batch.len(), &failed.error);
        let delay = match failed.refused.map(|kind| (kind, self.note_refused(kind, &batch))) {
            Some((_, Search::Narrow)) => Duration::ZERO,
            Some((kind, Search::GiveUp)) => {
                self.give_up(kind, &mut batch, &failed.error);
                Duration::ZERO
            }
            Some((_, Search::Repeat)) | None => self.retry.fail(rand::random()),
        };
        self.inbox.put_back(batch);
        self.retry_at = Some(Instant::now() + delay);
        if matches!(failed.error, StoreError::Deadline { .. }) {
            // The pool would wait for the connection that does not answer; it is left to itself.
            self.store = self.store.apart();
        }
        // What was known at this mark may be written much later, when it would tell of an outage that was none of ours.
        self.mark = None;
        self.status.send_modify(|status| {
            status.healthy = false;
            status.last_error_operation = Some(failed.error.operation());
        });
    }

    const fn note_refused(&mut self, kind: Kind, batch: &Batch) -> Search {
        match kind {
            Kind::Transition => self.transitions.note_refused(batch.transitions.len()),
            Kind::Observation => self.observations.note_refused(batch.observations.len()),
        }
    }

    /// Gives up the one record of a kind that is left in the batch: the database refuses it, whenever it is tried.
    fn give_up(&mut self, kind: Kind, batch: &mut Batch, error: &StoreError) {
        for (point, at) in batch.give_up(kind) {
            telemetry::record_refused(kind.as_str(), point, at, error);
            self.status.send_modify(|status| status.dropped = status.dropped.saturating_add(1));
        }
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
        let end = *self.end.get_or_insert_with(|| Instant::now() + LAST_FLUSH_DEADLINE);
        self.inbox.records.close();
        self.inbox.receive_ready();
        self.next_heartbeat = Instant::now();
        self.retry.reset();
        self.flush().await;
        while self.inbox.buffer.len() > 0 && Instant::now() < end {
            sleep_until(self.retry_at.unwrap_or_else(Instant::now).min(end)).await;
            self.flush().await;
        }
        self.inbox.dropped = self.inbox.dropped.plus(self.inbox.buffer.give_up());
        self.publish();
        // Connections that do not close in time end with the process.
        let _in_time = timeout_at(end, self.store.close()).await.is_ok();
    }
}

/// Writes a batch and takes out of it what is written: transitions first, they matter most and wait for nothing else.
async fn commit(
    store: &Store,
    known: &mut Option<BTreeMap<PointCode, PointFacts>>,
    batch: &mut Batch,
    heartbeat: Option<Timestamp>,
) -> Result<(), Failed> {
    if !batch.transitions.is_empty() {
        store.apply_transitions(&batch.transitions).await.map_err(Failed::writing(Kind::Transition))?;
        batch.transitions.clear();
    }
    if let Some(at) = heartbeat {
        store.heartbeat(at).await?;
    }
    if !batch.observations.is_empty() {
        let written = store.add_observations(&batch.observations).await;
        written.map_err(Failed::writing(Kind::Observation))?;
        let kept = keep_facts(store, known, &batch.observations).await;
        kept.map_err(Failed::writing(Kind::Observation))?;
        batch.observations.clear();
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
        let (clock, child) = (Clock::manual(Timestamp::from_seconds(9)), cancel.clone());
        let inputs = WriterInputs { store: store.clone(), clock, records, settings, status: status_sender };
        tasks.spawn(Writer::new(inputs, child).run());
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
        // The writer has closed its connections, which were these.
        let pool = SqlitePool::connect_with(pool.connect_options().as_ref().clone()).await.unwrap();
        let closed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM interval").fetch_one(&pool).await.unwrap();
        assert_eq!(closed, 999);
    }

    /// A writer over the one connection of `store`, that nothing is sent to; its first heartbeat is due.
    fn idle_writer(store: &Store, clock: &Clock, cancel: &CancellationToken) -> Writer {
        let settings = crate::config::Settings::default().store;
        let (_sender, records) = mpsc::channel(1);
        let status = watch::Sender::new(WriterStatus::default());
        let inputs = WriterInputs { store: store.clone(), clock: clock.clone(), records, settings, status };
        let mut writer = Writer::new(inputs, cancel.clone());
        writer.next_heartbeat = Instant::now();
        writer
    }

    #[tokio::test]
    async fn readers_that_hold_every_connection_do_not_hold_up_the_writing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, pool) = store_on_a_disk(&folder).await;
        let _held = pool.acquire().await.unwrap();
        let settings = crate::config::Settings::default().store;
        let (_sender, records) = mpsc::channel(1);
        let (status_sender, mut status) = watch::channel(WriterStatus::default());
        let (clock, cancel) = (Clock::manual(Timestamp::from_seconds(9)), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let inputs = WriterInputs { store, clock, records, settings, status: status_sender };
        tasks.spawn(run(inputs, cancel.clone()));
        let written = status.wait_for(|status| status.last_commit.is_some() || !status.healthy);
        let written = tokio::time::timeout(PATIENCE, written).await.unwrap().unwrap().clone();
        assert!(written.healthy, "{written:?}");
        cancel.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_first_heartbeat_after_an_outage_is_a_fresh_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, pool) = store_on_a_disk(&folder).await;
        let clock = Clock::manual(Timestamp::from_seconds(9));
        let mut writer = idle_writer(&store, &clock, &CancellationToken::new());
        sqlx::query("PRAGMA query_only = ON").execute(&pool).await.unwrap();
        writer.flush().await;
        assert_eq!(store.last_heartbeat().await.unwrap(), None);
        clock.advance(Duration::from_secs(3_600));
        sqlx::query("PRAGMA query_only = OFF").execute(&pool).await.unwrap();
        writer.flush().await;
        assert_eq!(store.last_heartbeat().await.unwrap(), Some(Timestamp::from_seconds(3_609)));
    }

    #[tokio::test]
    async fn a_commit_that_hangs_at_the_end_is_cut_off_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let (store, pool) = store_on_a_disk(&folder).await;
        let (clock, cancel) = (Clock::manual(Timestamp::from_seconds(9)), CancellationToken::new());
        let mut writer = idle_writer(&store, &clock, &cancel);
        let status = writer.status.subscribe();
        // The one connection never comes back: by itself the wait for it ends later than we may stop.
        let _held = pool.acquire().await.unwrap();
        let mut flush = pin!(writer.flush());
        tokio::select! {
            biased;
            () = &mut flush => panic!("the commit had a connection"),
            () = std::future::ready(()) => {}
        }
        cancel.cancel();
        flush.await;
        assert_eq!(status.borrow().last_error_operation, Some("commit a batch"));
    }

    #[tokio::test]
    async fn a_start_is_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _pool) = store_on_a_disk(&folder).await;
        let settings = crate::config::Settings::default().store;
        let (clock, began) = (Clock::manual(Timestamp::from_seconds(9)), Instant::now());
        let ((_sender, records), status) = (mpsc::channel(1), watch::Sender::new(WriterStatus::default()));
        let heartbeat_interval = settings.heartbeat_interval;
        let inputs = WriterInputs { store, clock, records, settings, status };
        let writer = Writer::new(inputs, CancellationToken::new());
        assert!(writer.due() >= began + heartbeat_interval);
    }

    #[test]
    fn a_failure_says_what_was_tried() {
        let missed = StoreError::Deadline { operation: "commit a batch" };
        assert_eq!(missed.operation(), "commit a batch");
    }
}
