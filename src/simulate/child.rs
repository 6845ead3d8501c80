//! A simulator in a child process, for the demo, the tests and the benches: its CPU is measured apart, and it ends
//! with its parent however that ends, because it watches its standard input.

use crate::simulate::control::{self, AskError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Longest time to the first `ready`: the clips are encoded then: half a minute of two cores, three times that of a debug build.
const START_DEADLINE: Duration = Duration::from_secs(600);
/// Longest time from the order to end to the end.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The process cannot be started or watched.
    #[error("run {program} simulate")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended, or said nothing in time, before it was ready; its own words are on standard error.
    #[error("the simulator did not become ready")]
    NotReady,
}

/// What the child is started with.
#[derive(Clone, Debug)]
pub struct ChildOptions {
    /// The `sharpeyes` program, built with the `simulate` feature.
    pub program: PathBuf,
    /// Its work folder.
    pub folder: PathBuf,
    /// RTSP port of the fleet.
    pub port: u16,
    /// Further arguments of `sharpeyes simulate`.
    pub arguments: Vec<String>,
}

/// A running simulator; killed when dropped.
#[derive(Debug)]
pub struct Simulator {
    process: Child,
    /// The child ends when this does. It is kept apart from the process, whose `wait` would close it.
    stdin: Option<ChildStdin>,
    options: ChildOptions,
}

impl Simulator {
    /// Starts the child and waits until every address of the fleet answers.
    pub async fn start(options: ChildOptions) -> Result<Self, ChildError> {
        let failed = |source| ChildError::Run { program: options.program.clone(), source };
        let mut process = Command::new(&options.program)
            .arg("simulate")
            .arg("--attached")
            .arg("--dir")
            .arg(&options.folder)
            .args(["--port", &options.port.to_string()])
            .args(&options.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C at a terminal goes to the whole group of its processes: who watches the fleet ends first, with
            // TEARDOWN, and then ends the fleet.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let stdin = process.stdin.take();
        let said = process.stdout.take().ok_or(ChildError::NotReady)?;
        let first_line = async { BufReader::new(said).lines().next_line().await };
        match tokio::time::timeout(START_DEADLINE, first_line).await {
            Ok(Ok(Some(line))) if line.starts_with("ready") => Ok(Self { process, stdin, options }),
            Ok(Err(source)) => Err(failed(source)),
            Ok(Ok(_)) | Err(_) => Err(ChildError::NotReady),
        }
    }

    /// The inventory files that describe the fleet.
    pub fn inventory(&self) -> PathBuf {
        self.options.folder.join("inventory")
    }

    /// Its work folder.
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// RTSP port of the fleet.
    pub const fn port(&self) -> u16 {
        self.options.port
    }

    /// Process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Gives an order; returns the answer.
    pub async fn tell(&self, order: &str) -> Result<String, AskError> {
        control::ask(&self.options.folder, order).await
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus, ChildError> {
        let failed = |source| ChildError::Run { program: self.options.program.clone(), source };
        self.process.wait().await.map_err(failed)
    }

    /// Ends it by closing its standard input, or kills it when it does not end in time.
    pub async fn stop(mut self) -> Result<(), ChildError> {
        let failed = |source| ChildError::Run { program: self.options.program.clone(), source };
        drop(self.stdin.take());
        match tokio::time::timeout(STOP_DEADLINE, self.process.wait()).await {
            Ok(ended) => ended.map(|_status| ()).map_err(failed),
            Err(_late) => self.process.kill().await.map_err(failed),
        }
    }
}
