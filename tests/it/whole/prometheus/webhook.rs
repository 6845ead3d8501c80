//! What Alertmanager tells: a webhook that keeps every message, by run and receiver.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Machine-dependent: a disk or a machine that is shared with other tests may well be slow.
const OF_THE_MACHINE: [&str; 3] = ["SharpEyesDbCommitSlow", "SharpEyesDiskLow", "SharpEyesSchedulerLag"];

/// One alert of a message.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) status: String,
    name: String,
    /// The narrowest thing that it is about.
    subject: String,
    evaluated: Option<i64>,
    description: String,
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    run: String,
    receiver: String,
    pub(super) at: Instant,
    pub(super) alerts: Vec<Alert>,
}

impl Message {
    pub(super) fn lines(&self) -> Vec<String> {
        let line =
            |alert: &Alert| format!("{}: {} {} {}", self.receiver, alert.status, alert.name, alert.subject);
        self.alerts.iter().map(line).collect()
    }

    /// When the watchdog was evaluated, by its own words.
    pub(super) fn evaluated(&self) -> jiff::Timestamp {
        let seconds = self.alerts.iter().filter_map(|alert| alert.evaluated).max();
        jiff::Timestamp::from_second(seconds.unwrap()).unwrap()
    }

    fn is_of_the_machine(&self) -> bool {
        self.alerts.iter().all(|alert| OF_THE_MACHINE.contains(&alert.name.as_str()))
    }
}

/// The webhook.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) address: String,
    began: Instant,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let messages: Arc<Mutex<Vec<Message>>> = Arc::default();
        let kept = Arc::clone(&messages);
        // Ends with the tests; a client that stops in the middle only ends its own thread.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || kept.lock().unwrap().extend(take(&client)));
            }
        });
        Self { address, began: Instant::now(), messages }
    }

    /// What people were told in a run.
    pub(super) fn messages(&self, run: &str) -> impl Iterator<Item = Message> {
        let told = |message: &Message| message.receiver != "deadman" && !message.is_of_the_machine();
        self.of_run(run).into_iter().filter(told)
    }

    /// What the dead-man switch was told in a run.
    pub(super) fn watchdogs(&self, run: &str) -> impl Iterator<Item = Message> {
        self.of_run(run).into_iter().filter(|message| message.receiver == "deadman")
    }

    /// A message as a person reads it when a test fails.
    pub(super) fn story(&self, message: &Message) -> Vec<String> {
        let after = message.at.saturating_duration_since(self.began).as_secs();
        let lines = message.lines().into_iter().zip(&message.alerts);
        lines.map(|(line, alert)| format!("after {after} s {line}: {}", alert.description)).collect()
    }

    fn of_run(&self, run: &str) -> Vec<Message> {
        let messages = self.messages.lock().unwrap();
        messages.iter().filter(|message| message.run == run).cloned().collect()
    }
}

/// Reads one request and answers it.
fn take(client: &TcpStream) -> Option<Message> {
    client.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(client);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut client = client;
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    let (run, receiver) = path.split_once('/')?;
    Some(message(run, receiver, &serde_json::from_slice(&body).ok()?))
}

fn message(run: &str, receiver: &str, body: &Value) -> Message {
    Message {
        run: run.to_owned(),
        receiver: receiver.to_owned(),
        at: Instant::now(),
        alerts: body["alerts"].as_array().unwrap().iter().map(alert).collect(),
    }
}

fn alert(alert: &Value) -> Alert {
    let label = |name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    let narrowest = ["point", "link", "village", "township", "county"].map(label);
    Alert {
        status: alert["status"].as_str().unwrap().to_owned(),
        name: label("alertname"),
        subject: narrowest.into_iter().find(|subject| !subject.is_empty()).unwrap_or_default(),
        evaluated: alert["annotations"]["evaluated"].as_str().map(|second| second.parse().unwrap()),
        description: alert["annotations"]["description"].as_str().unwrap_or_default().to_owned(),
    }
}
