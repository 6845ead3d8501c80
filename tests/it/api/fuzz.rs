//! schemathesis against the served router: every documented answer, and no other, for whatever it can think of.
//!
//! Runs where schemathesis is: `tests/schemathesis.sh` installs it and sets `SCHEMATHESIS` to its path.

use super::service::{Service, TAKEN};
use serde_json::json;
use sharpeyes::domain::access::Role;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Longest time for the whole run on a busy machine.
const DEADLINE: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let Some(schemathesis) = std::env::var_os("SCHEMATHESIS") else { return };
    let service = Service::start().await;
    let admin = service.token("admin", Role::Admin, None).await;
    for _ in 0..3 {
        let request = json!({
            "kind": "power_cut", "scope": { "division": "230521" }, "reason": "停电", "evidence": "通知",
            "from": "2026-09-20T00:00:00+08:00", "to": "2026-09-30T00:00:00+08:00",
        });
        assert_eq!(service.post("/api/v1/exclusions", Some(&admin), &request).await.status, 201);
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(1_800);
    service.holds.hold("vault-entry-7", "10.1.2.3:554", TAKEN, until);
    let folder = tempfile::tempdir().unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml");
    let run = Command::new(schemathesis)
        .args(["--config-file".as_ref(), config.as_os_str()])
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", service.address))
        .args([
            "--url",
            &format!("http://{}", service.address),
            "--header",
            &format!("Authorization: Bearer {admin}"),
        ])
        // The event stream never ends; its own tests are in `event`.
        .args([
            "--exclude-path",
            "/api/v1/events",
            "--workers",
            "1",
            "--max-examples",
            "40",
            "--seed",
            "2305",
        ])
        .args(["--request-timeout", "60", "--no-color"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
