//! The event stream: batches, scopes, lagging readers, shutdown.

use super::service::{Service, TAKEN, VILLAGES, code_of};
use sharpeyes::config::Settings;
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, Condition, Evidence, Provenance, Transition};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

fn change(village: usize, number: usize) -> Arc<Transition> {
    Arc::new(Transition {
        point: code_of(VILLAGES[village].parse().unwrap(), number),
        at: TAKEN,
        decided: TAKEN,
        from: Condition::Good,
        to: Condition::Because(Cause::ConnectRefused),
        evidence: Evidence::default(),
        provenance: Provenance::Probe,
    })
}

/// Reads until the text holds what is waited for.
async fn read_until(stream: &mut TcpStream, seen: &mut String, wanted: &str) {
    let mut bytes = [0; 4096];
    while !seen.contains(wanted) {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes));
        let count = read.await.unwrap_or_else(|_| panic!("`{wanted}` did not come; seen: {seen}")).unwrap();
        assert!(count > 0, "the stream ended before `{wanted}`; seen: {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

/// Reads until the service ends the stream.
async fn ends(mut stream: TcpStream) {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn changes_reach_a_reader_in_few_frames_and_only_inside_its_scope() {
    let service = Service::start().await;
    let all = service.token("all", Role::Read, None).await;
    let county = service.token("county", Role::Read, Some("230522")).await;
    let mut streams = Vec::new();
    for token in [&all, &county] {
        let mut stream = service.send("GET", "/api/v1/events", Some(token), &[], b"").await;
        let mut seen = String::new();
        read_until(&mut stream, &mut seen, "event: hello").await;
        streams.push((stream, seen));
    }
    for number in 0..50 {
        service.changes.send(change(0, number)).unwrap();
    }
    service.changes.send(change(2, 7)).unwrap();
    let last = code_of(VILLAGES[2].parse().unwrap(), 7).to_string();
    for (stream, seen) in &mut streams {
        read_until(stream, seen, &last).await;
    }
    let frames = |seen: &str| seen.matches("event: changes").count();
    assert!((1..=2).contains(&frames(&streams[0].1)), "{} frames", frames(&streams[0].1));
    assert_eq!(streams[0].1.matches("connect_refused").count(), 51);
    assert_eq!(streams[1].1.matches("connect_refused").count(), 1);
    assert!(!streams[1].1.contains("230521"), "{}", streams[1].1);
}

#[tokio::test]
async fn a_change_tells_where_it_comes_from_and_whether_it_was_found_at_the_start() {
    let service = Service::start().await;
    let mut stream = service.send("GET", "/api/v1/events", None, &[], b"").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "event: hello").await;
    service.changes.send(change(0, 1)).unwrap();
    read_until(&mut stream, &mut seen, "\"provenance\":\"probe\",\"first_round\":false").await;
    let mut found = Transition::clone(&change(0, 2));
    found.provenance = Provenance::Derived;
    found.evidence = Evidence(vec![("first_round".into(), "true".to_owned())]);
    service.changes.send(Arc::new(found)).unwrap();
    read_until(&mut stream, &mut seen, "\"provenance\":\"derived\",\"first_round\":true").await;
}

#[tokio::test]
async fn lost_changes_become_one_resync() {
    let service = Service::start().await;
    let mut stream = service.send("GET", "/api/v1/events", None, &[], b"").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "event: hello").await;
    // More than the channel holds, sent without a chance to read in between.
    for number in 0..3_000 {
        service.changes.send(change(0, number % 75)).unwrap();
    }
    read_until(&mut stream, &mut seen, "event: resync").await;
    assert_eq!(seen.matches("event: resync").count(), 1);
}

#[tokio::test]
async fn the_stream_ends_when_the_service_stops() {
    let service = Service::start().await;
    let mut stream = service.send("GET", "/api/v1/events", None, &[], b"").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "event: hello").await;
    service.cancel.cancel();
    ends(stream).await;
}

#[tokio::test]
async fn a_stream_in_which_nothing_happens_outlives_the_write_timeout() {
    let mut settings = Settings::default();
    settings.server.write_timeout = Duration::from_millis(100);
    let service = Service::start_with(settings).await;
    let mut stream = service.send("GET", "/api/v1/events", None, &[], b"").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "event: hello").await;
    let mut byte = [0; 1];
    let silence = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut byte)).await;
    assert!(silence.is_err(), "{silence:?}");
    service.changes.send(change(0, 1)).unwrap();
    read_until(&mut stream, &mut seen, "event: changes").await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let service = Service::start().await;
    let secret = service.token("short-lived", Role::Read, None).await;
    let other = service.token("other", Role::Read, None).await;
    let mut revoked = service.send("GET", "/api/v1/events", Some(&secret), &[], b"").await;
    let mut kept = service.send("GET", "/api/v1/events", Some(&other), &[], b"").await;
    let (mut seen, mut seen_by_other) = (String::new(), String::new());
    read_until(&mut revoked, &mut seen, "event: hello").await;
    read_until(&mut kept, &mut seen_by_other, "event: hello").await;
    assert!(service.store.revoke_token("short-lived", TAKEN).await.unwrap());
    ends(revoked).await;
    service.changes.send(change(0, 1)).unwrap();
    read_until(&mut kept, &mut seen_by_other, "event: changes").await;
}

#[tokio::test]
async fn a_stream_without_a_token_ends_when_the_first_one_is_made() {
    let service = Service::start().await;
    let mut stream = service.send("GET", "/api/v1/events", None, &[], b"").await;
    read_until(&mut stream, &mut String::new(), "event: hello").await;
    service.token("first", Role::Read, None).await;
    ends(stream).await;
}

#[tokio::test]
async fn a_stream_goes_on_while_the_store_is_lost() {
    let service = Service::start().await;
    let secret = service.token("known", Role::Read, None).await;
    let mut stream = service.send("GET", "/api/v1/events", Some(&secret), &[], b"").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "event: hello").await;
    service.store.close().await;
    let mut byte = [0; 1];
    let silence = tokio::time::timeout(Duration::from_millis(2_500), stream.read(&mut byte)).await;
    assert!(silence.is_err(), "{silence:?}");
    service.changes.send(change(0, 1)).unwrap();
    read_until(&mut stream, &mut seen, "event: changes").await;
}
