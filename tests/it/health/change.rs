//! What changes under the tracker: inventory, exclusions, the clock.

use super::network::{network, point};
use super::world::{at, failed, healthy, settings, word};
use sharpeyes::domain::{
    Cause, Condition, Exclusion, ExclusionKind, ExclusionScope, Finding, Inventory, LinkCode,
    LinkObservation, Look, Observation, Order, Outcome, StageTimes, State, WatchMode, Window,
};
use sharpeyes::health::tracker::Tracker;
use std::sync::Arc;
use std::time::Duration;

fn observation(look: Look, number: usize, second: i64, outcome: Outcome) -> Observation {
    Observation {
        point: point(number),
        started: at(second),
        ended: at(second + 1),
        look,
        stages: StageTimes::default(),
        outcome,
    }
}

fn look(tracker: &mut Tracker, number: usize, second: i64, outcome: Outcome) {
    take(tracker, observation(Look::Patrol, number, second, outcome), second);
}

fn take(tracker: &mut Tracker, observation: Observation, second: i64) {
    tracker.tick(at(second + 1));
    tracker.apply(&Finding::Look(Box::new(observation)), at(second + 1));
    tracker.settle(at(second + 1));
}

fn started(inventory: &Inventory) -> Tracker {
    Tracker::new(settings(), Arc::new(inventory.clone()), &[], None, at(0))
}

/// The transitions since the last call, as `number:word`.
fn changes(tracker: &mut Tracker) -> Vec<String> {
    let transitions = tracker.take_effects().transitions;
    let number = |code: &str| code.trim_start_matches("2305210000132").trim_start_matches('0').to_owned();
    transitions
        .iter()
        .map(|change| format!("{}:{}", number(change.point.as_str()), word(&change.to)))
        .collect()
}

#[test]
fn only_what_an_inventory_changes_is_touched() {
    let before = network("V*=3");
    let mut tracker = started(&before);
    for number in 1..=3 {
        look(&mut tracker, number, 2, Outcome::Video(healthy()));
    }
    tracker.take_effects();

    let mut after = network("V*=4");
    after.points.remove(&point(1));
    after.points.get_mut(&point(2)).unwrap().watch = WatchMode::Off;
    tracker.change_inventory(Arc::new(after.clone()), at(10));
    assert_eq!(changes(&mut tracker), ["4:not_yet_probed", "1:not_watchable", "2:not_watchable"]);
    assert_eq!(tracker.snapshot(at(10)).points.len(), 3);

    after.points.get_mut(&point(2)).unwrap().watch = WatchMode::Patrol;
    tracker.change_inventory(Arc::new(after.clone()), at(20));
    assert_eq!(changes(&mut tracker), ["2:not_yet_probed"]);
    tracker.change_inventory(Arc::new(after), at(30));
    assert_eq!(changes(&mut tracker), [""; 0]);
}

#[test]
fn the_first_round_waits_for_the_points_of_the_start_that_are_still_watched() {
    let is_done = |tracker: &mut Tracker| tracker.snapshot(at(5)).first_round_done;
    let mut tracker = started(&network("V=4"));
    let mut inventory = network("V=5");
    tracker.change_inventory(Arc::new(inventory.clone()), at(1));
    for number in [1, 2, 5] {
        look(&mut tracker, number, 2, Outcome::Video(healthy()));
    }
    inventory.points.get_mut(&point(3)).unwrap().watch = WatchMode::Off;
    tracker.change_inventory(Arc::new(inventory.clone()), at(4));
    assert!(!is_done(&mut tracker), "the fourth was not looked at; the fifth does not stand in for it");
    inventory.points.remove(&point(4));
    tracker.change_inventory(Arc::new(inventory), at(4));
    assert!(is_done(&mut tracker), "nothing is left to wait for");
}

#[test]
fn an_outage_survives_a_new_inventory() {
    let mut inventory = network("T*;V=4");
    let mut tracker = started(&inventory);
    for number in 1..=4 {
        look(&mut tracker, number, 2, Outcome::Video(healthy()));
    }
    for second in [10, 40, 71] {
        for number in 1..=4 {
            look(
                &mut tracker,
                number,
                second + i64::try_from(number).unwrap(),
                failed(Cause::ConnectTimeout),
            );
        }
    }
    tracker.tick(at(80));
    let orders = tracker.take_effects().orders;
    assert!(orders.contains(&Order::LinkDown("V".parse().unwrap())), "{orders:?}");

    // A link that sorts before the dead one moves its place in the tree.
    inventory.links.extend(network("A").links);
    tracker.change_inventory(Arc::new(inventory), at(81));
    let effects = tracker.take_effects();
    assert_eq!(effects.transitions, []);
    let dead: LinkCode = "V".parse().unwrap();
    let up = Order::LinkUp { link: dead.clone(), spread: Duration::from_secs(24) };
    assert_eq!(effects.orders, [up, Order::LinkDown(dead)]);
    let snapshot = tracker.snapshot(at(82));
    assert_eq!(snapshot.roots.len(), 1);
    assert!(snapshot.points.iter().all(|point| point.measured.state() == State::Unreachable));
}

#[test]
fn an_exclusion_lies_over_what_is_measured_while_it_lasts() {
    let mut tracker = started(&network("V*=2;W*=1"));
    let exclusion = Exclusion {
        id: 7,
        kind: ExclusionKind::PowerCut,
        scope: ExclusionScope::Link("V".parse().unwrap()),
        window: Window::new(at(100), at(200)).unwrap(),
        reason: String::new(),
        evidence: String::new(),
        applicant: "a".to_owned(),
        approver: Some("b".to_owned()),
        entered: at(0),
        approved: Some(at(0)),
        withdrawn: None,
    };
    look(&mut tracker, 1, 50, Outcome::Video(healthy()));
    let mut check = |exclusions: Vec<Exclusion>, second: i64, expected: [&str; 3]| {
        tracker.change_exclusions(Arc::new(exclusions), at(60));
        (60..=second).for_each(|second| tracker.tick(at(second)));
        let snapshot = tracker.snapshot(at(second));
        let shown: Vec<&str> = snapshot.points.iter().map(|point| point.state().as_str()).collect();
        assert_eq!(shown, expected, "{second}");
        assert_eq!(snapshot.points[0].measured.state(), State::Good);
    };
    check(vec![exclusion.clone()], 99, ["good", "unknown", "unknown"]);
    check(vec![exclusion.clone()], 100, ["excluded", "excluded", "unknown"]);
    check(vec![exclusion.clone()], 200, ["good", "unknown", "unknown"]);
    check(vec![Exclusion { approver: None, ..exclusion }], 150, ["good", "unknown", "unknown"]);
}

#[test]
fn an_hour_that_the_clock_jumped_over_is_unknown() {
    let mut tracker = started(&network("V*=1"));
    look(&mut tracker, 1, 2, Outcome::Video(healthy()));
    tracker.take_effects();
    tracker.step_clock(3_600_000, at(3_603));
    let gap = tracker.take_effects().transitions;
    assert_eq!(gap.len(), 1);
    assert_eq!((gap[0].at, word(&gap[0].to).as_str()), (at(3), "monitor_down"));
    look(&mut tracker, 1, 3_610, Outcome::Video(healthy()));
    assert_eq!(changes(&mut tracker), ["1:good"]);
}

#[test]
fn a_look_under_way_does_not_fill_the_hour_that_the_clock_jumped_over() {
    for ended in [3, 3_604] {
        let mut tracker = started(&network("V*=1"));
        look(&mut tracker, 1, 1, Outcome::Video(healthy()));
        tracker.step_clock(3_600_000, at(3_603));
        tracker.take_effects();
        let mut under_way = observation(Look::Patrol, 1, 2, Outcome::Video(healthy()));
        under_way.ended = at(ended);
        tracker.apply(&Finding::Look(Box::new(under_way)), at(3_604));
        tracker.settle(at(3_604));
        let after = tracker.take_effects().transitions;
        let starts: Vec<_> = after.iter().map(|change| (change.at, word(&change.to))).collect();
        let expected = if ended < 3_603 { vec![] } else { vec![(at(3_603), "good".to_owned())] };
        assert_eq!(starts, expected, "ended at {ended}");
    }
}

#[test]
fn a_clock_that_leaps_far_ahead_is_not_followed() {
    const DAY: i64 = 86_400_000;
    let mut tracker = started(&network("V*=1"));
    tracker.take_effects();
    let check = |now, step_ms, expected| assert_eq!(tracker.follows(step_ms, now), expected, "{step_ms}");
    check(at(10), 7 * DAY, true);
    check(at(10), 7 * DAY + 1, false);
    check(at(10), 366 * DAY, false);
    check(at(10), -366 * DAY, true);
    // A clock that was never set is set.
    check(at(-9_000_000), 366 * DAY, true);
}

#[test]
fn a_point_comes_and_goes_by_time() {
    let mut inventory = network("V*=2");
    let record = inventory.points.get_mut(&point(2)).unwrap();
    (record.commissioned, record.retired) = (at(100), Some(at(200)));
    let mut tracker = started(&inventory);
    assert_eq!(changes(&mut tracker), ["1:not_yet_probed", "2:not_yet_probed", "2:not_watchable"]);
    let mut seen = Vec::new();
    for second in 1..=250 {
        tracker.tick(at(second));
        seen.extend(changes(&mut tracker).iter().map(|change| format!("{second} {change}")));
    }
    assert_eq!(seen, ["100 2:not_yet_probed", "200 2:not_watchable"]);
}

#[test]
fn a_link_that_was_down_before_a_restart_is_down_by_one_failed_probe() {
    let open = |number| sharpeyes::store::OpenState {
        point: point(number),
        since: at(10),
        condition: Condition::Because(Cause::LinkDown("V".parse().unwrap())),
    };
    let restored = [open(1), open(2)];
    let mut tracker = Tracker::new(settings(), Arc::new(network("V*=2")), &restored, Some(at(101)), at(120));
    assert_eq!(changes(&mut tracker), ["1:monitor_down", "2:monitor_down"]);
    let outcome = Err(Cause::ConnectTimeout);
    let probe = LinkObservation { link: "V".parse().unwrap(), started: at(121), ended: at(124), outcome };
    tracker.apply(&Finding::Link(probe), at(124));
    tracker.settle(at(124));
    assert_eq!(changes(&mut tracker), ["1:link_down:V", "2:link_down:V"]);
}

#[test]
fn a_point_that_moves_to_another_link_waits_for_the_verdict_on_that_one() {
    let mut inventory = network("V*=3;W*=3");
    let mut tracker = started(&inventory);
    (1..=6).for_each(|number| look(&mut tracker, number, 2, Outcome::Video(healthy())));
    let wait = |tracker: &mut Tracker, from, to| (from..=to).for_each(|second| tracker.tick(at(second)));
    for (from, second) in [(4, 10), (12, 40), (42, 71)] {
        wait(&mut tracker, from, second);
        look(&mut tracker, 1, second, failed(Cause::ConnectTimeout));
    }
    // Held from now on for the verdict on V, which does not come.
    wait(&mut tracker, 73, 240);
    look(&mut tracker, 1, 240, failed(Cause::ConnectTimeout));
    tracker.take_effects();
    inventory.points.get_mut(&point(1)).unwrap().site = inventory.points[&point(4)].site.clone();
    tracker.change_inventory(Arc::new(inventory), at(242));
    wait(&mut tracker, 243, 419);
    assert_eq!(changes(&mut tracker), [""; 0]);
    wait(&mut tracker, 420, 421);
    assert_eq!(changes(&mut tracker), ["1:connect_timeout"]);
}

#[test]
fn a_clock_that_is_set_back_keeps_the_intervals_in_order() {
    let mut tracker = started(&network("V*=1"));
    look(&mut tracker, 1, 2, Outcome::Video(healthy()));
    tracker.step_clock(-3_600_000, at(-3_590));
    for second in -3_589..-3_500 {
        tracker.tick(at(second));
        if [-3_580, -3_550, -3_519].contains(&second) {
            look(&mut tracker, 1, second, failed(Cause::NoPackets));
        }
    }
    let transitions = tracker.take_effects().transitions;
    let starts: Vec<_> = transitions.iter().map(|transition| transition.at).collect();
    assert!(starts.is_sorted(), "{transitions:?}");
    assert_eq!(word(&transitions.last().unwrap().to), "no_packets");
}

#[test]
fn a_short_gap_is_bridged_only_where_the_settings_say_so() {
    let inventory = Arc::new(network("V*=1"));
    for (restart_gap, expected) in [(0, 130_000), (240, 101_001)] {
        let settings = sharpeyes::health::settings::TrackerSettings {
            restart_gap: Duration::from_secs(restart_gap),
            ..settings()
        };
        let open = sharpeyes::store::OpenState {
            point: point(1),
            since: at(10),
            condition: sharpeyes::domain::Condition::Good,
        };
        let mut tracker = Tracker::new(settings, Arc::clone(&inventory), &[open], Some(at(101)), at(120));
        look(&mut tracker, 1, 130, Outcome::Video(healthy()));
        let last = tracker.take_effects().transitions.pop().unwrap();
        assert_eq!(last.at.as_millis() - at(0).as_millis(), expected);
    }
}

#[test]
fn a_main_stream_judges_nothing() {
    let mut tracker = started(&network("V*=3"));
    take(&mut tracker, observation(Look::Main, 1, 1, Outcome::Video(healthy())), 1);
    for number in 1..=3 {
        look(&mut tracker, number, 2, Outcome::Video(healthy()));
    }
    assert_eq!(changes(&mut tracker).iter().filter(|change| change.ends_with(":good")).count(), 3);
    for second in [10, 40, 70, 100] {
        for number in 1..=3 {
            take(
                &mut tracker,
                observation(Look::Main, number, second, failed(Cause::ConnectTimeout)),
                second,
            );
        }
    }
    assert_eq!(changes(&mut tracker), [""; 0]);
    assert_eq!(tracker.snapshot(at(110)).points[0].last_look, Some(at(3)));
}

#[test]
fn held_credentials_are_shown_by_name() {
    let mut tracker = started(&network("V*=3"));
    for number in 1..=3 {
        look(&mut tracker, number, 2, Outcome::NotLooked(Cause::CredentialHold));
    }
    tracker.tick(at(10));
    let snapshot = tracker.snapshot(at(10));
    let held = &snapshot.held_credentials;
    assert_eq!((held.len(), held[0].name.as_str(), held[0].points), (1, "village", 3));
    assert!(snapshot.points.iter().all(|point| word(&point.measured) == "credential_hold"));
}
