//! Exclusions: entered by one person, approved by another, audited.

use super::service::{DEAD_LINK, Service, TAKEN, code_of};
use serde_json::{Value, json};
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{DivisionCode, SiteCode};
use sharpeyes::store::audit::AuditVerdict;
use sharpeyes::store::month::Issued;
use std::sync::Arc;

fn request(scope: &Value) -> Value {
    json!({
        "kind": "power_cut", "scope": scope, "from": "2026-09-20T00:00:00+08:00", "to": "2026-09-30T00:00:00+08:00",
        "reason": "停电", "evidence": "通知 2026-118",
    })
}

#[tokio::test]
async fn another_person_approves_and_the_live_list_follows() {
    let service = Service::start().await;
    let duty = service.token("duty", Role::Operate, None).await;
    let chief = service.token("chief", Role::Operate, None).await;
    let entered =
        service.post("/api/v1/exclusions", Some(&duty), &request(&json!({ "link": DEAD_LINK }))).await;
    assert_eq!(entered.status, 201, "{}", entered.text());
    assert_eq!((&entered.json()["applicant"], &entered.json()["effective"]), (&json!("duty"), &json!(false)));
    let path = format!("/api/v1/exclusions/{}", entered.json()["id"]);
    let approve = format!("{path}/approve");
    let own = service.post(&approve, Some(&duty), &json!({})).await;
    assert_eq!(own.status, 422, "{}", own.text());
    assert!(service.exclusions.borrow().is_empty());
    let approved = service.post(&approve, Some(&chief), &json!({ "approver": "somebody else" })).await;
    assert_eq!(
        (approved.status, &approved.json()["approver"]),
        (200, &json!("chief")),
        "{}",
        approved.text()
    );
    assert_eq!(service.exclusions.borrow().len(), 1);
    assert_eq!(service.post(&approve, Some(&chief), &json!({})).await.status, 409);
    assert_eq!(service.post(&format!("{path}/withdraw"), Some(&duty), &json!({})).await.status, 200);
    assert!(service.exclusions.borrow().is_empty());
    let listed = service.get("/api/v1/exclusions?effective=false", Some(&duty)).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_contradicts_itself_or_the_records_is_refused_in_words() {
    let service = Service::start().await;
    let mut backwards = request(&json!({ "division": "230521" }));
    backwards["to"] = json!("2026-09-01T00:00:00Z");
    backwards["applicant"] = json!("duty");
    let mut unknown = request(&json!({ "site": "S-nowhere" }));
    unknown["applicant"] = json!("duty");
    let unnamed = request(&json!({ "division": "230521" }));
    for (body, status, word) in [
        (backwards, 422, "before"),
        (unknown, 422, "S-nowhere"),
        (unnamed, 422, "named"),
        (json!({ "kind": "party" }), 400, "party"),
    ] {
        let answer = service.post("/api/v1/exclusions", None, &body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_text_that_a_database_or_a_reader_cannot_take_is_refused_before_it_is_audited() {
    let service = Service::start().await;
    let good = json!({ "kind": "power_cut", "scope": { "division": "230521" }, "from": "2026-09-20T00:00:00+08:00",
        "to": "2026-09-30T00:00:00+08:00", "reason": "停电\n第二行", "evidence": "通知", "applicant": "duty" });
    for (field, text) in [
        ("reason", "a\u{0}b"),
        ("evidence", "a\u{1b}[31m"),
        ("applicant", "\u{202e}bob"),
        ("applicant", "bob\n"),
    ] {
        let mut body = good.clone();
        body[field] = json!(text);
        let answer = service.post("/api/v1/exclusions", None, &body).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("malformed")), "{field}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(field), "{}", answer.text());
    }
    assert_eq!(service.get("/api/v1/audit", None).await.json()["items"], json!([]));
    let entered = service.post("/api/v1/exclusions", None, &good).await;
    assert_eq!(entered.status, 201, "{}", entered.text());
    let approve = format!("/api/v1/exclusions/{}/approve", entered.json()["id"]);
    let answer = service.post(&approve, None, &json!({ "approver": "chief\u{0}" })).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = service.ask("POST", "/api/v1/imports?name=a%00b.csv", None, &[], b"").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test]
async fn a_scoped_person_acts_inside_the_scope_only() {
    let service = Service::start().await;
    let county = service.token("county", Role::Operate, Some("230521")).await;
    let everywhere = service.token("everywhere", Role::Operate, None).await;
    let outside = request(&json!({ "division": "230522" }));
    let refused = service.post("/api/v1/exclusions", Some(&county), &outside).await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("outside_scope")));
    let entered = service.post("/api/v1/exclusions", Some(&everywhere), &outside).await.json();
    let approve = format!("/api/v1/exclusions/{}/approve", entered["id"]);
    assert_eq!(service.post(&approve, Some(&county), &json!({})).await.status, 404);
    assert!(
        service.get("/api/v1/exclusions", Some(&county)).await.json()["items"].as_array().unwrap().is_empty()
    );
}

#[tokio::test]
async fn a_link_or_site_that_carries_another_division_too_is_outside_of_the_scope() {
    let service = Service::start().await;
    let county = service.token("county", Role::Operate, Some("230521")).await;
    let everywhere = service.token("everywhere", Role::Operate, None).await;
    let link = request(&json!({ "link": "L-230521100201" }));
    let site = request(&json!({ "site": "S-230521101202" }));
    let entered = service.post("/api/v1/exclusions", Some(&everywhere), &link).await.json();
    for own in [&link, &site] {
        let answer = service.post("/api/v1/exclusions", Some(&county), own).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    // The pole of one village of the other county hangs on the link, a camera of the other village on the pole.
    service.inventory.send_modify(|inventory| {
        let inventory = Arc::make_mut(inventory);
        let [own, far]: [SiteCode; 2] =
            ["S-230521101202", "S-230522100201"].map(|code| code.parse().unwrap());
        inventory.sites.get_mut(&far).unwrap().link = Some("L-230521100201".parse().unwrap());
        let village: DivisionCode = "230522100203".parse().unwrap();
        let point = inventory.points.values_mut().find(|point| point.village == village).unwrap();
        point.site = Some(own);
    });
    for shared in [&link, &site] {
        let refused = service.post("/api/v1/exclusions", Some(&county), shared).await;
        assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("outside_scope")));
    }
    let approve = format!("/api/v1/exclusions/{}/approve", entered["id"]);
    assert_eq!(service.post(&approve, Some(&county), &json!({})).await.status, 404);
    assert_eq!(service.post("/api/v1/exclusions", Some(&everywhere), &site).await.status, 201);
}

#[tokio::test]
async fn a_scoped_person_sees_what_means_own_points_and_of_a_list_those_alone() {
    let service = Service::start().await;
    let everywhere = service.token("everywhere", Role::Operate, None).await;
    let county = service.token("county", Role::Read, Some("230522")).await;
    let [own, other, far] = ["230522100203", "230521100201", "230521101202"];
    // A pole and an uplink of the other county carry a camera of this one.
    service.inventory.send_modify(|inventory| {
        let village: DivisionCode = own.parse().unwrap();
        let inventory = Arc::make_mut(inventory);
        let point = inventory.points.values_mut().find(|point| point.village == village).unwrap();
        point.site = Some(format!("S-{other}").parse().unwrap());
    });
    let [own_point, far_point] = [own, far].map(|village| code_of(village.parse().unwrap(), 1).to_string());
    for scope in [
        json!({ "points": [far_point, own_point] }),
        json!({ "site": format!("S-{other}") }),
        json!({ "link": format!("L-{other}") }),
        json!({ "division": "2305" }),
        json!({ "points": [far_point] }),
        json!({ "site": format!("S-{far}") }),
        json!({ "link": format!("L-{far}") }),
        json!({ "division": "230521" }),
    ] {
        let entered = service.post("/api/v1/exclusions", Some(&everywhere), &request(&scope)).await;
        assert_eq!((entered.status, &entered.json()["scope"]), (201, &scope));
    }
    let listed = service.get("/api/v1/exclusions", Some(&county)).await.json();
    let scopes: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| item["scope"].clone()).collect();
    let expected = [
        json!({ "points": [own_point] }),
        json!({ "site": format!("S-{other}") }),
        json!({ "link": format!("L-{other}") }),
        json!({ "division": "2305" }),
    ];
    assert_eq!(scopes, expected);
}

#[tokio::test]
async fn an_exclusion_says_which_months_it_comes_too_late_for() {
    let service = Service::start().await;
    let duty = service.token("duty", Role::Operate, None).await;
    let issued = Arc::new(Issued {
        json: "{}".to_owned(),
        csv: String::new(),
        hash: "aa".to_owned(),
        targets: "2026-1".to_owned(),
    });
    for month in ["2026-08", "2026-09"] {
        service
            .store
            .freeze_month(month.parse().unwrap(), None, None, Arc::clone(&issued), TAKEN)
            .await
            .unwrap();
    }
    let body = request(&json!({ "division": "230521" }));
    let entered = service.post("/api/v1/exclusions", Some(&duty), &body).await.json();
    assert_eq!(entered["frozen_months"], json!(["2026-09"]));
    let listed = service.get("/api/v1/exclusions", Some(&duty)).await.json();
    assert_eq!(listed["items"][0]["frozen_months"], json!(["2026-09"]));
}

#[tokio::test]
async fn every_change_is_in_the_audit_and_the_chain_holds() {
    let mut service = Service::start().await;
    let admin = service.token("admin", Role::Admin, None).await;
    service.post("/api/v1/exclusions", Some(&admin), &request(&json!({ "division": "230521" }))).await;
    let look = service.ask("POST", "/api/v1/points/23052110011320000001/look", Some(&admin), &[], b"").await;
    assert_eq!(look.status, 202, "{}", look.text());
    assert!(service.orders.try_recv().is_ok());
    let audit = service.get("/api/v1/audit", Some(&admin)).await.json();
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, [json!("point.look"), json!("exclusion.enter")]);
    let verdict = service.store.verify_audit().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Intact { entry_count: 2, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_full_order_queue_says_try_again() {
    let service = Service::start().await;
    let path = "/api/v1/points/23052110011320000001/look";
    let mut last = 0;
    for _ in 0..5 {
        last = service.ask("POST", path, None, &[], b"").await.status;
    }
    assert_eq!(last, 503);
}
