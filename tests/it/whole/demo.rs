//! `sharpeyes demo` as a person runs it: one command at a terminal, ended by Ctrl-C.

use crate::support::process::{Process, eventually, free_port};
use crate::support::service::{agent, sharpeyes};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

/// From the command to the console; the clips may have to be encoded.
const START: Duration = Duration::from_secs(600);
/// From Ctrl-C to the end: the service's 10 s, then the fleet's.
const STOP: Duration = Duration::from_secs(20);

/// A demo in a process group of its own, as a terminal's foreground job.
struct Demo {
    process: Process,
    listen: String,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start(rtsp_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The clips of the other tests: only the first of all encodes them.
        let clips = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/clips"));
        std::fs::create_dir_all(clips).unwrap();
        std::fs::create_dir_all(folder.path().join("simulator")).unwrap();
        std::os::unix::fs::symlink(clips, folder.path().join("simulator/clips")).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = sharpeyes();
        command.arg("demo").arg("--dir").arg(folder.path()).args(["--listen", &listen]);
        command.args(["--port", &rtsp_port.to_string()]).process_group(0);
        Self { process: Process::start(&mut command), listen, _folder: folder }
    }

    fn fleet(&self) -> u32 {
        eventually(START, "the fleet is a child", || self.process.children().first().copied())
    }

    /// Ctrl-C; gives what was said.
    fn interrupt(mut self) -> String {
        let fleet = self.fleet();
        self.process.signal_group("INT");
        let status = self.process.wait(STOP);
        let said = self.process.output();
        assert!(status.success(), "{status}:\n{said}");
        eventually(STOP, "no child is left", || (!is_running(fleet)).then_some(()));
        said
    }
}

/// A zombie, whose parent has ended without asking for it, no longer runs.
fn is_running(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

#[test]
fn ctrl_c_ends_the_demo_and_its_fleet() {
    let mut demo = Demo::start(23_554);
    demo.process.wait_for_line("sharpeyes listens on", START);
    let metrics = format!("http://{}/metrics", demo.listen);
    eventually(START, "pictures arrive", || {
        let text = agent().get(&metrics).call().unwrap().body_mut().read_to_string().unwrap();
        text.lines().any(|line| line.starts_with("sharpeyes_point_up{") && line.ends_with(" 1")).then_some(())
    });
    let said = demo.interrupt();
    assert!(!said.contains("ended by itself") && !said.contains("did not stop in time"), "{said}");
}

#[test]
fn ctrl_c_ends_the_demo_while_the_fleet_still_starts() {
    let mut demo = Demo::start(24_554);
    demo.process.wait_for_line("Starting the simulated fleet", START);
    demo.interrupt();
}

#[test]
fn a_fleet_that_dies_ends_the_demo_and_is_named() {
    let mut demo = Demo::start(25_554);
    demo.process.wait_for_line("sharpeyes listens on", START);
    let killed = std::process::Command::new("kill").args(["-KILL", &demo.fleet().to_string()]).status();
    assert!(killed.unwrap().success());
    demo.process.wait_for_line("the simulated fleet ended by itself", STOP);
    let status = demo.process.wait(STOP);
    assert_eq!(status.code(), Some(2), "{}", demo.process.output());
}
