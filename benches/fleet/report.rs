//! The lines that the benches print, and the middle of several rounds.

use std::io::Write;

/// Prints a line; a closed pipe is no reason to fail.
pub(crate) fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout(), "{line}");
}

/// Least, middle and greatest of the rounds.
pub(crate) fn spread(rounds: &[f64]) -> Option<(f64, f64, f64)> {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(f64::total_cmp);
    Some((*rounds.first()?, *rounds.get(rounds.len() / 2)?, *rounds.last()?))
}

/// One row of the table: what, least / middle / greatest, unit and a note.
pub(crate) fn row(what: &str, rounds: &[f64], unit: &str, note: &str) {
    let figures = spread(rounds).map_or_else(
        || "no round".to_owned(),
        |(least, middle, greatest)| format!("{middle:.3} ({least:.3} .. {greatest:.3})"),
    );
    say(&format!("{what:<34} {figures:<28} {unit:<24} {note}"));
}
