//! What cameras show, over real RTSP: each fault of a picture is found, named, proven by a still, and gone after the repair.

use super::{Fleet, POLL, Service, code, eventually, past_states, states, wait_for_states_within};
use crate::support::service::agent;
use serde_json::{Value, json};
use sharpeyes::simulate::fault::Fault;
use sharpeyes::simulate::fleet::{Coding, Fleet as Cameras, Plan, Watched, asks_for_user, coding};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Watched points; enough to have one for each fault.
const POINTS: usize = 60;
/// Every camera is learnt after this: three patrols over a minute, on a loaded machine.
const LEARNT: Duration = Duration::from_secs(300);
/// A fault is confirmed, or its end, within this: three patrols over half a minute, on a loaded machine.
const CONFIRMED: Duration = Duration::from_secs(300);

/// Faults of pictures, and what only looks like one.
const SHOWN: [Fault; 10] = [
    Fault::Black,
    Fault::Frozen,
    Fault::Blurred,
    Fault::Covered,
    Fault::Moved,
    Fault::Noise,
    Fault::ColourCast,
    Fault::TooDark,
    Fault::InfraredSwitch,
    Fault::Snowfall,
];

/// Cameras that look at the road of the faulty clips: only the fault is new there.
fn cameras(port: u16) -> BTreeSet<String> {
    let fleet = Cameras::build(Plan { port, watched: Watched::Patrol(POINTS) }).unwrap();
    let channels = fleet.devices.iter().flat_map(|device| device.channels.values());
    let on_the_road =
        channels.filter(|channel| coding(channel.media) == Coding::H264 && !asks_for_user(channel.media));
    on_the_road.map(|channel| channel.point.to_string()).collect()
}

fn picture(service: &Service, point: &str) -> Value {
    service.json(&format!("/api/v1/points/{point}/picture"))
}

fn has_learnt(service: &Service, point: &str) -> bool {
    let known = picture(service, point)["baseline"]["known"].clone();
    known.as_array().is_some_and(|known| known.contains(&json!("day")))
}

/// Whether a point shows what it must: the state, and the cause among its faults. A spoilt picture may well have another
/// fault beside: colours that are turned up are noisy.
fn shows(service: &Service, point: &str, fault: Fault) -> bool {
    let (live, condition) =
        (service.json(&format!("/api/v1/points/{point}"))["live"].take(), fault.expected());
    let faults = live["faults"].as_array().unwrap();
    let is_named = |cause: &str| faults.iter().any(|fault| fault["cause"] == cause);
    live["state"] == condition.state().as_str()
        && condition.cause().is_none_or(|cause| is_named(cause.as_str()))
}

/// Waits until every point shows its fault.
fn wait_for_faults(service: &Service, what: &str, shown: &BTreeMap<&String, Fault>) {
    let end = Instant::now() + CONFIRMED;
    loop {
        let missing: Vec<_> = shown.iter().filter(|(point, fault)| !shows(service, point, **fault)).collect();
        if missing.is_empty() {
            return;
        }
        let told = missing.iter().map(|(point, fault)| (*fault, picture(service, point)["items"].take()));
        let told: Vec<_> = told.collect();
        assert!(Instant::now() < end, "{what}: {told:?}");
        std::thread::park_timeout(POLL);
    }
}

#[test]
fn faults_of_pictures_are_found_proven_and_gone_after_the_repair() {
    let port = 26_554;
    let fleet = Fleet::start_with(port, &["--no-faults", "--patrol", &POINTS.to_string()]);
    let service = fleet.serve();
    let road = cameras(port);
    let points = service.items("/api/v1/points");
    let watched = points.iter().filter(|point| point["watch"] != "off").map(code);
    let mut chosen: Vec<String> =
        watched.filter(|point| road.contains(point)).take(SHOWN.len() + 1).collect();
    assert_eq!(chosen.len(), SHOWN.len() + 1);
    // Learnt as it is, it must not be called frozen for the rest of the test.
    let still_night = chosen.pop().unwrap();
    assert_eq!(fleet.tell(&format!("fault {still_night} {}", Fault::StillNight)), "ok");
    eventually(LEARNT, "the cameras are learnt", || {
        chosen.iter().all(|point| has_learnt(&service, point)).then_some(())
    });

    let shown: BTreeMap<&String, Fault> = chosen.iter().zip(SHOWN).collect();
    for (point, fault) in &shown {
        assert_eq!(fleet.tell(&format!("fault {point} {fault}")), "ok");
    }
    wait_for_faults(&service, "spoilt pictures", &shown);
    let black = shown.iter().find(|(_, fault)| **fault == Fault::Black).map(|(point, _)| *point).unwrap();
    check_evidence(&service, black);

    // What was believed is believed after a restart, and nothing good was in between.
    drop(service);
    let service = fleet.serve();
    wait_for_faults(&service, "after a restart", &shown);
    let since_start: Vec<Value> = service.items(&format!("/api/v1/points/{black}/timeline"));
    let last: Vec<&str> =
        since_start.iter().rev().take(3).filter_map(|kept| kept["state"].as_str()).collect();
    assert_eq!(last, ["degraded", "unknown", "degraded"]);

    for point in shown.keys() {
        assert_eq!(fleet.tell(&format!("repair {point}")), "ok");
    }
    wait_for_states_within(CONFIRMED, &service, "repaired pictures", |point| {
        shown.keys().any(|own| *own == point).then(|| ("good".to_owned(), None))
    });
    let others = states(&service).into_keys().filter(|point| !shown.keys().any(|own| *own == point));
    for other in others {
        let past = past_states(&service, &other);
        assert!(!past.contains("degraded"), "{other} was {past:?}: {}", picture(&service, &other));
    }
}

/// The interval names a still; it is shown, and every look at it is in the audit.
fn check_evidence(service: &Service, point: &str) {
    let shown = picture(service, point);
    let blank = shown["items"].as_array().unwrap().iter().find(|item| item["item"] == "blank").unwrap();
    assert_eq!((&blank["grade"], &shown["width"]), (&json!("abnormal"), &json!(640)));
    let interval = service.items(&format!("/api/v1/points/{point}/timeline")).pop().unwrap();
    let (at, hash) = (&interval["evidence"]["still_at"], &interval["evidence"]["still_hash"]);
    let url = service.url(&format!("/api/v1/points/{point}/snapshot?at={}", at.as_str().unwrap()));
    let mut answer = agent().get(url).call().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-still-hash"].to_str().unwrap(), hash.as_str().unwrap());
    let jpeg = answer.body_mut().read_to_vec().unwrap();
    assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]) && jpeg.ends_with(&[0xff, 0xd9]));
    let audit = service.json("/api/v1/audit?limit=1");
    assert_eq!(
        (&audit["items"][0]["action"], &audit["items"][0]["subject"]),
        (&json!("snapshot.read"), &json!(point))
    );
}
