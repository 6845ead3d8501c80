//! Figures end to end: inventory, history and exclusions in a store; reports, lists, gaps and months out of it.

mod figures;
pub(crate) mod fixture;
mod month;
mod rolled;
