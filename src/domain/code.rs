//! The codes that name things: divisions, points, grids, sites, links, places.
//!
//! Owns their form and the facts that are written in them (level, parent, county). A code that exists is well
//! formed; whether it is *known* is the inventory's question.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not 2, 4, 6, 9 or 12 digits.
    #[error("division code `{0}` is not 2, 4, 6, 9 or 12 digits")]
    Division(String),
    /// Not a 20-digit GB/T 28181 code (nor an 18-digit rule-B one).
    #[error("point code `{0}` is not 20 digits (GB/T 28181 annex D)")]
    Point(String),
    /// Empty, longer than 64 characters, or with blanks or control characters.
    #[error("code `{0}` is empty, over 64 characters, or holds blanks or control characters")]
    Opaque(String),
}

/// Level of an administrative division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DivisionLevel {
    /// 省, 2 digits.
    Province,
    /// 市, 4 digits.
    City,
    /// 县 or 区, 6 digits.
    County,
    /// 乡镇 or 街道, 9 digits.
    Township,
    /// 村 or 社区, 12 digits.
    Village,
}

impl DivisionLevel {
    /// Every level, from the top.
    pub const ALL: [Self; 5] = [Self::Province, Self::City, Self::County, Self::Township, Self::Village];

    /// Number of digits of a code at this level.
    pub const fn digits(self) -> usize {
        match self {
            Self::Province => 2,
            Self::City => 4,
            Self::County => 6,
            Self::Township => 9,
            Self::Village => 12,
        }
    }

    /// The word used in the API, in metrics and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Township => "township",
            Self::Village => "village",
        }
    }

    fn of_digits(count: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.digits() == count)
    }

    /// The level above.
    pub fn parent(self) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|level| *level < self)
    }
}

/// Code of an administrative division: the national statistical code, 2, 4, 6, 9 or 12 digits.
///
/// A parent's code is a prefix of its children's codes, so a subtree is a range of codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DivisionCode {
    digits: [u8; 12],
    level: DivisionLevel,
}

impl DivisionCode {
    /// The digits.
    pub fn as_str(&self) -> &str {
        self.digits
            .get(..self.level.digits())
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or("")
    }

    /// The level that the length tells.
    pub const fn level(&self) -> DivisionLevel {
        self.level
    }

    /// The division above, if any.
    pub fn parent(&self) -> Option<Self> {
        self.level.parent().and_then(|level| self.ancestor(level))
    }

    /// The division of `level` that holds this one (itself at its own level); `None` below it.
    pub fn ancestor(&self, level: DivisionLevel) -> Option<Self> {
        if level > self.level {
            return None;
        }
        let mut digits = [0; 12];
        digits.iter_mut().zip(self.digits).take(level.digits()).for_each(|(to, from)| *to = from);
        Some(Self { digits, level })
    }

    /// Whether `other` is this division or lies inside it.
    pub fn contains(&self, other: &Self) -> bool {
        other.ancestor(self.level) == Some(*self)
    }
}

impl FromStr for DivisionCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let refused = || CodeError::Division(text.to_owned());
        let level = DivisionLevel::of_digits(text.len()).ok_or_else(refused)?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        let mut digits = [0; 12];
        digits.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Ok(Self { digits, level })
    }
}

impl fmt::Display for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// National code of a point: 20 digits, GB/T 28181-2022 annex D (18-digit rule-B codes of 2016 are accepted).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointCode {
    digits: [u8; 20],
    length: u8,
}

impl PointCode {
    /// The digits.
    pub fn as_str(&self) -> &str {
        self.digits
            .get(..usize::from(self.length))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or("")
    }

    /// The county written in the first six digits.
    pub fn county(&self) -> Option<DivisionCode> {
        self.as_str().get(..6).and_then(|digits| digits.parse().ok())
    }

    /// The three-digit device type (131 camera, 132 network camera, ...); rule-B codes have none.
    pub fn device_type(&self) -> Option<&str> {
        (self.length == 20).then(|| self.as_str().get(10..13)).flatten()
    }
}

impl FromStr for PointCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let length = match text.len() {
            18 => 18,
            20 => 20,
            _ => return Err(CodeError::Point(text.to_owned())),
        };
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CodeError::Point(text.to_owned()));
        }
        let mut digits = [0; 20];
        digits.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Ok(Self { digits, length })
    }
}

impl fmt::Display for PointCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PointCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! opaque_code {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the code.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = CodeError;

            fn from_str(text: &str) -> Result<Self, CodeError> {
                let fits = !text.is_empty()
                    && text.chars().count() <= 64
                    && !text.chars().any(|c| c.is_whitespace() || c.is_control());
                if fits { Ok(Self(Arc::from(text))) } else { Err(CodeError::Opaque(text.to_owned())) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_code!(
    /// Code of a grid: opaque and unique; by default the village code and three digits (no national code exists).
    GridCode
);
opaque_code!(
    /// Code of a site (a pole or wall).
    SiteCode
);
opaque_code!(
    /// Code of a link, a node of the network path.
    LinkCode
);
opaque_code!(
    /// Code of a place that must be covered.
    PlaceCode
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_code_tells_its_level_and_parents() {
        let village: DivisionCode = "230521100201".parse().unwrap();
        assert_eq!(village.level(), DivisionLevel::Village);
        let check = |level, expected: &str| assert_eq!(village.ancestor(level).unwrap().as_str(), expected);
        check(DivisionLevel::Province, "23");
        check(DivisionLevel::City, "2305");
        check(DivisionLevel::County, "230521");
        check(DivisionLevel::Township, "230521100");
        check(DivisionLevel::Village, "230521100201");
        assert_eq!(village.parent().unwrap().as_str(), "230521100");
        assert_eq!("23".parse::<DivisionCode>().unwrap().parent(), None);
    }

    #[test]
    fn a_division_contains_itself_and_what_lies_below() {
        let check = |outer: &str, inner: &str, expected| {
            let outer: DivisionCode = outer.parse().unwrap();
            assert_eq!(outer.contains(&inner.parse().unwrap()), expected, "{outer} {inner}");
        };
        check("2305", "230521100201", true);
        check("230521", "230521", true);
        check("230521", "230522100201", false);
        check("230521100", "2305", false);
    }

    #[test]
    fn malformed_codes_are_refused() {
        for text in ["", "2", "23052", "23052110020", "2305211002011", "23052110020x", "２３０５"] {
            assert!(text.parse::<DivisionCode>().is_err(), "{text}");
        }
        for text in ["", "2305210000132000000", "230521000013200000011", "2305210000132000000x"] {
            assert!(text.parse::<PointCode>().is_err(), "{text}");
        }
        for text in ["", "a b", "a\nb"] {
            assert!(text.parse::<GridCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_point_code_holds_county_and_type() {
        let code: PointCode = "23052100001320000001".parse().unwrap();
        assert_eq!(code.county().unwrap().as_str(), "230521");
        assert_eq!(code.device_type(), Some("132"));
        assert_eq!("230521000000000001".parse::<PointCode>().unwrap().device_type(), None);
    }
}
