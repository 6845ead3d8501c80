//! More cameras fail, each by itself, than Alertmanager is told of at once.

use super::cameras;
use super::delivery::Stage;
use crate::notify::receiver::Manner;
use sharpeyes::domain::outbox::EntryState;
use sharpeyes::store::notification::NotificationRow;
use std::collections::BTreeMap;

/// The alerts that burn at the receiver: by incident, the one that counts the others under `held`, with its text.
fn burning(stage: &Stage) -> BTreeMap<String, String> {
    let mut burning = BTreeMap::new();
    for request in stage.receiver.requests() {
        for alert in request.json().as_array().unwrap() {
            let labels = &alert["labels"];
            let is_count = labels["alertname"] == "SharpEyesIncidentsHeld";
            let name = if is_count { "held" } else { labels["incident"].as_str().unwrap() };
            let ends: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
            if ends.as_millisecond() > stage.desk.clock.now().as_millis() {
                let text = alert["annotations"]["summary"].as_str().unwrap();
                burning.insert(name.to_owned(), text.to_owned());
            } else {
                burning.remove(name);
            }
        }
    }
    burning
}

#[tokio::test]
async fn tickets_that_are_too_many_are_counted_in_one_alert_and_follow_when_there_is_room() {
    let stage = Stage::alertmanager("most_tickets = 1", Manner::ok("")).await;
    let sick = cameras(4);
    stage.desk.publish(&sick);
    let held = "【汇总】另有 3 起点位、杆位或设备故障暂缓推送";
    stage
        .wait_for("one is told and three are counted", |rows| {
            let burning = burning(&stage);
            rows.len() == 4 && burning.len() == 2 && burning.get("held").is_some_and(|text| text == held)
        })
        .await;
    let length = stage.desk.store.outbox_length().await.unwrap();
    assert_eq!((length.queued, length.held, length.dead), (0, 3, 0));

    // One that was told recovers, and one that was not: that one is never told at all.
    stage.desk.publish(&sick[1..3]);
    stage.pass(120);
    let held = "【汇总】另有 1 起点位、杆位或设备故障暂缓推送";
    stage
        .wait_for("another one has its place", |_| {
            stage.pass(1);
            let burning = burning(&stage);
            let told: Vec<&str> = burning.keys().map(String::as_str).collect();
            told == ["2", "held"] && burning.get("held").is_some_and(|text| text == held)
        })
        .await;

    stage.desk.publish(&[]);
    stage
        .wait_for("all of it is over", |_| {
            stage.pass(1);
            burning(&stage).is_empty()
        })
        .await;
    let requests = stage.receiver.requests();
    let tells = requests.iter().any(|request| request.body.contains("\"incident\":\"4\""));
    assert!(!tells, "it was over before its turn");
}

#[tokio::test]
async fn what_may_have_arrived_takes_a_place() {
    let stage = Stage::alertmanager("most_tickets = 1\ndeadline_seconds = 0.2", Manner::Hang).await;
    stage.desk.publish(&cameras(4));
    let held = |rows: &[NotificationRow]| rows.iter().filter(|row| row.state == EntryState::Held).count();
    let is_tried = |rows: &[NotificationRow], times| rows.first().is_some_and(|row| row.failures >= times);
    stage.wait_for("one is tried, the others are held", |rows| is_tried(rows, 1) && held(rows) == 3).await;
    stage.pass(120);
    stage.wait_for("it is tried again", |rows| is_tried(rows, 2)).await;
    assert_eq!(held(&stage.rows().await), 3);
}
