//! A module uses lower floors only, never its neighbours.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, lowest first.
const FLOORS: &[&[&str]] = &[
    &["domain"],
    &["child", "clock", "config", "fault", "reach", "telemetry"],
    &["store", "probe", "ingest", "picture", "notify", "simulate", "vital"],
    &["inventory", "health"],
    &["coverage", "incident"],
    &["api"],
    &["app"],
    &["main"],
];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module names that follow `crate::` (or `sharpeyes::`) in a source text, grouped imports included.
fn modules_used(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, prefix) in text.match_indices("crate::").chain(text.match_indices("sharpeyes::")) {
        let rest = &text[at + prefix.len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split_once('}').map_or(group, |(inside, _)| inside).split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name = name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
            modules.push(name.to_owned());
        }
    }
    modules
}

#[test]
fn no_module_looks_up_or_sideways() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut faults = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        let own = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if own == "lib" {
            continue;
        }
        let Some(own_floor) = floor_of(&own) else {
            faults.push(format!("{}: module `{own}` has no floor", inside.display()));
            continue;
        };
        for used in modules_used(&fs::read_to_string(&file).unwrap()) {
            let Some(used_floor) = floor_of(&used) else { continue };
            if used != own && used_floor >= own_floor {
                faults.push(format!(
                    "{}: `{own}` (floor {own_floor}) uses `{used}` (floor {used_floor})",
                    inside.display()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_floors_test_sees_grouped_imports() {
    assert_eq!(modules_used("use crate::{store, api::x};\nsharpeyes::app::main()"), ["store", "api", "app"]);
}
