//! The running simulator: builds the fleet, its files and clips, opens every address and lets the faults move.
//!
//! Owns every task of it. Whoever starts it decides when it ends, with the cancellation token.

use crate::clock::Clock;
use crate::domain::{LinkCode, PointCode, Timestamp};
use crate::simulate::control::{self, Request};
use crate::simulate::ear::{Ear, ListenError};
use crate::simulate::fault::{Face, Faults};
use crate::simulate::fleet::{Device, Fleet, FleetError, Plan};
use crate::simulate::media::{self, MediaError};
use crate::simulate::relay::{Surroundings, Tally, relay};
use crate::simulate::script::Script;
use crate::simulate::studio::{Studio, StudioError};
use crate::simulate::table::{self, TableError};
use crate::simulate::world::{FaultRow, Order, World};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Orders that may wait; more make their senders wait.
const ORDERS: usize = 16;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// Work folder: `inventory/*.csv`, `faults.json`, `control`.
    pub folder: PathBuf,
    /// Folder of the clips.
    pub clips: PathBuf,
    /// The fleet.
    pub plan: Plan,
    /// Distance of random-access pictures under `slow_key_frames`.
    pub key_frame_gap: Duration,
    /// How long each scripted fault stays; nothing fails by itself without it.
    pub script: Option<Duration>,
    /// Before this no picture is spoilt.
    pub learn: Duration,
}

/// Why the simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The fleet.
    #[error("build the fleet")]
    Fleet(#[from] FleetError),
    /// Its files.
    #[error("write the inventory files")]
    Table(#[from] TableError),
    /// Its clips.
    #[error("make the pictures")]
    Media(#[from] MediaError),
    /// The RTSP servers.
    #[error("start the RTSP servers")]
    Studio(#[from] StudioError),
    /// An address. With many addresses the limit of open files is the usual reason.
    #[error("open the addresses")]
    Listen(#[from] ListenError),
    /// The work folder.
    #[error("use the work folder {folder}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that makes the pictures ended early.
    #[error("wait for the pictures")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// The running simulator.
#[derive(Debug)]
pub struct Network {
    /// The inventory files, in the order of the import.
    pub files: Vec<PathBuf>,
    /// Addresses that listen.
    pub addresses: usize,
    tasks: TaskTracker,
    studio: Arc<Studio>,
}

/// What `sessions` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Sessions {
    sessions: u32,
    connections: u64,
    played: u64,
    torn_down: u64,
    abandoned: u64,
}

impl Network {
    /// Starts everything; returns when every address answers.
    pub async fn start(
        options: &Options,
        clock: &Clock,
        cancel: &CancellationToken,
    ) -> Result<Self, SimulateError> {
        let fleet = Fleet::build(options.plan)?;
        let files = table::write(&fleet, &options.folder.join("inventory"))?;
        let clips = load_clips(options.clips.clone()).await?;
        let studio = Arc::new(Studio::open(&clips, &fleet.secrets)?);
        let script = options
            .script
            .map_or_else(Script::default, |stay| Script::write(&fleet, stay).learnt_for(options.learn));
        let world = World::new(script, clock.now());
        let (faults_tx, faults) = watch::channel(Arc::new(world.at(clock.now())));
        let tally = Arc::new(Tally::default());
        let around = Surroundings {
            open: studio.open,
            guarded: studio.guarded,
            faults,
            tally: Arc::clone(&tally),
            key_frame_gap: options.key_frame_gap,
            cancel: cancel.clone(),
        };
        let tasks = TaskTracker::new();
        let addresses = open_addresses(&fleet, &around, &tasks).await?;
        let (orders_tx, orders) = mpsc::channel(ORDERS);
        let socket = control::open(&options.folder)
            .await
            .map_err(|source| SimulateError::Folder { folder: options.folder.clone(), source })?;
        tasks.spawn(control::serve(socket, orders_tx, cancel.clone()));
        let conductor = Conductor {
            world,
            fleet,
            clock: clock.clone(),
            faults: faults_tx,
            tally,
            studio: Arc::clone(&studio),
            file: options.folder.join("faults.json"),
        };
        tasks.spawn(conductor.conduct(orders, cancel.clone()));
        let (feeder, stop) = (Arc::clone(&studio), cancel.clone());
        tasks.spawn(async move { feeder.feed(&stop).await });
        tasks.close();
        Ok(Self { files, addresses, tasks, studio })
    }

    /// Waits for the end of every task after the cancellation.
    pub async fn finish(self) {
        self.tasks.wait().await;
        if let Some(studio) = Arc::into_inner(self.studio) {
            studio.close();
        }
    }
}

async fn load_clips(folder: PathBuf) -> Result<Vec<media::Clip>, SimulateError> {
    let loading = tokio::task::spawn_blocking(move || media::load(&folder));
    Ok(loading.await.map_err(SimulateError::Interrupted)??)
}

async fn open_addresses(
    fleet: &Fleet,
    around: &Surroundings,
    tasks: &TaskTracker,
) -> Result<usize, SimulateError> {
    for device in &fleet.devices {
        let ear = Ear::open(device.address).await?;
        tasks.spawn(serve_device(ear, Arc::new(device.clone()), around.clone(), tasks.clone()));
    }
    for uplink in &fleet.uplinks {
        let ear = Ear::open(uplink.address).await?;
        tasks.spawn(serve_uplink(ear, uplink.path.clone(), around.clone()));
    }
    Ok(fleet.devices.len() + fleet.uplinks.len())
}

async fn serve_device(ear: Ear, device: Arc<Device>, around: Surroundings, tasks: TaskTracker) {
    let (faults, cancel) = (around.faults.clone(), around.cancel.clone());
    let shown = Arc::clone(&device);
    let face = move |faults: &Faults| faults.face_of(&shown);
    let answer = |client| drop(tasks.spawn(relay(client, Arc::clone(&device), around.clone())));
    report(ear.serve(faults, cancel, face, answer).await);
}

/// The probe target of a link: accepts, and closes at once.
async fn serve_uplink(ear: Ear, path: Vec<LinkCode>, around: Surroundings) {
    let face = move |faults: &Faults| {
        if faults.cut_on(&path).is_some() { Face::Dark } else { Face::Open }
    };
    report(ear.serve(around.faults, around.cancel, face, drop).await);
}

fn report(served: Result<(), ListenError>) {
    if let Err(error) = served {
        tracing::error!(error = &error as &dyn std::error::Error, "a simulated address no longer listens");
    }
}

/// Lets the faults move and follows orders.
struct Conductor {
    world: World,
    fleet: Fleet,
    clock: Clock,
    faults: watch::Sender<Arc<Faults>>,
    tally: Arc<Tally>,
    studio: Arc<Studio>,
    file: PathBuf,
}

impl Conductor {
    async fn conduct(mut self, mut orders: mpsc::Receiver<Request>, cancel: CancellationToken) {
        loop {
            self.publish().await;
            let next = self.world.next_change(self.clock.now()).unwrap_or(Duration::from_secs(3600));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                order = orders.recv() => match order {
                    Some((order, answer)) => {
                        // Whoever asked may have left.
                        let _left = answer.send(self.follow(order));
                    }
                    None => return,
                },
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    fn follow(&mut self, order: Order) -> String {
        let now = self.clock.now();
        let unknown = match &order {
            Order::Cut(link) | Order::MendLink(link) => !self.knows_link(link),
            Order::Spoil(point, _) | Order::MendPoint(point) => !self.knows_point(point),
            Order::MendAll | Order::Sessions | Order::Faults => false,
        };
        if unknown {
            return "error: the fleet has no such link or point".to_owned();
        }
        let answer = match order {
            Order::Sessions => json(&self.sessions()),
            Order::Faults => json(&self.rows(now)),
            Order::Cut(_) | Order::MendLink(_) | Order::Spoil(..) | Order::MendPoint(_) | Order::MendAll => {
                "ok".to_owned()
            }
        };
        self.world.follow(order, now);
        self.tell(now);
        answer
    }

    fn knows_link(&self, link: &LinkCode) -> bool {
        self.fleet.inventory.links.contains_key(link)
    }

    fn knows_point(&self, point: &PointCode) -> bool {
        self.fleet.inventory.points.contains_key(point)
    }

    fn rows(&self, now: Timestamp) -> Vec<FaultRow> {
        self.world.rows(&self.fleet, now)
    }

    fn sessions(&self) -> Sessions {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Sessions {
            sessions: self.studio.sessions(),
            connections: count(&self.tally.connections),
            played: count(&self.tally.played),
            torn_down: count(&self.tally.torn_down),
            abandoned: count(&self.tally.abandoned),
        }
    }

    /// Tells every address and session what is wrong now.
    fn tell(&self, now: Timestamp) {
        let faults = self.world.at(now);
        self.faults.send_if_modified(|told| {
            let differs = **told != faults;
            if differs {
                *told = Arc::new(faults);
            }
            differs
        });
    }

    async fn publish(&self) {
        let now = self.clock.now();
        self.tell(now);
        let rows = json(&self.rows(now));
        if let Err(error) = replace_file(&self.file, rows).await {
            tracing::error!(%error, file = %self.file.display(), "faults.json cannot be written");
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("error: {error}"))
}

/// Readers see the old file or the new one, never a part.
async fn replace_file(path: &Path, text: String) -> io::Result<()> {
    let unfinished = path.with_extension("part");
    tokio::fs::write(&unfinished, text).await?;
    tokio::fs::rename(&unfinished, path).await
}
