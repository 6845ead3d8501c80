//! Floor 1: opens TCP connections with a deadline and says precisely why one could not be opened.
//!
//! Used by whoever looks at a device or a link. RTSP libraries hide this cause; it is what tells a dead camera from a
//! dead line, so we connect ourselves first.

use crate::domain::Cause;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Why a connection could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// The other side, or the way to it.
    Device(Cause),
    /// Ourselves: no file descriptor, port or memory left. Says nothing about the other side.
    Ourselves,
}

impl ConnectFault {
    /// Sorts a failed connect by its error code, never by its wording.
    pub fn of(error: &io::Error) -> Self {
        /// `ENOMEM`, `ENFILE`, `EMFILE`, `EADDRNOTAVAIL`, `ENOBUFS` of Linux.
        const OURS: [i32; 5] = [12, 23, 24, 99, 105];
        if error.raw_os_error().is_some_and(|code| OURS.contains(&code)) {
            return Self::Ourselves;
        }
        Self::Device(cause_of(error.kind()))
    }
}

/// Resolves `host` and connects to the first of its addresses that answers, all within `limit`.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, ConnectFault> {
    let deadline = Instant::now() + limit;
    let mut fault = ConnectFault::Device(Cause::NameNotResolved);
    for address in resolve(host, port, deadline).await? {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault = ConnectFault::of(&error),
            Err(_elapsed) => return Err(ConnectFault::Device(Cause::ConnectTimeout)),
        }
    }
    Err(fault)
}

async fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, ConnectFault> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(fault_of_name(&error)),
        Err(_elapsed) => Err(ConnectFault::Device(Cause::NameNotResolved)),
    }
}

/// A name that cannot be resolved is told by the resolver's own codes; a code of the system means that it could not
/// work here (`EAI_SYSTEM`; without a file descriptor glibc leaves `EBUSY`).
fn fault_of_name(error: &io::Error) -> ConnectFault {
    match error.raw_os_error() {
        Some(_) => ConnectFault::Ourselves,
        None => ConnectFault::Device(Cause::NameNotResolved),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest of the system's list says nothing else to us")]
const fn cause_of(kind: io::ErrorKind) -> Cause {
    match kind {
        io::ErrorKind::ConnectionRefused => Cause::ConnectRefused,
        io::ErrorKind::TimedOut => Cause::ConnectTimeout,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe => Cause::ConnectionLost,
        _ => Cause::NoRoute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_failed_connect_is_sorted_by_its_kind() {
        let check = |code, expected| {
            assert_eq!(ConnectFault::of(&io::Error::from_raw_os_error(code)), expected, "errno {code}");
        };
        check(111, ConnectFault::Device(Cause::ConnectRefused));
        check(110, ConnectFault::Device(Cause::ConnectTimeout));
        check(113, ConnectFault::Device(Cause::NoRoute));
        check(101, ConnectFault::Device(Cause::NoRoute));
        check(104, ConnectFault::Device(Cause::ConnectionLost));
        for ours in [12, 23, 24, 99, 105] {
            check(ours, ConnectFault::Ourselves);
        }
    }

    #[test]
    fn a_resolver_that_cannot_work_here_says_nothing_about_the_name() {
        assert_eq!(fault_of_name(&io::Error::from_raw_os_error(16)), ConnectFault::Ourselves);
        let unknown = io::Error::other("failed to lookup address information");
        assert_eq!(fault_of_name(&unknown), ConnectFault::Device(Cause::NameNotResolved));
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_and_a_bad_name_is_not_resolved() {
        let limit = Duration::from_secs(5);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect("127.0.0.1", port, limit).await.is_ok());
        drop(listener);
        let fault = connect("127.0.0.1", port, limit).await.unwrap_err();
        assert_eq!(fault, ConnectFault::Device(Cause::ConnectRefused));
        let fault = connect("no.such.host.invalid", 554, limit).await.unwrap_err();
        assert_eq!(fault, ConnectFault::Device(Cause::NameNotResolved));
    }
}
