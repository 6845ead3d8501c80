//! The OpenAPI document: reviewed as `docs/openapi.json`, served as it is.
//!
//! After a change of the API run `UPDATE_SNAPSHOTS=1 cargo test --test it api::document` and review the difference.

use super::service::Service;
use sharpeyes::api::openapi;
use std::path::Path;

#[test]
fn the_committed_document_is_the_one_that_the_code_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let current = openapi::document();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json is stale: run with UPDATE_SNAPSHOTS=1 and review the difference"
    );
}

#[tokio::test]
async fn the_served_document_is_openapi_3_1_with_a_problem_for_every_guarded_operation() {
    let service = Service::start().await;
    let document = service.get("/api/v1/openapi.json", None).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operation_count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            operation_count += 1;
            let responses = operation["responses"].as_object().unwrap();
            let guarded = !matches!(path.as_str(), "/healthz" | "/readyz");
            assert_eq!(responses.contains_key("401"), guarded, "{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        }
    }
    assert!(operation_count > 20, "{operation_count}");
}
