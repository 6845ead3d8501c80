//! Pictures over HTTP: what is believed, what people set and say, and stills that leave a trace in the audit.

use super::service::{Service, TAKEN};
use serde_json::json;
use sharpeyes::domain::access::Role;
use sharpeyes::domain::picture::Item;
use std::time::Duration;

/// What a JPEG begins and ends with.
const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 1, 2, 3, 0xff, 0xd9];

async fn first_point(service: &Service) -> String {
    let points = service.get("/api/v1/points?limit=1", None).await.json();
    points["items"][0]["code"].as_str().unwrap().to_owned()
}

async fn put(service: &Service, path: &str, body: &serde_json::Value) -> super::service::Answer {
    let json = [("content-type", "application/json")];
    service.ask("PUT", path, None, &json, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn every_look_at_a_still_is_in_the_audit() {
    let service = Service::start().await;
    let point = first_point(&service).await;
    let snapshot = format!("/api/v1/points/{point}/snapshot");
    assert_eq!(service.get(&snapshot, None).await.status, 404);
    let taken = TAKEN.minus(Duration::from_secs(3_600));
    let still = service.shelf.keep(point.parse().unwrap(), taken, JPEG).unwrap();
    let answer = service.get(&snapshot, None).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, JPEG), "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "image/jpeg");
    assert_eq!(
        (&*answer.headers["cache-control"], &answer.headers["x-still-hash"]),
        ("no-store", &still.hash)
    );
    let audit = service.get("/api/v1/audit?limit=1", None).await.json();
    let entry = &audit["items"][0];
    assert_eq!((&entry["action"], &entry["subject"]), (&json!("snapshot.read"), &json!(point)));
    assert!(entry["body"].to_string().contains(&still.hash), "{entry}");

    let before = format!("{snapshot}?at=1990-01-01T00:00:00Z");
    assert_eq!(service.get(&before, None).await.status, 404, "it shows no later one");
    let reader = service.token("reader", Role::Read, None).await;
    assert_eq!(service.get(&snapshot, Some(&reader)).await.status, 403);
    let elsewhere = service.token("elsewhere", Role::Operate, Some("2399")).await;
    assert_eq!(service.get(&snapshot, Some(&elsewhere)).await.status, 404);
}

#[tokio::test]
async fn what_is_set_for_a_picture_is_kept_and_shown() {
    let service = Service::start().await;
    let point = first_point(&service).await;
    let path = format!("/api/v1/points/{point}/picture");
    let shown = service.get(&path, None).await.json();
    assert_eq!((&shown["grade"], shown["items"].as_array().unwrap().len()), (&json!("not_checked"), 13));
    let framing =
        json!({ "privacy_masks": [[[0, 0], [500, 0], [0, 500]]], "waivers": [{ "items": ["moved"] }] });
    let set = put(&service, &format!("{path}/framing"), &framing).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let shown = service.get(&path, None).await.json();
    assert_eq!(shown["framing"]["privacy_masks"], framing["privacy_masks"]);
    assert_eq!(shown["framing"]["left_out"].as_array().unwrap().len(), 2, "the default");
    let kept = service.store.framings().await.unwrap();
    assert_eq!(kept[&point.parse().unwrap()].privacy_masks.len(), 1);
    let wrong = put(&service, &format!("{path}/framing"), &json!({ "privacy_masks": [[[0, 0]]] })).await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn a_new_mask_removes_the_stills_that_were_kept_without_it() {
    let service = Service::start().await;
    let point = first_point(&service).await;
    let framing = format!("/api/v1/points/{point}/picture/framing");
    let keep = |second| {
        let taken = TAKEN.minus(Duration::from_secs(second));
        service.shelf.keep(point.parse().unwrap(), taken, JPEG).unwrap()
    };
    let is_kept = |still| service.shelf.read(still).unwrap().is_some();
    let (corner, side) = (json!([[0, 0], [500, 0], [0, 500]]), json!([[0, 0], [900, 0], [0, 900]]));
    let first = keep(100);
    assert_eq!(put(&service, &framing, &json!({ "waivers": [{ "items": ["moved"] }] })).await.status, 200);
    assert!(is_kept(&first), "nothing new is hidden");
    assert_eq!(put(&service, &framing, &json!({ "privacy_masks": [corner] })).await.status, 200);
    assert!(!is_kept(&first));
    let audit = service.get("/api/v1/audit?limit=1", None).await.json();
    assert_eq!(audit["items"][0]["action"], "picture.stills.remove");
    let second = keep(50);
    assert_eq!(put(&service, &framing, &json!({ "privacy_masks": [corner, side] })).await.status, 200);
    assert!(!is_kept(&second));
    let third = keep(25);
    assert_eq!(put(&service, &framing, &json!({ "privacy_masks": [side] })).await.status, 200);
    assert!(is_kept(&third), "less is hidden than on it");
}

#[tokio::test]
async fn framings_that_are_set_at_once_agree_in_store_and_memory() {
    let service = Service::start().await;
    let point = first_point(&service).await;
    let path = format!("/api/v1/points/{point}/picture");
    let put_mask = async |x: u32| {
        let masks = json!({ "privacy_masks": [[[0, 0], [x, 0], [0, x]]] });
        assert_eq!(put(&service, &format!("{path}/framing"), &masks).await.status, 200);
    };
    tokio::join!(put_mask(100), put_mask(200), put_mask(300), put_mask(400), put_mask(500));
    let kept = service.store.framings().await.unwrap();
    let kept = kept[&point.parse().unwrap()].privacy_masks[0].corners()[1].0;
    let shown = service.get(&path, None).await.json();
    assert_eq!(shown["framing"]["privacy_masks"][0][1][0], kept);
}

#[tokio::test]
async fn false_alarms_are_counted() {
    let service = Service::start().await;
    let point = first_point(&service).await;
    let body = json!({ "item": "moved", "note": "new bracket" });
    let told = service.post(&format!("/api/v1/points/{point}/picture/false-alarms"), None, &body).await;
    assert_eq!(told.status, 201, "{}", told.text());
    assert_eq!(*service.store.false_alarms(None).await.unwrap().of(Item::Moved), 1);
    let pictures = service.get("/api/v1/pictures", None).await.json();
    let moved = pictures["items"].as_array().unwrap().iter().find(|item| item["item"] == "moved").unwrap();
    assert_eq!(moved["false_alarms"], 1);
    assert_eq!(pictures["image_good_over_online"]["value"], json!(null));
    for (note, status) in [("寒".repeat(1_000), 201), ("寒".repeat(1_001), 400)] {
        let body = json!({ "item": "noise", "note": note });
        let told = service.post(&format!("/api/v1/points/{point}/picture/false-alarms"), None, &body).await;
        assert_eq!(told.status, status, "{}", told.text());
    }
}

#[tokio::test]
async fn without_decoders_a_view_cannot_be_accepted() {
    let service = Service::start().await;
    let point = first_point(&service).await;
    let body = json!({ "step": "accept" });
    let told = service.post(&format!("/api/v1/points/{point}/picture/baseline"), None, &body).await;
    assert_eq!(told.status, 409, "{}", told.text());
}
