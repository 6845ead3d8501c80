//! Floor 3: the tracker that owns every live state, and the snapshot that others read.

pub mod snapshot;
