//! More fails at once than is kept at once.

use super::delivery::Stage;
use super::wait_until;
use crate::notify::receiver::Manner;
use sharpeyes::domain::PointCode;
use sharpeyes::domain::incident::{RootKind, Stage as IncidentStage};
use sharpeyes::incident::{Deed, IncidentOrder};
use sharpeyes::store::incident::IncidentFilter;
use tokio::sync::oneshot;

#[tokio::test]
async fn whoever_acts_in_a_flood_is_heard_and_all_of_it_is_opened_once() {
    let stage = Stage::alertmanager("most_tickets = 1", Manner::ok("")).await;
    let sick: Vec<PointCode> = stage.desk.records.points.keys().copied().collect();
    stage.desk.publish(&sick);
    let opened = async || {
        let filter = IncidentFilter {
            stages: IncidentStage::ALL.into(),
            kinds: RootKind::ALL.into(),
            division: None,
            overdue: false,
        };
        stage.desk.store.incident_rows(&filter, i64::MAX, 1_000).await.unwrap()
    };
    wait_until("the first piece is kept", async || !opened().await.is_empty()).await;
    let (reply, answer) = oneshot::channel();
    let (by, note) = ("local".to_owned(), "拆迁".to_owned());
    stage.desk.orders.send(IncidentOrder { id: 1, deed: Deed::CallFalse, by, note, reply }).await.unwrap();
    let called_false = answer.await.unwrap().unwrap();
    assert!(called_false.ended.is_some());
    // One of twenty is excluded.
    let expected = sick.len() - sick.len().div_ceil(20);
    wait_until("all of them are open", async || {
        stage.desk.publish_again();
        opened().await.len() == expected
    })
    .await;
    stage.desk.publish(&sick);
    stage.desk.publish_again();
    let rows = opened().await;
    let mut roots: Vec<_> = rows.iter().map(|row| row.root.clone()).collect();
    roots.sort();
    roots.dedup();
    assert_eq!((rows.len(), roots.len()), (expected, expected));
    assert!(rows.iter().filter(|row| row.ended.is_some()).map(|row| row.id).eq([1]));
}
