//! ICMP echo, where the system permits it: an unprivileged datagram socket (`net.ipv4.ping_group_range`), else a raw
//! one (`CAP_NET_RAW`).

use crate::domain::Cause;
use crate::reach::ConnectFault;
use rand::RngExt as _;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

/// Length of the random token by which an answer is known.
const TOKEN_LENGTH: usize = 8;

/// Why an echo could not be sent or was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum EchoError {
    /// This process may not send ICMP; says nothing about the link.
    #[error("open an ICMP socket to {address}")]
    NotPermitted {
        /// The address to be asked.
        address: IpAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No file descriptor, buffer or memory left; says nothing about the link.
    #[error("send an ICMP echo")]
    Ourselves(#[source] io::Error),
    /// No answer, and why.
    #[error("no echo from the address: {0}")]
    Unanswered(Cause),
}

/// Sends one echo request and waits for its answer. Gives the round-trip time.
pub(super) async fn echo(address: IpAddr, limit: Duration) -> Result<Duration, EchoError> {
    let socket = open(address).map_err(|error| match ConnectFault::of(&error) {
        ConnectFault::Ourselves => EchoError::Ourselves(error),
        ConnectFault::Device(_) => EchoError::NotPermitted { address, source: error },
    })?;
    let mut token = [0; TOKEN_LENGTH];
    rand::rng().fill(&mut token);
    let started = Instant::now();
    let fault = |error| fault_of(address, error);
    socket.connect(SocketAddr::new(address, 0)).await.map_err(fault)?;
    socket.send(&request(address, token)).await.map_err(fault)?;
    match timeout(limit, answer(&socket, address, token)).await {
        Ok(Ok(())) => Ok(started.elapsed()),
        Ok(Err(error)) => Err(fault(error)),
        Err(_elapsed) => Err(EchoError::Unanswered(Cause::ConnectTimeout)),
    }
}

/// Sorts a failure by its error code. What this machine forbids or has run out of is our own.
fn fault_of(address: IpAddr, error: io::Error) -> EchoError {
    match (error.kind(), ConnectFault::of(&error)) {
        (io::ErrorKind::PermissionDenied, _) => EchoError::NotPermitted { address, source: error },
        (_, ConnectFault::Ourselves) => EchoError::Ourselves(error),
        (_, ConnectFault::Device(_)) => EchoError::Unanswered(Cause::NoRoute),
    }
}

fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))
        .or_else(|_not_permitted| Socket::new(domain, Type::RAW, Some(protocol)))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

async fn answer(socket: &UdpSocket, address: IpAddr, token: [u8; TOKEN_LENGTH]) -> io::Result<()> {
    let mut packet = [0; 256];
    loop {
        let length = socket.recv(&mut packet).await?;
        if packet.get(..length).is_some_and(|packet| is_answer(address, packet, token)) {
            return Ok(());
        }
    }
}

/// An echo request. The system fills in the identifier of a datagram socket and the checksum of ICMPv6.
fn request(address: IpAddr, token: [u8; TOKEN_LENGTH]) -> Vec<u8> {
    let kind = match address {
        IpAddr::V4(_) => 8,
        IpAddr::V6(_) => 128,
    };
    let mut packet = vec![kind, 0, 0, 0, 0x53, 0x45, 0, 1];
    packet.extend_from_slice(&token);
    let checksum = checksum(&packet).to_be_bytes();
    if let Some(slot) = packet.get_mut(2..4) {
        slot.copy_from_slice(&checksum);
    }
    packet
}

/// The internet checksum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in packet.chunks(2) {
        let high = pair.first().copied().unwrap_or(0);
        let low = pair.get(1).copied().unwrap_or(0);
        sum = sum.wrapping_add(u32::from(u16::from_be_bytes([high, low])));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Whether a received packet answers the request with this token. A raw IPv4 socket hands out the IP header too.
fn is_answer(address: IpAddr, packet: &[u8], token: [u8; TOKEN_LENGTH]) -> bool {
    let (kind, packet) = match address {
        IpAddr::V4(_) => (0, without_ip_header(packet)),
        IpAddr::V6(_) => (129, packet),
    };
    packet.first() == Some(&kind) && packet.ends_with(&token)
}

fn without_ip_header(packet: &[u8]) -> &[u8] {
    match packet.first() {
        Some(first) if first >> 4 == 4 => packet.get(usize::from(first & 15) * 4..).unwrap_or_default(),
        _ => packet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; TOKEN_LENGTH] = *b"sharpeye";

    #[test]
    fn what_we_lack_ourselves_is_not_the_links_fault() {
        let check = |code, expected: &str| {
            let error = fault_of("192.0.2.1".parse().unwrap(), io::Error::from_raw_os_error(code));
            let word = match error {
                EchoError::NotPermitted { .. } => "not permitted",
                EchoError::Ourselves(_) => "ourselves",
                EchoError::Unanswered(cause) => cause.as_str(),
            };
            assert_eq!(word, expected, "errno {code}");
        };
        for code in [1, 13] {
            check(code, "not permitted");
        }
        for code in [12, 23, 24, 99, 105] {
            check(code, "ourselves");
        }
        for code in [101, 113] {
            check(code, "no_route");
        }
    }

    #[test]
    fn a_request_sums_to_zero() {
        let packet = request("192.0.2.1".parse().unwrap(), TOKEN);
        assert_eq!(checksum(&packet), 0);
        assert_eq!(checksum(&[0x45, 0x00, 0x00]), !0x4500);
    }

    #[test]
    fn an_answer_is_known_by_its_kind_and_token() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let request = request(v4, TOKEN);
        let mut answer = request.clone();
        answer[0] = 0;
        let mut with_header = vec![0x45; 20];
        with_header.extend_from_slice(&answer);
        assert!(is_answer(v4, &answer, TOKEN));
        assert!(is_answer(v4, &with_header, TOKEN));
        assert!(!is_answer(v4, &request, TOKEN), "our own request, seen on loopback");
        assert!(!is_answer(v4, &answer, *b"another!"));
        assert!(!is_answer(v4, &[], TOKEN));
        assert!(!is_answer(v4, &[0x4f], TOKEN));
    }
}
