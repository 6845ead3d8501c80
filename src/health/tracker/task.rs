//! The tracker's task: one loop that takes findings and time, and hands on what follows.
//!
//! It never waits for those it feeds: records and orders stand in queues of its own until their channel takes them. Full
//! queues stop the taking of findings (the watchers wait); an order to look soon is then left out, the schedule looks
//! anyway.

use super::{Effects, Tracker};
use crate::clock::Clock;
use crate::domain::{Exclusion, Finding, Inventory, Order, Timestamp, Transition};
use crate::health::settings::TrackerSettings;
use crate::health::snapshot::Snapshot;
use crate::store::OpenState;
use crate::store::writer::Record;
use crate::telemetry::{self, Worker};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Time passes in steps of this.
const TICK: Duration = Duration::from_secs(1);
/// Snapshots are published this often at most.
const SNAPSHOT_STEP: Duration = Duration::from_millis(250);

/// The picture of a network in which nothing changes is published anew after this time.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Findings decided together.
const BATCH: usize = 256;
/// Records that wait for the writer before no more findings are taken; a restart of 100 000 points fits.
const RECORD_LIMIT: usize = 200_000;
/// Orders that wait for a watcher before wishes (not facts about links) are left out.
const ORDER_LIMIT: usize = 1_000;
/// Longest wait for the writer at the end; `app` checks that it fits into the time from SIGTERM to exit.
pub const LAST_RECORDS_DEADLINE: Duration = Duration::from_millis(750);

/// What the tracker reads.
#[derive(Debug)]
pub struct TrackerInputs {
    /// Looks at points and probes of links. Bounded; the watchers wait when it is full.
    pub findings: mpsc::Receiver<Finding>,
    /// The inventory.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    /// The exclusions that change figures.
    pub exclusions: watch::Receiver<Arc<Vec<Exclusion>>>,
    /// The wall clock. The tracker is the one that compares it with the system's.
    pub clock: Clock,
    /// How it decides.
    pub settings: TrackerSettings,
    /// The intervals that the store has open.
    pub restored: Vec<OpenState>,
    /// Our last sign of life before this start.
    pub last_heartbeat: Option<Timestamp>,
}

/// What the tracker writes.
#[derive(Debug)]
pub struct TrackerOutputs {
    /// To the store's writer.
    pub records: mpsc::Sender<Record>,
    /// To the ingest scheduler: looks wanted soon, links down and up.
    pub orders_to_ingest: mpsc::Sender<Order>,
    /// To the link prober: probes wanted now.
    pub orders_to_links: mpsc::Sender<Order>,
    /// The live picture, at most every 250 ms and at least every 5 s.
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    /// Every change as it is decided; slow listeners miss the oldest.
    pub changes: broadcast::Sender<Arc<Transition>>,
}

/// Runs the tracker until `cancel` or until nobody reports findings any more.
pub async fn run(inputs: TrackerInputs, outputs: TrackerOutputs, cancel: CancellationToken) {
    let mut task = Task::new(inputs, outputs);
    let (mut tick, mut publish) = (every(TICK), every(SNAPSHOT_STEP));
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            _ = tick.tick() => task.tick(),
            _ = publish.tick() => task.publish(),
            Ok(permit) = task.outputs.records.clone().reserve_owned(), if !task.records.is_empty() => {
                send_front(&mut task.records, permit);
                task.flush_records();
            }
            Ok(permit) = task.outputs.orders_to_ingest.clone().reserve_owned(), if !task.to_ingest.is_empty() => {
                send_front(&mut task.to_ingest, permit);
            }
            Ok(permit) = task.outputs.orders_to_links.clone().reserve_owned(), if !task.to_links.is_empty() => {
                send_front(&mut task.to_links, permit);
            }
            Ok(()) = task.inventory.changed() => task.take_inventory(),
            Ok(()) = task.exclusions.changed() => task.take_exclusions(),
            count = task.findings.recv_many(&mut batch, BATCH), if task.records.len() < RECORD_LIMIT => {
                if count == 0 {
                    break;
                }
                task.take_findings(&mut batch);
            }
        }
    }
    task.finish().await;
}

/// Sends the oldest of a queue.
fn send_front<T>(queue: &mut VecDeque<T>, permit: mpsc::OwnedPermit<T>) {
    if let Some(front) = queue.pop_front() {
        let _sender = permit.send(front);
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

/// The tracker with its channels and queues.
struct Task {
    tracker: Tracker,
    clock: Clock,
    findings: mpsc::Receiver<Finding>,
    inventory: watch::Receiver<Arc<Inventory>>,
    exclusions: watch::Receiver<Arc<Vec<Exclusion>>>,
    outputs: TrackerOutputs,
    records: VecDeque<Record>,
    to_ingest: VecDeque<Order>,
    to_links: VecDeque<Order>,
    published: Timestamp,
}

impl Task {
    fn new(inputs: TrackerInputs, outputs: TrackerOutputs) -> Self {
        let TrackerInputs {
            findings,
            mut inventory,
            mut exclusions,
            clock,
            settings,
            restored,
            last_heartbeat,
        } = inputs;
        let now = clock.now();
        let first = Arc::clone(&inventory.borrow_and_update());
        let mut tracker = Tracker::new(settings, first, &restored, last_heartbeat, now);
        tracker.change_exclusions(Arc::clone(&exclusions.borrow_and_update()), now);
        let mut task = Self {
            tracker,
            clock,
            findings,
            inventory,
            exclusions,
            outputs,
            records: VecDeque::new(),
            to_ingest: VecDeque::new(),
            to_links: VecDeque::new(),
            published: now,
        };
        task.carry();
        task.publish();
        task
    }

    fn tick(&mut self) {
        let step = self.clock.step();
        telemetry::clock_compared(step.unwrap_or(0));
        match step.filter(|step_ms| self.tracker.follows(*step_ms, self.clock.now())) {
            Some(step_ms) => {
                self.clock.follow();
                self.tracker.step_clock(step_ms, self.clock.now());
            }
            None => {
                self.tracker.note_leap(step);
                self.tracker.tick(self.clock.now());
            }
        }
        telemetry::worker_alive(Worker::Tracker, self.clock.now());
        self.carry();
    }

    /// Publishes what changed, and now and then what did not: the age of the picture is the tracker's sign of life.
    fn publish(&mut self) {
        let now = self.clock.now();
        if self.tracker.is_dirty() || now.since(self.published) >= SIGN_OF_LIFE {
            self.published = now;
            let snapshot = self.tracker.snapshot(now);
            self.outputs.snapshot.send_replace(Arc::new(snapshot));
        }
    }

    fn take_inventory(&mut self) {
        let inventory = Arc::clone(&self.inventory.borrow_and_update());
        self.tracker.change_inventory(inventory, self.clock.now());
        self.carry();
    }

    fn take_exclusions(&mut self) {
        let exclusions = Arc::clone(&self.exclusions.borrow_and_update());
        self.tracker.change_exclusions(exclusions, self.clock.now());
    }

    fn take_findings(&mut self, batch: &mut Vec<Finding>) {
        let now = self.clock.now();
        for finding in batch.drain(..) {
            self.tracker.apply(&finding, now);
            match finding {
                Finding::Look(observation) => self.records.push_back(Record::Observation(observation)),
                Finding::Link(_) | Finding::Picture(_) => {}
            }
        }
        self.tracker.settle(now);
        self.carry();
    }

    /// Queues what follows from a step and tells the listeners.
    fn carry(&mut self) {
        let Effects { transitions, orders } = self.tracker.take_effects();
        for transition in transitions {
            // Nobody listening is no fault: the change is in the store and in the next snapshot.
            let _listeners = self.outputs.changes.send(Arc::new(transition.clone())).unwrap_or(0);
            self.records.push_back(Record::Transition(transition));
        }
        orders.into_iter().for_each(|order| self.queue_order(order));
        self.flush_records();
    }

    fn queue_order(&mut self, order: Order) {
        let (queue, is_wish) = match order {
            Order::LookSoon { .. } => (&mut self.to_ingest, true),
            Order::ProbeLink(_) => (&mut self.to_links, true),
            Order::LinkDown(_) | Order::LinkUp { .. } => (&mut self.to_ingest, false),
        };
        if queue.len() < ORDER_LIMIT || !is_wish {
            queue.push_back(order);
        }
    }

    /// Hands on what the writer's channel takes at once.
    fn flush_records(&mut self) {
        while let Some(record) = self.records.pop_front() {
            match self.outputs.records.try_send(record) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(record)) => return self.records.push_front(record),
                Err(mpsc::error::TrySendError::Closed(_)) => return self.records.clear(),
            }
        }
    }

    /// The last step: what was reported before the end is decided, and every record handed to the writer while it takes
    /// them.
    async fn finish(mut self) {
        let mut rest = Vec::new();
        while let Ok(finding) = self.findings.try_recv() {
            rest.push(finding);
        }
        self.take_findings(&mut rest);
        self.publish();
        let Self { records, outputs, .. } = self;
        let hand_over = async {
            for record in records {
                if outputs.records.send(record).await.is_err() {
                    break;
                }
            }
        };
        // A writer that no longer takes anything has reported why itself.
        let _in_time = timeout(LAST_RECORDS_DEADLINE, hand_over).await.is_ok();
    }
}
