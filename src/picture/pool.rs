//! The decoders at work: takes key frames, has the most urgent ones decoded within the budget, hands the pictures on.
//!
//! One task. It never makes those wait who offer key frames: what finds no room is given up and counted.

use crate::clock::Clock;
use crate::config::PictureSettings;
use crate::domain::decode::{
    Cadence, DecodeBudget, DecodeFailure, DecodedPicture, Decoding, FrameFacts, Offer, Queue, Wish,
};
use crate::domain::key_frame::{Candidate, StreamRole};
use crate::domain::ladder::Ladder;
use crate::domain::picture::Framings;
use crate::domain::{PointCode, Timestamp};
use crate::picture::worker::{Ask, Breakdown, StartError, Worker};
use crate::telemetry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the pool looks at itself.
const TICK: Duration = Duration::from_secs(1);
/// Bytes of key frames that may wait: 960 points at 20 kB are 19 MB.
const WAITING_BYTES: usize = 64 * 1024 * 1024;
/// A point of which nothing came for so long is forgotten; when its last still was made, not before the next one is due.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// Main streams whose picture may wait: they come once a day..
const WAITING_MAINS: usize = 32;
/// ..and one is decoded when nothing else waits, or behind so many others.
const OTHERS_BEFORE_MAIN: u32 = 8;
/// A decoder that cannot be started, or dies at once, is tried again after this, doubling..
const RESTART_FIRST: Duration = Duration::from_millis(100);
/// ..up to this.
const RESTART_CAP: Duration = Duration::from_secs(60);
/// Decoding for this long without a death puts a decoder back on the first rung.
const RESTART_RESET_AFTER: Duration = Duration::from_millis(200);

/// What the pool is given.
#[derive(Debug)]
pub struct PoolInputs {
    /// Key frames that may be decoded.
    pub candidates: mpsc::Receiver<Candidate>,
    /// What the judging asks for.
    pub wishes: mpsc::Receiver<Wish>,
    /// What people set for pictures, privacy masks among it.
    pub framings: watch::Receiver<Arc<Framings>>,
    /// `[picture]`
    pub settings: PictureSettings,
    /// The program whose `decode` is run.
    pub program: PathBuf,
    /// The clock.
    pub clock: Clock,
}

/// How the decoding keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// When this was taken.
    pub taken: Timestamp,
    /// Decoder processes that run.
    pub decoders: usize,
    /// Key frames that wait.
    pub waiting: usize,
    /// How long the longest-waiting one has waited.
    pub lag: Duration,
}

/// Runs until cancelled. `decoded` is bounded: when it is full no further frame is decoded until there is room.
pub async fn run(
    inputs: PoolInputs,
    decoded: mpsc::Sender<Decoding>,
    status: watch::Sender<PoolStatus>,
    cancel: CancellationToken,
) {
    Pool::new(inputs, decoded, status).run(cancel).await;
}

struct Pool {
    inputs: PoolInputs,
    decoded: mpsc::Sender<Decoding>,
    status: watch::Sender<PoolStatus>,
    queue: Queue,
    budget: DecodeBudget,
    /// The frames that wait in the queue.
    frames: BTreeMap<PointCode, Candidate>,
    /// Those of main streams: one a day of each point, for its size alone.
    mains: BTreeMap<PointCode, Candidate>,
    /// Frames that were taken since the last of them.
    others: u32,
    /// Of both.
    waiting_bytes: usize,
    /// Points whose next picture comes with a still.
    stills: BTreeSet<PointCode>,
    /// When the last still of each point was made.
    last_stills: BTreeMap<PointCode, Duration>,
    slots: Vec<Slot>,
    /// Decoders that decode or start; each ends by its deadline.
    busy: JoinSet<Done>,
    /// Whose place each task holds.
    tasks: HashMap<Id, usize>,
    began: Instant,
}

/// The place of one decoder.
struct Slot {
    ladder: Ladder,
    place: Place,
}

enum Place {
    /// No process, and none before this time.
    Empty {
        until: Instant,
    },
    Idle(Box<Worker>),
    /// Its task has it.
    Busy,
}

/// What a task gives back.
enum Done {
    Started(Result<Box<Worker>, StartError>),
    Decoded {
        worker: Option<Box<Worker>>,
        decoding: Decoding,
        breakdown: Breakdown,
        cost: Duration,
        wished: bool,
    },
}

impl Slot {
    fn take_started(&mut self, worker: Result<Box<Worker>, StartError>) {
        match worker {
            Ok(worker) => self.place = Place::Idle(worker),
            Err(error) => telemetry::decoder_unavailable(&error, self.empty_after_failure()),
        }
    }

    fn take_back(&mut self, worker: Option<Box<Worker>>, breakdown: &Breakdown) {
        match (worker, breakdown) {
            (Some(worker), Breakdown::None) => self.place = Place::Idle(worker),
            (_, Breakdown::Retired) => self.place = Place::Empty { until: Instant::now() },
            (_, Breakdown::None | Breakdown::Dead) => {
                self.empty_after_failure();
            }
        }
    }

    /// Leaves the place empty for a while, and says for how long.
    fn empty_after_failure(&mut self) -> Duration {
        let delay = self.ladder.fail(rand::random());
        self.place = Place::Empty { until: Instant::now() + delay };
        delay
    }
}

impl Pool {
    fn new(inputs: PoolInputs, decoded: mpsc::Sender<Decoding>, status: watch::Sender<PoolStatus>) -> Self {
        let settings = &inputs.settings;
        let cadence = Cadence {
            public: settings.public_period,
            inner: settings.inner_period,
            doubtful: settings.doubtful_period,
        };
        let slot = || Slot {
            ladder: Ladder::new(RESTART_FIRST, RESTART_CAP, RESTART_RESET_AFTER),
            place: Place::Empty { until: Instant::now() },
        };
        Self {
            queue: Queue::new(cadence),
            budget: DecodeBudget::new(settings.cpu_share, Duration::ZERO),
            frames: BTreeMap::new(),
            mains: BTreeMap::new(),
            others: 0,
            waiting_bytes: 0,
            stills: BTreeSet::new(),
            last_stills: BTreeMap::new(),
            slots: std::iter::repeat_with(slot).take(settings.decoders).collect(),
            busy: JoinSet::new(),
            tasks: HashMap::new(),
            began: Instant::now(),
            inputs,
            decoded,
            status,
        }
    }

    async fn run(mut self, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_decoders();
            let wake = self.decode_waiting();
            // Every branch may be dropped: an ended task stays in the set, what is offered in its channel.
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(done) = self.busy.join_next_with_id() => self.take_done(done),
                Some(wish) = self.inputs.wishes.recv() => self.obey(wish),
                Some(candidate) = self.inputs.candidates.recv() => self.offer(candidate),
                _ = tick.tick() => self.tick(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.stop().await;
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Starts a process in every place that is free and may have one.
    fn start_decoders(&mut self) {
        let now = Instant::now();
        for (slot, place) in self.slots.iter_mut().map(|slot| &mut slot.place).enumerate() {
            if matches!(place, Place::Empty { until } if *until <= now) {
                *place = Place::Busy;
                let program = self.inputs.program.clone();
                let task = self
                    .busy
                    .spawn(async move { Done::Started(Worker::start(&program).await.map(Box::new)) });
                self.tasks.insert(task.id(), slot);
            }
        }
    }

    /// Gives work to idle decoders, as far as the budget lets; says when to try again.
    fn decode_waiting(&mut self) -> Instant {
        let until = self.slots.iter().filter_map(|slot| match slot.place {
            Place::Empty { until } => Some(until),
            Place::Idle(_) | Place::Busy => None,
        });
        let restart = until.min().unwrap_or_else(|| Instant::now() + TICK);
        while self.queue.waiting() > 0 || !self.mains.is_empty() {
            let Some(slot) = self.slots.iter().position(|slot| matches!(slot.place, Place::Idle(_))) else {
                break;
            };
            if let Some(wait) = self.budget.wait(self.now()) {
                return restart.min(Instant::now() + wait.min(TICK));
            }
            // A picture that cannot be handed on is not decoded; the next tick looks again.
            if self.decoded.capacity() <= self.busy.len() {
                break;
            }
            self.decode_next(slot);
        }
        restart
    }

    /// Takes the frame that is decoded next from those that wait; how long it has waited.
    fn next_frame(&mut self, now: Duration) -> Option<(Candidate, Duration)> {
        let is_mains_turn = self.queue.waiting() == 0 || self.others >= OTHERS_BEFORE_MAIN;
        let main = if is_mains_turn { self.mains.pop_first() } else { None };
        let next = if let Some((_, main)) = main {
            self.others = 0;
            Some((main, Duration::ZERO))
        } else {
            self.others = self.others.saturating_add(1);
            let (point, lag) = self.queue.next(now)?;
            self.frames.remove(&point).map(|candidate| (candidate, lag))
        };
        let bytes = next.as_ref().map_or(0, |(candidate, _)| candidate.frame.bytes.len());
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        next
    }

    fn decode_next(&mut self, slot: usize) {
        let now = self.now();
        let Some((candidate, lag)) = self.next_frame(now) else { return };
        let Some(place) = self.slots.get_mut(slot).map(|slot| &mut slot.place) else { return };
        let Place::Idle(mut worker) = std::mem::replace(place, Place::Busy) else { return };
        telemetry::decode_began(lag);
        let Candidate { point, stream, taken, facts, frame, .. } = candidate;
        let is_judged = stream == StreamRole::Watched;
        let wished = is_judged && self.stills.remove(&point);
        let wants_still = wished || (is_judged && self.is_still_due(point, now));
        let still_width = wants_still.then_some(self.inputs.settings.still_width);
        let framing = self.inputs.framings.borrow().get(&point).cloned();
        let masks = framing.map(|framing| framing.privacy_masks).unwrap_or_default();
        let deadline = self.inputs.settings.deadline;
        let task = self.busy.spawn(async move {
            let promised = frame.size;
            let (mut ask, began) = (Ask { frame, still_width, masks }, Instant::now());
            let (outcome, breakdown) = worker.decode(&ask, deadline).await;
            let worker = matches!(breakdown, Breakdown::None).then_some(worker);
            let cost = cost_of(&outcome, began.elapsed());
            let masks = std::mem::take(&mut ask.masks);
            let decoding = Decoding { point, stream, taken, facts, promised, masks, outcome };
            Done::Decoded { worker, decoding, breakdown, cost, wished }
        });
        self.tasks.insert(task.id(), slot);
    }

    /// Without a wish a still is made once per period.
    fn is_still_due(&self, point: PointCode, now: Duration) -> bool {
        let period = self.inputs.settings.still_period;
        self.last_stills.get(&point).is_none_or(|last| now.saturating_sub(*last) >= period)
    }

    fn take_done(&mut self, done: Result<(Id, Done), JoinError>) {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(slot) = self.tasks.remove(&id).and_then(|slot| self.slots.get_mut(slot)) else { return };
        match done {
            Ok((_, Done::Started(worker))) => slot.take_started(worker),
            Ok((_, Done::Decoded { worker, decoding, breakdown, cost, wished })) => {
                if !matches!(breakdown, Breakdown::Dead) {
                    slot.ladder.succeed(cost);
                }
                slot.take_back(worker, &breakdown);
                self.budget.take(cost, self.began.elapsed());
                telemetry::frame_decoded(&decoding, cost);
                if decoding.stream == StreamRole::Main {
                    self.hand_on_size(decoding);
                    return;
                }
                let (point, is_sound) = (decoding.point, decoding.sound().is_ok());
                let has_still = decoding.sound().is_ok_and(|picture| picture.still.is_some());
                let is_told = self.is_cameras_doing(&decoding) && self.hand_on(decoding);
                if is_told && has_still {
                    self.last_stills.insert(point, self.began.elapsed());
                } else if wished && !(is_told && is_sound) {
                    // The wish holds for the next picture; one that is too small for a still never has one.
                    self.stills.insert(point);
                }
            }
            Err(error) => {
                telemetry::task_failed("decoder", &error);
                slot.empty_after_failure();
            }
        }
    }

    /// Whether what came of a frame says something of its camera.
    fn is_cameras_doing(&mut self, decoding: &Decoding) -> bool {
        match &decoding.outcome {
            Ok(_) => {
                self.queue.decoded(decoding.point);
                true
            }
            Err(failure) if failure.ends_process() => {
                if let Some(waiting) = self.frames.remove(&decoding.point) {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.frame.bytes.len());
                }
                self.queue.died(decoding.point, self.began.elapsed())
            }
            Err(_) => true,
        }
    }

    /// A main stream is looked at again in a day, whatever came of it.
    fn hand_on_size(&self, decoding: Decoding) {
        if decoding.sound().is_ok() {
            self.hand_on(decoding);
        }
    }

    /// Whether there was room: there was when the frame was taken, and only other decoders can have filled it since.
    fn hand_on(&self, decoding: Decoding) -> bool {
        let has_room = self.decoded.try_send(decoding).is_ok();
        if !has_room {
            telemetry::picture_dropped();
        }
        has_room
    }

    fn obey(&mut self, wish: Wish) {
        match wish {
            Wish::Opinion(point, opinion) => self.queue.judged(point, opinion),
            Wish::Still(point) => {
                self.stills.insert(point);
            }
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        let (point, stream) = (candidate.point, candidate.stream);
        let frames = match stream {
            StreamRole::Watched => &self.frames,
            StreamRole::Main => &self.mains,
        };
        let before = frames.get(&point).map_or(0, |before| before.frame.bytes.len());
        let waiting = self.waiting_bytes.saturating_sub(before).saturating_add(candidate.frame.bytes.len());
        let are_too_many_mains = stream == StreamRole::Main && self.mains.len() >= WAITING_MAINS;
        if waiting > WAITING_BYTES || are_too_many_mains {
            telemetry::picture_dropped();
            return;
        }
        match stream {
            StreamRole::Main => drop(self.mains.insert(point, candidate)),
            StreamRole::Watched => {
                if self.queue.offer(&FrameFacts::of(&candidate), self.now()) != Offer::Waits {
                    return;
                }
                self.frames.insert(point, candidate);
            }
        }
        self.waiting_bytes = waiting;
    }

    fn tick(&mut self) {
        let now = self.now();
        let forgotten = now.saturating_sub(FORGET_AFTER);
        self.queue.forget(forgotten);
        let longest = FORGET_AFTER.max(self.inputs.settings.still_period);
        self.last_stills.retain(|_point, made| now.saturating_sub(*made) <= longest);
        let decoders = self.slots.iter().filter(|slot| !matches!(slot.place, Place::Empty { .. })).count();
        let status = PoolStatus {
            taken: self.inputs.clock.now(),
            decoders,
            waiting: self.queue.waiting() + self.mains.len(),
            lag: self.queue.lag(now),
        };
        telemetry::decoding_measured(status.decoders, status.waiting, status.lag);
        self.status.send_replace(status);
    }

    /// Processes are killed as their tasks and places are dropped; those that idle are waited for.
    async fn stop(mut self) {
        self.busy.abort_all();
        while self.busy.join_next().await.is_some() {}
        for slot in self.slots {
            if let Place::Idle(worker) = slot.place {
                worker.stop().await;
            }
        }
    }
}

/// The CPU time of a frame. A process that failed tells none, and one that was taken over may tell anything: the wall time
/// is what it can have taken at most, and takes the place of what cannot be.
fn cost_of(outcome: &Result<Box<DecodedPicture>, DecodeFailure>, took: Duration) -> Duration {
    let told = outcome.as_ref().map_or(Duration::ZERO, |decoded| decoded.cost);
    if told.is_zero() || told > took { took } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::picture::{Luma, Picture};

    #[test]
    fn no_frame_is_free() {
        let ms = Duration::from_millis;
        let check = |told: Result<u64, DecodeFailure>, expected| {
            let luma = Luma::new(320, vec![0; 320 * 180].into()).unwrap();
            let outcome = told.map(|told| {
                let picture = Picture::new((320, 180), luma.clone(), luma.clone(), None).unwrap();
                Box::new(DecodedPicture { picture, complaints: 0, cost: ms(told), still: None })
            });
            assert_eq!(cost_of(&outcome, ms(9)), ms(expected), "{told:?}");
        };
        check(Ok(2), 2);
        check(Ok(0), 9);
        check(Ok(1_000), 9);
        check(Err(DecodeFailure::Crashed), 9);
        check(Err(DecodeFailure::NoPicture), 9);
    }
}
