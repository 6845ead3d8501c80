//! `sharpeyes verify-audit`: walks the audit chain and tells whether every entry is as it was written.

use crate::app::cli::ConfigArg;
use crate::app::{FOUND_FAULTS, say, say_error};
use crate::config;
use crate::store::Store;
use crate::store::audit::AuditVerdict;
use anyhow::Context;
use std::process::ExitCode;

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arg.config)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let verdict = runtime.block_on(async {
        let store = Store::open_existing(settings.store.url.expose()).await?;
        store.migrate().await?;
        store.verify_audit().await
    })?;
    match verdict {
        AuditVerdict::Intact { entry_count, head } => {
            say(&format!("{entry_count} entries, every one as it was written; head {head}"));
            say("A cut tail does not show by itself: compare the head with one that was noted elsewhere.");
            Ok(ExitCode::SUCCESS)
        }
        AuditVerdict::BrokenAt { seq } => {
            say_error(&format!("entry {seq} is missing or was changed"));
            Ok(ExitCode::from(FOUND_FAULTS))
        }
    }
}
