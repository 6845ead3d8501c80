//! What goes in comes out: fleets, exports, templates.

use super::{Bench, NOW, sources, village_files, zone};
use sharpeyes::domain::{Inventory, RecordKind};
use sharpeyes::inventory::report::Change;
use sharpeyes::inventory::{Mode, SourceFile, export};
use sharpeyes::simulate::fleet::{Fleet, Plan, Watched};
use sharpeyes::simulate::table;
use std::path::{Path, PathBuf};

fn read(paths: &[PathBuf]) -> Vec<SourceFile> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| SourceFile { name: name(path), bytes: std::fs::read(path).unwrap() }).collect()
}

fn fleet_files(folder: &Path) -> (Fleet, Vec<SourceFile>) {
    let fleet = Fleet::build(Plan { port: 8554, watched: Watched::Mixed }).unwrap();
    let files = read(&table::write(&fleet, folder).unwrap());
    (fleet, files)
}

fn csv_files(folder: &Path) -> Vec<SourceFile> {
    let paths: Vec<PathBuf> =
        RecordKind::ALL.iter().map(|kind| folder.join(format!("{}.csv", kind.as_str()))).collect();
    read(&paths)
}

async fn imported_into_empty(files: Vec<SourceFile>) -> Inventory {
    let bench = Bench::new().await;
    let report = bench.run(bench.request(files, Mode::Apply)).await;
    assert_eq!(report.faults, []);
    bench.store.load_inventory().await.unwrap()
}

#[tokio::test]
async fn a_fleet_survives_import_export_and_import_in_both_forms() {
    let bench = Bench::new().await;
    let (fleet, files) = fleet_files(&bench.folder.path().join("fleet"));
    let report = bench.run(bench.request(files, Mode::Apply)).await;
    assert_eq!(report.faults, []);
    let inventory = bench.store.load_inventory().await.unwrap();
    assert_eq!(inventory, fleet.inventory);
    let folder = bench.folder.path().join("out");
    export::to_folder(&bench.store, zone(), folder.clone()).await.unwrap();
    assert_eq!(imported_into_empty(csv_files(&folder)).await, inventory);
    let book = bench.folder.path().join("out.xlsx");
    export::to_workbook(&bench.store, zone(), book.clone()).await.unwrap();
    assert_eq!(imported_into_empty(read(&[book])).await, inventory);
}

#[tokio::test]
async fn the_same_files_twice_change_nothing() {
    let bench = Bench::new().await;
    let (fleet, files) = fleet_files(&bench.folder.path().join("fleet"));
    let first = bench.run(bench.request(files.clone(), Mode::Apply)).await;
    assert_eq!((first.run, first.version), (Some(1), 1));
    let second = bench.run(bench.request(files, Mode::Apply)).await;
    assert_eq!((second.run, second.version, second.differences.len()), (None, 1, 0));
    let count = fleet.inventory.points.len() as u64;
    let points = second.tables.iter().find(|table| table.kind == "points").unwrap();
    assert_eq!((points.rows, points.new, points.changed, points.unchanged), (count, 0, 0, count));
    assert_eq!(bench.store.import_runs(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_rehearsal_tells_the_same_and_leaves_nothing() {
    let bench = Bench::new().await;
    let files = sources(&village_files());
    let rehearsed = bench.run(bench.request(files.clone(), Mode::DryRun)).await;
    assert_eq!(bench.store.load_inventory().await.unwrap(), Inventory::default());
    assert_eq!(bench.store.import_runs(None, 10).await.unwrap(), []);
    let applied = bench.run(bench.request(files, Mode::Apply)).await;
    assert_eq!((rehearsed.tables, rehearsed.differences), (applied.tables, applied.differences));
    assert!(rehearsed.dry_run && rehearsed.run.is_none());
}

#[tokio::test]
async fn the_difference_names_new_changed_and_missing() {
    let bench = Bench::village().await;
    let report = bench
        .import(&[(
            "divisions.csv",
            "code,name,households\n230521100201,东村,160\n230521100203,北村,30\n230521100,福利镇,\n",
        )])
        .await;
    let told: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "~ divisions 230521100201\n    households: `150` -> `160`",
            "+ divisions 230521100203",
            "? divisions 23 is not in the files and stays",
            "? divisions 2305 is not in the files and stays",
            "? divisions 230521 is not in the files and stays",
            "? divisions 230521100202 is not in the files and stays",
        ]
    );
    assert_eq!(bench.store.load_inventory().await.unwrap().divisions.len(), 7);
}

#[tokio::test]
async fn an_absent_column_keeps_and_an_empty_cell_clears() {
    let bench = Bench::village().await;
    let before = bench.store.load_inventory().await.unwrap();
    let report = bench.import(&[("grids.csv", "code,leader_phone\nG1,\n")]).await;
    assert_eq!(report.faults, []);
    let after = bench.store.load_inventory().await.unwrap();
    let grid = after.grids.values().next().unwrap();
    let leader = grid.leader.as_ref().unwrap();
    assert_eq!((leader.name.as_str(), leader.phone.as_deref()), ("张三", None));
    assert_eq!(before.grids.values().next().unwrap().households, grid.households);
    assert_eq!(before.points, after.points);
}

#[tokio::test]
async fn a_past_instant_keeps_its_own_inventory() {
    let bench = Bench::village().await;
    let before = bench.store.load_inventory().await.unwrap();
    bench.import(&[("points.csv", "code,status\n23052100001320000001,拆除\n")]).await;
    assert_ne!(bench.store.load_inventory().await.unwrap(), before);
    assert_eq!(bench.store.load_inventory_at(NOW).await.unwrap(), before);
}

#[tokio::test]
async fn the_templates_import_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates");
    let paths: Vec<PathBuf> = ["credentials", "divisions", "grids", "links", "places", "sites", "points"]
        .iter()
        .map(|kind| folder.join(format!("{kind}.csv")))
        .collect();
    let bench = Bench::new().await;
    let report = bench.run(bench.request(read(&paths), Mode::Apply)).await;
    assert_eq!(report.faults, []);
    assert_eq!(report.notes, Vec::<String>::new());
    assert!(report.tables.iter().all(|table| table.new > 0), "{:?}", report.tables);
    assert!(report.differences.iter().all(|difference| difference.change == Change::New));
}

#[tokio::test]
async fn a_text_that_looks_like_a_formula_is_exported_as_text_and_comes_back() {
    let bench = Bench::village().await;
    let name = "=HYPERLINK(\"http://x\")";
    let rows = format!("code,name\nS1,\"{}\"\n", name.replace('"', "\"\""));
    assert_eq!(bench.import(&[("sites.csv", &rows)]).await.faults, []);
    let csv = export::to_csv(&bench.store, zone(), RecordKind::Site).await.unwrap();
    let text = String::from_utf8(csv.clone()).unwrap();
    assert!(text.contains("\"'=HYPERLINK"), "{text}");
    let again = SourceFile { name: "sites.csv".to_owned(), bytes: csv };
    let report = bench.run(bench.request(vec![again], Mode::Apply)).await;
    assert_eq!((report.faults.len(), report.differences.len()), (0, 0));
    assert_eq!(bench.store.load_inventory().await.unwrap().sites.values().next().unwrap().name, name);
}
