//! The forms that files come in.

use super::{Bench, sources, village_files};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use sharpeyes::domain::site::Datum;
use sharpeyes::inventory::{Mode, SourceFile, TableKind};

#[tokio::test]
async fn gb28181_names_and_chinese_headers_in_gb18030_are_understood() {
    let bench = Bench::village().await;
    let text = "监控点一览表,,,,,,,,\n序号,DeviceID,名称,所属村屯（必填）,PointType,Parental,Info.InstallTime,Status,CivilCode\n\
        1,２３０５２１００００１３２０００００２２,东村 路口,230521100201,二类,0,2023年5月1日,ON,230521\n";
    let (bytes, _, _) = encoding_rs::GB18030.encode(text);
    let file = SourceFile { name: "摄像机清单.csv".to_owned(), bytes: bytes.into_owned() };
    let report = bench.run(bench.request(vec![file], Mode::Apply)).await;
    assert_eq!(report.faults, []);
    assert_eq!(report.notes, ["摄像机清单.csv: not kept: 序号, Parental, CivilCode"]);
    let inventory = bench.store.load_inventory().await.unwrap();
    let point = &inventory.points[&"23052100001320000022".parse().unwrap()];
    assert_eq!(point.class.as_str(), "2");
    assert_eq!(point.commissioned.to_string(), "2023-04-30T16:00:00Z");
    assert_eq!(Some(point.commissioned), point.record.install_time);
}

#[tokio::test]
async fn a_workbook_with_titles_merged_headers_dates_and_numbers_is_read() {
    let bench = Bench::village().await;
    let mut book = Workbook::new();
    let remarks = book.add_worksheet().set_name("填写说明").unwrap();
    remarks.write_string(0, 0, "请勿修改表头").unwrap();
    let sheet = book.add_worksheet().set_name("点位").unwrap();
    let plain = Format::new();
    sheet.merge_range(0, 0, 0, 5, "双鸭山市点位表", &plain).unwrap();
    sheet.merge_range(2, 0, 3, 0, "点位编码", &plain).unwrap();
    sheet.merge_range(2, 1, 3, 1, "名称", &plain).unwrap();
    sheet.merge_range(2, 2, 3, 2, "所属村屯", &plain).unwrap();
    sheet.merge_range(2, 3, 2, 5, "位置", &plain).unwrap();
    for (column, name) in [(3, "经度"), (4, "纬度"), (5, "坐标系")] {
        sheet.write_string(3, column, name).unwrap();
    }
    sheet.write_string(5, 0, "S2").unwrap();
    sheet.write_string(5, 1, "西村杆").unwrap();
    sheet.write_number(5, 2, 230_521_100_202.0).unwrap();
    sheet.write_number(5, 3, 131.2).unwrap();
    sheet.write_string(5, 4, "46°30′").unwrap();
    sheet.write_string(5, 5, "GCJ-02").unwrap();
    let sheet = book.add_worksheet().set_name("divisions").unwrap();
    for (column, name) in [(0, "code"), (1, "name"), (2, "valid_from")] {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_number(1, 0, 230_521_100_203.0).unwrap();
    sheet.write_string(1, 1, "北村").unwrap();
    let date = ExcelDateTime::from_ymd(2024, 5, 1).unwrap();
    sheet.write_datetime_with_format(1, 2, &date, &Format::new().set_num_format("yyyy-mm-dd")).unwrap();
    let file = SourceFile { name: "集贤县.xlsx".to_owned(), bytes: book.save_to_buffer().unwrap() };
    let report = bench.run(bench.request(vec![file], Mode::Apply)).await;
    assert_eq!(report.faults, []);
    assert_eq!(report.notes, ["集贤县.xlsx[填写说明]: remarks, not read"]);
    let inventory = bench.store.load_inventory().await.unwrap();
    let position = inventory.sites[&"S2".parse().unwrap()].position.clone().unwrap();
    assert_eq!((position.source, position.raw_longitude, position.raw_latitude), (Datum::Gcj02, 131.2, 46.5));
    assert!((position.longitude - 131.2).abs() > 0.001);
    let village = &inventory.divisions[&"230521100203".parse().unwrap()];
    assert_eq!(village.valid_from.unwrap().to_string(), "2024-04-30T16:00:00Z");
}

#[tokio::test]
async fn kind_and_datum_may_be_declared() {
    let bench = Bench::village().await;
    let mut request = bench.request(
        sources(&[("list.csv", "code,name,village,longitude,latitude\nS3,杆,230521100201,131.2,46.5\n")]),
        Mode::Apply,
    );
    request.kind = Some("sites".parse::<TableKind>().unwrap());
    request.datum = Datum::Bd09;
    assert_eq!(bench.run(request).await.faults, []);
    let inventory = bench.store.load_inventory().await.unwrap();
    assert_eq!(inventory.sites[&"S3".parse().unwrap()].position.as_ref().unwrap().source, Datum::Bd09);
}

#[tokio::test]
async fn brand_and_host_become_stream_addresses() {
    let bench = Bench::village().await;
    let rows = "code,name,village,class,commissioned,brand,host,channel\n\
        23052100001320000002,门,230521100201,2,2024-05-01,大华,10.1.2.9,3\n";
    assert_eq!(bench.import(&[("points.csv", rows)]).await.faults, []);
    let inventory = bench.store.load_inventory().await.unwrap();
    let point = &inventory.points[&"23052100001320000002".parse().unwrap()];
    assert_eq!(
        point.watched_stream().unwrap().as_str(),
        "rtsp://10.1.2.9:554/cam/realmonitor?channel=3&subtype=1"
    );
    assert_eq!(bench.import(&[("points.csv", rows)]).await.run, None, "nothing changed");
}

#[tokio::test]
async fn townships_of_farms_and_forests_are_not_assessed_unless_the_list_says_so() {
    let bench = Bench::village().await;
    let rows = "code,name,assessed\n230521400,二九一农场,\n230521401,农场,是\n230521400001,一队,\n";
    assert_eq!(bench.import(&[("divisions.csv", rows)]).await.faults, []);
    let inventory = bench.store.load_inventory().await.unwrap();
    let assessed = |code: &str| inventory.divisions[&code.parse().unwrap()].assessed;
    assert_eq!(
        [assessed("230521400"), assessed("230521401"), assessed("230521400001"), assessed("230521100")],
        [false, true, false, true]
    );
}

#[tokio::test]
async fn two_imports_at_once_do_not_mix() {
    let bench = Bench::village().await;
    let files = |name: &str| sources(&[("divisions.csv", &format!("code,name\n230521100201,{name}\n"))]);
    let clock = sharpeyes::clock::Clock::manual(super::NOW);
    let outcomes = futures::future::join_all(["甲", "乙"].map(|name| {
        sharpeyes::inventory::import(&bench.store, &clock, bench.request(files(name), Mode::Apply))
    }))
    .await;
    let applied: i64 = outcomes.iter().map(|outcome| i64::from(outcome.is_ok())).sum();
    assert!(applied >= 1);
    assert_eq!(bench.store.inventory_version().await.unwrap(), 1 + applied);
}

#[tokio::test]
async fn everything_wrong_with_a_row_is_told_at_once_and_nothing_is_written() {
    let bench = Bench::village().await;
    let before = bench.store.load_inventory().await.unwrap();
    let files = [
        ("divisions.csv", "code,name\n230521100203,北村\n"),
        ("points.csv", "code,name,village,class,status,commissioned\nx,,2305,5,broken,never\n"),
    ];
    let report = bench.import(&files).await;
    let columns: Vec<&str> = report.faults.iter().map(|fault| fault.column.as_deref().unwrap()).collect();
    assert_eq!(columns, ["code", "village", "class", "status", "commissioned"]);
    assert_eq!(bench.store.load_inventory().await.unwrap(), before);
    let runs = bench.store.import_runs(None, 1).await.unwrap();
    assert_eq!((runs[0].version, runs[0].note.fault_count), (None, 5));
}

#[tokio::test]
async fn an_import_needs_no_order_of_files() {
    let bench = Bench::new().await;
    let mut files = village_files();
    files.reverse();
    assert_eq!(bench.import(&files).await.faults, []);
}
