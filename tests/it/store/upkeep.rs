//! Upkeep runs by itself and outlives failures.

use crate::store::fixture::{at, change, division, fill, point};
use crate::support::postgres::on_both;
use sharpeyes::clock::Clock;
use sharpeyes::config::Settings;
use sharpeyes::domain::{Calendar, Cause, Condition, Look, Observation, Outcome, StageTimes, Timestamp};
use sharpeyes::store::Store;
use sharpeyes::store::retention::Pruned;
use sharpeyes::store::rollup::RolledUp;
use sharpeyes::store::upkeep::{UpkeepStatus, run};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

async fn first_run(store: &Store, now: i64, done: impl FnMut(&UpkeepStatus) -> bool) -> UpkeepStatus {
    let (sender, mut status) = watch::channel(UpkeepStatus::default());
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (store, child) = (store.clone(), cancel.clone());
    tasks.spawn(async move {
        let calendar = Calendar::of_zone("UTC").unwrap();
        run(store, Clock::manual(at(now)), calendar, &Settings::default().store, sender, child).await;
    });
    let found = timeout(PATIENCE, status.wait_for(done)).await.unwrap().unwrap().clone();
    cancel.cancel();
    timeout(PATIENCE, tasks.join_next()).await.unwrap().unwrap().unwrap();
    found
}

fn look(started: i64) -> Observation {
    Observation {
        point: point(1),
        started: at(started),
        ended: at(started + 1),
        look: Look::Patrol,
        stages: StageTimes::default(),
        outcome: Outcome::NotLooked(Cause::Backlog),
    }
}

#[tokio::test]
async fn one_run_closes_days_and_removes_what_is_old() {
    on_both(async |store: Store| {
        fill(&store).await;
        store.apply_transitions(&[change(1, 0, Condition::Good)]).await.unwrap();
        store.add_observations(&[look(0)]).await.unwrap();
        let now = 10 * 86_400 + 3_600;
        let status = first_run(&store, now, |status| status.last_run.is_some()).await;
        assert_eq!(status.rolled_up, RolledUp { days: 10, pairs: 30 });
        assert_eq!((status.pruned.observations, status.last_run), (1, Some(at(now))));
        let (first, last) = ("1970-01-01".parse().unwrap(), "1970-12-31".parse().unwrap());
        assert_eq!(store.village_days(division("23"), first, last).await.unwrap().len(), 40);
        assert_eq!(store.observations(point(1), Timestamp::MAX, 9).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_leaps_a_year_removes_nothing() {
    on_both(async |store: Store| {
        fill(&store).await;
        let today = 100 * 86_400 + 3_600;
        store.apply_transitions(&[change(1, today, Condition::Good)]).await.unwrap();
        store.add_observations(&[look(today)]).await.unwrap();
        let status = first_run(&store, today, |status| status.last_run.is_some()).await;
        assert_eq!((status.held_at, status.pruned), (None, Pruned::default()));
        // The writer beats with the wrong clock, too.
        let leapt = today + 365 * 86_400;
        store.heartbeat(at(leapt)).await.unwrap();
        let status = first_run(&store, leapt, |status| status.last_run.is_some()).await;
        assert_eq!((status.held_at, status.pruned), (Some(at(today + 86_400)), Pruned::default()));
        assert_eq!(status.rolled_up, RolledUp { days: 1, pairs: 3 });
        assert_eq!(store.observations(point(1), Timestamp::MAX, 9).await.unwrap(), [look(today)]);
    })
    .await;
}

#[tokio::test]
async fn a_failed_run_is_shown() {
    on_both(async |store: Store| {
        store.close().await;
        let status = first_run(&store, 0, |status| status.last_error_operation.is_some()).await;
        assert_eq!((status.last_run, status.last_error_operation), (None, Some("measure the database")));
    })
    .await;
}
