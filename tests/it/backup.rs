//! `sharpeyes migrate` and `sharpeyes backup`, as a person runs them.

use crate::support::postgres::new_database;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn sharpeyes(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sharpeyes")).args(arguments).output().unwrap()
}

fn write_config(folder: &Path, url: &str) -> String {
    let path = folder.join("sharpeyes.toml");
    std::fs::write(&path, format!("[store]\nurl = \"{url}\"\n")).unwrap();
    path.display().to_string()
}

/// Migrates twice, copies once, and copies to the same place again.
fn check(folder: &Path, url: &str) {
    let config = write_config(folder, url);
    let copy = folder.join("copy").display().to_string();
    for _ in 0..2 {
        let migrated = sharpeyes(&["migrate", "--config", &config]);
        assert!(migrated.status.success(), "{migrated:?}");
    }
    let copied = sharpeyes(&["backup", "--config", &config, "--to", &copy]);
    assert!(copied.status.success(), "{copied:?}");
    assert!(String::from_utf8_lossy(&copied.stdout).starts_with(&format!("{copy}: ")), "{copied:?}");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let size = std::fs::metadata(&copy).unwrap().len();
    let again = sharpeyes(&["backup", "--config", &config, "--to", &copy]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&again.stderr), format!("error: {copy} exists already\n"));
    assert_eq!(std::fs::metadata(&copy).unwrap().len(), size);
}

#[test]
fn an_sqlite_file_is_migrated_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), &format!("sqlite:{}", folder.path().join("store.db").display()));
    let store = std::fs::metadata(folder.path().join("store.db")).unwrap();
    assert_eq!(store.permissions().mode() & 0o777, 0o600);
    let copy = std::fs::read(folder.path().join("copy")).unwrap();
    assert!(copy.starts_with(b"SQLite format 3\0"));
}

#[tokio::test]
async fn a_postgres_database_is_migrated_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), &new_database().await);
    let copy = std::fs::read(folder.path().join("copy")).unwrap();
    assert!(copy.starts_with(b"PGDMP"));
}

#[test]
fn a_copy_of_nothing_or_to_nowhere_says_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("store.db");
    let config = write_config(folder.path(), &format!("sqlite:{}", database.display()));
    let copy = folder.path().join("missing/copy").display().to_string();
    let told = || {
        let refused = sharpeyes(&["backup", "--config", &config, "--to", &copy]);
        assert_eq!(refused.status.code(), Some(2));
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    let nothing = told();
    assert!(nothing.starts_with("error: there is no database at "), "{nothing}");
    assert!(!database.exists(), "a command that reads made a database");
    assert!(sharpeyes(&["migrate", "--config", &config]).status.success());
    let nowhere = told();
    assert!(nowhere.starts_with("error: copy the database: "), "{nowhere}");
}
