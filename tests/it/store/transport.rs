//! The ways to points that the plain one does not serve, over a restart.

use crate::store::fixture::point;
use crate::support::postgres::on_both;
use sharpeyes::domain::Transport;
use sharpeyes::store::Store;
use std::collections::BTreeMap;

#[tokio::test]
async fn the_kept_ways_are_those_of_the_last_keeping() {
    on_both(async |store: Store| {
        assert_eq!(store.kept_transports().await.unwrap(), BTreeMap::new());
        let first = BTreeMap::from([(point(1), Transport::Udp), (point(2), Transport::Tolerant)]);
        store.keep_transports(&first).await.unwrap();
        assert_eq!(store.kept_transports().await.unwrap(), first);
        let second = BTreeMap::from([(point(2), Transport::UdpAddressed)]);
        store.keep_transports(&second).await.unwrap();
        assert_eq!(store.kept_transports().await.unwrap(), second);
    })
    .await;
}
