//! The running service: every channel, every task and the order in which they stop.
//!
//! Data flows watchers -> tracker -> writer; they stop in this order, so that nothing that was measured is lost.

use crate::api::guard::{self, Guarding};
use crate::api::{self, ApiInputs, ApiState, ImportSettings, PictureInputs};
use crate::app::database;
use crate::app::demand::Demand;
use crate::app::import::brands;
use crate::app::pulse::Signs;
use crate::app::stopping::{CLOSE_STORE, STOP_FACE, STOP_KEEPERS, STOP_TRACKER, STOP_WATCHERS};
use crate::app::task::Group;
use crate::clock::Clock;
use crate::config::{Settings, environment, load_targets};
use crate::coverage::{CoverageContext, Turns};
use crate::domain::decode::DecodedSize;
use crate::domain::incident::Incident;
use crate::domain::incident::desk::DeskRules;
use crate::domain::picture::Framings;
use crate::domain::{
    Calendar, Exclusion, Finding, Inventory, Order, PointCode, Targets, Timestamp, Transition, Transport,
    Window,
};
use crate::health::examiner;
use crate::health::examiner::ExaminerSettings;
use crate::health::examiner::task::{BaselineOrder, ExaminerInputs, ExaminerOutputs};
use crate::health::restore;
use crate::health::settings::TrackerSettings;
use crate::health::snapshot::Snapshot;
use crate::health::tracker::{self, TrackerInputs, TrackerOutputs};
use crate::incident::outbox::{self, OutboxInputs};
use crate::incident::{self, DeskInputs, IncidentOrder, NoticeSettings};
use crate::ingest::{Holds, Puller, Question, SchedulerInputs, SchedulerStatus, Tap, Transports, scheduler};
use crate::inventory::credential::key_file;
use crate::inventory::reconcile::{Reconciler, Running, Wanted};
use crate::inventory::transport;
use crate::notify::Channel;
use crate::picture::{PoolInputs, PoolStatus, Shelf, ShelfBudget, pool};
use crate::probe;
use crate::store::upkeep::{self, UpkeepStatus};
use crate::store::writer::{self, WriterInputs};
use crate::store::{KeptDiagnosis, Lease, OpenState, Record, Store, WriterStatus};
use crate::telemetry;
use crate::vital::{self, Vitals};
use anyhow::Context;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::{Instant, timeout};

/// Findings between the watchers and the tracker; the watchers wait when it is full.
const FINDINGS: usize = 4_096;
/// Records between the tracker and the writer; the tracker keeps its own queue when it is full.
const RECORDS: usize = 4_096;
/// Orders to a watcher; the tracker leaves wishes out and keeps facts when it is full.
const ORDERS: usize = 1_024;
/// Looks that somebody waits for; a caller is told to try again when it is full.
const QUESTIONS: usize = 64;
/// Key frames between the sessions and the decoders; one that finds no room is given up and counted.
const CANDIDATES: usize = 256;
/// Pictures between the decoders and the examiner; decoding waits when it is full. Each has some 140 kB.
const PICTURES: usize = 32;
/// Wishes to the decoders; one that finds no room is left out.
const WISHES: usize = 4_096;
/// What people say about baselines; a caller is told to try again when it is full.
const BASELINE_ORDERS: usize = 16;
/// What people do to incidents; a caller is told to try again when it is full.
const INCIDENT_ORDERS: usize = 64;
/// Changes that a slow listener of the event stream may lag behind before it is told to reload.
const CHANGES: usize = 8_192;

/// How the service stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Every task ended by itself.
    InTime,
    /// These tasks were cut off.
    Late(Vec<&'static str>),
}

/// A running service.
#[derive(Debug)]
pub(super) struct Service {
    address: SocketAddr,
    signs: Signs,
    store: Store,
    face: Group,
    watchers: Group,
    tracker: Group,
    keepers: Group,
    /// Let go last, when it is dropped.
    lease: Group,
}

impl Service {
    /// Opens the store, restores what was, and starts everything. Dropping the future loses nothing: every task begins
    /// at its end. `open_files` is the limit of this process.
    pub(super) async fn start(settings: Settings, open_files: Option<u64>) -> anyhow::Result<Self> {
        let parts = Parts::open(settings).await?;
        let listener = parts.listen().await?;
        let reconciler = parts.reconciler();
        let wanted = reconciler.wanted().await?;
        let demand = Demand::of(&wanted.targets(parts.clock.now()), wanted.links().len(), &parts.settings);
        demand.warn_of_shortfalls(&parts.settings.watch, open_files);
        let restored = Restored::read(&parts.store).await?;
        parts.resume_holds(&restored, &wanted.inventory);
        parts.run(reconciler, wanted, restored, listener)
    }

    /// The address that it listens on.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The signs of life of its workers.
    pub(super) fn signs(&self) -> Signs {
        self.signs.clone()
    }

    /// Waits until a task ends although it was not told to.
    pub(super) async fn failed(&mut self) -> &'static str {
        tokio::select! {
            task = self.face.failed() => task,
            task = self.watchers.failed() => task,
            task = self.tracker.failed() => task,
            task = self.keepers.failed() => task,
            task = self.lease.failed() => task,
        }
    }

    /// Stops in the order of the data: nothing new is looked at, what was found is decided, what was decided is kept.
    pub(super) async fn stop(self) -> Stopped {
        let mut late = self.face.stop(STOP_FACE).await;
        late.extend(self.watchers.stop(STOP_WATCHERS).await);
        late.extend(self.tracker.stop(STOP_TRACKER).await);
        late.extend(self.keepers.stop(STOP_KEEPERS).await);
        if timeout(CLOSE_STORE, self.store.close()).await.is_err() {
            late.push("store");
        }
        if late.is_empty() { Stopped::InTime } else { Stopped::Late(late) }
    }
}

/// What is read from the store before anything runs.
struct Restored {
    exclusions: Vec<Exclusion>,
    open: Vec<OpenState>,
    last_heartbeat: Option<Timestamp>,
    framings: Framings,
    diagnoses: Vec<KeptDiagnosis>,
    sizes: Vec<DecodedSize>,
    transports: BTreeMap<PointCode, Transport>,
    incidents: Vec<Incident>,
}

impl Restored {
    async fn read(store: &Store) -> anyhow::Result<Self> {
        let always = Window::new(Timestamp::MIN, Timestamp::MAX).context("the whole of time is a window")?;
        Ok(Self {
            exclusions: store.effective_exclusions(always).await?,
            open: store.open_states().await?,
            last_heartbeat: store.last_heartbeat().await?,
            framings: store.framings().await?,
            diagnoses: store.kept_diagnoses().await?,
            sizes: store.newest_decoded_sizes().await?,
            transports: store.kept_transports().await?,
            incidents: store.live_incidents().await?,
        })
    }
}

/// What every task is built from.
struct Parts {
    settings: Arc<Settings>,
    clock: Clock,
    store: Store,
    lease: Lease,
    calendar: Calendar,
    targets: Arc<Targets>,
    holds: Holds,
    imports: ImportSettings,
    channels: Vec<Channel>,
    zone: TimeZone,
}

/// Where the key of the sealed credentials lies.
fn key_of(settings: &Settings) -> PathBuf {
    let directory = environment("CREDENTIALS_DIRECTORY");
    key_file(&settings.credentials.key_file, directory.as_deref())
}

/// The channels that notifications go over.
pub(super) fn channels(settings: &Settings, clock: &Clock) -> anyhow::Result<Vec<Channel>> {
    let directory = environment("CREDENTIALS_DIRECTORY");
    let open = |channel| {
        let opened = Channel::new(channel, clock, directory.as_deref());
        opened.with_context(|| format!("open the channel {}", channel.name))
    };
    settings.channels.iter().map(open).collect()
}

fn start_tracker(inputs: TrackerInputs, outputs: TrackerOutputs) -> Group {
    let mut group = Group::new();
    group.start("tracker", |cancel| tracker::run(inputs, outputs, cancel));
    group
}

fn start_lease(lease: Lease) -> Group {
    let mut group = Group::new();
    group.start("lease", |_dropped_at_the_end| async move {
        lease.keep().await;
        telemetry::lease_lost();
    });
    group
}

/// Where what people want goes.
struct Persons {
    /// To the scheduler.
    orders: mpsc::Sender<Order>,
    /// To the scheduler, with an answer.
    questions: mpsc::Sender<Question>,
    /// To the examiner.
    baselines: mpsc::Sender<BaselineOrder>,
    /// To the incident desk.
    incidents: mpsc::Sender<IncidentOrder>,
}

/// What others follow.
struct Followed {
    inventory: watch::Sender<Arc<Inventory>>,
    exclusions: watch::Sender<Arc<Vec<Exclusion>>>,
    framings: watch::Sender<Arc<Framings>>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    decoding: watch::Sender<PoolStatus>,
    changes: broadcast::Sender<Arc<Transition>>,
    writer: watch::Sender<WriterStatus>,
    scheduler: watch::Sender<SchedulerStatus>,
    upkeep: watch::Sender<UpkeepStatus>,
}

impl Followed {
    fn new(inventory: Arc<Inventory>, exclusions: Vec<Exclusion>, framings: Framings) -> Self {
        Self {
            inventory: watch::Sender::new(inventory),
            exclusions: watch::Sender::new(Arc::new(exclusions)),
            framings: watch::Sender::new(Arc::new(framings)),
            decoding: watch::Sender::new(PoolStatus::default()),
            snapshot: watch::Sender::new(Arc::default()),
            changes: broadcast::Sender::new(CHANGES),
            writer: watch::Sender::new(WriterStatus::default()),
            scheduler: watch::Sender::new(SchedulerStatus::default()),
            upkeep: watch::Sender::new(UpkeepStatus::default()),
        }
    }

    fn signs(&self) -> Signs {
        Signs::new(self.snapshot.subscribe(), self.scheduler.subscribe(), self.writer.subscribe())
    }
}

impl Parts {
    async fn open(settings: Settings) -> anyhow::Result<Self> {
        let calendar = Calendar::of_zone(&settings.report.zone)?;
        let targets = Arc::new(load_targets(settings.report.targets_file.as_deref())?);
        let store = database::open(settings.store.url.expose()).await?;
        let lease = database::lease(&store).await?;
        let zone = TimeZone::get(&settings.report.zone)?;
        let imports = ImportSettings { key_file: key_of(&settings), brands: brands()?, zone: zone.clone() };
        let clock = Clock::system();
        let channels = channels(&settings, &clock)?;
        let (settings, holds) = (Arc::new(settings), Holds::default());
        Ok(Self { settings, clock, store, lease, calendar, targets, holds, imports, channels, zone })
    }

    async fn listen(&self) -> anyhow::Result<TcpListener> {
        let listen = self.settings.server.listen;
        match guard::check_listen(&self.store, listen).await? {
            Guarding::Tokens => {}
            Guarding::LoopbackOpen => telemetry::served_without_token(listen),
        }
        TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))
    }

    fn reconciler(&self) -> Reconciler {
        Reconciler {
            store: self.store.clone(),
            clock: self.clock.clone(),
            key_file: key_of(&self.settings),
            period: self.settings.watch.reconcile_period,
        }
    }

    /// The last try of a refused credential may have been as late as the last heartbeat, or just now.
    fn resume_holds(&self, restored: &Restored, inventory: &Inventory) {
        let (now, span) = (self.clock.now(), self.settings.watch.credential_hold);
        let tried = restored.last_heartbeat.unwrap_or(now);
        let until = Instant::now() + span.saturating_sub(now.since(tried));
        for refused in restore::refused(&restored.open, inventory) {
            self.holds.hold(&refused.credential, &refused.host, refused.since, until);
        }
    }

    fn run(
        mut self,
        reconciler: Reconciler,
        wanted: Wanted,
        restored: Restored,
        listener: TcpListener,
    ) -> anyhow::Result<Service> {
        let address = listener.local_addr()?;
        let followed = Followed::new(wanted.inventory.clone(), restored.exclusions, restored.framings);
        let running = Running {
            inventory: followed.inventory.clone(),
            targets: watch::Sender::new(wanted.targets(self.clock.now())),
            links: watch::Sender::new(wanted.links()),
        };
        let (findings, found) = mpsc::channel(FINDINGS);
        let (records, recorded) = mpsc::channel(RECORDS);
        let (to_ingest, ingest_orders) = mpsc::channel(ORDERS);
        let (to_answer, questions) = mpsc::channel(QUESTIONS);
        let (to_links, link_orders) = mpsc::channel(ORDERS);
        let (baselines, baseline_orders) = mpsc::channel(BASELINE_ORDERS);
        let transports = Transports::remembering(&restored.transports);
        let (to_desk, incident_orders) = mpsc::channel(INCIDENT_ORDERS);
        let persons =
            Persons { orders: to_ingest.clone(), questions: to_answer, baselines, incidents: to_desk };
        let (face, signs) = (self.start_face(&followed, persons, &transports, listener), followed.signs());
        let mut keepers = self.start_keepers(&followed, recorded);
        self.start_desk(&mut keepers, &followed, incident_orders, restored.incidents);
        let (store, learnt, kept) = (self.store.clone(), transports.clone(), restored.transports);
        keepers.start("transports", |cancel| transport::run(store, learnt, kept, cancel));
        let mut watchers = Group::new();
        let examined = (baseline_orders, restored.diagnoses, restored.sizes);
        let tap = self.start_examiner(&mut watchers, &followed, findings.clone(), examined)?;
        let status = followed.scheduler.clone();
        let inputs = SchedulerInputs {
            targets: running.targets.subscribe(),
            orders: ingest_orders,
            questions,
            settings: self.settings.watch.clone(),
            health: self.settings.health.clone(),
            clock: self.clock.clone(),
            holds: self.holds.clone(),
            tap,
            transports,
            puller: self.puller()?,
        };
        self.start_watchers(&mut watchers, &running, findings, inputs, link_orders, status);
        let inputs = TrackerInputs {
            findings: found,
            inventory: followed.inventory.subscribe(),
            exclusions: followed.exclusions.subscribe(),
            clock: self.clock.clone(),
            settings: TrackerSettings::new(&self.settings.health, &self.settings.watch),
            restored: restored.open,
            last_heartbeat: restored.last_heartbeat,
        };
        let outputs = TrackerOutputs {
            records,
            orders_to_ingest: to_ingest,
            orders_to_links: to_links,
            snapshot: followed.snapshot,
            changes: followed.changes,
        };
        let (tracker, lease) = (start_tracker(inputs, outputs), start_lease(self.lease));
        let mut service =
            Service { address, signs, store: self.store, face, watchers, tracker, keepers, lease };
        service.watchers.start("reconciler", |cancel| reconciler.run(wanted, running, cancel));
        Ok(service)
    }

    /// Starts the decoders and the examiner of what they give, if there are any. Gives the place where sessions leave their
    /// key frames.
    fn start_examiner(
        &self,
        watchers: &mut Group,
        followed: &Followed,
        findings: mpsc::Sender<Finding>,
        (orders, restored, sizes): (mpsc::Receiver<BaselineOrder>, Vec<KeptDiagnosis>, Vec<DecodedSize>),
    ) -> anyhow::Result<Option<Tap>> {
        let settings = &self.settings.picture;
        if settings.decoders == 0 {
            return Ok(None);
        }
        let (candidates, offered) = mpsc::channel(CANDIDATES);
        let (broken, told_broken) = mpsc::channel(CANDIDATES);
        let (wishes, wished) = mpsc::channel(WISHES);
        let (pictures, decoded) = mpsc::channel(PICTURES);
        let inputs = PoolInputs {
            candidates: offered,
            wishes: wished,
            framings: followed.framings.subscribe(),
            settings: settings.clone(),
            program: std::env::current_exe().context("find this program")?,
            clock: self.clock.clone(),
        };
        let status = followed.decoding.clone();
        watchers.start("decoders", |cancel| pool::run(inputs, pictures, status, cancel));
        let inputs = ExaminerInputs {
            decoded,
            broken: told_broken,
            orders,
            inventory: followed.inventory.subscribe(),
            framings: followed.framings.subscribe(),
            snapshot: followed.snapshot.subscribe(),
            changes: followed.changes.subscribe(),
            shelf: self.shelf(),
            budget: ShelfBudget { bytes: settings.stills_bytes, age: settings.stills_age() },
            store: self.store.clone(),
            clock: self.clock.clone(),
            settings: self.examiner_settings(),
            miss_period: settings.doubtful_period,
            restored,
            sizes,
        };
        let outputs = ExaminerOutputs { findings, wishes };
        watchers.start("examiner", |cancel| examiner::task::run(inputs, outputs, cancel));
        Ok(Some(Tap { candidates, broken, pause: settings.shortest_period() }))
    }

    fn shelf(&self) -> Shelf {
        Shelf::new(self.settings.picture.stills_folder.clone())
    }

    fn examiner_settings(&self) -> ExaminerSettings {
        let (picture, watch) = (&self.settings.picture, &self.settings.watch);
        ExaminerSettings {
            rules: picture.rules.clone(),
            sky: picture.sky,
            round: 2 * watch.period.max(picture.inner_period),
            calendar: self.calendar.clone(),
        }
    }

    /// What pulls where retina cannot; nothing when it is switched off.
    fn puller(&self) -> anyhow::Result<Option<Puller>> {
        let watch = &self.settings.watch;
        let program = std::env::current_exe().context("find this program")?;
        let puller = Puller::new(program, watch.authorities_file.clone(), watch.puller_sessions);
        Ok((watch.puller_sessions > 0).then_some(puller))
    }

    fn start_watchers(
        &self,
        watchers: &mut Group,
        running: &Running,
        findings: mpsc::Sender<Finding>,
        inputs: SchedulerInputs,
        link_orders: mpsc::Receiver<Order>,
        status: watch::Sender<SchedulerStatus>,
    ) {
        let to_tracker = findings.clone();
        watchers.start("scheduler", |cancel| scheduler::run(inputs, to_tracker, status, cancel));
        let (links, settings) = (running.links.subscribe(), self.settings.watch.clone());
        let clock = self.clock.clone();
        watchers.start("link prober", |cancel| {
            probe::link::run(links, findings, link_orders, settings, clock, cancel)
        });
    }

    fn start_keepers(&self, followed: &Followed, records: mpsc::Receiver<Record>) -> Group {
        let mut keepers = Group::new();
        let inputs = WriterInputs {
            store: self.store.clone(),
            clock: self.clock.clone(),
            records,
            settings: self.settings.store.clone(),
            status: followed.writer.clone(),
        };
        keepers.start("writer", |cancel| writer::run(inputs, cancel));
        let (store, clock, settings) = (self.store.clone(), self.clock.clone(), self.settings.store.clone());
        let (calendar, status) = (self.calendar.clone(), followed.upkeep.clone());
        keepers.start("upkeep", |cancel| async move {
            upkeep::run(store, clock, calendar, &settings, status, cancel).await;
        });
        let vitals = self.vitals();
        keepers.start("vitals", |cancel| vital::run(vitals, cancel));
        keepers
    }

    /// Starts the desk that follows incidents, and the outbox of what is told about them.
    fn start_desk(
        &mut self,
        keepers: &mut Group,
        followed: &Followed,
        orders: mpsc::Receiver<IncidentOrder>,
        restored: Vec<Incident>,
    ) {
        let settings = &self.settings.incident;
        let deadlines = self.targets.repair_deadline.clone();
        let filters = self.settings.channels.iter();
        let notices = NoticeSettings {
            channels: filters.map(|channel| (channel.name.clone(), channel.filter.clone())).collect(),
            announce_after: settings.announce_after,
            zone: self.zone.clone(),
            console_url: settings.console_url.clone(),
        };
        let bell: Arc<Notify> = Arc::default();
        let inputs = DeskInputs {
            store: self.store.clone(),
            clock: self.clock.clone(),
            snapshot: followed.snapshot.subscribe(),
            inventory: followed.inventory.subscribe(),
            orders,
            rules: DeskRules { verify: settings.verify, escalate: settings.escalate, deadlines },
            notices,
            bell: bell.clone(),
            restored,
        };
        keepers.start("incident desk", |cancel| incident::run(inputs, cancel));
        let channels = std::mem::take(&mut self.channels);
        let inputs = OutboxInputs { store: self.store.clone(), clock: self.clock.clone(), channels, bell };
        keepers.start("outbox", |cancel| outbox::run(inputs, cancel));
    }

    fn vitals(&self) -> Vitals {
        let database = self.store.folder().map(|folder| ("database", folder));
        let stills = (self.settings.picture.decoders > 0)
            .then(|| ("stills", self.settings.picture.stills_folder.clone()));
        Vitals::new(
            database.into_iter().chain(stills).collect(),
            self.settings.watch.authorities_file.clone(),
        )
    }

    fn start_face(
        &self,
        followed: &Followed,
        persons: Persons,
        transports: &Transports,
        listener: TcpListener,
    ) -> Group {
        let state = ApiState::new(ApiInputs {
            store: self.store.clone(),
            inventory: followed.inventory.subscribe(),
            snapshot: followed.snapshot.subscribe(),
            changes: followed.changes.clone(),
            exclusions: followed.exclusions.clone(),
            pictures: PictureInputs {
                framings: followed.framings.clone(),
                baselines: (self.settings.picture.decoders > 0).then_some(persons.baselines),
                shelf: self.shelf(),
                decoding: followed.decoding.subscribe(),
            },
            orders: persons.orders,
            questions: persons.questions,
            incidents: persons.incidents,
            coverage: CoverageContext {
                store: self.store.clone(),
                clock: self.clock.clone(),
                calendar: self.calendar.clone(),
                targets: self.targets.clone(),
                inventory: followed.inventory.subscribe(),
                provisional: self.settings.report.provisional(),
                known_until: None,
                turns: Turns::default(),
            },
            imports: self.imports.clone(),
            holds: self.holds.clone(),
            transports: transports.clone(),
            writer: followed.writer.subscribe(),
            scheduler: followed.scheduler.subscribe(),
            upkeep: followed.upkeep.subscribe(),
            clock: self.clock.clone(),
            settings: self.settings.clone(),
        });
        let mut face = Group::new();
        let served = state.clone();
        face.start("http", |cancel| api::serve(listener, served, cancel));
        face.start("events", |cancel| api::run(state, cancel));
        face
    }
}
