//! `sharpeyes report` as a person runs it: bytes on the standard output, the revision on the error stream.

use crate::coverage::fixture::history;
use crate::store::fixture::fill;
use sharpeyes::store::Store;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a settings file and a filled database.
async fn prepare(folder: &Path) -> PathBuf {
    let database = format!("sqlite:{}", folder.join("store.db").display());
    let store = Store::open(&database).await.unwrap();
    store.migrate().await.unwrap();
    fill(&store).await;
    store.apply_transitions(&history()).await.unwrap();
    store.close().await;
    let settings = folder.join("sharpeyes.toml");
    std::fs::write(&settings, format!("[store]\nurl = \"{database}\"\n")).unwrap();
    settings
}

fn run(settings: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    command.arg("report").arg("--config").arg(settings).args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_closed_month_is_printed_alike_each_time_and_its_revision_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = prepare(folder.path()).await;
    let first = run(&settings, &["--month", "1970-02"]);
    assert!(first.status.success(), "{}", told(&first));
    assert!(told(&first).starts_with("1970-02 is closed: revision 1, sha256 "), "{}", told(&first));
    let again = run(&settings, &["--month", "1970-02"]);
    assert_eq!(again.stdout, first.stdout);
    assert!(told(&again).starts_with("1970-02 is unchanged: revision 1, sha256 "), "{}", told(&again));
    let json: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!((&json["month"], &json["closed"]), (&"1970-02".into(), &true.into()));
    let csv = run(&settings, &["--month", "1970-02", "--format", "csv"]);
    assert!(csv.stdout.starts_with("\u{feff}区划代码,区划名称,指标,".as_bytes()));
    assert!(told(&csv).contains("unchanged"), "{}", told(&csv));
}

#[tokio::test]
async fn targets_of_another_version_are_a_new_revision_for_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let settings = prepare(folder.path()).await;
    run(&settings, &["--month", "1970-02"]);
    let built_in = std::fs::read_to_string("config/targets.toml").unwrap();
    let targets = folder.path().join("targets.toml");
    std::fs::write(&targets, built_in.replace("version = \"2026-1\"", "version = \"2026-2\"")).unwrap();
    let text = std::fs::read_to_string(&settings).unwrap();
    let named = format!("{text}[report]\ntargets_file = \"{}\"\n", targets.display());
    std::fs::write(&settings, named).unwrap();
    let kept = run(&settings, &["--month", "1970-02"]);
    assert!(told(&kept).contains("unchanged: revision 1"), "{}", told(&kept));
    let changed = run(&settings, &["--month", "1970-02", "--reissue"]);
    assert!(told(&changed).contains("differs from revision 1"), "{}", told(&changed));
    assert!(told(&changed).contains("revision 2, sha256 "), "{}", told(&changed));
    std::fs::write(&targets, "version = \"\"\n").unwrap();
    let broken = run(&settings, &["--month", "1970-02"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(told(&broken).contains("line 1: version: must be a text"), "{}", told(&broken));
}

#[tokio::test]
async fn what_cannot_be_reported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = prepare(folder.path()).await;
    let check = |arguments: &[&str], expected: &str| {
        let output = run(&settings, arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(told(&output).contains(expected), "{}", told(&output));
    };
    check(&["--month", "1970-13"], "`1970-13` is no month; write it as 2026-10");
    check(&["--month", "9000-01"], "the window begins after now");
    check(&["--month", "1970-02", "--division", "99"], "division 99 is not known");
    check(&["--month", "1970-02", "--division", "x"], "division code `x` is not 2, 4, 6, 9 or 12 digits");
}
