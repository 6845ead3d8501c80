//! What is printed, and the CPU of this process by which it is measured: it does not count what else runs.

use std::io::Write;

/// Prints a line; a closed pipe is no reason to fail.
pub(crate) fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout(), "{line}");
}

/// CPU of the process from a start on.
pub(crate) struct Timing(f64);

impl Timing {
    /// Starts.
    pub(crate) fn start() -> Self {
        Self(cpu_seconds())
    }

    /// Seconds of CPU since the start.
    pub(crate) fn seconds(&self) -> f64 {
        cpu_seconds() - self.0
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    f64::from(u32::try_from(time.tv_sec).unwrap_or(u32::MAX))
        + f64::from(u32::try_from(time.tv_nsec).unwrap_or(0)) / 1e9
}

/// The middle of several measurements, in milliseconds of wall time and of CPU.
pub(crate) fn middle(mut measured: Vec<(f64, f64)>) -> (f64, f64) {
    measured.sort_by(|left, right| left.0.total_cmp(&right.0));
    measured.get(measured.len() / 2).copied().unwrap_or_default()
}
