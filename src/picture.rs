//! Floor 2: decodes key frames into the small pictures that are judged, and keeps stills as evidence.
//!
//! A key frame is what a stranger sent, and decoders are C code: they run in child processes of this same program
//! (`child`), confined before the first byte is read (`confine`), spoken to over pipes in a protocol with hard bounds
//! (`protocol`). The pool (`pool`) gives them work within a budget of CPU time; a child that dies, hangs or talks
//! nonsense costs one frame. Knows nothing of faults of pictures: who judges them is above.

pub mod child;
mod confine;
mod decoder;
mod jpeg;
mod layout;
pub mod pool;
mod protocol;
mod scan;
pub mod shelf;
mod shrink;
mod slices;
mod worker;

pub use pool::{PoolInputs, PoolStatus};
pub use shelf::{Shelf, ShelfBudget, ShelfError, Still};
pub use worker::{Ask, Breakdown, StartError, Worker};
