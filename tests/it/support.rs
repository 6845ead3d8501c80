//! What several areas of the suite stand on.

pub(crate) mod postgres;
