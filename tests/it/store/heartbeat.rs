//! The heartbeat.

use crate::support::postgres::on_both;
use sharpeyes::domain::Timestamp;
use sharpeyes::store::Store;

#[tokio::test]
async fn the_last_heartbeat_is_kept() {
    on_both(async |store: Store| {
        assert_eq!(store.last_heartbeat().await.unwrap(), None);
        for seconds in [100, 110] {
            store.heartbeat(Timestamp::from_seconds(seconds)).await.unwrap();
        }
        assert_eq!(store.last_heartbeat().await.unwrap(), Some(Timestamp::from_seconds(110)));
    })
    .await;
}
