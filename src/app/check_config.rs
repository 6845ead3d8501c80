//! `sharpeyes check-config`: reads the settings and tells everything that is wrong with them.

use crate::app::cli::ConfigArg;
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::config::{self, LoadError, Settings};
use std::fs::File;
use std::process::ExitCode;

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    match check(arg) {
        Ok(settings) => {
            if let Some(fault) = unreadable(&settings) {
                say_error(&format!("1 fault(s) in {}\n  {fault}", arg.config.display()));
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

/// What is wrong with a file that is read later, by those who pull: they would say so at each point.
fn unreadable(settings: &Settings) -> Option<String> {
    let file = settings.watch.authorities_file.as_deref()?;
    let error = File::open(file).err()?;
    Some(format!("watch.authorities_file: {} cannot be read: {error}", file.display()))
}
