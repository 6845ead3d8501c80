//! Floor 0: what the words mean and how facts are decided.
//!
//! Owns ids, time, the inventory records, observations, verdicts, the state machine, interval algebra, root cause
//! and coverage arithmetic. Knows no I/O, no clock, no async, no random numbers and no serialisation format: every
//! function here is a plain function of its arguments.

pub mod access;
pub mod answer;
pub mod bits;
pub mod budget;
pub mod burn;
pub mod calendar;
pub mod cause;
pub mod code;
pub mod contact;
pub mod correlate;
pub mod coverage;
pub mod datum;
pub mod decode;
pub mod division;
pub mod exclusion;
pub mod finding;
pub mod flap;
pub mod gap;
pub mod grid;
pub mod hex;
pub mod history;
pub mod incident;
pub mod indicator;
pub mod interval;
pub mod inventory;
pub mod irap;
pub mod judge;
pub mod key_frame;
pub mod ladder;
pub mod link;
pub mod link_machine;
pub mod machine;
pub mod message;
pub mod meter;
pub mod norm;
pub mod observation;
pub mod outbox;
pub mod path;
pub mod patience;
pub mod picture;
pub mod place;
pub mod point;
pub mod quota;
pub mod record;
pub mod rtp;
pub mod schedule;
pub mod secret;
pub mod silence;
pub mod site;
pub mod sps;
pub mod state;
pub mod streak;
pub mod survey;
pub mod suspicion;
pub mod target;
pub mod time;
pub mod timeline;
pub mod transport;

pub use calendar::{Calendar, Day, DayPart, Month};
pub use cause::{Cause, ExclusionKind, Stage};
pub use code::{CodeError, DivisionCode, DivisionLevel, GridCode, LinkCode, PlaceCode, PointCode, SiteCode};
pub use coverage::{Counts, Figure, Ratio};
pub use exclusion::{Exclusion, ExclusionError, ExclusionRequest, ExclusionScope};
pub use finding::{Finding, LinkObservation, Order};
pub use indicator::{FigureId, Goal, Measure, Unit};
pub use interval::{Evidence, Provenance, StateInterval, Transition};
pub use inventory::{Inventory, RecordKind};
pub use link::{Link, LinkKind};
pub use observation::{
    ClockReading, Codec, Declared, Failure, Look, Measurement, Observation, Outcome, StageTimes,
};
pub use point::{Point, PointClass, PointStatus, WatchMode};
pub use state::{Condition, State};
pub use target::Targets;
pub use time::{Timestamp, Window};
pub use transport::{Transport, Trust};
