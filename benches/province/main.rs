//! Whether one box keeps up with a province of 100 000 points: schedule, tracker, store, figures, pages and metrics.
//!
//! No RTSP here: the findings are made up. `fleet` measures what a stream costs.

mod asking;
mod network;
mod report;
mod watching;

use anyhow::{Context, ensure};
use report::{Timing, say};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let fleet = network::province()?;
    say(&format!("{} points in {} villages", fleet.inventory.points.len(), fleet.inventory.divisions.len()));
    watching::schedule(&fleet.inventory);
    let folder = tempfile::tempdir()?;
    let files = sharpeyes::simulate::table::write(&fleet, &folder.path().join("inventory"))?;
    import(folder.path(), &files)?;
    tokio::runtime::Runtime::new()?.block_on(ask(folder.path()))
}

/// Brings the network in with the program itself.
fn import(folder: &Path, files: &[std::path::PathBuf]) -> anyhow::Result<()> {
    let config = folder.join("sharpeyes.toml");
    let place = folder.display();
    let settings = format!(
        "[store]\nurl = \"sqlite:{place}/province.db\"\n[credentials]\nkey_file = \"{place}/camera.key\"\n"
    );
    std::fs::write(&config, settings)?;
    let began = Instant::now();
    let imported = Command::new(env!("CARGO_BIN_EXE_sharpeyes"))
        .args(["import", "--json", "--config"])
        .arg(&config)
        .args(files)
        .stdout(Stdio::null())
        .status()
        .context("run the import")?;
    ensure!(imported.success(), "the import failed");
    say(&format!("import: {:.1} s of wall time for all kinds", began.elapsed().as_secs_f64()));
    Ok(())
}

async fn ask(folder: &Path) -> anyhow::Result<()> {
    let store = asking::database(folder).await?;
    let timing = Timing::start();
    let inventory = Arc::new(store.load_inventory().await?);
    say(&format!("store: inventory loaded in {:.2} s of CPU", timing.seconds()));
    let snapshot = watching::tracker(&inventory)?;
    asking::fill(&store, &inventory).await?;
    asking::ask(store, inventory, snapshot).await
}
