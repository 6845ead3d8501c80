//! What `/metrics` and a page of points cost at 100 000 points in 47 000 villages.
//!
//! `cargo bench --bench metrics` prints CPU time of a render with the labels already there and without, the extra
//! memory, and the wall time of pages. Aims: default families below 0.5 s CPU and 64 MB extra, a page below 20 ms.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop; it prints"
)]
#![expect(clippy::string_slice, clippy::indexing_slicing, reason = "its own digits, its own rounds")]

use axum::body::Body;
use axum::http::Request;
use jiff::tz::TimeZone;
use sharpeyes::api::{self, ApiInputs, ApiState, ImportSettings, PictureInputs};
use sharpeyes::clock::Clock;
use sharpeyes::config::{PerPoint, Settings, load_targets};
use sharpeyes::coverage::{CoverageContext, Turns};
use sharpeyes::domain::division::Division;
use sharpeyes::domain::point::CatalogueRecord;
use sharpeyes::domain::{Calendar, Cause, Condition, DivisionCode, Inventory, Point, PointClass, Timestamp};
use sharpeyes::health::snapshot::{LivePoint, Snapshot};
use sharpeyes::ingest::Transports;
use sharpeyes::ingest::credential::Holds;
use sharpeyes::inventory::brand::Brands;
use sharpeyes::picture::Shelf;
use sharpeyes::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, watch};
use tower::ServiceExt;

const POINTS: u32 = 100_000;
const VILLAGES: u32 = 47_000;
const ROUNDS: u32 = 5;

fn main() {
    let inventory = Arc::new(network());
    let first = Arc::new(picture(&inventory, 1));
    let rss_before = memory_kib("VmRSS:");
    let state_runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (bytes, cold) =
        timed(|| api::metrics::render_once(inventory.clone(), first.clone(), PerPoint::Default).unwrap());
    println!("render, labels built anew: {:.3} s CPU, {} KiB compressed", cold, bytes.len() / 1024);
    println!("peak memory above the network itself: {} MiB", (memory_kib("VmHWM:") - rss_before) / 1024);
    state_runtime.block_on(serve(inventory, first));
}

/// Scrapes and pages through the router, as a client does.
async fn serve(inventory: Arc<Inventory>, first: Arc<Snapshot>) {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    let (snapshot, snapshot_seen) = watch::channel(first);
    let (_inventory, inventory_seen) = watch::channel(inventory.clone());
    let router = api::router(ApiState::new(inputs(store, inventory_seen, snapshot_seen)));
    let get = async |path: &str| {
        let request = Request::get(path).header("host", "127.0.0.1").header("accept-encoding", "gzip");
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().len()
    };
    for round in 2..2 + u64::from(ROUNDS) {
        snapshot.send_replace(Arc::new(picture(&inventory, round)));
        for path in [
            "/api/v1/points?limit=50",
            "/api/v1/points?limit=50&state=offline&after=23999999991329999999",
            "/api/v1/points?limit=50&state=offline",
            "/api/v1/points?limit=50&text=99999",
            "/api/v1/points?limit=500&division=230505",
            "/api/v1/divisions?level=county",
        ] {
            let started = Instant::now();
            let length = get(path).await;
            println!(
                "round {round}: {path}: {:.1} ms, {length} bytes",
                started.elapsed().as_secs_f64() * 1e3
            );
        }
    }
    let cpu = cpu_seconds();
    let length = get("/metrics").await;
    println!("scrape over HTTP, labels built: {:.3} s CPU, {length} bytes", cpu_seconds() - cpu);
}

fn inputs(
    store: Store,
    inventory: watch::Receiver<Arc<Inventory>>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
) -> ApiInputs {
    let clock = Clock::system();
    let zone = "Asia/Shanghai";
    ApiInputs {
        coverage: CoverageContext {
            store: store.clone(),
            clock: clock.clone(),
            calendar: Calendar::of_zone(zone).unwrap(),
            targets: Arc::new(load_targets(None).unwrap()),
            inventory: inventory.clone(),
            provisional: Duration::ZERO,
            known_until: None,
            turns: Turns::default(),
        },
        imports: ImportSettings {
            key_file: "camera.key".into(),
            brands: Brands::built_in().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
        },
        store,
        inventory,
        snapshot,
        changes: broadcast::Sender::new(16),
        exclusions: watch::Sender::new(Arc::default()),
        pictures: PictureInputs::idle(Shelf::new("stills".into())),
        orders: mpsc::channel(1).0,
        incidents: mpsc::channel(1).0,
        questions: mpsc::channel(1).0,
        holds: Holds::default(),
        transports: Transports::default(),
        writer: watch::channel(Default::default()).1,
        scheduler: watch::channel(Default::default()).1,
        upkeep: watch::channel(Default::default()).1,
        clock,
        settings: Arc::new(Settings::default()),
    }
}

fn network() -> Inventory {
    let mut inventory = Inventory::default();
    for number in 0..VILLAGES {
        for digits in [6, 9, 12] {
            let code: DivisionCode = village(number)[..digits].parse().unwrap();
            let name = format!("村{number}");
            inventory.divisions.entry(code).or_insert(Division {
                code,
                name,
                assessed: true,
                households: None,
                has_centre: false,
                valid_from: None,
                valid_to: None,
            });
        }
    }
    for number in 0..POINTS {
        let point = point(number);
        inventory.points.insert(point.code, point);
    }
    inventory
}

fn village(number: u32) -> String {
    format!("2305{:02}{:03}{:03}", number / 1_000, number / 20 % 50, number % 1_000)
}

fn point(number: u32) -> Point {
    let village = village(number % VILLAGES);
    let code = format!("{}00132{number:07}", &village[..8]).parse().unwrap();
    Point {
        name: format!("{number}号枪机"),
        grid: Some(format!("{village}001").parse().unwrap()),
        class: PointClass::Two,
        commissioned: Timestamp::from_seconds(0),
        sub_stream: Some("rtsp://10.1.2.3/sub".parse().unwrap()),
        record: CatalogueRecord { manufacturer: Some("Hikvision".to_owned()), ..CatalogueRecord::default() },
        ..Point::bare(code, village.parse().unwrap())
    }
}

/// One point in twenty is offline.
fn picture(inventory: &Inventory, sequence: u64) -> Snapshot {
    let points = inventory.points.keys().enumerate().map(|(index, code)| {
        let offline = index % 20 == 0;
        let refused = Condition::Because(Cause::ConnectRefused);
        Arc::new(LivePoint {
            code: *code,
            measured: if offline { refused } else { Condition::Good },
            excluded: None,
            since: Timestamp::from_seconds(1_790_000_000),
            last_known_up: Some(!offline),
            last_look: None,
            last_frame: None,
            measurement: None,
            picture: None,
            suspected: None,
            faults: Vec::new(),
            flapping: false,
            frames_total: 0,
            bytes_total: 0,
        })
    });
    Snapshot { sequence, points: points.collect(), ..Snapshot::default() }
}

/// Runs the work `ROUNDS` times; its last result and the median CPU seconds.
fn timed<T>(work: impl Fn() -> T) -> (T, f64) {
    let mut last = None;
    let mut taken: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = cpu_seconds();
            last = Some(work());
            cpu_seconds() - before
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    (last.unwrap(), taken[taken.len() / 2])
}

/// CPU seconds of this process, from the scheduler's own count.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds: u64 = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("schedstat")).ok())
        .map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

fn memory_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
