//! Exclusions: entered, approved by another person, withdrawn.

use crate::store::fixture::{EAST, at, division, point, window};
use crate::support::postgres::on_both;
use sharpeyes::domain::{Exclusion, ExclusionError, ExclusionKind, ExclusionRequest, ExclusionScope, Window};
use sharpeyes::store::Store;
use sharpeyes::store::exclusion::{ExclusionChangeError, ExclusionStep};

fn request(scope: ExclusionScope, window: Window) -> ExclusionRequest {
    ExclusionRequest {
        kind: ExclusionKind::PowerCut,
        scope,
        window,
        reason: "计划停电".to_owned(),
        evidence: "notice 118".to_owned(),
        applicant: "duty".to_owned(),
    }
}

async fn enter(store: &Store, start: i64, end: i64) -> i64 {
    let scope = ExclusionScope::Division(division(EAST));
    store.add_exclusion(&request(scope, window(start, end)), at(50)).await.unwrap().id
}

async fn change(
    store: &Store,
    id: i64,
    step: ExclusionStep,
    by: &str,
) -> Result<Exclusion, ExclusionChangeError> {
    store.change_exclusion(id, step, by, &[division(EAST)], at(60)).await
}

async fn effective(store: &Store, asked: Window) -> Vec<i64> {
    store.effective_exclusions(asked).await.unwrap().iter().map(|exclusion| exclusion.id).collect()
}

#[tokio::test]
async fn every_scope_comes_back_as_it_was_entered() {
    on_both(async |store: Store| {
        let scopes = [
            ExclusionScope::Points(vec![point(1), point(4)]),
            ExclusionScope::Site("S-1".parse().unwrap()),
            ExclusionScope::Division(division(EAST)),
            ExclusionScope::Link("L\"1".parse().unwrap()),
        ];
        for scope in scopes {
            let entered =
                store.add_exclusion(&request(scope.clone(), window(100, 200)), at(50)).await.unwrap();
            assert_eq!((&entered.scope, entered.entered, entered.is_effective()), (&scope, at(50), false));
            assert_eq!(store.exclusion(entered.id).await.unwrap(), Some(entered));
        }
        assert_eq!(store.exclusion(99).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_exclusion_changes_figures_only_between_approval_and_withdrawal() {
    on_both(async |store: Store| {
        let id = enter(&store, 100, 200).await;
        assert_eq!(effective(&store, window(0, 1000)).await, [0; 0]);
        let approved = change(&store, id, ExclusionStep::Approve, "chief").await.unwrap();
        assert_eq!((approved.approver.as_deref(), approved.approved), (Some("chief"), Some(at(60))));
        assert_eq!(effective(&store, window(0, 1000)).await, [id]);
        assert_eq!(effective(&store, window(199, 300)).await, [id]);
        assert_eq!(effective(&store, window(0, 100)).await, [0; 0]);
        assert_eq!(effective(&store, window(200, 300)).await, [0; 0]);
        let withdrawn = change(&store, id, ExclusionStep::Withdraw, "chief").await.unwrap();
        assert_eq!(withdrawn.withdrawn, Some(at(60)));
        assert_eq!(effective(&store, window(0, 1000)).await, [0; 0]);
        assert_eq!(store.exclusion(id).await.unwrap(), Some(withdrawn));
    })
    .await;
}

#[tokio::test]
async fn the_rules_of_approval_are_held() {
    on_both(async |store: Store| {
        let refused = async |id, step, by: &str| match change(&store, id, step, by).await {
            Err(ExclusionChangeError::Refused { source, .. }) => Some(source),
            Err(ExclusionChangeError::Missing(_) | ExclusionChangeError::Store(_)) | Ok(_) => None,
        };
        let id = enter(&store, 100, 200).await;
        assert_eq!(refused(id, ExclusionStep::Approve, " Duty").await, Some(ExclusionError::SamePerson));
        change(&store, id, ExclusionStep::Approve, "chief").await.unwrap();
        assert_eq!(
            refused(id, ExclusionStep::Approve, "deputy").await,
            Some(ExclusionError::AlreadyApproved)
        );
        change(&store, id, ExclusionStep::Withdraw, "duty").await.unwrap();
        assert_eq!(refused(id, ExclusionStep::Withdraw, "duty").await, Some(ExclusionError::Withdrawn));
        let missing = change(&store, 99, ExclusionStep::Approve, "chief").await;
        assert!(matches!(missing, Err(ExclusionChangeError::Missing(99))), "{missing:?}");
    })
    .await;
}

#[tokio::test]
async fn of_two_approvals_at_once_one_holds() {
    on_both(async |store: Store| {
        let id = enter(&store, 100, 200).await;
        let (left, right) = tokio::join!(
            change(&store, id, ExclusionStep::Approve, "chief"),
            change(&store, id, ExclusionStep::Approve, "deputy"),
        );
        assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
        let approver = if left.is_ok() { "chief" } else { "deputy" };
        assert_eq!(store.exclusion(id).await.unwrap().unwrap().approver.as_deref(), Some(approver));
    })
    .await;
}

#[tokio::test]
async fn exclusions_are_listed_page_by_page() {
    on_both(async |store: Store| {
        let mut ids = Vec::new();
        for start in 0..5 {
            ids.push(enter(&store, start, start + 10).await);
        }
        let page = async |after, limit| -> Vec<i64> {
            store.exclusions(after, limit).await.unwrap().iter().map(|exclusion| exclusion.id).collect()
        };
        assert_eq!(page(0, 2).await, ids[..2]);
        assert_eq!(page(ids[1], 2).await, ids[2..4]);
        assert_eq!(page(ids[3], 2).await, ids[4..]);
        assert_eq!(page(ids[4], 2).await, [0; 0]);
    })
    .await;
}
