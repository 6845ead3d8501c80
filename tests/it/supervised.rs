//! The service under a supervisor that listens as systemd does, and asked from outside whether it lives.

use crate::support::postgres::Server;
use crate::support::process::{Process, eventually, free_port};
use crate::support::service::{Service, sharpeyes};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest time for anything here.
const PATIENCE: Duration = Duration::from_secs(60);
/// A beat is asked for every half of this.
const WATCHDOG: Duration = Duration::from_secs(2);

fn settings(folder: &Path, url: &str) -> String {
    format!(
        "[server]\nlisten = \"@LISTEN@\"\n[store]\nurl = \"{url}\"\nheartbeat_interval_seconds = 1\n[picture]\ndecoders = 0\n\
        [credentials]\nkey_file = \"{}\"\n",
        folder.join("camera.key").display()
    )
}

fn lite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("sharpeyes.db").display())
}

/// A supervisor, and the service that it has started.
struct Supervised {
    socket: UnixDatagram,
    process: Process,
}

impl Supervised {
    fn start(folder: &Path, url: &str, socket: UnixDatagram, name: impl AsRef<OsStr>) -> Self {
        let (mut command, _port) = Service::command(folder, &settings(folder, url));
        command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        Self { socket, process: Process::start(&mut command) }
    }

    fn on_path(folder: &Path, url: &str) -> Self {
        let path = folder.join("notify");
        Self::start(folder, url, UnixDatagram::bind(&path).unwrap(), &path)
    }

    /// The next message; none within `time` when the service is silent.
    fn hear(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 512];
        let length = loop {
            // The end of a child of another test interrupts the wait.
            match self.socket.recv(&mut message) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                heard => break heard.ok()?,
            }
        };
        Some(String::from_utf8(message.get(..length).unwrap().to_vec()).unwrap())
    }

    /// Everything up to the first message that holds `words`.
    #[track_caller]
    fn hear_until(&self, words: &str) -> Vec<String> {
        let (end, mut heard) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let message = self.hear(left);
            assert!(message.is_some(), "no `{words}` in {heard:?}");
            heard.extend(message);
            if heard.last().is_some_and(|message| message.contains(words)) {
                return heard;
            }
        }
    }
}

#[test]
fn the_supervisor_is_told_that_it_is_ready_lives_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Supervised::on_path(folder.path(), &lite(folder.path()));
    let told = service.hear_until("READY=1");
    assert_eq!(told[0], "STATUS=opens the database");
    assert!(told.last().unwrap().starts_with("READY=1\nSTATUS=listens on http://127.0.0.1:"), "{told:?}");
    for _beat in 0..3 {
        assert_eq!(service.hear(WATCHDOG).as_deref(), Some("WATCHDOG=1\nSTATUS=watches 0 points"));
    }
    service.process.signal("TERM");
    let told = service.hear_until("STOPPING=1");
    assert_eq!(told.last().unwrap(), "STOPPING=1\nSTATUS=ends the sessions");
    assert!(service.process.wait(PATIENCE).success());
    assert_eq!(service.hear(Duration::from_millis(1)), None, "a beat after the end");
}

#[test]
fn a_process_that_stands_still_gives_no_beat() {
    let folder = tempfile::tempdir().unwrap();
    let service = Supervised::on_path(folder.path(), &lite(folder.path()));
    service.hear_until("WATCHDOG=1");
    service.process.signal("STOP");
    while service.hear(Duration::from_millis(50)).is_some() {}
    assert_eq!(service.hear(WATCHDOG * 2), None);
    service.process.signal("CONT");
    service.hear_until("WATCHDOG=1");
}

#[tokio::test]
async fn a_database_that_is_away_costs_no_beat() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start();
    let url = server.new_database().await;
    let service = Supervised::on_path(folder.path(), &url);
    service.hear_until("WATCHDOG=1");
    server.stop("INT");
    let told = service.hear_until("the database takes nothing");
    assert!(told.iter().all(|message| message.starts_with("WATCHDOG=1\n")), "{told:?}");
    server.restart();
    let back = service.hear_until("STATUS=watches 0 points");
    assert!(back.iter().all(|message| message.starts_with("WATCHDOG=1\n")), "{back:?}");
}

#[test]
fn a_start_that_waits_for_the_database_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("sharpeyes-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let url = format!("postgres://sharpeyes@127.0.0.1:{}/sharpeyes", free_port());
    let mut service = Supervised::start(folder.path(), &url, socket, format!("@{name}"));
    assert_eq!(service.hear(PATIENCE).as_deref(), Some("STATUS=opens the database"));
    service.process.wait_for_line("does not answer yet", PATIENCE);
    service.process.signal("TERM");
    assert_eq!(service.hear(PATIENCE).as_deref(), Some("STOPPING=1\nSTATUS=ends the sessions"));
    assert!(service.process.wait(PATIENCE).success());
}

#[test]
fn a_supervisor_that_cannot_be_reached_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut command, _port) =
        Service::command(folder.path(), &settings(folder.path(), &lite(folder.path())));
    let mut process = Process::start(command.env("NOTIFY_SOCKET", folder.path().join("nobody")));
    process.wait_for_line("the socket of NOTIFY_SOCKET takes no message", PATIENCE);
    process.wait_for_line("sharpeyes listens on", PATIENCE);
    process.signal("TERM");
    assert!(process.wait(PATIENCE).success());
}

#[test]
fn a_service_is_asked_whether_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let ask = || {
        let config = folder.path().join("sharpeyes.toml");
        sharpeyes().arg("alive").arg("--config").arg(config).output().unwrap()
    };
    let service = Service::start(folder.path(), &settings(folder.path(), &lite(folder.path())));
    let alive = eventually(PATIENCE, "it lives", || Some(ask()).filter(|answer| answer.status.success()));
    assert!(alive.stdout.starts_with(b"alive"), "{alive:?}");
    service.process.signal("STOP");
    let hung = ask();
    assert_eq!(hung.status.code(), Some(1), "{hung:?}");
    assert!(String::from_utf8_lossy(&hung.stderr).contains("read the answer: "), "{hung:?}");
    drop(service);
    let gone = ask();
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("connect: Connection refused"), "{gone:?}");
}
