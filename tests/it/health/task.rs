//! The tracker's task: its channels, its end, and that it waits for nobody.

use super::network::{network, point};
use super::world::{at, failed, healthy, settings};
use sharpeyes::clock::Clock;
use sharpeyes::domain::{Cause, Finding, Look, Observation, Order, Outcome, StageTimes, State, Transition};
use sharpeyes::health::snapshot::Snapshot;
use sharpeyes::health::tracker::{TrackerInputs, TrackerOutputs, run};
use sharpeyes::store::writer::Record;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

struct Ends {
    clock: Clock,
    findings: mpsc::Sender<Finding>,
    records: mpsc::Receiver<Record>,
    orders_to_ingest: mpsc::Receiver<Order>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    changes: broadcast::Receiver<Arc<Transition>>,
    cancel: CancellationToken,
    task: JoinSet<()>,
}

fn started(text: &str, capacity: usize) -> Ends {
    let clock = Clock::manual(at(0));
    let (findings, findings_end) = mpsc::channel(64);
    let (records_end, records) = mpsc::channel(capacity);
    let (to_ingest, orders_to_ingest) = mpsc::channel(capacity);
    let (to_links, _) = mpsc::channel(capacity);
    let (snapshot_end, snapshot) = watch::channel(Arc::default());
    let (changes_end, changes) = broadcast::channel(64);
    let inputs = TrackerInputs {
        findings: findings_end,
        inventory: watch::channel(Arc::new(network(text))).1,
        exclusions: watch::channel(Arc::default()).1,
        clock: clock.clone(),
        settings: settings(),
        restored: Vec::new(),
        last_heartbeat: None,
    };
    let outputs = TrackerOutputs {
        records: records_end,
        orders_to_ingest: to_ingest,
        orders_to_links: to_links,
        snapshot: snapshot_end,
        changes: changes_end,
    };
    let cancel = CancellationToken::new();
    let mut task = JoinSet::new();
    task.spawn(run(inputs, outputs, cancel.clone()));
    Ends { clock, findings, records, orders_to_ingest, snapshot, changes, cancel, task }
}

impl Ends {
    async fn look(&self, number: usize, outcome: Outcome) {
        let now = self.clock.now();
        let observation = Observation {
            point: point(number),
            started: now,
            ended: now,
            look: Look::Patrol,
            stages: StageTimes::default(),
            outcome,
        };
        self.findings.send(Finding::Look(Box::new(observation))).await.unwrap();
    }
}

#[tokio::test]
async fn a_look_reaches_store_listeners_and_snapshot() {
    let mut ends = started("V*=1", 64);
    ends.clock.advance(Duration::from_secs(1));
    ends.look(1, Outcome::Video(healthy())).await;
    let good = |snapshot: &Arc<Snapshot>| {
        snapshot.points.first().is_some_and(|point| point.measured.state() == State::Good)
    };
    timeout(Duration::from_secs(5), ends.snapshot.wait_for(good)).await.unwrap().unwrap();
    assert_eq!(ends.changes.recv().await.unwrap().to.state(), State::Unknown);
    assert_eq!(ends.changes.recv().await.unwrap().to.state(), State::Good);
    assert!(matches!(ends.records.recv().await, Some(Record::Transition(_))));
    assert!(matches!(ends.records.recv().await, Some(Record::Observation(_))));
    assert!(
        matches!(ends.records.recv().await, Some(Record::Transition(change)) if change.to.state() == State::Good)
    );
}

#[tokio::test]
async fn a_leap_of_the_clock_is_told_and_not_followed() {
    let mut ends = started("V*=1", 64);
    for (step_ms, in_doubt) in [(366 * 86_400_000, true), (-366 * 86_400_000, false)] {
        ends.clock.step_by(step_ms);
        let told = |snapshot: &Arc<Snapshot>| snapshot.clock_in_doubt == in_doubt;
        timeout(Duration::from_secs(5), ends.snapshot.wait_for(told)).await.unwrap().unwrap();
    }
    assert_eq!(ends.clock.now(), at(0));
    assert_eq!(ends.changes.recv().await.unwrap().to.cause(), Some(&Cause::NotYetProbed));
    assert!(ends.changes.try_recv().is_err(), "no interval ends by it");
}

#[tokio::test]
async fn a_quiet_network_is_published_again_as_a_sign_of_life() {
    let mut ends = started("V*=1", 64);
    for _ in 0..5 {
        let sequence = ends.snapshot.borrow_and_update().sequence;
        ends.clock.advance(Duration::from_secs(5));
        let again = ends.snapshot.wait_for(|snapshot| snapshot.sequence > sequence);
        timeout(Duration::from_secs(5), again).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_does_not_stop_the_tracker() {
    let mut ends = started("V*=9", 1);
    ends.clock.advance(Duration::from_secs(1));
    for round in 0..200 {
        let number = 1 + round % 9;
        ends.look(number, failed(Cause::ConnectTimeout)).await;
    }
    let all_looked_at =
        |snapshot: &Arc<Snapshot>| snapshot.points.iter().all(|point| point.last_look.is_some());
    timeout(Duration::from_secs(5), ends.snapshot.wait_for(all_looked_at)).await.unwrap().unwrap();
    assert!(ends.orders_to_ingest.try_recv().is_ok());
}

#[tokio::test]
async fn the_end_hands_over_every_record_and_comes_soon() {
    let mut ends = started("V*=3", 1);
    ends.clock.advance(Duration::from_secs(1));
    for number in 1..=3 {
        ends.look(number, Outcome::Video(healthy())).await;
    }
    ends.cancel.cancel();
    let mut good = 0;
    while let Some(record) = timeout(Duration::from_secs(5), ends.records.recv()).await.unwrap() {
        good += usize::from(matches!(record, Record::Transition(change) if change.to.state() == State::Good));
    }
    assert_eq!(good, 3);
    timeout(Duration::from_secs(5), ends.task.join_all()).await.unwrap();
}
