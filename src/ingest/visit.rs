//! The looks of the schedule: patrol, light, continuous, and the one at a main stream.

use crate::clock::Clock;
use crate::config::Watch;
use crate::domain::budget::HostName;
use crate::domain::key_frame::StreamRole;
use crate::domain::point::StreamUrl;
use crate::domain::schedule::Ended;
use crate::domain::{
    Cause, Failure, Finding, Look, Measurement, Observation, Outcome, StageTimes, Timestamp, Transport,
};
use crate::ingest::credential::Holds;
use crate::ingest::host::{Host, Hosts};
use crate::ingest::look::{
    MORE_WAYS, Sight, after_breath, further, host_name, judged, next_after, note_times, opened, outcome_of,
    outcome_of_fault, sight_by, taught, way_to,
};
use crate::ingest::playing::{Halt, Playing};
use crate::ingest::pull::Puller;
use crate::ingest::session::{Door, Fault, Logins};
use crate::ingest::stall::Stalls;
use crate::ingest::tap::{PointTap, Tap};
use crate::ingest::target::Target;
use crate::ingest::transport::{Transports, Ways};
use crate::telemetry::{self, SkipReason, Worker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Measuring window of a look at a main stream: its size is known with the first key frame, this lets pictures come.
const MAIN_WINDOW: Duration = Duration::from_millis(500);

/// A main stream that refused the login is left alone for this long: the sub-stream tells whether the password is
/// right, and one refusal a day locks no account.
const MAIN_REFUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// What every look shares.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: Watch,
    pub(super) clock: Clock,
    pub(super) holds: Holds,
    pub(super) hosts: Hosts,
    pub(super) stalls: Stalls,
    pub(super) transports: Transports,
    pub(super) puller: Option<Puller>,
    pub(super) tap: Option<Tap>,
    /// When it is full a look waits, and keeps its budget while it does.
    pub(super) findings: mpsc::Sender<Finding>,
}

/// What the scheduler learns from a look.
#[derive(Debug)]
pub(super) struct LookEnd {
    pub(super) ended: Ended,
    pub(super) kbps: Option<u32>,
}

/// Runs one look of the schedule to its end. Everything that it finds is sent on; the session is torn down on every
/// path.
pub(super) async fn run(
    context: Arc<Context>,
    target: Arc<Target>,
    look: Look,
    cancel: CancellationToken,
) -> LookEnd {
    let visit = Visit { context, target, look, cancel };
    let (ended, kbps) = visit.run().await;
    LookEnd { ended, kbps }
}

/// Looks at a point for somebody who waits. Nothing is reported, learnt or judged; but a password that is refused is held,
/// so that asking again does not lock the account.
pub(super) async fn aside(
    context: Arc<Context>,
    target: Arc<Target>,
    cancel: CancellationToken,
) -> Observation {
    let visit = Visit { context, target, look: Look::Manual, cancel };
    let sight = match visit.aside().await {
        Ok(sight) => sight,
        Err(cause) => visit.not_looked(cause),
    };
    visit.observed(sight)
}

/// What a kept session leaves behind.
struct Kept {
    /// When the present window began.
    started: Timestamp,
    began: Instant,
    /// Reported with the first window only.
    stages: StageTimes,
    frames_for: Duration,
    kbps: Option<u32>,
}

/// What came of a kept session, or of the try to open one.
struct Held {
    sight: Sight,
    kept: Kept,
    broke_off: bool,
}

struct Visit {
    context: Arc<Context>,
    target: Arc<Target>,
    look: Look,
    cancel: CancellationToken,
}

impl Visit {
    async fn run(&self) -> (Ended, Option<u32>) {
        let Some(stream) = self.stream() else {
            self.report_not_looked(Cause::NotWatchable).await;
            return (Ended::NotBefore { wait: self.context.settings.period }, None);
        };
        let name = host_name(stream);
        let host = self.context.hosts.host(&name);
        if let Err(wait) = host.await_quiet().await {
            telemetry::look_skipped(Worker::Ingest, self.target.point, SkipReason::HostSessions);
            return (Ended::Unquiet { wait }, None);
        }
        if let Some(wait) = self.held_for(&name) {
            self.report_not_looked(Cause::CredentialHold).await;
            return (Ended::NotBefore { wait }, None);
        }
        let mut ways = self.ways();
        let way = if self.look == Look::Light { ways.settled() } else { ways.first() };
        let mut door = Door { tap: self.tap(), ..self.door(stream, &host, way) };
        match self.look {
            Look::Light => self.light(&mut door, &mut ways).await,
            Look::Patrol | Look::Manual => {
                self.patrol(&mut door, &mut ways, self.context.settings.patrol_window).await
            }
            Look::Main => self.patrol(&mut door, &mut ways, MAIN_WINDOW).await,
            Look::Continuous => self.continuous(&mut door, &mut ways).await,
        }
    }

    /// One look that nobody but the asker learns of.
    async fn aside(&self) -> Result<Sight, Cause> {
        let stream = self.stream().ok_or(Cause::NotWatchable)?;
        let name = host_name(stream);
        let host = self.context.hosts.host(&name);
        host.await_quiet().await.map_err(|_wait| Cause::Backlog)?;
        if self.held_for(&name).is_some() {
            return Err(Cause::CredentialHold);
        }
        let (mut ways, began) = (self.ways(), Instant::now());
        let mut door = self.door(stream, &host, ways.first());
        let window = self.context.settings.patrol_window;
        let sight = sight_by(&mut door, &mut ways, window, &self.context.clock, &self.cancel).await;
        let mut sight = self.void_if_stalled(sight, began);
        if let Outcome::Failed(failure) = &mut sight.outcome {
            self.blame_password(failure, began, &host);
            if failure.cause == Cause::WrongCredential {
                self.hold_credential(&host);
            }
        }
        Ok(sight)
    }

    /// The way in, by which no picture is taken out.
    fn door<'a>(&'a self, stream: &'a StreamUrl, host: &'a Arc<Host>, way: Transport) -> Door<'a> {
        Door {
            stream,
            credential: self.target.credential.as_deref(),
            host,
            deadlines: &self.context.settings.deadlines,
            holds: &self.context.holds,
            logins: if self.look == Look::Main { Logins::Once } else { Logins::Twice },
            transport: way_to(stream, way),
            trust: &self.target.trust,
            puller: self.context.puller.as_ref(),
            tap: None,
        }
    }

    /// The ways to the stream. Those to the main one, once a day, are found anew.
    fn ways(&self) -> Ways {
        match self.look {
            Look::Main => Ways::default(),
            Look::Patrol | Look::Light | Look::Continuous | Look::Manual => {
                self.context.transports.begin(self.target.point)
            }
        }
    }

    /// A look that was broken off teaches nothing: its point may be another one now.
    fn learn(&self, ways: &Ways) {
        if self.look != Look::Main && !self.cancel.is_cancelled() {
            self.context.transports.learn(self.target.point, ways);
        }
    }

    /// The watched stream is judged; of the main one, which costs five times as much, a picture a day proves the size.
    fn tap(&self) -> Option<PointTap> {
        let stream = match self.look {
            Look::Main => StreamRole::Main,
            Look::Patrol | Look::Light | Look::Continuous | Look::Manual => StreamRole::Watched,
        };
        let tap = self.context.tap.clone()?;
        Some(PointTap { tap, point: self.target.point, stream, class: self.target.class })
    }

    fn stream(&self) -> Option<&StreamUrl> {
        match self.look {
            Look::Main => self.target.main_stream.as_ref(),
            Look::Patrol | Look::Light | Look::Continuous | Look::Manual => self.target.stream.as_ref(),
        }
    }

    async fn patrol(&self, door: &mut Door<'_>, ways: &mut Ways, window: Duration) -> (Ended, Option<u32>) {
        let began = Instant::now();
        let sight = sight_by(door, ways, window, &self.context.clock, &self.cancel).await;
        self.count_failure(ways, began);
        self.learn(ways);
        self.conclude(sight, began, door.host).await
    }

    /// Counts a failure of the learnt way, unless we ourselves stood still meanwhile.
    fn count_failure(&self, ways: &mut Ways, began: Instant) {
        if !self.context.stalls.touches(began) {
            ways.count_failure();
        }
    }

    async fn light(&self, door: &mut Door<'_>, ways: &mut Ways) -> (Ended, Option<u32>) {
        let began = Instant::now();
        let mut sight = self.describe(door).await;
        let next = next_after(ways, &sight);
        if let Some(way) = after_breath(next, &self.cancel).await {
            door.transport = way;
            sight = further(sight, self.describe(door).await);
        }
        let sight = taught(ways, sight);
        self.learn(ways);
        self.conclude(sight, began, door.host).await
    }

    async fn describe(&self, door: &Door<'_>) -> Sight {
        let (started, mut stages) = (self.context.clock.now(), StageTimes::default());
        let described = self.cancel.run_until_cancelled(door.describe(&mut stages)).await;
        let (outcome, note) = match described.unwrap_or(Err(Fault::Ourselves)) {
            Ok(declared) => (Outcome::Answered(declared), None),
            Err(fault) => outcome_of_fault(fault),
        };
        let ended = self.context.clock.now();
        Sight { started, ended, stages, outcome, transport: door.transport, note }
    }

    /// Keeps a session on the way that the door names, or on another one where the failure names it.
    async fn continuous(&self, door: &mut Door<'_>, ways: &mut Ways) -> (Ended, Option<u32>) {
        let mut held = Box::pin(self.hold(door, ways)).await;
        let mut next = next_after(ways, &held.sight).filter(|_| held.kept.frames_for.is_zero());
        let (instead, mut last) = (next.filter(|_| held.sight.failure().is_some()), None);
        for _ in 0..MORE_WAYS {
            let Some(way) = after_breath(next, &self.cancel).await else { break };
            door.transport = way;
            let other = Box::pin(self.hold(door, ways)).await;
            let was_good = !other.kept.frames_for.is_zero();
            next = next_after(ways, &other.sight).filter(|_| !was_good);
            last = other.sight.failure().filter(|_| !was_good).cloned();
            let sight = if was_good { other.sight } else { further(held.sight, other.sight) };
            held = Held { sight, ..other };
        }
        ways.failed_instead(instead, last.as_ref());
        self.end_of(held, door, ways).await
    }

    /// Keeps a session and reports a window at a time, until it fails, breaks off or is asked to stop.
    async fn hold(&self, door: &Door<'_>, ways: &mut Ways) -> Held {
        let (began, started) = (Instant::now(), self.context.clock.now());
        let stages = StageTimes::default();
        let mut kept = Kept { started, began, stages, frames_for: Duration::ZERO, kbps: None };
        let (outcome, note, broke_off) = match opened(door, &mut kept.stages, &self.cancel).await {
            Ok(mut playing) => {
                let halt = self.keep(&mut playing, &mut kept, door, ways).await;
                let broke_off = matches!(halt, Halt::BrokeOff { .. });
                let (outcome, note) = outcome_of(halt, playing);
                (outcome, note, broke_off)
            }
            Err(fault) => {
                let (outcome, note) = outcome_of_fault(fault);
                (outcome, note, false)
            }
        };
        door.host.await_teardown().await;
        let (started, ended, stages) = (kept.started, self.context.clock.now(), kept.stages);
        let sight = Sight { started, ended, stages, outcome, transport: door.transport, note };
        Held { sight, kept, broke_off }
    }

    async fn end_of(&self, held: Held, door: &Door<'_>, ways: &mut Ways) -> (Ended, Option<u32>) {
        let Held { sight, kept: Kept { began, frames_for, kbps, .. }, broke_off } = held;
        ways.set_note(sight.note.clone());
        let was_good = broke_off && !frames_for.is_zero() && !self.cancel.is_cancelled();
        if was_good {
            ways.broke_off(door.transport, frames_for);
        }
        let sight = judged(ways, sight);
        if frames_for.is_zero() {
            self.count_failure(ways, began);
        }
        self.learn(ways);
        if was_good {
            // A camera that does not answer keepalives is dropped by the library every minute while its
            // pictures are good, and a camera that died refuses the next connect: that one decides.
            return (Ended::BrokeOff { frames_for }, kbps);
        }
        let (ended, measured) = self.conclude(sight, began, door.host).await;
        (ended.after(frames_for), kbps.or(measured))
    }

    /// Reports one full window after the other.
    async fn keep(&self, playing: &mut Playing, kept: &mut Kept, door: &Door<'_>, ways: &mut Ways) -> Halt {
        let (clock, window) = (&self.context.clock, self.context.settings.continuous_window);
        loop {
            let halt = playing.watch(window, clock, &self.cancel).await;
            if kept.frames_for.is_zero() {
                note_times(&mut kept.stages, playing);
            }
            if halt != Halt::WindowFull {
                return halt;
            }
            door.trust_login();
            if kept.frames_for.is_zero() {
                ways.served(door.transport);
                self.learn(ways);
            }
            let measured = playing.cut();
            kept.frames_for = kept.frames_for.saturating_add(measured.window);
            kept.kbps = Some(kbps_of(&measured));
            let began = std::mem::replace(&mut kept.began, Instant::now());
            let started = std::mem::replace(&mut kept.started, clock.now());
            let stages = std::mem::take(&mut kept.stages);
            if !self.context.stalls.touches(began) {
                let (ended, outcome) = (kept.started, Outcome::Video(measured));
                let transport = door.transport;
                self.report(Sight { started, ended, stages, outcome, transport, note: None }).await;
            }
        }
    }

    /// Reports a sight and says what it means for the schedule.
    async fn conclude(&self, sight: Sight, began: Instant, host: &Arc<Host>) -> (Ended, Option<u32>) {
        if self.cancel.is_cancelled() {
            return (Ended::Yielded, None);
        }
        let mut sight = self.void_if_stalled(sight, began);
        if let Outcome::Failed(failure) = &mut sight.outcome {
            self.blame_password(failure, began, host);
        }
        let concluded = match &sight.outcome {
            Outcome::Video(measured) => {
                let kbps = (self.look != Look::Main).then(|| kbps_of(measured));
                (Ended::Good { frames_for: measured.window }, kbps)
            }
            Outcome::Answered(_) => (Ended::Good { frames_for: Duration::ZERO }, None),
            Outcome::Failed(failure) => (self.ended_by(failure, host), None),
            Outcome::NotLooked(Cause::NotWatchable) => {
                (Ended::NotBefore { wait: self.context.settings.period }, None)
            }
            Outcome::NotLooked(_) => (Ended::NotBefore { wait: self.context.settings.retry_first }, None),
        };
        self.report(sight).await;
        concluded
    }

    fn ended_by(&self, failure: &Failure, host: &Arc<Host>) -> Ended {
        match (&failure.cause, self.look) {
            (Cause::SessionLimit, _) => Ended::Limited,
            (Cause::WrongCredential, Look::Main) => Ended::NotBefore { wait: MAIN_REFUSED },
            (Cause::WrongCredential, _) => {
                self.hold_credential(host);
                Ended::Failed { frames_for: Duration::ZERO }
            }
            _ => Ended::Failed { frames_for: Duration::ZERO },
        }
    }

    /// What we saw while we ourselves stood still proves nothing against a point.
    fn void_if_stalled(&self, sight: Sight, began: Instant) -> Sight {
        if matches!(sight.outcome, Outcome::Failed(_)) && self.context.stalls.touches(began) {
            return Sight { outcome: Outcome::NotLooked(Cause::Backlog), ..sight };
        }
        sight
    }

    /// A refused login that our other sessions to the device explain no longer is the password's fault.
    fn blame_password(&self, failure: &mut Failure, began: Instant, host: &Arc<Host>) {
        let is_explained = failure.cause == Cause::SessionLimit && failure.status == Some(401);
        if let (true, Some(credential)) = (is_explained && self.look != Look::Main, &self.target.credential)
            && self.context.holds.doubt(&credential.name, host.name(), began, Instant::now())
        {
            failure.cause = Cause::WrongCredential;
        }
    }

    fn hold_credential(&self, host: &Arc<Host>) {
        if let Some(credential) = &self.target.credential {
            let until = Instant::now() + self.context.settings.credential_hold;
            self.context.holds.hold(&credential.name, host.name(), self.context.clock.now(), until);
            telemetry::credential_held(self.target.point, &credential.name, host.name());
        }
    }

    fn held_for(&self, host: &HostName) -> Option<Duration> {
        let credential = self.target.credential.as_ref()?;
        self.context.holds.left(&credential.name, host, Instant::now())
    }

    async fn report_not_looked(&self, cause: Cause) {
        self.report(self.not_looked(cause)).await;
    }

    fn not_looked(&self, cause: Cause) -> Sight {
        let now = self.context.clock.now();
        let outcome = Outcome::NotLooked(cause);
        let stages = StageTimes::default();
        let transport = Transport::Plain;
        Sight { started: now, ended: now, stages, outcome, transport, note: None }
    }

    async fn report(&self, sight: Sight) {
        let observation = self.observed(sight);
        if self.context.findings.send(Finding::Look(Box::new(observation))).await.is_err() {
            tracing::debug!(point.id = %self.target.point, "the tracker is gone; a look at {} is dropped", self.target.point);
        }
    }

    /// What was seen, counted.
    fn observed(&self, sight: Sight) -> Observation {
        let Sight { started, ended, stages, outcome, .. } = sight;
        let observation =
            Observation { point: self.target.point, started, ended, look: self.look, stages, outcome };
        match &observation.outcome {
            Outcome::NotLooked(cause) => {
                telemetry::look_skipped(Worker::Ingest, self.target.point, skip_reason(cause));
            }
            Outcome::Video(_) | Outcome::Answered(_) | Outcome::Failed(_) => {
                telemetry::look_finished(&observation)
            }
        }
        observation
    }
}

fn skip_reason(cause: &Cause) -> SkipReason {
    if *cause == Cause::CredentialHold {
        SkipReason::CredentialHold
    } else if *cause == Cause::NotWatchable {
        SkipReason::NotWatchable
    } else {
        SkipReason::Backlog
    }
}

/// kbit/s, rounded up.
fn kbps_of(measured: &Measurement) -> u32 {
    let millis = measured.window.as_millis().max(1);
    u32::try_from((u128::from(measured.bytes) * 8).div_ceil(millis)).unwrap_or(u32::MAX)
}
