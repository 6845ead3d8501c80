//! `sharpeyes migrate`: brings the database schema to this version. Safe to repeat.

use crate::app::cli::ConfigArg;
use crate::app::say;
use crate::clock::Clock;
use crate::config;
use crate::store::Store;
use anyhow::Context;
use std::process::ExitCode;

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arg.config)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let store = Store::open(settings.store.url.expose()).await?;
        store.migrate().await?;
        store.prepare_months(Clock::system().now()).await?;
        store.close().await;
        say("the database is at the schema of this version");
        Ok(ExitCode::SUCCESS)
    })
}
