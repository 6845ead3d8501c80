//! RTSP: looks against servers that nobody here wrote, against captured camera dialogues and against a scripted fake.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on should stop"
)]

mod captures;
mod fake;
mod faults;
mod foreign;
mod look;
mod probe;
mod relay;
mod schedule;
mod stop;
mod transport;
