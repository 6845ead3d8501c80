//! The tolerant puller: sessions that GStreamer's `rtspsrc` holds, each in a process of its own.
//!
//! It goes where retina cannot: TLS, UDP with packets in disorder, descriptions that retina does not read, devices that do not answer
//! keepalives (`docs/adr/0011`). A process that dies, hangs or talks nonsense costs its session; the pipes are read with the
//! bounds of `protocol`. Leaving a session closes the process's input, which has it send the TEARDOWN and end.

mod anchor;
pub mod child;
mod protocol;
mod source;

use crate::child::command;
use crate::domain::{Transport, Trust};
use crate::ingest::credential::Credential;
use crate::ingest::host::Host;
use crate::ingest::options::USER_AGENT;
use crate::telemetry;
use bytes::BytesMut;
use protocol::{Carrier, LoginWords, Request, TrustWords};
pub(super) use protocol::{Description, Frame, Goal, Word};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Longest time from the start of a process to its word that it is ready; 0.1 s on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// Longest wait for one of the sessions that are allowed.
const TURN_DEADLINE: Duration = Duration::from_secs(10);

/// How long a process that was told to end may take; it ends by itself before.
const LEAVE_DEADLINE: Duration = Duration::from_secs(3);

const _: () = assert!(child::LEAVE_DEADLINE.as_millis() < LEAVE_DEADLINE.as_millis());

/// What was read of a puller and not yet taken: more than a frame, so that one read serves many packets.
const READ_AHEAD: usize = 64 * 1024;

/// Starts pullers.
#[derive(Clone, Debug)]
pub struct Puller {
    program: PathBuf,
    authorities: Option<PathBuf>,
    sessions: usize,
    turns: Arc<Semaphore>,
}

/// What is pulled.
#[derive(Clone, Copy)]
pub(super) struct Errand<'a> {
    /// The stream, without user and password.
    pub(super) address: &'a str,
    pub(super) credential: Option<&'a Credential>,
    pub(super) transport: Transport,
    pub(super) trust: &'a Trust,
    pub(super) goal: Goal,
}

/// Why there is no puller.
#[derive(Debug)]
pub(super) enum NoPuller {
    /// It cannot pull on this machine: the reason, for people.
    Unavailable(String),
    /// All of so many are at work.
    Busy(usize),
    /// We ourselves are too slow.
    Late,
}

/// A puller that died, or was given up for its nonsense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl Puller {
    /// Starts `program pull`, at most `sessions` at once; `authorities` is a file with the certificates of those who vouch for
    /// devices, those of the system when there is none.
    pub fn new(program: PathBuf, authorities: Option<PathBuf>, sessions: usize) -> Self {
        // A puller runs in another folder than we do.
        let authorities = authorities.map(|file| std::path::absolute(&file).unwrap_or(file));
        Self { program, authorities, sessions, turns: Arc::new(Semaphore::new(sessions)) }
    }

    /// Starts a puller on its errand. `host` is told of its end.
    pub(super) async fn start(&self, errand: &Errand<'_>, host: &Arc<Host>) -> Result<Pull, NoPuller> {
        let turn = timeout(TURN_DEADLINE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.ok().and_then(Result::ok).ok_or(NoPuller::Busy(self.sessions))?;
        let mut pull = self.spawn(host, turn)?;
        let request = protocol::words(&self.request(errand)).ok_or(NoPuller::Late)?;
        let told = async {
            pull.tell(&request).await?;
            pull.next().await
        };
        match timeout(START_DEADLINE, told).await {
            Ok(Ok(Frame::Word(Word::Ready))) => Ok(pull),
            Ok(Ok(Frame::Word(Word::Unavailable(reason)))) => Err(NoPuller::Unavailable(reason)),
            Ok(Ok(_) | Err(Gone)) => Err(NoPuller::Unavailable("the puller died as it began".to_owned())),
            Err(_elapsed) => Err(NoPuller::Late),
        }
    }

    fn spawn(&self, host: &Arc<Host>, turn: OwnedSemaphorePermit) -> Result<Pull, NoPuller> {
        let spawned = command(&self.program, "pull").envs(child::ENVIRONMENT).spawn();
        let mut process = spawned.map_err(|error| {
            NoPuller::Unavailable(format!("cannot start {}: {error}", self.program.display()))
        })?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let received = BytesMut::with_capacity(READ_AHEAD);
        Ok(Pull { running: Some(Running { process, pipes, turn }), received, host: Arc::clone(host) })
    }

    fn request(&self, errand: &Errand<'_>) -> Request {
        Request {
            address: errand.address.to_owned(),
            login: errand.credential.map(|credential| LoginWords {
                user: credential.username.clone(),
                password: credential.password.expose_secret().to_owned(),
            }),
            carrier: match errand.transport {
                Transport::Udp | Transport::UdpAddressed => Carrier::Udp,
                Transport::Plain | Transport::Tolerant | Transport::Tls => Carrier::Tcp,
            },
            trust: match errand.trust {
                Trust::Authority => TrustWords::Authority(self.authorities.clone()),
                Trust::Pinned(fingerprint) => TrustWords::Pinned(fingerprint.0),
                Trust::Anybody => TrustWords::Anybody,
            },
            goal: errand.goal,
            user_agent: USER_AGENT.to_owned(),
        }
    }
}

/// A running puller. Dropping it has it end its session, with the TEARDOWN, and then itself.
#[derive(Debug)]
pub(super) struct Pull {
    running: Option<Running>,
    received: BytesMut,
    host: Arc<Host>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    pipes: Option<(ChildStdin, ChildStdout)>,
    turn: OwnedSemaphorePermit,
}

impl Pull {
    async fn tell(&mut self, request: &[u8]) -> Result<(), Gone> {
        let (input, _) = self.pipes()?;
        input.write_all(request).await.map_err(|_closed| Gone)
    }

    /// The next frame; not to be asked for after the word that the session failed. Dropping the future loses nothing: what
    /// was read stays here.
    pub(super) async fn next(&mut self) -> Result<Frame, Gone> {
        let frame = self.read().await;
        if frame.is_err() {
            telemetry::puller_died(self.host.name());
        }
        frame
    }

    async fn read(&mut self) -> Result<Frame, Gone> {
        loop {
            match protocol::take_frame(&mut self.received) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, host = self.host.name(), "a puller is given up: {error}");
                    return Err(Gone);
                }
            }
            self.received.reserve(READ_AHEAD);
            let (running, received) = (&mut self.running, &mut self.received);
            let Some((_, output)) = running.as_mut().and_then(|running| running.pipes.as_mut()) else {
                return Err(Gone);
            };
            if output.read_buf(received).await.map_err(|_closed| Gone)? == 0 {
                return Err(Gone);
            }
        }
    }

    fn pipes(&mut self) -> Result<&mut (ChildStdin, ChildStdout), Gone> {
        self.running.as_mut().and_then(|running| running.pipes.as_mut()).ok_or(Gone)
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        // Without a runtime we are ending, and so does the process, whose input is closed with this.
        if let (Some(running), Ok(_)) = (self.running.take(), Handle::try_current()) {
            self.host.leaving().spawn(running.leave());
        }
    }
}

impl Running {
    /// Closes the pipes and waits for the end of the process; one that is late is killed.
    async fn leave(self) {
        let Self { mut process, pipes, turn } = self;
        drop(pipes);
        if timeout(LEAVE_DEADLINE, process.wait()).await.is_err() {
            tracing::warn!(
                "a puller did not end by itself and is killed; its RTSP session may be left behind"
            );
            let _gone = process.kill().await;
        }
        drop(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_puller_finds_the_authorities_from_wherever_it_runs() {
        let puller = Puller::new("sharpeyes".into(), Some("authorities.pem".into()), 1);
        let here = std::env::current_dir().unwrap().join("authorities.pem");
        assert_eq!(puller.authorities, Some(here));
    }
}
