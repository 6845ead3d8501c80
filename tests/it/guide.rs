//! The operator's guide, walked: everything that `docs/operations.md` tells to do is done, on both databases.

use crate::support::postgres::Server;
use crate::support::process::{Process, free_port};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Longest time for the whole walk.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is changed in the shipped settings, so that a failure is known at once and no other service is met.
const QUICK: [(&str, &str); 7] = [
    ("flush_interval_ms = 1000", "flush_interval_ms = 50"),
    ("heartbeat_interval_seconds = 10", "heartbeat_interval_seconds = 1"),
    ("retry_first_seconds = 5", "retry_first_seconds = 0.1"),
    ("retry_cap_seconds = 300", "retry_cap_seconds = 1"),
    ("link_period_seconds = 30", "link_period_seconds = 1"),
    ("confirm_seconds = 60", "confirm_seconds = 1"),
    ("decoders = 1", "decoders = 0"),
];

/// Lays out below `root` what the package brings. The cameras of the templates are on loopback, where none answers.
fn install(root: &Path, listen: &str) {
    let (settings, templates, copies) =
        (root.join("etc/sharpeyes"), root.join("usr/share/sharpeyes/templates"), root.join("var/backups"));
    for folder in [&settings, &templates, &copies, &root.join("var/lib/sharpeyes"), &root.join("root")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut text = std::fs::read_to_string(shipped.join("sharpeyes.toml")).unwrap();
    for (from, to) in QUICK {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let text = text.replace("127.0.0.1:8080", listen);
    let text = text
        .replace("/var/lib/", &format!("{}/var/lib/", root.display()))
        .replace("/etc/", &format!("{}/etc/", root.display()));
    std::fs::write(settings.join("sharpeyes.toml"), text).unwrap();
    std::fs::copy(shipped.join("targets.toml"), settings.join("targets.toml")).unwrap();
    std::fs::write(settings.join("camera.key"), [7; 32]).unwrap();
    for template in std::fs::read_dir(shipped.join("templates")).unwrap() {
        let template = template.unwrap();
        let text = std::fs::read_to_string(template.path()).unwrap();
        std::fs::write(templates.join(template.file_name()), text.replace("10.23.", "127.23.")).unwrap();
    }
}

/// Walks the guide; gives the figures that were noted before the loss.
fn walk(kind: &str, environment: &[(&str, String)]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    install(folder.path(), &listen);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guide.sh");
    let mut command = Command::new("bash");
    command.arg(script).arg(kind).env("ROOT", folder.path()).env("LISTEN", listen);
    command.env("BINARY", env!("CARGO_BIN_EXE_sharpeyes")).envs(environment.iter().cloned());
    let mut process = Process::start(&mut command);
    let status = process.wait(PATIENCE);
    assert!(status.success(), "{kind}:\n{}", process.output());
    let figures = std::fs::read_to_string(folder.path().join("root/sharpeyes/figures.json")).unwrap();
    serde_json::from_str(&figures).unwrap()
}

/// What was the same after the restore must have been more than nothing: the cameras did not answer, for a known time.
fn check_told_something(figures: &Value) {
    let figures = figures.pointer("/whole/figures").and_then(Value::as_array).unwrap();
    let online = figures.iter().find(|figure| figure.get("id").is_some_and(|id| id == "A1")).unwrap();
    let count = |name: &str| online.pointer(name).and_then(Value::as_u64).unwrap();
    assert_eq!(count("/raw/numerator"), 0, "{online}");
    assert!(count("/raw/denominator") > 0, "{online}");
}

#[test]
fn the_guide_is_walked_on_sqlite() {
    check_told_something(&walk("sqlite", &[]));
}

#[tokio::test]
async fn the_guide_is_walked_on_postgres() {
    let server = Server::start();
    let (host, port) = server.address();
    let environment = [
        ("DATABASES", format!("postgres://sharpeyes@{host}:{port}")),
        ("PGHOST", host),
        ("PGPORT", port.to_string()),
        ("PGUSER", "sharpeyes".to_owned()),
    ];
    check_told_something(&walk("postgres", &environment));
}
