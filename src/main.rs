//! The `sharpeyes` command: parses the command line and hands over to `app`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sharpeyes::app::main()
}
