//! `sharpeyes alive`: asks the running service for its signs of life, for a container's health check and for people.

use crate::app::cli::ConfigArg;
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::config;
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Longest time for the connection, and for each part of the answer; `/readyz` waits a second for the database.
const DEADLINE: Duration = Duration::from_secs(5);
/// The answer has some hundred bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;
/// Without these of what `/readyz` may miss nothing is watched, and a restart helps.
const VITAL: [&str; 2] = ["tracker", "scheduler"];

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arg.config)?;
    let address = reachable(settings.server.listen);
    let missing = match ask(address).and_then(|answer| missing(&answer)) {
        Ok(missing) => missing,
        Err(error) => {
            say_error(&format!("http://{address}: {error:#}"));
            return Ok(ExitCode::from(FOUND_FAULTS));
        }
    };
    say(&words(&missing));
    Ok(if hangs(&missing) { ExitCode::from(FOUND_FAULTS) } else { ExitCode::SUCCESS })
}

/// Where a service that listens everywhere is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let loopback = match listen {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let ip = if listen.ip().is_unspecified() { loopback } else { listen.ip() };
    SocketAddr::new(ip, listen.port())
}

/// The answer to a question that needs no token.
fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).context("connect")?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    // Version 1.0: the answer ends with the connection and is in one piece.
    write!(stream, "GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n").context("ask")?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer).context("read the answer")?;
    Ok(answer)
}

/// What is missing, by the body of an answer of `/readyz`.
fn missing(answer: &str) -> anyhow::Result<Vec<String>> {
    let (_head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let Ok(Value::Object(readiness)) = serde_json::from_str(body) else {
        bail!("what answers there is no sharpeyes");
    };
    let missing =
        readiness.get("missing").and_then(Value::as_array).context("the answer says nothing of it")?;
    Ok(missing.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn hangs(missing: &[String]) -> bool {
    missing.iter().any(|part| VITAL.contains(&part.as_str()))
}

fn words(missing: &[String]) -> String {
    let life = if hangs(missing) { "hangs" } else { "alive" };
    if missing.is_empty() { life.to_owned() } else { format!("{life}; missing: {}", missing.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_database_lives_and_one_without_tracker_hangs() {
        let check = |body: &str, expected: Option<&str>| {
            let answer = format!("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 1\r\n\r\n{body}");
            assert_eq!(missing(&answer).ok().map(|missing| words(&missing)).as_deref(), expected, "{body}");
        };
        check(r#"{"ready":true,"missing":[]}"#, Some("alive"));
        check(
            r#"{"ready":false,"missing":["store","first_round"]}"#,
            Some("alive; missing: store, first_round"),
        );
        check(r#"{"ready":false,"missing":["tracker"]}"#, Some("hangs; missing: tracker"));
        check(r#"{"ready":false,"missing":["store","scheduler"]}"#, Some("hangs; missing: store, scheduler"));
        check("<html>", None);
        check("{}", None);
    }

    #[test]
    fn a_service_that_listens_everywhere_is_asked_on_loopback() {
        let check = |listen: &str, expected: &str| {
            assert_eq!(reachable(listen.parse().unwrap()), expected.parse().unwrap());
        };
        check("0.0.0.0:8080", "127.0.0.1:8080");
        check("[::]:8080", "[::1]:8080");
        check("10.2.3.4:80", "10.2.3.4:80");
    }
}
