//! Floor 1: what the service tells about itself. One function per operational event emits its log line and its
//! metric together, so that the two cannot drift apart.
//!
//! Owns the metric registry of the process and worker families (`metric`). Point, village and link families are
//! rendered from the live snapshot by `api`.

pub mod metric;
