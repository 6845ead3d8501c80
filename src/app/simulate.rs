//! `sharpeyes simulate`: the simulated network in a process of its own, so that its CPU is measured apart.

use super::cli::SimulateArgs;
use std::process::ExitCode;

#[cfg(not(feature = "simulate"))]
pub(super) fn run(_args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no simulator; build with `--features simulate`")
}

#[cfg(feature = "simulate")]
pub(super) use running::run;

#[cfg(feature = "simulate")]
mod running {
    use super::{ExitCode, SimulateArgs};
    use crate::app::signal::StopSignals;
    use crate::app::{open_files, say, say_error};
    use crate::clock::Clock;
    use crate::simulate::control;
    use crate::simulate::fleet::{Plan, Watched};
    use crate::simulate::network::{Network, Options};
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio_util::sync::CancellationToken;

    /// One listening socket per address (about 1200), two sockets per session, four per media.
    const OPEN_FILES: u64 = 8192;

    pub(in crate::app) fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let code = match &args.tell {
            Some(order) => runtime.block_on(tell(args, order)),
            None => runtime.block_on(simulate(args)),
        };
        // A thread may still read standard input or encode a clip; neither leaves anything half done.
        runtime.shutdown_background();
        code
    }

    async fn tell(args: &SimulateArgs, order: &str) -> anyhow::Result<ExitCode> {
        let answer = control::ask(&args.dir, order).await?;
        say(&answer);
        Ok(if answer.starts_with("error:") { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
        if let Some(limit) = open_files::raise()?.filter(|limit| *limit < OPEN_FILES) {
            say_error(&format!(
                "{limit} files may be open at once but the whole fleet takes up to {OPEN_FILES}: raise `ulimit -Hn`"
            ));
        }
        let cancel = CancellationToken::new();
        let options = options(args);
        let clock = Clock::system();
        let starting = Network::start(&options, &clock, &cancel);
        let end = end_of(args);
        tokio::pin!(end);
        let network = tokio::select! {
            biased;
            ended = &mut end => return ended.map(|()| ExitCode::SUCCESS),
            network = starting => network?,
        };
        say(&format!(
            "ready: {} addresses on port {}, files in {}",
            network.addresses,
            args.port,
            args.dir.display()
        ));
        end.await?;
        cancel.cancel();
        network.finish().await;
        Ok(ExitCode::SUCCESS)
    }

    fn options(args: &SimulateArgs) -> Options {
        let kept = args.continuous.map(Watched::Continuous);
        let watched = kept.or(args.patrol.map(Watched::Patrol)).unwrap_or(Watched::Mixed);
        Options {
            folder: args.dir.clone(),
            clips: args.clips.clone().unwrap_or_else(|| args.dir.join("clips")),
            plan: Plan { port: args.port, watched },
            key_frame_gap: Duration::from_secs(args.key_frame_gap.max(1)),
            learn: Duration::from_secs(args.learn),
            script: (!args.no_faults).then(|| Duration::from_secs(args.stay.max(1))),
        }
    }

    /// Waits for Ctrl-C, SIGTERM or, for a child, the end of its parent.
    async fn end_of(args: &SimulateArgs) -> anyhow::Result<()> {
        let mut stop = StopSignals::listen()?;
        let parent = async {
            if args.attached {
                // Whatever is written there means nothing; its end means everything.
                let _bytes = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = stop.asked() => {}
            () = parent => {}
        }
        Ok(())
    }
}
