//! Monthly reports: provisional for some days, then frozen; another revision only for who asks for it.

use crate::coverage::fixture::{NOW, context, context_of, february, offline, record_late};
use crate::store::fixture::{EAST, change, division};
use crate::support::postgres::on_both;
use sharpeyes::coverage::approval::change_exclusion;
use sharpeyes::coverage::{CoverageContext, CoverageError, Issue, MonthReport, Standing, month};
use sharpeyes::domain::{DivisionCode, ExclusionKind, ExclusionRequest, ExclusionScope, Timestamp, Window};
use sharpeyes::store::Store;
use sharpeyes::store::exclusion::ExclusionStep;
use sharpeyes::store::month::Frozen;
use std::time::Duration;

async fn report(context: &CoverageContext, text: &str, issue: Issue) -> MonthReport {
    month(context, text.parse().unwrap(), None, issue).await.unwrap()
}

/// A power cut of the east on 9 and 10 February, approved now.
async fn exclude(context: &CoverageContext) {
    let at = |day| Timestamp::from_seconds(february(day, 0));
    let request = ExclusionRequest {
        kind: ExclusionKind::PowerCut,
        scope: ExclusionScope::Division(division(EAST)),
        window: Window::new(at(9), at(11)).unwrap(),
        reason: "停电".to_owned(),
        evidence: "notice 1".to_owned(),
        applicant: "duty".to_owned(),
    };
    let id = context.store.add_exclusion(&request, context.clock.now()).await.unwrap().id;
    change_exclusion(context, id, ExclusionStep::Approve, "chief").await.unwrap();
}

/// Denominator, unknown and excluded of a figure.
fn counts(report: &MonthReport, id: &str) -> [u64; 3] {
    let json: serde_json::Value = serde_json::from_str(&report.issued.json).unwrap();
    let figures = json.pointer("/whole/figures").and_then(serde_json::Value::as_array).unwrap();
    let of_id =
        |figure: &&serde_json::Value| figure.get("id").and_then(serde_json::Value::as_str) == Some(id);
    let figure = figures.iter().find(of_id).unwrap();
    ["denominator", "unknown", "excluded"].map(|key| figure.get(key).unwrap().as_u64().unwrap())
}

#[tokio::test]
async fn a_frozen_month_is_the_same_bytes_whatever_comes_later() {
    on_both(async |store: Store| {
        let first = context(store).await;
        let kept = report(&first, "1970-02", Issue::Kept).await;
        assert!(matches!(&kept.standing, Standing::Frozen(Frozen::First(_))), "{:?}", kept.standing);
        // Half a year later: a point that is said to have been there, a power cut, and a fault that was not known.
        first.clock.advance(Duration::from_secs(180 * 86_400));
        record_late(&first.store, 6, february(2, 0), first.clock.now()).await;
        first.store.apply_transitions(&[change(1, february(27, 0), offline())]).await.unwrap();
        exclude(&first).await;
        let context = context_of(first.store.clone()).await;
        context.clock.advance(Duration::from_secs(181 * 86_400));
        let again = report(&context, "1970-02", Issue::Kept).await;
        assert_eq!(again.issued, kept.issued);
        assert!(matches!(&again.standing, Standing::Frozen(Frozen::Same(same)) if same.revision == 1));
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_it_gets_a_new_revision_over_the_same_points() {
    on_both(async |store: Store| {
        let first = context(store).await;
        let kept = report(&first, "1970-02", Issue::Kept).await;
        let same = report(&first, "1970-02", Issue::Anew).await;
        assert!(matches!(&same.standing, Standing::Frozen(Frozen::Same(same)) if same.revision == 1));
        record_late(&first.store, 6, february(2, 0), Timestamp::from_seconds(NOW - 60)).await;
        exclude(&first).await;
        let context = context_of(first.store.clone()).await;
        let anew = report(&context, "1970-02", Issue::Anew).await;
        let is_second = |standing: &Standing| {
            matches!(standing, Standing::Frozen(Frozen::Changed { before, now })
                if before.issued == kept.issued && now.revision == 2)
        };
        assert!(is_second(&anew.standing), "{:?}", anew.standing);
        // Three points of the east were excluded for two days; the sixth point was not recorded when the month closed.
        let excluded_ms = 3 * 48 * 3_600_000;
        let [denominator, unknown, _] = counts(&kept, "A1");
        assert_eq!(counts(&anew, "A1"), [denominator - excluded_ms, unknown, excluded_ms]);
        assert_eq!(counts(&anew, "K4"), [5, 0, 0]);
        let note: serde_json::Value = serde_json::from_str(&anew.issued.json).unwrap();
        assert_eq!(note["exclusions"][0]["late"], true);
        let then = report(&context, "1970-02", Issue::Kept).await;
        assert_eq!(then.issued, anew.issued);
    })
    .await;
}

#[tokio::test]
async fn a_month_that_is_first_asked_for_late_leaves_out_what_was_recorded_after_it_closed() {
    on_both(async |store: Store| {
        let first = context(store).await;
        // February closes on 8 March: one point was recorded on the day before, one on the day after.
        record_late(&first.store, 6, february(2, 0), Timestamp::from_seconds(february(29 + 6, 0))).await;
        record_late(&first.store, 7, february(2, 0), Timestamp::from_seconds(february(29 + 8, 0))).await;
        let context = context_of(first.store.clone()).await;
        assert_eq!(counts(&report(&context, "1970-02", Issue::Kept).await, "K4"), [6, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_month_is_provisional_for_some_days_and_follows_what_comes_late() {
    on_both(async |store: Store| {
        let mut context = context(store).await;
        context.provisional = Duration::from_secs(20 * 86_400);
        let before = report(&context, "1970-02", Issue::Kept).await;
        let until = Timestamp::from_seconds(february(29 + 20, 0));
        assert_eq!(before.standing, Standing::Provisional { until });
        assert!(before.issued.json.contains("\"provisional\": true"));
        // A late batch: point 1 was down from 20 February on.
        context.store.apply_transitions(&[change(1, february(20, 0), offline())]).await.unwrap();
        let after = report(&context, "1970-02", Issue::Anew).await;
        assert_eq!(after.standing, before.standing);
        assert_ne!(after.issued.json, before.issued.json);
        context.clock.advance(Duration::from_secs(5 * 86_400 + 12 * 3_600));
        let closed = report(&context, "1970-02", Issue::Kept).await;
        assert!(matches!(&closed.standing, Standing::Frozen(Frozen::First(_))), "{:?}", closed.standing);
        assert!(closed.issued.json.contains("\"provisional\": false"));
        assert_eq!(counts(&closed, "A1"), counts(&after, "A1"));
    })
    .await;
}

#[tokio::test]
async fn an_open_month_is_provisional_and_a_future_one_is_refused() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let open = report(&context, "1970-03", Issue::Kept).await;
        assert!(matches!(open.standing, Standing::Provisional { .. }));
        let json: serde_json::Value = serde_json::from_str(&open.issued.json).unwrap();
        assert_eq!((&json["closed"], &json["provisional"]), (&false.into(), &true.into()));
        assert_eq!(json["to"], context.clock.now().to_string());
        let future = month(&context, "1970-04".parse().unwrap(), None, Issue::Kept).await;
        assert!(matches!(
            future,
            Err(sharpeyes::coverage::month::MonthError::Figures { source: CoverageError::Future, .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn json_and_csv_hold_the_same_figures() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let county: DivisionCode = division("230521");
        let report = month(&context, "1970-02".parse().unwrap(), Some(county), Issue::Kept).await.unwrap();
        let json: serde_json::Value = serde_json::from_str(&report.issued.json).unwrap();
        let text = report.issued.csv.strip_prefix('\u{feff}').unwrap();
        let lines: Vec<csv::StringRecord> =
            csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect();
        let divisions = std::iter::once(&json["whole"]).chain(json["children"].as_array().unwrap());
        let figures: Vec<&serde_json::Value> =
            divisions.flat_map(|division| division["figures"].as_array().unwrap()).collect();
        assert_eq!(lines.len(), figures.len());
        for (line, figure) in lines.iter().zip(figures) {
            assert_eq!(figure["id"], line[2]);
            for (column, key) in [(6, "numerator"), (7, "denominator"), (8, "excluded"), (9, "unknown")] {
                assert_eq!(figure[key].to_string(), line[column], "{line:?}");
            }
            assert_eq!(figure["value"].is_null(), line[5].is_empty());
            assert_eq!(figure["formula"], line[16]);
        }
        assert_eq!(json["month"], "1970-02");
        assert_eq!(
            (json["closed"].as_bool(), json["to"].as_str()),
            (Some(true), Some("1970-02-28T16:00:00Z"))
        );
    })
    .await;
}
