//! `token`, `verify-audit` and `openapi` as a person calls them.

use std::path::Path;
use std::process::{Command, Output};

fn sharpeyes(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("sharpeyes.toml");
    let url = format!("[store]\nurl = \"sqlite:{}\"\n", folder.join("store.db").display());
    std::fs::write(&config, url).unwrap();
    let config = config.to_str().unwrap().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    command.args(arguments);
    if arguments != ["openapi"] {
        command.args(["--config", &config]);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_token_is_shown_once_listed_without_its_secret_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| sharpeyes(folder.path(), arguments);
    let added = run(&["token", "add", "--name", "duty", "--role", "operate", "--division", "230521"]);
    assert!(added.status.success(), "{}", said(&added));
    assert!(said(&added).contains("no division has the code 230521 yet"), "{}", said(&added));
    let secret = String::from_utf8(added.stdout).unwrap().trim().to_owned();
    assert!(secret.starts_with("se_") && secret.len() == 67, "{secret}");
    let again = run(&["token", "add", "--name", "duty"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert_eq!(run(&["token", "add", "--name", "x", "--role", "king"]).status.code(), Some(2));
    let listed = said(&run(&["token", "list"]));
    assert!(listed.contains("duty\toperate\t230521") && listed.contains("valid"), "{listed}");
    assert!(!listed.contains(&secret));
    assert!(run(&["token", "revoke", "--name", "duty"]).status.success());
    assert_eq!(run(&["token", "revoke", "--name", "duty"]).status.code(), Some(1));
    let audit = run(&["verify-audit"]);
    assert!(audit.status.success() && said(&audit).starts_with("4 entries"), "{}", said(&audit));
}

#[test]
fn the_printed_document_is_the_committed_one() {
    let folder = tempfile::tempdir().unwrap();
    let printed = sharpeyes(folder.path(), &["openapi"]);
    let committed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")).unwrap();
    assert!(printed.status.success() && printed.stdout == committed);
}
