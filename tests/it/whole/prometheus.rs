//! Debian's Prometheus and Alertmanager with the shipped rules and routes, against the real service and simulated
//! cameras: what a person is told of one outage, whatever dies meanwhile. Times are a tenth of the shipped ones.
//!
//! | run | what is changed, what happens during the outage | messages |
//! |---|---|---|
//! | A | no inhibition | 3 |
//! | B | nothing: everything as it ships | 3 |
//! | C | the rule of the village is 14 s late, no inhibition | 3 |
//! | D | a dead camera, no inhibition; the service is killed and started | 3 |
//! | E | the same as it ships | 3 |
//! | F | the engine alone: neither inhibition nor `unless`; nobody was ever `offline` but the dead camera | 3 |
//! | G | Alertmanager is restarted with its data | 3 |
//! | H | Prometheus is away for 5 s | 3 |
//! | I | Prometheus is dead for 70 s, and the dead-man switch says so | 3 |
//! | J | no inhibition, Alertmanager is restarted | 3 |
//!
//! The outage: a village uplink with 12 cameras is cut and repaired, and one of the cameras stays dead. It is told,
//! resolved, and the camera told: three messages with two firing alerts and a resolved one. Of D and E the camera is told,
//! then that the service is gone and that it is back.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that meets something else stops; its counts are told"
)]

mod network;
mod stack;
mod webhook;

use crate::prometheus::dashboard::{self, Query};
use crate::support::process::eventually;
use network::Network;
use serde_json::Value;
use stack::{Change, Stack};
use std::time::{Duration, Instant};
use webhook::{Message, Receiver};

/// A change of the network is seen, confirmed and told within this, on a loaded machine.
const TOLD: Duration = Duration::from_secs(180);
/// Longer than the group interval and wait of the sped-up routes: what has not come by then does not come.
const QUIET: Duration = Duration::from_secs(40);

#[test]
fn one_outage_is_one_message_whatever_dies_meanwhile() {
    let mut network = Network::start(26_554);
    let receiver = Receiver::start();
    let change = |run: &'static str, change| Stack::start(run, change, &network, &receiver);
    let mut stacks = [
        change("A", Change::NoInhibition),
        change("B", Change::Nothing),
        change("C", Change::LateVillage),
        change("F", Change::EngineAlone),
        change("G", Change::Nothing),
        change("H", Change::Nothing),
        change("I", Change::Nothing),
        change("J", Change::NoInhibition),
    ];
    each(&stacks, "sees every camera send video", |stack| {
        stack.value("sum(sharpeyes_point_up)") == Some(36.0)
    });
    each(&stacks, "hears the watchdog", |stack| receiver.watchdogs(stack.run).next().is_some());

    let village = network.villages[0].clone();
    let (camera, code) = (village.points[0].clone(), village.code.clone());
    network.cut(&village);
    network.tell(&format!("fault {camera} refused"));
    let outage = format!("duty: firing SharpEyesVillageUplinkDown {code}");
    each(&stacks, "tells the outage", |stack| told(&receiver, stack.run).contains(&outage));

    disturb(&mut stacks, &receiver);

    network.repair(&village);
    let expected = [
        outage,
        format!("duty: resolved SharpEyesVillageUplinkDown {code}"),
        format!("tickets: firing SharpEyesPointOffline {camera}"),
    ];
    each(&stacks, "tells the repair and the dead camera", |stack| {
        expected.iter().all(|line| told(&receiver, stack.run).contains(line))
    });
    check_messages(&stacks, &receiver, &expected);
    for stack in &stacks {
        // The second layer had nothing to do: the engine never called a camera behind the dead link offline.
        let offline = stack.samples("max_over_time(sharpeyes_point_state{state=~\"offline|no_video\"}[10m])");
        let points: Vec<&str> =
            offline.iter().filter_map(|sample| sample["metric"]["point"].as_str()).collect();
        assert!(points.iter().all(|point| *point == camera), "{}: {offline:?}", stack.run);
    }

    check_dashboards(&stacks[1], &code[..6], &camera);

    exporter_dies(&mut network, &receiver, &camera);
}

/// Every query of every dashboard gives a number, of the county and the dead camera.
fn check_dashboards(stack: &Stack, county: &str, camera: &str) {
    let is_number = |sample: &Value| sample["value"][1].as_str().is_some_and(|value| value != "NaN");
    // The figures of the service are computed once a minute.
    let empty = || -> Vec<Query> {
        let queries = dashboard::queries(county, camera).into_iter();
        queries.filter(|query| !stack.samples(&query.expression).iter().any(is_number)).collect()
    };
    let end = Instant::now() + TOLD;
    let mut left = empty();
    while !left.is_empty() {
        assert!(Instant::now() < end, "without a number: {left:#?}");
        left = empty();
    }
}

/// What happens to each run while the outage lasts.
fn disturb(stacks: &mut [Stack], receiver: &Receiver) {
    let [_, _, _, _, g, h, i, j] = stacks else { panic!("eight runs") };
    let outage = "SharpEyesVillageUplinkDown";
    i.kill_prometheus("KILL");
    let (died, died_at) = (Instant::now(), jiff::Timestamp::now());
    for stack in [&mut *g, &mut *j] {
        stack.kill_alertmanager("TERM");
        stack.start_alertmanager();
    }
    h.kill_prometheus("TERM");
    let stopped = Instant::now();
    passed(stopped, Duration::from_secs(5));
    h.start_prometheus();
    // Prometheus tells Alertmanager anew once a minute: until then it has forgotten everything.
    for stack in [&*g, &*j] {
        eventually(TOLD, "a restarted Alertmanager knows of the outage", || {
            stack.knows(outage).then_some(())
        });
    }
    eventually(TOLD, "a restarted Prometheus fires again", || h.fires(outage).then_some(()));
    passed(died, Duration::from_secs(70));
    // Alertmanager goes on to repeat the watchdog, which by its own words is of before the death; a living one is newer.
    let newest = |run| receiver.watchdogs(run).map(|watchdog| watchdog.evaluated()).max().unwrap();
    eventually(TOLD, "a living watchdog is newer", || (newest("B") > died_at).then_some(()));
    assert!(newest(i.run) <= died_at, "{} after {died_at}", newest(i.run));
    i.start_prometheus();
    eventually(TOLD, "the dead Prometheus fires again", || i.fires(outage).then_some(()));
}

/// Runs D and E: a camera that is told stays so when the service dies, and is told no second time.
fn exporter_dies(network: &mut Network, receiver: &Receiver, camera: &str) {
    let stacks = [
        Stack::start("D", Change::NoInhibition, network, receiver),
        Stack::start("E", Change::Nothing, network, receiver),
    ];
    let dead_camera = format!("tickets: firing SharpEyesPointOffline {camera}");
    each(&stacks, "tells the dead camera", |stack| told(receiver, stack.run).contains(&dead_camera));
    network.kill_service();
    let gone = "platform: firing SharpEyesDown ".to_owned();
    each(&stacks, "tells that the service is gone", |stack| told(receiver, stack.run).contains(&gone));
    network.start_service();
    let back = "platform: resolved SharpEyesDown ".to_owned();
    each(&stacks, "tells that it is back", |stack| told(receiver, stack.run).contains(&back));
    each(&stacks, "sees the camera dead again", |stack| {
        let offline = format!("count(sharpeyes_point_state{{state=\"offline\", point=\"{camera}\"}})");
        stack.value(&offline) == Some(1.0)
    });
    check_messages(&stacks, receiver, &[dead_camera, gone, back]);
}

/// Nothing else came, and nothing comes.
fn check_messages(stacks: &[Stack], receiver: &Receiver, expected: &[String]) {
    let mut expected = expected.to_vec();
    expected.sort();
    each(stacks, "is quiet", |stack| {
        receiver.messages(stack.run).all(|message| message.at.elapsed() > QUIET)
    });
    let mut wrong = Vec::new();
    for stack in stacks {
        let messages: Vec<Message> = receiver.messages(stack.run).collect();
        let count = |status: &str| {
            messages.iter().flat_map(|message| &message.alerts).filter(|alert| alert.status == status).count()
        };
        let mut lines = told(receiver, stack.run);
        let counts = (messages.len(), count("firing"), count("resolved"));
        let story: Vec<String> = messages.iter().flat_map(|message| receiver.story(message)).collect();
        println!("run {}: messages, firing, resolved: {counts:?}\n  {}", stack.run, story.join("\n  "));
        lines.sort();
        if lines != expected || counts != (3, 2, 1) {
            wrong.push(format!("run {}: {story:#?}", stack.run));
        }
    }
    assert!(wrong.is_empty(), "expected {expected:#?}, told\n{}", wrong.join("\n"));
}

/// Every alert of every message, as `receiver: status alert subject`.
fn told(receiver: &Receiver, run: &str) -> Vec<String> {
    receiver.messages(run).flat_map(|message| message.lines()).collect()
}

#[track_caller]
fn each(stacks: &[Stack], what: &str, holds: impl Fn(&Stack) -> bool) {
    for stack in stacks {
        eventually(TOLD, &format!("{}: {what}", stack.run), || holds(stack).then_some(()));
    }
}

/// Waits until so much time has passed: how long something is away is what is tested.
fn passed(since: Instant, time: Duration) {
    eventually(time.saturating_mul(2), "the time passes", || (since.elapsed() >= time).then_some(()));
}
