//! One decoder process as its parent sees it.

use crate::child;
use crate::domain::decode::{DecodeFailure, DecodedPicture, Polygon};
use crate::domain::key_frame::KeyFrame;
use crate::picture::protocol::{Hello, LARGEST_REPLY, Reply, Request, StillRequest, frame_of, length_of};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

/// Longest time from the start of a process to its word that it is ready: it loads and builds everything in 0.1 s on an
/// idle machine.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no decoder.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process cannot be started.
    #[error("run {} decode", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says that it cannot serve.
    #[error("the decoder cannot serve: {0}")]
    Refused(String),
    /// It ended, said something else, or nothing in time.
    #[error("the decoder did not become ready")]
    NotReady,
}

/// What is asked of a decoder.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The key frame.
    pub frame: KeyFrame,
    /// Greatest width of the still that shall come with the picture; `None` for none.
    pub still_width: Option<u16>,
    /// What must not be seen on it.
    pub masks: Vec<Polygon>,
}

/// What became of the process over one frame.
#[derive(Debug)]
pub enum Breakdown {
    /// It is as it was.
    None,
    /// It ended as it said it would: its time was up.
    Retired,
    /// It is dead.
    Dead,
}

/// A running decoder process; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
    sequence: u32,
}

impl Worker {
    /// Starts `program decode` and waits until it is confined and ready.
    pub async fn start(program: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::Run { program: program.to_owned(), source };
        let mut process = child::command(program, "decode").kill_on_drop(true).spawn().map_err(failed)?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(StartError::NotReady);
        };
        let mut worker = Self { process, input, output, sequence: 0 };
        match timeout(START_DEADLINE, worker.read(Hello::LARGEST)).await {
            Ok(Ok(body)) => match Hello::read(&body) {
                Some(Hello::Ready) => Ok(worker),
                Some(Hello::Failed(reason)) => Err(StartError::Refused(reason)),
                None => Err(StartError::NotReady),
            },
            Ok(Err(_)) | Err(_) => Err(StartError::NotReady),
        }
    }

    /// Process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Has a frame decoded within `deadline`. A process that dies, is late or answers nonsense is killed.
    pub async fn decode(
        &mut self,
        ask: &Ask,
        deadline: Duration,
    ) -> (Result<Box<DecodedPicture>, DecodeFailure>, Breakdown) {
        self.sequence = self.sequence.wrapping_add(1);
        let outcome = match timeout(deadline, self.exchange(ask)).await {
            Ok(Ok(reply)) if reply.is_last => return (reply.outcome, Breakdown::Retired),
            Ok(Ok(reply)) => return (reply.outcome, Breakdown::None),
            Ok(Err(failure)) => failure,
            Err(_elapsed) => DecodeFailure::Hung,
        };
        // Whether it could be killed or was dead already, it is waited for, so that no zombie is left.
        let _gone = self.process.kill().await;
        (Err(outcome), Breakdown::Dead)
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Reply, DecodeFailure> {
        let still = ask.still_width.map(|width| StillRequest { width, masks: ask.masks.clone() });
        let KeyFrame { codec, bytes, .. } = &ask.frame;
        let request = Request { sequence: self.sequence, codec: *codec, still, frame: bytes };
        let frame = frame_of(&request.body());
        self.input.write_all(&frame).await.map_err(|error| failure_of(&error))?;
        let body = self.read(LARGEST_REPLY).await.map_err(|error| failure_of(&error))?;
        let reply = Reply::read(&body).ok_or(DecodeFailure::Garbled)?;
        Some(reply).filter(|reply| reply.sequence == self.sequence).ok_or(DecodeFailure::Garbled)
    }

    async fn read(&mut self, largest: usize) -> io::Result<Vec<u8>> {
        let mut header = [0; 4];
        self.output.read_exact(&mut header).await?;
        let length = length_of(header, largest).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).await?;
        Ok(body)
    }

    /// Ends the process.
    pub async fn stop(mut self) {
        let _gone = self.process.kill().await;
    }
}

/// A closed pipe is a dead process.
fn failure_of(error: &io::Error) -> DecodeFailure {
    if error.kind() == io::ErrorKind::InvalidData { DecodeFailure::Garbled } else { DecodeFailure::Crashed }
}
