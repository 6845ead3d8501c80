//! Floor 4: the incident desk. Follows the live picture, keeps what [`crate::domain::incident::desk`] says and carries out what people do.

mod scene;
pub mod task;

pub use task::{Deed, DeskInputs, IncidentOrder, OrderError, run};
