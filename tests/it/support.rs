//! What several areas of the suite stand on.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test that meets something else should stop")]

pub(crate) mod browser;
pub(crate) mod folder;
pub(crate) mod postgres;
#[cfg(feature = "simulate")]
pub(crate) mod process;
#[cfg(feature = "simulate")]
pub(crate) mod service;
