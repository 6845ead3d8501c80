//! `sharpeyes backup`: a consistent copy of the database, while the service runs.

use crate::app::cli::BackupArgs;
use crate::app::say;
use crate::config;
use crate::store::Store;
use crate::store::backup::partial_path;
use anyhow::Context;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How often the grown file is looked at for the bar.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config.config)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let store = Store::open_existing(settings.store.url.expose()).await?;
        let partial = partial_path(&args.to);
        let progress = bar(store.size_bytes().await?)?;
        // Dropping the copy half-way leaves a `.partial` file, which the next backup removes.
        tokio::select! {
            copied = store.backup_to(&args.to) => copied?,
            () = follow(&partial, &progress) => {}
        }
        progress.finish_and_clear();
        store.close().await;
        let size = tokio::fs::metadata(&args.to).await.context("look at the copy")?.len();
        say(&format!("{}: {}", args.to.display(), HumanBytes(size)));
        Ok(ExitCode::SUCCESS)
    })
}

/// Draws on the error stream and only when that is a terminal. A copy may end smaller than the database.
fn bar(size_bytes: u64) -> anyhow::Result<ProgressBar> {
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed}").context("draw the bar")?;
    Ok(ProgressBar::new(size_bytes).with_style(style))
}

/// Shows the growing file until it is dropped.
async fn follow(partial: &Path, progress: &ProgressBar) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        if let Ok(file) = tokio::fs::metadata(partial).await {
            progress.set_position(file.len());
        }
    }
}
