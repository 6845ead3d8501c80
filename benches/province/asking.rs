//! What people and Prometheus ask of a province: a county's month, a page of points, the metrics.

use crate::network::county;
use crate::report::{Timing, middle, say};
use crate::watching::START;
use anyhow::{Context, ensure};
use axum::body::Body;
use jiff::tz::TimeZone;
use sharpeyes::api::{ApiInputs, ApiState, ImportSettings, PictureInputs, router};
use sharpeyes::clock::Clock;
use sharpeyes::config::{Settings, load_targets};
use sharpeyes::coverage::{CoverageContext, Selection, Turns, report};
use sharpeyes::domain::{
    Calendar, Cause, Condition, DivisionCode, Evidence, Inventory, PointCode, Provenance, Timestamp,
    Transition, Window,
};
use sharpeyes::health::snapshot::Snapshot;
use sharpeyes::ingest::{Holds, Transports};
use sharpeyes::inventory::brand::Brands;
use sharpeyes::picture::Shelf;
use sharpeyes::store::{Store, WriterStatus};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, watch};
use tower::ServiceExt;

/// Days of history, and half outages a day of a point: 0.3 outages (reference of the city's network).
const DAYS: u32 = 30;
const CHANGES_IN_30_DAYS: u32 = 18;
const BATCH: usize = 2_000;
/// Measurements of each question; the middle one counts.
const ASKED: usize = 9;

/// Fills 30 days of history: all of it for the county that is asked about, two changes for every other point.
pub(crate) async fn fill(store: &Store, inventory: &Inventory) -> anyhow::Result<()> {
    let county = county()?;
    let mut changes = Vec::new();
    for point in inventory.points.values() {
        let count = if county.contains(&point.village) { CHANGES_IN_30_DAYS } else { 2 };
        changes.extend((0..=count).map(|number| change(point.code, number, count)));
    }
    changes.sort_by_key(|change| (change.at, change.point));
    let began = Instant::now();
    let mut applied = 0;
    for batch in batches(&changes) {
        applied += store.apply_transitions(batch).await?;
    }
    let rate = f64::from(u32::try_from(applied)?) / began.elapsed().as_secs_f64();
    say(&format!("store: {applied} transitions into SQLite, {rate:.0} a second of wall time"));
    Ok(())
}

/// A batch holds a point once.
fn batches(changes: &[Transition]) -> impl Iterator<Item = &[Transition]> {
    let same_instant = |left: &Transition, right: &Transition| left.at == right.at;
    changes.chunk_by(same_instant).flat_map(|same| same.chunks(BATCH))
}

/// The `number`-th change of a point: good and offline by turns, evenly over the days.
fn change(point: PointCode, number: u32, count: u32) -> Transition {
    let good = Condition::Good;
    let offline = Condition::Because(Cause::ConnectTimeout);
    let (from, to) = if number.is_multiple_of(2) { (offline, good) } else { (good, offline) };
    let at = START.plus(Duration::from_secs(86_400) * DAYS / count * number);
    let (evidence, provenance) = (Evidence::default(), Provenance::Probe);
    Transition { point, at, decided: at, from, to, evidence, provenance }
}

/// Asks and tells how long each answer takes.
pub(crate) async fn ask(store: Store, inventory: Arc<Inventory>, snapshot: Snapshot) -> anyhow::Result<()> {
    let now = START.plus(Duration::from_secs(86_400) * (DAYS + 1));
    let (_inventory, inventory) = watch::channel(inventory);
    let clock = Clock::manual(now);
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
    month_of(&coverage, county()?, now).await?;
    let (_snapshot, snapshot) = watch::channel(Arc::new(snapshot));
    let (_writer, writer) = watch::channel(WriterStatus::default());
    let (orders, _orders) = mpsc::channel(1);
    let mut settings = Settings::default();
    settings.metrics.require_token = false;
    let state = ApiState::new(ApiInputs {
        store,
        inventory,
        snapshot,
        changes: broadcast::Sender::new(16),
        exclusions: watch::Sender::new(Arc::default()),
        pictures: PictureInputs::idle(Shelf::new("stills".into())),
        orders,
        incidents: mpsc::channel(1).0,
        questions: mpsc::channel(1).0,
        coverage,
        imports: ImportSettings {
            key_file: "camera.key".into(),
            brands: Brands::built_in().map_err(|faults| anyhow::anyhow!("brands: {faults:?}"))?,
            zone: TimeZone::UTC,
        },
        holds: Holds::default(),
        transports: Transports::default(),
        writer,
        scheduler: watch::channel(Default::default()).1,
        upkeep: watch::channel(Default::default()).1,
        clock,
        settings: Arc::new(settings),
    });
    let face = router(state);
    let county = county()?;
    for (what, path) in [
        ("first page of points", "/api/v1/points?limit=100".to_owned()),
        ("points of a county", format!("/api/v1/points?division={county}&limit=100")),
        ("offline points", "/api/v1/points?state=offline&limit=100".to_owned()),
        ("metrics", "/metrics".to_owned()),
    ] {
        page(&face, what, &path).await?;
    }
    Ok(())
}

async fn month_of(context: &CoverageContext, county: DivisionCode, now: Timestamp) -> anyhow::Result<()> {
    let window = Window::new(START, now).context("an empty month")?;
    let mut measured = Vec::new();
    for _ in 0..ASKED {
        let (began, timing) = (Instant::now(), Timing::start());
        report(context, Some(county), window, &Selection::All).await?;
        measured.push((began.elapsed().as_secs_f64() * 1e3, timing.seconds() * 1e3));
    }
    let (wall, cpu) = middle(measured);
    say(&format!(
        "coverage: every figure of county {county} over {DAYS} days {wall:.1} ms, {cpu:.1} ms of CPU (aim < 100 ms)"
    ));
    Ok(())
}

async fn page(face: &axum::Router, what: &str, path: &str) -> anyhow::Result<()> {
    let (mut measured, mut bytes) = (Vec::new(), 0);
    for _ in 0..ASKED {
        let request = axum::http::Request::get(path).header("host", "127.0.0.1").body(Body::empty())?;
        let (began, timing) = (Instant::now(), Timing::start());
        let answer = face.clone().oneshot(request).await?;
        let status = answer.status();
        bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await?.len();
        measured.push((began.elapsed().as_secs_f64() * 1e3, timing.seconds() * 1e3));
        ensure!(status.is_success(), "{path}: {status}");
    }
    let (wall, cpu) = middle(measured);
    say(&format!("api: {what} {wall:.1} ms, {cpu:.1} ms of CPU, {bytes} bytes"));
    Ok(())
}

/// Opens an empty database in `folder`.
pub(crate) async fn database(folder: &Path) -> anyhow::Result<Store> {
    let store = Store::open(&format!("sqlite:{}/province.db", folder.display())).await?;
    store.migrate().await?;
    Ok(store)
}
