//! `sharpeyes check-config`: reads the settings and tells everything that is wrong with them.

use crate::app::cli::ConfigArg;
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::clock::Clock;
use crate::config::{self, ChannelSettings, LoadError, Settings};
use crate::notify::Channel;
use std::fs::File;
use std::process::ExitCode;

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    match check(arg) {
        Ok(settings) => {
            let faults = unusable(&settings);
            if !faults.is_empty() {
                let lines = faults.join("\n  ");
                say_error(&format!("{} fault(s) in {}\n  {lines}", faults.len(), arg.config.display()));
                return Ok(ExitCode::from(FOUND_FAULTS));
            }
            say(&format!("{}: no fault", arg.config.display()));
            Ok(ExitCode::SUCCESS)
        }
        Err(LoadError::Faults(faults)) => {
            say_error(&faults.to_string());
            Ok(ExitCode::from(FOUND_FAULTS))
        }
        Err(error @ LoadError::Read { .. }) => Err(error.into()),
    }
}

/// Reads the settings, then the targets that they name.
fn check(arg: &ConfigArg) -> Result<Settings, LoadError> {
    let settings = config::load(&arg.config)?;
    config::load_targets(settings.report.targets_file.as_deref())?;
    Ok(settings)
}

/// What is wrong with files that the settings name and that are read later: by those who pull, which would say so at each point,
/// and by channels.
fn unusable(settings: &Settings) -> Vec<String> {
    let channels = settings.channels.iter().filter_map(unusable_channel);
    unreadable(settings).into_iter().chain(channels).collect()
}

fn unreadable(settings: &Settings) -> Option<String> {
    let file = settings.watch.authorities_file.as_deref()?;
    let error = File::open(file).err()?;
    Some(format!("watch.authorities_file: {} cannot be read: {error}", file.display()))
}

fn unusable_channel(channel: &ChannelSettings) -> Option<String> {
    let directory = config::environment("CREDENTIALS_DIRECTORY");
    let error = Channel::new(channel, &Clock::system(), directory.as_deref()).err()?;
    Some(format!("channel {}: {:#}", channel.name, anyhow::Error::new(error)))
}
