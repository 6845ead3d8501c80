//! Syslog, to rsyslog of Debian over each way.

use super::{Bench, message};
use crate::support::process::{Process, eventually, free_port};
use sharpeyes::domain::message::{Message, MessageKind, Severity};
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running rsyslog that writes what it understood of each message on a line of a file.
struct Rsyslog {
    bench: Bench,
    udp: u16,
    tcp: u16,
    _process: Process,
}

impl Rsyslog {
    fn start() -> Self {
        let bench = Bench::new();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let tcp = free_port();
        let (socket, log) = (bench.path("log.socket"), bench.path("log"));
        let settings = bench.private(
            "rsyslog.conf",
            &format!(
                "global(workDirectory=\"{}\")\n\
                 module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\")\n\
                 module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\")\n\
                 module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
                 input(type=\"imuxsock\" Socket=\"{}\")\n\
                 template(name=\"understood\" type=\"string\" string=\"%inputname%|%protocol-version%|%syslogfacility-text%|\
                 %syslogseverity-text%|%timestamp:::date-rfc3339%|%app-name%|%msgid%|%structured-data%|%msg%\\n\")\n\
                 action(type=\"omfile\" file=\"{}\" template=\"understood\")\n",
                bench.folder.path().display(),
                socket.display(),
                log.display(),
            ),
        );
        let process = Process::start(
            Command::new("rsyslogd").args(["-n", "-f", &settings, "-i"]).arg(bench.path("rsyslog.pid")),
        );
        eventually(PATIENCE, "rsyslog listens", || {
            socket.exists().then(|| std::net::TcpStream::connect(("127.0.0.1", tcp)).ok()).flatten()
        });
        Self { bench, udp, tcp, _process: process }
    }

    fn unix_address(&self) -> String {
        format!("unix:{}", self.bench.path("log.socket").display())
    }

    async fn send(&self, address: &str, message: Message) {
        let channel =
            self.bench.channel(&format!("kind = \"syslog\"\naddress = \"{address}\"\nfacility = 17"));
        channel.send(&[message]).await.unwrap();
    }

    /// The line that holds `text`.
    #[track_caller]
    fn understood(&self, text: &str) -> String {
        eventually(PATIENCE, "rsyslog has written the message", || {
            let log = std::fs::read_to_string(self.bench.path("log")).ok()?;
            log.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }
}

#[tokio::test]
async fn rsyslog_understands_every_part_over_udp_and_tcp() {
    let rsyslog = Rsyslog::start();
    let (udp, tcp) = (format!("udp://127.0.0.1:{}", rsyslog.udp), format!("tcp://localhost:{}", rsyslog.tcp));
    for (address, input) in [(udp, "imudp"), (tcp, "imtcp")] {
        let mut problem = message(MessageKind::Problem);
        problem.id = format!("over-{input}");
        problem.cause = "odd \"]\\ cause".to_owned();
        rsyslog.send(&address, problem).await;
        assert_eq!(
            rsyslog.understood(&format!("over-{input}")),
            format!(
                "{input}|1|local1|crit|2026-09-21T14:13:20Z|sharpeyes|problem|[sharpeyes@32473 id=\"over-{input}\" \
                 severity=\"page\" incident=\"17\" division=\"230521100\" cause=\"odd \\\"\\]\\\\ cause\" \
                 since=\"2026-09-21T14:08:20Z\"]|\u{feff}【故障】青山镇上行链路中断，影响 12 路 | 原因：链路不通 | \
                 范围：友谊县青山镇 | 开始：2026-09-21 22:08"
            )
        );
    }
}

#[tokio::test]
async fn the_socket_of_this_machine_is_spoken_to_as_syslog_3_does() {
    let rsyslog = Rsyslog::start();
    rsyslog.send(&rsyslog.unix_address(), message(MessageKind::Problem)).await;
    let line = rsyslog.understood("incident-17-problem");
    let (head, text) = line.split_once("| 【").unwrap();
    assert!(head.starts_with("imuxsock|0|local1|crit|") && head.contains("|sharpeyes|"), "{line}");
    assert_eq!(
        text,
        "故障】青山镇上行链路中断，影响 12 路 | 原因：链路不通 | 范围：友谊县青山镇 | 开始：2026-09-21 22:08 (incident-17-problem)"
    );
}

#[tokio::test]
async fn urgency_is_told_by_the_severity_and_a_long_text_is_cut_between_characters() {
    let rsyslog = Rsyslog::start();
    let address = format!("udp://127.0.0.1:{}", rsyslog.udp);
    let ticket =
        Message { severity: Severity::Ticket, id: "a-ticket".to_owned(), ..message(MessageKind::Overdue) };
    rsyslog.send(&address, ticket).await;
    assert!(rsyslog.understood("a-ticket").contains("|local1|warning|"));
    rsyslog.send(&address, message(MessageKind::Recovery)).await;
    let recovery = rsyslog.understood("incident-17-recovery");
    assert!(
        recovery.contains("|local1|notice|") && recovery.contains("ended=\"2026-09-21T14:13:20Z\""),
        "{recovery}"
    );
    let long =
        Message { id: "a-long-one".to_owned(), text: "断".repeat(3_000), ..message(MessageKind::Problem) };
    rsyslog.send(&address, long).await;
    let line = rsyslog.understood("a-long-one");
    assert!(line.ends_with("断断…") && line.len() > 1_900, "{line}");
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_told() {
    let bench = Bench::new();
    for (address, says) in [
        (format!("tcp://127.0.0.1:{}", free_port()), "(connect_refused)"),
        (format!("unix:{}", bench.path("no.socket").display()), "No such file"),
        ("udp://no.such.host.invalid:514".to_owned(), "took no message"),
    ] {
        let channel = bench.channel(&format!("kind = \"syslog\"\naddress = \"{address}\""));
        let error = channel.send(&[message(MessageKind::Problem)]).await.unwrap_err();
        assert!(!error.is_final() && error.why.contains(says), "{error:?}");
    }
}
