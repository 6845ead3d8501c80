//! `/metrics`: promtool, escaping, what a fault and a dead worker do to the series, and the document.

use super::service::{Service, TAKEN, network, picture};
use sharpeyes::config::{PerPoint, Settings};
use sharpeyes::domain::{Cause, Condition};
use sharpeyes::health::snapshot::{LivePoint, Snapshot};
use sharpeyes::telemetry;
use sharpeyes::vital::Vitals;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

fn full() -> Settings {
    let mut settings = Settings::default();
    settings.metrics.per_point = PerPoint::Full;
    settings
}

async fn scrape(service: &Service) -> String {
    let answer = service.get("/metrics", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn line<'a>(text: &'a str, family: &str, label: &str) -> Option<&'a str> {
    text.lines().find(|line| line.starts_with(&format!("{family}{{")) && line.contains(label))
}

#[tokio::test]
async fn promtool_finds_nothing_to_say() {
    let service = Service::start_with(full()).await;
    let text = scrape(&service).await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn every_point_in_use_is_exposed_and_only_faults_have_a_state() {
    let service = Service::start().await;
    let text = scrape(&service).await;
    let count = |family: &str| text.lines().filter(|line| line.starts_with(&format!("{family}{{"))).count();
    assert_eq!((count("sharpeyes_point_up"), count("sharpeyes_point_info")), (300, 300));
    let not_good = picture(&network()).points.iter().filter(|point| point.cause().is_some()).count();
    assert_eq!(count("sharpeyes_point_state"), not_good);
    assert_eq!(count("sharpeyes_village_points"), 4 * 7);
    assert_eq!(count("sharpeyes_link_up"), 4);
    assert_eq!(count("sharpeyes_point_frames_total"), 0, "only with metrics.per_point = full");
    assert!(line(&text, "sharpeyes_link_up", "link=\"L-230522100201\"").unwrap().ends_with(" 0"));
    assert!(line(&text, "sharpeyes_point_info", "vendor=\"Maker \\\"Q\\\"\"").is_some());
    assert!(text.contains("sharpeyes_build_info{version="));
}

/// Serves the made-up network with one point changed, and gives that point's `up` value and state line.
async fn with_point(change: impl Fn(&mut LivePoint)) -> (Option<String>, Option<String>) {
    let service = Service::start().await;
    let mut snapshot = picture(&network());
    let mut point = LivePoint::clone(&snapshot.points[5]);
    let label = format!("point=\"{}\"", point.code);
    change(&mut point);
    snapshot.points[5] = Arc::new(point);
    service.snapshot.send_replace(Arc::new(snapshot));
    let text = scrape(&service).await;
    let up =
        line(&text, "sharpeyes_point_up", &label).map(|line| line.rsplit(' ').next().unwrap().to_owned());
    (up, line(&text, "sharpeyes_point_state", &label).map(str::to_owned))
}

#[tokio::test]
async fn up_is_what_was_known_last_while_unknown_and_what_is_measured_while_excluded() {
    let unknown = Condition::Because(Cause::Backlog);
    for (last, expected) in [(Some(true), Some("1")), (Some(false), Some("0")), (None, None)] {
        let (up, state) = with_point(|point| {
            point.measured = unknown.clone();
            point.last_known_up = last;
        })
        .await;
        assert_eq!(up.as_deref(), expected);
        assert!(state.unwrap().contains("state=\"unknown\",cause=\"backlog\""));
    }
    let (up, state) = with_point(|point| {
        point.measured = Condition::Because(Cause::ConnectRefused);
        point.excluded = Some(Cause::Excluded(sharpeyes::domain::ExclusionKind::Construction));
    })
    .await;
    assert_eq!(up.as_deref(), Some("0"));
    assert!(state.unwrap().contains("state=\"excluded\",cause=\"excluded\""));
}

#[tokio::test]
async fn a_tracker_that_published_nothing_removes_no_info_and_no_village() {
    let service = Service::start().await;
    service.snapshot.send_replace(Arc::new(Snapshot::default()));
    let text = scrape(&service).await;
    assert_eq!(text.matches("\nsharpeyes_point_info{").count(), 300);
    assert!(line(&text, "sharpeyes_village_points", "state=\"unknown\"").unwrap().ends_with(" 75"));
}

#[tokio::test]
async fn an_answer_is_kept_for_a_moment_and_served_to_both_kinds_of_readers() {
    let service = Service::start().await;
    let before = scrape(&service).await;
    service.inventory.send_replace(Arc::default());
    assert_eq!(scrape(&service).await, before);
    let gzip = service.ask("GET", "/metrics", None, &[("accept-encoding", "gzip")], b"").await;
    assert_eq!(gzip.headers["content-encoding"], "gzip");
    assert!(gzip.body.starts_with(&[0x1f, 0x8b]) && gzip.body.len() < before.len() / 4);
}

#[tokio::test]
async fn every_family_is_documented_and_every_documented_family_exists() {
    // Channels have series from when they are opened; this service has none.
    telemetry::channel_opened("documented");
    telemetry::deadman_beat("documented", TAKEN);
    let authorities = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ingest/pull/nobody.pem");
    Vitals::new(vec![("database", "/".into())], Some(authorities.into())).measure();
    let service = Service::start_with(full()).await;
    let text = scrape(&service).await;
    let exposed: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| name.starts_with("sharpeyes_"))
        .collect();
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();
    let documented: Vec<_> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("sharpeyes_"))
        .collect();
    let missing: Vec<_> = exposed.iter().filter(|name| !documented.contains(name)).collect();
    let invented: Vec<_> = documented.iter().filter(|name| !exposed.contains(name)).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "not documented {missing:?}, not exposed {invented:?}"
    );
}
