//! Texts that people write: how long they may be and what they may hold.

use crate::api::problem::ApiError;

/// Characters that turn the direction of what is read around: a name would show as another one.
const TURNS: [std::ops::RangeInclusive<char>; 2] = ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];

/// How a text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One line, as a name.
    Line,
    /// Lines and tabs.
    Lines,
}

/// A text that is too long, or holds what no reader sees and not every database takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has up to {longest} characters, none of them a control character")]
pub(crate) struct Improper {
    field: &'static str,
    longest: usize,
}

impl From<Improper> for ApiError {
    fn from(improper: Improper) -> Self {
        Self::Malformed(improper.to_string())
    }
}

/// Refuses a text that is improper.
pub(crate) fn check(field: &'static str, text: &str, layout: Layout, longest: usize) -> Result<(), Improper> {
    let is_proper = text.chars().count() <= longest && text.chars().all(|letter| may_hold(layout, letter));
    if is_proper { Ok(()) } else { Err(Improper { field, longest }) }
}

fn may_hold(layout: Layout, letter: char) -> bool {
    let is_laid_out = layout == Layout::Lines && matches!(letter, '\n' | '\r' | '\t');
    is_laid_out || !(letter.is_control() || TURNS.iter().any(|turns| turns.contains(&letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_short_and_holds_nothing_that_is_not_seen() {
        let check = |text: &str, line: bool, lines: bool| {
            let passes = |layout| check("reason", text, layout, 8).is_ok();
            assert_eq!((passes(Layout::Line), passes(Layout::Lines)), (line, lines), "{text:?}");
        };
        check("停电 2026", true, true);
        check("", true, true);
        check("nine more", false, false);
        check("one\r\n\ttw", false, true);
        check("a\0b", false, false);
        check("\u{1b}[31m", false, false);
        check("\u{202e}bob", false, false);
        check("\u{2066}bob", false, false);
    }
}
