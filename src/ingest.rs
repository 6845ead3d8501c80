//! Floor 2: looks at points over RTSP.
//!
//! Owns the sessions (`session`), the kinds of looks (`look`) and the one task that decides when each takes place
//! (`scheduler`). Hands every look to the health tracker as a `Finding` and knows nothing of what becomes of it; only a look that
//! somebody waits for (`question`) is answered to him instead.

pub mod credential;
mod flood;
mod host;
pub mod look;
mod options;
mod playing;
pub mod pull;
mod question;
pub mod scheduler;
mod session;
mod stall;
pub mod tap;
pub mod target;
mod transport;
mod visit;

pub use credential::{Credential, Hold, Holds};
pub use look::{LookRequest, Sight, look_once};
pub use pull::Puller;
pub use question::{Question, Refused};
pub use scheduler::{SchedulerInputs, SchedulerStatus};
pub use tap::Tap;
pub use target::{LinkBudget, Target, TargetSet};
pub use transport::{Note, Transports, Way};
