//! What a column of a file is: its names, the form of its cells and what an empty cell means.

use crate::inventory::cell::Cell;

/// One column of a kind of table.
#[derive(Debug)]
pub(crate) struct Column {
    /// Header in English, written by exports.
    pub(crate) name: &'static str,
    /// Header in Chinese, written by templates.
    pub(crate) chinese: &'static str,
    /// Other headers, among them the field names of GB/T 28181.
    pub(crate) also: &'static [&'static str],
    /// Key of the record's body.
    pub(crate) field: &'static str,
    /// Form of its cells.
    pub(crate) cell: Cell,
    /// What a missing value means.
    pub(crate) need: Need,
}

/// What it means when a record has no value in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A fault: nothing goes without.
    Required,
    /// Nothing.
    Optional,
    /// This text is read instead.
    Otherwise(&'static str),
    /// Nothing; the value itself is only a shorthand for others and is not kept.
    Shorthand,
}

impl Column {
    /// A column whose body key is its English header and that may be empty.
    pub(crate) const fn new(
        name: &'static str,
        chinese: &'static str,
        also: &'static [&'static str],
        cell: Cell,
    ) -> Self {
        Self { name, chinese, also, field: name, cell, need: Need::Optional }
    }

    /// Sets what a missing value means.
    pub(crate) const fn need(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    /// Sets the body key.
    pub(crate) const fn field(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    /// Whether a header text names this column.
    pub(crate) fn is_called(&self, header: &str) -> bool {
        let header = plain(header);
        plain(self.name) == header
            || plain(self.chinese) == header
            || self.also.iter().any(|name| plain(name) == header)
    }
}

/// A header without what people decorate headers with: case, blanks, marks, remarks in brackets, full-width letters,
/// and the `Info.` of GB/T 28181-2022.
pub(crate) fn plain(header: &str) -> String {
    let narrow = crate::inventory::cell::narrowed(header).to_lowercase();
    let outside = narrow.split_once('(').map_or(narrow.as_str(), |(before, _remark)| before);
    let kept: String = outside.chars().filter(|c| !c.is_whitespace() && !"*_-:/".contains(*c)).collect();
    kept.strip_prefix("info.").map_or(kept.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoration_does_not_hide_a_header() {
        let check = |header: &str, expected: &str| assert_eq!(plain(header), expected, "{header}");
        check(" *编码（必填）", "编码");
        check("Leader_Phone", "leaderphone");
        check("Info.PointType", "pointtype");
        check("ＣＯＤＥ", "code");
        check("经度 (°)", "经度");
    }
}
