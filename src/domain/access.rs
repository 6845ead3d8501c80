//! Who may do what: roles, and the division that a caller may see.

use crate::domain::DivisionCode;
use std::fmt;
use std::str::FromStr;

/// What a caller may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// See.
    Read,
    /// Also act: ask for a look, enter an exclusion.
    Operate,
    /// Also change the inventory, read the audit.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// The word used in SQL, JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; one of read, operate, admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// The part of the network that a caller may see: everything, or one division and what lies below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope(Option<DivisionCode>);

impl Scope {
    /// Everything.
    pub const EVERYTHING: Self = Self(None);

    /// Everything, or one division.
    pub const fn new(division: Option<DivisionCode>) -> Self {
        Self(division)
    }

    /// The division, unless it is everything.
    pub const fn division(self) -> Option<DivisionCode> {
        self.0
    }

    /// Whether a division lies inside.
    pub fn holds(self, division: &DivisionCode) -> bool {
        self.0.is_none_or(|scope| scope.contains(division))
    }

    /// The part that both share: the asked-for division where it lies inside, the scope where it lies inside the
    /// asked-for one, `None` where they share nothing.
    pub fn narrow(self, asked: Option<DivisionCode>) -> Option<Self> {
        match (self.0, asked) {
            (scope, None) => Some(Self(scope)),
            (None, Some(asked)) => Some(Self(Some(asked))),
            (Some(scope), Some(asked)) if scope.contains(&asked) => Some(Self(Some(asked))),
            (Some(scope), Some(asked)) => asked.contains(&scope).then_some(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Read < Role::Operate && Role::Operate < Role::Admin);
    }

    #[test]
    fn a_scope_narrows_and_never_widens() {
        let division = |text: &str| (!text.is_empty()).then(|| text.parse::<DivisionCode>().unwrap());
        let check = |scope: &str, asked: &str, expected: Option<&str>| {
            let narrowed = Scope::new(division(scope)).narrow(division(asked));
            assert_eq!(narrowed, expected.map(|text| Scope::new(division(text))), "{scope} {asked}");
        };
        check("", "", Some(""));
        check("", "2305", Some("2305"));
        check("230521", "", Some("230521"));
        check("230521", "2305", Some("230521"));
        check("230521", "230521100", Some("230521100"));
        check("230521", "230522", None);
        check("230521", "230522100201", None);
    }
}
