//! CPU and memory of a process, as Linux counts them in `/proc`.

use anyhow::Context;
use std::time::Duration;

/// Clock ticks of `/proc/PID/stat`: 100 a second on every Linux that Debian builds.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process so far, its reaped children apart.
pub(crate) fn cpu(process: u32) -> anyhow::Result<Duration> {
    ticks(&process.to_string(), 11..13)
}

/// User and system time of this program's reaped children.
pub(crate) fn cpu_of_children() -> anyhow::Result<Duration> {
    ticks("self", 13..15)
}

/// Memory of a process that is in use now, KiB.
pub(crate) fn memory_kib(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The running children of a process.
pub(crate) fn children(process: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the two readings.
        let of_thread = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(of_thread.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(children)
}

/// Sums fields of `stat`, counted from the first one after the program's name.
fn ticks(process: &str, fields: std::ops::Range<usize>) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let (_name, rest) = stat.rsplit_once(')').context("no program name")?;
    let values = rest.split_whitespace().skip(fields.start).take(fields.len());
    let sum = values.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * sum)
}
