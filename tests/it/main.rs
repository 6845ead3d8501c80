//! The integration suite: drives what a user can (HTTP, RTSP, signals, files) and holds the architecture's rules.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test that cannot go on should stop")]
mod access_command;
mod api;
mod backup;
mod broken_config;
mod coverage;
mod floors;
#[cfg(feature = "simulate")]
mod guide;
mod health;
mod import;
#[cfg(all(feature = "fault-points", feature = "simulate"))]
mod incident;
#[cfg(feature = "simulate")]
mod notify;
mod picture;
mod prometheus;
mod report;
mod rtsp;
#[cfg(feature = "simulate")]
mod simulator;
mod start;
mod store;
#[cfg(feature = "simulate")]
mod supervised;
mod support;
#[cfg(feature = "simulate")]
mod whole;
