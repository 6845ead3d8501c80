//! The contract of the store: every method, on SQLite and on PostgreSQL.

mod access;
mod backup;
mod fact;
pub(crate) mod fixture;
mod heartbeat;
mod observation;
mod retention;
mod rollup;
mod schema;
mod timeline;
mod upkeep;
mod writer;
