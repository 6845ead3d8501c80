//! What several areas of the suite stand on.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test that meets something else should stop")]

pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod service;
