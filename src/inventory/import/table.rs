//! Reading one table: header, rows, batches.

use super::{ImportError, ImportRequest, Importer, Origin};
use crate::domain::RecordKind;
use crate::inventory::TableKind;
use crate::inventory::cell::{Cell, unguarded};
use crate::inventory::column::{Column, Need};
use crate::inventory::fault::{Fault, Wrong};
use crate::inventory::header::{HEAD_ROWS, Header, Slot};
use crate::inventory::known::{Body, parse, text};
use crate::inventory::merge::{Edit, Merge, required};
use crate::inventory::report::{Change, Difference, FieldChange};
use crate::inventory::schema;
use crate::inventory::sheet::{RawCell, RawRow, Sheets, TableName, column_letters};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows merged at once: one query finds what is kept of them.
const BATCH: usize = 500;

/// A table under way.
struct Table {
    kind: TableKind,
    label: Arc<str>,
    head: Vec<RawRow>,
    header: Option<Header>,
    batch: Vec<Edit>,
    /// Columns that the file lacks, told once.
    lacking: Vec<&'static str>,
}

impl Importer {
    /// Reads a table to its end.
    pub(super) fn read_table(
        &mut self,
        request: &ImportRequest,
        kind: TableKind,
        sheets: &mut Sheets,
        name: &TableName,
    ) -> Result<(), ImportError> {
        let mut table = Table {
            kind,
            label: Arc::from(name.label.as_str()),
            head: Vec::new(),
            header: None,
            batch: Vec::new(),
            lacking: Vec::new(),
        };
        let broken = sheets.read(name, &mut |row| self.take_row(request, &mut table, row))?;
        if table.header.is_none() && !table.head.is_empty() {
            self.begin(request, &mut table)?;
        }
        self.take_batch(request, &mut table)?;
        broken.into_iter().for_each(|fault| self.report.blame(fault));
        Ok(())
    }

    fn take_row(
        &mut self,
        request: &ImportRequest,
        table: &mut Table,
        row: RawRow,
    ) -> Result<(), ImportError> {
        if table.header.is_some() {
            return self.take_data(request, table, &row);
        }
        table.head.push(row);
        if table.head.len() == HEAD_ROWS { self.begin(request, table) } else { Ok(()) }
    }

    /// Finds the header and takes the rows that were read to find it.
    fn begin(&mut self, request: &ImportRequest, table: &mut Table) -> Result<(), ImportError> {
        let head = std::mem::take(&mut table.head);
        let mut header = match Header::find(table.kind, &table.label, &head) {
            Ok(header) => header,
            Err(wrong) => {
                self.report.blame(Fault::of_source(&table.label, wrong));
                table.header = Some(Header::unreadable());
                return Ok(());
            }
        };
        std::mem::take(&mut header.faults).into_iter().for_each(|fault| self.report.blame(fault));
        let unkept: Vec<&str> = header.unkept().collect();
        if !unkept.is_empty() {
            self.report.notes.push(format!("{}: not kept: {}", table.label, unkept.join(", ")));
        }
        let row_count = header.row_count;
        self.count(table.kind);
        table.header = Some(header);
        head.iter().skip(row_count).try_for_each(|row| self.take_data(request, table, row))
    }

    fn take_data(
        &mut self,
        request: &ImportRequest,
        table: &mut Table,
        row: &RawRow,
    ) -> Result<(), ImportError> {
        let Some(header) = table.header.as_ref().filter(|header| header.is_readable()) else { return Ok(()) };
        self.count(table.kind).rows += 1;
        self.row_count = self.row_count.saturating_add(1);
        if let Some(edit) = self.read_row(table.kind, &table.label, header, row) {
            table.batch.push(edit);
        }
        // All credentials are taken at once: a lost key may be replaced only when every one of them is there.
        let is_full = table.batch.len() >= BATCH && table.kind != TableKind::Credentials;
        if is_full { self.take_batch(request, table) } else { Ok(()) }
    }

    /// Reads the cells of a row; a row without a usable code, or whose code came before, is told and left.
    fn read_row(&mut self, kind: TableKind, label: &Arc<str>, header: &Header, row: &RawRow) -> Option<Edit> {
        let mut edit = Edit { row: row.number, code: String::new(), given: Vec::new(), refused: Vec::new() };
        let width = header.width().max(row.cells.len());
        let blank = RawCell::Text(String::new());
        for index in 0..width {
            let cell = row.cells.get(index).unwrap_or(&blank);
            match header.slot(index) {
                Slot::Known(column, shown) => {
                    if let Err(wrong) = self.read_cell(&mut edit, column, cell) {
                        edit.refused.push(column.name);
                        let fault = Fault::of_source(label, wrong).in_row(row.number).in_column(shown);
                        let is_secret = kind == TableKind::Credentials;
                        self.report.blame(fault.with_value(if is_secret { "" } else { cell.shown().trim() }));
                    }
                }
                Slot::Nameless if !cell.is_blank() => {
                    let wrong = Wrong::new(
                        "stands in a column without a name",
                        "name the column or remove the value",
                    );
                    let fault = Fault::of_source(label, wrong).in_row(row.number);
                    let shown = if kind == TableKind::Credentials { "" } else { cell.shown() };
                    self.report.blame(fault.in_column(&column_letters(index)).with_value(shown));
                }
                Slot::Nameless | Slot::Unkept(_) | Slot::Unknown => {}
            }
        }
        self.register(kind, label, &mut edit).then_some(edit)
    }

    fn read_cell(&self, edit: &mut Edit, column: &'static Column, cell: &RawCell) -> Result<(), Wrong> {
        let shown = match cell {
            RawCell::Text(text) => text.as_str(),
            RawCell::Unusable(_, wrong) => return Err(wrong.clone()),
        };
        let is_secret = matches!(column.cell, Cell::Secret);
        let empty = if is_secret { shown.is_empty() } else { cell.is_blank() };
        if empty {
            edit.given.push((column, None));
            return Ok(());
        }
        let text = if is_secret { shown } else { unguarded(shown) };
        let value = column.cell.read(text, &self.ground.zone)?;
        self.check_reference(column, &value)?;
        edit.given.push((column, Some(value)));
        Ok(())
    }

    /// A code that names another record names one that exists.
    fn check_reference(&self, column: &Column, value: &Value) -> Result<(), Wrong> {
        let code = value.as_str().unwrap_or("");
        let Some(kind) = column.cell.refers_to().filter(|kind| !self.known.has(*kind, code)) else {
            return Ok(());
        };
        let word = kind.as_str().trim_end_matches('s');
        let word = if matches!(column.cell, Cell::Village) { "village" } else { word };
        Err(Wrong::new(
            format!("{word} {code} is unknown"),
            format!("add it to {}, or correct the code", kind.as_str()),
        ))
    }

    /// Notes where a record is read. Tells whether it can be gone on with.
    fn register(&mut self, kind: TableKind, label: &Arc<str>, edit: &mut Edit) -> bool {
        let Some(key) = schema::columns(kind).first() else { return false };
        let given = edit.given.iter().find(|(column, _)| column.name == key.name);
        let Some((_, Some(Value::String(code)))) = given else {
            if given.is_some() {
                let wrong = Wrong::new("is empty", required(key));
                self.report.blame(Fault::of_source(label, wrong).in_row(edit.row).in_column(key.name));
            }
            return false;
        };
        edit.code.clone_from(code);
        let origin = Origin { label: Arc::clone(label), row: edit.row };
        if let Some(first) = self.seen.get(&(kind, code.clone())) {
            let wrong = format!("is already in row {} of {}", first.row, first.label);
            let fault =
                Fault::of_source(label, Wrong::new(wrong, "keep one of the two rows")).in_row(edit.row);
            let is_secret = kind == TableKind::Credentials;
            self.report.blame(fault.in_column(key.name).with_value(if is_secret { "" } else { code }));
            return false;
        }
        self.seen.insert((kind, code.clone()), origin);
        match kind {
            TableKind::Credentials => self.known.add_credential(code),
            TableKind::Records(kind) => self.known.add_code(kind, code),
        }
        true
    }

    /// Merges the rows read so far with what is kept of them.
    fn take_batch(&mut self, request: &ImportRequest, table: &mut Table) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut table.batch);
        if let Some(progress) = &request.progress {
            progress.send_replace(self.row_count);
        }
        match table.kind {
            TableKind::Credentials => self.take_secrets(request, &table.label, batch),
            TableKind::Records(kind) => self.take_records(kind, table, &batch),
        }
    }

    fn take_records(
        &mut self,
        kind: RecordKind,
        table: &mut Table,
        batch: &[Edit],
    ) -> Result<(), ImportError> {
        let codes: Vec<&str> = batch.iter().map(|edit| edit.code.as_str()).collect();
        let bodies = self.handle.block_on(self.store.record_bodies(kind, &codes))?;
        let kept: HashMap<String, Body> = bodies
            .iter()
            .filter_map(|body| parse(body))
            .map(|body| (text(&body, "code").to_owned(), body))
            .collect();
        let Some(header) = &table.header else { return Ok(()) };
        for edit in batch {
            let before = kept.get(&edit.code);
            let merged =
                Merge::new(&self.ground, &self.known, (kind, &table.label, header), edit, before).run();
            for column in merged.lacking {
                if !table.lacking.contains(&column.name) {
                    table.lacking.push(column.name);
                    let wrong = format!("has no column `{}`, and the record is new", column.name);
                    let fault = Fault::of_source(&table.label, Wrong::new(wrong, required(column)));
                    self.report.blame(fault.in_row(edit.row));
                }
            }
            merged.faults.into_iter().for_each(|fault| self.report.blame(fault));
            self.want_credential(&merged.body);
            self.known.add(kind, &merged.body);
            self.compare(kind, &edit.code, before, &merged.body);
        }
        Ok(())
    }

    fn want_credential(&mut self, body: &Body) {
        let name = text(body, "credential");
        if !name.is_empty() && !self.known.has_credential(name) {
            let count = self.wanted_credentials.entry(name.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Counts a record as new, changed or unchanged, and takes it for writing unless it is unchanged.
    fn compare(&mut self, kind: RecordKind, code: &str, before: Option<&Body>, body: &Body) {
        let kind_of_table = TableKind::Records(kind);
        let change = match before {
            Some(before) if before == body => {
                self.count(kind_of_table).unchanged += 1;
                return;
            }
            Some(before) => {
                self.count(kind_of_table).changed += 1;
                Change::Changed(self.field_changes(kind_of_table, before, body))
            }
            None => {
                self.count(kind_of_table).new += 1;
                Change::New
            }
        };
        self.report.differ(Difference { kind: kind.as_str(), code: code.to_owned(), change });
        if !self.report.is_refused() {
            self.records.entry(kind).or_default().push(Value::Object(body.clone()).to_string());
        }
    }

    fn field_changes(&self, kind: TableKind, before: &Body, body: &Body) -> Vec<FieldChange> {
        let written = |column: &Column, body: &Body| {
            body.get(column.field)
                .map(|value| column.cell.write(value, &self.ground.zone))
                .unwrap_or_default()
        };
        schema::columns(kind)
            .iter()
            .filter(|column| column.need != Need::Shorthand)
            .filter(|column| before.get(column.field) != body.get(column.field))
            .map(|column| FieldChange {
                field: column.name,
                from: written(column, before),
                to: written(column, body),
            })
            .collect()
    }
}
