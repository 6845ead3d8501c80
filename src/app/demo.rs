//! `sharpeyes demo`: the simulated fleet in a child process and the service that watches it, on loopback.
//!
//! Everything lies in one folder: settings, database, key, inventory files and clips. The inventory goes through the
//! same import as a customer's.

use super::cli::DemoArgs;
use std::process::ExitCode;

#[cfg(not(feature = "simulate"))]
pub(super) fn run(_args: &DemoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no simulator; build with `--features simulate`, or type `make run`")
}

#[cfg(feature = "simulate")]
pub(super) use running::run;

#[cfg(feature = "simulate")]
mod running {
    use super::{DemoArgs, ExitCode};
    use crate::app::cli::{ConfigArg, ImportArgs};
    use crate::app::import::run_import;
    use crate::app::serve::{run_to_end, serve};
    use crate::app::signal::StopSignals;
    use crate::app::{FOUND_FAULTS, log, say, say_error};
    use crate::config::{self, Settings};
    use crate::domain::site::Datum;
    use crate::simulate::child::{ChildOptions, Simulator};
    use anyhow::Context;
    use std::path::{Path, PathBuf};

    /// Settings of the demo: everything ten to fifteen times as fast as in a village, so that a change shows at once.
    const SETTINGS: &str = include_str!("demo.toml");

    pub(in crate::app) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
        let settings_file = write_settings(args)?;
        let settings = config::load(&settings_file)?;
        log::start(&settings.log);
        run_to_end(demo(args, settings, &settings_file))
    }

    async fn demo(args: &DemoArgs, settings: Settings, settings_file: &Path) -> anyhow::Result<ExitCode> {
        let mut stop = StopSignals::listen()?;
        say("Starting the simulated fleet (the first start encodes its clips, about half a minute) ...");
        let Some(mut simulator) = stop.or(Simulator::start(options(args)?)).await.transpose()? else {
            return Ok(ExitCode::SUCCESS);
        };
        let code = Box::pin(watch(args, settings, settings_file, &mut stop, &mut simulator)).await;
        simulator.stop().await?;
        code
    }

    /// Imports the fleet and watches it until a signal or until there is nothing left to watch.
    async fn watch(
        args: &DemoArgs,
        settings: Settings,
        settings_file: &Path,
        stop: &mut StopSignals,
        simulator: &mut Simulator,
    ) -> anyhow::Result<ExitCode> {
        say("Importing its inventory ...");
        match stop.or(import_fleet(&settings, settings_file, &simulator.inventory())).await.transpose()? {
            None => return Ok(ExitCode::SUCCESS),
            Some(Taken::No) => return Ok(ExitCode::from(FOUND_FAULTS)),
            Some(Taken::Yes) => {}
        }
        say(&what_to_try(args, settings_file));
        serve(settings, async {
            tokio::select! {
                () = stop.asked() => Ok(()),
                ended = simulator.ended() => {
                    let status = ended?;
                    anyhow::bail!("the simulated fleet ended by itself ({status}), so the demo ends, too; start it again")
                }
            }
        })
        .await
    }

    fn options(args: &DemoArgs) -> anyhow::Result<ChildOptions> {
        // Between the demo's limit for key frames (6 s) and its deadline for the first one (12 s).
        let mut arguments = vec!["--key-frame-gap=8".to_owned()];
        if args.no_faults {
            arguments.push("--no-faults".to_owned());
        }
        let program = std::env::current_exe().context("find this program")?;
        Ok(ChildOptions { program, folder: args.dir.join("simulator"), port: args.port, arguments })
    }

    /// Writes the settings file anew at each start: only the folder and the command line decide what it says.
    fn write_settings(args: &DemoArgs) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(&args.dir).with_context(|| format!("make folder {}", args.dir.display()))?;
        let dir = args.dir.canonicalize().with_context(|| format!("find folder {}", args.dir.display()))?;
        let text = SETTINGS
            .replace("@LISTEN@", &args.listen.to_string())
            .replace("@DATABASE@", &dir.join("sharpeyes.db").display().to_string())
            .replace("@KEY@", &dir.join("camera.key").display().to_string())
            .replace("@STILLS@", &dir.join("stills").display().to_string());
        let file = args.dir.join("sharpeyes.toml");
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    /// Whether the inventory was taken.
    enum Taken {
        Yes,
        No,
    }

    /// Imports as `sharpeyes import` does; a later start changes nothing.
    async fn import_fleet(settings: &Settings, settings_file: &Path, folder: &Path) -> anyhow::Result<Taken> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
        let args = ImportArgs {
            config: ConfigArg { config: settings_file.to_owned() },
            dry_run: false,
            kind: None,
            datum: Datum::Wgs84.as_str().to_owned(),
            json: false,
            files: entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?,
        };
        let report = run_import(&args, settings).await?;
        report.faults.iter().for_each(|fault| say_error(&fault.to_string()));
        Ok(if report.is_refused() { Taken::No } else { Taken::Yes })
    }

    fn what_to_try(args: &DemoArgs, settings_file: &Path) -> String {
        let (address, config) = (args.listen, settings_file.display());
        let program = std::env::args().next().unwrap_or_else(|| "sharpeyes".to_owned());
        let simulator = args.dir.join("simulator");
        let simulator = simulator.display();
        format!(
            "
  Console        http://{address}/
  Figures        curl -s http://{address}/api/v1/coverage?division=2305
  Not good now   curl -s 'http://{address}/api/v1/points?state=offline&limit=5'
  Pictures       curl -s http://{address}/api/v1/pictures
  Metrics        curl -s http://{address}/metrics
  Cut a village  {program} simulate --dir {simulator} --tell 'cut 230521100200'
  Repair it      {program} simulate --dir {simulator} --tell 'repair 230521100200'
  One look       {program} probe --config {config} --point CODE
  This month     {program} report --config {config} --month YYYY-MM

Every point has a state within a minute; faults are confirmed within two. Pictures are judged from the
second minute on, and spoilt from the third. Ctrl-C stops everything.
"
        )
    }
}
