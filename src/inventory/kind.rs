//! The kinds of tables that an import takes, and the file and sheet names they go by.

use crate::domain::RecordKind;
use std::fmt;
use std::str::FromStr;

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKind {
    /// Camera credentials, sealed on the way in and never exported.
    Credentials,
    /// Records of the inventory.
    Records(RecordKind),
}

impl TableKind {
    /// Every kind, in the order of an import.
    pub const ALL: [Self; 7] = [
        Self::Credentials,
        Self::Records(RecordKind::Division),
        Self::Records(RecordKind::Grid),
        Self::Records(RecordKind::Link),
        Self::Records(RecordKind::Place),
        Self::Records(RecordKind::Site),
        Self::Records(RecordKind::Point),
    ];

    /// The word used for files, sheets and `--kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Records(kind) => kind.as_str(),
        }
    }

    /// The word in Chinese, used for the sheets of a template.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Credentials => "凭据",
            Self::Records(RecordKind::Division) => "行政区划",
            Self::Records(RecordKind::Grid) => "网格",
            Self::Records(RecordKind::Link) => "链路",
            Self::Records(RecordKind::Place) => "重点部位",
            Self::Records(RecordKind::Site) => "点位",
            Self::Records(RecordKind::Point) => "监控点",
        }
    }

    /// Other words that files and sheets of the kind are called by.
    const fn also(self) -> &'static [&'static str] {
        match self {
            Self::Credentials => &["credential", "账号", "口令"],
            Self::Records(RecordKind::Division) => &["division", "village", "区划", "村屯", "行政村", "社区"],
            Self::Records(RecordKind::Grid) => &["grid"],
            Self::Records(RecordKind::Link) => &["link"],
            Self::Records(RecordKind::Place) => &["place", "部位"],
            Self::Records(RecordKind::Site) => &["site", "杆件", "立杆", "一点一表"],
            Self::Records(RecordKind::Point) => {
                &["point", "camera", "监控点位", "摄像机", "摄像头", "相机", "一机一档"]
            }
        }
    }

    /// The kind that a file or sheet name tells: the one with the longest of its words in the name.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let longest = |kind: Self| {
            let words = [kind.as_str(), kind.chinese()].into_iter().chain(kind.also().iter().copied());
            words.filter(|word| name.contains(word)).map(|word| word.chars().count()).max()
        };
        Self::ALL
            .into_iter()
            .filter_map(|kind| Some((longest(kind)?, kind)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, kind)| kind)
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of table; one of credentials, divisions, grids, links, places, sites, points")]
pub struct UnknownKind(String);

impl FromStr for TableKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text || kind.chinese() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_kind() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(TableKind::of_name(name).map(TableKind::as_str), expected, "{name}");
        };
        check("points.csv", Some("points"));
        check("Points 2026-10", Some("points"));
        check("集贤县监控点位清单.xlsx", Some("points"));
        check("点位", Some("sites"));
        check("重点部位表", Some("places"));
        check("网格.csv", Some("grids"));
        check("村屯名录", Some("divisions"));
        check("links.csv", Some("links"));
        check("凭据", Some("credentials"));
        check("Sheet1", None);
    }
}
