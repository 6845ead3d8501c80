//! Spans for figures: the history of a division, packed by point.

use crate::store::fixture::{EAST, FAR, POINTS, WEST, at, change, division, fill, import, point, window};
use crate::support::postgres::on_both;
use sharpeyes::domain::timeline::Span;
use sharpeyes::domain::{Cause, Condition, PointCode, RecordKind};
use sharpeyes::store::Store;

const OFFLINE: Condition = Condition::Because(Cause::ConnectTimeout);

/// Start, end and state of spans in seconds.
fn flat(spans: &[Span]) -> Vec<(i64, i64, &'static str)> {
    let seconds = |span: &Span| {
        (span.window.start().as_millis() / 1000, span.window.end().as_millis() / 1000, span.state.as_str())
    };
    spans.iter().map(seconds).collect()
}

#[tokio::test]
async fn spans_are_whole_and_in_order() {
    on_both(async |store: Store| {
        fill(&store).await;
        let changes = [
            change(4, 50, OFFLINE),
            change(1, 100, Condition::Good),
            change(1, 200, OFFLINE),
            change(1, 300, Condition::Good),
            change(5, 100, Condition::Good),
        ];
        store.apply_transitions(&changes).await.unwrap();
        let read = async |first: &str, last: &str, start, end| {
            let spans = store.spans(division(first), division(last), window(start, end)).await.unwrap();
            spans.iter().map(|(point, spans)| (*point, flat(spans))).collect::<Vec<_>>()
        };
        let whole = vec![(100, 200, "good"), (200, 300, "offline"), (300, 400, "good")];
        assert_eq!(
            read(EAST, WEST, 0, 400).await,
            [(point(1), whole.clone()), (point(4), vec![(50, 400, "offline")])]
        );
        // Closed spans are not clipped: an outage keeps its start.
        assert_eq!(read(EAST, EAST, 250, 280).await, [(point(1), vec![(200, 300, "offline")])]);
        assert_eq!(read(FAR, FAR, 0, 100).await, []);
        let of = store.spans_of(&[point(1), point(2)], window(0, 400)).await.unwrap();
        assert_eq!(
            of.iter().map(|(point, spans)| (*point, flat(spans))).collect::<Vec<_>>(),
            [(point(1), whole)]
        );
    })
    .await;
}

#[tokio::test]
async fn what_precedes_an_open_outage_goes_back_to_the_last_good_span() {
    on_both(async |store: Store| {
        let no_packets = Condition::Because(Cause::NoPackets);
        let changes = [
            change(1, 100, OFFLINE),
            change(1, 150, Condition::Good),
            change(1, 200, OFFLINE),
            change(1, 250, no_packets.clone()),
            change(1, 300, OFFLINE),
            change(2, 100, OFFLINE),
            change(2, 200, no_packets),
        ];
        store.apply_transitions(&changes).await.unwrap();
        let read = async |points: &[PointCode], until| {
            let spans = store.earlier_spans(points, at(until)).await.unwrap();
            spans.iter().map(|(point, spans)| (*point, flat(spans))).collect::<Vec<_>>()
        };
        assert_eq!(
            read(&[point(1), point(2)], 300).await,
            [
                (point(1), vec![(200, 250, "offline"), (250, 300, "no_video")]),
                (point(2), vec![(100, 200, "offline")]),
            ]
        );
        assert_eq!(read(&[point(1)], 200).await, []);
        assert_eq!(read(&[], 300).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_changed_record_is_a_change_of_the_inventory_and_a_new_one_is_not() {
    on_both(async |store: Store| {
        fill(&store).await;
        assert_eq!(store.inventory_changes(at(0), at(1000)).await.unwrap(), []);
        let (number, _, class) = POINTS[0];
        let moved = format!(
            r#"{{"code":"{}","name":"点","village":"{WEST}","class":"{class}","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#,
            point(number)
        );
        import(&store, at(500), &[(RecordKind::Point, &[moved])]).await;
        assert_eq!(store.inventory_changes(at(0), at(1000)).await.unwrap(), [at(500)]);
        assert_eq!(store.inventory_changes(at(499), at(500)).await.unwrap(), [at(500)]);
        assert_eq!(store.inventory_changes(at(500), at(1000)).await.unwrap(), []);
        assert_eq!(store.inventory_changes(at(0), at(499)).await.unwrap(), []);
    })
    .await;
}
