//! Import: every file is read to its end, everything wrong is told at once, and all is written or nothing.
//!
//! Rows are taken in batches, so that memory holds the changes and never the files' rows. A rehearsal runs the same
//! code and rolls the transaction back.

mod secrets;
mod table;

use crate::clock::Clock;
use crate::domain::link::{DEPTH_LIMIT, PathFault, path_faults};
use crate::domain::site::Datum;
use crate::domain::{DivisionCode, GridCode, LinkCode, PointCode, RecordKind};
use crate::inventory::TableKind;
use crate::inventory::brand::Brands;
use crate::inventory::credential::CredentialError;
use crate::inventory::fault::{Fault, Wrong};
use crate::inventory::known::Known;
use crate::inventory::merge::Ground;
use crate::inventory::report::{Change, Difference, ImportReport, TableCount};
use crate::inventory::sheet::{Sheets, TableName};
use crate::store::inventory::{Applied, ChangeSet, Ending, RunNote};
use crate::store::{Store, StoreError};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// A file as it came.
#[derive(Clone)]
pub struct SourceFile {
    /// Name, which tells the kind of a table and is repeated in messages.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

/// Whether an import is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write.
    Apply,
    /// Show the difference and leave nothing.
    DryRun,
}

/// What to import and how.
#[derive(Debug)]
pub struct ImportRequest {
    /// The files: all of them are one import.
    pub files: Vec<SourceFile>,
    /// Kind of a table whose name does not tell.
    pub kind: Option<TableKind>,
    /// Coordinate system of positions that name none.
    pub datum: Datum,
    /// Zone of days without an offset.
    pub zone: TimeZone,
    /// Whether it is kept.
    pub mode: Mode,
    /// Who imports.
    pub by: String,
    /// The key that seals credentials; made when missing and needed.
    pub key_file: PathBuf,
    /// Stream addresses by brand.
    pub brands: Brands,
    /// Told the number of rows read so far; only the newest number matters.
    pub progress: Option<watch::Sender<u64>>,
}

/// Why an import could not be carried out. What is wrong with its files is told in the report instead.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store failed.
    #[error("import into the store")]
    Store(#[from] StoreError),
    /// Credentials could not be sealed.
    #[error("seal the credentials")]
    Credential(#[from] CredentialError),
    /// Another import was applied while this one was read.
    #[error("the inventory was changed by another import meanwhile; import again")]
    Stale,
    /// The work was cut off.
    #[error("the import was cut off")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Imports files into the store, or shows what an import would change.
pub async fn import(
    store: &Store,
    clock: &Clock,
    request: ImportRequest,
) -> Result<ImportReport, ImportError> {
    let (store, now, handle) = (store.clone(), clock.now(), Handle::current());
    let work = move || {
        let ground = Ground {
            zone: request.zone.clone(),
            datum: request.datum,
            now_ms: now.as_millis(),
            brands: request.brands.clone(),
        };
        let importer = Importer {
            known: handle.block_on(Known::load(&store))?,
            based_on: handle.block_on(store.inventory_version())?,
            names: request.files.iter().map(|file| file.name.clone()).collect(),
            store,
            handle,
            ground,
            seen: HashMap::new(),
            counts: BTreeMap::new(),
            records: BTreeMap::new(),
            credentials: Vec::new(),
            wanted_credentials: BTreeMap::new(),
            report: ImportReport { dry_run: request.mode == Mode::DryRun, ..ImportReport::default() },
            row_count: 0,
        };
        importer.run(request)
    };
    tokio::task::spawn_blocking(work).await.map_err(ImportError::Interrupted)?
}

/// Where a record was read.
#[derive(Clone, Debug)]
struct Origin {
    label: Arc<str>,
    row: u32,
}

/// An import under way.
struct Importer {
    store: Store,
    handle: Handle,
    ground: Ground,
    known: Known,
    based_on: i64,
    names: Vec<String>,
    /// Where each record of the files was read first.
    seen: HashMap<(TableKind, String), Origin>,
    counts: BTreeMap<TableKind, TableCount>,
    records: BTreeMap<RecordKind, Vec<String>>,
    credentials: Vec<(String, Vec<u8>)>,
    /// Credentials that points name and nobody knows, with the number of points.
    wanted_credentials: BTreeMap<String, u64>,
    report: ImportReport,
    row_count: u64,
}

impl Importer {
    fn run(mut self, mut request: ImportRequest) -> Result<ImportReport, ImportError> {
        let mut files = self.open(std::mem::take(&mut request.files));
        let mut tables = self.tables(&files, request.kind);
        tables.sort_by_key(|(kind, _, _)| *kind);
        for (kind, file, table) in tables {
            if let Some(sheets) = files.get_mut(file).and_then(Option::as_mut) {
                self.read_table(&request, kind, sheets, &table)?;
            }
        }
        drop(files);
        self.check_parents();
        self.check_paths();
        self.find_missing()?;
        self.note_credentials();
        self.finish(&request)
    }

    fn open(&mut self, files: Vec<SourceFile>) -> Vec<Option<Sheets>> {
        let mut opened = Vec::new();
        for file in files {
            match Sheets::open(file.bytes) {
                Ok(sheets) => opened.push(Some(sheets)),
                Err(wrong) => {
                    self.report.blame(Fault::of_source(&file.name, wrong));
                    opened.push(None);
                }
            }
        }
        opened
    }

    /// The tables of all files with their kinds; a table whose kind nothing tells is a fault.
    fn tables(
        &mut self,
        files: &[Option<Sheets>],
        declared: Option<TableKind>,
    ) -> Vec<(TableKind, usize, TableName)> {
        let mut tables = Vec::new();
        for (index, (sheets, name)) in files.iter().zip(&self.names).enumerate() {
            for table in sheets.iter().flat_map(|sheets| sheets.tables(name)) {
                let sheet = table.sheet.as_deref();
                if sheet.is_some_and(is_remark) {
                    self.report.notes.push(format!("{}: remarks, not read", table.label));
                    continue;
                }
                let told = match sheet {
                    Some(sheet) => TableKind::of_name(sheet).or(declared),
                    None => declared,
                };
                match told.or_else(|| TableKind::of_name(name)) {
                    Some(kind) => tables.push((kind, index, table)),
                    None => self.report.blame(Fault::of_source(&table.label, nameless())),
                }
            }
        }
        tables
    }

    /// Every division has its parent.
    fn check_parents(&mut self) {
        let kind = TableKind::Records(RecordKind::Division);
        let mut orphans: Vec<(Origin, DivisionCode, DivisionCode)> = self
            .seen
            .iter()
            .filter(|((seen_kind, _), _)| *seen_kind == kind)
            .filter_map(|((_, code), origin)| {
                let code: DivisionCode = code.parse().ok()?;
                let parent = code.parent()?;
                (!self.known.has_division(parent.as_str())).then(|| (origin.clone(), code, parent))
            })
            .collect();
        orphans.sort_by_key(|(origin, _, _)| origin.row);
        for (origin, code, parent) in orphans {
            let wrong = format!("its {} {parent} is unknown", parent.level().as_str());
            self.blame_at(
                &origin,
                "code",
                code.as_str(),
                Wrong::new(wrong, "add the division above it as well"),
            );
        }
    }

    /// Every link has known parents, and its way to the top ends.
    fn check_paths(&mut self) {
        let links = self.known.links();
        let mut faults: Vec<(LinkCode, String, Wrong)> = Vec::new();
        for (link, parents) in links {
            for parent in parents.iter().filter(|parent| !links.contains_key(*parent)) {
                let wrong = format!("link {parent} is unknown");
                faults.push((
                    link.clone(),
                    parent.to_string(),
                    Wrong::new(wrong, "add the link, or correct its code"),
                ));
            }
        }
        for (link, fault) in path_faults(links) {
            let wrong = match fault {
                PathFault::Cycle(cycle) => {
                    let way: Vec<&str> = cycle.iter().chain(cycle.first()).map(LinkCode::as_str).collect();
                    Wrong::new(
                        format!("the way to the top goes in a circle: {}", way.join(" -> ")),
                        "name the link that really lies above",
                    )
                }
                PathFault::TooDeep(depth) => Wrong::new(
                    format!("the way to the top passes {depth} links"),
                    format!("at most {DEPTH_LIMIT} are meant; name the link that really lies above"),
                ),
            };
            faults.push((link, String::new(), wrong));
        }
        for (link, value, wrong) in faults {
            let key = (TableKind::Records(RecordKind::Link), link.to_string());
            match self.seen.get(&key).cloned() {
                Some(origin) => self.blame_at(&origin, "parents", &value, wrong),
                None => self.report.blame(Fault::of_source(&format!("stored link {link}"), wrong)),
            }
        }
    }

    fn blame_at(&mut self, origin: &Origin, column: &str, value: &str, wrong: Wrong) {
        let fault = Fault::of_source(&origin.label, wrong).in_row(origin.row).in_column(column);
        self.report.blame(fault.with_value(value));
    }

    /// Notes the kept records that the files do not name. They stay.
    fn find_missing(&mut self) -> Result<(), ImportError> {
        let kinds: Vec<TableKind> = self.counts.keys().copied().collect();
        for kind in kinds {
            let codes = match kind {
                TableKind::Credentials => self.handle.block_on(self.store.credential_names())?,
                TableKind::Records(kind) => self.handle.block_on(self.store.record_codes(kind))?,
            };
            let seen = &self.seen;
            let missing = codes.into_iter().filter(|code| !seen.contains_key(&(kind, code.clone())));
            for code in missing.collect::<Vec<_>>() {
                self.count(kind).missing += 1;
                self.report.differ(Difference { kind: kind.as_str(), code, change: Change::Missing });
            }
        }
        Ok(())
    }

    fn note_credentials(&mut self) {
        for (name, count) in &self.wanted_credentials {
            self.report.notes.push(format!(
                "credential `{name}`, named by {count} point(s), is not stored yet; import it with the credentials"
            ));
        }
    }

    fn count(&mut self, kind: TableKind) -> &mut TableCount {
        let empty = TableCount { kind: kind.as_str(), ..TableCount::default() };
        self.counts.entry(kind).or_insert(empty)
    }

    /// Writes everything, or notes the refusal.
    fn finish(mut self, request: &ImportRequest) -> Result<ImportReport, ImportError> {
        self.report.tables = self.counts.values().copied().collect();
        self.report.version = self.based_on;
        let set = ChangeSet {
            based_on: self.based_on,
            at: crate::domain::Timestamp::from_millis(self.ground.now_ms),
            records: std::mem::take(&mut self.records),
            credentials: std::mem::take(&mut self.credentials),
            run: self.note(request),
        };
        let ending = match request.mode {
            Mode::Apply => Ending::Keep,
            Mode::DryRun => Ending::RollBack,
        };
        if !self.report.is_refused() && !set.is_empty() {
            match self.handle.block_on(self.store.apply_inventory(&set, ending))? {
                Applied::Done { version, run } if ending == Ending::Keep => {
                    self.report.version = version;
                    self.report.run = Some(run);
                }
                Applied::Done { .. } => {}
                Applied::Stale => return Err(ImportError::Stale),
                Applied::Torn(points) => self.blame_torn(points),
            }
        }
        if self.report.is_refused() && request.mode == Mode::Apply {
            let note = self.note(request);
            self.report.run = Some(self.handle.block_on(self.store.note_refused_import(set.at, &note))?);
        }
        Ok(self.report)
    }

    fn blame_torn(&mut self, points: Vec<(PointCode, GridCode)>) {
        for (point, grid) in points {
            let key = (TableKind::Records(RecordKind::Grid), grid.to_string());
            let origin = self.seen.get(&key).cloned();
            let origin = origin.unwrap_or_else(|| Origin { label: Arc::from("store"), row: 0 });
            let wrong = format!("grid {grid} leaves the village of its point {point}");
            self.blame_at(
                &origin,
                "village",
                "",
                Wrong::new(wrong, "import the point with its new village as well"),
            );
        }
    }

    fn note(&self, request: &ImportRequest) -> RunNote {
        RunNote {
            by: request.by.clone(),
            files: self.names.clone(),
            new_count: self.report.total(|table| table.new),
            changed_count: self.report.total(|table| table.changed),
            unchanged_count: self.report.total(|table| table.unchanged),
            missing_count: self.report.total(|table| table.missing),
            fault_count: self.report.fault_count,
        }
    }
}

/// Whether a sheet explains the others.
fn is_remark(sheet: &str) -> bool {
    let sheet = sheet.to_lowercase();
    ["说明", "须知", "readme", "notes"].into_iter().any(|word| sheet.contains(word))
}

fn nameless() -> Wrong {
    let kinds: Vec<&str> = TableKind::ALL.into_iter().map(TableKind::as_str).collect();
    Wrong::new(
        "the name does not tell what the table holds",
        format!("name the file or sheet after one of {}, or say it with --kind", kinds.join(", ")),
    )
}
