//! Lists, filters, pages and single records.

use super::service::{DEAD_LINK, Service, VILLAGES, code_of};
use serde_json::Value;
use sharpeyes::domain::access::Role;

async fn items(service: &Service, path: &str) -> Vec<Value> {
    let answer = service.get(path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn pages_of_points_join_without_gap_or_repeat() {
    let service = Service::start().await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = service.get(&format!("/api/v1/points?limit=70{after}"), None).await.json();
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|point| point["code"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (300, &sorted));
}

#[tokio::test]
async fn filters_find_what_they_name() {
    let service = Service::start().await;
    for (filter, field, expected) in [
        ("division=230522", "/county", "230522"),
        ("grid=230521100201001", "/grid", "230521100201001"),
        ("site=S-230521100201", "/site", "S-230521100201"),
        ("state=offline", "/live/state", "offline"),
        ("cause=wrong_credential", "/live/cause", "wrong_credential"),
        ("class=2", "/class", "2"),
        ("state=excluded", "/live/detail", "power_cut"),
        ("link=L-230522100201&state=unreachable", "/live/detail", DEAD_LINK),
    ] {
        let found = items(&service, &format!("/api/v1/points?limit=500&{filter}")).await;
        assert!(!found.is_empty() && found.len() < 300, "{filter} found {}", found.len());
        for point in found {
            assert_eq!(point.pointer(field).unwrap(), expected, "{filter}");
        }
    }
    assert_eq!(items(&service, "/api/v1/points?text=7%E5%8F%B7&limit=500").await.len(), 4 * 7);
    assert!(items(&service, "/api/v1/points?cause=session_limit").await.is_empty());
}

#[tokio::test]
async fn a_filter_by_a_code_that_nothing_has_is_refused_and_says_so() {
    let service = Service::start().await;
    for (path, what, code) in [
        ("points", "division", "230599"),
        ("points", "grid", "G-none"),
        ("points", "site", "S-none"),
        ("points", "link", "L-none"),
        ("sites", "division", "230599"),
        ("sites", "link", "L-none"),
        ("grids", "division", "230599"),
        ("links", "division", "230599"),
        ("places", "division", "230599"),
        ("divisions", "division", "230599"),
        ("villages", "division", "230599"),
        ("summary", "division", "230599"),
        ("events", "division", "230599"),
        ("sd/prometheus", "division", "230599"),
        ("coverage", "division", "230599"),
        ("coverage/gaps", "division", "230599"),
    ] {
        let answer = service.get(&format!("/api/v1/{path}?{what}={code}"), None).await;
        assert_eq!(answer.status, 404, "{path}?{what}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["code"], "not_found");
        let expected =
            format!("`{what}={code}`: no {what} has this code; /api/v1/{what}s lists those that there are");
        assert_eq!(problem["detail"], expected.as_str(), "{path}");
    }
}

#[tokio::test]
async fn a_filter_tells_nothing_of_what_lies_outside_the_token() {
    let service = Service::start().await;
    let county = service.token("county", Role::Read, Some("230521")).await;
    for (query, status) in [
        ("grid=230521100201001", 200),
        ("site=S-230521100201", 200),
        ("link=L-230521100201", 200),
        ("division=230521100201&site=S-230521101202", 200),
        ("grid=230522100201001", 404),
        ("site=S-230522100201", 404),
        ("link=L-230522100201", 404),
        ("division=230522", 403),
    ] {
        let answer = service.get(&format!("/api/v1/points?{query}"), Some(&county)).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_point_shows_record_state_measure_and_root_cause_but_never_its_credential() {
    let service = Service::start().await;
    let code = code_of(VILLAGES[2].parse().unwrap(), 3);
    let answer = service.get(&format!("/api/v1/points/{code}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let point = answer.json();
    for (field, expected) in [
        ("/live/state", "unreachable"),
        ("/live/cause", "link_down"),
        ("/live/detail", DEAD_LINK),
        ("/root_cause/code", DEAD_LINK),
        ("/root_cause/status", "down"),
        ("/observed/codec", "h265"),
        ("/leader/name", "网格长甲"),
        ("/live/since", "2026-09-21T14:08:20Z"),
    ] {
        assert_eq!(point.pointer(field).unwrap(), expected, "{field}");
    }
    assert_eq!(point.pointer("/root_cause/members").unwrap(), 75);
    assert_eq!(point.pointer("/root_cause/unreachable").unwrap(), 75);
    assert_eq!(point.pointer("/observed/frames_per_second").unwrap(), 25.0);
    assert_eq!(point.pointer("/declared/frames_per_second").unwrap(), 30.0);
    assert!(!answer.text().contains("vault-entry"));
}

#[tokio::test]
async fn divisions_count_their_points_by_state() {
    let service = Service::start().await;
    let counties = items(&service, "/api/v1/divisions?level=county").await;
    assert_eq!(counties.len(), 2);
    let total = |county: &Value| -> u64 {
        county["points"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!((total(&counties[0]), total(&counties[1])), (150, 150));
    assert_eq!(counties[1]["points"]["unreachable"], 71, "75 members, 4 of them excluded");
    let grid = items(&service, "/api/v1/grids?division=230521100201").await.remove(0);
    assert_eq!(total(&grid), 75);
}

#[tokio::test]
async fn root_causes_are_the_links_that_explain_points() {
    let service = Service::start().await;
    let causes = items(&service, "/api/v1/links?root_cause=true").await;
    assert_eq!(causes.len(), 1);
    assert_eq!(causes[0]["code"], DEAD_LINK);
    assert_eq!(items(&service, "/api/v1/links?root_cause=false").await.len(), 3);
}

#[tokio::test]
async fn a_large_page_is_compressed_when_asked() {
    let service = Service::start().await;
    let answer = service.ask("GET", "/api/v1/points", None, &[("accept-encoding", "gzip")], b"").await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
}
