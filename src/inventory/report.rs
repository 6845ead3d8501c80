//! What an import found and did: the difference to what is kept, or everything that is wrong.

use crate::inventory::Fault;
use serde::Serialize;
use std::fmt;

/// Most faults and differences that are listed; all are counted.
pub const LISTED_LIMIT: usize = 10_000;

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Whether it was a rehearsal.
    pub dry_run: bool,
    /// Number of the run; none for a rehearsal and when nothing changed.
    pub run: Option<i64>,
    /// Version of the inventory afterwards.
    pub version: i64,
    /// Counts for each kind of table in the files.
    pub tables: Vec<TableCount>,
    /// The differences, up to [`LISTED_LIMIT`].
    pub differences: Vec<Difference>,
    /// What was understood and is worth knowing, and changes nothing.
    pub notes: Vec<String>,
    /// Everything that is wrong, up to [`LISTED_LIMIT`]; with any of it nothing is written.
    pub faults: Vec<Fault>,
    /// Number of all faults.
    pub fault_count: u64,
}

impl ImportReport {
    /// Whether something is wrong, so that nothing was written.
    pub const fn is_refused(&self) -> bool {
        self.fault_count > 0
    }

    /// Sums one count over the tables.
    pub fn total(&self, count: impl Fn(&TableCount) -> u64) -> u64 {
        self.tables.iter().map(count).sum()
    }

    /// Notes a fault.
    pub(crate) fn blame(&mut self, fault: Fault) {
        self.fault_count = self.fault_count.saturating_add(1);
        if self.faults.len() < LISTED_LIMIT {
            self.faults.push(fault);
        }
    }

    /// Notes a difference.
    pub(crate) fn differ(&mut self, difference: Difference) {
        if self.differences.len() < LISTED_LIMIT {
            self.differences.push(difference);
        }
    }
}

/// Counts of one kind of table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableCount {
    /// The kind.
    pub kind: &'static str,
    /// Rows read.
    pub rows: u64,
    /// Records that are new.
    pub new: u64,
    /// Records that change.
    pub changed: u64,
    /// Records that stay as they are.
    pub unchanged: u64,
    /// Records that are kept and that the files do not name. They stay.
    pub missing: u64,
}

/// How one record differs from what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Kind of table.
    pub kind: &'static str,
    /// Code of the record, or name of the credential.
    pub code: String,
    /// In what.
    pub change: Change,
}

/// In what a record differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not kept yet.
    New,
    /// These fields differ.
    Changed(Vec<FieldChange>),
    /// The files do not name it. It stays.
    Missing,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The column.
    pub field: &'static str,
    /// What is kept; empty text for nothing.
    pub from: String,
    /// What the file says; empty text for nothing.
    pub to: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Change::New => write!(f, "+ {} {}", self.kind, self.code),
            Change::Missing => write!(f, "? {} {} is not in the files and stays", self.kind, self.code),
            Change::Changed(fields) => {
                write!(f, "~ {} {}", self.kind, self.code)?;
                for FieldChange { field, from, to } in fields {
                    write!(f, "\n    {field}: `{from}` -> `{to}`")?;
                }
                Ok(())
            }
        }
    }
}
