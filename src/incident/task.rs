//! The desk's task: the one place that changes incidents, so that people and the probe never contradict each other.
//!
//! What follows from the live picture is kept first, piece by piece, and taken over then. What could not be kept follows again from the next
//! picture; the incidents are read anew before that, because a commit whose answer was lost may have been done.

use super::notice::NoticeSettings;
use super::scene::Places;
use crate::clock::Clock;
use crate::domain::incident::desk::{Desk, DeskRules, Step};
use crate::domain::incident::{DeedError, Happening, Incident, IncidentEvent, Opening, RepairReason};
use crate::domain::{Inventory, Timestamp};
use crate::fault::{self, FaultPoint};
use crate::health::snapshot::Snapshot;
use crate::store::incident::IncidentChange;
use crate::store::{Store, StoreError};
use crate::telemetry;
use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Longest wait for the store to keep one step, or to say what is live.
const KEEP_DEADLINE: Duration = Duration::from_secs(10);
/// Pictures are looked at this often at most: up to four a second are published.
const STEP: Duration = Duration::from_secs(1);
/// So much of what follows from a picture is kept at once, some tens of milliseconds of work for the store: while 20 000 cameras
/// fail, each by itself, others write too, and whoever acknowledges is heard between two pieces.
const PIECE: usize = 100;
/// What followed from a picture so long ago and is not kept yet follows anew from the newest one.
const STALE: Duration = Duration::from_secs(10);
/// Pause between two pieces, in which others get their turn to write.
const BREATH: Duration = Duration::from_millis(20);
/// Pause after the store could not keep a step.
const RETRY: Duration = Duration::from_secs(2);

/// What the desk reads.
#[derive(Debug)]
pub struct DeskInputs {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The live picture.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// The records.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    /// What people do. Bounded; a caller is told to try again when it is full.
    pub orders: mpsc::Receiver<IncidentOrder>,
    /// When an incident moves on by itself.
    pub rules: DeskRules,
    /// What is told about incidents, and over which channels.
    pub notices: NoticeSettings,
    /// Rung when something was put into the outbox.
    pub bell: Arc<Notify>,
    /// The incidents that were live when we stopped.
    pub restored: Vec<Incident>,
}

/// What a person does to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Takes care.
    Acknowledge,
    /// Sends somebody; with the deadline of the class, or another one.
    Dispatch {
        /// Who is sent.
        assignee: String,
        /// How long the repair may take, if not as long as before.
        deadline: Option<Duration>,
    },
    /// Notes what the repair has to deal with.
    Repair(RepairReason),
    /// Holds the clock.
    Suspend {
        /// Who allowed it.
        approver: String,
    },
    /// Lets the clock go on.
    Resume,
    /// Says that nothing was wrong.
    CallFalse,
    /// Makes it part of another one.
    Merge {
        /// The other one.
        into: i64,
    },
    /// Adds something.
    Note,
}

impl Deed {
    /// The word used in the audit.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Dispatch { .. } => "dispatch",
            Self::Repair(_) => "repair",
            Self::Suspend { .. } => "suspend",
            Self::Resume => "resume",
            Self::CallFalse => "false_alarm",
            Self::Merge { .. } => "merge",
            Self::Note => "note",
        }
    }
}

/// An order to the desk, and where its answer goes.
#[derive(Debug)]
pub struct IncidentOrder {
    /// Number of the incident.
    pub id: i64,
    /// What is done.
    pub deed: Deed,
    /// Who does it.
    pub by: String,
    /// What the person says about it.
    pub note: String,
    /// The incident as it is then.
    pub reply: oneshot::Sender<Result<Incident, OrderError>>,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No such number.
    #[error("incident {0} is not known")]
    Missing(i64),
    /// The rules refuse it.
    #[error(transparent)]
    Refused(#[from] DeedError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs the desk until `cancel`, which may cut a step short: it is read anew at the next start.
pub async fn run(inputs: DeskInputs, cancel: CancellationToken) {
    let mut task = Task::new(inputs);
    let _cut_short = cancel.run_until_cancelled(Box::pin(task.work())).await;
}

struct Task {
    store: Store,
    clock: Clock,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    inventory: watch::Receiver<Arc<Inventory>>,
    orders: mpsc::Receiver<IncidentOrder>,
    rules: Arc<DeskRules>,
    notices: NoticeSettings,
    bell: Arc<Notify>,
    desk: Desk,
    places: Arc<Places>,
    /// What followed from a picture and is not kept yet, and when that was decided.
    rest: VecDeque<Step>,
    decided: Instant,
    /// Whether what the store holds may differ from the desk.
    in_doubt: bool,
}

impl Task {
    fn new(inputs: DeskInputs) -> Self {
        let DeskInputs { store, clock, snapshot, mut inventory, orders, rules, notices, bell, restored } =
            inputs;
        let places = Arc::new(Places::of(inventory.borrow_and_update().clone()));
        let desk = Desk::new(restored);
        Self {
            store,
            clock,
            snapshot,
            inventory,
            orders,
            rules: Arc::new(rules),
            notices,
            bell,
            desk,
            places,
            rest: VecDeque::new(),
            decided: Instant::now(),
            in_doubt: false,
        }
    }

    async fn work(&mut self) {
        let mut rested = Instant::now();
        loop {
            tokio::select! {
                biased;
                Some(order) = self.orders.recv() => self.obey(order).await,
                Ok(()) = next_picture(&mut self.snapshot, rested) => {
                    let rest = self.look().await;
                    rested = Instant::now() + rest;
                }
                else => break,
            }
        }
    }

    /// Takes a new picture, or more of one that was too much to be kept at once; gives how long to rest.
    async fn look(&mut self) -> Duration {
        if self.inventory.has_changed().unwrap_or(false) {
            self.places = Arc::new(Places::of(self.inventory.borrow_and_update().clone()));
            self.rest.clear();
        }
        let snapshot = self.snapshot.borrow_and_update().clone();
        if snapshot.sequence == 0 {
            // Nothing was published yet: that no point is there says nothing.
            return STEP;
        }
        let now = self.clock.now();
        telemetry::incidents_counted(self.desk.live());
        match self.follow(snapshot, now).await {
            Ok(()) if self.rest.is_empty() => STEP,
            Ok(()) => {
                self.snapshot.mark_changed();
                BREATH
            }
            Err(error) => {
                telemetry::incidents_not_kept(&error);
                RETRY
            }
        }
    }

    /// Keeps a piece of what follows from a picture, of this one when nothing is left of the last.
    async fn follow(&mut self, snapshot: Arc<Snapshot>, now: Timestamp) -> Result<(), StoreError> {
        self.settle_doubt().await?;
        if self.rest.is_empty() || self.decided.elapsed() > STALE {
            self.decided = Instant::now();
            self.rest = self.decide(snapshot, now).await.into();
        }
        let piece = self.rest.drain(..PIECE.min(self.rest.len())).collect();
        self.keep(piece, now).await
    }

    /// What follows from a picture. With twenty thousand open incidents that takes some tens of milliseconds, in which
    /// whoever asks the API is answered.
    async fn decide(&mut self, snapshot: Arc<Snapshot>, now: Timestamp) -> Vec<Step> {
        let desk = std::mem::take(&mut self.desk);
        let (places, rules) = (Arc::clone(&self.places), Arc::clone(&self.rules));
        let decided = spawn_blocking(move || {
            let steps = desk.step(&places.scene(&snapshot), now, &rules);
            (desk, steps)
        });
        let (desk, steps) = decided.await.unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
        self.desk = desk;
        steps
    }

    async fn settle_doubt(&mut self) -> Result<(), StoreError> {
        if self.in_doubt {
            self.desk = Desk::new(in_time(self.store.live_incidents()).await?);
            self.rest.clear();
            self.in_doubt = false;
        }
        Ok(())
    }

    async fn keep(&mut self, steps: Vec<Step>, now: Timestamp) -> Result<(), StoreError> {
        if steps.is_empty() {
            return Ok(());
        }
        let (openings, changes) = self.changes(steps, now);
        let opened = self.write(&openings, &changes, now).await?;
        for incident in opened {
            telemetry::incident_opened(&incident);
            self.desk.open(incident);
        }
        self.take_over(&changes);
        Ok(())
    }

    fn changes(&self, steps: Vec<Step>, now: Timestamp) -> (Vec<Opening>, Vec<IncidentChange>) {
        let mut openings = Vec::new();
        let mut changes: BTreeMap<i64, IncidentChange> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Open(opening) => openings.push(opening),
                Step::Event(id, happening) => {
                    let Some(incident) = self.desk.incident(id) else { continue };
                    let fresh = || IncidentChange::none(incident.clone());
                    let change = changes.entry(id).or_insert_with(fresh);
                    self.add(change, IncidentEvent::found(happening, now));
                }
            }
        }
        (openings, changes.into_values().collect())
    }

    /// Adds an event to a change, with what is told about it.
    fn add(&self, change: &mut IncidentChange, event: IncidentEvent) {
        change.after.apply(&event.happening, event.at);
        change.notices.extend(self.notices.of_event(&change.after, &event, self.places.records()));
        change.events.push(event);
    }

    async fn write(
        &mut self,
        openings: &[Opening],
        changes: &[IncidentChange],
        now: Timestamp,
    ) -> Result<Vec<Incident>, StoreError> {
        let records = self.places.records();
        let announce = |incident: &Incident| self.notices.of_opening(incident, records, now);
        fault::reach(FaultPoint::IncidentDecided);
        let kept = in_time(self.store.keep_incidents(openings, changes, announce, now)).await;
        fault::reach(FaultPoint::IncidentKept);
        self.in_doubt |= kept.is_err();
        self.bell.notify_waiters();
        kept
    }

    fn take_over(&mut self, changes: &[IncidentChange]) {
        for IncidentChange { after, events, .. } in changes {
            for event in events {
                telemetry::incident_changed(after, event);
                self.desk.apply(after.id, &event.happening, event.at);
            }
        }
    }

    /// Carries out what a person does. Whoever asked may have gone meanwhile.
    async fn obey(&mut self, order: IncidentOrder) {
        let IncidentOrder { id, deed, by, note, reply } = order;
        let answer = self.carry_out(id, &deed, by, note).await;
        let _gone = reply.send(answer);
    }

    async fn carry_out(
        &mut self,
        id: i64,
        deed: &Deed,
        by: String,
        note: String,
    ) -> Result<Incident, OrderError> {
        self.settle_doubt().await?;
        let incident = self.find(id).await?;
        let happening = self.admit(&incident, deed, &by, &note).await?;
        let at = self.clock.now();
        let mut change = IncidentChange::none(incident);
        self.add(&mut change, IncidentEvent { at, actor: by, happening, note });
        let changes = [change];
        self.write(&[], &changes, at).await?;
        self.take_over(&changes);
        // What the desk decided about incidents may be otherwise now; that something new failed is as it was.
        self.rest.retain(|step| matches!(step, Step::Open(_)));
        let [change] = changes;
        Ok(change.after)
    }

    async fn find(&self, id: i64) -> Result<Incident, OrderError> {
        if let Some(incident) = self.desk.incident(id) {
            return Ok(incident.clone());
        }
        in_time(self.store.incident(id)).await?.ok_or(OrderError::Missing(id))
    }

    async fn admit(
        &self,
        incident: &Incident,
        deed: &Deed,
        by: &str,
        note: &str,
    ) -> Result<Happening, OrderError> {
        Ok(match deed {
            Deed::Acknowledge => incident.acknowledge(by)?,
            Deed::Dispatch { assignee, deadline } => {
                incident.dispatch(assignee, deadline.unwrap_or(incident.deadline))?
            }
            Deed::Repair(reason) => incident.begin_repair(*reason)?,
            Deed::Suspend { approver } => incident.suspend(by, approver, note)?,
            Deed::Resume => incident.resume()?,
            Deed::CallFalse => incident.call_false(note)?,
            Deed::Merge { into } => incident.merge_into(&self.find(*into).await?)?,
            Deed::Note => Incident::note(note)?,
        })
    }
}

/// Waits for a picture that is new when `rested` has come.
async fn next_picture(
    snapshot: &mut watch::Receiver<Arc<Snapshot>>,
    rested: Instant,
) -> Result<(), watch::error::RecvError> {
    sleep_until(rested).await;
    snapshot.changed().await
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = timeout(KEEP_DEADLINE, asked).await;
    answered.unwrap_or(Err(StoreError::Deadline { operation: "keep incidents" }))
}
