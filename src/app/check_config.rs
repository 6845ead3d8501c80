//! `sharpeyes check-config`: reads the settings and tells everything that is wrong with them.

use crate::app::cli::ConfigArg;
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::config::{self, LoadError};
use std::process::ExitCode;

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    match check(arg) {
        Ok(()) => {
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
fn check(arg: &ConfigArg) -> Result<(), LoadError> {
    let settings = config::load(&arg.config)?;
    config::load_targets(settings.report.targets_file.as_deref())?;
    Ok(())
}
