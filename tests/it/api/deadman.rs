//! The dead-man switch over HTTP, with the body that Alertmanager 0.25 sends.

use crate::api::service::{Service, TAKEN};
use serde_json::{Value, json};
use sharpeyes::domain::access::Role;
use std::time::Duration;

fn webhook(evaluated: i64) -> Value {
    json!({
        "receiver": "deadman", "status": "firing", "version": "4", "truncatedAlerts": 0,
        "groupKey": "{}/{alertname=\"SharpEyesWatchdog\"}:{alertname=\"SharpEyesWatchdog\"}",
        "groupLabels": {"alertname": "SharpEyesWatchdog"}, "commonLabels": {"severity": "none"},
        "commonAnnotations": {}, "externalURL": "http://127.0.0.1:9093",
        "alerts": [{
            "status": "firing", "labels": {"alertname": "SharpEyesWatchdog", "severity": "none"},
            "annotations": {"evaluated": evaluated.to_string()}, "startsAt": "2026-11-26T05:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "0123456789abcdef"
        }]
    })
}

#[tokio::test]
async fn a_watchdog_is_heard_and_its_silence_shows() {
    let service = Service::start().await;
    assert_eq!(service.get("/api/v1/deadman", None).await.json()["items"], json!([]));
    let now = TAKEN.as_millis() / 1_000;
    let heard = service.post("/api/v1/deadman/prometheus", None, &webhook(now)).await;
    assert_eq!(heard.status, 204, "{}", heard.text());
    let check = async |silent: bool| {
        let items = service.get("/api/v1/deadman", None).await.json();
        assert_eq!(
            (&items["items"][0]["name"], &items["items"][0]["silent"]),
            (&json!("prometheus"), &json!(silent))
        );
    };
    check(false).await;
    service.clock.advance(Duration::from_secs(179));
    check(false).await;
    // Alertmanager goes on with what Prometheus told it last.
    service.post("/api/v1/deadman/prometheus", None, &webhook(now)).await;
    service.clock.advance(Duration::from_secs(1));
    check(true).await;
    service.post("/api/v1/deadman/prometheus", None, &webhook(now + 180)).await;
    check(false).await;
}

#[tokio::test]
async fn what_is_no_watchdog_is_refused_and_a_token_is_needed() {
    let service = Service::start().await;
    let mut other = webhook(0);
    other["alerts"][0]["labels"]["alertname"] = json!("SharpEyesDown");
    let refused = service.post("/api/v1/deadman/prometheus", None, &other).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let refused = service.post("/api/v1/deadman/a%20b", None, &webhook(0)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let reader = service.token("prometheus", Role::Read, None).await;
    let county = service.token("county", Role::Admin, Some("230521")).await;
    assert_eq!(service.post("/api/v1/deadman/prometheus", None, &webhook(0)).await.status, 401);
    assert_eq!(service.post("/api/v1/deadman/prometheus", Some(&county), &webhook(0)).await.status, 403);
    assert_eq!(service.post("/api/v1/deadman/prometheus", Some(&reader), &webhook(0)).await.status, 204);
}
