//! Made-up rows for the cases: two villages of one county, one of another, their points, and short forms.

use sharpeyes::domain::{
    Cause, Condition, DivisionCode, Evidence, PointCode, Provenance, RecordKind, Timestamp, Transition,
    Window,
};
use sharpeyes::store::Store;
use sharpeyes::store::inventory::{Applied, ChangeSet, Ending, RunNote};
use std::collections::BTreeMap;

pub(crate) const EAST: &str = "230521100201";
pub(crate) const WEST: &str = "230521100202";
pub(crate) const FAR: &str = "230522100201";

/// The villages of the points 1 to 5, with their classes.
pub(crate) const POINTS: [(u32, &str, &str); 5] =
    [(1, EAST, "1"), (2, EAST, "2"), (3, EAST, "1"), (4, WEST, "1"), (5, FAR, "3")];

pub(crate) fn point(number: u32) -> PointCode {
    format!("23052100001320{number:06}").parse().unwrap()
}

pub(crate) fn division(code: &str) -> DivisionCode {
    code.parse().unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

pub(crate) fn window(start: i64, end: i64) -> Window {
    Window::new(at(start), at(end)).unwrap()
}

pub(crate) fn because(cause: Cause) -> Condition {
    Condition::Because(cause)
}

/// A change decided a minute after it began.
pub(crate) fn change(number: u32, seconds: i64, to: Condition) -> Transition {
    Transition {
        point: point(number),
        at: at(seconds),
        decided: at(seconds + 60),
        from: because(Cause::NotYetProbed),
        to,
        evidence: Evidence(vec![("stage".into(), "describe".to_owned()), ("at".into(), seconds.to_string())]),
        provenance: Provenance::Probe,
    }
}

/// Writes the villages and points, all commissioned at 0.
pub(crate) async fn fill(store: &Store) {
    let villages = [EAST, WEST, FAR]
        .map(|code| format!(r#"{{"code":"{code}","name":"村","assessed":true,"has_centre":false}}"#));
    let points = POINTS.map(|(number, village, class)| {
        let code = point(number);
        format!(
            r#"{{"code":"{code}","name":"点","village":"{village}","class":"{class}","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#
        )
    });
    import(store, at(1), &[(RecordKind::Division, &villages), (RecordKind::Point, &points)]).await;
}

/// Writes records as an import would.
pub(crate) async fn import(store: &Store, when: Timestamp, records: &[(RecordKind, &[String])]) {
    let records: BTreeMap<RecordKind, Vec<String>> =
        records.iter().map(|(kind, bodies)| (*kind, bodies.to_vec())).collect();
    let run = RunNote {
        by: "test".to_owned(),
        files: Vec::new(),
        new_count: 0,
        changed_count: 0,
        unchanged_count: 0,
        missing_count: 0,
        fault_count: 0,
    };
    let based_on = store.inventory_version().await.unwrap();
    let changes = ChangeSet { based_on, at: when, records, credentials: Vec::new(), run };
    let applied = store.apply_inventory(&changes, Ending::Keep).await.unwrap();
    assert!(matches!(applied, Applied::Done { .. }), "{applied:?}");
}
