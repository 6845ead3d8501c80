//! sharpeyes: tells whether a village camera network is covered, shared, available and under control.
//!
//! The library is a stack of floors; a module uses the floors below it only, never its neighbours
//! (`tests/it/floors.rs` holds this). `ARCHITECTURE.md` is the map.

pub mod api;
pub mod app;
pub mod child;
pub mod clock;
pub mod config;
pub mod coverage;
pub mod domain;
pub mod fault;
pub mod health;
pub mod incident;
pub mod ingest;
pub mod inventory;
pub mod notify;
pub mod picture;
pub mod probe;
pub mod reach;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod vital;
