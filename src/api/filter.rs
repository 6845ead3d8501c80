//! The filters that several lists share.

use crate::api::problem::ApiError;
use crate::domain::State;
use std::fmt;
use std::str::FromStr;

/// Longest search text, in characters.
const LONGEST: usize = 64;

/// A search text: part of a code or name, whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    lower: String,
    /// Digits and Chinese characters have none: then no name has to be copied to be searched.
    has_case: bool,
}

impl Text {
    /// Whether one of the texts holds it.
    pub(crate) fn is_in<const N: usize>(&self, texts: [&str; N]) -> bool {
        let holds = |text: &&str| {
            text.contains(&self.lower) || (self.has_case && text.to_lowercase().contains(&self.lower))
        };
        texts.iter().any(holds)
    }
}

impl FromStr for Text {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_lowercase();
        match text.chars().count() {
            1..=LONGEST => Ok(Self { has_case: lower != text.to_uppercase(), lower }),
            _ => Err("a search text has 1 to 64 characters"),
        }
    }
}

/// One state or several, written with commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct States(Vec<State>);

impl States {
    /// Whether the state is one of them.
    pub(crate) fn hold(&self, state: State) -> bool {
        self.0.contains(&state)
    }
}

impl FromStr for States {
    type Err = crate::domain::state::UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// `asked` is absent, or equal to `actual`.
pub(crate) fn is_asked<T: PartialEq>(asked: Option<&T>, actual: &T) -> bool {
    asked.is_none_or(|asked| asked == actual)
}

/// Refuses a filter by a code that nothing has: an empty list would say that all is well there.
pub(crate) fn check_known<C: fmt::Display>(
    what: &'static str,
    asked: Option<&C>,
    is_known: impl FnOnce(&C) -> bool,
) -> Result<(), ApiError> {
    match asked {
        Some(code) if !is_known(code) => Err(ApiError::UnknownFilter { what, code: code.to_string() }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_text_ignores_case_and_keeps_chinese() {
        let check = |needle: &str, hay: &str, expected| {
            assert_eq!(needle.parse::<Text>().unwrap().is_in([hay]), expected, "{needle} {hay}");
        };
        check("GATE", "North gate", true);
        check("村口", "东村口", true);
        check("x", "North gate", false);
        assert!("".parse::<Text>().is_err() && "x".repeat(65).parse::<Text>().is_err());
    }

    #[test]
    fn several_states_are_written_with_commas() {
        let states: States = "offline,no_video".parse().unwrap();
        assert!(states.hold(State::Offline) && states.hold(State::NoVideo) && !states.hold(State::Good));
        assert!("offline,".parse::<States>().is_err());
    }
}
