//! The channels that carry notifications, against receivers that others wrote and against ones that misbehave.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test that meets something else should stop")]

mod alertmanager;
mod file;
mod mail;
pub(crate) mod receiver;
mod robot;
mod secrecy;
mod syslog;
mod webhook;

use sharpeyes::clock::Clock;
use sharpeyes::domain::Timestamp;
use sharpeyes::domain::incident::Level;
use sharpeyes::domain::message::{Message, MessageKind, Severity};
use sharpeyes::notify::{Channel, ChannelError};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The key of every channel here.
const KEY: &str = "a-key-of-the-test";
/// Now, unless a test has another clock.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// Settings and secrets of channels, in a folder of their own.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self::at(NOW)
    }

    pub(crate) fn at(now: Timestamp) -> Self {
        Self::with(Clock::manual(now))
    }

    pub(crate) fn with(clock: Clock) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner may read, and gives its path.
    fn private(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A channel with these keys; `KEYFILE` stands for a file with [`KEY`].
    pub(crate) fn channel(&self, keys: &str) -> Channel {
        self.try_channel(keys).unwrap()
    }

    fn try_channel(&self, keys: &str) -> Result<Channel, ChannelError> {
        let key_file = self.private("channel.key", KEY);
        let keys = keys.replace("KEYFILE", &key_file);
        let settings = self.private("sharpeyes.toml", &format!("[[channel]]\nname = \"test\"\n{keys}\n"));
        let settings =
            sharpeyes::config::load(Path::new(&settings)).unwrap_or_else(|error| panic!("{error}"));
        Channel::new(&settings.channels[0], &self.clock, None)
    }

    /// A certificate authority and the certificate of a server on loopback that it vouches for: `ca.pem`, `server.pem`,
    /// `server.key`.
    fn certificates(&self) {
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=a private authority",
            "-keyout",
            self.path("ca.key").to_str().unwrap(),
            "-out",
            self.path("ca.pem").to_str().unwrap(),
        ]);
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            self.path("ca.pem").to_str().unwrap(),
            "-CAkey",
            self.path("ca.key").to_str().unwrap(),
            "-keyout",
            self.path("server.key").to_str().unwrap(),
            "-out",
            self.path("server.pem").to_str().unwrap(),
        ]);
    }
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// HMAC-SHA256 as OpenSSL computes it.
fn hmac(key: &str, text: &str, form: &str) -> Vec<u8> {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", key, form])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    openssl.wait_with_output().unwrap().stdout
}

/// The signature that a body must have.
fn signature(timestamp: &str, body: &str) -> String {
    let said = String::from_utf8(hmac(KEY, &format!("{timestamp}.{body}"), "-r")).unwrap();
    format!("sha256={}", said.split(' ').next().unwrap())
}

fn message(kind: MessageKind) -> Message {
    let since = NOW.minus(std::time::Duration::from_secs(300));
    Message {
        id: format!("incident-17-{}", kind.as_str()),
        incident: Some(17),
        kind,
        severity: Severity::Page,
        level: Level::Township,
        division: "230521100".parse().ok(),
        title: format!("【{}】青山镇上行链路中断，影响 12 路", kind.name_zh()),
        text: "原因：链路不通\n范围：友谊县青山镇\n开始：2026-09-21 22:08".to_owned(),
        at: NOW,
        since,
        ended: kind.ends_incident().then_some(NOW),
        cause: "link_down".to_owned(),
        labels: BTreeMap::from([
            ("alertname".to_owned(), "SharpeyesLinkDown".to_owned()),
            ("root_kind".to_owned(), "link".to_owned()),
            ("root".to_owned(), "L-230521100".to_owned()),
            ("township".to_owned(), "230521100".to_owned()),
        ]),
        link: Some("http://10.1.2.3:8080/duty#incident=17".to_owned()),
    }
}

/// A text with nothing that must not be told.
#[track_caller]
fn assert_tells_no_secret(text: &str) {
    assert!(!text.contains(KEY), "{text}");
}
