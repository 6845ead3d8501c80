//! Figures, lists, gaps and the summary over HTTP.

use super::service::{DEAD_LINK, Service, TAKEN, VILLAGES, code_of};
use crate::store::fixture::import;
use serde_json::json;
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, Condition, Evidence, Provenance, RecordKind, Timestamp, Transition};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One point good for 15 days before now, then off for 15: half of 30 days.
pub(super) async fn half_good(service: &Service) {
    let point = code_of(VILLAGES[0].parse().unwrap(), 0);
    // The store finds the history of a village by its own record of the points.
    let village = format!(r#"{{"code":"{}","name":"村","assessed":true,"has_centre":false}}"#, VILLAGES[0]);
    let record = format!(
        r#"{{"code":"{point}","name":"点","village":"{}","class":"1","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#,
        VILLAGES[0]
    );
    let records = [(RecordKind::Division, &[village][..]), (RecordKind::Point, &[record][..])];
    import(&service.store, Timestamp::from_seconds(1), &records).await;
    let change = |at: Timestamp, from: Condition, to: Condition| Transition {
        point,
        at,
        decided: at,
        from,
        to,
        evidence: Evidence(vec![("stage".into(), "connect".to_owned())]),
        provenance: Provenance::Probe,
    };
    let days = |count: u64| TAKEN.minus(Duration::from_secs(count * 86_400));
    let refused = Condition::Because(Cause::ConnectRefused);
    let first = change(days(30), Condition::Because(Cause::NotYetProbed), Condition::Good);
    let second = change(days(15), Condition::Good, refused);
    service.store.apply_transitions(&[first, second]).await.unwrap();
}

#[tokio::test]
async fn a_figure_shows_its_parts_and_the_list_that_makes_it() {
    let service = Service::start().await;
    half_good(&service).await;
    let window = "from=2026-08-22T14:13:20Z&to=2026-09-21T14:13:20Z";
    let report =
        service.get(&format!("/api/v1/coverage?division=230521100201&indicator=A1&{window}"), None).await;
    assert_eq!(report.status, 200, "{}", report.text());
    let figure = &report.json()["whole"]["figures"][0];
    let half_ms = 15 * 86_400_000_u64;
    assert_eq!((&figure["id"], &figure["numerator"]), (&json!("A1"), &json!(half_ms)));
    assert_eq!((&figure["denominator"], &figure["value"]), (&json!(2 * half_ms), &json!(0.5)));
    assert!(figure["unknown"].as_u64().unwrap() > 0, "74 points were never measured");
    let path = format!("/api/v1/coverage?division=230521100201&indicator=A1&list=gap&{window}");
    let list = service.get(&path, None).await.json();
    assert_eq!((&list["total"], &list["unit"]), (&json!(half_ms), &json!("milliseconds")));
    assert_eq!(list["items"][0]["amount"], json!(half_ms));
}

#[tokio::test]
async fn without_data_a_value_is_null_and_children_add_up() {
    let service = Service::start().await;
    let report =
        service.get("/api/v1/coverage?division=2305&indicator=A1,C3&children=true", None).await.json();
    let figures = &report["whole"]["figures"];
    assert_eq!((&figures[0]["id"], &figures[1]["id"]), (&json!("C3"), &json!("A1")), "the order of a report");
    assert_eq!((&figures[1]["value"], &figures[0]["value"]), (&json!(null), &json!(1.0)));
    let children = report["children"].as_array().unwrap();
    assert_eq!(children.len(), 2);
    let grids: u64 = children.iter().map(|child| child["figures"][0]["denominator"].as_u64().unwrap()).sum();
    assert_eq!(json!(grids), figures[0]["denominator"]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let service = Service::start().await;
    for (query, status) in [
        ("division=2399", 404),
        ("month=2026-09&from=2026-09-01T00:00:00Z", 422),
        ("from=2026-09-02T00:00:00Z&to=2026-09-01T00:00:00Z", 422),
        ("from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422),
        ("from=2021-09-17T00:00:00Z&to=2026-09-21T00:00:00Z", 200),
        ("from=2030-01-01T00:00:00Z&to=2030-02-01T00:00:00Z", 422),
        ("indicator=Z9", 422),
        ("list=gap", 422),
        ("list=everything", 400),
        ("month=2026-09", 200),
    ] {
        let answer = service.get(&format!("/api/v1/coverage?{query}"), None).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_scoped_token_gets_its_own_figures_and_is_refused_wider_ones() {
    let service = Service::start().await;
    let county = service.token("county", Role::Read, Some("230521")).await;
    let own = service.get("/api/v1/coverage?indicator=C3", Some(&county)).await.json();
    assert_eq!(own["whole"]["division"], "230521");
    for wider in ["2305", "230522"] {
        let path = format!("/api/v1/coverage?division={wider}");
        assert_eq!(service.get(&path, Some(&county)).await.status, 403, "{wider}");
    }
    let gaps = service.get("/api/v1/coverage/gaps", Some(&county)).await;
    assert!(gaps.status == 200 && !gaps.text().contains("230522"), "{}", gaps.text());
}

#[tokio::test]
async fn gaps_name_what_has_no_working_cover() {
    let service = Service::start().await;
    let gaps = service.get("/api/v1/coverage/gaps?limit=2", None).await.json();
    let items = gaps["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["village"], &items[0]["reason"]), (&json!(VILLAGES[2]), &json!("not_working")));
    let next = gaps["next"].as_str().unwrap().replace(' ', "%20");
    let rest = service.get(&format!("/api/v1/coverage/gaps?limit=500&after={next}"), None).await.json();
    let totals: u64 = gaps["totals"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(u64::try_from(rest["items"].as_array().unwrap().len()).unwrap() + 2, totals);
}

#[tokio::test]
async fn gaps_are_filtered_by_kind_and_reason() {
    let service = Service::start().await;
    let all = service.get("/api/v1/coverage/gaps?limit=500", None).await.json();
    for (filter, field, word) in
        [("kind=village", "kind", "village"), ("reason=not_working", "reason", "not_working")]
    {
        let some = service.get(&format!("/api/v1/coverage/gaps?limit=500&{filter}"), None).await.json();
        let asked = all["items"].as_array().unwrap().iter().filter(|gap| gap[field] == word);
        let asked: Vec<_> = asked.collect();
        assert!(!asked.is_empty(), "{filter}");
        assert_eq!(some["items"].as_array().unwrap().iter().collect::<Vec<_>>(), asked, "{filter}");
    }
}

#[tokio::test]
async fn gaps_refuse_a_cursor_that_no_page_gave_out() {
    let service = Service::start().await;
    for wrong in ["after=nonsense", "after=1%20no_point", "kind=point", "reason=dark"] {
        let answer = service.get(&format!("/api/v1/coverage/gaps?{wrong}"), None).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("malformed")), "{wrong}");
    }
}

#[tokio::test]
async fn the_summary_counts_and_names_the_root_cause() {
    let service = Service::start().await;
    let summary = service.get("/api/v1/summary", None).await.json();
    let total: u64 =
        summary["points"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(total, 300);
    assert_eq!(summary["root_causes"][0]["link"]["code"], DEAD_LINK);
    assert_eq!(summary["root_causes"][0]["members"].as_array().unwrap().len(), 75);
    let county = service.token("county", Role::Read, Some("230521")).await;
    let narrowed = service.get("/api/v1/summary", Some(&county)).await.json();
    assert!(narrowed["root_causes"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn who_lives_below_a_dead_link_of_a_wider_division_sees_it_as_the_root_cause() {
    let service = Service::start().await;
    service.inventory.send_modify(|inventory| {
        let link = Arc::make_mut(inventory).links.get_mut(&DEAD_LINK.parse().unwrap()).unwrap();
        link.division = "2305".parse().unwrap();
    });
    let causes = async |division: &'static str| {
        let secret = service.token(division, Role::Read, Some(division)).await;
        service.get("/api/v1/summary", Some(&secret)).await.json()["root_causes"].clone()
    };
    let below = causes(VILLAGES[2]).await;
    assert_eq!((&below[0]["link"]["code"], &below[0]["link"]["target"]), (&json!(DEAD_LINK), &json!(null)));
    assert_eq!(below[0]["members"].as_array().unwrap().len(), 75);
    assert_eq!(causes(VILLAGES[0]).await, json!([]), "none of its points is cut off");
}

#[tokio::test]
async fn a_timeline_shows_intervals_with_their_proof() {
    let service = Service::start().await;
    half_good(&service).await;
    let point = code_of(VILLAGES[0].parse().unwrap(), 0);
    let path = format!("/api/v1/points/{point}/timeline?from=2026-08-01T00:00:00Z");
    let first = service.get(&format!("{path}&limit=1"), None).await.json();
    assert_eq!((&first["items"][0]["state"], first["items"].as_array().unwrap().len()), (&json!("good"), 1));
    let after = first["next"].as_str().unwrap();
    let second = service.get(&format!("{path}&after={after}"), None).await.json();
    let open = &second["items"][0];
    assert_eq!((&open["state"], &open["cause"]), (&json!("offline"), &json!("connect_refused")));
    assert_eq!((&open["end"], &open["evidence"]["stage"]), (&json!(null), &json!("connect")));
    assert_eq!(second["next"], json!(null));
}

#[tokio::test]
async fn holds_come_in_pages() {
    let service = Service::start().await;
    for number in 0..5 {
        let until = Instant::now() + Duration::from_secs(1_800);
        service.holds.hold("vault-entry-7", &format!("10.1.2.{number}:554"), TAKEN, until);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = service.get(&format!("/api/v1/credential-holds?limit=2{after}"), None).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|hold| hold["host"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", next.replace(' ', "%20"));
    }
    let all: Vec<_> = (0..5).map(|number| json!(format!("10.1.2.{number}:554"))).collect();
    assert_eq!(seen, all);
    assert_eq!(service.get("/api/v1/credential-holds?after=x", None).await.status, 400);
}

#[tokio::test]
async fn a_held_credential_is_seen_and_released_by_its_name() {
    let service = Service::start().await;
    let until = Instant::now() + Duration::from_secs(1_800);
    service.holds.hold("vault-entry-7", "10.1.2.3:554", TAKEN, until);
    let holds = service.get("/api/v1/credential-holds", None).await.json();
    assert_eq!(holds["items"][0]["credential"], "vault-entry-7");
    let named = json!({ "credential": "vault-entry-7", "host": "10.1.2.3:554" });
    assert_eq!(service.post("/api/v1/credential-holds/release", None, &named).await.status, 204);
    assert_eq!(service.holds.prune(Instant::now()), 0);
    assert_eq!(service.post("/api/v1/credential-holds/release", None, &named).await.status, 404);
}
