//! `sharpeyes report`: the four-target figures of one month, as JSON or CSV on the standard output.

use crate::app::cli::{ReportArgs, ReportFormat};
use crate::app::say_error;
use crate::clock::Clock;
use crate::config;
use crate::coverage::{self, CoverageContext, Issue, MonthReport, Standing, Turns};
use crate::domain::{Calendar, DivisionCode, Month};
use crate::store::Store;
use crate::store::month::Frozen;
use anyhow::Context;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Reports a month and says on the error stream under which revision it holds.
pub(super) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let month: Month = args.month.parse()?;
    let division: Option<DivisionCode> = args.division.as_deref().map(str::parse).transpose()?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let report = runtime.block_on(compute(args, month, division))?;
    say_error(&standing(month, &report.standing));
    let text = match args.format {
        ReportFormat::Json => format!("{}\n", report.issued.json),
        ReportFormat::Csv => report.issued.csv.clone(),
    };
    std::io::stdout().write_all(text.as_bytes()).context("write the report")?;
    Ok(ExitCode::SUCCESS)
}

async fn compute(
    args: &ReportArgs,
    month: Month,
    division: Option<DivisionCode>,
) -> anyhow::Result<MonthReport> {
    // Draws on the error stream and only when that is a terminal.
    let progress = indicatif::ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(120));
    progress.set_message("reading the inventory");
    let settings = config::load(&args.config.config)?;
    let targets = config::load_targets(settings.report.targets_file.as_deref())?;
    let store = Store::open_existing(settings.store.url.expose()).await?;
    let inventory = Arc::new(store.load_inventory().await?);
    if let Some(division) = division {
        anyhow::ensure!(inventory.divisions.contains_key(&division), "division {division} is not known");
    }
    let (_keep_open, inventory) = watch::channel(inventory);
    let context = CoverageContext {
        store,
        clock: Clock::system(),
        calendar: Calendar::of_zone(&settings.report.zone)?,
        targets: Arc::new(targets),
        inventory,
        provisional: settings.report.provisional(),
        known_until: None,
        turns: Turns::default(),
    };
    let issue = if args.reissue { Issue::Anew } else { Issue::Kept };
    progress.set_message(format!("computing the figures of {month}"));
    let report = coverage::month(&context, month, division, issue).await?;
    progress.finish_and_clear();
    context.store.close().await;
    Ok(report)
}

fn standing(month: Month, standing: &Standing) -> String {
    match standing {
        Standing::Provisional { until } => format!("{month} is provisional until {until}"),
        Standing::Frozen(Frozen::First(now)) => {
            format!("{month} is closed: revision 1, sha256 {}", now.issued.hash)
        }
        Standing::Frozen(Frozen::Same(now)) => {
            format!("{month} is unchanged: revision {}, sha256 {}", now.revision, now.issued.hash)
        }
        Standing::Frozen(Frozen::Changed { before, now }) => format!(
            "{month} differs from revision {} (sha256 {}): revision {}, sha256 {}",
            before.revision, before.issued.hash, now.revision, now.issued.hash
        ),
    }
}
