//! Floor 6: the composition root. Reads the command line, builds everything, starts and joins every task.
//!
//! One file per command; the only floor that handles signals and prints to the terminal.

mod cli;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            let _unwritable =
                std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(_)
        | Command::Demo(_)
        | Command::CheckConfig(_)
        | Command::Migrate(_)
        | Command::Import(_)
        | Command::Export(_)
        | Command::Probe(_)
        | Command::Report(_)
        | Command::Simulate(_)
        | Command::Openapi
        | Command::Token(_)
        | Command::Backup(_)
        | Command::VerifyAudit(_) => anyhow::bail!("not wired yet"),
    }
}
