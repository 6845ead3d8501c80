//! The desk and the outbox as the service runs them, over a real store, with real receivers.

#![expect(clippy::indexing_slicing, reason = "a test that meets something else should stop")]

mod crash;
mod crowd;
mod delivery;
mod flood;

use crate::api::service::{code_of, network, picture};
use jiff::tz::TimeZone;
use sharpeyes::clock::Clock;
use sharpeyes::config::load_targets;
use sharpeyes::domain::incident::desk::DeskRules;
use sharpeyes::domain::message::Filter;
use sharpeyes::domain::{Cause, Condition, Inventory, PointCode};
use sharpeyes::health::snapshot::{LinkStatus, Snapshot};
use sharpeyes::incident::outbox::{self, OutboxInputs};
use sharpeyes::incident::{self, DeskInputs, IncidentOrder, NoticeSettings};
use sharpeyes::notify::Channel;
use sharpeyes::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A desk with its outbox; they end when it is dropped.
struct Desk {
    store: Store,
    clock: Clock,
    snapshot: watch::Sender<Arc<Snapshot>>,
    bell: Arc<Notify>,
    records: Arc<Inventory>,
    _inventory: watch::Sender<Arc<Inventory>>,
    orders: mpsc::Sender<IncidentOrder>,
    _tasks: JoinSet<()>,
}

impl Desk {
    /// Starts over what the store holds. A problem is told at once, and a recovery believed at once.
    async fn start(store: Store, clock: Clock, channel: Channel) -> Self {
        let records = Arc::new(network());
        let (snapshot, snapshot_seen) = watch::channel(Arc::default());
        let (inventory, inventory_seen) = watch::channel(Arc::clone(&records));
        let (orders, orders_seen) = mpsc::channel(1);
        let bell: Arc<Notify> = Arc::default();
        let (verify, escalate) = (Duration::ZERO, Duration::from_secs(30 * 86_400));
        let deadlines = load_targets(None).unwrap().repair_deadline;
        let channels = vec![(channel.name().to_owned(), Filter::default())];
        let desk = DeskInputs {
            store: store.clone(),
            clock: clock.clone(),
            snapshot: snapshot_seen,
            inventory: inventory_seen,
            orders: orders_seen,
            rules: DeskRules { verify, escalate, deadlines },
            notices: NoticeSettings {
                channels,
                announce_after: Duration::ZERO,
                zone: TimeZone::UTC,
                console_url: None,
            },
            bell: Arc::clone(&bell),
            restored: store.live_incidents().await.unwrap(),
        };
        let channels = vec![channel];
        let outbox =
            OutboxInputs { store: store.clone(), clock: clock.clone(), channels, bell: Arc::clone(&bell) };
        let (mut tasks, cancel) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(incident::run(desk, cancel.clone()));
        tasks.spawn(outbox::run(outbox, cancel));
        Self { store, clock, snapshot, bell, records, _inventory: inventory, orders, _tasks: tasks }
    }

    /// Publishes a picture in which these points are frozen and all others are well.
    fn publish(&self, sick: &[PointCode]) {
        let mut snapshot = picture(&self.records);
        snapshot.roots.clear();
        snapshot.links.iter_mut().for_each(|link| link.status = LinkStatus::Up);
        for live in &mut snapshot.points {
            let is_sick = sick.contains(&live.code);
            let condition = if is_sick { Condition::Because(Cause::Frozen) } else { Condition::Good };
            let live = Arc::make_mut(live);
            (live.measured, live.since) = (condition, self.clock.now());
        }
        snapshot.sequence = self.snapshot.borrow().sequence + 1;
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    /// Publishes the same picture again: time has gone on.
    fn publish_again(&self) {
        self.snapshot.send_modify(|snapshot| Arc::make_mut(snapshot).sequence += 1);
    }
}

/// A point that may fail.
fn camera() -> PointCode {
    cameras(1)[0]
}

/// Points that may fail, each by itself.
fn cameras(count: usize) -> Vec<PointCode> {
    (0..count).map(|number| code_of("230521100201".parse().unwrap(), number)).collect()
}

/// Asks until something holds; fails the test after a minute.
async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
