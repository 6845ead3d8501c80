//! The whole way: a fleet over real RTSP, the service as a process, faults that come and go, and what HTTP tells of it.

#![expect(clippy::indexing_slicing, reason = "a test that meets something else should stop")]

mod demo;
mod picture;
mod prometheus;

use crate::support::process::{Process, eventually};
use crate::support::service::{Service, sharpeyes};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// The demo's settings: the same confirmation as in a village, ten times as fast.
const SETTINGS: &str = include_str!("../../src/app/demo.toml");
const POINTS: usize = 960;
/// Every point has a state after this.
const FIRST_ROUND: Duration = Duration::from_secs(120);
/// A fault shows, or a repair is proven, within this: two looks, the confirmation time, and a loaded machine.
const CONFIRMED: Duration = Duration::from_secs(120);
/// How often the states are asked for: a whole list costs some milliseconds.
const POLL: Duration = Duration::from_millis(500);
/// From SIGTERM to exit.
const STOPPED: Duration = Duration::from_secs(10);

/// The simulated fleet, and the inventory of it in a store.
struct Fleet {
    _simulator: Process,
    folder: tempfile::TempDir,
}

impl Fleet {
    fn start(port: u16) -> Self {
        // The scripted faults stay where they are: each test moves its own.
        Self::start_with(port, &["--stay", "1000000", "--learn", "1000000"])
    }

    fn start_with(port: u16, arguments: &[&str]) -> Self {
        let fleet = Self::launch(port, arguments);
        fleet.import();
        fleet
    }

    /// The fleet alone; its inventory is in a folder and nowhere else.
    fn launch(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clips = concat!(env!("CARGO_TARGET_TMPDIR"), "/clips");
        let mut simulator = Process::start(
            sharpeyes()
                .arg("simulate")
                .arg("--dir")
                .arg(folder.path())
                .args(["--port", &port.to_string(), "--clips", clips, "--key-frame-gap", "8"])
                .args(arguments),
        );
        simulator.wait_for_line("ready", Duration::from_secs(600));
        Self { _simulator: simulator, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self) -> String {
        let place = |name: &str| self.path().join(name).display().to_string();
        SETTINGS
            .replace("@DATABASE@", &place("sharpeyes.db"))
            .replace("@KEY@", &place("camera.key"))
            .replace("@STILLS@", &place("stills"))
    }

    fn import(&self) {
        let file = self.path().join("import.toml");
        std::fs::write(&file, self.settings().replace("@LISTEN@", "127.0.0.1:0")).unwrap();
        let files = std::fs::read_dir(self.path().join("inventory")).unwrap();
        let imported = sharpeyes()
            .arg("import")
            .arg("--config")
            .arg(&file)
            .args(files.map(|file| file.unwrap().path()))
            .output()
            .unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    }

    fn serve(&self) -> Service {
        Service::start(self.path(), &self.settings())
    }

    /// Gives the simulator an order and returns its answer.
    fn tell(&self, order: &str) -> String {
        let told = sharpeyes()
            .arg("simulate")
            .arg("--dir")
            .arg(self.path())
            .arg("--tell")
            .arg(order)
            .output()
            .unwrap();
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    }

    /// What is wrong now: point, expected state, expected cause.
    fn faults(&self) -> Vec<(String, String, Option<String>)> {
        let text = std::fs::read_to_string(self.path().join("faults.json")).unwrap();
        let faults: Value = serde_json::from_str(&text).unwrap();
        let word = |fault: &Value, key: &str| fault[key].as_str().map(str::to_owned);
        let faults = faults.as_array().unwrap().iter();
        faults
            .filter_map(|fault| {
                Some((word(fault, "point")?, word(fault, "expected_state")?, word(fault, "expected_cause")))
            })
            .collect()
    }

    /// What the simulated cameras count: `sessions`, `connections`, `torn_down`, `abandoned`.
    fn count(&self, what: &str) -> u64 {
        let answer: Value = serde_json::from_str(&self.tell("sessions")).unwrap();
        answer[what].as_u64().unwrap()
    }
}

/// State and cause of every point.
fn states(service: &Service) -> BTreeMap<String, (String, Option<String>)> {
    let word = |point: &Value, key: &str| point["live"][key].as_str().map(str::to_owned);
    let points = service.items("/api/v1/points");
    points.iter().map(|point| (code(point), (word(point, "state").unwrap(), word(point, "cause")))).collect()
}

fn code(record: &Value) -> String {
    record["code"].as_str().unwrap().to_owned()
}

/// The states that a point has been in.
fn past_states(service: &Service, point: &str) -> BTreeSet<String> {
    let intervals = service.items(&format!("/api/v1/points/{point}/timeline"));
    intervals.iter().map(|interval| interval["state"].as_str().unwrap().to_owned()).collect()
}

fn wait_for_states(
    service: &Service,
    what: &str,
    expected: impl Fn(&str) -> Option<(String, Option<String>)>,
) {
    wait_for_states_within(CONFIRMED, service, what, expected);
}

fn wait_for_states_within(
    deadline: Duration,
    service: &Service,
    what: &str,
    expected: impl Fn(&str) -> Option<(String, Option<String>)>,
) {
    let end = Instant::now() + deadline;
    loop {
        let shown = states(service);
        let wrong: Vec<_> = shown
            .iter()
            .filter_map(|(point, state)| {
                expected(point).filter(|expected| expected != state).map(|expected| (point, expected, state))
            })
            .collect();
        if wrong.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{what}: point, expected, shown: {wrong:?}");
        std::thread::park_timeout(POLL);
    }
}

#[test]
fn the_fleet_is_judged_cut_repaired_and_left_without_a_trace() {
    let fleet = Fleet::start(21_554);
    let service = fleet.serve();
    eventually(FIRST_ROUND, "every point has a state", || {
        let shown = states(&service);
        assert_eq!(shown.len(), POINTS);
        shown.values().all(|(state, _)| state != "unknown").then_some(())
    });

    let faults = fleet.faults();
    assert!(faults.len() > 15, "{faults:?}");
    wait_for_states(&service, "scripted faults", |point| {
        let fault = faults.iter().find(|(faulty, _, _)| faulty == point);
        Some(fault.map_or(("good".to_owned(), None), |(_, state, cause)| (state.clone(), cause.clone())))
    });

    cut_and_repair(&fleet, &service);
    stop(&fleet, service);
}

/// One cut link is one cause with all its members unreachable, none of them ever offline; each returns by its own proof.
fn cut_and_repair(fleet: &Fleet, service: &Service) {
    let faulty: BTreeSet<String> = fleet.faults().into_iter().map(|(point, _, _)| point).collect();
    let points = service.items("/api/v1/points");
    let mut villages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for point in &points {
        villages.entry(point["village"].as_str().unwrap().to_owned()).or_default().insert(code(point));
    }
    let (village, members) =
        villages.into_iter().find(|(_, members)| members.len() >= 3 && members.is_disjoint(&faulty)).unwrap();
    assert_eq!(fleet.tell(&format!("cut {village}")), "ok");
    let cut = Some(("unreachable".to_owned(), Some("link_down".to_owned())));
    wait_for_states(service, "cut link", |point| members.contains(point).then(|| cut.clone()).flatten());
    let summary = service.json("/api/v1/summary");
    let causes: Vec<&Value> = summary["root_causes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cause| cause["link"]["division"].as_str() == Some(&village))
        .collect();
    assert_eq!(causes.len(), 1, "{summary}");
    let listed: BTreeSet<String> = causes[0]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, members);

    assert_eq!(fleet.tell(&format!("repair {village}")), "ok");
    let good = Some(("good".to_owned(), None));
    wait_for_states(service, "repair", |point| members.contains(point).then(|| good.clone()).flatten());
    for member in &members {
        let past = past_states(service, member);
        assert!(!past.contains("offline"), "{member} was {past:?}");
    }
}

/// SIGTERM ends it in time, with a TEARDOWN for every session.
fn stop(fleet: &Fleet, mut service: Service) {
    eventually(CONFIRMED, "sessions are open", || (fleet.count("sessions") > 10).then_some(()));
    let abandoned = fleet.count("abandoned");
    let asked = Instant::now();
    service.process.signal("TERM");
    let status = service.process.wait(STOPPED);
    assert!(status.success(), "{status} after {:?}", asked.elapsed());
    eventually(STOPPED, "every connection is closed", || (fleet.count("connections") == 0).then_some(()));
    // A session that was cut off with its link keeps waiting on the camera's side; nothing can be sent there.
    assert_eq!(
        fleet.count("abandoned"),
        abandoned,
        "without TEARDOWN; it said:\n{}",
        service.process.output()
    );
}

#[test]
fn killed_again_and_again_it_keeps_a_timeline_without_gaps_or_storms() {
    const KILLS: usize = 50;
    let fleet = Fleet::start(22_554);
    let faulty: BTreeSet<String> = fleet.faults().into_iter().map(|(point, _, _)| point).collect();
    let (village, mut killed) = {
        let service = fleet.serve();
        eventually(FIRST_ROUND, "every point has a state", || {
            states(&service).values().all(|(state, _)| state != "unknown").then_some(())
        });
        let point = service.items("/api/v1/points").into_iter().find(|point| !faulty.contains(&code(point)));
        let village = point.unwrap()["village"].as_str().unwrap().to_owned();
        (village, kill(service.process))
    };
    let mut dead = Vec::new();
    for number in 0..KILLS {
        let order = if number % 2 == 0 { "cut" } else { "repair" };
        assert_eq!(fleet.tell(&format!("{order} {village}")), "ok");
        dead.push((killed, now()));
        killed = fleet.live_until_killed(number);
    }
    dead.push((killed, now()));
    let service = fleet.serve();
    wait_for_states(&service, "after the last start", |point| {
        (!faulty.contains(point)).then(|| ("good".to_owned(), None))
    });
    check_sums(&service, dead[0].0, now());
    let mut alarmed = Vec::new();
    for point in service.items("/api/v1/points") {
        let (point, touched) = (code(&point), point["village"].as_str() == Some(&village));
        let intervals = service.items(&format!("/api/v1/points/{point}/timeline"));
        check_timeline(&point, &intervals);
        check_dead_spans(&point, &intervals, &dead);
        if !touched && !faulty.contains(&point) {
            let is_alarm =
                |interval: &Value| !["good", "unknown"].iter().any(|calm| interval["state"] == *calm);
            let (count, before) = (intervals.len(), alarmed.len());
            alarmed.extend(intervals.into_iter().filter(is_alarm));
            // Each start adds its gap and what it found; an alarm adds itself and its end.
            let most = 2 * (dead.len() + 1) + 2 * (alarmed.len() - before);
            assert!(count <= most, "{point}: {count} intervals after {} starts", dead.len() + 1);
        }
    }
    // A machine that builds and tests at once may starve a stream or two; a storm is many.
    assert!(alarmed.len() <= POINTS / 100, "{alarmed:#?}");
}

impl Fleet {
    /// One life of the service that ends by `kill -9`, each time at another moment: before it listens, before the first
    /// look, while looks are under way, after the first results. Says when it is dead.
    fn live_until_killed(&self, number: usize) -> jiff::Timestamp {
        if number.is_multiple_of(4) {
            let (mut command, _port) = Service::command(self.path(), &self.settings());
            let process = Process::start(&mut command);
            let database = self.path().join("sharpeyes.db");
            eventually(FIRST_ROUND, "the database is open", || process.has_open(&database).then_some(()));
            return kill(process);
        }
        let service = self.serve();
        let judged = (number % 4 - 1) * 15;
        eventually(FIRST_ROUND, "some points are judged", || {
            let judged_now = states(&service).values().filter(|(state, _)| state != "unknown").count();
            (judged_now >= judged).then_some(())
        });
        kill(service.process)
    }
}

/// Kills without a word and says when it is dead.
fn kill(mut process: Process) -> jiff::Timestamp {
    process.signal("KILL");
    process.wait(STOPPED);
    now()
}

/// As exact as the timeline.
fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(jiff::Timestamp::now().as_millisecond()).unwrap()
}

/// Every point's time is in the figure once: what was judged and what was not measured make the whole window.
fn check_sums(service: &Service, from: jiff::Timestamp, to: jiff::Timestamp) {
    let answer = service.json(&format!("/api/v1/coverage?indicator=A1&from={from}&to={to}"));
    let figure = &answer["whole"]["figures"][0];
    let sum: u64 = ["denominator", "unknown", "excluded", "aside"]
        .map(|part| figure[part].as_u64().unwrap())
        .iter()
        .sum();
    let window = to.as_millisecond() - from.as_millisecond();
    assert_eq!(sum, u64::try_from(POINTS).unwrap() * u64::try_from(window).unwrap(), "{answer}");
}

/// While the service was dead nothing is claimed to have been measured.
fn check_dead_spans(point: &str, intervals: &[Value], dead: &[(jiff::Timestamp, jiff::Timestamp)]) {
    for (from, to) in dead {
        let touching = intervals.iter().filter(|interval| {
            instant(&interval["start"]) < *to
                && (interval["end"].is_null() || instant(&interval["end"]) > *from)
        });
        for interval in touching {
            let shown = (interval["state"].as_str().unwrap(), interval["cause"].as_str());
            assert_eq!(shown, ("unknown", Some("monitor_down")), "{point} from {from} to {to}: {interval}");
        }
    }
}

fn instant(time: &Value) -> jiff::Timestamp {
    time.as_str().unwrap().parse().unwrap()
}

/// Intervals follow each other without overlap or hole, and no two neighbours are the same.
fn check_timeline(point: &str, intervals: &[Value]) {
    assert!(!intervals.is_empty(), "{point} has no history");
    for pair in intervals.windows(2) {
        assert_eq!(pair[0]["end"], pair[1]["start"], "{point}: {pair:?}");
        assert!(instant(&pair[0]["start"]) < instant(&pair[0]["end"]), "{point}: {pair:?}");
        let condition = |interval: &Value| {
            (interval["state"].clone(), interval["cause"].clone(), interval["detail"].clone())
        };
        assert_ne!(condition(&pair[0]), condition(&pair[1]), "{point}: {pair:?}");
    }
    let open = intervals.iter().filter(|interval| interval["end"].is_null()).count();
    assert_eq!(open, 1, "{point}: {intervals:?}");
}
