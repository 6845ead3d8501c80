//! The service as a process of its own, driven over HTTP and signals like a user does.

use crate::support::process::{Process, free_port};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long the service may take to answer after its start.
const START: Duration = Duration::from_secs(20);

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) process: Process,
    port: u16,
}

impl Service {
    /// Starts `sharpeyes serve` with `settings` (TOML, `@LISTEN@` where the address goes), on a free port.
    #[track_caller]
    pub(crate) fn start(folder: &Path, settings: &str) -> Self {
        Self::start_at(folder, settings, free_port())
    }

    /// The same on a port that others know already.
    #[track_caller]
    pub(crate) fn start_at(folder: &Path, settings: &str, port: u16) -> Self {
        let mut command = Self::command_at(folder, settings, port);
        let mut process = Process::start(&mut command);
        process.wait_for_line("sharpeyes listens on", START);
        Self { process, port }
    }

    /// The command that [`Service::start`] runs, and its port.
    pub(crate) fn command(folder: &Path, settings: &str) -> (Command, u16) {
        let port = free_port();
        (Self::command_at(folder, settings, port), port)
    }

    fn command_at(folder: &Path, settings: &str, port: u16) -> Command {
        let file = folder.join("sharpeyes.toml");
        std::fs::write(&file, settings.replace("@LISTEN@", &format!("127.0.0.1:{port}"))).unwrap();
        let mut command = sharpeyes();
        command.arg("serve").arg("--config").arg(&file);
        command
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The JSON body of a GET that must succeed.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Value {
        let mut response = agent().get(self.url(path)).call().unwrap();
        let status = response.status();
        let body = response.body_mut().read_to_string().unwrap();
        assert!(status.is_success(), "{path}: {status}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Every item of a paged list.
    #[track_caller]
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.json(&format!("{path}{separator}limit=500{next}"));
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(after) => next = format!("&after={after}"),
                None => return items,
            }
        }
    }
}

/// The command under test.
pub(crate) fn sharpeyes() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sharpeyes"))
}

/// An HTTP client that treats every status as an answer and never waits for ever.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}
