//! `incidents` over HTTP, with the real desk behind it.

use crate::api::service::{DEAD_LINK, Service, code_of, picture};
use serde_json::{Value, json};
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, Condition, Inventory, PointCode};
use sharpeyes::health::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Publishes the made-up picture anew, with the conditions of some points changed.
pub(super) fn publish(service: &Service, change: impl Fn(&Inventory, &PointCode) -> Option<Condition>) {
    let inventory = service.inventory.borrow().clone();
    let mut snapshot: Snapshot = picture(&inventory);
    for live in &mut snapshot.points {
        if let Some(condition) = change(&inventory, &live.code) {
            Arc::make_mut(live).measured = condition;
        }
    }
    snapshot.sequence = 2;
    service.snapshot.send_replace(Arc::new(snapshot));
}

/// Everything is well but for what `change` says.
pub(super) fn only(
    change: impl Fn(&PointCode) -> Option<Condition>,
) -> impl Fn(&Inventory, &PointCode) -> Option<Condition> {
    move |_, point| Some(change(point).unwrap_or(Condition::Good))
}

pub(super) async fn list(service: &Service, query: &str, token: Option<&str>) -> Vec<Value> {
    let answer = service.get(&format!("/api/v1/incidents?{query}"), token).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

/// Asks until the list holds what is waited for.
pub(super) async fn wait_for(service: &Service, query: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..1_000 {
        let items = list(service, query, None).await;
        if holds(&items) {
            return items;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", list(service, query, None).await);
}

/// The service with the incident of one point, and its number.
pub(super) async fn with_one_point(service: &Service) -> i64 {
    let sick = code_of("230521100201".parse().unwrap(), 0);
    publish(service, only(|point| (*point == sick).then_some(Condition::Because(Cause::Frozen))));
    let items = wait_for(service, "ended=false", |items| items.len() == 1).await;
    items[0]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_dead_uplink_is_one_incident_with_its_points() {
    let service = Service::start().await;
    // Four of the 75 points behind it are excluded.
    let cut = |inventory: &Inventory, point: &PointCode| {
        let behind = inventory.points[point].village.as_str() == "230522100201";
        Some(if behind {
            Condition::Because(Cause::LinkDown(DEAD_LINK.parse().unwrap()))
        } else {
            Condition::Good
        })
    };
    publish(&service, cut);
    let items = wait_for(&service, "ended=false", |items| !items.is_empty()).await;
    assert_eq!(items.len(), 1);
    let incident = &items[0];
    assert_eq!(incident["root"], json!({"kind": "link", "code": DEAD_LINK, "name": "村级上行"}));
    assert_eq!(
        (&incident["stage"], &incident["level"], &incident["cause"]),
        (&json!("open"), &json!("village"), &json!("link_down"))
    );
    assert_eq!((&incident["members"], &incident["members_restored"]), (&json!(71), &json!(0)));
    assert_eq!((&incident["division"], &incident["class"]), (&json!("230522100201"), &json!("1")));
    let members =
        service.get(&format!("/api/v1/incidents/{}/members?limit=2", incident["id"]), None).await.json();
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    assert_eq!(members["items"][0]["cause"], "link_down");
    let after = members["next"].as_str().unwrap();
    let rest = format!("/api/v1/incidents/{}/members?limit=500&after={after}", incident["id"]);
    assert_eq!(service.get(&rest, None).await.json()["items"].as_array().unwrap().len(), 69);

    publish(&service, only(|_| None));
    let items = wait_for(&service, "stage=restored", |items| !items.is_empty()).await;
    assert_eq!((&items[0]["members_restored"], &items[0]["due"]), (&json!(71), &Value::Null));
    let events = service.get(&format!("/api/v1/incidents/{}/events", incident["id"]), None).await.json();
    let words: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["recovered", "restored"]);
    assert_eq!(events["items"][0]["points"], 71);
}

#[tokio::test]
async fn a_flood_is_kept_in_pieces_and_nothing_of_it_is_lost() {
    let service = Service::start().await;
    let considered = picture(&service.inventory.borrow()).points;
    let considered: BTreeSet<String> =
        considered.iter().filter(|live| live.excluded.is_none()).map(|live| live.code.to_string()).collect();
    assert!(considered.len() > 250, "more than one piece");
    publish(&service, only(|_| Some(Condition::Because(Cause::Frozen))));
    let is_whole = |items: &[Value]| items.len() >= considered.len();
    let items = wait_for(&service, "ended=false&limit=500", is_whole).await;
    let code = |item: &Value| item["root"]["code"].as_str().unwrap().to_owned();
    assert_eq!(items.iter().map(code).collect::<BTreeSet<_>>(), considered);
    assert_eq!(items.len(), considered.len());
}

#[tokio::test]
async fn a_person_takes_an_incident_through_its_stages() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let post = async |deed: &str, body: Value| {
        let answer = service.post(&format!("/api/v1/incidents/{id}/{deed}"), None, &body).await;
        (answer.status, answer.json())
    };
    let check = async |deed: &str, body: Value, stage: &str| {
        let (status, incident) = post(deed, body).await;
        assert_eq!((status, incident["stage"].as_str()), (200, Some(stage)), "{deed}: {incident}");
        incident
    };
    let refuse = async |deed: &str, body: Value, status: u16, says: &str| {
        let (refused, problem) = post(deed, body).await;
        assert_eq!(refused, status, "{deed}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{deed}: {problem}");
    };
    refuse("repair", json!({"reason": "cable"}), 409, "dispatch somebody first").await;
    refuse("resume", json!({}), 409, "not suspended").await;
    refuse("dispatch", json!({"assignee": " "}), 422, "assignee must not be empty").await;
    refuse("dispatch", json!({"assignee": "龙通", "deadline_seconds": 5}), 422, "60 to 31536000").await;
    refuse("repair", json!({"reason": "magic"}), 400, "magic").await;
    check("acknowledge", json!({"note": "看到了"}), "acknowledged").await;
    assert_eq!(list(&service, "", None).await[0]["acknowledged_by"], "local");
    refuse("acknowledge", json!({}), 409, "acknowledged already").await;
    let sent = check("dispatch", json!({"assignee": "龙通", "deadline_seconds": 7200}), "dispatched").await;
    assert_eq!((&sent["assignee"], &sent["deadline_seconds"]), (&json!("龙通"), &json!(7_200)));
    let repair = check("repair", json!({"reason": "power_cut"}), "in_repair").await;
    assert_eq!(repair["repair"], "power_cut");
    refuse("suspend", json!({"approver": "local", "note": "flood"}), 422, "another person").await;
    refuse("suspend", json!({"approver": "王"  , "note": " "}), 422, "reason must not be empty").await;
    let held = check("suspend", json!({"approver": "王", "note": "洪水"}), "suspended").await;
    assert_eq!((&held["suspended"], &held["due"]), (&json!(true), &Value::Null));
    refuse("repair", json!({"reason": "cable"}), 409, "resume it first").await;
    check("resume", json!({}), "in_repair").await;
    check("notes", json!({"note": "第二天再来"}), "in_repair").await;
    refuse("merge", json!({"into": id}), 422, "into itself").await;
    check("false-alarm", json!({"note": "鱼塘"}), "false_alarm").await;
    refuse("acknowledge", json!({}), 409, "has ended").await;
    check("notes", json!({"note": "结束以后"}), "false_alarm").await;
    let missing = service.post("/api/v1/incidents/99/acknowledge", None, &json!({})).await;
    assert_eq!(missing.status, 404);

    let events = service.get(&format!("/api/v1/incidents/{id}/events"), None).await.json();
    let words: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["what"].as_str().unwrap()).collect();
    let expected =
        ["acknowledged", "dispatched", "repairing", "suspended", "resumed", "noted", "false_alarm", "noted"];
    assert_eq!(words, expected);
    assert_eq!(
        (&events["items"][0]["actor"], &events["items"][0]["note"]),
        (&json!("local"), &json!("看到了"))
    );
    let audit = service.get("/api/v1/audit?limit=2", None).await.json();
    assert_eq!(audit["items"][0]["action"], "incident.note");
}

#[tokio::test]
async fn a_false_alarm_stays_away_while_it_lasts_and_a_merged_one_is_counted_in_the_other() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let done =
        service.post(&format!("/api/v1/incidents/{id}/false-alarm"), None, &json!({"note": "pond"})).await;
    assert_eq!(done.status, 200);
    let village = "230521101202".parse().unwrap();
    let first = code_of("230521100201".parse().unwrap(), 0);
    let sick = [first, code_of(village, 1), code_of(village, 2)];
    publish(&service, only(|point| sick.contains(point).then_some(Condition::Because(Cause::Frozen))));
    let items = wait_for(&service, "ended=false", |items| items.len() == 2).await;
    let (newer, older) = (items[0]["id"].clone(), items[1]["id"].clone());
    let merged =
        service.post(&format!("/api/v1/incidents/{newer}/merge"), None, &json!({"into": older})).await;
    assert_eq!((merged.status, &merged.json()["merged_into"]), (200, &older));
    publish(&service, only(|point| sick.contains(point).then_some(Condition::Because(Cause::Frozen))));
    let items = wait_for(&service, "ended=false", |items| items.len() == 1 && items[0]["members"] == 2).await;
    assert_eq!(items[0]["id"], older);
}

#[tokio::test]
async fn a_division_sees_its_incidents_and_acts_on_those_inside_it() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let county = service.token("county", Role::Operate, Some("230521")).await;
    let village = service.token("village", Role::Operate, Some("230521101202")).await;
    let reader = service.token("reader", Role::Read, Some("230521100201")).await;
    assert_eq!(list(&service, "", Some(&county)).await.len(), 1);
    assert_eq!(list(&service, "", Some(&village)).await.len(), 0);
    assert_eq!(list(&service, "", Some(&reader)).await.len(), 1);
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    assert_eq!(service.post(&path, Some(&village), &json!({})).await.status, 404);
    assert_eq!(service.post(&path, Some(&reader), &json!({})).await.status, 403);
    assert_eq!(service.post(&path, Some(&county), &json!({})).await.status, 200);
    let one = service.get(&format!("/api/v1/incidents/{id}"), Some(&reader)).await.json();
    assert_eq!(one["stage"], "acknowledged");
}

#[tokio::test]
async fn the_clock_of_a_repair_and_the_chain_of_levels_go_on_by_themselves() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let pass = async |seconds: u64| {
        service.clock.advance(Duration::from_secs(seconds));
        let sick = code_of("230521100201".parse().unwrap(), 0);
        publish(&service, only(|point| (*point == sick).then_some(Condition::Because(Cause::Frozen))));
    };
    pass(1_800).await;
    wait_for(&service, "", |items| items[0]["level"] == "village").await;
    pass(12 * 3_600).await;
    let items = wait_for(&service, "overdue=true", |items| !items.is_empty()).await;
    assert_eq!(items[0]["id"], id);
    publish(&service, only(|_| None));
    wait_for(&service, "stage=restored", |items| !items.is_empty()).await;
    service.clock.advance(Duration::from_secs(300));
    publish(&service, only(|_| None));
    wait_for(&service, "stage=closed", |items| !items.is_empty()).await;
}
