//! One Prometheus with one Alertmanager, on the shipped files with a tenth of their times.

use super::network::Network;
use super::webhook::Receiver;
use crate::support::folder::package;
use crate::support::process::{Process, eventually, free_port};
use crate::support::service::agent;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// From the start of a program to its first answer, on a loaded machine.
const START: Duration = Duration::from_secs(60);
/// From a signal to the end.
const STOP: Duration = Duration::from_secs(30);
/// So many times shorter than shipped.
const SPEED: u64 = 10;

/// What differs from the shipped files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    NoInhibition,
    /// The rule of the village fires 14 s after that of its cameras could; no inhibition.
    LateVillage,
    /// Neither inhibition nor `unless`.
    EngineAlone,
}

/// A running pair.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) run: &'static str,
    folder: tempfile::TempDir,
    prometheus_port: u16,
    alertmanager_port: u16,
    prometheus: Option<Process>,
    alertmanager: Option<Process>,
}

impl Stack {
    pub(super) fn start(run: &'static str, change: Change, network: &Network, receiver: &Receiver) -> Self {
        let mut stack = Self {
            run,
            folder: tempfile::tempdir().unwrap(),
            prometheus_port: free_port(),
            alertmanager_port: free_port(),
            prometheus: None,
            alertmanager: None,
        };
        stack.write_files(change, network, receiver);
        stack.start_alertmanager();
        stack.start_prometheus();
        stack
    }

    fn write_files(&self, change: Change, network: &Network, receiver: &Receiver) {
        let folder = self.folder.path();
        let token = folder.join("token");
        std::fs::write(&token, &network.token).unwrap();
        let adapt = |text: String| {
            sped_up(&text)
                .replace("/etc/prometheus/sharpeyes.token", token.to_str().unwrap())
                .replace(
                    "http://127.0.0.1:8080/api/v1/deadman/prometheus",
                    &format!("http://{}/{}/deadman", receiver.address, self.run),
                )
                .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", network.port))
                .replace("127.0.0.1:9090", &format!("127.0.0.1:{}", self.prometheus_port))
                .replace("127.0.0.1:9093", &format!("127.0.0.1:{}", self.alertmanager_port))
                .replace("127.0.0.1:9099/", &format!("{}/{}/", receiver.address, self.run))
        };
        let write = |file: &Path, text: String| std::fs::write(folder.join(file), text).unwrap();
        std::fs::create_dir(folder.join("rules")).unwrap();
        for entry in std::fs::read_dir(package().join("rules")).unwrap() {
            let file = entry.unwrap().path();
            let rules = adapt(std::fs::read_to_string(&file).unwrap());
            write(&Path::new("rules").join(file.file_name().unwrap()), changed_rules(&rules, change));
        }
        let shipped = |name: &str| std::fs::read_to_string(package().join(name)).unwrap();
        write(Path::new("prometheus.yml"), adapt(shipped("prometheus.yml")));
        write(Path::new("alertmanager.yml"), changed_routes(&adapt(shipped("alertmanager.yml")), change));
    }

    pub(super) fn start_prometheus(&mut self) {
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", place("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", place("series")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.prometheus_port))
            .arg("--log.level=warn");
        self.prometheus = Some(started(&mut command, self.prometheus_port));
    }

    pub(super) fn start_alertmanager(&mut self) {
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", place("alertmanager.yml")))
            .arg(format!("--storage.path={}", place("sent")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.alertmanager_port))
            .args(["--cluster.listen-address=", "--log.level=warn"]);
        self.alertmanager = Some(started(&mut command, self.alertmanager_port));
    }

    pub(super) fn kill_prometheus(&mut self, signal: &str) {
        ended(self.prometheus.take(), signal);
    }

    pub(super) fn kill_alertmanager(&mut self, signal: &str) {
        ended(self.alertmanager.take(), signal);
    }

    /// The samples of an instant query; none while Prometheus does not answer.
    pub(super) fn samples(&self, query: &str) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.prometheus_port);
        let Ok(mut response) = agent().get(&url).query("query", query).call() else { return Vec::new() };
        let body: Value =
            serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap_or_default();
        assert_ne!(body["status"], "error", "{query}: {body}");
        body["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The value of a query with one sample.
    pub(super) fn value(&self, query: &str) -> Option<f64> {
        self.samples(query).first()?["value"][1].as_str()?.parse().ok()
    }

    /// Whether Prometheus fires an alert itself: a query for ALERTS would give what it fired before it was restarted.
    pub(super) fn fires(&self, alert: &str) -> bool {
        let url = format!("http://127.0.0.1:{}/api/v1/alerts", self.prometheus_port);
        let Ok(mut response) = agent().get(&url).call() else { return false };
        let body: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        let alerts = body["data"]["alerts"].as_array().unwrap();
        alerts.iter().any(|active| active["labels"]["alertname"] == alert && active["state"] == "firing")
    }

    /// Whether Alertmanager has an alert.
    pub(super) fn knows(&self, alert: &str) -> bool {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.alertmanager_port);
        let Ok(mut response) = agent().get(&url).call() else { return false };
        response.body_mut().read_to_string().unwrap().contains(&format!("\"{alert}\""))
    }
}

fn started(command: &mut Command, port: u16) -> Process {
    let mut process = Process::start(command);
    let ready = format!("http://127.0.0.1:{port}/-/ready");
    eventually(START, "a program is ready", || {
        assert!(process.ended().is_none(), "{command:?}: {}", process.output());
        agent().get(&ready).call().ok().filter(|response| response.status().is_success()).map(drop)
    });
    process
}

fn ended(process: Option<Process>, signal: &str) {
    let mut process = process.unwrap();
    process.signal(signal);
    process.wait(STOP);
}

/// The keys whose times are those of the machinery, not of what it measures.
const TIMES: [&str; 8] = [
    "scrape_interval",
    "scrape_timeout",
    "evaluation_interval",
    "interval",
    "for",
    "keep_firing_for",
    "group_wait",
    "group_interval",
];

fn sped_up(text: &str) -> String {
    text.lines().map(|line| sped_up_line(line) + "\n").collect()
}

fn sped_up_line(line: &str) -> String {
    let Some((key, time)) = line.split_once(": ") else { return line.to_owned() };
    // Reminders after hours come in no run.
    let is_time = TIMES.contains(&key.trim()) || (key.trim() == "repeat_interval" && !time.ends_with('h'));
    if !is_time {
        return line.to_owned();
    }
    let (number, unit) = time.split_at(time.len() - 1);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => panic!("{line}"),
    };
    format!("{key}: {}ms", number.parse::<u64>().unwrap() * unit_ms / SPEED)
}

fn changed_rules(rules: &str, change: Change) -> String {
    match change {
        Change::Nothing | Change::NoInhibition => rules.to_owned(),
        Change::LateVillage => rules
            .split("- alert: ")
            .map(|rule| match rule.starts_with("SharpEyesVillageUplinkDown") {
                true => rule.replace("for: 12000ms\n        keep", "for: 26000ms\n        keep"),
                false => rule.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("- alert: "),
        Change::EngineAlone => {
            // The alert of single links knows larger ones by nothing but `unless`.
            let without = match rules.split_once("      - alert: SharpEyesLinkDown\n") {
                Some((before, rest)) => format!("{before}{}", &rest[rest.find("  - name: ").unwrap()..]),
                None => rules.to_owned(),
            };
            let kept = without.lines().filter(|line| !line.trim().starts_with("unless on (county"));
            kept.map(|line| format!("{line}\n")).collect()
        }
    }
}

fn changed_routes(routes: &str, change: Change) -> String {
    if change == Change::Nothing {
        return routes.to_owned();
    }
    let (before, rest) = routes.split_once("\ninhibit_rules:\n").unwrap();
    let (_, receivers) = rest.split_once("\nreceivers:\n").unwrap();
    format!("{before}\nreceivers:\n{receivers}")
}
