//! The keys of `config/sharpeyes.toml`: name, unit, range and the setting that each one fills.

use crate::config::channel;
use crate::config::reader::{Fault, Section, Value, boolean, millis, number, parsed, read_document, seconds};
use crate::config::reader::{list, path, text, whole, word};
use crate::config::{
    Credentials, DatabaseUrl, Deadlines, Health, IncidentSettings, Log, LogFormat, MetricSettings, PerPoint,
};
use crate::config::{DEADMEN, is_deadman_name};
use crate::config::{PictureSettings, Report, Server, Settings, SkySource, StoreSettings, Watch};
use crate::domain::picture::{PictureRules, Rule};
use url::Url;

/// Parses the settings file; keys that are left out keep their defaults.
pub(super) fn parse(document: &str) -> Result<Settings, Vec<Fault>> {
    read_document(document, |root| {
        let mut settings = Settings::default();
        root.section("server", |section| server(section, &mut settings.server));
        root.section("store", |section| store(section, &mut settings.store));
        root.section("watch", |section| watch(section, &mut settings.watch));
        root.section("health", |section| health(section, &mut settings.health));
        root.section("picture", |section| picture(section, &mut settings.picture));
        root.section("credentials", |section| credentials(section, &mut settings.credentials));
        root.section("incident", |section| incident(section, &mut settings.incident));
        root.section("report", |section| report(section, &mut settings.report));
        root.section("metrics", |section| metrics(section, &mut settings.metrics));
        root.section("log", |section| log(section, &mut settings.log));
        settings.channels = channel::read(root);
        settings
    })
}

fn server(section: &mut Section<'_>, server: &mut Server) {
    section.read("listen", parsed("an address and port like 127.0.0.1:8080"), &mut server.listen);
    section.read("request_timeout_seconds", seconds(1.0..=600.0), &mut server.request_timeout);
    section.read("header_timeout_seconds", seconds(0.1..=300.0), &mut server.header_timeout);
    section.read("write_timeout_seconds", seconds(0.1..=300.0), &mut server.write_timeout);
    section.read("connections_at_once", whole(8..=65_536_usize), &mut server.connections_at_once);
    section.read("body_limit_bytes", whole(1_024..=1_073_741_824_usize), &mut server.body_limit_bytes);
}

fn store(section: &mut Section<'_>, store: &mut StoreSettings) {
    section.read("url", database_url, &mut store.url);
    section.read("flush_interval_ms", millis(50..=60_000), &mut store.flush_interval);
    section.read("heartbeat_interval_seconds", seconds(1.0..=30.0), &mut store.heartbeat_interval);
    section.read("observation_days", whole(0..=3_650_u32), &mut store.observation_days);
    section.read("interval_days", whole(62..=36_500_u32), &mut store.interval_days);
}

fn watch(section: &mut Section<'_>, watch: &mut Watch) {
    section.read("period_seconds", seconds(5.0..=86_400.0), &mut watch.period);
    section.read("light_period_seconds", seconds(0.0..=86_400.0), &mut watch.light_period);
    section.read("patrol_window_seconds", seconds(0.5..=60.0), &mut watch.patrol_window);
    section.read("continuous_window_seconds", seconds(1.0..=60.0), &mut watch.continuous_window);
    section.section("deadlines", |section| deadlines(section, &mut watch.deadlines));
    section.read("opens_per_second", whole(1..=10_000_u32), &mut watch.opens_per_second);
    section.read("concurrent_looks", whole(1..=20_000_usize), &mut watch.concurrent_looks);
    section.read("sessions_per_host", whole(1..=64_u16), &mut watch.sessions_per_host);
    section.read("link_budget_kbps", whole(64..=10_000_000_u32), &mut watch.link_budget_kbps);
    section.read("link_budget_sessions", whole(1..=10_000_u16), &mut watch.link_budget_sessions);
    section.read("assumed_kbps", whole(16..=100_000_u32), &mut watch.assumed_kbps);
    section.read("retry_first_seconds", seconds(0.1..=60.0), &mut watch.retry_first);
    section.read("retry_cap_seconds", seconds(1.0..=3_600.0), &mut watch.retry_cap);
    section.read("retry_reset_after_seconds", seconds(1.0..=3_600.0), &mut watch.retry_reset_after);
    section.read("credential_hold_seconds", seconds(1_800.0..=86_400.0), &mut watch.credential_hold);
    section.read("link_period_seconds", seconds(1.0..=3_600.0), &mut watch.link_period);
    section.read("reconcile_period_seconds", seconds(1.0..=3_600.0), &mut watch.reconcile_period);
    section.read("puller_sessions", whole(0..=4_096_usize), &mut watch.puller_sessions);
    section.read("authorities_file", |value| path(value).map(Some), &mut watch.authorities_file);
    if watch.retry_first > watch.retry_cap {
        section.fault("retry_first_seconds", "must not be longer than retry_cap_seconds");
    }
    if watch.assumed_kbps > watch.link_budget_kbps {
        section.fault("assumed_kbps", "must fit into link_budget_kbps, or no point could ever be looked at");
    }
}

fn deadlines(section: &mut Section<'_>, deadlines: &mut Deadlines) {
    let stage = || seconds(0.1..=120.0);
    section.read("connect_seconds", stage(), &mut deadlines.connect);
    section.read("describe_seconds", stage(), &mut deadlines.describe);
    section.read("setup_seconds", stage(), &mut deadlines.setup);
    section.read("play_seconds", stage(), &mut deadlines.play);
    section.read("first_packet_seconds", stage(), &mut deadlines.first_packet);
    section.read("first_key_frame_seconds", stage(), &mut deadlines.first_key_frame);
    section.read("frame_gap_seconds", stage(), &mut deadlines.frame_gap);
}

fn health(section: &mut Section<'_>, health: &mut Health) {
    section.read("confirm_looks", whole(1..=100_u32), &mut health.confirm_looks);
    section.read("confirm_seconds", seconds(0.0..=3_600.0), &mut health.confirm_time);
    section.read("recover_looks", whole(1..=100_u32), &mut health.recover_looks);
    section.read("loss_ratio", number(0.0..=1.0), &mut health.loss_ratio);
    section.read("frame_rate_ratio", number(0.0..=1.0), &mut health.frame_rate_ratio);
    section.read("frame_rate_floor", number(0.0..=60.0), &mut health.frame_rate_floor);
    section.read("clock_error_seconds", seconds(0.1..=86_400.0), &mut health.clock_error);
    section.read("key_frame_interval_seconds", seconds(0.5..=120.0), &mut health.key_frame_interval);
    section.read("stale_after_seconds", seconds(10.0..=864_000.0), &mut health.stale_after);
    section.read("restart_gap_seconds", seconds(0.0..=3_600.0), &mut health.restart_gap);
    section.read("self_suspicion_ratio", number(0.1..=1.0), &mut health.self_suspicion_ratio);
    section.read("self_suspicion_points", whole(3..=1_000_000_u32), &mut health.self_suspicion_points);
}

fn picture(section: &mut Section<'_>, picture: &mut PictureSettings) {
    section.read("decoders", whole(0..=64_usize), &mut picture.decoders);
    section.read("cpu_ms_per_second", millis(1..=64_000), &mut picture.cpu_share);
    section.read("deadline_seconds", seconds(0.1..=60.0), &mut picture.deadline);
    section.read("public_period_seconds", seconds(1.0..=86_400.0), &mut picture.public_period);
    section.read("inner_period_seconds", seconds(1.0..=86_400.0), &mut picture.inner_period);
    section.read("doubtful_period_seconds", seconds(1.0..=86_400.0), &mut picture.doubtful_period);
    section.read("still_width_pixels", whole(64..=1_920_u16), &mut picture.still_width);
    section.read("still_period_seconds", seconds(60.0..=864_000.0), &mut picture.still_period);
    section.read("stills_folder", path, &mut picture.stills_folder);
    section.read("stills_bytes", whole(1_048_576..=1_u64 << 50), &mut picture.stills_bytes);
    section.read("stills_days", whole(1..=3_650_u32), &mut picture.stills_days);
    section.read("sky", word(&[("sun", SkySource::Sun), ("day", SkySource::AlwaysDay)]), &mut picture.sky);
    picture_rules(section, &mut picture.rules);
}

fn picture_rules(section: &mut Section<'_>, rules: &mut PictureRules) {
    section.read("learn_seconds", seconds(1.0..=8_640_000.0), &mut rules.learning.time);
    section.read("learn_pictures", whole(1..=100_000_u32), &mut rules.learning.pictures);
    section.read("weather_ratio", number(0.01..=1.0), &mut rules.weather.ratio);
    section.read("weather_points", whole(2..=1_000_000_usize), &mut rules.weather.least_points);
    section.read("black_mean", number(0.0..=255.0), &mut rules.black_mean);
    section.read("black_deviation", number(0.0..=255.0), &mut rules.black_deviation);
    section.read("torn_ratio", number(0.0..=1.0), &mut rules.torn_over_sides);
    section.read("moved_peak", number(0.0..=1.0), &mut rules.moved_peak);
    section.read("cast_baseline", number(0.0..=1_000.0), &mut rules.cast_baseline);
    section.section("item", |items| {
        for (item, rule) in rules.items.iter_mut() {
            items.section(item.as_str(), |section| item_rule(section, rule));
        }
    });
}

/// Limits that an item does not have by default cannot be given to it.
fn item_rule(section: &mut Section<'_>, rule: &mut Option<Rule>) {
    let Some(changed) = rule else { return };
    for (key, limit) in [("warning", &mut changed.warning), ("alarm", &mut changed.alarm)] {
        if let Some(limit) = limit {
            section.read(key, number(0.0..=86_400.0), limit);
        }
    }
    section.read("rounds", whole(1..=1_000_u32), &mut changed.rounds);
    section.read("confirm_seconds", seconds(0.0..=86_400.0), &mut changed.least_time);
    section.read("clear_rounds", whole(1..=1_000_u32), &mut changed.clear_rounds);
    let mut is_checked = true;
    section.read("check", boolean, &mut is_checked);
    if !is_checked {
        *rule = None;
    }
}

fn credentials(section: &mut Section<'_>, credentials: &mut Credentials) {
    section.read("key_file", path, &mut credentials.key_file);
}

fn incident(section: &mut Section<'_>, incident: &mut IncidentSettings) {
    section.read("verify_seconds", seconds(0.0..=86_400.0), &mut incident.verify);
    section.read("escalate_seconds", seconds(10.0..=864_000.0), &mut incident.escalate);
    section.read("announce_after_seconds", seconds(0.0..=3_600.0), &mut incident.announce_after);
    section.read("console_url", |value| console_url(value).map(Some), &mut incident.console_url);
}

fn report(section: &mut Section<'_>, report: &mut Report) {
    section.read("zone", zone, &mut report.zone);
    section.read("targets_file", |value| path(value).map(Some), &mut report.targets_file);
    section.read("provisional_days", whole(0..=28_u32), &mut report.provisional_days);
}

fn metrics(section: &mut Section<'_>, metrics: &mut MetricSettings) {
    let amounts: &[_] = &[("default", PerPoint::Default), ("full", PerPoint::Full)];
    section.read("per_point", word(amounts), &mut metrics.per_point);
    section.read("require_token", boolean, &mut metrics.require_token);
    section.read("deadmen", list(deadman), &mut metrics.deadmen);
    if metrics.deadmen.len() > DEADMEN {
        section.fault("deadmen", "must name at most 16");
    }
}

fn deadman(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let is_proper = is_deadman_name(&name);
    is_proper.then_some(name).ok_or_else(|| "must have 1 to 50 letters, digits, - and _".to_owned())
}

fn log(section: &mut Section<'_>, log: &mut Log) {
    section.read("filter", filter, &mut log.filter);
    let formats: &[_] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
    section.read("format", word(formats), &mut log.format);
}

fn console_url(value: &Value) -> Result<String, String> {
    let url = Url::parse(&text(value)?).ok();
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && (url.password(), url.query(), url.fragment()) == (None, None, None)
    };
    let url = url.filter(is_plain).ok_or("expected an address like http://10.1.2.3:8080")?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The URL is not repeated in the fault: it may hold a password.
fn database_url(value: &Value) -> Result<DatabaseUrl, String> {
    let url = text(value)?;
    if ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
        Ok(DatabaseUrl::new(url))
    } else {
        Err("must begin with sqlite: or postgres:".to_owned())
    }
}

fn zone(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    match jiff::tz::TimeZone::get(&name) {
        Ok(_) => Ok(name),
        Err(_) => Err(format!("`{name}` is no IANA time zone like Asia/Shanghai")),
    }
}

fn filter(value: &Value) -> Result<String, String> {
    let filter = text(value)?;
    match filter.parse::<tracing_subscriber::filter::EnvFilter>() {
        Ok(_) => Ok(filter),
        Err(_) => Err(format!("`{filter}` is no log filter like info or sharpeyes=debug,warn")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config/sharpeyes.toml");

    #[test]
    fn the_shipped_file_holds_the_defaults() {
        assert_eq!(parse(SHIPPED), Ok(Settings::default()));
    }

    /// An unknown key in a section makes the reader list the known ones: all of them must stand in the shipped file.
    #[test]
    fn the_shipped_file_names_every_key() {
        for name in [
            "server",
            "store",
            "watch",
            "watch.deadlines",
            "health",
            "picture",
            "picture.item.signal_lost",
            "picture.item.blank",
            "picture.item.blurred",
            "credentials",
            "incident",
            "report",
            "metrics",
            "log",
        ] {
            let faults = parse(&format!("[{name}]\nqqqqqqqqqqqqqqqqqqqq = 1")).unwrap_err();
            let known = faults[0].problem.split("known here: ").nth(1).unwrap();
            for key in known.split(", ").filter(|key| !["deadlines", "item"].contains(key)) {
                let stands = SHIPPED.lines().any(|line| {
                    line.trim_start_matches("# ").split('=').next().is_some_and(|left| left.trim() == key)
                });
                assert!(stands, "{name}.{key} is not in config/sharpeyes.toml");
            }
        }
    }

    #[test]
    fn a_console_is_an_address_without_a_user() {
        let check = |url: &str, expected: Option<&str>| {
            let parsed = parse(&format!("[incident]\nconsole_url = \"{url}\""));
            assert_eq!(parsed.ok().and_then(|settings| settings.incident.console_url).as_deref(), expected);
        };
        check("http://10.1.2.3:8080", Some("http://10.1.2.3:8080"));
        check("https://eyes.example/console/", Some("https://eyes.example/console"));
        check("http://u:p@10.1.2.3", None);
        check("http://10.1.2.3/?a=1", None);
        check("javascript:alert(1)", None);
        check("10.1.2.3:8080", None);
    }

    #[test]
    fn a_database_url_prints_no_password() {
        let settings = parse("[store]\nurl = \"postgres://u:secret@db/x\"").unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
        let faults = parse("[store]\nurl = \"mysql://u:secret@db/x\"").unwrap_err();
        assert!(!faults[0].problem.contains("secret"));
    }
}
