//! Silences and hand-overs, on both databases.

use crate::store::fixture::at;
use crate::support::postgres::on_both;
use sharpeyes::domain::Window;
use sharpeyes::domain::incident::Root;
use sharpeyes::domain::silence::{Muted, SilenceRequest};
use sharpeyes::store::Store;
use sharpeyes::store::handover::Signature;

#[tokio::test]
async fn a_silence_is_in_force_between_its_ends() {
    on_both(async |store: Store| {
        let request = |root: Option<Root>, begins, ends| SilenceRequest {
            muted: Muted { root, division: "230521".parse().ok() },
            window: Window::new(at(begins), at(ends)).unwrap(),
            reason: "割接".to_owned(),
            by: "local".to_owned(),
        };
        let link = Root::Link("L-1".parse().unwrap());
        let first = store.add_silence(&request(Some(link), 100, 200), at(50)).await.unwrap();
        let second = store.add_silence(&request(None, 150, 300), at(60)).await.unwrap();
        let in_force = async |second| store.silences_in_force(at(second)).await.unwrap();
        assert_eq!(in_force(99).await, []);
        assert_eq!(in_force(100).await, std::slice::from_ref(&first));
        assert_eq!(in_force(199).await, [first.clone(), second.clone()]);
        assert_eq!(in_force(200).await, std::slice::from_ref(&second));
        assert!(store.end_silence(second.id, "王", at(210)).await.unwrap());
        assert!(!store.end_silence(second.id, "李", at(220)).await.unwrap());
        assert!(!store.end_silence(first.id, "李", at(220)).await.unwrap(), "it expired before");
        assert_eq!(in_force(220).await, []);
        let ended = store.silence(second.id).await.unwrap().unwrap();
        assert_eq!(ended.ended, Some((at(210), "王".to_owned())));
        assert_eq!(store.silences(i64::MAX, 10).await.unwrap(), [ended, first.clone()]);
        assert_eq!(store.silences(second.id, 10).await.unwrap(), [first]);
        assert_eq!(store.silence(99).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn one_sheet_of_a_division_waits_at_a_time() {
    on_both(async |store: Store| {
        let signed = |person: &str, second| Signature {
            at: at(second),
            person: person.to_owned(),
            actor: "local".to_owned(),
            note: String::new(),
        };
        let county = "230521".parse().ok();
        let first = store.give_handover(None, "{}", &signed("张", 100)).await.unwrap().unwrap();
        assert_eq!(store.give_handover(None, "{}", &signed("张", 110)).await.unwrap(), None);
        let other = store.give_handover(county, "{}", &signed("张", 110)).await.unwrap().unwrap();
        assert!(store.take_handover(first.id, &signed("李", 120)).await.unwrap());
        assert!(!store.take_handover(first.id, &signed("赵", 130)).await.unwrap());
        let taken = store.handover(first.id).await.unwrap().unwrap();
        assert_eq!(taken.taken, Some(signed("李", 120)));
        let second = store.give_handover(None, "{}", &signed("李", 200)).await.unwrap().unwrap();
        assert_eq!(store.handovers(None, i64::MAX, 10).await.unwrap(), [second, taken]);
        assert_eq!(store.handovers(county, i64::MAX, 10).await.unwrap(), [other]);
    })
    .await;
}
