//! The commands: what they print and what their exit codes tell.

use super::{DIVISIONS, GRIDS};
use sharpeyes::store::Store;
use std::path::Path;
use std::process::{Command, Output};

fn sharpeyes(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sharpeyes"))
        .current_dir(folder)
        .args(arguments)
        .env("USER", "duty")
        .output()
        .unwrap()
}

const SETTINGS: &str = "[store]\nurl = \"sqlite:s.db\"\n[credentials]\nkey_file = \"camera.key\"\n";

fn check(output: &Output, code: i32, last_line: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        (output.status.code(), text.lines().last().unwrap_or("")),
        (Some(code), last_line),
        "{output:?}"
    );
}

#[test]
fn exit_codes_tell_applied_refused_and_could_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write("s.toml", SETTINGS);
    write("divisions.csv", DIVISIONS);
    write("grids.csv", GRIDS);
    write("bad-grids.csv", "code,kind\nG1,round\n");
    let import = |files: &[&str]| sharpeyes(path, &[&["import", "--config", "s.toml"], files].concat());
    let files = ["divisions.csv", "grids.csv"];
    check(&import(&["--dry-run", "divisions.csv", "grids.csv"]), 0, "rehearsal only; nothing was written");
    check(&import(&files), 0, "import 1 applied; inventory version 1");
    check(&import(&files), 0, "nothing to change");
    let refused = import(&["bad-grids.csv"]);
    check(&refused, 1, "1 fault(s); nothing was written");
    assert!(
        String::from_utf8_lossy(&refused.stderr)
            .starts_with("bad-grids.csv, row 2, column `kind`, value `round`")
    );
    write("bad-grids.csv", "code,kind\nG1,\u{1b}[31mround\n");
    let refused = String::from_utf8(import(&["bad-grids.csv"]).stderr).unwrap();
    assert!(refused.contains("`\u{fffd}[31mround`") && !refused.contains('\u{1b}'), "{refused:?}");
    check(&import(&["no-such-file.csv"]), 2, "");
    check(&import(&["--datum", "beijing54", "grids.csv"]), 2, "");
    let json: serde_json::Value =
        serde_json::from_slice(&import(&["--json", "bad-grids.csv"]).stdout).unwrap();
    assert_eq!((&json["fault_count"], &json["faults"][0]["row"]), (&1.into(), &2.into()));
    check(&sharpeyes(path, &["export", "--config", "s.toml", "--to", "out"]), 0, "points: 0");
    check(&import(&["out/grids.csv"]), 0, "nothing to change");
}

#[tokio::test]
async fn an_import_is_entered_in_the_audit_and_a_rehearsal_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("s.toml"), SETTINGS).unwrap();
    std::fs::write(path.join("divisions.csv"), DIVISIONS).unwrap();
    let rehearsal = sharpeyes(path, &["import", "--config", "s.toml", "--dry-run", "divisions.csv"]);
    check(&rehearsal, 0, "rehearsal only; nothing was written");
    check(
        &sharpeyes(path, &["import", "--config", "s.toml", "divisions.csv"]),
        0,
        "import 1 applied; inventory version 1",
    );
    let store = Store::open(&format!("sqlite:{}", path.join("s.db").display())).await.unwrap();
    let entries = store.audit_page(None, 10).await.unwrap();
    let told: Vec<_> =
        entries.iter().map(|entry| (&*entry.note.actor, &*entry.note.action, &*entry.note.subject)).collect();
    assert_eq!(told, [("cli:duty", "import.apply", "divisions.csv")]);
    assert_eq!(store.import_runs(None, 10).await.unwrap()[0].note.by, "cli:duty");
    store.close().await;
    let verified = sharpeyes(path, &["verify-audit", "--config", "s.toml"]);
    assert!(String::from_utf8_lossy(&verified.stdout).starts_with("1 entries"), "{verified:?}");
}
