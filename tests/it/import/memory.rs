//! What an import takes of the machine: it runs beside the service that watches.

use super::{DIVISIONS, GRIDS};
use crate::support::process::{Process, eventually};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Rows of the large list: the points of a large province.
const ROWS: usize = 100_000;
/// What an import of so many new records may take; measured without optimisation: 121 MiB, the file among it.
const LIMIT_KIB: u64 = 256 * 1024;
/// Longest time on a busy machine, without optimisation.
const PATIENCE: Duration = Duration::from_secs(300);

fn list() -> String {
    let mut text = "code,name,village,grid,class,commissioned,sub_stream,main_stream\n".to_owned();
    for number in 0..ROWS {
        let (high, low) = (number / 250, number % 250 + 1);
        let host = format!("10.{}.{}.{low}", high / 250, high % 250);
        writeln!(
            text,
            "2305210000132{number:07},东村 {number} 号,230521100201,G1,1,2024-05-01,\
             rtsp://{host}/cam/realmonitor?channel=1&subtype=1,rtsp://{host}/cam/realmonitor?channel=1&subtype=0"
        )
        .unwrap();
    }
    text
}

/// The most memory that the process held at once, in KiB; what it was at the last look before its end.
fn peak_of_import(folder: &Path) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpeyes"));
    command.current_dir(folder).args(["import", "--config", "s.toml", "--json"]);
    command.args(["divisions.csv", "grids.csv", "points.csv"]);
    let mut import = Process::start(&mut command);
    let status = format!("/proc/{}/status", import.id());
    let mut peak = 0;
    let ended = eventually(PATIENCE, "the import ends", || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(peak);
        import.ended()
    });
    assert!(ended.success(), "{}", import.output());
    peak
}

#[test]
fn a_list_of_a_hundred_thousand_points_is_imported_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("s.toml", "[store]\nurl = \"sqlite:s.db\"\n[credentials]\nkey_file = \"camera.key\"\n");
    write("divisions.csv", DIVISIONS);
    write("grids.csv", GRIDS);
    write("points.csv", &list());
    let peak = peak_of_import(folder.path());
    assert!((1..LIMIT_KIB).contains(&peak), "{peak} KiB for {ROWS} new points");
}
