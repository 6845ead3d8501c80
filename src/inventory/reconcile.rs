//! Compares the stored inventory with what runs and hands on what differs: the records, the targets, the links.
//!
//! A reconciler: it takes no input but the store, may run at any time and does nothing when nothing changed. The
//! receivers touch only the points whose target differs.

use crate::clock::Clock;
use crate::domain::path::{LinkId, PathTree};
use crate::domain::{Inventory, Link, Point, Timestamp};
use crate::ingest::{Credential, LinkBudget, Target, TargetSet};
use crate::inventory::credential::{CredentialBook, CredentialError};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, Worker};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Longest time to read the inventory; a store that takes longer is asked again in the next period.
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// Why the wanted state could not be read. What runs goes on unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The credentials could not be opened.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The store did not answer in time.
    #[error("read the inventory within {} s", READ_DEADLINE.as_secs())]
    Deadline(#[from] tokio::time::error::Elapsed),
}

/// The inventory with the credentials that open its streams, as the store held them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The inventory version that was read.
    pub version: i64,
    /// The records.
    pub inventory: Arc<Inventory>,
    credentials: BTreeMap<String, Arc<Credential>>,
    /// When the targets were last made from it.
    made: Timestamp,
}

impl Wanted {
    /// What the scheduler is to watch at `now`.
    pub fn targets(&self, now: Timestamp) -> Arc<TargetSet> {
        Arc::new(targets(&self.inventory, &self.credentials, now))
    }

    /// Whether a point was commissioned or retired since the targets were made: that happens by time alone.
    fn came_or_went(&self, now: Timestamp) -> bool {
        let passed = |at: Timestamp| self.made < at && at <= now;
        self.inventory
            .points
            .values()
            .any(|point| passed(point.commissioned) || point.retired.is_some_and(passed))
    }

    /// What the link prober is to probe.
    pub fn links(&self) -> Arc<Vec<Link>> {
        Arc::new(self.inventory.links.values().cloned().collect())
    }
}

/// Reads what is wanted.
#[derive(Debug)]
pub struct Reconciler {
    /// The store.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where the key of the credentials lies.
    pub key_file: PathBuf,
    /// How often wanted and running are compared.
    pub period: Duration,
}

/// The channels that those who run follow.
#[derive(Debug)]
pub struct Running {
    /// To everyone who reads records.
    pub inventory: watch::Sender<Arc<Inventory>>,
    /// To the scheduler.
    pub targets: watch::Sender<Arc<TargetSet>>,
    /// To the link prober.
    pub links: watch::Sender<Arc<Vec<Link>>>,
}

impl Reconciler {
    /// Reads what the store wants to run.
    pub async fn wanted(&self) -> Result<Wanted, ReconcileError> {
        timeout(READ_DEADLINE, async {
            let version = self.store.inventory_version().await?;
            let inventory = Arc::new(self.store.load_inventory().await?);
            let opened = CredentialBook::open(&self.key_file)?.load(&self.store).await?;
            for (name, error) in &opened.unusable {
                telemetry::credential_unusable(name, error);
            }
            let credentials = opened
                .credentials
                .into_iter()
                .map(|(name, credential)| (name, Arc::new(credential)))
                .collect();
            Ok(Wanted { version, inventory, credentials, made: self.clock.now() })
        })
        .await?
    }

    /// Compares once a period, until cancelled. `wanted` is what the channels of `running` hold.
    pub async fn run(self, mut wanted: Wanted, running: Running, cancel: CancellationToken) {
        let mut period = interval(self.period);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = period.tick() => {}
            }
            // A database that does not answer must not hold the end; what is read half-way is read again.
            let reconciled = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                reconciled = self.reconcile(&mut wanted, &running) => reconciled,
            };
            match reconciled {
                Ok(()) => telemetry::worker_alive(Worker::Reconciler, self.clock.now()),
                Err(error) => telemetry::reconcile_failed(&error),
            }
        }
    }

    async fn reconcile(&self, wanted: &mut Wanted, running: &Running) -> Result<(), ReconcileError> {
        let version = timeout(READ_DEADLINE, self.store.inventory_version()).await??;
        let now = self.clock.now();
        if version != wanted.version {
            *wanted = self.wanted().await?;
            running.inventory.send_replace(wanted.inventory.clone());
            running.links.send_replace(wanted.links());
        } else if !wanted.came_or_went(now) {
            return Ok(());
        }
        wanted.made = now;
        running.retarget(wanted.targets(now), wanted.version);
        Ok(())
    }
}

impl Running {
    fn retarget(&self, targets: Arc<TargetSet>, version: i64) {
        let difference = self.targets.borrow().difference(&targets);
        telemetry::targets_changed(version, difference.changed.len(), difference.removed.len());
        self.targets.send_replace(targets);
    }
}

/// The targets of an inventory at `now`.
fn targets(
    inventory: &Inventory,
    credentials: &BTreeMap<String, Arc<Credential>>,
    now: Timestamp,
) -> TargetSet {
    let tree = PathTree::new(&inventory.links);
    let watched = inventory.points.values().filter(|point| point.is_watched_at(now));
    let targets = watched.map(|point| (point.code, Arc::new(target(inventory, &tree, credentials, point))));
    let budgets = inventory.links.values().map(|link| {
        let budget = LinkBudget { kbps: link.budget_kbps, sessions: link.budget_sessions };
        (link.code.clone(), budget)
    });
    TargetSet { targets: targets.collect(), budgets: budgets.collect() }
}

fn target(
    inventory: &Inventory,
    tree: &PathTree,
    credentials: &BTreeMap<String, Arc<Credential>>,
    point: &Point,
) -> Target {
    let link = inventory.link_of(point).and_then(|link| tree.id(&link.code));
    let codes = |links: &[LinkId]| links.iter().filter_map(|id| tree.code(*id).cloned()).collect();
    Target {
        point: point.code,
        class: point.class,
        watch: point.watch,
        stream: point.watched_stream().cloned(),
        main_stream: point.unwatched_main().cloned(),
        trust: point.trust,
        credential: point.credential.as_ref().and_then(|name| credentials.get(name).cloned()),
        path: link.map_or_else(Vec::new, |link| codes(tree.ancestors(link))),
        needs: link.map_or_else(Vec::new, |link| codes(tree.carriers(link))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::link::Redundancy;
    use crate::domain::{LinkCode, PointCode, WatchMode};

    const POINT: &str = "23052100001320000001";

    fn seconds(at: i64) -> Timestamp {
        Timestamp::from_seconds(at)
    }

    /// A reconciler over an empty store, and what it wants.
    async fn empty(clock: &Clock) -> (tempfile::TempDir, Reconciler, Wanted) {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite:{}", folder.path().join("sharpeyes.db").display())).await.unwrap();
        store.migrate().await.unwrap();
        let key_file = folder.path().join("camera.key");
        let period = Duration::from_secs(10);
        let reconciler = Reconciler { store, clock: clock.clone(), key_file, period };
        let wanted = reconciler.wanted().await.unwrap();
        (folder, reconciler, wanted)
    }

    fn point(change: impl FnOnce(&mut Point)) -> Point {
        let mut point = Point {
            commissioned: seconds(100),
            retired: Some(seconds(200)),
            sub_stream: Some("rtsp://127.0.0.1/sub".parse().unwrap()),
            ..Point::bare(POINT.parse().unwrap(), "230521100200".parse().unwrap())
        };
        change(&mut point);
        point
    }

    fn inventory(point: Point) -> Inventory {
        Inventory { points: [(point.code, point)].into(), ..Inventory::default() }
    }

    #[test]
    fn only_points_in_use_are_watched_from_commissioning_to_retirement() {
        let check = |at, change: fn(&mut Point), expected: bool| {
            let targets = targets(&inventory(point(change)), &BTreeMap::new(), seconds(at));
            assert_eq!(targets.targets.contains_key(&POINT.parse::<PointCode>().unwrap()), expected, "{at}");
        };
        check(99, |_| {}, false);
        check(100, |_| {}, true);
        check(199, |point| point.status = crate::domain::PointStatus::Repair, true);
        check(150, |point| point.status = crate::domain::PointStatus::Removed, false);
        check(150, |point| point.watch = WatchMode::Off, false);
        check(200, |_| {}, false);
    }

    #[test]
    fn a_main_stream_is_measured_beside_a_watched_sub_stream_only() {
        let check = |sub: Option<&str>, main: &str, expected: Option<&str>| {
            let point = point(|point| {
                point.sub_stream = sub.map(|sub| sub.parse().unwrap());
                point.main_stream = Some(main.parse().unwrap());
            });
            let targets = targets(&inventory(point), &BTreeMap::new(), seconds(150));
            let target = targets.targets.values().next().unwrap();
            assert_eq!(target.main_stream.as_ref().map(|main| main.as_str()), expected, "{sub:?} {main}");
        };
        check(Some("rtsp://h/sub"), "rtsp://h/main", Some("rtsp://h/main"));
        check(Some("rtsp://h/main"), "rtsp://h/main", None);
        check(None, "rtsp://h/main", None);
        check(Some("rtsp://h/sub"), "rtsps://h/main", Some("rtsps://h/main"));
    }

    #[test]
    fn a_target_knows_the_links_it_passes_and_those_it_needs() {
        let link = |code: &str, parents: &[&str], redundancy| Link {
            code: code.parse().unwrap(),
            name: code.to_owned(),
            kind: crate::domain::LinkKind::Village,
            division: "230521".parse().unwrap(),
            parents: parents.iter().map(|parent| parent.parse().unwrap()).collect(),
            redundancy,
            budget_kbps: None,
            budget_sessions: Some(1),
            target: None,
        };
        let mut inventory = inventory(point(|point| point.site = Some("S".parse().unwrap())));
        let links = [
            link("V", &["T1", "T2"], Redundancy::Any),
            link("T1", &["C"], Redundancy::All),
            link("T2", &["C"], Redundancy::All),
            link("C", &[], Redundancy::All),
        ];
        inventory.links = links.into_iter().map(|link| (link.code.clone(), link)).collect();
        let site = crate::domain::site::Site {
            code: "S".parse().unwrap(),
            name: "杆".to_owned(),
            village: "230521100200".parse().unwrap(),
            position: None,
            mount: None,
            power: None,
            link: Some("V".parse().unwrap()),
        };
        inventory.sites.insert(site.code.clone(), site);
        let targets = targets(&inventory, &BTreeMap::new(), seconds(150));
        let target = targets.targets.values().next().unwrap();
        let codes = |links: &[LinkCode]| links.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(codes(&target.path), ["V", "T1", "T2", "C"]);
        assert_eq!(codes(&target.needs)[0], "V");
        assert!(!codes(&target.needs).contains(&"T1".to_owned()), "either uplink carries it");
        assert_eq!(targets.budgets.len(), 4);
    }

    #[tokio::test]
    async fn a_point_comes_and_goes_by_time_alone() {
        let clock = Clock::manual(seconds(50));
        let (_folder, reconciler, mut wanted) = empty(&clock).await;
        wanted.inventory = Arc::new(inventory(point(|_| {})));
        let running = Running {
            inventory: watch::Sender::new(wanted.inventory.clone()),
            targets: watch::Sender::new(wanted.targets(clock.now())),
            links: watch::Sender::new(wanted.links()),
        };
        let mut seen = running.targets.subscribe();
        for (pass, expected) in [(10, None), (60, Some(1)), (10, None), (100, Some(0))] {
            clock.advance(Duration::from_secs(pass));
            reconciler.reconcile(&mut wanted, &running).await.unwrap();
            let changed = seen.has_changed().unwrap().then(|| seen.borrow_and_update().targets.len());
            assert_eq!(changed, expected, "at {}", clock.now());
        }
    }
}
