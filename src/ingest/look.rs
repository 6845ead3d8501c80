//! One look at a stream: on the way that is known, and on others where the failure names them.

use crate::clock::Clock;
use crate::config::Deadlines;
use crate::domain::budget::HostName;
use crate::domain::key_frame::StreamRole;
use crate::domain::point::StreamUrl;
use crate::domain::{
    Cause, Failure, Outcome, PointClass, PointCode, Stage, StageTimes, Timestamp, Transport, Trust,
};
use crate::ingest::credential::{Credential, Holds};
use crate::ingest::host::Host;
use crate::ingest::playing::{Halt, Playing};
use crate::ingest::pull::Puller;
use crate::ingest::session::{Door, Fault, Logins};
use crate::ingest::tap::{PointTap, Tap};
use crate::ingest::transport::{Note, Ways};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many ways are tried in one look after the first one.
pub(super) const MORE_WAYS: u8 = 2;
/// Before the next way is tried: a device that is asked while it still clears away the try before says that it is busy.
const BREATH: Duration = Duration::from_millis(300);

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
    /// By what it was pulled.
    pub transport: Transport,
    /// What a person should know of that.
    pub note: Option<Note>,
}

impl Sight {
    pub(super) const fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Video(_) | Outcome::Answered(_) | Outcome::NotLooked(_) => None,
        }
    }
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
    /// Where its key frames go, and under whose code.
    pub pictures: Option<(&'a Tap, PointCode)>,
    /// Whom a TLS connection may lead to.
    pub trust: Trust,
    /// What pulls on the ways that retina cannot go.
    pub puller: Option<&'a Puller>,
}

/// The name under which the sessions to a stream's device are counted. Names of hosts have no case: two spellings must not
/// be two devices, each with sessions and logins of its own.
pub fn host_name(stream: &StreamUrl) -> HostName {
    HostName::from(format!("{}:{}", stream.host().to_ascii_lowercase(), stream.port()))
}

/// Looks once at a stream, outside any schedule: for the technician's `probe`. The TEARDOWN is awaited.
pub async fn look_once(request: &LookRequest<'_>, clock: &Clock, cancel: &CancellationToken) -> Sight {
    let (host, holds) = (Arc::new(Host::new(&host_name(request.stream))), Holds::default());
    let LookRequest { stream, credential, deadlines, window, pictures, ref trust, puller } = *request;
    let tap = pictures.map(|(tap, point)| PointTap {
        tap: tap.clone(),
        point,
        stream: StreamRole::Watched,
        class: PointClass::Other,
    });
    let mut ways = Ways::default();
    let mut door = Door {
        stream,
        credential,
        host: &host,
        deadlines,
        holds: &holds,
        logins: Logins::Twice,
        transport: way_to(stream, ways.first()),
        trust,
        puller,
        tap,
    };
    sight_by(&mut door, &mut ways, window, clock, cancel).await
}

/// The way to a stream: what is encrypted leaves no choice.
pub(super) fn way_to(stream: &StreamUrl, choice: Transport) -> Transport {
    if stream.is_encrypted() { Transport::Tls } else { choice }
}

/// Looks on the way that the door names, and on others where the failure names them.
pub(super) async fn sight_by(
    door: &mut Door<'_>,
    ways: &mut Ways,
    window: Duration,
    clock: &Clock,
    cancel: &CancellationToken,
) -> Sight {
    let mut sight = Box::pin(sight_of(door, window, clock, cancel)).await;
    let mut next = next_after(ways, &sight);
    let (instead, mut last) = (next.filter(|_| sight.failure().is_some()), None);
    for _ in 0..MORE_WAYS {
        let Some(way) = after_breath(next, cancel).await else { break };
        door.transport = way;
        let other = Box::pin(sight_of(door, window, clock, cancel)).await;
        next = next_after(ways, &other);
        last = other.failure().cloned();
        sight = further(sight, other);
    }
    ways.failed_instead(instead, last.as_ref());
    taught(ways, sight)
}

/// The way to try after what one came to.
pub(super) fn next_after(ways: &mut Ways, sight: &Sight) -> Option<Transport> {
    ways.came_to(sight.transport, &sight.outcome, sight.note.as_ref())
}

/// The next way, once the device had its breath; none when there is no time left for it.
pub(super) async fn after_breath(next: Option<Transport>, cancel: &CancellationToken) -> Option<Transport> {
    let next = next?;
    cancel.run_until_cancelled(tokio::time::sleep(BREATH)).await.map(|()| next)
}

/// Notes what a sight teaches about its way, and gives what it comes to.
pub(super) fn taught(ways: &mut Ways, sight: Sight) -> Sight {
    if let Outcome::Video(_) = &sight.outcome {
        ways.served(sight.transport);
    }
    // A description says nothing about the way that pictures take.
    if !matches!(sight.outcome, Outcome::Answered(_)) {
        ways.set_note(sight.note.clone());
    }
    judged(ways, sight)
}

pub(super) fn judged(ways: &mut Ways, sight: Sight) -> Sight {
    let outcome = ways.judged(sight.transport, sight.outcome, sight.note.as_ref());
    Sight { outcome, ..sight }
}

/// Which of two sights tells more: the one that came further, though the look began with the first. A way that cannot be gone
/// here tells nothing about the device, and nor does a way that was gone only because no puller was free.
pub(super) fn further(first: Sight, second: Sight) -> Sight {
    let came_further = match (&first.outcome, &second.outcome) {
        (Outcome::Failed(first), Outcome::Failed(second)) => second.stage > first.stage,
        (_, Outcome::NotLooked(Cause::NotWatchable)) => false,
        (Outcome::NotLooked(Cause::Backlog), Outcome::Failed(_)) => false,
        (_, Outcome::Video(_) | Outcome::Answered(_) | Outcome::Failed(_) | Outcome::NotLooked(_)) => true,
    };
    let started = first.started;
    let note = second.note.clone().or_else(|| first.note.clone());
    let sight = if came_further { Sight { started, ..second } } else { first };
    let note = note.filter(|_| !matches!(sight.outcome, Outcome::Video(_)));
    Sight { note, ..sight }
}

/// Opens a session, measures one window and closes the session.
async fn sight_of(door: &Door<'_>, window: Duration, clock: &Clock, cancel: &CancellationToken) -> Sight {
    let started = clock.now();
    let mut stages = StageTimes::default();
    let (outcome, note) = match opened(door, &mut stages, cancel).await {
        Ok(mut playing) => {
            let halt = playing.watch(window, clock, cancel).await;
            note_times(&mut stages, &playing);
            outcome_of(halt, playing)
        }
        Err(fault) => outcome_of_fault(fault),
    };
    let ended = clock.now();
    door.host.await_teardown().await;
    Sight { started, ended, stages, outcome, transport: door.transport, note }
}

/// A cancelled opening leaves a session behind only if SETUP was answered, and then its drop sends the TEARDOWN.
pub(super) async fn opened(
    door: &Door<'_>,
    stages: &mut StageTimes,
    cancel: &CancellationToken,
) -> Result<Playing, Fault> {
    match cancel.run_until_cancelled(door.play(stages)).await {
        Some(opened) => opened,
        None => Err(Fault::Ourselves),
    }
}

pub(super) fn note_times(stages: &mut StageTimes, playing: &Playing) {
    for (stage, took) in playing.stage_times() {
        if let Some(took) = took {
            stages.set(stage, took);
        }
    }
}

/// Ends a session: with its TEARDOWN, unless it floods us. What came of it, and what a person should know of its way.
pub(super) fn outcome_of(halt: Halt, mut playing: Playing) -> (Outcome, Option<Note>) {
    let (stage, cause, is_flooded) = match halt {
        Halt::WindowFull => return (Outcome::Video(playing.cut()), None),
        Halt::Stopped | Halt::StoodStill => return (Outcome::NotLooked(Cause::Backlog), None),
        Halt::PullerDied { stage } => return puller_died(stage),
        Halt::Overdue { stage, cause } | Halt::BrokeOff { stage, cause } => (stage, cause, false),
        Halt::Flooded { stage } => (stage, Cause::BadStream, true),
    };
    let measured = playing.measured();
    if is_flooded {
        playing.abandon();
    }
    (Outcome::Failed(Failure { stage, cause, status: None, measured }), None)
}

/// That says nothing about the device.
const fn puller_died(stage: Stage) -> (Outcome, Option<Note>) {
    (Outcome::NotLooked(Cause::Backlog), Some(Note::Died(stage)))
}

/// What a failed opening means, and what a person should know of its way.
pub(super) fn outcome_of_fault(fault: Fault) -> (Outcome, Option<Note>) {
    match fault {
        Fault::Device { stage, cause, status } => {
            (Outcome::Failed(Failure { stage, cause, status, measured: None }), None)
        }
        Fault::Ourselves => (Outcome::NotLooked(Cause::Backlog), None),
        Fault::Busy(sessions) => (Outcome::NotLooked(Cause::Backlog), Some(Note::Busy(sessions))),
        Fault::PullerDied { stage } => puller_died(stage),
        Fault::Distrusted(shown) => {
            let (stage, cause) = (Stage::Tls, Cause::TlsFailed);
            let failure = Failure { stage, cause, status: None, measured: None };
            (Outcome::Failed(failure), Some(Note::Distrusted(shown)))
        }
        Fault::Unavailable(reason) => {
            (Outcome::NotLooked(Cause::NotWatchable), Some(Note::Unavailable(reason)))
        }
    }
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
