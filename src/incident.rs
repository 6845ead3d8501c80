//! Floor 4: the incident desk. Follows the live picture, keeps what [`crate::domain::incident::desk`] says and carries out what people do.

mod crowd;
mod notice;
pub mod outbox;
mod scene;
pub mod task;

pub use notice::NoticeSettings;
pub use scene::Places;
pub use task::{Deed, DeskInputs, IncidentOrder, OrderError, run};
