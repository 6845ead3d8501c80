//! Reported months: kept as they were given out, with a revision when the document changes.

use crate::store::fixture::{EAST, at, division};
use crate::support::postgres::on_both;
use sharpeyes::domain::Month;
use sharpeyes::store::Store;
use sharpeyes::store::month::{Frozen, Issued};
use std::sync::Arc;

fn issued(text: &str) -> Arc<Issued> {
    let [json, csv, hash] = ["json", "csv", "hash"].map(|form| format!("{form} {text}"));
    Arc::new(Issued { json, csv, hash, targets: "2026-1".to_owned() })
}

#[tokio::test]
async fn another_document_is_a_new_revision_and_the_same_is_not() {
    on_both(async |store: Store| {
        let month: Month = "2026-10".parse().unwrap();
        let freeze = async |division, text: &str, now| {
            let before = store.month_revision(month, division).await.unwrap();
            store.freeze_month(month, division, before, issued(text), at(now)).await.unwrap()
        };
        assert_eq!(store.month_revision(month, None).await.unwrap(), None);
        let first = freeze(None, "a", 100).await;
        assert!(
            matches!(&first, Frozen::First(now) if now.revision == 1 && now.reported == at(100)),
            "{first:?}"
        );
        let same = freeze(None, "a", 200).await;
        assert!(
            matches!(&same, Frozen::Same(now) if now.revision == 1 && now.reported == at(100)),
            "{same:?}"
        );
        let changed = freeze(None, "b", 300).await;
        let expected = |now: &Frozen| {
            matches!(now, Frozen::Changed { before, now }
            if before.issued == issued("a") && now.issued == issued("b") && now.revision == 2)
        };
        assert!(expected(&changed), "{changed:?}");
        assert_eq!(store.month_revision(month, None).await.unwrap().unwrap(), *changed.revision());
        let county = freeze(Some(division(EAST)), "c", 400).await;
        assert_eq!(county.revision().revision, 1);
        let september: Month = "2026-09".parse().unwrap();
        assert_eq!(store.month_revision(september, None).await.unwrap(), None);
        store.freeze_month(september, None, None, issued("d"), at(50)).await.unwrap();
        assert_eq!(store.reported_months().await.unwrap(), [(september, at(50)), (month, at(100))]);
    })
    .await;
}

#[tokio::test]
async fn reporting_a_month_many_times_at_once_is_one_revision() {
    on_both(async |store: Store| {
        let mut reports = tokio::task::JoinSet::new();
        for number in 0..8 {
            let store = store.clone();
            reports.spawn(async move {
                let month = "2026-10".parse().unwrap();
                store.freeze_month(month, None, None, issued(&number.to_string()), at(100)).await
            });
        }
        let frozen: Vec<Frozen> = reports.join_all().await.into_iter().collect::<Result<_, _>>().unwrap();
        let first: Vec<_> = frozen.iter().filter(|frozen| matches!(frozen, Frozen::First(_))).collect();
        assert_eq!(first.len(), 1, "{frozen:?}");
        assert!(frozen.iter().all(|frozen| frozen.revision() == first[0].revision()), "{frozen:?}");
    })
    .await;
}
