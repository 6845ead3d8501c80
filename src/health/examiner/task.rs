//! The examiner's task: takes decoded pictures one by one, keeps their stills, and hands on what follows.
//!
//! The tracker is waited for, the decoders are not: a wish that finds no room is left out, the next look brings another one.
//! While the database is away the examining goes on; what is not kept is kept later.

use super::{BaselineStep, Effects, Examined, Examiner, ExaminerSettings};
use crate::clock::Clock;
use crate::domain::decode::{DecodedSize, Decoding, Wish};
use crate::domain::key_frame::{BrokenFrame, StreamRole};
use crate::domain::picture::diagnosis::Unacceptable;
use crate::domain::picture::{Areas, Damage, Framings, Shot, StillNote, StreamFacts};
use crate::domain::{Finding, Inventory, PointCode, Timestamp, Transition};
use crate::health::snapshot::Snapshot;
use crate::picture::{Shelf, ShelfBudget, ShelfError, Still};
use crate::store::{KeptDiagnosis, Store};
use crate::telemetry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// News are kept this often..
const KEEP_NEWS: Duration = Duration::from_secs(10);
/// ..and lessons, which weigh a thousand times as much and are worth little.
const KEEP_LESSONS: Duration = Duration::from_secs(3_600);
/// Old stills are cleared this often.
const CLEAR_STILLS: Duration = Duration::from_secs(600);
/// The clock is compared with the time that passed this often..
const CLOCK_STEP: Duration = Duration::from_secs(1);
/// ..and was stepped when they differ by more than this.
const LARGEST_DRIFT_MS: i64 = 2_000;
/// Diagnoses are kept so many at a time, each some kilobytes..
const KEEP_AT_ONCE: usize = 100;
/// ..and a database that does not take them in this time is tried again later. It is the longest wait at the end, too; `app`
/// checks that it fits into the time from SIGTERM to exit.
pub const KEEP_DEADLINE: Duration = Duration::from_millis(2_000);

/// A person's word about the baselines of a point.
#[derive(Debug)]
pub struct BaselineOrder {
    /// The point.
    pub point: PointCode,
    /// What is wanted.
    pub step: BaselineStep,
    /// The version that holds from then on.
    pub answer: oneshot::Sender<Result<u32, Unacceptable>>,
}

/// What the examiner reads.
#[derive(Debug)]
pub struct ExaminerInputs {
    /// What the decoders give. Bounded; they stop while it is full.
    pub decoded: mpsc::Receiver<Decoding>,
    /// Key frames that no decoder is given: they did not come whole.
    pub broken: mpsc::Receiver<BrokenFrame>,
    /// What people say about baselines.
    pub orders: mpsc::Receiver<BaselineOrder>,
    /// The inventory.
    pub inventory: watch::Receiver<Arc<Inventory>>,
    /// What people set for pictures.
    pub framings: watch::Receiver<Arc<Framings>>,
    /// The live picture of the network: who gives no video.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Changes of points: each wants a still.
    pub changes: broadcast::Receiver<Arc<Transition>>,
    /// Where stills are kept.
    pub shelf: Shelf,
    /// How many of them.
    pub budget: ShelfBudget,
    /// Where diagnoses are kept.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// How pictures are judged.
    pub settings: ExaminerSettings,
    /// A point without video is missed once in this time.
    pub miss_period: Duration,
    /// What was kept.
    pub restored: Vec<KeptDiagnosis>,
    /// The newest sizes that were kept.
    pub sizes: Vec<DecodedSize>,
}

/// What the examiner writes.
#[derive(Debug)]
pub struct ExaminerOutputs {
    /// To the tracker. Bounded; the examiner waits when it is full.
    pub findings: mpsc::Sender<Finding>,
    /// To the decoders; when it is full a wish is left out.
    pub wishes: mpsc::Sender<Wish>,
}

/// Runs the examiner until `cancel`. What a dropped branch loses: nothing, each waits on a channel or a timer.
pub async fn run(inputs: ExaminerInputs, outputs: ExaminerOutputs, cancel: CancellationToken) {
    let mut task = Task::new(inputs, outputs);
    let (mut news, mut lessons, mut clear) = (every(KEEP_NEWS), every(KEEP_LESSONS), every(CLEAR_STILLS));
    let (mut miss, mut clock) = (every(task.inputs.miss_period), every(CLOCK_STEP));
    loop {
        task.carry().await;
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            _ = clock.tick() => task.compare_clock(),
            Some(order) = task.inputs.orders.recv() => task.obey(order, &cancel).await,
            Ok(()) = task.inputs.inventory.changed() => task.take_inventory(),
            Ok(()) = task.inputs.framings.changed() => task.take_framings(),
            _ = miss.tick() => task.miss(),
            _ = news.tick() => task.keep(false, &cancel).await,
            _ = lessons.tick() => task.keep(true, &cancel).await,
            _ = clear.tick() => task.clear_stills().await,
            changed = task.inputs.changes.recv() => task.note_change(changed),
            Some(broken) = task.inputs.broken.recv() => task.take_broken(&broken),
            Some(decoding) = task.inputs.decoded.recv() => task.examine(decoding).await,
        }
    }
    // As much as the time allows: the news of the last seconds first.
    for with_lessons in [false, true] {
        let _in_time =
            timeout(KEEP_DEADLINE / 2, task.keep(with_lessons, &CancellationToken::new())).await.is_ok();
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

struct Task {
    examiner: Examiner,
    inputs: ExaminerInputs,
    outputs: ExaminerOutputs,
    /// The clock and the time that passes, when they were compared last.
    compared: (Timestamp, Instant),
}

impl Task {
    fn new(mut inputs: ExaminerInputs, outputs: ExaminerOutputs) -> Self {
        let inventory = Arc::clone(&inputs.inventory.borrow_and_update());
        let framings = Arc::clone(&inputs.framings.borrow_and_update());
        let restored = std::mem::take(&mut inputs.restored);
        let mut examiner = Examiner::new(inputs.settings.clone(), inventory, framings, restored);
        examiner.restore_sizes(std::mem::take(&mut inputs.sizes), inputs.clock.now());
        let compared = (inputs.clock.now(), Instant::now());
        Self { examiner, inputs, outputs, compared }
    }

    /// Hands on what follows from a step.
    async fn carry(&mut self) {
        let Effects { findings, wishes } = self.examiner.take_effects();
        for wish in wishes {
            self.wish(wish);
        }
        for finding in findings {
            if self.outputs.findings.send(finding).await.is_err() {
                // The tracker is gone: the end is near.
                return;
            }
        }
    }

    fn wish(&self, wish: Wish) {
        // Left out when there is no room.
        let _room = self.outputs.wishes.try_send(wish).is_ok();
    }

    async fn examine(&mut self, decoding: Decoding) {
        if decoding.stream == StreamRole::Main {
            return self.take_size(&decoding);
        }
        let (areas, shelf) = (self.examiner.areas(decoding.point), self.inputs.shelf.clone());
        let framings = self.inputs.framings.clone();
        let looked = tokio::task::spawn_blocking(move || look_at(&decoding, &areas, &shelf, &framings));
        match looked.await {
            Ok(examined) => self.examiner.take(examined, self.inputs.clock.now()),
            Err(error) => telemetry::task_failed("picture features", &error),
        }
    }

    /// Of a main stream nothing is judged.
    fn take_size(&mut self, decoding: &Decoding) {
        let Decoding { point, stream, taken, promised, .. } = *decoding;
        if let Ok(decoded) = decoding.sound() {
            let size = decoded.picture.size();
            let size = DecodedSize { point, stream, at: taken, size, promised };
            self.examiner.take_size(size, self.inputs.clock.now());
        }
    }

    fn take_broken(&mut self, broken: &BrokenFrame) {
        let BrokenFrame { point, taken, facts } = *broken;
        let facts = StreamFacts { broken_over_decoded: Some(1.0), ..facts };
        let shot = Shot::Damaged(Damage::PacketsLost);
        self.examiner.take(
            Examined { point, taken, shot, facts, promised: None, still: None },
            self.inputs.clock.now(),
        );
    }

    fn miss(&mut self) {
        let snapshot = Arc::clone(&self.inputs.snapshot.borrow());
        let now = self.inputs.clock.now();
        self.examiner.miss(&snapshot, now);
        self.examiner.age(now);
    }

    fn note_change(&self, changed: Result<Arc<Transition>, broadcast::error::RecvError>) {
        if let Ok(transition) = changed
            && transition.to.state().is_online()
        {
            self.wish(Wish::Still(transition.point));
        }
    }

    async fn obey(&mut self, order: BaselineOrder, cancel: &CancellationToken) {
        let outcome = self.examiner.change_baselines(order.point, order.step, self.inputs.clock.now());
        self.keep(false, cancel).await;
        // Whoever asked may have gone; the word holds all the same.
        let _gone = order.answer.send(outcome).is_err();
    }

    fn take_inventory(&mut self) {
        let inventory = Arc::clone(&self.inputs.inventory.borrow_and_update());
        self.examiner.change_inventory(inventory);
    }

    fn take_framings(&mut self) {
        let framings = Arc::clone(&self.inputs.framings.borrow_and_update());
        self.examiner.change_framings(framings);
    }

    fn compare_clock(&mut self) {
        let (now, instant) = (self.inputs.clock.now(), Instant::now());
        let passed = i64::try_from((instant - self.compared.1).as_millis()).unwrap_or(i64::MAX);
        let step_ms = now.as_millis().saturating_sub(self.compared.0.as_millis()).saturating_sub(passed);
        if step_ms.saturating_abs() > LARGEST_DRIFT_MS {
            self.examiner.shift(step_ms);
        }
        self.compared = (now, instant);
    }

    /// Puts into the store what is not there yet.
    async fn keep(&mut self, with_lessons: bool, cancel: &CancellationToken) {
        self.keep_sizes(cancel).await;
        let unkept = self.examiner.unkept(with_lessons);
        for some in unkept.chunks(KEEP_AT_ONCE) {
            if cancel.is_cancelled() {
                return;
            }
            match timeout(KEEP_DEADLINE, self.inputs.store.keep_diagnoses(some)).await {
                Ok(Ok(())) => self.examiner.note_kept(some),
                Ok(Err(error)) => return telemetry::diagnoses_not_kept(&error, unkept.len()),
                Err(elapsed) => return telemetry::diagnoses_not_kept(&elapsed, unkept.len()),
            }
        }
    }

    async fn keep_sizes(&mut self, cancel: &CancellationToken) {
        let unkept = self.examiner.unkept_sizes();
        for some in unkept.chunks(KEEP_AT_ONCE) {
            if cancel.is_cancelled() {
                return;
            }
            match timeout(KEEP_DEADLINE, self.inputs.store.keep_decoded_sizes(some)).await {
                Ok(Ok(())) => self.examiner.note_sizes_kept(some),
                Ok(Err(error)) => return telemetry::decoded_sizes_not_kept(&error, unkept.len()),
                Err(elapsed) => return telemetry::decoded_sizes_not_kept(&elapsed, unkept.len()),
            }
        }
    }

    async fn clear_stills(&self) {
        // Upkeep follows a clock that leaps by a day an hour; while the database is away nothing is too old.
        let believed = timeout(KEEP_DEADLINE, self.inputs.store.upkeep_time()).await;
        let believed = believed.ok().and_then(Result::ok).flatten();
        let (shelf, budget, now) = (self.inputs.shelf.clone(), self.inputs.budget, self.inputs.clock.now());
        match tokio::task::spawn_blocking(move || shelf.clear(&budget, now, believed)).await {
            Ok(Ok(cleared)) => {
                telemetry::stills_measured(cleared.kept_count, cleared.kept_bytes, cleared.removed_count)
            }
            Ok(Err(error)) => telemetry::still_failed(&error),
            Err(error) => telemetry::task_failed("stills", &error),
        }
    }
}

/// Measures a picture and keeps its still. Takes milliseconds and the disk: not for async code.
fn look_at(
    decoding: &Decoding,
    areas: &Areas,
    shelf: &Shelf,
    framings: &watch::Receiver<Arc<Framings>>,
) -> Examined {
    let (shot, facts) = decoding.seen(areas);
    let still = decoding.sound().ok().and_then(|decoded| decoded.still.as_deref());
    let still = still.map(|jpeg| keep_still(decoding, jpeg, shelf, framings)).and_then(|kept| {
        kept.unwrap_or_else(|error| {
            telemetry::still_failed(&error);
            None
        })
    });
    let Decoding { point, taken, promised, .. } = *decoding;
    Examined { point, taken, shot, facts, promised, still }
}

/// Keeps a still; not one that was painted over before another mask was set. Whoever sets one removes what is kept by then, so
/// the masks are compared when the still lies there.
fn keep_still(
    decoding: &Decoding,
    jpeg: &[u8],
    shelf: &Shelf,
    framings: &watch::Receiver<Arc<Framings>>,
) -> Result<Option<StillNote>, ShelfError> {
    let still = shelf.keep(decoding.point, decoding.taken, jpeg)?;
    let framings = Arc::clone(&framings.borrow());
    if framings.get(&decoding.point).is_none_or(|framing| framing.is_hidden_by(&decoding.masks)) {
        let Still { at, hash, .. } = still;
        return Ok(Some(StillNote { at, hash }));
    }
    shelf.remove(&still)?;
    Ok(None)
}
