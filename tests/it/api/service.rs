//! A served router over a small made-up network: two counties, four villages, a few hundred points, faults of each kind.

use jiff::tz::TimeZone;
use sharpeyes::api::{self, ApiInputs, ApiState, ImportSettings, PictureInputs};
use sharpeyes::clock::Clock;
use sharpeyes::config::{IncidentSettings, Settings, load_targets};
use sharpeyes::coverage::{CoverageContext, Turns};
use sharpeyes::domain::access::{Role, Scope};
use sharpeyes::domain::division::Division;
use sharpeyes::domain::grid::{Grid, GridKind, Leader};
use sharpeyes::domain::incident::desk::DeskRules;
use sharpeyes::domain::link::{Link, LinkTarget, Redundancy};
use sharpeyes::domain::place::{Place, PlaceKind};
use sharpeyes::domain::point::CatalogueRecord;
use sharpeyes::domain::site::{Datum, Position, Site};
use sharpeyes::domain::{
    Calendar, Cause, ClockReading, Codec, Condition, Declared, DivisionCode, Exclusion, ExclusionKind,
    Inventory, LinkKind, Measurement, Order, Point, PointClass, PointCode, PointStatus, Timestamp,
    Transition, WatchMode,
};
use sharpeyes::health::snapshot::{LinkStatus, LiveLink, LivePoint, RootCause, Snapshot};
use sharpeyes::incident::{self, DeskInputs, IncidentOrder, NoticeSettings};
use sharpeyes::ingest::credential::Holds;
use sharpeyes::ingest::{Question, SchedulerStatus, Transports};
use sharpeyes::inventory::brand::Brands;
use sharpeyes::picture::Shelf;
use sharpeyes::store::token::{Token, TokenHash};
use sharpeyes::store::upkeep::UpkeepStatus;
use sharpeyes::store::{Store, WriterStatus};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// When the made-up snapshot was taken.
pub(super) const TAKEN: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// The four villages: two in each county.
pub(super) const VILLAGES: [&str; 4] = ["230521100201", "230521101202", "230522100201", "230522100203"];
/// Points of each village.
const POINTS_PER_VILLAGE: usize = 75;
/// The village uplink that is down.
pub(super) const DEAD_LINK: &str = "L-230522100201";

/// A running service; its tasks end when it is dropped.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) store: Store,
    pub(super) changes: broadcast::Sender<Arc<Transition>>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) exclusions: watch::Receiver<Arc<Vec<Exclusion>>>,
    pub(super) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(super) inventory: watch::Sender<Arc<Inventory>>,
    pub(super) writer: watch::Sender<WriterStatus>,
    pub(super) scheduler: watch::Sender<SchedulerStatus>,
    pub(super) upkeep: watch::Sender<UpkeepStatus>,
    pub(super) clock: Clock,
    pub(super) holds: Holds,
    pub(super) shelf: Shelf,
    pub(super) cancel: CancellationToken,
    _tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Service {
    /// Starts the service on a free port of the loopback address.
    pub(super) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    /// ..with these settings.
    pub(super) async fn start_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("api.db").display());
        Self::start_on(&url, settings, folder).await
    }

    /// ..on this database.
    #[expect(clippy::too_many_lines, reason = "the list of the channels that the service has")]
    pub(super) async fn start_on(url: &str, settings: Settings, folder: tempfile::TempDir) -> Self {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        let inventory = Arc::new(network());
        let (snapshot, snapshot_seen) = watch::channel(Arc::new(picture(&inventory)));
        let (inventory, inventory_seen) = watch::channel(inventory);
        let (exclusions, exclusions_seen) = watch::channel(Arc::default());
        let (writer, writer_seen) = watch::channel(WriterStatus::default());
        let looking = SchedulerStatus { taken: TAKEN, ..SchedulerStatus::default() };
        let (scheduler, scheduler_seen) = watch::channel(looking);
        let (upkeep, upkeep_seen) = watch::channel(UpkeepStatus::default());
        let (orders, orders_seen) = mpsc::channel(4);
        let (questions, questions_seen) = mpsc::channel(4);
        let changes = broadcast::Sender::new(1_024);
        let clock = Clock::manual(TAKEN);
        let coverage = coverage(&store, &clock, &inventory_seen, &settings);
        let holds = Holds::default();
        let shelf = Shelf::new(folder.path().join("stills"));
        let (incidents, incident_orders) = mpsc::channel(4);
        let seen = (snapshot_seen.clone(), inventory_seen.clone());
        let desk = desk(&store, &clock, &settings, seen, incident_orders).await;
        let state = ApiState::new(ApiInputs {
            store: store.clone(),
            inventory: inventory_seen,
            snapshot: snapshot_seen,
            changes: changes.clone(),
            exclusions,
            pictures: PictureInputs::idle(shelf.clone()),
            orders,
            incidents,
            questions,
            writer: writer_seen,
            scheduler: scheduler_seen,
            upkeep: upkeep_seen,
            coverage,
            imports: import_settings(folder.path()),
            holds: holds.clone(),
            transports: Transports::default(),
            clock: clock.clone(),
            settings: Arc::new(settings),
        });
        let cancel = CancellationToken::new();
        let (address, mut tasks) = serve(state, &cancel).await;
        tasks.spawn(incident::run(desk, cancel.clone()));
        Self {
            address,
            store,
            changes,
            orders: orders_seen,
            questions: questions_seen,
            exclusions: exclusions_seen,
            snapshot,
            inventory,
            writer,
            scheduler,
            upkeep,
            clock,
            holds,
            shelf,
            cancel,
            _tasks: tasks,
            _folder: folder,
        }
    }

    /// Adds a token and gives its secret.
    pub(super) async fn token(&self, name: &str, role: Role, division: Option<&str>) -> String {
        let (secret, hash): (String, TokenHash) = api::guard::new_secret();
        let scope = Scope::new(division.map(|code| code.parse().unwrap()));
        let token = Token { name: name.to_owned(), role, scope, created: TAKEN, revoked: None };
        assert!(self.store.add_token(&token, &hash).await.unwrap());
        secret
    }

    /// Asks with GET.
    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask("GET", path, token, &[], b"").await
    }

    /// Asks with POST and a JSON body.
    pub(super) async fn post(&self, path: &str, token: Option<&str>, body: &serde_json::Value) -> Answer {
        self.ask("POST", path, token, &[("content-type", "application/json")], body.to_string().as_bytes())
            .await
    }

    /// Asks over a connection of its own.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        read(&mut self.send(method, path, token, headers, body).await).await
    }

    /// Sends a request and leaves the answer to the caller.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TcpStream {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        if let Some(token) = token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }
}

/// The desk as the service builds it.
async fn desk(
    store: &Store,
    clock: &Clock,
    settings: &Settings,
    (snapshot, inventory): (watch::Receiver<Arc<Snapshot>>, watch::Receiver<Arc<Inventory>>),
    orders: mpsc::Receiver<IncidentOrder>,
) -> DeskInputs {
    let IncidentSettings { verify, escalate, announce_after, .. } = settings.incident;
    let deadlines = load_targets(None).unwrap().repair_deadline;
    DeskInputs {
        store: store.clone(),
        clock: clock.clone(),
        snapshot,
        inventory,
        orders,
        rules: DeskRules { verify, escalate, deadlines },
        notices: NoticeSettings {
            channels: Vec::new(),
            announce_after,
            zone: TimeZone::UTC,
            console_url: None,
        },
        bell: Arc::default(),
        restored: store.live_incidents().await.unwrap(),
    }
}

/// Serves on a free port of the loopback address.
async fn serve(state: ApiState, cancel: &CancellationToken) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(api::run(state.clone(), cancel.clone()));
    tasks.spawn(api::serve(listener, state, cancel.clone()));
    (address, tasks)
}

fn import_settings(folder: &Path) -> ImportSettings {
    ImportSettings {
        key_file: folder.join("camera.key"),
        brands: Brands::built_in().unwrap(),
        zone: TimeZone::UTC,
    }
}

/// Reads an answer to its end.
pub(super) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap().unwrap();
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    Answer { status, headers, body: if chunked { unchunk(rest) } else { rest.to_vec() } }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
        if size == 0 {
            break;
        }
    }
    body
}

fn coverage(
    store: &Store,
    clock: &Clock,
    inventory: &watch::Receiver<Arc<Inventory>>,
    settings: &Settings,
) -> CoverageContext {
    CoverageContext {
        store: store.clone(),
        clock: clock.clone(),
        calendar: Calendar::of_zone("Asia/Shanghai").unwrap(),
        targets: Arc::new(load_targets(None).unwrap()),
        inventory: inventory.clone(),
        provisional: settings.report.provisional(),
        known_until: None,
        turns: Turns::default(),
    }
}

/// The made-up records.
pub(crate) fn network() -> Inventory {
    let mut inventory = Inventory::default();
    for code in ["23", "2305", "230521", "230522", "230521100", "230521101", "230522100"] {
        insert_division(&mut inventory, code, None);
    }
    for village in VILLAGES {
        insert_division(&mut inventory, village, Some(320));
        insert_village(&mut inventory, village.parse().unwrap());
    }
    inventory
}

fn insert_division(inventory: &mut Inventory, code: &str, households: Option<u32>) {
    let code: DivisionCode = code.parse().unwrap();
    let division = Division {
        code,
        name: format!("名称{code}"),
        assessed: true,
        households,
        has_centre: households.is_none(),
        valid_from: None,
        valid_to: None,
    };
    inventory.divisions.insert(code, division);
}

fn insert_village(inventory: &mut Inventory, village: DivisionCode) {
    let grid = Grid {
        code: format!("{village}001").parse().unwrap(),
        name: "第一网格".to_owned(),
        village,
        kind: GridKind::Rural,
        households: Some(150),
        leader: Some(Leader {
            name: "网格长甲".to_owned(),
            phone: Some("13900000000".to_owned()),
            from: None,
            to: None,
        }),
    };
    let link = Link {
        code: format!("L-{village}").parse().unwrap(),
        name: "村级上行".to_owned(),
        kind: LinkKind::Village,
        division: village,
        parents: Vec::new(),
        redundancy: Redundancy::All,
        budget_kbps: Some(4_000),
        budget_sessions: None,
        target: Some(LinkTarget::Tcp { host: "10.1.2.1".to_owned(), port: 80 }),
    };
    let position = Position {
        longitude: 131.1,
        latitude: 46.6,
        source: Datum::Wgs84,
        raw_longitude: 131.1,
        raw_latitude: 46.6,
    };
    let site = Site {
        code: format!("S-{village}").parse().unwrap(),
        name: "一号杆".to_owned(),
        village,
        position: Some(position),
        mount: Some("pole".to_owned()),
        power: None,
        link: Some(link.code.clone()),
    };
    let place = Place {
        code: format!("P-{village}").parse().unwrap(),
        name: "村口".to_owned(),
        village,
        kind: PlaceKind::VillageEntrance,
        required: true,
    };
    for number in 0..POINTS_PER_VILLAGE {
        let point = point(number, &grid, &site, &place);
        inventory.points.insert(point.code, point);
    }
    inventory.grids.insert(grid.code.clone(), grid);
    inventory.links.insert(link.code.clone(), link);
    inventory.sites.insert(site.code.clone(), site);
    inventory.places.insert(place.code.clone(), place);
}

fn point(number: usize, grid: &Grid, site: &Site, place: &Place) -> Point {
    let classes = [PointClass::One, PointClass::Two, PointClass::Three];
    Point {
        code: code_of(grid.village, number),
        name: format!("{}号 \"A\\B\" 枪机", number + 1),
        village: grid.village,
        grid: Some(grid.code.clone()),
        site: Some(site.code.clone()),
        place: (number == 0).then(|| place.code.clone()),
        class: classes[number % 3],
        status: PointStatus::InUse,
        commissioned: Timestamp::from_seconds(1_700_000_000),
        retired: None,
        watch: if number == 74 { WatchMode::Off } else { WatchMode::Patrol },
        sub_stream: Some("rtsp://10.1.2.3/sub".parse().unwrap()),
        main_stream: Some("rtsp://10.1.2.3/main".parse().unwrap()),
        credential: Some("vault-entry-7".to_owned()),
        expected_size: Some((640, 360)),
        expected_frames_per_second: Some(25.0),
        trust: Default::default(),
        maintainer: Some("维护公司".to_owned()),
        maintainer_phone: Some("13800000000".to_owned()),
        record: CatalogueRecord {
            manufacturer: Some("Maker \"Q\"".to_owned()),
            ..CatalogueRecord::default()
        },
    }
}

/// The code of the nth point of a village.
pub(crate) fn code_of(village: DivisionCode, number: usize) -> PointCode {
    let village = village.to_string();
    format!(
        "{}{}132{:07}",
        &village[..8],
        &village[10..12],
        number + 1 + 1_000 * usize::from(&village[8..9] == "1")
    )
    .parse()
    .unwrap()
}

/// The made-up live picture: a dead uplink with all its members, and a fault of each kind elsewhere.
pub(crate) fn picture(inventory: &Inventory) -> Snapshot {
    let dead = DEAD_LINK.parse().unwrap();
    let points = inventory.points.values().enumerate().map(|(index, point)| {
        let condition = if point.village.as_str() == "230522100201" {
            Condition::Because(Cause::LinkDown("L-230522100201".parse().unwrap()))
        } else {
            fault(index)
        };
        Arc::new(live(point, condition, index))
    });
    let links = inventory.links.keys().map(|code| LiveLink {
        code: code.clone(),
        status: if *code == dead { LinkStatus::Down } else { LinkStatus::Up },
        since: TAKEN.minus(Duration::from_secs(600)),
        last_probe: Some(TAKEN),
        round_trip: (*code != dead).then_some(Duration::from_micros(1_500)),
        members: u32::try_from(POINTS_PER_VILLAGE).unwrap(),
        behind: None,
        inferred: false,
    });
    let members = inventory.points.values().filter(|point| point.village.as_str() == VILLAGES[2]);
    let root = RootCause {
        link: DEAD_LINK.parse().unwrap(),
        since: TAKEN.minus(Duration::from_secs(600)),
        inferred: false,
        members: members.map(|point| point.code).collect(),
    };
    Snapshot {
        taken: TAKEN,
        sequence: 1,
        points: points.collect(),
        links: links.collect(),
        first_round_done: true,
        suspects_itself: false,
        clock_in_doubt: false,
        roots: vec![root],
        bulk_causes: Vec::new(),
        held_credentials: Vec::new(),
    }
}

fn fault(index: usize) -> Condition {
    match index % 20 {
        0 => Condition::Because(Cause::ConnectTimeout),
        1 => Condition::Because(Cause::WrongCredential),
        2 => Condition::Because(Cause::Loss),
        3 => Condition::Because(Cause::CredentialHold),
        _ => Condition::Good,
    }
}

fn live(point: &Point, condition: Condition, index: usize) -> LivePoint {
    let excluded = (index % 20 == 4).then_some(Cause::Excluded(ExclusionKind::PowerCut));
    LivePoint {
        code: point.code,
        last_known_up: Some(condition.state().is_online()),
        faults: condition.cause().cloned().into_iter().collect(),
        measured: condition,
        excluded,
        since: TAKEN.minus(Duration::from_secs(300)),
        last_look: Some(TAKEN),
        last_frame: Some(TAKEN),
        measurement: Some(Arc::new(measurement())),
        picture: None,
        suspected: None,
        flapping: false,
        frames_total: 100,
        bytes_total: 100_000,
    }
}

fn measurement() -> Measurement {
    Measurement {
        window: Duration::from_secs(4),
        frames: 100,
        key_frames: 2,
        packets: 400,
        lost_packets: 4,
        bytes: 128_000,
        longest_gap: Duration::from_millis(60),
        gop_frames: Some(50),
        gop_time: Some(Duration::from_secs(2)),
        codec: Codec::H265,
        size: Some((640, 360)),
        clock: ClockReading::ErrorMs(-1_200),
        declared: Declared {
            codec: Some(Codec::H265),
            size: None,
            frames_per_second: Some(30.0),
            server: Some("Maker/1.0".to_owned()),
        },
    }
}
