//! What is believed of pictures becomes the state of points, with a reading and a still for evidence.

use super::network::{network, point};
use super::world::{at, healthy, settings};
use sharpeyes::domain::picture::baseline::Origin;
use sharpeyes::domain::picture::verdict::BaselineNote;
use sharpeyes::domain::picture::{Grade, Item, ItemSet, PerItem, PictureVerdict, Reading, Status, StillNote};
use sharpeyes::domain::{Finding, Look, Observation, Outcome, Provenance, StageTimes, Transition};
use sharpeyes::health::tracker::Tracker;
use std::sync::Arc;
use std::time::Duration;

fn verdict(looked: i64, faulty: &[(Item, i64)], normal_since: i64) -> Finding {
    let status = |item| {
        let since = faulty.iter().find(|(own, _)| *own == item).map(|(_, since)| *since);
        let grade = if since.is_some() { Grade::Abnormal } else { Grade::Normal };
        let newest = Reading { grade, value: Some(1.5), threshold: Some(3.0), lasting: Duration::ZERO };
        Status { grade, since: Some(at(since.unwrap_or(normal_since))), newest }
    };
    Finding::Picture(Box::new(PictureVerdict {
        point: point(1),
        looked: Some(at(looked)),
        size: Some((640, 360)),
        items: PerItem::new(status),
        weather: ItemSet::default(),
        baseline: BaselineNote { version: 2, origin: Origin::Accepted, since: at(0), known: Vec::new() },
        still: Some(StillNote { at: at(looked), hash: "0123456789abcdef".to_owned() }),
    }))
}

fn look(second: i64) -> Finding {
    Finding::Look(Box::new(Observation {
        point: point(1),
        started: at(second - 1),
        ended: at(second),
        look: Look::Patrol,
        stages: StageTimes::default(),
        outcome: Outcome::Video(healthy()),
    }))
}

/// Lets time pass up to a second, in steps that are no stall, and takes a finding.
fn take(tracker: &mut Tracker, second: i64, finding: &Finding) -> Vec<Transition> {
    (0..=second).for_each(|passed| tracker.tick(at(passed)));
    tracker.apply(finding, at(second));
    tracker.settle(at(second));
    tracker.take_effects().transitions
}

#[test]
fn a_fault_of_the_picture_is_an_interval_with_its_evidence() {
    let mut tracker = Tracker::new(settings(), Arc::new(network("V=1")), &[], None, at(0));
    tracker.take_effects();
    assert_eq!(take(&mut tracker, 10, &look(10)).len(), 1);
    assert_eq!(take(&mut tracker, 20, &verdict(20, &[], 20)), []);

    let changes = take(&mut tracker, 100, &verdict(100, &[(Item::Blank, 60)], 20));
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].at, changes[0].provenance), (at(60), Provenance::Probe));
    assert_eq!(changes[0].to.cause().unwrap().as_str(), "blank");
    let evidence = |word: &str| {
        let found = changes[0].evidence.0.iter().find(|(own, _)| own == word);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(evidence("grade"), Some("abnormal"));
    assert_eq!((evidence("value"), evidence("threshold")), (Some("1.5000"), Some("3.0000")));
    assert_eq!((evidence("still_hash"), evidence("baseline_version")), (Some("0123456789abcdef"), Some("2")));

    let snapshot = tracker.snapshot(at(100));
    assert_eq!(snapshot.points[0].faults.iter().map(|cause| cause.as_str()).collect::<Vec<_>>(), ["blank"]);
    assert_eq!(snapshot.points[0].picture.as_ref().unwrap().size, Some((640, 360)));

    assert_eq!(take(&mut tracker, 110, &look(110)), [], "a stream that arrives ends no fault of the picture");
    let changes = take(&mut tracker, 200, &verdict(200, &[], 150));
    assert_eq!((changes.len(), changes[0].at, changes[0].to.cause()), (1, at(150), None));
}

#[test]
fn a_verdict_on_a_point_that_is_not_watched_changes_nothing() {
    let mut inventory = network("V=1");
    inventory.points.get_mut(&point(1)).unwrap().watch = sharpeyes::domain::WatchMode::Off;
    let mut tracker = Tracker::new(settings(), Arc::new(inventory), &[], None, at(0));
    tracker.take_effects();
    assert_eq!(take(&mut tracker, 20, &verdict(20, &[(Item::Blank, 10)], 0)), []);
}
