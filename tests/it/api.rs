//! The HTTP face over a real store, inventory and snapshot, asked as a client asks.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on should stop")]

mod access;
mod connection;
mod console;
mod coverage;
mod deadman;
mod document;
mod duty;
mod event;
mod exclusion;
mod fuzz;
mod import;
mod incident;
mod list;
mod metrics;
mod picture;
mod probe;
pub(crate) mod service;
