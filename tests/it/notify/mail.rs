//! Mail, to a server of aiosmtpd, read back by Python's own parser.

use super::{Bench, KEY, assert_tells_no_secret, message};
use crate::support::process::{Process, free_port};
use sharpeyes::domain::message::MessageKind;
use sharpeyes::notify::{Retry, SendError};
use std::process::Command;
use std::time::Duration;

const AGAIN: Retry = Retry::Again { after: None };
const PATIENCE: Duration = Duration::from_secs(20);

struct MailServer {
    bench: Bench,
    port: u16,
    security: &'static str,
    process: Process,
}

impl MailServer {
    fn start(security: &'static str) -> Self {
        let bench = Bench::new();
        bench.certificates();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/notify/mail_server.py");
        let port = free_port();
        let mut command = Command::new("/usr/bin/python3");
        command.args([script, &port.to_string(), security]);
        let mut process = Process::start(command.arg(bench.path("server.pem")).arg(bench.path("server.key")));
        process.wait_for_line("listening", PATIENCE);
        Self { bench, port, security, process }
    }

    /// Sends the message to `to`, with the right login where one is asked for.
    async fn send(&self, kind: MessageKind, to: &str) -> Result<(), SendError> {
        let login =
            if self.security == "none" { "" } else { "username = \"sharpeyes\"\nsecret_file = \"KEYFILE\"" };
        let authority = format!("authorities_file = \"{}\"", self.bench.path("ca.pem").display());
        self.send_with(kind, to, &format!("{login}\n{authority}")).await
    }

    async fn send_with(&self, kind: MessageKind, to: &str, more: &str) -> Result<(), SendError> {
        let channel = self.bench.channel(&format!(
            "kind = \"smtp\"\nhost = \"localhost\"\nport = {}\nsecurity = \"{}\"\n\
             from = \"雪亮巡检 <sharpeyes@example.org>\"\nto = [\"值班室 <duty@example.org>\", \"{to}\"]\n{more}",
            self.port, self.security
        ));
        let sent = channel.send(&[message(kind)]).await;
        if let Err(error) = &sent {
            assert_tells_no_secret(&error.why);
        }
        sent
    }

    /// The next mail that the server takes.
    #[track_caller]
    fn taken(&mut self) -> serde_json::Value {
        let line = self.process.wait_for_line("taken ", PATIENCE);
        serde_json::from_str(line.strip_prefix("taken ").unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_mail_is_readable_chinese_and_stands_in_the_thread_of_its_incident() {
    let mut server = MailServer::start("none");
    for kind in [MessageKind::Problem, MessageKind::Recovery] {
        server.send(kind, "chief@example.org").await.unwrap();
        let mail = server.taken();
        let header = |name: &str| mail["headers"][name].as_str().unwrap().to_owned();
        assert_eq!(mail["to"], serde_json::json!(["duty@example.org", "chief@example.org"]));
        assert_eq!(header("subject"), format!("【{}】青山镇上行链路中断，影响 12 路", kind.name_zh()));
        assert_eq!(header("from"), "雪亮巡检 <sharpeyes@example.org>");
        assert_eq!(header("message-id"), format!("<incident-17-{}@example.org>", kind.as_str()));
        assert_eq!(header("references"), "<incident-17@example.org>");
        assert_eq!(header("date"), "Mon, 21 Sep 2026 14:13:20 +0000");
        assert_eq!(header("auto-submitted"), "auto-generated");
        let text = mail["text"].as_str().unwrap().replace("\r\n", "\n");
        let expected = "原因：链路不通\n范围：友谊县青山镇\n开始：2026-09-21 22:08\n\nhttp://10.1.2.3:8080/duty#incident=17\n";
        assert_eq!(text, expected);
        assert_eq!(mail["is_ascii"], true, "servers without 8BITMIME take it, too");
    }
}

#[tokio::test]
async fn mail_goes_under_tls_with_a_login() {
    for security in ["starttls", "tls"] {
        let mut server = MailServer::start(security);
        server.send(MessageKind::Problem, "chief@example.org").await.unwrap();
        let mail = server.taken();
        assert_eq!((&mail["tls"], &mail["login"]), (&true.into(), &true.into()), "{security}");
        let stranger = server.send_with(MessageKind::Problem, "chief@example.org", "").await.unwrap_err();
        assert!(stranger.retry == AGAIN && stranger.why.contains("certificate"), "{security}: {stranger:?}");
        let authority = format!("authorities_file = \"{}\"", server.bench.path("ca.pem").display());
        let wrong = server.bench.private("wrong.key", "another-password");
        let login = format!("{authority}\nusername = \"sharpeyes\"\nsecret_file = \"{wrong}\"");
        let refused = server.send_with(MessageKind::Problem, "chief@example.org", &login).await.unwrap_err();
        assert!(refused.retry == AGAIN && refused.why.contains("535"), "{refused:?}");
        assert!(!refused.why.contains("another-password") && !refused.why.contains(KEY));
    }
}

#[tokio::test]
async fn tls_is_never_left_out_because_a_server_has_none() {
    let server = MailServer::start("none");
    let keys = format!("authorities_file = \"{}\"", server.bench.path("ca.pem").display());
    let downgraded = MailServer { security: "starttls", ..server };
    let error = downgraded.send_with(MessageKind::Problem, "chief@example.org", &keys).await.unwrap_err();
    assert!(!error.is_final() && error.why.contains("STARTTLS"), "{error:?}");
}

#[tokio::test]
async fn a_reader_that_is_gone_or_greylisted_is_tried_again_and_a_refused_mail_is_not() {
    let server = MailServer::start("none");
    let error = server.send(MessageKind::Problem, "nobody@example.org").await.unwrap_err();
    assert!(error.retry == AGAIN && error.why.contains("no such reader"), "{error:?}");
    let error = server.send(MessageKind::Problem, "strict@example.org").await.unwrap_err();
    assert!(error.is_final() && error.why.contains("refused content"), "{error:?}");
    let error = server.send(MessageKind::Problem, "later@example.org").await.unwrap_err();
    assert!(error.retry == AGAIN && error.why.contains("greylisted"), "{error:?}");
}

#[tokio::test]
async fn a_mail_server_that_is_gone_is_tried_again() {
    let server = MailServer::start("none");
    let MailServer { process, .. } = &server;
    process.signal("STOP");
    let hung = server.send_with(MessageKind::Problem, "chief@example.org", "deadline_seconds = 0.5").await;
    process.signal("CONT");
    let error = hung.unwrap_err();
    assert!(error.retry == AGAIN && error.why.contains("no answer within 0.5 s"), "{error:?}");
}
