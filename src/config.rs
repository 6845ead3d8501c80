//! Floor 1: settings, parsed once into validated types.
//!
//! Owns the TOML files of `config/`: every key with its default, unit and effect. Unknown keys are refused and all
//! faults are reported together, each with its line and key.

pub mod channel;
pub mod nearest;
pub mod reader;
mod settings;
mod targets;

pub use channel::ChannelSettings;
pub use targets::load_targets;

pub use reader::{ConfigFaults, Fault};

use crate::domain::picture::PictureRules;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every setting of the service (`config/sharpeyes.toml`).
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: StoreSettings,
    /// `[watch]`
    pub watch: Watch,
    /// `[health]`
    pub health: Health,
    /// `[picture]`
    pub picture: PictureSettings,
    /// `[credentials]`
    pub credentials: Credentials,
    /// `[incident]`
    pub incident: IncidentSettings,
    /// `[report]`
    pub report: Report,
    /// `[metrics]`
    pub metrics: MetricSettings,
    /// `[log]`
    pub log: Log,
    /// `[[channel]]`: what carries notifications.
    pub channels: Vec<ChannelSettings>,
}

/// `[server]`: the HTTP face.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Address to listen on. Anything but loopback needs a token in the database.
    pub listen: SocketAddr,
    /// Longest time for one request.
    pub request_timeout: Duration,
    /// Longest time for the head of a request, and for a connection to stay without one.
    pub header_timeout: Duration,
    /// Longest time for a client to take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// Connections open at once; more have to wait.
    pub connections_at_once: usize,
    /// Largest request body in bytes.
    pub body_limit_bytes: usize,
}

/// `[store]`: the database.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSettings {
    /// `sqlite:path` or `postgres://..`.
    pub url: DatabaseUrl,
    /// Longest time that a transition waits in memory before it is committed; what `kill -9` may lose.
    pub flush_interval: Duration,
    /// How often the heartbeat is written; at start open intervals close at the last one.
    pub heartbeat_interval: Duration,
    /// Days that observations are kept.
    pub observation_days: u32,
    /// Days that closed intervals are kept.
    pub interval_days: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::new("sqlite:/var/lib/sharpeyes/sharpeyes.db"),
            flush_interval: Duration::from_secs(1),
            heartbeat_interval: Duration::from_secs(10),
            observation_days: 7,
            interval_days: 800,
        }
    }
}

/// `[watch]`: how points are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Every patrol point is due once in this period.
    pub period: Duration,
    /// A light look is due after this time without any look; zero turns light looks off.
    pub light_period: Duration,
    /// Measuring window after the first key frame of a patrol.
    pub patrol_window: Duration,
    /// Window of a continuous session.
    pub continuous_window: Duration,
    /// Deadline of each stage.
    pub deadlines: Deadlines,
    /// Sessions opened per second, over everything.
    pub opens_per_second: u32,
    /// Looks under way at once, kept sessions not counted: link budgets bound those.
    pub concurrent_looks: usize,
    /// Sessions held at once to one host (camera or recorder).
    pub sessions_per_host: u16,
    /// Budget of a link that names none, kbit/s.
    pub link_budget_kbps: u32,
    /// Session budget of a link that names none.
    pub link_budget_sessions: u16,
    /// Assumed bit rate of a stream that was never measured, kbit/s.
    pub assumed_kbps: u32,
    /// First retry delay after a failure.
    pub retry_first: Duration,
    /// Longest retry delay.
    pub retry_cap: Duration,
    /// Good frames for this long reset the retry ladder of a continuous session.
    pub retry_reset_after: Duration,
    /// A credential that was answered with 401 twice is not used again for this long.
    pub credential_hold: Duration,
    /// How often a link with a target is probed.
    pub link_period: Duration,
    /// How often the inventory is compared with what runs.
    pub reconcile_period: Duration,
    /// Sessions held at once by the tolerant puller; zero switches it off.
    pub puller_sessions: usize,
    /// PEM file with those who vouch for devices; those of the system when there is none.
    pub authorities_file: Option<PathBuf>,
}

/// `[watch.deadlines]`: longest time of each stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// TCP connect with name resolution.
    pub connect: Duration,
    /// DESCRIBE, authentication included.
    pub describe: Duration,
    /// SETUP.
    pub setup: Duration,
    /// PLAY.
    pub play: Duration,
    /// First RTP packet after PLAY.
    pub first_packet: Duration,
    /// First random-access picture after PLAY.
    pub first_key_frame: Duration,
    /// Longest gap between two frames.
    pub frame_gap: Duration,
}

/// `[health]`: when a fault is confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Consecutive failed looks that confirm a failure.
    pub confirm_looks: u32,
    /// ..and the least time from the first to the last of them.
    pub confirm_time: Duration,
    /// Consecutive good looks that confirm a recovery.
    pub recover_looks: u32,
    /// RTP loss above this ratio is a fault.
    pub loss_ratio: f64,
    /// Below this share of the expected frames per second is a fault.
    pub frame_rate_ratio: f64,
    /// Below this many frames per second is a fault, whatever is expected.
    pub frame_rate_floor: f64,
    /// Clock error above this is a fault.
    pub clock_error: Duration,
    /// Random-access pictures further apart than this are a fault.
    pub key_frame_interval: Duration,
    /// A result older than this is `unknown`.
    pub stale_after: Duration,
    /// Over an outage of ours shorter than this a point keeps the condition that it is seen in again; zero: never.
    pub restart_gap: Duration,
    /// If more than this share of all looks of a window fail at the network layer at once, we suspect ourselves.
    pub self_suspicion_ratio: f64,
    /// Fewest points for self-suspicion.
    pub self_suspicion_points: u32,
}

/// What day and night are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkySource {
    /// The sun over each point.
    Sun,
    /// It is always day: cameras under lamps, and the demo.
    AlwaysDay,
}

/// `[picture]`: how key frames are decoded and judged, and stills kept.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureSettings {
    /// Decoder processes; zero turns the looking at pictures off.
    pub decoders: usize,
    /// CPU time that decoding may take in each second, over all decoders.
    pub cpu_share: Duration,
    /// Longest time for one key frame; a decoder that is late is killed.
    pub deadline: Duration,
    /// From one picture of a point of class 1 or 2 to the next.
    pub public_period: Duration,
    /// ..of class 3 and others.
    pub inner_period: Duration,
    /// ..of a point whose verdict is in doubt.
    pub doubtful_period: Duration,
    /// Greatest width of a still in pixels.
    pub still_width: u16,
    /// From one still of a point to the next, when nothing changes.
    pub still_period: Duration,
    /// Where stills are kept.
    pub stills_folder: PathBuf,
    /// Bytes of stills that are kept; the oldest go first.
    pub stills_bytes: u64,
    /// Days that stills are kept.
    pub stills_days: u32,
    /// What day and night are told by.
    pub sky: SkySource,
    /// When an item is a fault, and when that is believed.
    pub rules: PictureRules,
}

impl PictureSettings {
    /// The shortest time from one picture of a point to the next.
    pub fn shortest_period(&self) -> Duration {
        self.public_period.min(self.inner_period).min(self.doubtful_period)
    }

    /// How long stills are kept.
    pub const fn stills_age(&self) -> Duration {
        Duration::from_secs(self.stills_days as u64 * 24 * 3_600)
    }
}

impl Default for PictureSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            decoders: 1,
            cpu_share: Duration::from_millis(100),
            deadline: seconds(3),
            public_period: seconds(60),
            inner_period: seconds(120),
            doubtful_period: seconds(20),
            still_width: 640,
            still_period: seconds(86_400),
            stills_folder: PathBuf::from("/var/lib/sharpeyes/stills"),
            stills_bytes: 10 * 1024 * 1024 * 1024,
            stills_days: 90,
            sky: SkySource::Sun,
            rules: PictureRules::default(),
        }
    }
}

/// `[credentials]`: where the key of the sealed credentials lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    /// File with the 32-byte key; made by `sharpeyes import` when missing, mode 0600.
    pub key_file: PathBuf,
}

/// `[incident]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentSettings {
    /// A recovery that lasts for so long is verified, and the incident closed.
    pub verify: Duration,
    /// Whoever does not acknowledge for so long is passed over: the next level is told.
    pub escalate: Duration,
    /// A problem is told so long after it was opened: what turns out to be part of another one is not.
    pub announce_after: Duration,
    /// Where people reach the console, without a slash at its end: notices link there.
    pub console_url: Option<String>,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        Self {
            verify: Duration::from_secs(300),
            escalate: Duration::from_secs(1_800),
            announce_after: Duration::from_secs(30),
            console_url: None,
        }
    }
}

/// `[report]`
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Zone whose days are the days of a figure.
    pub zone: String,
    /// Targets, rules and thresholds.
    pub targets_file: Option<PathBuf>,
    /// Days after its end in which a month's report still changes; then it is frozen.
    pub provisional_days: u32,
}

impl Default for Report {
    fn default() -> Self {
        Self { zone: "Asia/Shanghai".to_owned(), targets_file: None, provisional_days: 7 }
    }
}

impl Report {
    /// How long after its end a month's report still changes.
    pub fn provisional(&self) -> Duration {
        Duration::from_secs(u64::from(self.provisional_days) * 86_400)
    }
}

/// How much is exposed per point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerPoint {
    /// `point_up`, `point_info` and the sparse `point_state`.
    Default,
    /// Also timestamps, bytes and frames.
    Full,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSettings {
    /// Per-point families.
    pub per_point: PerPoint,
    /// Whether `/metrics` asks for a token like the rest.
    pub require_token: bool,
    /// Watchers that are to report to `/api/v1/deadman/{name}`.
    pub deadmen: Vec<String>,
}

/// Watchers that are remembered; an installation has one or two.
pub const DEADMEN: usize = 16;

/// Whether a watcher may have this name: letters, digits, `-` and `_`.
pub fn is_deadman_name(name: &str) -> bool {
    let takes = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=50).contains(&name.len()) && name.bytes().all(takes)
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Filter, as `tracing-subscriber` reads it.
    pub filter: String,
    /// Form.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Default for Server {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            request_timeout: seconds(30),
            header_timeout: seconds(15),
            write_timeout: seconds(30),
            connections_at_once: 512,
            body_limit_bytes: 32 * 1024 * 1024,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            server: Server::default(),
            store: StoreSettings::default(),
            watch: Watch {
                period: seconds(300),
                light_period: seconds(60),
                patrol_window: seconds(4),
                continuous_window: seconds(10),
                deadlines: Deadlines {
                    connect: seconds(5),
                    describe: seconds(10),
                    setup: seconds(5),
                    play: seconds(5),
                    first_packet: seconds(10),
                    first_key_frame: seconds(30),
                    frame_gap: seconds(10),
                },
                opens_per_second: 50,
                concurrent_looks: 512,
                sessions_per_host: 2,
                link_budget_kbps: 2_000,
                link_budget_sessions: 4,
                assumed_kbps: 512,
                retry_first: seconds(5),
                retry_cap: seconds(300),
                retry_reset_after: seconds(180),
                credential_hold: seconds(30 * 60),
                link_period: seconds(30),
                reconcile_period: seconds(10),
                puller_sessions: 64,
                authorities_file: None,
            },
            health: Health {
                confirm_looks: 3,
                confirm_time: seconds(60),
                recover_looks: 2,
                loss_ratio: 0.01,
                frame_rate_ratio: 0.5,
                frame_rate_floor: 1.0,
                clock_error: seconds(30),
                key_frame_interval: seconds(12),
                stale_after: seconds(1_200),
                restart_gap: Duration::ZERO,
                self_suspicion_ratio: 0.5,
                self_suspicion_points: 20,
            },
            picture: PictureSettings::default(),
            credentials: Credentials { key_file: PathBuf::from("/etc/sharpeyes/camera.key") },
            incident: IncidentSettings::default(),
            report: Report::default(),
            metrics: MetricSettings {
                per_point: PerPoint::Default,
                require_token: true,
                deadmen: Vec::new(),
            },
            log: Log::default(),
            channels: Vec::new(),
        }
    }
}

/// Reads and validates the settings file at `path`.
pub fn load(path: &Path) -> Result<Settings, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    settings::parse(&text).map_err(|faults| LoadError::Faults(ConfigFaults { file: path.to_owned(), faults }))
}

/// Why settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("read settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was read and holds faults.
    #[error(transparent)]
    Faults(#[from] ConfigFaults),
}

/// The value of an environment variable: the one place that looks at the environment.
///
/// Read are `SHARPEYES_PASSWORD` (by `probe`) and what systemd sets (`CREDENTIALS_DIRECTORY`, `NOTIFY_SOCKET`, `WATCHDOG_USEC`,
/// `WATCHDOG_PID`), nothing else.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A database URL. It may hold a password, so it never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes the URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL itself, for the one call that opens the database.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[redacted]", self.0.split(':').next().unwrap_or(""))
    }
}
