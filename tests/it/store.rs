//! The contract of the store: every method, on SQLite and on PostgreSQL.

mod access;
mod backup;
mod crash;
mod decoded_size;
mod exclusion;
mod fact;
pub(crate) mod fixture;
mod heartbeat;
mod incident;
mod inventory;
mod lease;
mod month;
mod notification;
mod observation;
mod picture;
mod retention;
mod rollup;
mod schema;
mod silence;
mod span;
mod timeline;
mod transport;
mod upkeep;
mod writer;
