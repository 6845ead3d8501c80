//! The desk, the outbox and the API over one store, as the service has them; Debian's Alertmanager and a robot behind them.

use crate::alertmanager::Alertmanager;
use crate::network::{Failing, picture};
use crate::robot::Robot;
use anyhow::Context;
use jiff::tz::TimeZone;
use sharpeyes::api::{self, ApiInputs, ApiState, ImportSettings, PictureInputs};
use sharpeyes::clock::Clock;
use sharpeyes::config::{Settings, load, load_targets};
use sharpeyes::coverage::{CoverageContext, Turns};
use sharpeyes::domain::incident::desk::DeskRules;
use sharpeyes::domain::message::Filter;
use sharpeyes::domain::{Calendar, Inventory};
use sharpeyes::health::snapshot::Snapshot;
use sharpeyes::incident::outbox::{self, OutboxInputs};
use sharpeyes::incident::{self, DeskInputs, IncidentOrder, NoticeSettings};
use sharpeyes::ingest::{Holds, Transports};
use sharpeyes::inventory::brand::Brands;
use sharpeyes::notify::Channel;
use sharpeyes::picture::Shelf;
use sharpeyes::store::{Store, WriterStatus};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Shorter than the shipped half minute, which would only be waited for.
const ANNOUNCE_AFTER: Duration = Duration::from_secs(5);

/// A running service; its tasks end when it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) robot: Robot,
    pub(crate) alertmanager: Alertmanager,
    inventory: Arc<Inventory>,
    clock: Clock,
    snapshot: watch::Sender<Arc<Snapshot>>,
    _inventory: watch::Sender<Arc<Inventory>>,
    _tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Service {
    pub(crate) async fn start(url: &str, inventory: Arc<Inventory>) -> anyhow::Result<Self> {
        let store = Store::open(url).await?;
        store.migrate().await?;
        let (folder, clock) = (tempfile::tempdir()?, Clock::system());
        let robot = Robot::start().await?;
        let alertmanager = tokio::task::spawn_blocking(Alertmanager::start).await??;
        let channels = channels(folder.path(), &robot, &alertmanager, &clock)?;
        let (snapshot, snapshot_seen) = watch::channel(Arc::new(Snapshot::default()));
        let (inventory_sent, inventory_seen) = watch::channel(Arc::clone(&inventory));
        let (orders_sent, orders) = mpsc::channel(64);
        let bell: Arc<Notify> = Arc::default();
        let seen = (snapshot_seen.clone(), inventory_seen.clone());
        let desk = desk(&store, &clock, seen, orders, &channels, &bell).await?;
        let state = ApiState::new(face(&store, &clock, (snapshot_seen, inventory_seen), orders_sent)?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mut tasks, cancel) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(api::run(state.clone(), cancel.clone()));
        tasks.spawn(api::serve(listener, state, cancel.clone()));
        tasks.spawn(incident::run(desk, cancel.clone()));
        let sent = OutboxInputs { store: store.clone(), clock: clock.clone(), channels, bell };
        tasks.spawn(outbox::run(sent, cancel));
        Ok(Self {
            address,
            store,
            robot,
            alertmanager,
            inventory,
            clock,
            snapshot,
            _inventory: inventory_sent,
            _tasks: tasks,
            _folder: folder,
        })
    }

    /// Publishes a picture as the tracker would.
    pub(crate) fn publish(&self, failing: Failing) -> anyhow::Result<()> {
        let sequence = self.snapshot.borrow().sequence + 1;
        let picture = picture(&self.inventory, failing, sequence, self.clock.now())?;
        self.snapshot.send_replace(Arc::new(picture));
        Ok(())
    }

    /// ..again, as it does every five seconds when nothing changes.
    pub(crate) fn publish_again(&self) {
        let last = self.snapshot.borrow().clone();
        self.snapshot.send_replace(Arc::new(Snapshot { sequence: last.sequence + 1, ..(*last).clone() }));
    }
}

fn channels(
    folder: &Path,
    robot: &Robot,
    alertmanager: &Alertmanager,
    clock: &Clock,
) -> anyhow::Result<Vec<Channel>> {
    let (key, file) = (folder.join("robot.key"), folder.join("sharpeyes.toml"));
    let mut private = std::fs::OpenOptions::new();
    std::io::Write::write_all(&mut private.write(true).create(true).mode(0o600).open(&key)?, b"key")?;
    let text = format!(
        "[[channel]]\nname = \"alertmanager\"\nkind = \"alertmanager\"\nurls = [\"http://127.0.0.1:{}\"]\n\
         [[channel]]\nname = \"robot\"\nkind = \"wecom\"\nurl = \"http://{}/cgi-bin/webhook/send\"\nsecret_file = \"{}\"\n",
        alertmanager.port,
        robot.address,
        key.display()
    );
    std::fs::write(&file, text)?;
    let settings = load(&file).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    settings.channels.iter().map(|channel| Channel::new(channel, clock, None).context("a channel")).collect()
}

async fn desk(
    store: &Store,
    clock: &Clock,
    (snapshot, inventory): (watch::Receiver<Arc<Snapshot>>, watch::Receiver<Arc<Inventory>>),
    orders: mpsc::Receiver<IncidentOrder>,
    channels: &[Channel],
    bell: &Arc<Notify>,
) -> anyhow::Result<DeskInputs> {
    let shipped = Settings::default().incident;
    let deadlines = load_targets(None)?.repair_deadline;
    Ok(DeskInputs {
        store: store.clone(),
        clock: clock.clone(),
        snapshot,
        inventory,
        orders,
        rules: DeskRules { verify: shipped.verify, escalate: shipped.escalate, deadlines },
        notices: NoticeSettings {
            channels: channels.iter().map(|channel| (channel.name().to_owned(), Filter::default())).collect(),
            announce_after: ANNOUNCE_AFTER,
            zone: TimeZone::get("Asia/Shanghai")?,
            console_url: None,
        },
        bell: Arc::clone(bell),
        restored: store.live_incidents().await?,
    })
}

fn face(
    store: &Store,
    clock: &Clock,
    (snapshot, inventory): (watch::Receiver<Arc<Snapshot>>, watch::Receiver<Arc<Inventory>>),
    incidents: mpsc::Sender<IncidentOrder>,
) -> anyhow::Result<ApiInputs> {
    let coverage = CoverageContext {
        store: store.clone(),
        clock: clock.clone(),
        calendar: Calendar::of_zone("Asia/Shanghai")?,
        targets: Arc::new(load_targets(None)?),
        inventory: inventory.clone(),
        provisional: Duration::ZERO,
        known_until: None,
        turns: Turns::default(),
    };
    let brands = Brands::built_in().map_err(|faults| anyhow::anyhow!("brands: {faults:?}"))?;
    Ok(ApiInputs {
        store: store.clone(),
        inventory,
        snapshot,
        changes: broadcast::Sender::new(16),
        exclusions: watch::Sender::new(Arc::default()),
        pictures: PictureInputs::idle(Shelf::new("stills".into())),
        orders: mpsc::channel(1).0,
        incidents,
        questions: mpsc::channel(1).0,
        coverage,
        imports: ImportSettings { key_file: "camera.key".into(), brands, zone: TimeZone::UTC },
        holds: Holds::default(),
        transports: Transports::default(),
        writer: watch::channel(WriterStatus::default()).1,
        scheduler: watch::channel(Default::default()).1,
        upkeep: watch::channel(Default::default()).1,
        clock: clock.clone(),
        settings: Arc::new(Settings::default()),
    })
}
