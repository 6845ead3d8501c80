//! The inventory, its versions, leaders, imports and credentials.

use crate::support::postgres::on_both;
use sharpeyes::domain::{RecordKind, Timestamp};
use sharpeyes::store::Store;
use sharpeyes::store::inventory::{Applied, ChangeSet, Ending, RunNote};
use std::collections::BTreeMap;

const VILLAGE: &str = r#"{"assessed":true,"code":"230521100201","has_centre":false,"name":"东村"}"#;
const OTHER: &str = r#"{"assessed":true,"code":"230521100202","has_centre":true,"households":9,"name":"西村","valid_from_ms":-5}"#;
const GRID: &str = r#"{"code":"G1","kind":"rural","leader_name":"张","name":"一","village":"230521100201"}"#;
const GRID_LED_BY_LI: &str = r#"{"code":"G1","kind":"rural","leader_from_ms":1500,"leader_name":"李","leader_phone":"1","name":"一","village":"230521100201"}"#;
const GRID_MOVED: &str = r#"{"code":"G1","kind":"rural","name":"一","village":"230521100202"}"#;
const LINK: &str = r#"{"budget_kbps":2000,"code":"L1","division":"230521100201","kind":"village","name":"链","parents":"L0 L2","redundancy":"any","target":"tcp://10.1.2.3:80"}"#;
const PLACE: &str = r#"{"code":"P1","kind":"school","name":"校","required":true,"village":"230521100201"}"#;
const SITE: &str = r#"{"code":"S1","datum":"gcj02","latitude":46.6480012345,"link":"L1","longitude":131.1509876543,"name":"杆","raw_latitude":46.65,"raw_longitude":131.1569444444,"village":"230521100201"}"#;
const POINT: &str = r#"{"class":"1","code":"23052100001320000001","commissioned_ms":5,"credential":"cam","expected_frames_per_second":29.97,"expected_height":360,"expected_width":640,"grid":"G1","name":"口","place":"P1","record_save_days":30,"site":"S1","status":"in_use","sub_stream":"rtsp://10.1.2.3/2","village":"230521100201","watch":"patrol"}"#;

fn changes(based_on: i64, at_ms: i64, records: &[(RecordKind, &str)]) -> ChangeSet {
    let mut by_kind: BTreeMap<RecordKind, Vec<String>> = BTreeMap::new();
    for (kind, body) in records {
        by_kind.entry(*kind).or_default().push((*body).to_owned());
    }
    ChangeSet {
        based_on,
        at: Timestamp::from_millis(at_ms),
        records: by_kind,
        credentials: vec![("cam".to_owned(), vec![0, 255, 3])],
        run: note(),
    }
}

fn note() -> RunNote {
    RunNote {
        by: "test".to_owned(),
        files: vec!["a.csv".to_owned(), "b.csv".to_owned()],
        new_count: 1,
        changed_count: 2,
        unchanged_count: 3,
        missing_count: 4,
        fault_count: 0,
    }
}

async fn fill(store: &Store) {
    let records = [
        (RecordKind::Division, VILLAGE),
        (RecordKind::Division, OTHER),
        (RecordKind::Grid, GRID),
        (RecordKind::Link, LINK),
        (RecordKind::Place, PLACE),
        (RecordKind::Site, SITE),
        (RecordKind::Point, POINT),
    ];
    let applied = store.apply_inventory(&changes(0, 1_000, &records), Ending::Keep).await.unwrap();
    assert_eq!(applied, Applied::Done { version: 1, run: 1 });
}

#[tokio::test]
async fn what_was_applied_is_loaded_from_rows_and_from_versions_alike() {
    on_both(async |store: Store| {
        fill(&store).await;
        let inventory = store.load_inventory().await.unwrap();
        let count = inventory.divisions.len()
            + inventory.grids.len()
            + inventory.links.len()
            + inventory.places.len()
            + inventory.sites.len()
            + inventory.points.len();
        assert_eq!(count, 7);
        let site = inventory.sites.values().next().unwrap();
        let position = site.position.as_ref().unwrap();
        assert_eq!(position.longitude.to_string(), "131.1509876543");
        assert_eq!(position.raw_longitude.to_string(), "131.1569444444");
        let link = inventory.links.values().next().unwrap();
        assert_eq!(link.parents.len(), 2);
        for at in [1, 1_000, 5_000] {
            assert_eq!(store.load_inventory_at(Timestamp::from_millis(at)).await.unwrap(), inventory);
        }
    })
    .await;
}

#[tokio::test]
async fn records_are_found_by_code_and_page_by_page() {
    on_both(async |store: Store| {
        fill(&store).await;
        let kind = RecordKind::Division;
        assert_eq!(store.record_codes(kind).await.unwrap(), ["230521100201", "230521100202"]);
        assert_eq!(store.record_bodies(kind, &["230521100202", "unknown"]).await.unwrap(), [OTHER]);
        assert_eq!(store.record_page(kind, "", 1).await.unwrap(), [VILLAGE]);
        assert_eq!(store.record_page(kind, "230521100201", 9).await.unwrap(), [OTHER]);
        assert_eq!(store.record_page(kind, "230521100202", 9).await.unwrap(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_stale_change_set_and_a_rehearsal_leave_nothing() {
    on_both(async |store: Store| {
        fill(&store).await;
        let before = store.load_inventory().await.unwrap();
        let led = [(RecordKind::Grid, GRID_LED_BY_LI)];
        let stale = store.apply_inventory(&changes(0, 2_000, &led), Ending::Keep).await.unwrap();
        assert_eq!(stale, Applied::Stale);
        let rehearsed = store.apply_inventory(&changes(1, 2_000, &led), Ending::RollBack).await.unwrap();
        assert!(matches!(rehearsed, Applied::Done { version: 2, .. }), "{rehearsed:?}");
        assert_eq!(store.load_inventory().await.unwrap(), before);
        assert_eq!(store.inventory_version().await.unwrap(), 1);
        assert_eq!(store.import_runs(None, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_changed_leader_ends_the_one_before_and_the_past_keeps_him() {
    on_both(async |store: Store| {
        fill(&store).await;
        let led = [(RecordKind::Grid, GRID_LED_BY_LI)];
        store.apply_inventory(&changes(1, 2_000, &led), Ending::Keep).await.unwrap();
        let grid = "G1".parse().unwrap();
        let leaders = store.grid_leaders(&grid).await.unwrap();
        let at = |millis| Some(Timestamp::from_millis(millis));
        let told: Vec<_> =
            leaders.iter().map(|leader| (leader.name.as_str(), leader.from, leader.to)).collect();
        assert_eq!(told, [("张", at(1_000), at(1_500)), ("李", at(1_500), None)]);
        let leader_at = async |millis| {
            let inventory = store.load_inventory_at(Timestamp::from_millis(millis)).await.unwrap();
            inventory.grids[&grid].leader.clone().unwrap().name
        };
        assert_eq!(leader_at(1_999).await, "张");
        assert_eq!(leader_at(2_000).await, "李");
    })
    .await;
}

#[tokio::test]
async fn a_grid_does_not_leave_its_points_behind() {
    on_both(async |store: Store| {
        fill(&store).await;
        let moved = [(RecordKind::Grid, GRID_MOVED)];
        let applied = store.apply_inventory(&changes(1, 2_000, &moved), Ending::Keep).await.unwrap();
        let torn = ("23052100001320000001".parse().unwrap(), "G1".parse().unwrap());
        assert_eq!(applied, Applied::Torn(vec![torn]));
        assert_eq!(store.inventory_version().await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_reorder_versions() {
    on_both(async |store: Store| {
        fill(&store).await;
        let before = store.load_inventory().await.unwrap();
        let led = [(RecordKind::Grid, GRID_LED_BY_LI)];
        store.apply_inventory(&changes(1, 10, &led), Ending::Keep).await.unwrap();
        let now = store.load_inventory().await.unwrap();
        assert_ne!(now, before);
        assert_eq!(store.load_inventory_at(Timestamp::from_millis(1_000)).await.unwrap(), before);
        assert_eq!(store.load_inventory_at(Timestamp::from_millis(1_001)).await.unwrap(), now);
    })
    .await;
}

#[tokio::test]
async fn imports_are_listed_newest_first() {
    on_both(async |store: Store| {
        fill(&store).await;
        let refused = RunNote { fault_count: 7, ..note() };
        store.note_refused_import(Timestamp::from_millis(3_000), &refused).await.unwrap();
        let runs = store.import_runs(None, 10).await.unwrap();
        let told: Vec<_> = runs.iter().map(|run| (run.at.as_millis(), run.version)).collect();
        assert_eq!(told, [(3_000, None), (1_000, Some(1))]);
        assert_eq!((&runs[0].note, &runs[1].note), (&refused, &note()));
        assert_eq!(store.import_runs(Some(runs[0].id), 10).await.unwrap(), runs[1..]);
        assert_eq!(store.import_runs(None, 1).await.unwrap(), runs[..1]);
    })
    .await;
}

#[tokio::test]
async fn sealed_credentials_come_back_as_they_went_in() {
    on_both(async |store: Store| {
        fill(&store).await;
        assert_eq!(store.credential_names().await.unwrap(), ["cam"]);
        assert_eq!(store.sealed_credentials().await.unwrap(), [("cam".to_owned(), vec![0, 255, 3])]);
    })
    .await;
}

#[tokio::test]
async fn codes_are_paged_in_the_order_of_their_bytes() {
    on_both(async |store: Store| {
        let mut codes = ["a", "B", "b-1", "b1", "b_2", "~", "10", "9", "村", "东"];
        let places: Vec<String> = codes.iter().map(|code| PLACE.replace("P1", code)).collect();
        let mut records = vec![(RecordKind::Division, VILLAGE)];
        records.extend(places.iter().map(|place| (RecordKind::Place, place.as_str())));
        store.apply_inventory(&changes(0, 1_000, &records), Ending::Keep).await.unwrap();
        codes.sort_unstable();
        assert_eq!(store.record_codes(RecordKind::Place).await.unwrap(), codes);
        let mut paged: Vec<String> = Vec::new();
        loop {
            let after = paged.last().cloned().unwrap_or_default();
            let page = store.record_page(RecordKind::Place, &after, 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            for body in page {
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                paged.push(body["code"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(paged, codes);
    })
    .await;
}
