//! The contract of the store: every method, on SQLite and on PostgreSQL.

mod heartbeat;
mod schema;
