//! Floor 6: the composition root. Reads the command line, builds everything, starts and joins every task.
//!
//! One file per command; the only floor that handles signals and prints to the terminal.

mod alive;
mod audit;
mod backup;
mod check_config;
mod cli;
mod database;
mod demand;
mod demo;
mod export;
mod import;
mod log;
mod migrate;
mod open_files;
mod openapi;
mod probe;
mod pulse;
mod report;
mod rules;
mod serve;
mod service;
mod signal;
mod simulate;
mod stopping;
mod supervisor;
mod task;
mod test_channel;
mod token;
mod verify_audit;

use clap::Parser;
use cli::{Cli, Command};
use std::io::Write;
use std::process::ExitCode;

/// Exit code of a command that worked and found something wrong.
const FOUND_FAULTS: u8 = 1;
/// Exit code of a command that could not do its work.
const COULD_NOT_RUN: u8 = 2;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            say_error(&format!("error: {error:#}"));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Migrate(arg) => migrate::run(&arg),
        Command::Backup(args) => backup::run(&args),
        Command::Alive(arg) => alive::run(&arg),
        Command::CheckConfig(arg) => check_config::run(&arg),
        Command::Probe(args) => probe::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Decode => Ok(crate::picture::child::run()),
        Command::Pull => {
            signal::outlive_terminate()?;
            Ok(crate::ingest::pull::child::run())
        }
        Command::Openapi => Ok(openapi::run()),
        Command::Token(args) => token::run(&args),
        Command::TestChannel(args) => test_channel::run(&args),
        Command::VerifyAudit(arg) => verify_audit::run(&arg),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Serve(arg) => serve::run(&arg),
        Command::Demo(args) => demo::run(&args),
    }
}

/// Prints a line for the person at the terminal; a closed pipe is no reason to fail.
fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout(), "{line}");
}

/// What others wrote, for a terminal: a control character would colour, move or hide what stands there.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Prints a line on the error stream.
fn say_error(line: &str) {
    let _closed_pipe = writeln!(std::io::stderr(), "{line}");
}
