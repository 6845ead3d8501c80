//! Child processes that do not outlive their test, and waiting for a condition with a deadline.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A child process: its output can be waited for, and it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    /// Starts `command` with both output streams gathered line by line.
    #[track_caller]
    pub(crate) fn start(command: &mut std::process::Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::sync_channel(65_536);
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            // Ends with the stream; lines past a full channel are dropped so that the child never blocks on us.
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _full_or_gone = sender.try_send(line);
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line holds `text` and returns the line.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, text: &str, deadline: Duration) -> String {
        let end = Instant::now() + deadline;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with `{text}` within {deadline:?}; it said:\n{}", self.said.join("\n"))
                }
            }
        }
    }

    /// Everything said so far.
    pub(crate) fn output(&mut self) -> String {
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }

    /// Sends a signal by name (`TERM`, `KILL`, `STOP`, `CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.unwrap().success(), "kill -{name} {}", self.id());
    }

    /// Sends a signal to every process of its group, as a terminal does; it must have been started as a leader.
    pub(crate) fn signal_group(&self, name: &str) {
        let group = format!("-{}", self.id());
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), "--", &group]).status();
        assert!(sent.unwrap().success(), "kill -{name} -- {group}");
    }

    /// Whether it has `file` open.
    pub(crate) fn has_open(&self, file: &Path) -> bool {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.id())).into_iter().flatten().flatten();
        open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|target| target == file)
    }

    /// The processes that it has started and that are not yet reaped.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn wait(&mut self, deadline: Duration) -> ExitStatus {
        eventually(deadline, "the process ends", || self.ended())
    }

    /// How the process ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Polls `condition` until it gives a value; fails the test at the deadline.
#[track_caller]
pub(crate) fn eventually<T>(deadline: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A TCP port of loopback that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The processes that a process has started and that are not yet reaped.
pub(crate) fn children_of(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}
