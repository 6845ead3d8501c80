//! The whole service on a simulated fleet: import, `sharpeyes serve`, and its cost seen from outside.

use anyhow::{Context, bail, ensure};
use sharpeyes::simulate::child::Simulator;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Longest time until every stream plays.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// The program under test.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_sharpeyes"))
}

/// A running `sharpeyes serve`.
pub(crate) struct Service {
    process: Child,
    folder: tempfile::TempDir,
    listen: SocketAddr,
}

/// What the settings say beyond the defaults.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) period_seconds: u32,
    pub(crate) patrol_window_seconds: f64,
    /// Decoders of pictures, each point's once a minute.
    pub(crate) decoders: u32,
}

impl Service {
    /// Imports the simulator's inventory into a new database and serves it.
    pub(crate) async fn start(simulator: &Simulator, pace: Pace) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = write_settings(folder.path(), listen, pace)?;
        let mut files = Vec::new();
        for file in std::fs::read_dir(simulator.inventory())? {
            files.push(file?.path());
        }
        let imported = Command::new(program())
            .args(["import", "--json", "--config"])
            .arg(&config)
            .args(files)
            .stdout(Stdio::null())
            .status()
            .await?;
        ensure!(imported.success(), "the import of the fleet failed");
        let process = Command::new(program())
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start the service")?;
        Ok(Self { process, folder, listen })
    }

    /// The sum of a family of its `/metrics`.
    pub(crate) async fn metric(&self, family: &'static str) -> anyhow::Result<f64> {
        let address = format!("http://{}/metrics", self.listen);
        let get = move || ureq::get(&address).call()?.into_body().read_to_string();
        let text = tokio::task::spawn_blocking(get).await??;
        let is_of = |line: &&str| line.split(['{', ' ']).next() == Some(family);
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        Ok(text.lines().filter(is_of).filter_map(value).sum())
    }

    /// Process id.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the service has ended")
    }

    /// Fails when it has ended by itself.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!("the service ended: {status}");
        }
        Ok(())
    }

    /// Ends it as systemd would; returns how long that took.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.id()?)?).context("no process id")?;
        let asked = Instant::now();
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        tokio::time::timeout(Duration::from_secs(30), self.process.wait())
            .await
            .context("the service does not end")??;
        self.folder.close()?;
        Ok(asked.elapsed())
    }
}

/// What the simulator counts.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(crate) struct Sessions {
    pub(crate) connections: u64,
    pub(crate) played: u64,
    pub(crate) abandoned: u64,
}

/// Asks the simulator for its sessions.
pub(crate) async fn sessions(simulator: &Simulator) -> anyhow::Result<Sessions> {
    Ok(serde_json::from_str(&simulator.tell("sessions").await?)?)
}

/// Waits until so many clients are connected; returns how many are when the time is over.
pub(crate) async fn wait_for_clients(simulator: &Simulator, count: usize) -> anyhow::Result<usize> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let connected = usize::try_from(sessions(simulator).await?.connections)?;
        if connected >= count || Instant::now() > deadline {
            return Ok(connected);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn write_settings(folder: &Path, listen: SocketAddr, pace: Pace) -> anyhow::Result<PathBuf> {
    let path = folder.join("sharpeyes.toml");
    let Pace { period_seconds, patrol_window_seconds, decoders } = pace;
    let settings = format!(
        "[server]\nlisten = \"{listen}\"\n\
         [store]\nurl = \"sqlite:{folder}/bench.db\"\n\
         [watch]\nperiod_seconds = {period_seconds}\nlight_period_seconds = 0\n\
         patrol_window_seconds = {patrol_window_seconds}\nopens_per_second = 200\nsessions_per_host = 8\n\
         [picture]\ndecoders = {decoders}\npublic_period_seconds = 60\ninner_period_seconds = 60\n\
         sky = \"day\"\nstills_folder = \"{folder}/stills\"\n\
         [metrics]\nrequire_token = false\n\
         [credentials]\nkey_file = \"{folder}/camera.key\"\n\
         [log]\nfilter = \"warn\"\n",
        folder = folder.display()
    );
    std::fs::write(&path, settings)?;
    Ok(path)
}
