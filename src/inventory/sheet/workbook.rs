//! XLSX workbooks, cell by cell. A workbook is unpacked once into nothing, only to count, before it is trusted.

use crate::inventory::fault::Wrong;
use crate::inventory::sheet::{RawCell, RawRow, Stop};
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Most unpacked bytes of the sheets, which are streamed: 100 000 rows of 45 full columns take a quarter of it.
const SHEET_BYTES: u64 = 1024 * 1024 * 1024;
/// Most unpacked bytes of everything else, shared texts above all, which are held in memory.
const OTHER_BYTES: u64 = 96 * 1024 * 1024;
/// Most files inside.
const PART_LIMIT: usize = 2000;
/// Longest stretch without a tag; a cell of Excel holds at most 32 767 characters.
const STRETCH_BYTES: usize = 512 * 1024;
/// From here on a number has lost digits: a double keeps 15.
const LOSSY_NUMBER: f64 = 1e15;

/// An opened workbook.
pub(crate) struct Workbook {
    book: Xlsx<Cursor<Vec<u8>>>,
}

impl Workbook {
    /// Opens a workbook that unpacks to a bearable size.
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, Wrong> {
        let cursor = check_size(Cursor::new(bytes))?;
        let book = Xlsx::new(cursor).map_err(|error| unreadable(&error))?;
        Ok(Self { book })
    }

    /// Names of the sheets, in order.
    pub(super) fn sheet_names(&self) -> Vec<String> {
        self.book.sheet_names()
    }

    /// Hands every row of a sheet to `each`.
    pub(super) fn read<E>(
        &mut self,
        sheet: &str,
        each: &mut dyn FnMut(RawRow) -> Result<(), Stop<E>>,
    ) -> Result<(), Stop<E>> {
        let broken = |error: calamine::XlsxError| Stop::Broken(unreadable(&error));
        let mut cells = self.book.worksheet_cells_reader(sheet).map_err(broken)?;
        let mut row = RawRow { number: 0, cells: Vec::new() };
        while let Some(cell) = cells.next_cell().map_err(broken)? {
            let (row_index, column_index) = cell.get_position();
            let number = row_index.saturating_add(1);
            if number != row.number {
                let full = std::mem::replace(&mut row, RawRow { number, cells: Vec::new() });
                if full.number > 0 {
                    each(full)?;
                }
            }
            put(&mut row, column_index, raw(cell.get_value()));
        }
        if row.number > 0 { each(row) } else { Ok(()) }
    }
}

/// Sets a cell; one beyond the limit widens the row just far enough for the limit to be noticed.
fn put(row: &mut RawRow, column_index: u32, cell: RawCell) {
    if cell.is_blank() {
        return;
    }
    let index = usize::try_from(column_index).unwrap_or(usize::MAX).min(super::COLUMN_LIMIT);
    if row.cells.len() <= index {
        row.cells.resize(index.saturating_add(1), RawCell::Text(String::new()));
    }
    if let Some(slot) = row.cells.get_mut(index) {
        *slot = cell;
    }
}

fn unreadable(error: &calamine::XlsxError) -> Wrong {
    Wrong::new(format!("cannot be read as a workbook: {error}"), "save it as .xlsx again")
}

fn raw(value: &DataRef<'_>) -> RawCell {
    match value {
        DataRef::Empty => RawCell::Text(String::new()),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            RawCell::Text(text.clone())
        }
        DataRef::SharedString(text) => RawCell::Text((*text).to_owned()),
        DataRef::Bool(value) => RawCell::Text(if *value { "yes" } else { "no" }.to_owned()),
        DataRef::Int(number) => RawCell::Text(number.to_string()),
        DataRef::Float(number) => from_number(*number),
        DataRef::DateTime(date) => RawCell::Text(from_date(date)),
        DataRef::Error(error) => RawCell::Unusable(
            error.to_string(),
            Wrong::new("is an error of the spreadsheet", "set the formula right or write the value"),
        ),
    }
}

fn from_number(number: f64) -> RawCell {
    if number.abs() >= LOSSY_NUMBER {
        return RawCell::Unusable(
            format!("{number:e}"),
            Wrong::new(
                "is a number of more than 15 digits, and the spreadsheet has lost the last ones",
                "format the column as text and enter the code again",
            ),
        );
    }
    RawCell::Text(number.to_string())
}

fn from_date(date: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _milli) = date.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Unpacks every part into nothing and counts, whatever sizes the directory claims.
fn check_size(cursor: Cursor<Vec<u8>>) -> Result<Cursor<Vec<u8>>, Wrong> {
    let damaged = |error: zip::result::ZipError| {
        Wrong::new(format!("cannot be unpacked: {error}"), "save it as .xlsx again")
    };
    let mut archive = ZipArchive::new(cursor).map_err(damaged)?;
    if archive.len() > PART_LIMIT {
        return Err(too_large(format!("holds {} parts", archive.len())));
    }
    let (mut sheets, mut others) = (SHEET_BYTES, OTHER_BYTES);
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(damaged)?;
        let name = part.name().map_err(damaged)?;
        if name.starts_with("xl/media/") {
            continue; // pictures are never unpacked
        }
        let is_sheet = name.starts_with("xl/worksheets/");
        let left = if is_sheet { &mut sheets } else { &mut others };
        let size = measure(&mut part, *left)?;
        *left = left.saturating_sub(size);
    }
    Ok(archive.into_inner())
}

fn too_large(what: String) -> Wrong {
    Wrong::new(what, "give a workbook with the tables only, split if need be")
}

/// Counts the bytes of a part; stops at `limit`.
fn measure(part: &mut dyn Read, limit: u64) -> Result<u64, Wrong> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut size, mut stretch) = (0_u64, 0_usize);
    loop {
        let length = part
            .read(&mut buffer)
            .map_err(|error| Wrong::new(format!("cannot be unpacked: {error}"), "save it as .xlsx again"))?;
        let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else { return Ok(size) };
        size = size.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        stretch = match chunk.iter().rposition(|byte| *byte == b'<') {
            Some(at) => length.saturating_sub(at),
            None => stretch.saturating_add(length),
        };
        if size > limit {
            return Err(too_large("unpacks to more than a workbook of this system may".to_owned()));
        }
        if stretch > STRETCH_BYTES {
            return Err(too_large("holds a cell longer than Excel allows".to_owned()));
        }
    }
}
