//! Files as rows of cells: CSV and XLSX, read row by row so that memory does not grow with the file's rows.
//!
//! Knows forms and encodings, not what the rows mean.

mod delimited;
mod workbook;

use crate::inventory::fault::{Fault, Wrong};
use delimited::Delimited;
use workbook::Workbook;

/// Most rows of one table: five times what a province keeps, and far below what would fill the memory with faults.
const ROW_LIMIT: u32 = 500_000;
/// Most columns of a row.
const COLUMN_LIMIT: usize = 512;

/// A cell as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawCell {
    /// Text; empty for an empty cell.
    Text(String),
    /// What a spreadsheet shows but cannot be taken for a value, and why.
    Unusable(String, Wrong),
}

impl RawCell {
    /// The text, as it is shown.
    pub(crate) fn shown(&self) -> &str {
        match self {
            Self::Text(text) | Self::Unusable(text, _) => text,
        }
    }

    /// Whether nothing is in the cell.
    pub(crate) fn is_blank(&self) -> bool {
        self.shown().trim().is_empty()
    }
}

/// A row with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawRow {
    /// Number as the spreadsheet or editor shows it, from 1.
    pub(crate) number: u32,
    /// Cells from the first column on.
    pub(crate) cells: Vec<RawCell>,
}

impl RawRow {
    /// Whether no cell holds anything.
    pub(crate) fn is_blank(&self) -> bool {
        self.cells.iter().all(RawCell::is_blank)
    }
}

/// A table of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    /// What messages call it: the file, with the sheet in brackets.
    pub(crate) label: String,
    /// Name of the sheet, where the file has sheets.
    pub(crate) sheet: Option<String>,
}

/// An opened file.
pub(crate) enum Sheets {
    /// One table.
    Delimited(Delimited),
    /// A table per sheet.
    Workbook(Box<Workbook>),
}

impl Sheets {
    /// Opens a file by what is in it, not by its name.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, Wrong> {
        if bytes.starts_with(b"PK\x03\x04") {
            Workbook::open(bytes).map(|book| Self::Workbook(Box::new(book)))
        } else if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            Err(Wrong::new(
                "is an old or password-protected Excel workbook",
                "save it as .xlsx without a password",
            ))
        } else {
            Delimited::open(bytes).map(Self::Delimited)
        }
    }

    /// The tables inside.
    pub(crate) fn tables(&self, name: &str) -> Vec<TableName> {
        match self {
            Self::Delimited(_) => vec![TableName { label: name.to_owned(), sheet: None }],
            Self::Workbook(book) => book
                .sheet_names()
                .into_iter()
                .map(|sheet| TableName { label: format!("{name}[{sheet}]"), sheet: Some(sheet) })
                .collect(),
        }
    }

    /// Hands every row that is not blank to `each`, until it fails.
    pub(crate) fn read<E>(
        &mut self,
        table: &TableName,
        each: &mut dyn FnMut(RawRow) -> Result<(), E>,
    ) -> Result<Option<Fault>, E> {
        let mut row_count = 0_u32;
        let mut last = 0;
        let mut counted = |row: RawRow| {
            row_count = row_count.saturating_add(1);
            last = row.number;
            if row_count > ROW_LIMIT {
                Err(Stop::Broken(Wrong::new(
                    format!("has more than {ROW_LIMIT} rows"),
                    "split it into several files",
                )))
            } else if row.cells.len() > COLUMN_LIMIT {
                Err(Stop::Broken(Wrong::new(
                    format!("has a value beyond column {COLUMN_LIMIT}"),
                    "remove what stands to the right of the table",
                )))
            } else if row.is_blank() {
                Ok(())
            } else {
                each(row).map_err(Stop::Asked)
            }
        };
        let outcome = match self {
            Self::Delimited(text) => text.read(&mut counted),
            Self::Workbook(book) => book.read(table.sheet.as_deref().unwrap_or(""), &mut counted),
        };
        match outcome {
            Ok(()) => Ok(None),
            Err(Stop::Asked(error)) => Err(error),
            Err(Stop::Broken(wrong)) => Ok(Some(Fault::of_source(&table.label, wrong).in_row(last.max(1)))),
        }
    }
}

/// Why reading ended before the last row.
pub(crate) enum Stop<E> {
    /// The reader of the rows asked for it.
    Asked(E),
    /// The file cannot be read further.
    Broken(Wrong),
}

/// Name of a column without a header, as spreadsheets write it: A, B, .., AA.
pub(crate) fn column_letters(index: usize) -> String {
    let mut rest = index;
    let mut letters = Vec::new();
    loop {
        let letter = u8::try_from(rest % 26).unwrap_or(0).saturating_add(b'A');
        letters.push(char::from(letter));
        if rest < 26 {
            return letters.into_iter().rev().collect();
        }
        rest = rest / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_in_a_spreadsheet() {
        for (index, expected) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(column_letters(index), expected);
        }
    }

    #[test]
    fn an_old_workbook_is_named_as_one() {
        let wrong = Sheets::open(vec![0xd0, 0xcf, 0x11, 0xe0]).err().unwrap();
        assert_eq!(wrong.wrong, "is an old or password-protected Excel workbook");
    }
}
