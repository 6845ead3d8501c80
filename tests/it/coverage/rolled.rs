//! Daily sums and spans: the same figures to the millisecond, whatever the window and whatever is dirty.

use crate::coverage::fixture::{NOW, context, context_of, february, month_window};
use crate::store::fixture::{EAST, WEST, change, division, import, point};
use crate::support::postgres::on_both;
use sharpeyes::coverage::approval::change_exclusion;
use sharpeyes::coverage::{CoverageContext, Selection, report};
use sharpeyes::domain::{
    Condition, Counts, DivisionCode, ExclusionKind, ExclusionRequest, ExclusionScope, FigureId, RecordKind,
    Timestamp, Window,
};
use sharpeyes::store::Store;
use sharpeyes::store::exclusion::ExclusionStep;

/// Id, adjusted and raw counts of each time-weighted figure of a division and its children.
type Figures = Vec<(String, Counts, Counts)>;

async fn figures(
    context: &CoverageContext,
    scope: Option<DivisionCode>,
    window: Window,
    all: bool,
) -> Figures {
    let timed: Vec<FigureId> = FigureId::all().filter(|figure| figure.measure.is_time_weighted()).collect();
    // Every figure reads the spans of the points; the time-weighted ones alone come from daily sums.
    let selection = if all { Selection::All } else { Selection::Some(timed.clone()) };
    let report = report(context, scope, window, &selection).await.unwrap();
    let divisions = std::iter::once(&report.whole).chain(&report.children);
    let figures = divisions.flat_map(|division| &division.figures);
    figures
        .filter(|figure| timed.contains(&figure.id))
        .map(|figure| (figure.id.to_string(), figure.adjusted, figure.raw))
        .collect()
}

/// Compares both ways over windows with whole days only, with cut ends, within one day, and up to now.
async fn compare(context: &CoverageContext) {
    let at = |day, hour| Timestamp::from_seconds(february(day, hour));
    let windows = [
        month_window(),
        Window::new(at(9, 12), at(20, 6)).unwrap(),
        Window::new(at(10, 1), at(10, 3)).unwrap(),
        Window::new(at(-40, 0), Timestamp::from_seconds(NOW)).unwrap(),
    ];
    for window in windows {
        for scope in [None, Some(division("230521")), Some(division(EAST))] {
            let (rolled, spans) =
                (figures(context, scope, window, false).await, figures(context, scope, window, true).await);
            assert_eq!(rolled, spans, "{window:?} {scope:?}");
        }
    }
}

async fn roll_up(context: &CoverageContext) -> u64 {
    let now = context.clock.now();
    context.store.roll_up(&context.calendar, now, Timestamp::from_seconds(0)).await.unwrap().pairs
}

#[tokio::test]
async fn daily_sums_and_spans_give_the_same_figures() {
    on_both(async |store: Store| {
        let context = context(store).await;
        compare(&context).await;
        assert!(roll_up(&context).await > 0);
        assert_eq!(context.store.rolled_days(division("23"), month_window()).await.unwrap().len(), 28);
        compare(&context).await;
    })
    .await;
}

#[tokio::test]
async fn a_dirty_day_is_read_from_spans_until_it_is_computed_anew() {
    on_both(async |store: Store| {
        let context = context(store).await;
        roll_up(&context).await;
        let at = |day, hour| Timestamp::from_seconds(february(day, hour));
        let request = ExclusionRequest {
            kind: ExclusionKind::PowerCut,
            scope: ExclusionScope::Points(vec![point(1), point(4)]),
            window: Window::new(at(9, 13), at(26, 2)).unwrap(),
            reason: "停电".to_owned(),
            evidence: "notice 9".to_owned(),
            applicant: "duty".to_owned(),
        };
        let id = context.store.add_exclusion(&request, at(28, 0)).await.unwrap().id;
        change_exclusion(&context, id, ExclusionStep::Approve, "chief").await.unwrap();
        let rolled = context.store.rolled_days(division(EAST), month_window()).await.unwrap();
        assert_eq!(rolled.len(), 28 - 18, "9 to 26 February are dirty");
        compare(&context).await;
        assert_eq!(roll_up(&context).await, 2 * 18);
        compare(&context).await;
        // A change that is noted late: point 5 was good from 3 February on.
        context.store.apply_transitions(&[change(5, february(3, 5), Condition::Good)]).await.unwrap();
        compare(&context).await;
        roll_up(&context).await;
        compare(&context).await;
    })
    .await;
}

#[tokio::test]
async fn a_point_that_moved_is_where_it_was_in_both() {
    on_both(async |store: Store| {
        let first = context(store).await;
        let moved = format!(
            r#"{{"code":"{}","name":"点","village":"{WEST}","class":"2","status":"in_use","commissioned_ms":0,"watch":"patrol"}}"#,
            point(1)
        );
        let when = Timestamp::from_seconds(february(12, 15));
        import(&first.store, when, &[(RecordKind::Point, &[moved])]).await;
        let context = context_of(first.store.clone()).await;
        compare(&context).await;
        roll_up(&context).await;
        compare(&context).await;
    })
    .await;
}
