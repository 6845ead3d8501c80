//! Sets up the log.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The RTSP library tells about every session at level info, and dumps what it does not like at level warn; the filter of
/// the settings may ask for it again.
const QUIET: &str = "retina=error";

/// Starts logging to the error stream. A second start changes nothing.
pub(super) fn start(settings: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{QUIET},{}", settings.filter)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let _already_started = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
