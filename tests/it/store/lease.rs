//! The lease: one service at a time.

use crate::support::postgres::{new_database, on_both};
use sharpeyes::store::{Store, StoreError};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Longest wait for what must come; a lease of another service is believed after 15 s.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_lease_is_taken_once_and_free_again_when_it_is_dropped() {
    on_both(async |store: Store| {
        let lease = store.lease().await.unwrap();
        assert!(matches!(store.lease().await, Err(StoreError::Leased)));
        drop(lease);
        // PostgreSQL lets it go a moment after the connection is closed.
        let free = async { while store.lease().await.is_err() {} };
        tokio::time::timeout(PATIENCE, free).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_the_database_let_go_is_taken_again_unless_another_service_was_faster() {
    let url = new_database().await;
    let store = Store::open(&url).await.unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let mut kept = std::pin::pin!(store.lease().await.unwrap().keep());
    let first = holder(&mut admin).await.unwrap();
    end(&mut admin, first).await;
    let taken_again = async { while holder(&mut admin).await.is_none() {} };
    tokio::select! {
        () = &mut kept => panic!("it was given up"),
        taken = tokio::time::timeout(PATIENCE, taken_again) => taken.unwrap(),
    }
    let second = holder(&mut admin).await.unwrap();
    end(&mut admin, second).await;
    let _faster = store.lease().await.unwrap();
    tokio::time::timeout(PATIENCE, kept).await.unwrap();
}

/// The process whose session has the lease.
async fn holder(admin: &mut PgConnection) -> Option<i32> {
    const HOLDER: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    sqlx::query_scalar(HOLDER).fetch_optional(admin).await.unwrap()
}

async fn end(admin: &mut PgConnection, process: i32) {
    let ended: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1, 10000)")
        .bind(process)
        .fetch_one(admin)
        .await
        .unwrap();
    assert!(ended);
}
