//! `sharpeyes openapi`: prints the OpenAPI 3.1 document of this version.

use crate::api::openapi::document;
use std::io::Write;
use std::process::ExitCode;

pub(super) fn run() -> ExitCode {
    let _closed_pipe = std::io::stdout().write_all(document().as_bytes());
    ExitCode::SUCCESS
}
