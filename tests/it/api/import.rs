//! Imports over HTTP: rehearsal, all or nothing, the runs, who may.

use super::service::Service;
use serde_json::json;
use sharpeyes::domain::access::Role;

const DIVISIONS: &str =
    "code,name\n23,黑龙江省\n2305,双鸭山市\n230521,集贤县\n230521100,福利镇\n230521100201,安邦村\n";

async fn post(service: &Service, query: &str, token: &str, body: &str) -> (u16, serde_json::Value) {
    let path = format!("/api/v1/imports?name=divisions.csv{query}");
    let answer = service.ask("POST", &path, Some(token), &[], body.as_bytes()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_rehearsal_changes_nothing_and_an_import_is_listed() {
    let service = Service::start().await;
    let admin = service.token("admin", Role::Admin, None).await;
    let (status, report) = post(&service, "&dry_run=true", &admin, DIVISIONS).await;
    assert_eq!(
        (status, &report["tables"][0]["new"], &report["run"]),
        (200, &json!(5), &json!(null)),
        "{report}"
    );
    assert_eq!(service.store.inventory_version().await.unwrap(), 0);
    let (status, report) = post(&service, "", &admin, DIVISIONS).await;
    assert_eq!((status, &report["version"]), (200, &json!(1)), "{report}");
    let runs = service.get("/api/v1/imports", Some(&admin)).await.json();
    assert_eq!((&runs["items"][0]["by"], &runs["items"][0]["new"]), (&json!("admin"), &json!(5)));
}

#[tokio::test]
async fn a_faulty_file_is_refused_with_every_fault() {
    let service = Service::start().await;
    let admin = service.token("admin", Role::Admin, None).await;
    let (status, report) = post(&service, "", &admin, "code,name\n2305x,甲\n23052,乙\n").await;
    assert_eq!((status, &report["fault_count"]), (422, &json!(2)), "{report}");
    assert!(report["faults"][0]["row"] == 2 && report["faults"][1]["row"] == 3, "{report}");
}

#[tokio::test]
async fn only_an_administrator_of_everything_imports() {
    let service = Service::start().await;
    let operator = service.token("operator", Role::Operate, None).await;
    let county = service.token("county", Role::Admin, Some("230521")).await;
    for token in [&operator, &county] {
        assert_eq!(post(&service, "", token, DIVISIONS).await.0, 403);
    }
    assert_eq!(service.store.inventory_version().await.unwrap(), 0);
}
