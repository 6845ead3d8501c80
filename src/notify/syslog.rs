//! Syslog: RFC 5424 over UDP (RFC 5426) or TCP with octet counting (RFC 6587), and what syslog(3) writes over a socket of this
//! machine. rsyslog takes the version of RFC 5424 for the name of a program when it reads it from `/dev/log`, and journald
//! knows only the other form.

use crate::config::channel::{SyslogAddress, SyslogSettings};
use crate::domain::message::{Message, MessageKind, Severity, cut, digest};
use crate::notify::{SendError, machine};
use crate::reach::{self, ConnectFault};
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UdpSocket, UnixDatagram, lookup_host};

/// What every receiver should take in a datagram (RFC 5424, 6.1).
const DATAGRAM_BYTES: usize = 2_048;
/// What rsyslog and syslog-ng take of a stream unless they are told otherwise.
const STREAM_BYTES: usize = 8_192;
/// Longest time to wait for a receiver to close its end, which tells that it has read everything.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The longest time for a connection to be opened, beside the deadline of the whole message.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Syslog {
    address: SyslogAddress,
    facility: u8,
    host_name: Option<String>,
}

impl Syslog {
    pub(super) fn new(settings: &SyslogSettings) -> Self {
        let SyslogSettings { address, facility } = settings.clone();
        Self { address, facility, host_name: machine::host_name() }
    }

    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SendError> {
        let limit = match self.address {
            SyslogAddress::Tcp(..) => STREAM_BYTES,
            SyslogAddress::Udp(..) | SyslogAddress::Unix(_) => DATAGRAM_BYTES,
        };
        let Some(message) = digest(messages, limit / 2) else { return Ok(()) };
        let sent = match &self.address {
            SyslogAddress::Udp(host, port) => over_udp(host, *port, &self.line(&message, limit)).await,
            SyslogAddress::Unix(path) => over_unix(path, &self.local_line(&message, limit)).await,
            SyslogAddress::Tcp(host, port) => self.over_tcp(host, *port, &self.line(&message, limit)).await?,
        };
        sent.map_err(|error| SendError::again(format!("{} took no message: {error}", self.address)))
    }

    async fn over_tcp(&self, host: &str, port: u16, line: &str) -> Result<io::Result<()>, SendError> {
        let stream = reach::connect(host, port, CONNECT_LIMIT).await;
        let mut stream = stream.map_err(|fault| match fault {
            ConnectFault::Device(cause) => {
                SendError::again(format!("{} cannot be reached ({cause})", self.address))
            }
            ConnectFault::Ourselves => SendError::again(format!(
                "{} was not tried: this machine has no file descriptor or port left",
                self.address
            )),
        })?;
        Ok(counted(&mut stream, line).await)
    }

    /// One line of at most `limit` bytes; the text is cut first.
    fn line(&self, message: &Message, limit: usize) -> String {
        /// "Printable US-ASCII" of RFC 5424 without a number of our own: 32473 is that of examples (RFC 5612).
        const ELEMENT: &str = "sharpeyes@32473";
        let priority = u16::from(self.facility) * 8 + severity(message);
        let host = self.host_name.as_deref().unwrap_or("-");
        let mut line =
            format!("<{priority}>1 {} {host} sharpeyes - {} [{ELEMENT}", message.at, message.kind.as_str());
        for (name, value) in parameters(message) {
            let _infallible = write!(line, " {name}=\"{}\"", escaped(&value));
        }
        // The mark says that the text is UTF-8.
        line.push_str("] \u{feff}");
        let room = limit.saturating_sub(line.len());
        line.push_str(&cut(&on_one_line(message), room));
        line
    }

    /// What syslog(3) would write: the time is that of this machine's zone, and nothing but the text has a place.
    fn local_line(&self, message: &Message, limit: usize) -> String {
        let priority = u16::from(self.facility) * 8 + severity(message);
        let at = jiff::Timestamp::from_millisecond(message.at.as_millis()).unwrap_or_default();
        let at = jiff::tz::TimeZone::system().to_datetime(at).strftime("%b %e %T");
        let head = format!("<{priority}>{at} sharpeyes: ");
        let tail = format!(" ({})", message.id);
        let room = limit.saturating_sub(head.len() + tail.len());
        format!("{head}{}{tail}", cut(&on_one_line(message), room))
    }
}

async fn counted(stream: &mut tokio::net::TcpStream, line: &str) -> io::Result<()> {
    stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = [0; 64];
    match tokio::time::timeout(CLOSE_LIMIT, stream.read(&mut rest)).await {
        Ok(Ok(_closed)) => Ok(()),
        Ok(Err(error)) => Err(error),
        // It keeps its end open: syslog has no answer that could be waited for.
        Err(_elapsed) => Ok(()),
    }
}

async fn over_udp(host: &str, port: u16, line: &str) -> io::Result<()> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = lookup_host((host, port)).await?;
    let address = addresses.next().ok_or_else(|| io::Error::other("the name has no address"))?;
    let any: SocketAddr = if address.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.send_to(line.as_bytes(), address).await.map(drop)
}

async fn over_unix(path: &Path, line: &str) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to(line.as_bytes(), path).await.map(drop)
}

fn on_one_line(message: &Message) -> String {
    format!("{} | {}", message.title, message.text).replace('\n', " | ")
}

/// critical, warning, notice and informational of RFC 5424.
const fn severity(message: &Message) -> u16 {
    match (message.kind, message.severity) {
        (MessageKind::Test, _) => 6,
        (MessageKind::Recovery | MessageKind::Merged | MessageKind::FalseAlarm, _) => 5,
        (
            MessageKind::Problem | MessageKind::Escalated | MessageKind::Overdue | MessageKind::Digest,
            Severity::Page,
        ) => 2,
        (
            MessageKind::Problem | MessageKind::Escalated | MessageKind::Overdue | MessageKind::Digest,
            Severity::Ticket,
        ) => 4,
    }
}

fn parameters(message: &Message) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("id", message.id.clone()), ("severity", message.severity.as_str().to_owned())];
    parameters.extend(message.incident.map(|incident| ("incident", incident.to_string())));
    parameters.extend(message.division.as_ref().map(|division| ("division", division.as_str().to_owned())));
    parameters.extend(Some(("cause", message.cause.clone())).filter(|(_, cause)| !cause.is_empty()));
    parameters.extend(message.ended.map(|ended| ("ended", ended.to_string())));
    parameters.push(("since", message.since.to_string()));
    parameters
}

/// RFC 5424, 6.3.3.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]")
}
