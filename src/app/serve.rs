//! `sharpeyes serve`: builds the service, runs it until a signal, and stops it in the order of the data.

use crate::app::cli::ConfigArg;
use crate::app::service::{Service, Stopped};
use crate::app::{COULD_NOT_RUN, log, say};
use crate::config::{self, Settings};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arg.config)?;
    log::start(&settings.log);
    let runtime = runtime()?;
    let code = runtime.block_on(serve(settings));
    // A host name that is still being resolved must not hold up the exit.
    runtime.shutdown_background();
    code
}

/// One worker per core: more of them cost CPU and gain nothing.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Runs the service until SIGTERM or Ctrl-C.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut service = Service::start(settings).await?;
    say(&format!("sharpeyes listens on http://{}", service.address()));
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        task = service.failed() => Some(task),
    };
    match service.stop().await {
        Stopped::InTime => {}
        Stopped::Late(tasks) => tracing::warn!(tasks = tasks.join(", "), "tasks did not stop in time"),
    }
    match failed {
        None => Ok(ExitCode::SUCCESS),
        Some(task) => {
            tracing::error!(task, "a task ended although it was not told to; the service stops");
            Ok(ExitCode::from(COULD_NOT_RUN))
        }
    }
}
