//! Floor 3: the tracker that owns every live state, the examiner of pictures, and the snapshot that others read.
//!
//! The decisions are `domain`'s; here they are fed with findings, inventory and exclusions, and carried out as
//! transitions, orders and snapshots.

pub mod examiner;
pub mod restore;
pub mod settings;
pub mod snapshot;
pub mod tracker;
