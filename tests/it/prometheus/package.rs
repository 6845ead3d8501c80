//! Scrape configuration, routes and inhibition: what ships is accepted by the programs that read it.

use crate::support::folder::{copy_folder, package};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

fn shipped(name: &str) -> String {
    std::fs::read_to_string(package().join(name)).unwrap()
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{said}");
    said
}

/// `text` without the comment signs in front of what is YAML: the lines from `from` on that are indented alike.
fn uncommented(text: &str, from: &str) -> String {
    let (before, block) = text.split_once(from).unwrap();
    let indent = before.rsplit('\n').next().unwrap();
    let comment = format!("{indent}#  ");
    let mut is_inside = true;
    let lines = block.lines().enumerate().map(|(number, line)| {
        is_inside &= number == 0 || line.starts_with(&comment);
        if is_inside && number > 0 { line.replacen("# ", "", 1) } else { line.to_owned() }
    });
    let lines: Vec<String> = lines.collect();
    format!("{before}{}{}\n", from.trim_start_matches("# "), lines.join("\n"))
}

/// The package in a folder of its own, with a token where the configuration looks for one.
fn check_scrape(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&package().join("rules"), &folder.path().join("rules"));
    let token = folder.path().join("token");
    std::fs::write(&token, "se_test").unwrap();
    let file = folder.path().join("prometheus.yml");
    let text = text.replace("/etc/prometheus/sharpeyes.token", token.to_str().unwrap());
    std::fs::write(&file, text).unwrap();
    let said = succeeds(Command::new("promtool").args(["check", "config"]).arg(&file));
    assert!(said.contains("3 rule files found"), "{said}");
}

#[test]
fn promtool_takes_the_scrape_configuration_and_what_is_commented_out() {
    let text = shipped("prometheus.yml");
    check_scrape(&text);
    let whole = uncommented(&text, "# - job_name: sharpeyes-links");
    let whole = uncommented(&whole, "# - job_name: sharpeyes-probe");
    for job in ["links", "probe"] {
        let begin = format!("\n  - job_name: sharpeyes-{job}\n    metrics_path: /probe\n");
        assert!(whole.contains(&begin), "{whole}");
    }
    check_scrape(&whole);
}

fn amtool(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("amtool");
    command.args(arguments).env("HOME", "/nonexistent");
    if arguments.first() == Some(&"check-config") {
        command.arg(file)
    } else {
        command.arg("--config.file").arg(file)
    };
    command
}

#[test]
fn amtool_takes_the_configuration_and_each_alert_goes_where_it_should() {
    let file = package().join("alertmanager.yml");
    succeeds(&mut amtool(&file, &["check-config"]));
    let check = |receiver: &str, labels: &[&str]| {
        let verify = format!("--verify.receivers={receiver}");
        let mut command = amtool(&file, &["config", "routes", "test"]);
        succeeds(command.arg(verify).args(labels));
    };
    check("deadman", &["alertname=SharpEyesWatchdog", "severity=none", "scope=system"]);
    check("platform", &["alertname=SharpEyesDown", "severity=page", "scope=system"]);
    check("platform", &["alertname=SharpEyesCertificateExpiry", "severity=ticket", "scope=watcher"]);
    check(
        "duty",
        &["alertname=SharpEyesVillageUplinkDown", "severity=page", "scope=village", "county=230502"],
    );
    check("duty", &["alertname=SharpEyesCountyAvailabilityBurn", "severity=page", "scope=county"]);
    check("tickets", &["alertname=SharpEyesPointOffline", "severity=ticket", "scope=point", "county=230502"]);
    check("tickets", &["alertname=SharpEyesLinkDown", "severity=ticket", "scope=link"]);
    check("duty", &["alertname=SomethingElse"]);
}

#[test]
fn a_county_gets_its_own_alerts_once_its_lines_are_uncommented() {
    let text = uncommented(&shipped("alertmanager.yml"), "# - matchers: [county=\"230502\"");
    let text = uncommented(&text, "# - name: duty-230502");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, text).unwrap();
    succeeds(&mut amtool(&file, &["check-config"]));
    let route = |county: &str| {
        let mut command = amtool(&file, &["config", "routes", "test"]);
        let said = succeeds(command.args(["severity=page", "scope=village", &format!("county={county}")]));
        said.lines().next().unwrap().to_owned()
    };
    assert_eq!(route("230502"), "duty-230502");
    assert_eq!(route("230503"), "duty");
}

/// Missing labels count as equal: a rule that compares a label demands it on both sides, and the alert that inhibits is
/// none of those that it inhibits.
#[test]
fn inhibition_demands_the_labels_that_it_compares() {
    let text = shipped("alertmanager.yml");
    let (_, rules) = text.split_once("\ninhibit_rules:\n").unwrap();
    let (rules, _) = rules.split_once("\nreceivers:\n").unwrap();
    let rules: Vec<&str> = rules.split("  - source_matchers: ").skip(1).collect();
    assert_eq!(rules.len(), 6);
    let scopes = scopes();
    for rule in rules {
        let (source, rest) = rule.split_once('\n').unwrap();
        let target = rest.lines().find_map(|line| line.trim().strip_prefix("target_matchers: ")).unwrap();
        let equal = rest.lines().find_map(|line| line.trim().strip_prefix("equal: ["));
        // The narrowest label is empty wherever a wider scope is meant; the wider ones then are there too.
        if let Some(narrowest) = equal.and_then(|labels| labels.trim_end_matches(']').rsplit(", ").next()) {
            let demanded = format!("{narrowest}!=\"\"");
            assert!(source.contains(&demanded) && target.contains(&demanded), "{rule}");
        }
        let name = source.split('"').nth(1).unwrap();
        let scope = scopes.iter().find(|(alert, _)| alert == name).map(|(_, scope)| scope.as_str()).unwrap();
        let is_named_apart =
            target.contains(&format!("alertname!=\"{name}\"")) || !target.contains("scope=~");
        let scoped = target.split("scope=~\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
        assert!(
            is_named_apart || !scoped.split('|').any(|word| word == scope),
            "{name} inhibits itself: {rule}"
        );
    }
}

/// Every alert with its scope.
fn scopes() -> BTreeSet<(String, String)> {
    let rules = shipped("rules/alerts.yml") + &shipped("rules/burn.yml");
    let alerts = rules.split("- alert: ").skip(1);
    let scope = |alert: &str| alert.split("scope: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    alerts.map(|alert| (alert.lines().next().unwrap().to_owned(), scope(alert))).collect()
}
