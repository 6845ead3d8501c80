//! `sharpeyes export`: gives back what was imported, without credentials.

use crate::app::cli::{ExportArgs, TableFormat};
use crate::app::say;
use crate::config::{self, Settings};
use crate::inventory::export::{Written, to_folder, to_workbook};
use crate::store::Store;
use anyhow::Context;
use jiff::tz::TimeZone;
use std::process::ExitCode;

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config.config)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let written = runtime.block_on(write(args, &settings))?;
    for (kind, count) in written {
        say(&format!("{}: {count}", kind.as_str()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn write(args: &ExportArgs, settings: &Settings) -> anyhow::Result<Written> {
    let zone = &settings.report.zone;
    let zone = TimeZone::get(zone).with_context(|| format!("take `{zone}` as the time zone"))?;
    let store = Store::open_existing(settings.store.url.expose()).await?;
    store.migrate().await?;
    let written = match args.format {
        TableFormat::Csv => to_folder(&store, zone, args.to.clone()).await,
        TableFormat::Xlsx => to_workbook(&store, zone, args.to.clone()).await,
    };
    store.close().await;
    Ok(written?)
}
