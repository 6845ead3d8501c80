//! Floor 3: the inventory between the files of the people who keep it and the store.
//!
//! Owns import and export, the words and columns of the files, and the sealing of camera credentials. Rows become
//! records of the domain here or are refused with everything that is wrong with them; nothing is dropped silently.

pub mod brand;
mod cell;
mod column;
pub mod credential;
pub mod export;
pub mod fault;
mod header;
pub mod import;
mod kind;
mod known;
mod merge;
pub mod reconcile;
pub mod report;
mod schema;
mod sheet;
pub mod transport;

pub use fault::Fault;
pub use import::{ImportError, ImportRequest, Mode, SourceFile, import};
pub use kind::TableKind;
pub use report::ImportReport;
