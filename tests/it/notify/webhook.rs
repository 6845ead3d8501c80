//! Webhooks: what a receiver gets, and what each kind of answer comes to.

use super::receiver::{Manner, Receiver};
use super::{Bench, KEY, NOW, assert_tells_no_secret, message, signature};
use crate::support::process::{Process, eventually, free_port};
use crate::support::service::sharpeyes;
use sharpeyes::domain::message::MessageKind;
use sharpeyes::notify::{Channel, Retry, SendError};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

const AGAIN: Retry = Retry::Again { after: None };

fn webhook(bench: &Bench, receiver: &Receiver, more: &str) -> Channel {
    bench.channel(&format!(
        "kind = \"webhook\"\nurl = \"http://{}/in\"\nsecret_file = \"KEYFILE\"\ndeadline_seconds = 0.5\n{more}",
        receiver.address
    ))
}

async fn outcome(manner: Manner, more: &str) -> Result<(), SendError> {
    let (bench, receiver) = (Bench::new(), Receiver::start(manner).await);
    let sent = webhook(&bench, &receiver, more).send(&[message(MessageKind::Problem)]).await;
    assert_eq!(receiver.requests().len(), 1);
    if let Err(error) = &sent {
        assert_tells_no_secret(&error.why);
        assert!(!error.why.contains("/in"), "{}", error.why);
    }
    sent
}

#[tokio::test]
async fn a_receiver_can_prove_who_wrote_what_when() {
    let (bench, receiver) = (Bench::new(), Receiver::start(Manner::answer("204 No Content", "", "")).await);
    let token = bench.private("token", "a-token");
    let channel = webhook(&bench, &receiver, &format!("token_file = \"{token}\""));
    channel.send(&[message(MessageKind::Problem)]).await.unwrap();
    let request = receiver.requests().remove(0);
    assert_eq!(request.target(), "/in");
    assert_eq!(request.header("host"), Some(receiver.address.to_string()));
    assert_eq!(request.header("x-sharpeyes-id").as_deref(), Some("incident-17-problem"));
    assert_eq!(request.header("authorization").as_deref(), Some("Bearer a-token"));
    let timestamp = request.header("x-sharpeyes-timestamp").unwrap();
    assert_eq!(timestamp, "1790000000");
    assert_eq!(request.header("x-sharpeyes-signature"), Some(signature(&timestamp, &request.body)));
    let body = request.json();
    for (key, expected) in [
        ("id", "incident-17-problem"),
        ("kind", "problem"),
        ("severity", "page"),
        ("level", "township"),
        ("division", "230521100"),
        ("title", "【故障】青山镇上行链路中断，影响 12 路"),
        ("at", "2026-09-21T14:13:20Z"),
        ("since", "2026-09-21T14:08:20Z"),
        ("cause", "link_down"),
    ] {
        assert_eq!(body[key], expected, "{key}");
    }
    assert_eq!((&body["version"], &body["incident"], &body["ended"]), (&1.into(), &17.into(), &().into()));
    assert_eq!(body["labels"]["root"], "L-230521100");
}

#[tokio::test]
async fn each_answer_comes_to_what_it_says() {
    let check = |sent: Result<(), SendError>, retry: Retry, says: &str| {
        let error = sent.unwrap_err();
        assert!(error.retry == retry && error.why.contains(says), "{error:?}");
    };
    assert_eq!(outcome(Manner::ok("{\"ok\":false}"), "").await, Ok(()));
    assert_eq!(outcome(Manner::flood(), "").await, Ok(()));
    assert_eq!(outcome(Manner::HangHalfway, "").await, Ok(()));
    let expect = "expect = \"\\\"ok\\\":true\"";
    assert_eq!(outcome(Manner::ok("{\"ok\":true}"), expect).await, Ok(()));
    check(outcome(Manner::ok("{\"ok\":false}"), expect).await, AGAIN, "expect asks for: {\"ok\":false}");
    check(outcome(Manner::flood(), expect).await, AGAIN, "more than 65536 bytes");
    check(outcome(Manner::HangHalfway, expect).await, AGAIN, "no answer within 0.5 s");
    check(outcome(Manner::Hang, "").await, AGAIN, "no answer within 0.5 s");
    check(outcome(Manner::Close, "").await, AGAIN, "broke the exchange off");
    check(outcome(Manner::Answer("nonsense\r\n\r\n".to_owned()), "").await, AGAIN, "broke the exchange off");
    let busy = Manner::answer("429 Too Many Requests", "retry-after: 7\r\n", "");
    let later = Retry::Again { after: Some(Duration::from_secs(7)) };
    check(outcome(busy, "").await, later, "status 429");
    check(outcome(Manner::answer("500 Oops", "", KEY), "").await, AGAIN, "status 500: ***");
    check(outcome(Manner::answer("401 Who", "", ""), "").await, AGAIN, "does not accept the secret");
    check(outcome(Manner::answer("400 Bad", "", "no title"), "").await, Retry::Never, "400: no title");
}

#[tokio::test]
async fn what_a_broken_receiver_missed_comes_once_more_as_the_same_message() {
    let (bench, receiver) = (Bench::new(), Receiver::start(Manner::answer("500 Oops", "", "")).await);
    let channel = webhook(&bench, &receiver, "");
    let problem = [message(MessageKind::Problem)];
    for _minute in 0..60 {
        assert_eq!(channel.send(&problem).await.unwrap_err().retry, AGAIN);
        bench.clock.advance(Duration::from_secs(60));
    }
    receiver.behave(Manner::ok(""));
    channel.send(&problem).await.unwrap();
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    let last = requests.last().unwrap();
    let timestamp = last.header("x-sharpeyes-timestamp").unwrap();
    assert_eq!(timestamp, NOW.plus(Duration::from_secs(3_600)).as_millis().div_euclid(1_000).to_string());
    assert_eq!(last.header("x-sharpeyes-signature"), Some(signature(&timestamp, &last.body)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(Manner::ok("")).await;
    let location = format!("location: http://{}/\r\n", elsewhere.address);
    let error = outcome(Manner::answer("307 Elsewhere", &location, ""), "").await.unwrap_err();
    assert!(error.why.contains("a redirect"), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_told_by_its_cause() {
    let bench = Bench::new();
    let check = async |url: &str, says: &str| {
        let keys = format!("kind = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"KEYFILE\"");
        let error = bench.channel(&keys).send(&[message(MessageKind::Problem)]).await.unwrap_err();
        assert!(error.retry == AGAIN && error.why.contains(says), "{error:?}");
    };
    check(&format!("http://127.0.0.1:{}/", free_port()), "(connect_refused)").await;
    check("http://no.such.host.invalid/", "(name_not_resolved)").await;
}

/// `webhook` of Debian over TLS: it hands what came to a script that proves the signature with OpenSSL.
struct HookServer {
    bench: Bench,
    port: u16,
    _process: Process,
}

impl HookServer {
    fn start() -> Self {
        let bench = Bench::new();
        bench.certificates();
        let script = bench.private(
            "receive",
            &format!(
                "#!/bin/sh\nproof=$(printf '%s.%s' \"$2\" \"$1\" | openssl dgst -sha256 -hmac {KEY} -r | cut -d' ' -f1)\n\
                 [ \"sha256=$proof\" = \"$3\" ] && echo \"proven $4\"\n"
            ),
        );
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let header = |name| serde_json::json!({ "source": "header", "name": name });
        let hook = serde_json::json!([{
            "id": "in", "execute-command": script, "include-command-output-in-response": true,
            "pass-arguments-to-command": [
                { "source": "raw-request-body" }, header("X-Sharpeyes-Timestamp"), header("X-Sharpeyes-Signature"),
                header("X-Sharpeyes-Id"),
            ],
        }]);
        let hooks = bench.private("hooks.json", &hook.to_string());
        let port = free_port();
        let process = Process::start(
            Command::new("webhook")
                .args([
                    "-hooks",
                    &hooks,
                    "-ip",
                    "127.0.0.1",
                    "-port",
                    &port.to_string(),
                    "-verbose",
                    "-secure",
                ])
                .arg("-cert")
                .arg(bench.path("server.pem"))
                .arg("-key")
                .arg(bench.path("server.key")),
        );
        eventually(Duration::from_secs(20), "the receiver listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { bench, port, _process: process }
    }

    async fn send(&self, more: &str) -> Result<(), SendError> {
        let more = more.replace("CA", self.bench.path("ca.pem").to_str().unwrap());
        let keys = format!(
            "kind = \"webhook\"\nurl = \"https://localhost:{}/hooks/in\"\nsecret_file = \"KEYFILE\"\n\
             expect = \"proven incident-17-problem\"\n{more}",
            self.port
        );
        self.bench.channel(&keys).send(&[message(MessageKind::Problem)]).await
    }
}

#[tokio::test]
async fn a_receiver_that_others_wrote_proves_the_signature_over_tls() {
    let server = HookServer::start();
    assert_eq!(server.send("authorities_file = \"CA\"").await, Ok(()));
    let error = server.send("").await.unwrap_err();
    assert!(error.retry == AGAIN && error.why.contains("is not believed"), "{error:?}");
}

#[tokio::test]
async fn a_person_tests_a_channel() {
    let (bench, receiver) = (Bench::new(), Receiver::start(Manner::ok("")).await);
    let key = bench.private("key", KEY);
    let settings = bench.private(
        "sharpeyes.toml",
        &format!(
            "[[channel]]\nname = \"duty\"\nkind = \"webhook\"\nurl = \"http://{}/in\"\nsecret_file = \"{key}\"\n",
            receiver.address
        ),
    );
    let test = async |arguments: &[&str]| {
        let mut command = sharpeyes();
        command.arg("test-channel").args(["--config", &settings]).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    assert_eq!(test(&[]).await, (Some(0), "duty: delivered\n".to_owned()));
    assert_eq!(receiver.requests()[0].json()["kind"], "test");
    receiver.behave(Manner::answer("403 Forbidden", "", ""));
    let (code, said) = test(&["duty"]).await;
    assert!(code == Some(1) && said.contains("duty") && said.contains("403"), "{said}");
    let (code, said) = test(&["night"]).await;
    assert!(code == Some(2) && said.contains("the settings have: duty"), "{said}");
}
