//! The kinds of looks: patrol, light, continuous, and the one at a main stream.

use crate::clock::Clock;
use crate::config::{Deadlines, Watch};
use crate::domain::budget::HostName;
use crate::domain::point::StreamUrl;
use crate::domain::schedule::Ended;
use crate::domain::{
    Cause, Failure, Finding, Look, Measurement, Observation, Outcome, StageTimes, Timestamp,
};
use crate::ingest::credential::{Credential, Holds};
use crate::ingest::host::{Host, Hosts};
use crate::ingest::playing::{Halt, Playing};
use crate::ingest::session::{Door, Fault, Logins};
use crate::ingest::stall::Stalls;
use crate::ingest::target::Target;
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
    /// When it is full a look waits, and keeps its budget while it does.
    pub(super) findings: mpsc::Sender<Finding>,
}

/// What the scheduler learns from a look.
#[derive(Debug)]
pub(super) struct LookEnd {
    pub(super) ended: Ended,
    pub(super) kbps: Option<u32>,
}

/// What came of one look, before it is told whose point it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How long each stage took.
    pub stages: StageTimes,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a single look is asked to do.
#[derive(Clone, Debug)]
pub struct LookRequest<'a> {
    /// The stream.
    pub stream: &'a StreamUrl,
    /// What to log in with.
    pub credential: Option<&'a Credential>,
    /// Deadline of each stage.
    pub deadlines: &'a Deadlines,
    /// Measuring window after the first key frame.
    pub window: Duration,
}

/// The name under which the sessions to a stream's device are counted. Names of hosts have no case: two spellings must not
/// be two devices, each with sessions and logins of its own.
pub fn host_name(stream: &StreamUrl) -> HostName {
    HostName::from(format!("{}:{}", stream.host().to_ascii_lowercase(), stream.port()))
}

/// Looks once at a stream, outside any schedule: for the technician's `probe`. The TEARDOWN is awaited.
pub async fn look_once(request: &LookRequest<'_>, clock: &Clock, cancel: &CancellationToken) -> Sight {
    let (host, holds) = (Arc::new(Host::new(&host_name(request.stream))), Holds::default());
    let LookRequest { stream, credential, deadlines, window } = *request;
    let door = Door { stream, credential, host: &host, deadlines, holds: &holds, logins: Logins::Twice };
    sight_of(&door, window, clock, cancel).await
}

/// Opens a session, measures one window and closes the session.
async fn sight_of(door: &Door<'_>, window: Duration, clock: &Clock, cancel: &CancellationToken) -> Sight {
    let started = clock.now();
    let mut stages = StageTimes::default();
    let outcome = match opened(door, &mut stages, cancel).await {
        Ok(mut playing) => {
            let halt = playing.watch(window, clock, cancel).await;
            note_times(&mut stages, &playing);
            outcome_of(halt, playing)
        }
        Err(fault) => outcome_of_fault(fault),
    };
    let ended = clock.now();
    door.host.await_teardown().await;
    Sight { started, ended, stages, outcome }
}

/// A cancelled opening leaves a session behind only if SETUP was answered, and then its drop sends the TEARDOWN.
async fn opened(
    door: &Door<'_>,
    stages: &mut StageTimes,
    cancel: &CancellationToken,
) -> Result<Playing, Fault> {
    match cancel.run_until_cancelled(door.play(stages)).await {
        Some(opened) => opened,
        None => Err(Fault::Ourselves),
    }
}

fn note_times(stages: &mut StageTimes, playing: &Playing) {
    for (stage, took) in playing.stage_times() {
        if let Some(took) = took {
            stages.set(stage, took);
        }
    }
}

/// Ends a session: with its TEARDOWN, unless it floods us.
fn outcome_of(halt: Halt, mut playing: Playing) -> Outcome {
    let (stage, cause, is_flooded) = match halt {
        Halt::WindowFull => return Outcome::Video(playing.cut()),
        Halt::Stopped | Halt::StoodStill => return Outcome::NotLooked(Cause::Backlog),
        Halt::Overdue { stage, cause } | Halt::BrokeOff { stage, cause } => (stage, cause, false),
        Halt::Flooded { stage } => (stage, Cause::BadStream, true),
    };
    let measured = playing.measured();
    if is_flooded {
        playing.abandon();
    }
    Outcome::Failed(Failure { stage, cause, status: None, measured })
}

fn outcome_of_fault(fault: Fault) -> Outcome {
    match fault {
        Fault::Device { stage, cause, status } => {
            Outcome::Failed(Failure { stage, cause, status, measured: None })
        }
        Fault::Ourselves => Outcome::NotLooked(Cause::Backlog),
    }
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

struct Visit {
    context: Arc<Context>,
    target: Arc<Target>,
    look: Look,
    cancel: CancellationToken,
}

impl Visit {
    async fn run(&self) -> (Ended, Option<u32>) {
        let Some(stream) = self.stream().filter(|stream| !stream.is_encrypted()) else {
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
        let door = Door {
            stream,
            credential: self.target.credential.as_deref(),
            host: &host,
            deadlines: &self.context.settings.deadlines,
            holds: &self.context.holds,
            logins: if self.look == Look::Main { Logins::Once } else { Logins::Twice },
        };
        match self.look {
            Look::Light => self.light(&door).await,
            Look::Patrol | Look::Manual => self.patrol(&door, self.context.settings.patrol_window).await,
            Look::Main => self.patrol(&door, MAIN_WINDOW).await,
            Look::Continuous => self.continuous(&door).await,
        }
    }

    fn stream(&self) -> Option<&StreamUrl> {
        match self.look {
            Look::Main => self.target.main_stream.as_ref(),
            Look::Patrol | Look::Light | Look::Continuous | Look::Manual => self.target.stream.as_ref(),
        }
    }

    async fn patrol(&self, door: &Door<'_>, window: Duration) -> (Ended, Option<u32>) {
        let began = Instant::now();
        let sight = sight_of(door, window, &self.context.clock, &self.cancel).await;
        self.conclude(sight, began, door.host).await
    }

    async fn light(&self, door: &Door<'_>) -> (Ended, Option<u32>) {
        let (began, started) = (Instant::now(), self.context.clock.now());
        let mut stages = StageTimes::default();
        let described = self.cancel.run_until_cancelled(door.describe(&mut stages)).await;
        let outcome = match described.unwrap_or(Err(Fault::Ourselves)) {
            Ok(declared) => Outcome::Answered(declared),
            Err(fault) => outcome_of_fault(fault),
        };
        let sight = Sight { started, ended: self.context.clock.now(), stages, outcome };
        self.conclude(sight, began, door.host).await
    }

    /// Keeps a session and reports a window at a time, until it fails, breaks off or is asked to stop.
    async fn continuous(&self, door: &Door<'_>) -> (Ended, Option<u32>) {
        let (began, started) = (Instant::now(), self.context.clock.now());
        let mut stages = StageTimes::default();
        match opened(door, &mut stages, &self.cancel).await {
            Ok(mut playing) => {
                let mut kept = Kept { started, began, stages, frames_for: Duration::ZERO, kbps: None };
                let halt = self.keep(&mut playing, &mut kept, door).await;
                let is_good_until_now = matches!(halt, Halt::BrokeOff { .. }) && !kept.frames_for.is_zero();
                let outcome = outcome_of(halt, playing);
                door.host.await_teardown().await;
                let Kept { started, began, stages, frames_for, kbps } = kept;
                if is_good_until_now && !self.cancel.is_cancelled() {
                    // A camera that does not answer keepalives is dropped by the library every minute while its
                    // pictures are good, and a camera that died refuses the next connect: that one decides.
                    return (Ended::BrokeOff { frames_for }, kbps);
                }
                let sight = Sight { started, ended: self.context.clock.now(), stages, outcome };
                (self.conclude(sight, began, door.host).await.0.after(frames_for), kbps)
            }
            Err(fault) => {
                let outcome = outcome_of_fault(fault);
                let sight = Sight { started, ended: self.context.clock.now(), stages, outcome };
                self.conclude(sight, began, door.host).await
            }
        }
    }

    /// Reports one full window after the other.
    async fn keep(&self, playing: &mut Playing, kept: &mut Kept, door: &Door<'_>) -> Halt {
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
            let measured = playing.cut();
            kept.frames_for = kept.frames_for.saturating_add(measured.window);
            kept.kbps = Some(kbps_of(&measured));
            let began = std::mem::replace(&mut kept.began, Instant::now());
            let started = std::mem::replace(&mut kept.started, clock.now());
            let stages = std::mem::take(&mut kept.stages);
            if !self.context.stalls.touches(began) {
                let outcome = Outcome::Video(measured);
                self.report(Sight { started, ended: kept.started, stages, outcome }).await;
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
        let now = self.context.clock.now();
        let outcome = Outcome::NotLooked(cause);
        self.report(Sight { started: now, ended: now, stages: StageTimes::default(), outcome }).await;
    }

    async fn report(&self, sight: Sight) {
        let Sight { started, ended, stages, outcome } = sight;
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
        if self.context.findings.send(Finding::Look(Box::new(observation))).await.is_err() {
            tracing::debug!(point.id = %self.target.point, "the tracker is gone; a look at {} is dropped", self.target.point);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_name_however_it_is_written() {
        let check = |stream: &str, expected: &str| {
            assert_eq!(*host_name(&stream.parse().unwrap()), *expected, "{stream}");
        };
        check("rtsp://NVR.Village.Local/1", "nvr.village.local:554");
        check("rtsp://nvr.village.local:554/2", "nvr.village.local:554");
        check("rtsp://10.0.0.1:8554/1", "10.0.0.1:8554");
        check("rtsp://[FE80::1]/1", "[fe80::1]:554");
    }
}
