//! Daily sums and spans: the same figures to the millisecond, whatever the window and whatever is dirty.

use crate::coverage::fixture::{NOW, context, context_of, february, month_window, record_late};
use crate::store::fixture::{EAST, WEST, change, division, fill, import, point};
use crate::support::postgres::on_both;
use proptest::prelude::{Strategy, prop};
use proptest::test_runner::{Config, TestRunner};
use sharpeyes::config::{Settings, StoreSettings};
use sharpeyes::coverage::approval::change_exclusion;
use sharpeyes::coverage::{CoverageContext, Selection, report};
use sharpeyes::domain::{
    Cause, Condition, Counts, DivisionCode, ExclusionKind, ExclusionRequest, ExclusionScope, FigureId,
    RecordKind, Timestamp, Transition, Window,
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
    // Beside figures that read the spans of each point, time comes from those; alone it comes from daily sums.
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
        // Spans are kept for 62 days at least; further back time comes from daily sums in any case.
        Window::new(at(-15, 0), Timestamp::from_seconds(NOW)).unwrap(),
    ];
    for window in windows {
        compare_window(context, window).await;
    }
}

async fn compare_window(context: &CoverageContext, window: Window) {
    for scope in [None, Some(division("230521")), Some(division(EAST))] {
        let (rolled, spans) =
            (figures(context, scope, window, false).await, figures(context, scope, window, true).await);
        assert_eq!(rolled, spans, "{window:?} {scope:?}");
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
        // An exclusion of the days on which the point was in the other village.
        let at = |day| Timestamp::from_seconds(february(day, 0));
        exclude(&context, 1, Window::new(at(8), at(11)).unwrap()).await;
        compare(&context).await;
        roll_up(&context).await;
        compare(&context).await;
    })
    .await;
}

#[tokio::test]
async fn a_point_that_is_recorded_late_counts_on_days_that_are_closed() {
    on_both(async |store: Store| {
        let first = context(store).await;
        roll_up(&first).await;
        let timed = figures(&first, None, month_window(), false).await;
        record_late(&first.store, 6, february(11, 0), Timestamp::from_seconds(NOW - 60)).await;
        let context = context_of(first.store.clone()).await;
        compare(&context).await;
        assert_eq!(roll_up(&context).await, 18 + 14, "from 11 February to 14 March");
        compare(&context).await;
        let unknown = |figures: &Figures| figures.first().map_or(0, |(_, adjusted, _)| adjusted.unknown);
        let more = unknown(&figures(&context, None, month_window(), false).await) - unknown(&timed);
        assert_eq!(more, 18 * 86_400_000, "never measured");
    })
    .await;
}

#[tokio::test]
async fn sums_outlive_the_intervals_that_they_were_made_of() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    let context = context(store).await;
    roll_up(&context).await;
    let before = figures(&context, None, month_window(), false).await;
    let settings = StoreSettings { interval_days: 1, ..Settings::default().store };
    assert!(context.store.prune(context.clock.now(), &settings).await.unwrap().intervals > 0);
    assert_eq!(figures(&context, None, month_window(), false).await, before, "read from the daily sums");
    assert_ne!(figures(&context, None, month_window(), true).await, before, "read from spans that are gone");
    // Whoever asks for every figure of times before 62 days ago gets the sums, too.
    let january = Window::new(Timestamp::from_seconds(february(-20, 0)), month_window().end()).unwrap();
    let of = async |all| figures(&context, None, january, all).await;
    assert_eq!(of(true).await, of(false).await);
}

/// A history, what of it is noted after the roll-up, exclusions, a point recorded late, and windows. Hours and seconds
/// count from [`BEGIN`].
#[derive(Clone, Debug)]
struct Plan {
    early: Vec<Transition>,
    late: Vec<Transition>,
    exclusions: Vec<(u32, i64, i64)>,
    commissioned: i64,
    windows: Vec<(i64, i64)>,
}

/// 62 days before [`NOW`] and a little later.
const BEGIN: i64 = 15 * 86_400;
const HOURS: i64 = (NOW - BEGIN) / 3_600;

fn plans() -> impl Strategy<Value = Plan> {
    let condition = prop::sample::select(vec![
        Condition::Good,
        Condition::Because(Cause::ConnectTimeout),
        Condition::Because(Cause::Loss),
        Condition::Because(Cause::MonitorDown),
        Condition::Because(Cause::LinkDown("L1".parse().unwrap())),
    ]);
    let steps = prop::collection::vec((1..6_u32, 1..250_000_i64, condition), 4..40);
    let exclusions = prop::collection::vec((1..6_u32, 0..HOURS, 1..200_i64), 0..4);
    let windows = prop::collection::vec((0..HOURS * 3_600, 1..HOURS * 3_600), 3);
    (steps, 0..40_usize, exclusions, 0..HOURS * 3_600, windows).prop_map(
        |(steps, cut, exclusions, commissioned, windows)| {
            let mut now = BEGIN;
            let mut early: Vec<Transition> = Vec::new();
            for (number, pause, condition) in steps {
                now += pause;
                early.extend((now < NOW).then(|| change(number, now, condition)));
            }
            let late = early.split_off(cut.min(early.len()));
            Plan { early, late, exclusions, commissioned, windows }
        },
    )
}

async fn exclude(context: &CoverageContext, number: u32, window: Window) {
    let request = ExclusionRequest {
        kind: ExclusionKind::PowerCut,
        scope: ExclusionScope::Points(vec![point(number)]),
        window,
        reason: "停电".to_owned(),
        evidence: "notice".to_owned(),
        applicant: "duty".to_owned(),
    };
    let id = context.store.add_exclusion(&request, window.end()).await.unwrap().id;
    change_exclusion(context, id, ExclusionStep::Approve, "chief").await.unwrap();
}

async fn play(plan: Plan) {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    fill(&store).await;
    store.apply_transitions(&plan.early).await.unwrap();
    let begin = |seconds: i64| Timestamp::from_seconds(BEGIN + seconds);
    let now = Timestamp::from_seconds(NOW);
    let windows = plan
        .windows
        .iter()
        .filter_map(|(from, length)| Window::new(begin(*from), begin(from.saturating_add(*length)).min(now)));
    let windows: Vec<Window> = windows.collect();
    let first = context_of(store.clone()).await;
    roll_up(&first).await;
    store.apply_transitions(&plan.late).await.unwrap();
    for (number, from, length) in plan.exclusions {
        let window = Window::new(begin(from * 3_600), begin((from + length) * 3_600)).unwrap();
        exclude(&first, number, window).await;
    }
    record_late(&store, 6, BEGIN + plan.commissioned, now.minus(std::time::Duration::from_secs(60))).await;
    let context = context_of(store).await;
    for _dirty_then_computed in 0..2 {
        for window in &windows {
            compare_window(&context, *window).await;
        }
        roll_up(&context).await;
    }
    assert_eq!(context.store.rolled_days(division("23"), month_window()).await.unwrap().len(), 28);
}

#[test]
fn sums_and_spans_agree_on_random_histories() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 16, failure_persistence: None, ..Config::default() };
    let case = |plan: Plan| {
        runtime.block_on(play(plan));
        Ok(())
    };
    TestRunner::new(config).run(&plans(), case).unwrap();
}
