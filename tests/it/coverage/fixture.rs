//! A store with two counties, a month of history in Beijing days, and a context on a clock that stands still.

use crate::store::fixture::{EAST, FAR, change, fill, import, point};
use sharpeyes::clock::Clock;
use sharpeyes::config::load_targets;
use sharpeyes::coverage::{CoverageContext, Selection, Turns, report};
use sharpeyes::domain::{Calendar, Cause, Condition, Figure, RecordKind, Timestamp, Transition, Window};
use sharpeyes::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// 1970-03-15 12:00 in Beijing: the made-up points are commissioned at the epoch.
pub(crate) const NOW: i64 = (31 + 28 + 14) * 86_400 + 4 * 3600;

pub(crate) fn offline() -> Condition {
    Condition::Because(Cause::ConnectTimeout)
}

/// Seconds of hour `hour` of day `day` of February 1970 in Beijing.
pub(crate) fn february(day: i64, hour: i64) -> i64 {
    (31 + day - 1) * 86_400 + (hour - 8) * 3600
}

/// The month of February 1970 in Beijing.
pub(crate) fn month_window() -> Window {
    let at = |day| Timestamp::from_seconds(february(day, 0));
    Window::new(at(1), at(29)).unwrap()
}

/// Points 1 to 4 from mid-January on, with outages across the ends of days and of the month; point 5 never.
pub(crate) fn history() -> Vec<Transition> {
    let mut changes: Vec<Transition> =
        (1..=4).map(|number| change(number, 14 * 86_400, Condition::Good)).collect();
    changes.extend([
        // Point 1: three hours down across midnight of 10 February.
        change(1, february(9, 23), offline()),
        change(1, february(10, 2), Condition::Good),
        // Point 2: degraded for a day, then our own outage.
        change(2, february(15, 6), Condition::Because(Cause::Loss)),
        change(2, february(16, 6), Condition::Good),
        change(2, february(20, 0), Condition::Because(Cause::MonitorDown)),
        change(2, february(20, 12), Condition::Good),
        // Point 3: behind a dead link across the start of the month.
        change(3, february(1, -5), Condition::Because(Cause::LinkDown("L1".parse().unwrap()))),
        change(3, february(1, 7), Condition::Good),
        // Point 4: down for good since 25 February, in two steps.
        change(4, february(25, 1), Condition::Because(Cause::NoPackets)),
        change(4, february(26, 1), offline()),
    ]);
    changes
}

/// A context over a filled store.
pub(crate) async fn context(store: Store) -> CoverageContext {
    fill(&store).await;
    store.apply_transitions(&history()).await.unwrap();
    context_of(store).await
}

/// A context over whatever the store holds now.
pub(crate) async fn context_of(store: Store) -> CoverageContext {
    let inventory = Arc::new(store.load_inventory().await.unwrap());
    let (_closed, inventory) = watch::channel(inventory);
    CoverageContext {
        store,
        clock: Clock::manual(Timestamp::from_seconds(NOW)),
        calendar: Calendar::of_zone("Asia/Shanghai").unwrap(),
        targets: Arc::new(load_targets(None).unwrap()),
        inventory,
        provisional: Duration::from_secs(7 * 86_400),
        known_until: None,
        turns: Turns::default(),
    }
}

/// One figure of the whole inventory.
pub(crate) async fn figure(context: &CoverageContext, window: Window, id: &str) -> Figure {
    let selection = Selection::Some(vec![id.parse().unwrap()]);
    report(context, None, window, &selection).await.unwrap().whole.figures.remove(0)
}

/// The point that never had a history.
pub(crate) fn silent() -> (String, &'static str) {
    (point(5).to_string(), FAR)
}

/// Records a point of the east at `when` that is said to have been there before, in seconds.
pub(crate) async fn record_late(store: &Store, number: u32, commissioned: i64, when: Timestamp) {
    let point = format!(
        r#"{{"code":"{}","name":"点","village":"{EAST}","class":"2","status":"in_use","commissioned_ms":{},"watch":"patrol"}}"#,
        point(number),
        commissioned * 1_000,
    );
    import(store, when, &[(RecordKind::Point, &[point])]).await;
}
