//! What the one who started the service (systemd) is told of it: that it is ready, how it is, that it lives, that it stops.
//!
//! The words are those of sd_notify(3), a datagram each, to the socket that the environment names. Where there is none nobody
//! is told and all else is the same.

use crate::app::pulse::Signs;
use crate::config::environment;
use crate::telemetry;
use anyhow::{Context, bail};
use std::convert::Infallible;
use std::io;
use std::net;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often the workers are looked at where nobody asked for beats.
const USUAL_PERIOD: Duration = Duration::from_secs(30);
/// The shortest period between two beats, whatever was asked for.
const SHORTEST_PERIOD: Duration = Duration::from_millis(50);
/// Longest wait for room in the socket; systemd reads it at once.
const SEND_DEADLINE: Duration = Duration::from_millis(100);

/// Where the one who started the service listens, and how often a beat is wanted.
#[derive(Debug)]
pub(super) struct Supervisor {
    socket: Option<SocketAddr>,
    period: Duration,
}

impl Supervisor {
    pub(super) fn of_environment() -> anyhow::Result<Self> {
        let socket = environment("NOTIFY_SOCKET").map(|name| address(&name)).transpose()?;
        let is_asked = environment("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
        let watchdog = environment("WATCHDOG_USEC").filter(|_usec| is_asked);
        let period = watchdog.map_or(Ok(USUAL_PERIOD), |usec| half_of(&usec))?;
        Ok(Self { socket, period })
    }

    /// The service starts, which may take as long as the database is away.
    pub(super) fn starting(&self) {
        self.tell("STATUS=opens the database");
    }

    /// The service listens.
    pub(super) fn ready(&self, address: net::SocketAddr) {
        self.tell(&format!("READY=1\nSTATUS=listens on http://{address}"));
    }

    /// The service begins to stop.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ends the sessions");
    }

    /// Gives a beat at each half of the time after which one is missed, but only while every worker lives: who hangs is
    /// restarted. Dropping the future loses nothing.
    pub(super) async fn keep_alive(&self, mut signs: Signs) -> Infallible {
        let mut beats = interval_at(Instant::now() + self.period, self.period);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let _instant = beats.tick().await;
            self.beat(&mut signs, Instant::now());
        }
    }

    fn beat(&self, signs: &mut Signs, now: Instant) {
        if let Some(worker) = signs.standing_still(now) {
            telemetry::worker_stands_still(worker);
            self.tell(&format!("STATUS=stands still: {}", worker.as_str()));
        } else {
            self.tell(&format!("WATCHDOG=1\nSTATUS={}", signs.words()));
        }
    }

    fn tell(&self, message: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| send(socket, message)) {
            telemetry::supervisor_not_told(&error);
        }
    }
}

/// An abstract name begins with `@`, a path with `/`.
fn address(name: &str) -> anyhow::Result<SocketAddr> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        None => bail!("NOTIFY_SOCKET={name} is neither a path nor an abstract name"),
    };
    address.with_context(|| format!("NOTIFY_SOCKET={name}"))
}

fn half_of(usec: &str) -> anyhow::Result<Duration> {
    let usec: u64 = usec.parse().with_context(|| format!("WATCHDOG_USEC={usec}"))?;
    Ok(Duration::from_micros(usec / 2).max(SHORTEST_PERIOD))
}

fn send(socket: &SocketAddr, message: &str) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    datagram.set_write_timeout(Some(SEND_DEADLINE))?;
    datagram.send_to_addr(message.as_bytes(), socket).map(|_sent_bytes| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::snapshot::Snapshot;
    use crate::ingest::SchedulerStatus;
    use crate::store::WriterStatus;
    use std::sync::Arc;
    use tokio::sync::watch;

    #[test]
    fn a_socket_is_a_path_or_an_abstract_name() {
        assert_eq!(address("/run/notify").unwrap().as_pathname(), Some("/run/notify".as_ref()));
        assert_eq!(address("@notify").unwrap().as_abstract_name(), Some(b"notify".as_slice()));
        assert!(address("vsock:2:1234").is_err());
    }

    #[test]
    fn a_beat_is_given_at_half_of_the_time() {
        assert_eq!(half_of("60000000").unwrap(), Duration::from_secs(30));
        assert_eq!(half_of("1").unwrap(), SHORTEST_PERIOD);
        assert!(half_of("soon").is_err());
    }

    #[test]
    fn no_beat_is_given_while_the_tracker_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let socket = Some(address(path.to_str().unwrap()).unwrap());
        let supervisor = Supervisor { socket, period: USUAL_PERIOD };
        let tracker = watch::Sender::<Arc<Snapshot>>::default();
        let scheduler = watch::Sender::<SchedulerStatus>::default();
        let writer = watch::Sender::<WriterStatus>::default();
        let mut signs = Signs::new(tracker.subscribe(), scheduler.subscribe(), writer.subscribe());
        let began = Instant::now();
        let mut check = |seconds, tracker_lives: bool, expected: &str| {
            if tracker_lives {
                tracker.send_modify(|_same| ());
            }
            scheduler.send_modify(|_same| ());
            writer.send_modify(|_same| ());
            supervisor.beat(&mut signs, began + Duration::from_secs(seconds));
            let mut message = [0; 256];
            let length = listener.recv(&mut message).unwrap();
            assert_eq!(String::from_utf8_lossy(&message[..length]), expected, "after {seconds} s");
        };
        check(30, true, "WATCHDOG=1\nSTATUS=watches 0 points");
        check(59, false, "WATCHDOG=1\nSTATUS=watches 0 points");
        check(60, false, "STATUS=stands still: tracker");
        check(90, false, "STATUS=stands still: tracker");
        check(120, true, "WATCHDOG=1\nSTATUS=watches 0 points");
    }
}
