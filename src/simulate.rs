//! Floor 2: the simulated village network that the demo, the tests and the benches watch.
//!
//! Owns the made-up fleet (`fleet`), the files that bring it into the inventory (`table`) and the faults that move
//! through it. Listens on loopback addresses only. Never part of a production build's work: nothing below `app` uses it.

pub mod dice;
pub mod fleet;
pub mod table;
