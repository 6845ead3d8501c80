//! The CSV form of a report: one line per division and figure, as an office opens it in a spreadsheet.
//!
//! Text cells cannot become formulas, and a byte order mark tells the spreadsheet that the file is UTF-8.

use crate::coverage::report::{CoverageReport, DivisionFigures};
use crate::domain::{Figure, Ratio};

const HEADER: [&str; 19] = [
    "区划代码",
    "区划名称",
    "指标",
    "指标名称",
    "单位",
    "指标值(%)",
    "分子",
    "分母",
    "剔除",
    "未知",
    "下限(%)",
    "上限(%)",
    "采样覆盖率(%)",
    "目标(%)",
    "达标",
    "剔除前(%)",
    "公式",
    "起",
    "止",
];

/// Writes a report as CSV.
pub fn write(report: &CoverageReport) -> Result<String, csv::Error> {
    let mut bytes = Vec::new();
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut bytes);
    table.write_record(HEADER)?;
    for division in std::iter::once(&report.whole).chain(&report.children) {
        for figure in &division.figures {
            table.write_record(line(division, figure))?;
        }
    }
    table.flush()?;
    drop(table);
    // Text went in, so that nothing is lost here.
    Ok(format!("\u{feff}{}", String::from_utf8_lossy(&bytes)))
}

fn line(division: &DivisionFigures, figure: &Figure) -> [String; 19] {
    let (measure, counts) = (figure.id.measure, &figure.adjusted);
    let percent = |ratio: Option<Ratio>| ratio.map(Ratio::percent).unwrap_or_default();
    let met = match figure.met() {
        Some(true) => "是",
        Some(false) => "否",
        None if figure.is_insufficient() => "数据不足",
        None => "",
    };
    [
        division.division.map(|code| code.to_string()).unwrap_or_default(),
        neutralise(&division.name),
        figure.id.to_string(),
        measure.name_zh().to_owned(),
        measure.unit().as_str().to_owned(),
        percent(counts.value()),
        counts.numerator.to_string(),
        counts.denominator.to_string(),
        counts.excluded.to_string(),
        counts.unknown.to_string(),
        percent(counts.low()),
        percent(counts.high()),
        percent(counts.observed()),
        percent(figure.target),
        met.to_owned(),
        percent(figure.raw.value()),
        figure.id.formula(),
        figure.window.start().to_string(),
        figure.window.end().to_string(),
    ]
}

/// Puts a quote before what a spreadsheet would take for a formula.
fn neutralise(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_becomes_a_formula() {
        let check = |cell: &str, expected: &str| assert_eq!(neutralise(cell), expected);
        check("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0");
        check("+86", "'+86");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'\t=1");
        check("岭东区", "岭东区");
    }
}
