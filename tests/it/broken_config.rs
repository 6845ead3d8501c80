//! Broken settings files, one per fault, each with the message that a person gets from `sharpeyes check-config`.

use std::process::Command;

/// What `check-config` says about `text`, without its first line.
fn faults_of(text: &str) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sharpeyes.toml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sharpeyes"))
        .arg("check-config")
        .arg("--config")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said.lines().skip(1).map(|line| line.trim().to_owned()).collect())
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (code, faults) = faults_of(text);
    assert_eq!(faults, expected);
    assert_eq!(code, Some(i32::from(!expected.is_empty())));
}

#[test]
fn an_empty_file_is_right() {
    check("", &[]);
}

#[test]
fn the_example_of_a_city_is_right() {
    check(include_str!("../../deploy/example-city/sharpeyes.toml"), &[]);
}

/// One fault each: the file and what is said about it.
const BROKEN: &[(&str, &str)] = &[
    (
        "[server]\nlisten = \"localhost\"",
        "line 2: server.listen: `localhost` is not an address and port like 127.0.0.1:8080",
    ),
    ("[server]\nlisten = 8080", "line 2: server.listen: must be a text in quotes that is not empty"),
    (
        "[server]\nrequest_timeout_seconds = 0",
        "line 2: server.request_timeout_seconds: must be a number from 1 to 600",
    ),
    (
        "[server]\nbody_limit_bytes = 1.5",
        "line 2: server.body_limit_bytes: must be a whole number from 1024 to 1073741824",
    ),
    (
        "[server]\nlissten = \"127.0.0.1:1\"",
        "line 2: server.lissten: is no known key; did you mean `listen`?",
    ),
    ("[serverr]\n", "line 1: serverr: is no known key; did you mean `server`?"),
    ("[store]\nurl = \"mysql://h/d\"", "line 2: store.url: must begin with sqlite: or postgres:"),
    (
        "[store]\nflush_interval_ms = 1",
        "line 2: store.flush_interval_ms: must be a whole number from 50 to 60000",
    ),
    (
        "[store]\nheartbeat_interval_seconds = 31",
        "line 2: store.heartbeat_interval_seconds: must be a number from 1 to 30",
    ),
    ("[store]\ninterval_days = 30", "line 2: store.interval_days: must be a whole number from 62 to 36500"),
    ("[watch]\nperiod_seconds = \"5m\"", "line 2: watch.period_seconds: must be a number from 5 to 86400"),
    (
        "[watch]\nretry_first_seconds = 60\nretry_cap_seconds = 30",
        "line 1: watch.retry_first_seconds: must not be longer than retry_cap_seconds",
    ),
    (
        "[watch]\nassumed_kbps = 3000",
        "line 1: watch.assumed_kbps: must fit into link_budget_kbps, or no point could ever be looked at",
    ),
    (
        "[watch.deadlines]\nconnect_seconds = 0",
        "line 2: watch.deadlines.connect_seconds: must be a number from 0.1 to 120",
    ),
    ("[watch]\ndeadlines = 5", "line 2: watch.deadlines: must be a table"),
    ("[health]\nconfirm_looks = 0", "line 2: health.confirm_looks: must be a whole number from 1 to 100"),
    ("[health]\nloss_ratio = 2", "line 2: health.loss_ratio: must be a number from 0 to 1"),
    (
        "[report]\nzone = \"Mars/Olympus\"",
        "line 2: report.zone: `Mars/Olympus` is no IANA time zone like Asia/Shanghai",
    ),
    (
        "[metrics]\nper_point = \"all\"",
        "line 2: metrics.per_point: `all` must be one of \"default\", \"full\"",
    ),
    ("[metrics]\nrequire_token = \"yes\"", "line 2: metrics.require_token: must be true or false"),
    (
        "[log]\nfilter = \"sharpeyes=loud\"",
        "line 2: log.filter: `sharpeyes=loud` is no log filter like info or sharpeyes=debug,warn",
    ),
    (
        "[[channel]]\nname = \"Duty\"\nkind = \"syslog\"\naddress = \"unix:/dev/log\"",
        "line 2: channel.name: must be at most 32 small letters, digits, - and _",
    ),
    ("[log]\nformat = \"xml\"", "line 2: log.format: `xml` must be one of \"text\", \"json\""),
];

#[test]
fn each_fault_is_named_with_line_key_and_remedy() {
    for (text, expected) in BROKEN {
        check(text, &[expected]);
    }
}

#[test]
fn several_faults_come_at_once_in_the_order_of_their_lines() {
    check(
        "[server]\nlisten = 1\n[watch]\nperiod_seconds = 1\n[logs]\n",
        &[
            "line 2: server.listen: must be a text in quotes that is not empty",
            "line 4: watch.period_seconds: must be a number from 5 to 86400",
            "line 5: logs: is no known key; did you mean `log`?",
        ],
    );
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    check(
        "[watch]\nauthorities_file = \"/no/such.pem\"",
        &["watch.authorities_file: /no/such.pem cannot be read: No such file or directory (os error 2)"],
    );
}

#[test]
fn every_channel_that_lacks_a_file_is_named() {
    let channel = |name: &str| {
        format!(
            "[[channel]]\nname = \"{name}\"\nkind = \"file\"\nfolder = \"/\"\nsecret_file = \"/no/such.key\"\n"
        )
    };
    let fault =
        |name: &str| format!("channel {name}: read /no/such.key: No such file or directory (os error 2)");
    check(&(channel("a") + &channel("b")), &[&fault("a"), &fault("b")]);
}

#[test]
fn a_missing_file_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_sharpeyes"))
        .args(["check-config", "--config", "no/such/file.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: read settings file no/such/file.toml: "), "{said}");
}
