//! `sharpeyes serve`: builds the service, runs it until a signal, and stops it in the order of the data.

use crate::app::cli::ConfigArg;
use crate::app::service::{Service, Stopped};
use crate::app::signal::StopSignals;
use crate::app::stopping::LEAVE_THREADS;
use crate::app::supervisor::Supervisor;
use crate::app::{COULD_NOT_RUN, log, open_files, say};
use crate::config::{self, Settings};
use crate::telemetry;
use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;

pub(super) fn run(arg: &ConfigArg) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arg.config)?;
    log::start(&settings.log);
    run_to_end(async {
        let mut stop = StopSignals::listen()?;
        let asked = async {
            stop.asked().await;
            Ok(())
        };
        serve(settings, asked).await
    })
}

/// Runs `work` with one worker per core: more of them cost CPU and gain nothing.
pub(super) fn run_to_end(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(work);
    // A host name that is still being resolved must not hold up the exit.
    runtime.shutdown_timeout(LEAVE_THREADS);
    code
}

/// Runs the service until `end`, also while it starts; an error there is told after everything has stopped.
pub(super) async fn serve(
    settings: Settings,
    end: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let mut end = pin!(end);
    let supervisor = Supervisor::of_environment()?;
    let open_files = open_files::raise()?;
    supervisor.starting();
    let mut service = tokio::select! {
        biased;
        ended = &mut end => {
            supervisor.stopping();
            return ended.map(|()| ExitCode::SUCCESS);
        }
        started = Service::start(settings, open_files) => started?,
    };
    say(&format!("sharpeyes listens on http://{}", service.address()));
    supervisor.ready(service.address());
    let signs = service.signs();
    let ended = tokio::select! {
        ended = end => ended.map(|()| ExitCode::SUCCESS),
        task = service.failed() => {
            telemetry::task_ended_early(task);
            Ok(ExitCode::from(COULD_NOT_RUN))
        }
        never = supervisor.keep_alive(signs) => match never {},
    };
    supervisor.stopping();
    match service.stop().await {
        Stopped::InTime => {}
        Stopped::Late(tasks) => telemetry::stopped_late(&tasks),
    }
    ended
}
