//! The JSON forms of an import.

use crate::api::time::Time;
use crate::inventory::report::{Change, Difference, FieldChange, TableCount};
use crate::inventory::{Fault, ImportReport, TableKind};
use crate::store::inventory::ImportRun;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// Kind of the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableKindWord(pub(crate) TableKind);

impl<'de> Deserialize<'de> for TableKindWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

impl utoipa::PartialSchema for TableKindWord {
    fn schema() -> RefOr<Schema> {
        let words = TableKind::ALL.map(TableKind::as_str);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

impl utoipa::ToSchema for TableKindWord {}

/// An import that was applied or refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ImportRun)]
pub(crate) struct ImportRunDto {
    /// Number of the run.
    id: i64,
    /// When.
    at: Time,
    /// The inventory version that it led to; null when it was refused.
    version: Option<i64>,
    /// Who.
    by: String,
    /// Names of the files.
    files: Vec<String>,
    /// Records that were new.
    new: u64,
    /// Records that changed.
    changed: u64,
    /// Records that were the same.
    unchanged: u64,
    /// Kept records of the imported kinds that the files did not name.
    missing: u64,
    /// Faults; an import with faults was refused.
    faults: u64,
}

impl From<ImportRun> for ImportRunDto {
    fn from(run: ImportRun) -> Self {
        let ImportRun { id, at, version, note } = run;
        Self {
            id,
            at: at.into(),
            version,
            by: note.by,
            files: note.files,
            new: note.new_count,
            changed: note.changed_count,
            unchanged: note.unchanged_count,
            missing: note.missing_count,
            faults: note.fault_count,
        }
    }
}

/// What came of an import.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ImportReport)]
pub(crate) struct ImportReportDto {
    /// Whether it was a rehearsal.
    dry_run: bool,
    /// Number of the run; null for a rehearsal and when nothing changed.
    run: Option<i64>,
    /// Version of the inventory afterwards.
    version: i64,
    /// Counts for each kind of table.
    tables: Vec<TableCountDto>,
    /// The differences, up to 10 000.
    differences: Vec<DifferenceDto>,
    /// What is worth knowing and changes nothing.
    notes: Vec<String>,
    /// Everything that is wrong, up to 10 000; with any of it nothing is written.
    faults: Vec<FaultDto>,
    /// Number of all faults.
    fault_count: u64,
}

/// Counts of one kind of table.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TableCount)]
pub(crate) struct TableCountDto {
    /// The kind.
    kind: &'static str,
    /// Rows read.
    rows: u64,
    /// Records that are new.
    new: u64,
    /// Records that change.
    changed: u64,
    /// Records that stay as they are.
    unchanged: u64,
    /// Kept records that the files do not name; they stay.
    missing: u64,
}

/// How one record differs from what is kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Difference)]
pub(crate) struct DifferenceDto {
    /// Kind of table.
    kind: &'static str,
    /// Code of the record, or name of the credential.
    code: String,
    /// `new`, `changed` or `missing`.
    change: &'static str,
    /// The fields that differ.
    fields: Vec<FieldChangeDto>,
}

/// A field that differs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FieldChange)]
pub(crate) struct FieldChangeDto {
    /// The column.
    field: &'static str,
    /// What is kept; empty for nothing.
    from: String,
    /// What the file says; empty for nothing.
    to: String,
}

/// One fault of a file.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultDto {
    /// Name of the file, with the sheet in brackets.
    source: String,
    /// Row, from 1.
    row: Option<u32>,
    /// Column as its header names it.
    column: Option<String>,
    /// The value, unless it may hold a password.
    value: Option<String>,
    /// What is wrong.
    wrong: String,
    /// What would be right.
    right: String,
}

impl From<ImportReport> for ImportReportDto {
    fn from(report: ImportReport) -> Self {
        Self {
            dry_run: report.dry_run,
            run: report.run,
            version: report.version,
            tables: report.tables.into_iter().map(TableCountDto::from).collect(),
            differences: report.differences.into_iter().map(DifferenceDto::from).collect(),
            notes: report.notes,
            faults: report.faults.into_iter().map(FaultDto::from).collect(),
            fault_count: report.fault_count,
        }
    }
}

impl From<TableCount> for TableCountDto {
    fn from(count: TableCount) -> Self {
        let TableCount { kind, rows, new, changed, unchanged, missing } = count;
        Self { kind, rows, new, changed, unchanged, missing }
    }
}

impl From<Difference> for DifferenceDto {
    fn from(difference: Difference) -> Self {
        let (change, fields) = match difference.change {
            Change::New => ("new", Vec::new()),
            Change::Changed(fields) => ("changed", fields.into_iter().map(FieldChangeDto::from).collect()),
            Change::Missing => ("missing", Vec::new()),
        };
        Self { kind: difference.kind, code: difference.code, change, fields }
    }
}

impl From<FieldChange> for FieldChangeDto {
    fn from(FieldChange { field, from, to }: FieldChange) -> Self {
        Self { field, from, to }
    }
}

impl From<Fault> for FaultDto {
    fn from(Fault { source, row, column, value, wrong, right }: Fault) -> Self {
        Self { source, row, column, value, wrong, right }
    }
}
