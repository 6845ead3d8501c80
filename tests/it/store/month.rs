//! Reported months: frozen by hash, revised when the figures change.

use crate::store::fixture::{EAST, at, division};
use crate::support::postgres::on_both;
use sharpeyes::store::Store;
use sharpeyes::store::month::Frozen;

#[tokio::test]
async fn other_figures_are_a_new_revision_and_the_same_are_not() {
    on_both(async |store: Store| {
        let month = "2026-10".parse().unwrap();
        let freeze = async |division, hash: &str, now| {
            store.freeze_month(month, division, hash, "2026-1", at(now)).await.unwrap()
        };
        assert_eq!(store.month_revision(month, None).await.unwrap(), None);
        let first = freeze(None, "aa", 100).await;
        assert!(
            matches!(&first, Frozen::First(now) if now.revision == 1 && now.reported == at(100)),
            "{first:?}"
        );
        let same = freeze(None, "aa", 200).await;
        assert!(
            matches!(&same, Frozen::Same(now) if now.revision == 1 && now.reported == at(100)),
            "{same:?}"
        );
        let changed = freeze(None, "bb", 300).await;
        let expected = |now: &Frozen| {
            matches!(now, Frozen::Changed { before, now }
            if before.hash == "aa" && now.hash == "bb" && now.revision == 2)
        };
        assert!(expected(&changed), "{changed:?}");
        assert_eq!(store.month_revision(month, None).await.unwrap().unwrap(), *changed.revision());
        let county = freeze(Some(division(EAST)), "cc", 400).await;
        assert_eq!(county.revision().revision, 1);
        assert_eq!(store.month_revision("2026-09".parse().unwrap(), None).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn reporting_a_month_many_times_at_once_is_one_revision() {
    on_both(async |store: Store| {
        let mut reports = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            reports.spawn(async move {
                store.freeze_month("2026-10".parse().unwrap(), None, "aa", "2026-1", at(100)).await
            });
        }
        let frozen: Vec<Frozen> = reports.join_all().await.into_iter().collect::<Result<_, _>>().unwrap();
        assert!(frozen.iter().all(|frozen| frozen.revision().revision == 1), "{frozen:?}");
        let first = frozen.iter().filter(|frozen| matches!(frozen, Frozen::First(_))).count();
        assert_eq!(first, 1, "{frozen:?}");
    })
    .await;
}
