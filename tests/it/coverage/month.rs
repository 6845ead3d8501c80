//! Monthly reports: the same bytes again, a new revision when the figures change.

use crate::coverage::fixture::{context, february};
use crate::store::fixture::{EAST, division};
use crate::support::postgres::on_both;
use sharpeyes::coverage::approval::change_exclusion;
use sharpeyes::coverage::{CoverageError, month, table};
use sharpeyes::domain::{ExclusionKind, ExclusionRequest, ExclusionScope, Month, Timestamp, Window};
use sharpeyes::store::Store;
use sharpeyes::store::exclusion::ExclusionStep;
use sharpeyes::store::month::Frozen;
use std::time::Duration;

#[tokio::test]
async fn a_closed_month_is_the_same_bytes_until_its_figures_change() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let february_1970: Month = "1970-02".parse().unwrap();
        let first = month(&context, february_1970, None).await.unwrap();
        assert!(matches!(first.frozen, Some(Frozen::First(_))));
        context.clock.advance(Duration::from_secs(40 * 86_400));
        let again = month(&context, february_1970, None).await.unwrap();
        assert_eq!(again.json, first.json);
        assert_eq!(table::write(&again.report).unwrap(), table::write(&first.report).unwrap());
        assert!(matches!(again.frozen, Some(Frozen::Same(_))));
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
        change_exclusion(&context, id, ExclusionStep::Approve, "chief").await.unwrap();
        let changed = month(&context, february_1970, None).await.unwrap();
        assert!(matches!(&changed.frozen, Some(Frozen::Changed { now, .. }) if now.revision == 2));
        assert_ne!(changed.json, first.json);
    })
    .await;
}

#[tokio::test]
async fn an_open_month_is_not_frozen_and_a_future_one_is_refused() {
    on_both(async |store: Store| {
        let context = context(store).await;
        let open = month(&context, "1970-03".parse().unwrap(), None).await.unwrap();
        assert_eq!(open.frozen, None);
        assert_eq!(open.report.data_until, context.clock.now());
        assert!(open.json.contains("\"closed\": false"));
        let future = month(&context, "1970-04".parse().unwrap(), None).await;
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
        let report = month(&context, "1970-02".parse().unwrap(), Some(division("230521"))).await.unwrap();
        let json: serde_json::Value = serde_json::from_str(&report.json).unwrap();
        let csv = table::write(&report.report).unwrap();
        let text = std::str::from_utf8(&csv).unwrap().strip_prefix('\u{feff}').unwrap();
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
