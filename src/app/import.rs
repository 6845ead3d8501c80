//! `sharpeyes import`: brings files into the inventory, or shows what they would change or what is wrong with them.

use crate::app::audit;
use crate::app::cli::ImportArgs;
use crate::app::{FOUND_FAULTS, plain, say, say_error};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::domain::site::Datum;
use crate::inventory::brand::Brands;
use crate::inventory::credential::key_file;
use crate::inventory::report::LISTED_LIMIT;
use crate::inventory::{ImportReport, ImportRequest, Mode, SourceFile, TableKind, import};
use crate::store::Store;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::sync::watch;

/// Largest file that is read.
const FILE_BYTES: u64 = 512 * 1024 * 1024;

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config.config)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let report = runtime.block_on(run_import(args, &settings))?;
    if args.json {
        say(&serde_json::to_string_pretty(&report).context("write the report as JSON")?);
    } else {
        tell(&report);
    }
    Ok(if report.is_refused() { ExitCode::from(FOUND_FAULTS) } else { ExitCode::SUCCESS })
}

pub(super) async fn run_import(args: &ImportArgs, settings: &Settings) -> anyhow::Result<ImportReport> {
    let store = Store::open(settings.store.url.expose()).await?;
    store.migrate().await?;
    let (progress, rows) = watch::channel(0);
    let request = request(args, settings, progress)?;
    if request.mode == Mode::Apply {
        enter(&store, &request.files).await?;
    }
    let clock = Clock::system();
    let (report, ()) = tokio::join!(import(&store, &clock, request), show_progress(rows));
    store.close().await;
    Ok(report?)
}

fn request(
    args: &ImportArgs,
    settings: &Settings,
    progress: watch::Sender<u64>,
) -> anyhow::Result<ImportRequest> {
    let zone = &settings.report.zone;
    let directory = config::environment("CREDENTIALS_DIRECTORY");
    Ok(ImportRequest {
        files: args.files.iter().map(read).collect::<anyhow::Result<_>>()?,
        kind: args.kind.as_deref().map(str::parse::<TableKind>).transpose()?,
        datum: datum(&args.datum)?,
        zone: TimeZone::get(zone).with_context(|| format!("take `{zone}` as the time zone"))?,
        mode: if args.dry_run { Mode::DryRun } else { Mode::Apply },
        by: audit::actor(),
        key_file: key_file(&settings.credentials.key_file, directory.as_deref()),
        brands: brands()?,
        progress: Some(progress),
    })
}

/// Enters an import in the audit, as one over HTTP is.
async fn enter(store: &Store, files: &[SourceFile]) -> anyhow::Result<()> {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    let body = serde_json::json!({ "files": names, "bytes": bytes }).to_string();
    Ok(audit::enter(store, "import.apply", &names.join(", "), &body).await?)
}

fn read(path: &PathBuf) -> anyhow::Result<SourceFile> {
    let size = std::fs::metadata(path).with_context(|| format!("open {}", path.display()))?.len();
    anyhow::ensure!(size <= FILE_BYTES, "{} is larger than {FILE_BYTES} bytes", path.display());
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(SourceFile { name, bytes })
}

fn datum(word: &str) -> anyhow::Result<Datum> {
    let words = Datum::ALL.map(Datum::as_str).join(", ");
    let found = Datum::ALL.into_iter().find(|datum| datum.as_str() == word);
    found.with_context(|| format!("`{word}` is no coordinate system; one of {words}"))
}

/// The brands whose stream addresses the build knows.
pub(super) fn brands() -> anyhow::Result<Brands> {
    Brands::built_in().map_err(|faults| {
        let file = Path::new("config/brands.toml").to_owned();
        config::ConfigFaults { file, faults }.into()
    })
}

/// Shows the rows read so far on a terminal, until the import drops its end.
async fn show_progress(mut rows: watch::Receiver<u64>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} rows read, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    while rows.changed().await.is_ok() {
        bar.set_position(*rows.borrow_and_update());
    }
    bar.finish_and_clear();
}

/// Tells a person what came of the import: faults first, or the difference, then the counts.
fn tell(report: &ImportReport) {
    for fault in &report.faults {
        say_error(&plain(&fault.to_string()));
    }
    if !report.is_refused() {
        report.differences.iter().for_each(|difference| say(&difference.to_string()));
    }
    report.notes.iter().for_each(|note| say(&plain(&format!("note: {note}"))));
    let listed = if report.is_refused() { report.faults.len() } else { report.differences.len() };
    if listed == LISTED_LIMIT {
        say(&format!("(only the first {LISTED_LIMIT} are listed)"));
    }
    for table in &report.tables {
        say(&format!(
            "{}: {} rows: {} new, {} changed, {} unchanged, {} not in the files",
            table.kind, table.rows, table.new, table.changed, table.unchanged, table.missing
        ));
    }
    say(&outcome(report));
}

fn outcome(report: &ImportReport) -> String {
    match (report.is_refused(), report.dry_run, report.run) {
        (true, _, _) => format!("{} fault(s); nothing was written", report.fault_count),
        (false, true, _) => "rehearsal only; nothing was written".to_owned(),
        (false, false, None) => "nothing to change".to_owned(),
        (false, false, Some(run)) => format!("import {run} applied; inventory version {}", report.version),
    }
}
