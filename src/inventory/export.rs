//! Export: gives back what was imported, in files that import again as the same inventory. Credentials never leave.
//!
//! Records are read page by page and written as they come, so memory does not grow with their number.

use crate::domain::RecordKind;
use crate::inventory::TableKind;
use crate::inventory::cell::guarded;
use crate::inventory::column::{Column, Need};
use crate::inventory::known::{Body, parse, text};
use crate::inventory::schema;
use crate::store::{Store, StoreError};
use jiff::tz::TimeZone;
use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// Records read from the store at once.
const PAGE: i64 = 1000;

/// Marks a CSV file as UTF-8: without it spreadsheets take Chinese for something else.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error("read the inventory")]
    Store(#[from] StoreError),
    /// A file could not be made or written.
    #[error("write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A table could not be written as CSV.
    #[error("write CSV")]
    Csv(#[from] csv::Error),
    /// A workbook could not be written.
    #[error("write the workbook")]
    Workbook(#[from] XlsxError),
    /// The work was cut off.
    #[error("the export was cut off")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Number of records written of each kind.
pub type Written = Vec<(RecordKind, u64)>;

/// Writes a CSV file of each kind into a folder.
pub async fn to_folder(store: &Store, zone: TimeZone, folder: PathBuf) -> Result<Written, ExportError> {
    blocking(store, zone, move |source| {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| ExportError::File { path, source: error }
        };
        std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let mut written = Vec::new();
        for kind in RecordKind::ALL {
            let path = folder.join(format!("{}.csv", kind.as_str()));
            let file = std::fs::File::create(&path).map_err(failed(&path))?;
            written.push((kind, source.write_csv(kind, std::io::BufWriter::new(file))?));
        }
        Ok(written)
    })
    .await
}

/// Writes a workbook with a sheet of each kind.
pub async fn to_workbook(store: &Store, zone: TimeZone, path: PathBuf) -> Result<Written, ExportError> {
    blocking(store, zone, move |source| {
        let mut workbook = Workbook::new();
        let mut written = Vec::new();
        for kind in RecordKind::ALL {
            let sheet = workbook.add_worksheet_with_constant_memory()?;
            sheet.set_name(kind.as_str())?;
            written.push((kind, source.write_sheet(kind, sheet)?));
        }
        workbook.save(&path)?;
        Ok(written)
    })
    .await
}

/// One kind as the bytes of a CSV file.
pub async fn to_csv(store: &Store, zone: TimeZone, kind: RecordKind) -> Result<Vec<u8>, ExportError> {
    blocking(store, zone, move |source| {
        let mut bytes = Vec::new();
        source.write_csv(kind, &mut bytes)?;
        Ok(bytes)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    store: &Store,
    zone: TimeZone,
    work: impl FnOnce(&Source) -> Result<T, ExportError> + Send + 'static,
) -> Result<T, ExportError> {
    let source = Source { store: store.clone(), zone, handle: Handle::current() };
    tokio::task::spawn_blocking(move || work(&source)).await.map_err(ExportError::Interrupted)?
}

/// The store, read from a thread that may block.
struct Source {
    store: Store,
    zone: TimeZone,
    handle: Handle,
}

impl Source {
    fn write_csv(&self, kind: RecordKind, mut file: impl Write) -> Result<u64, ExportError> {
        file.write_all(UTF8_MARK).map_err(csv::Error::from)?;
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(columns(kind).map(|column| column.name))?;
        let count = self.each(kind, |_row, body| {
            Ok(writer.write_record(columns(kind).map(|column| self.cell(column, body)))?)
        })?;
        writer.flush().map_err(csv::Error::from)?;
        Ok(count)
    }

    fn write_sheet(&self, kind: RecordKind, sheet: &mut Worksheet) -> Result<u64, ExportError> {
        for (index, column) in (0_u16..).zip(columns(kind)) {
            sheet.write_string(0, index, column.name)?;
        }
        self.each(kind, |row, body| {
            for (index, column) in (0_u16..).zip(columns(kind)) {
                let cell = self.cell(column, body);
                if !cell.is_empty() {
                    sheet.write_string(row, index, cell)?;
                }
            }
            Ok(())
        })
    }

    /// Hands every record to `write` with the number of its row, counted from 1.
    fn each(
        &self,
        kind: RecordKind,
        mut write: impl FnMut(u32, &Body) -> Result<(), ExportError>,
    ) -> Result<u64, ExportError> {
        let (mut after, mut row) = (String::new(), 0_u32);
        loop {
            let page = self.handle.block_on(self.store.record_page(kind, &after, PAGE))?;
            if page.is_empty() {
                return Ok(u64::from(row));
            }
            for body in &page {
                let body = parse(body).ok_or_else(|| StoreError::Corrupt {
                    what: "version of a record",
                    value: body.clone(),
                })?;
                row = row.saturating_add(1);
                write(row, &body)?;
                text(&body, "code").clone_into(&mut after);
            }
        }
    }

    fn cell(&self, column: &Column, body: &Body) -> String {
        body.get(column.field).map(|value| guarded(column.cell.write(value, &self.zone))).unwrap_or_default()
    }
}

/// The columns of a kind that are kept.
fn columns(kind: RecordKind) -> impl Iterator<Item = &'static Column> {
    schema::columns(TableKind::Records(kind)).iter().filter(|column| column.need != Need::Shorthand)
}
