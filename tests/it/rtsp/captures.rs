//! The captures that lie in the retina crate, replayed.
