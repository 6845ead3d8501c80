//! `sharpeyes test-channel`: sends a test message, so that a wrong address or key is found before an outage is told to nobody.

use crate::app::cli::TestChannelArgs;
use crate::app::service::channels;
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::clock::Clock;
use crate::config;
use crate::domain::Timestamp;
use crate::domain::incident::Level;
use crate::domain::message::{Message, MessageKind, Severity};
use crate::notify::Channel;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::process::ExitCode;

pub(super) fn run(args: &TestChannelArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config.config)?;
    let clock = Clock::system();
    let chosen = choose(channels(&settings, &clock)?, args.name.as_deref())?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(send(&chosen, &message(clock.now())))
}

fn choose(channels: Vec<Channel>, name: Option<&str>) -> anyhow::Result<Vec<Channel>> {
    let names: Vec<String> = channels.iter().map(|channel| channel.name().to_owned()).collect();
    let wanted = |channel: &Channel| name.is_none_or(|name| name == channel.name());
    let chosen: Vec<Channel> = channels.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        bail!(
            "no such channel; the settings have: {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        );
    }
    Ok(chosen)
}

async fn send(channels: &[Channel], message: &Message) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for channel in channels {
        match channel.send(std::slice::from_ref(message)).await {
            Ok(()) => say(&format!("{}: delivered", channel.name())),
            Err(error) => {
                say_error(&format!("{}: {error}", channel.name()));
                code = ExitCode::from(FOUND_FAULTS);
            }
        }
    }
    Ok(code)
}

/// A message of its own each time: who drops what he has had already shows it again.
fn message(now: Timestamp) -> Message {
    Message {
        id: format!("test-{}", now.as_millis()),
        incident: None,
        kind: MessageKind::Test,
        severity: Severity::Ticket,
        level: Level::City,
        division: None,
        title: "【测试】通知渠道测试".to_owned(),
        text: "这是一条测试通知，无需处理。".to_owned(),
        at: now,
        since: now,
        ended: None,
        cause: String::new(),
        labels: BTreeMap::from([("alertname".to_owned(), "SharpEyesTest".to_owned())]),
        link: None,
    }
}
