//! The contract of the store: every method, on SQLite and on PostgreSQL.

mod fixture;
mod heartbeat;
mod schema;
mod timeline;
