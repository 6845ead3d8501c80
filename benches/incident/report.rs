//! What is printed.

use std::io::Write;
use std::time::Duration;

/// Prints a line; a closed pipe is no reason to fail.
pub(crate) fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout(), "{line}");
}

/// Milliseconds within which this percentage of sorted times lies.
pub(crate) fn share(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
