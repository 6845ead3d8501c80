//! The rules: each has a test that it fires in and one that it is silent in, a section in the runbook, and limits that
//! come from the targets.

use crate::support::folder::package;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(package().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn texts(folder: &str) -> String {
    files(folder).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// The names that stand behind `key` in the rules.
fn names(key: &str) -> Vec<String> {
    let rules = texts("rules");
    rules.lines().filter_map(|line| line.trim().strip_prefix(key)).map(str::to_owned).collect()
}

fn promtool(arguments: &[&str], files: &[PathBuf]) {
    let output = Command::new("promtool").args(arguments).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !said.contains("FAILED"), "{said}");
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    promtool(&["check", "rules"], &files("rules"));
    promtool(&["test", "rules"], &files("tests"));
}

#[test]
fn every_rule_is_tested_firing_and_silent() {
    let tests = texts("tests");
    let mut tested: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for test in tests.split("alertname: ").skip(1) {
        let name = test.split([',', '\n']).next().unwrap();
        let (_, expected) = test.split_once("exp_alerts:").unwrap();
        let (fires, is_silent) = tested.entry(name).or_default();
        *(if expected.starts_with(" []") { is_silent } else { fires }) = true;
    }
    for alert in names("- alert: ") {
        // The watchdog is never silent: that is what it is for.
        let expected = (true, alert != "SharpEyesWatchdog");
        assert_eq!(tested.get(alert.as_str()), Some(&expected), "{alert}: (fires, is silent)");
    }
    for record in names("- record: ") {
        assert!(tests.lines().any(|line| line.contains("expr:") && line.contains(&record)), "{record}");
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let runbook = std::fs::read_to_string(package().join("runbook.md")).unwrap();
    let sections: Vec<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    let mut alerts = names("- alert: ");
    let anchors = names("runbook: ");
    assert_eq!(alerts.len(), anchors.len());
    for (alert, anchor) in alerts.iter().zip(anchors) {
        assert_eq!(anchor, format!("/usr/share/doc/sharpeyes/runbook.md#{}", alert.to_lowercase()));
        assert!(sections.contains(alert), "{alert}");
    }
    alerts.dedup();
    assert_eq!(alerts.len(), sections.len(), "a section without an alert");
}

/// What our own service tells is stale when it cannot be scraped, and must not look recovered by that.
#[test]
fn every_alert_that_reads_our_series_outlives_a_failed_scrape() {
    for alert in texts("rules").split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        let is_of_prometheus = ["SharpEyesDown", "SharpEyesWatchdog"].contains(&name);
        assert_eq!(alert.contains("keep_firing_for: "), !is_of_prometheus, "{name}");
    }
}

fn rules_of(targets: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.toml");
    std::fs::write(&file, targets).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    command.arg("rules").arg("--targets").arg(&file).output().unwrap()
}

const TARGETS: &str = include_str!("../../../config/targets.toml");

#[test]
fn the_shipped_burn_rates_are_those_of_the_shipped_targets() {
    let printed = Command::new(env!("CARGO_BIN_EXE_sharpeyes")).arg("rules").output().unwrap();
    let shipped = std::fs::read_to_string(package().join("rules/burn.yml")).unwrap();
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        shipped,
        "write it anew: target/debug/sharpeyes rules > deploy/prometheus/rules/burn.yml"
    );
    assert_eq!(rules_of(TARGETS).stdout, shipped.as_bytes());
}

#[test]
fn other_targets_make_other_rules_that_promtool_takes() {
    let check = |targets: &str, expected: &str| {
        let printed = rules_of(targets);
        assert!(printed.status.success(), "{printed:?}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("burn.yml");
        std::fs::write(&file, &printed.stdout).unwrap();
        promtool(&["check", "rules"], &[file]);
        let text = String::from_utf8(printed.stdout).unwrap();
        assert!(text.contains(expected), "{text}");
    };
    check(&TARGETS.replace("\"A1\" = 95", "\"A1\" = 99.5"), "county:sharpeyes_error:ratio_avg1h > 0.03\n");
    check(
        &TARGETS.replace("\"A1\" = 95", "\"A1.class1\" = 99"),
        "sharpeyes_sli_ratio{kind=\"service\", class=\"1\", window=\"1d\", bound=\"high\"}) > 0.02)",
    );
    let (without, _) = TARGETS.split_once("\"A1\" = 95").unwrap();
    check(without, "rules: []\n");
}

#[test]
fn a_target_whose_alert_could_never_fire_is_refused() {
    let refused = rules_of(&TARGETS.replace("\"A1\" = 95", "\"A1\" = 80"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap().trim(),
        "target_percent: A1 = 80.00 %: 6 times its error budget of 20.00 % is 120.00 % of the points, so the alert could never \
         fire; set a target above 83.33 %, or leave A1 out"
    );
}
