//! Tokens, roles, scopes, and how a refusal looks.

use super::service::{Service, TAKEN};
use crate::support::postgres::Server;
use serde_json::json;
use sharpeyes::api::guard::{Guarding, ListenError, check_listen};
use sharpeyes::config::Settings;
use sharpeyes::domain::access::Role;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn without_a_token_loopback_is_open_and_with_one_it_is_guarded() {
    let service = Service::start().await;
    assert_eq!(service.get("/api/v1/audit", None).await.status, 200);
    let secret = service.token("first", Role::Read, None).await;
    assert_eq!(service.get("/api/v1/points", None).await.status, 401);
    assert_eq!(service.get("/metrics", None).await.status, 401);
    assert_eq!(service.get("/api/v1/points", Some("se_wrong")).await.status, 401);
    assert_eq!(service.get("/api/v1/points", Some(&secret)).await.status, 200);
    for open in ["/healthz", "/readyz", "/"] {
        assert_eq!(service.get(open, None).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let service = Service::start().await;
    let secret = service.token("short-lived", Role::Read, None).await;
    service.token("other", Role::Read, None).await;
    assert_eq!(service.get("/api/v1/points", Some(&secret)).await.status, 200);
    assert!(service.store.revoke_token("short-lived", TAKEN).await.unwrap());
    assert_eq!(service.get("/api/v1/points", Some(&secret)).await.status, 401);
}

#[tokio::test]
async fn revoking_the_last_token_closes_the_service() {
    let service = Service::start().await;
    let secret = service.token("only", Role::Admin, None).await;
    assert!(service.store.revoke_token("only", TAKEN).await.unwrap());
    for token in [None, Some(&*secret)] {
        assert_eq!(service.get("/api/v1/points", token).await.status, 401);
    }
    let anywhere = "0.0.0.0:8080".parse().unwrap();
    assert_eq!(check_listen(&service.store, anywhere).await.unwrap(), Guarding::Tokens);
}

#[tokio::test]
async fn a_request_without_a_token_is_told_to_come_back_while_nobody_can_know_whether_it_needs_one() {
    let service = Service::start().await;
    service.store.close().await;
    let answer = service.get("/api/v1/points", None).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"store_unavailable".into()));
    assert_eq!(answer.headers["retry-after"], "5");
}

#[tokio::test]
async fn what_is_open_stays_open_while_the_store_is_lost() {
    let service = Service::start().await;
    assert_eq!(service.get("/metrics", None).await.status, 200);
    service.store.close().await;
    assert_eq!(service.get("/metrics", None).await.status, 200);
    assert_eq!(service.get("/api/v1/points", None).await.status, 200);
    assert_eq!(service.get("/api/v1/points", Some("se_unknown")).await.status, 503);
}

#[tokio::test]
async fn a_store_that_does_not_answer_holds_up_neither_scrapes_nor_readiness() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Server::start());
    let service = Service::start_on(&server.new_database().await, Settings::default(), folder).await;
    let answers = async |token: Option<&str>| {
        for (path, status) in [("/metrics", 200), ("/api/v1/points", 200), ("/readyz", 503)] {
            let asked = Instant::now();
            assert_eq!(service.get(path, token).await.status, status, "{path}");
            // A connection of the pool is waited for 5 s, an answer on it for as long as the request may take.
            assert!(asked.elapsed() < Duration::from_secs(4), "{path} took {:?}", asked.elapsed());
        }
    };
    assert_eq!(service.get("/metrics", None).await.status, 200);
    server.freeze();
    answers(None).await;
    server.thaw();
    let secret = service.token("known", Role::Read, None).await;
    assert_eq!(service.get("/metrics", Some(&secret)).await.status, 200);
    server.freeze();
    answers(Some(&secret)).await;
    assert_eq!(service.get("/metrics", None).await.status, 401);
    server.thaw();
}

#[tokio::test]
async fn a_known_token_still_works_while_the_store_is_lost() {
    let service = Service::start().await;
    let secret = service.token("known", Role::Read, None).await;
    assert_eq!(service.get("/metrics", Some(&secret)).await.status, 200);
    service.store.close().await;
    assert_eq!(service.get("/metrics", Some(&secret)).await.status, 200);
    let unknown = service.get("/api/v1/points", Some("se_unknown")).await;
    assert_eq!((unknown.status, &*unknown.headers["retry-after"]), (503, "5"));
    let ready = service.get("/readyz", None).await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.json()["missing"].as_array().unwrap().iter().any(|word| word == "store"),
        "{}",
        ready.text()
    );
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let service = Service::start().await;
    assert_eq!(service.get("/readyz", None).await.status, 200);
    service.writer.send_modify(|status| status.healthy = false);
    service.snapshot.send_replace(Arc::default());
    let ready = service.get("/readyz", None).await;
    assert_eq!((ready.status, &ready.json()["missing"]), (503, &json!(["writer", "tracker", "first_round"])));
}

#[tokio::test]
async fn a_worker_that_stands_still_makes_the_service_not_ready() {
    let service = Service::start().await;
    service.clock.advance(Duration::from_secs(29));
    assert_eq!(service.get("/readyz", None).await.status, 200);
    service.clock.advance(Duration::from_secs(1));
    let ready = service.get("/readyz", None).await;
    assert_eq!((ready.status, &ready.json()["missing"]), (503, &json!(["tracker", "scheduler"])));
    service.scheduler.send_modify(|status| status.taken = service.clock.now());
    assert_eq!(service.get("/readyz", None).await.json()["missing"], json!(["tracker"]));
}

#[tokio::test]
async fn the_system_tells_how_each_worker_is() {
    let service = Service::start().await;
    service.scheduler.send_modify(|status| {
        (status.points, status.waiting, status.lag) = (960, 7, Duration::from_millis(1_500));
    });
    service.writer.send_modify(|status| {
        (status.healthy, status.last_error_operation) = (false, Some("commit a batch"));
    });
    service.upkeep.send_modify(|status| status.last_run = Some(TAKEN));
    let system = service.get("/api/v1/system", None).await.json();
    let taken = &json!("2026-09-21T14:13:20Z");
    assert_eq!((&system["tracker"]["taken"], &system["upkeep"]["last_run"]), (taken, taken));
    let scheduler = &system["scheduler"];
    assert_eq!((&scheduler["waiting"], &scheduler["lag_ms"]), (&json!(7), &json!(1_500)));
    assert_eq!(system["writer"]["failed_operation"], "commit a batch");
    service.snapshot.send_replace(Arc::default());
    assert_eq!(service.get("/api/v1/system", None).await.json()["tracker"]["taken"], json!(null));
}

#[tokio::test]
async fn a_role_permits_what_the_weaker_ones_permit_and_no_more() {
    let service = Service::start().await;
    let read = service.token("reader", Role::Read, None).await;
    let operate = service.token("operator", Role::Operate, None).await;
    let admin = service.token("admin", Role::Admin, None).await;
    let look = "/api/v1/points/23052110011320000001/look";
    for (token, looks, audits) in [(&read, 403, 403), (&operate, 202, 403), (&admin, 202, 200)] {
        let look = service.ask("POST", look, Some(token), &[], b"").await;
        assert_eq!(look.status, looks, "{}", look.text());
        assert_eq!(service.get("/api/v1/audit", Some(token)).await.status, audits);
    }
}

#[tokio::test]
async fn a_scoped_token_sees_nothing_of_the_other_county() {
    let service = Service::start().await;
    let secret = service.token("county", Role::Admin, Some("230521")).await;
    for resource in ["divisions", "villages", "grids", "sites", "points", "links", "places", "sd/prometheus"]
    {
        let answer = service.get(&format!("/api/v1/{resource}?"), Some(&secret)).await;
        assert_eq!(answer.status, 200, "{resource}: {}", answer.text());
        let text = answer.text();
        assert!(text.contains("230521") && !text.contains("230522"), "{resource}: {text}");
    }
    for path in [
        "divisions/230522",
        "villages/230522100201",
        "grids/230522100201001",
        "sites/S-230522100201",
        "links/L-230522100201",
        "places/P-230522100201",
    ] {
        let answer = service.get(&format!("/api/v1/{path}"), Some(&secret)).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &"not_found".into()), "{path}");
    }
    let asked = service.get("/api/v1/points?division=230522", Some(&secret)).await;
    assert_eq!((asked.status, &asked.json()["code"]), (403, &"outside_scope".into()));
    for whole in ["/metrics", "/api/v1/audit", "/api/v1/imports"] {
        let answer = service.get(whole, Some(&secret)).await;
        assert_eq!((answer.status, &answer.json()["code"]), (403, &"outside_scope".into()), "{whole}");
        assert!(answer.text().contains("a token without a division"), "{}", answer.text());
    }
}

#[tokio::test]
async fn every_refusal_is_a_problem_with_a_code_and_the_request_id() {
    let service = Service::start().await;
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "no_route"),
        ("DELETE", "/api/v1/points", 405, "method_not_allowed"),
        ("GET", "/api/v1/points?limit=0", 400, "malformed"),
        ("GET", "/api/v1/points?colour=red", 400, "malformed"),
        ("GET", "/api/v1/points?state=fine", 400, "malformed"),
        ("GET", "/api/v1/points?cause=offline", 400, "malformed"),
        ("GET", "/api/v1/points/12", 400, "malformed"),
        ("GET", "/api/v1/points/23052100001320000099", 404, "not_found"),
        ("POST", "/api/v1/exclusions", 415, "media_type"),
    ] {
        let answer = service.ask(method, path, None, &[], b"").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{path}");
        assert_eq!(problem["status"], status, "{path}");
        assert_eq!(problem["request_id"], answer.headers["x-request-id"].as_str(), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_told_by_its_name_and_what_would_be_right() {
    let service = Service::start().await;
    for (path, told) in [
        ("points?clas=1", "clas: unknown field `clas`, expected one of `division`"),
        ("points?class=7", "class: `7` is none of 1, 2, 3, 9"),
        (
            "points?cause=conect_refused",
            "cause: `conect_refused` is no cause; did you mean `connect_refused`?",
        ),
        ("coverage?indicator=A1&list=failing", "list: `failing` is none of "),
        ("coverage?from=2026-10-01T00:00:00+08:00", "from: a time is written as RFC 3339: "),
    ] {
        let answer = service.get(&format!("/api/v1/{path}"), None).await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && detail.starts_with(told), "{path}: {detail}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_can_neither_act_nor_rebind_its_name() {
    let service = Service::start().await;
    let path = "/api/v1/exclusions/1/withdraw";
    let crossed = service.ask("POST", path, None, &[("sec-fetch-site", "cross-site")], b"").await;
    assert_eq!((crossed.status, &crossed.json()["code"]), (403, &"cross_site".into()));
    let rebound = service.ask("GET", "/api/v1/points", None, &[("host", "evil.example")], b"").await;
    assert_eq!(rebound.status, 401);
    assert!(rebound.text().contains("127.0.0.1, [::1] and localhost only"), "{}", rebound.text());
    assert_eq!(service.ask("GET", "/api/v1/points", None, &[("host", "")], b"").await.status, 401);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let mut settings = Settings::default();
    settings.server.body_limit_bytes = 64;
    let service = Service::start_with(settings).await;
    let long = serde_json::json!({ "reason": "x".repeat(100) });
    assert_eq!(service.post("/api/v1/exclusions", None, &long).await.status, 413);
}

#[tokio::test]
async fn only_loopback_may_be_listened_on_without_a_token() {
    let service = Service::start().await;
    let (loopback, anywhere) = ("127.0.0.1:8080".parse().unwrap(), "0.0.0.0:8080".parse().unwrap());
    assert_eq!(check_listen(&service.store, loopback).await.unwrap(), Guarding::LoopbackOpen);
    assert!(matches!(check_listen(&service.store, anywhere).await, Err(ListenError::NoToken { .. })));
    service.token("any", Role::Admin, None).await;
    assert_eq!(check_listen(&service.store, anywhere).await.unwrap(), Guarding::Tokens);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let service = Service::start().await;
    for path in ["/", "/healthz", "/api/v1/points", "/nothing"] {
        let answer = service.get(path, None).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.headers["content-security-policy"].contains("default-src 'none'"), "{path}");
    }
}
