//! Alertmanager, the real one.

use super::receiver::{Manner, Receiver};
use super::{Bench, KEY, message};
use crate::support::process::{Process, eventually, free_port};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sharpeyes::clock::Clock;
use sharpeyes::domain::Timestamp;
use sharpeyes::domain::message::{Message, MessageKind};
use sharpeyes::notify::{Channel, Retry};
use std::process::Command;
use std::time::Duration;

/// A running Alertmanager; alerts are held against its own time, so that messages are of now.
struct Alertmanager {
    bench: Bench,
    port: u16,
    _process: Process,
}

impl Alertmanager {
    fn start() -> Self {
        let bench = Bench::at(Clock::system().now());
        let settings =
            bench.private("alertmanager.yml", "route: {receiver: none}\nreceivers: [{name: none}]\n");
        let port = free_port();
        let process = Process::start(
            Command::new("prometheus-alertmanager")
                .args(["--config.file", &settings, "--cluster.listen-address=", "--web.listen-address"])
                .arg(format!("127.0.0.1:{port}"))
                .arg("--storage.path")
                .arg(bench.path("data")),
        );
        let alertmanager = Self { bench, port, _process: process };
        eventually(Duration::from_secs(30), "Alertmanager is ready", || {
            ureq::get(format!("http://127.0.0.1:{port}/-/ready")).call().ok()
        });
        alertmanager
    }

    fn channel(&self, more_urls: &str) -> Channel {
        self.bench.channel(&format!(
            "kind = \"alertmanager\"\nurls = [\"http://127.0.0.1:{}\"{more_urls}]",
            self.port
        ))
    }

    fn now(&self) -> Timestamp {
        self.bench.clock.now()
    }

    fn message(&self, kind: MessageKind) -> Message {
        let now = self.now();
        let since = now.minus(Duration::from_secs(300));
        let ended = kind.ends_incident().then_some(now.minus(Duration::from_secs(1)));
        Message { at: now, since, ended, ..message(kind) }
    }

    /// The alerts that burn.
    fn alerts(&self) -> Vec<serde_json::Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.port);
        ureq::get(url).call().unwrap().body_mut().read_json().unwrap()
    }
}

#[tokio::test]
async fn an_incident_is_one_alert_until_it_ends() {
    let alertmanager = Alertmanager::start();
    let channel = alertmanager.channel("");
    channel.send(&[alertmanager.message(MessageKind::Problem)]).await.unwrap();
    let changed = Message { cause: "power_cut".to_owned(), ..alertmanager.message(MessageKind::Overdue) };
    channel.send(&[changed]).await.unwrap();
    let alerts = alertmanager.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(
        alerts[0]["labels"],
        serde_json::json!({
            "alertname": "SharpeyesLinkDown", "incident": "17", "root": "L-230521100", "root_kind": "link",
            "severity": "page", "township": "230521100",
        })
    );
    let annotations = &alerts[0]["annotations"];
    assert_eq!(annotations["summary"], "【超时】青山镇上行链路中断，影响 12 路");
    assert_eq!((&annotations["cause"], &annotations["kind"]), (&"power_cut".into(), &"overdue".into()));
    assert_eq!(alerts[0]["generatorURL"], "http://10.1.2.3:8080/duty#incident=17");
    let time =
        |key: &str| alerts[0][key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(time("startsAt"), alertmanager.message(MessageKind::Problem).since.as_millis());
    let hold = Duration::from_secs(24 * 3_600);
    assert_eq!(time("endsAt"), alertmanager.now().plus(hold).as_millis(), "it burns on while we are down");
    channel.send(&[alertmanager.message(MessageKind::Recovery)]).await.unwrap();
    assert!(alertmanager.alerts().is_empty());
}

#[tokio::test]
async fn many_alerts_go_at_once_and_only_the_newest_of_each_incident() {
    let alertmanager = Alertmanager::start();
    let of = |incident: i64, kind| Message { incident: Some(incident), ..alertmanager.message(kind) };
    let mut messages: Vec<Message> = (1..=40).map(|number| of(number, MessageKind::Problem)).collect();
    messages.extend((1..=10).map(|number| of(number, MessageKind::Recovery)));
    let channel = alertmanager.channel("");
    assert!(channel.allowance().together >= messages.len() && channel.repeat_every().is_some());
    channel.send(&messages).await.unwrap();
    assert_eq!(alertmanager.alerts().len(), 30);
}

#[tokio::test]
async fn odd_labels_and_a_test_are_taken() {
    let alertmanager = Alertmanager::start();
    let mut odd = alertmanager.message(MessageKind::Problem);
    odd.labels = [("1st", "a"), ("行政区", "b"), ("a-b", "c"), ("empty", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let mut test = alertmanager.message(MessageKind::Test);
    (test.incident, test.labels) = (None, std::collections::BTreeMap::new());
    alertmanager.channel("").send(&[odd, test]).await.unwrap();
    let alerts = alertmanager.alerts();
    let mut names: Vec<&str> =
        alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["SharpeyesIncident", "SharpeyesTest"]);
}

#[tokio::test]
async fn one_replica_that_took_it_is_enough() {
    let alertmanager = Alertmanager::start();
    let broken = Receiver::start(Manner::answer("500 Oops", "", "")).await;
    let hung = Receiver::start(Manner::Hang).await;
    let channel = alertmanager.channel(&format!(
        ", \"http://{}\", \"http://127.0.0.1:{}\", \"http://{}\"",
        broken.address,
        free_port(),
        hung.address
    ));
    channel.send(&[alertmanager.message(MessageKind::Problem)]).await.unwrap();
    assert_eq!((alertmanager.alerts().len(), broken.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_replica_that_asks_for_a_login_gets_it() {
    let (bench, receiver) = (Bench::new(), Receiver::start(Manner::ok("")).await);
    let channel = bench.channel(&format!(
        "kind = \"alertmanager\"\nurls = [\"http://{}\"]\nusername = \"duty\"\nsecret_file = \"KEYFILE\"",
        receiver.address
    ));
    channel.send(&[message(MessageKind::Problem)]).await.unwrap();
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("duty:{KEY}")));
    assert_eq!(receiver.requests()[0].header("authorization"), Some(expected));
}

#[tokio::test]
async fn without_any_replica_it_is_tried_again_and_a_refused_alert_is_not() {
    let check = async |first: Manner, second: Manner, retry: Retry| {
        let (first, second) = (Receiver::start(first).await, Receiver::start(second).await);
        let bench = Bench::new();
        let urls = format!("[\"http://{}/prefix/\", \"http://{}\"]", first.address, second.address);
        let error = bench
            .channel(&format!("kind = \"alertmanager\"\nurls = {urls}"))
            .send(&[message(MessageKind::Problem)])
            .await
            .unwrap_err();
        assert_eq!(error.retry, retry, "{error}");
        assert_eq!(first.requests()[0].target(), "/prefix/api/v2/alerts");
    };
    let bad = || Manner::answer("400 Bad", "", "{\"code\":601}");
    check(Manner::Close, bad(), Retry::Again { after: None }).await;
    check(bad(), bad(), Retry::Never).await;
}
