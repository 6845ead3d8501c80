//! Debian's Alertmanager.

use anyhow::ensure;
use serde_json::Value;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running Alertmanager; it ends when it is dropped.
pub(crate) struct Alertmanager {
    pub(crate) port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let settings = folder.path().join("alertmanager.yml");
        std::fs::write(&settings, "route: {receiver: none}\nreceivers: [{name: none}]\n")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new("prometheus-alertmanager")
            .args(["--cluster.listen-address=", "--log.level=error"])
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .stdout(Stdio::null())
            .spawn()?;
        let alertmanager = Self { port, process, _folder: folder };
        let began = Instant::now();
        while ureq::get(format!("http://127.0.0.1:{port}/-/ready")).call().is_err() {
            ensure!(began.elapsed() < START_DEADLINE, "Alertmanager did not come up");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(alertmanager)
    }

    /// How many alerts burn.
    pub(crate) fn alerts(&self) -> anyhow::Result<usize> {
        let mut answer = ureq::get(format!("http://127.0.0.1:{}/api/v2/alerts", self.port)).call()?;
        let alerts: Value = answer.body_mut().with_config().limit(u64::MAX).read_json()?;
        Ok(alerts.as_array().map_or(0, Vec::len))
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}
