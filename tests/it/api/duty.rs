//! What the people on duty do over HTTP: silences, hand-overs, many acknowledgements at once.

use crate::api::incident::{list, only, publish, wait_for, with_one_point};
use crate::api::service::{DEAD_LINK, Service, TAKEN, code_of};
use serde_json::{Value, json};
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, Condition};
use std::time::Duration;

/// The instant so many seconds after the service's clock began, RFC 3339.
fn after(seconds: i64) -> String {
    jiff::Timestamp::from_second(TAKEN.as_millis() / 1_000 + seconds).unwrap().to_string()
}

async fn silence(service: &Service, token: Option<&str>, body: Value, status: u16) -> Value {
    let answer = service.post("/api/v1/silences", token, &body).await;
    assert_eq!(answer.status, status, "{body}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_silence_shows_mutes_and_ends() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let told = json!({"division": "230521", "ends": after(3_600), "reason": "割接"});
    let entered = silence(&service, None, told, 201).await;
    assert_eq!(
        (&entered["state"], &entered["by"], &entered["root"]),
        (&json!("in_force"), &json!("local"), &Value::Null)
    );
    assert_eq!(list(&service, "", None).await[0]["silence"], entered["id"]);
    let one = service.get(&format!("/api/v1/incidents/{id}"), None).await.json();
    assert_eq!(one["silence"], entered["id"]);
    let in_force = service.get("/api/v1/silences?in_force=true", None).await.json();
    assert_eq!(in_force["items"], json!([entered]));

    let path = format!("/api/v1/silences/{}/end", entered["id"]);
    let ended = service.post(&path, None, &json!({})).await;
    assert_eq!((ended.status, &ended.json()["state"]), (200, &json!("over")));
    assert_eq!(service.post(&path, None, &json!({})).await.status, 409);
    assert_eq!(list(&service, "", None).await[0]["silence"], Value::Null);
    let rest = service.get("/api/v1/silences?in_force=false", None).await.json();
    assert_eq!(rest["items"][0]["ended_by"], "local");
    let audit = service.get("/api/v1/audit?limit=3", None).await.json();
    assert_eq!(audit["items"][2]["action"], "silence.enter");

    let expires = json!({"division": "23", "ends": after(60), "reason": "测试"});
    silence(&service, None, expires, 201).await;
    assert_ne!(list(&service, "", None).await[0]["silence"], Value::Null);
    service.clock.advance(Duration::from_secs(60));
    assert_eq!(list(&service, "", None).await[0]["silence"], Value::Null, "it expires by itself");
}

#[tokio::test]
async fn a_silence_that_nobody_should_enter_is_refused() {
    let service = Service::start().await;
    let check = async |body: Value, status: u16, says: &str| {
        let problem = silence(&service, None, body, status).await;
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    };
    let link = json!({"kind": "link", "code": DEAD_LINK});
    check(json!({"ends": after(60), "reason": " "}), 422, "`reason` must not be empty").await;
    check(json!({"ends": after(-60), "reason": "x"}), 422, "before `ends`").await;
    check(json!({"begins": after(-90), "ends": after(-60), "reason": "x"}), 422, "passed already").await;
    check(json!({"ends": after(7 * 86_400 + 1), "reason": "x"}), 422, "up to 7 days").await;
    check(json!({"root": link, "division": "23", "ends": after(60), "reason": "x"}), 422, "not both").await;
    let nobody = json!({"kind": "link", "code": "L-0"});
    check(json!({"root": nobody, "ends": after(60), "reason": "x"}), 422, "do not know").await;
    check(json!({"division": "99", "ends": after(60), "reason": "x"}), 422, "do not know").await;
    let odd = json!({"kind": "point", "code": "7"});
    check(json!({"root": odd, "ends": after(60), "reason": "x"}), 422, "no code of a point").await;
    check(json!({"root": {"kind": "people"}, "ends": after(60), "reason": "x"}), 400, "people").await;
    check(json!({"reason": "x"}), 400, "ends").await;
    assert_eq!(service.post("/api/v1/silences/9/end", None, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_division_mutes_what_lies_inside_it() {
    let service = Service::start().await;
    let county = service.token("county", Role::Operate, Some("230521")).await;
    let other = service.token("other", Role::Operate, Some("230522")).await;
    let reader = service.token("reader", Role::Read, Some("230521")).await;
    let everything = json!({"ends": after(60), "reason": "x"});
    silence(&service, Some(&county), everything, 403).await;
    let link = json!({"root": {"kind": "link", "code": DEAD_LINK}, "ends": after(60), "reason": "x"});
    silence(&service, Some(&county), link.clone(), 403).await;
    let own = silence(&service, Some(&other), link, 201).await;
    assert_eq!((&own["division"], &own["root"]["name"]), (&json!("230522100201"), &json!("村级上行")));
    let mine = json!({"division": "230521100201", "ends": after(60), "reason": "x"});
    silence(&service, Some(&reader), mine.clone(), 403).await;
    let mine = silence(&service, Some(&county), mine, 201).await;
    let seen = service.get("/api/v1/silences", Some(&reader)).await.json();
    assert_eq!(seen["items"], json!([mine]));
    let path = format!("/api/v1/silences/{}/end", own["id"]);
    assert_eq!(service.post(&path, Some(&county), &json!({})).await.status, 404);
    assert_eq!(service.post(&path, Some(&other), &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_shift_hands_over_and_the_next_one_signs() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    silence(&service, None, json!({"division": "23", "ends": after(60), "reason": "x"}), 201).await;
    let suspended = json!({"approver": "王", "note": "洪水"});
    assert_eq!(service.post(&format!("/api/v1/incidents/{id}/suspend"), None, &suspended).await.status, 200);
    let post = async |path: &str, body: Value| {
        let answer = service.post(path, None, &body).await;
        (answer.status, answer.json())
    };
    let draft = service.get("/api/v1/handovers/draft", None).await.json();
    assert_eq!(
        (&draft["since"], &draft["opened"], &draft["suspended"]),
        (&Value::Null, &json!(1), &json!(1))
    );
    assert_eq!((&draft["incidents"][0]["id"], &draft["incidents_total"]), (&json!(id), &json!(1)));
    assert_eq!(draft["silences"].as_array().unwrap().len(), 1);

    let (status, problem) = post("/api/v1/handovers", json!({})).await;
    assert_eq!(status, 422, "{problem}");
    let (status, given) = post("/api/v1/handovers", json!({"person": "张", "note": "一起停电"})).await;
    assert_eq!((status, &given["taken"], &given["given"]["person"]), (201, &Value::Null, &json!("张")));
    assert_eq!(given["sheet"]["incidents"][0]["id"], id);
    let (status, problem) = post("/api/v1/handovers", json!({"person": "张"})).await;
    assert_eq!(status, 409, "{problem}");

    let path = format!("/api/v1/handovers/{}/take", given["id"]);
    let (status, problem) = post(&path, json!({"person": "张"})).await;
    assert_eq!(status, 422, "{problem}");
    let (status, taken) = post(&path, json!({"person": "李", "note": "收到"})).await;
    assert_eq!((status, &taken["taken"]["note"]), (200, &json!("收到")));
    assert_eq!(post(&path, json!({"person": "赵"})).await.0, 409);
    let kept = service.get(&format!("/api/v1/handovers/{}", given["id"]), None).await.json();
    assert_eq!((&kept["sheet"], &kept["taken"]["person"]), (&given["sheet"], &json!("李")));

    let next = service.get("/api/v1/handovers/draft", None).await.json();
    assert_eq!((&next["since"], &next["incidents_total"]), (&kept["taken"]["at"], &json!(1)));
    let all = service.get("/api/v1/handovers", None).await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(all["items"][0]["sheet"], Value::Null);
    let audit = service.get("/api/v1/audit?limit=1", None).await.json();
    assert_eq!(audit["items"][0]["action"], "handover.take");
    assert!(audit["items"][0]["body"].as_str().unwrap().contains("sheet_sha256"));

    // A county has shifts of its own; with a token it is its owner who signs.
    let county = service.token("county", Role::Operate, Some("230522")).await;
    let answer = service.post("/api/v1/handovers", Some(&county), &json!({"person": "谁"})).await;
    let sheet = answer.json();
    assert_eq!((answer.status, &sheet["given"]["person"]), (201, &json!("county")));
    assert_eq!((&sheet["division"], &sheet["sheet"]["incidents_total"]), (&json!("230522"), &json!(0)));
    assert_eq!(service.get(&format!("/api/v1/handovers/{}", given["id"]), Some(&county)).await.status, 404);
}

#[tokio::test]
async fn many_incidents_are_acknowledged_at_once() {
    let service = Service::start().await;
    let village = "230521100201".parse().unwrap();
    let sick = [code_of(village, 0), code_of(village, 1), code_of(village, 2)];
    publish(&service, only(|point| sick.contains(point).then_some(Condition::Because(Cause::Frozen))));
    let items = wait_for(&service, "ended=false", |items| items.len() == 3).await;
    let ids: Vec<i64> = items.iter().map(|item| item["id"].as_i64().unwrap()).collect();
    let path = "/api/v1/incidents/acknowledge";
    let one = json!({"incidents": [ids[0]], "note": "看到了"});
    assert_eq!(service.post(path, None, &one).await.json(), json!({"acknowledged": [ids[0]], "refused": []}));
    let all = json!({"incidents": [ids[0], ids[1], ids[2], 99, ids[1]]});
    let answer = service.post(path, None, &all).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["acknowledged"].as_array().unwrap().len(), 2);
    let refused = &answer.json()["refused"];
    assert_eq!((refused[0]["incident"].as_i64(), refused[1]["incident"].as_i64()), (Some(ids[0]), Some(99)));
    assert!(refused[0]["why"].as_str().unwrap().contains("already"));
    assert_eq!(list(&service, "stage=acknowledged", None).await.len(), 3);
    assert_eq!(service.post(path, None, &json!({"incidents": []})).await.status, 422);
    assert_eq!(service.post(path, None, &json!({"incidents": [1.5]})).await.status, 400);
}
