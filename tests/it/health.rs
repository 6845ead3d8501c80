//! The tracker on a simulated clock: stories of faults and what is made of them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on should stop, and a story names what it is about"
)]

mod change;
mod incident;
mod network;
mod picture;
mod property;
mod scenario;
mod task;
mod world;
