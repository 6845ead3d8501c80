//! What a flood of failures costs: 20 000 points fail at once, by one cause, by 1 667 or by as many as there are points.
//!
//! `cargo bench --bench incident`. The desk, the outbox and the API over one store, on SQLite and on PostgreSQL 15 of Debian, both
//! with fsync; a robot that takes 20 messages in a minute and Debian's Alertmanager are told, and people ask the API meanwhile.
//! Stops when an incident, an alert or a notification is missing or too many.

#![expect(clippy::unwrap_used, reason = "a bench stops when it cannot go on")]

mod alertmanager;
mod asking;
mod network;
#[expect(dead_code, reason = "the suite's server; a bench needs only a part of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod report;
mod robot;
mod service;

use anyhow::ensure;
use asking::Askers;
use network::{Failing, POINTS, county, picture};
use report::say;
use service::Service;
use sharpeyes::clock::Clock;
use sharpeyes::config::{Settings, load_targets};
use sharpeyes::domain::Inventory;
use sharpeyes::domain::incident::Incident;
use sharpeyes::domain::incident::desk::{Desk, DeskRules, Step};
use sharpeyes::incident::Places;
use sharpeyes::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time for anything that is waited for.
const DEADLINE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(100);
/// A picture is published this often when nothing changes.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let inventory = Arc::new(county()?);
    say(&format!("{} points behind {} links", inventory.points.len(), inventory.links.len()));
    for failing in Failing::FLOODS {
        step(&inventory, failing)?;
    }
    let folder = tempfile::tempdir()?;
    let server = tokio::task::spawn_blocking(postgres::Server::start).await?;
    for failing in Failing::FLOODS {
        let lite = format!("sqlite:{}/{failing:?}.db", folder.path().display());
        flood("sqlite", &lite, failing, &inventory).await?;
        flood("postgres", &server.new_database().await, failing, &inventory).await?;
    }
    Ok(())
}

/// The desk's decision alone: when everything fails, and when nothing has changed since.
fn step(inventory: &Arc<Inventory>, failing: Failing) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let (places, snapshot) = (Places::of(Arc::clone(inventory)), picture(inventory, failing, 1, now)?);
    let shipped = Settings::default().incident;
    let deadlines = load_targets(None)?.repair_deadline;
    let rules = DeskRules { verify: shipped.verify, escalate: shipped.escalate, deadlines };
    let mut desk = Desk::default();
    let began = Instant::now();
    let steps = desk.step(&places.scene(&snapshot), now, &rules);
    let first = began.elapsed();
    for (id, step) in (1..).zip(&steps) {
        if let Step::Open(opening) = step {
            desk.open(Incident::open(id, opening, now));
        }
    }
    let began = Instant::now();
    let rest = desk.step(&places.scene(&snapshot), now, &rules);
    ensure!(rest.is_empty(), "the desk does not come to rest: {rest:?}");
    say(&format!(
        "desk: {}: {} incidents decided in {first:.1?}, looked through in {:.1?}",
        failing.name(),
        steps.len(),
        began.elapsed()
    ));
    Ok(())
}

async fn flood(name: &str, url: &str, failing: Failing, inventory: &Arc<Inventory>) -> anyhow::Result<()> {
    let service = Service::start(url, Arc::clone(inventory)).await?;
    service.publish(Failing::OneCamera)?;
    until(&service, async || Ok(newest(&service.store).await? == 1)).await?;
    let askers = Askers::start(service.address);
    tokio::time::sleep(SIGN_OF_LIFE).await;
    say(&format!("{name}: {}", failing.name()));
    askers.stop("at rest")?;
    let askers = Askers::start(service.address);
    let began = Instant::now();
    service.publish(failing)?;
    let expected = i64::from(failing.incidents());
    until(&service, async || Ok(newest(&service.store).await? >= expected)).await?;
    let kept = began.elapsed();
    until(&service, async || Ok(service.store.outbox_length().await?.queued == 0)).await?;
    let told = began.elapsed();
    askers.stop("in the flood")?;
    tell(&service, failing, kept, told).await
}

/// Looks again and again, while the tracker gives its sign of life.
async fn until(service: &Service, is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let (began, mut published) = (Instant::now(), Instant::now());
    while !is_so().await? {
        ensure!(began.elapsed() < DEADLINE, "it takes longer than {DEADLINE:?}");
        if published.elapsed() >= SIGN_OF_LIFE {
            service.publish_again();
            published = Instant::now();
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// The number of the newest incident: as many as there are.
async fn newest(store: &Store) -> anyhow::Result<i64> {
    let filter = sharpeyes::store::incident::IncidentFilter {
        stages: sharpeyes::domain::incident::Stage::ALL.into(),
        kinds: sharpeyes::domain::incident::RootKind::ALL.into(),
        division: None,
        overdue: false,
    };
    Ok(store.incident_rows(&filter, i64::MAX, 1).await?.first().map_or(0, |row| row.id))
}

async fn tell(service: &Service, failing: Failing, kept: Duration, told: Duration) -> anyhow::Result<()> {
    let incidents = usize::try_from(newest(&service.store).await?)?;
    let alerts = service.alertmanager.alerts()?;
    let heard = service.robot.heard();
    say(&format!(
        "  {incidents} incidents for {POINTS} points, kept after {:.1} s; told after {:.1} s: {alerts} alerts, {} robot \
         messages that tell of {} notifications, {} refused",
        kept.as_secs_f64(),
        told.as_secs_f64(),
        heard.at.len(),
        heard.notifications,
        heard.refused
    ));
    let expected = usize::try_from(failing.incidents())?;
    ensure!(incidents == expected, "{expected} incidents expected");
    ensure!(alerts == usize::try_from(failing.alerts())?, "{} alerts expected", failing.alerts());
    ensure!(heard.notifications == expected && heard.refused == 0, "every incident told, and never too fast");
    Ok(())
}
