//! Floor 2: the simulated village network that the demo, the tests and the benches watch.
//!
//! Owns the made-up fleet (`fleet`), the files that bring it into the inventory (`table`), the faults that move through
//! it (`fault`, `script`, `world`) and, with the `simulate` feature, the pictures that its cameras see (`scene`) and the
//! network that serves it all over real RTSP on loopback addresses (`network`). Nothing but `app` uses it.

#[cfg(feature = "simulate")]
pub mod child;
#[cfg(feature = "simulate")]
pub mod control;
#[cfg(feature = "simulate")]
mod dialogue;
pub mod dice;
#[cfg(feature = "simulate")]
pub mod ear;
#[cfg(feature = "simulate")]
pub mod encode;
pub mod fault;
pub mod fleet;
#[cfg(feature = "simulate")]
pub mod media;
#[cfg(feature = "simulate")]
pub mod network;
#[cfg(feature = "simulate")]
mod packet;
#[cfg(feature = "simulate")]
pub mod relay;
#[cfg(feature = "simulate")]
pub mod scene;
pub mod script;
#[cfg(feature = "simulate")]
pub mod studio;
pub mod table;
pub mod world;
