//! The header of a table: which column holds what, under titles, merged cells and a second language.

use crate::config::nearest::nearest;
use crate::domain::secret::may_hold_password;
use crate::inventory::TableKind;
use crate::inventory::column::{Column, plain};
use crate::inventory::fault::{Fault, Wrong};
use crate::inventory::schema;
use crate::inventory::sheet::{RawRow, column_letters};
use std::collections::BTreeMap;

/// Rows in which the header is looked for: a title, a note and two lines of merged cells fit.
pub(crate) const HEAD_ROWS: usize = 10;

/// What stands in one column of a table.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// A known column, under the name the file gives it.
    Known(&'static Column, String),
    /// A known field that is not kept.
    Unkept(String),
    /// An unknown name; told as a fault already.
    Unknown,
    /// No name.
    Nameless,
}

/// The header of a table.
#[derive(Debug)]
pub(crate) struct Header {
    slots: Vec<Slot>,
    /// Rows of the head that are no data.
    pub(crate) row_count: usize,
    /// What is wrong with it.
    pub(crate) faults: Vec<Fault>,
}

impl Header {
    /// Finds the header in the first rows of a table.
    pub(crate) fn find(kind: TableKind, label: &str, head: &[RawRow]) -> Result<Self, Wrong> {
        let names = |row: &RawRow| row.cells.iter().filter(|cell| slot(kind, cell.shown()).is_some()).count();
        let best =
            head.iter().map(names).enumerate().max_by_key(|(index, count)| (*count, HEAD_ROWS - index));
        let Some((first, _)) = best.filter(|(_, count)| *count > 0) else {
            return Err(no_header(kind));
        };
        let is_header =
            |row: &RawRow| row.cells.iter().all(|cell| cell.is_blank() || slot(kind, cell.shown()).is_some());
        let below = head.iter().skip(first.saturating_add(1)).take_while(|row| is_header(row)).count();
        let row_count = first.saturating_add(1).saturating_add(below);
        let rows: Vec<&RawRow> = head.iter().take(row_count).collect();
        let mut header = Self { slots: Vec::new(), row_count, faults: Vec::new() };
        header.fill(kind, label, &rows, first);
        Ok(header)
    }

    /// The header of a table whose header was not found: nothing of the table is read.
    pub(crate) const fn unreadable() -> Self {
        Self { slots: Vec::new(), row_count: 0, faults: Vec::new() }
    }

    /// Whether rows can be read under it.
    pub(crate) const fn is_readable(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Number of columns.
    pub(crate) const fn width(&self) -> usize {
        self.slots.len()
    }

    /// What stands in a column.
    pub(crate) fn slot(&self, index: usize) -> &Slot {
        self.slots.get(index).unwrap_or(&Slot::Nameless)
    }

    /// Whether the table has the column.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Known(column, _) if column.name == name))
    }

    /// A column as the file names it; its English name when the file lacks it.
    pub(crate) fn shown<'h>(&'h self, name: &'h str) -> &'h str {
        let shown = |slot: &'h Slot| match slot {
            Slot::Known(column, shown) if column.name == name => Some(shown.as_str()),
            Slot::Known(..) | Slot::Unkept(_) | Slot::Unknown | Slot::Nameless => None,
        };
        self.slots.iter().find_map(shown).unwrap_or(name)
    }

    /// Names of the columns that are understood and not kept.
    pub(crate) fn unkept(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Unkept(name) => Some(name.as_str()),
            Slot::Known(..) | Slot::Unknown | Slot::Nameless => None,
        })
    }

    fn fill(&mut self, kind: TableKind, label: &str, rows: &[&RawRow], first: usize) {
        let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let number = rows.get(first).map_or(1, |row| row.number);
        let fault =
            |wrong: Wrong, column: &str| Fault::of_source(label, wrong).in_row(number).in_column(column);
        let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
        for index in 0..width {
            let text = |row: &&RawRow| row.cells.get(index).map(|cell| cell.shown().trim().to_owned());
            let known = rows.iter().skip(first).chain(rows.iter().take(first)).filter_map(text);
            let slot = known.clone().find_map(|name| slot(kind, &name)).or_else(|| {
                let name = known.take(rows.len().saturating_sub(first)).find(|name| !name.is_empty())?;
                // A row of data that is taken for the header must not tell its secrets.
                let is_secret = kind == TableKind::Credentials || may_hold_password(&name);
                let shown = if is_secret { column_letters(index) } else { name.clone() };
                self.faults.push(fault(unknown(kind, &name), &shown));
                Some(Slot::Unknown)
            });
            let slot = slot.unwrap_or(Slot::Nameless);
            if let Slot::Known(column, name) = &slot
                && let Some(other) = owners.insert(column.name, index)
            {
                let letters = (column_letters(other), column_letters(index));
                let wrong = format!("columns {} and {} are both `{}`", letters.0, letters.1, column.name);
                self.faults.push(fault(Wrong::new(wrong, "keep one of them"), name));
            }
            self.slots.push(slot);
        }
        if let Some(key) = schema::columns(kind).first().filter(|key| !owners.contains_key(key.name)) {
            let right = format!("add a column `{}` ({})", key.name, key.chinese);
            self.faults.push(Fault::of_source(label, Wrong::new("has no key column", right)).in_row(number));
        }
    }
}

fn slot(kind: TableKind, text: &str) -> Option<Slot> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Some(column) = schema::columns(kind).iter().find(|column| column.is_called(text)) {
        return Some(Slot::Known(column, text.to_owned()));
    }
    let name = plain(text);
    let unkept = schema::unkept(kind).iter().any(|field| plain(field) == name) || name == "序号";
    unkept.then(|| Slot::Unkept(text.to_owned()))
}

fn no_header(kind: TableKind) -> Wrong {
    Wrong::new(
        format!("has no row of column names of {kind} in its first {HEAD_ROWS} rows"),
        format!("begin with {}", known_names(kind)),
    )
}

fn unknown(kind: TableKind, name: &str) -> Wrong {
    if kind != TableKind::Credentials && matches!(plain(name).as_str(), "password" | "密码" | "口令") {
        return Wrong::new("passwords are not taken here", "put them into the credentials table");
    }
    let names = schema::columns(kind)
        .iter()
        .flat_map(|column| [column.name, column.chinese].into_iter().chain(column.also.iter().copied()));
    let right = nearest(&plain(name), names).map_or_else(
        || format!("remove it, or use one of {}", known_names(kind)),
        |near| format!("did you mean `{near}`?"),
    );
    Wrong::new("unknown column", right)
}

fn known_names(kind: TableKind) -> String {
    schema::columns(kind).iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}
