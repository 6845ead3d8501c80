//! One thing that is wrong with a file, told so that its owner can set it right.

use crate::domain::secret::may_hold_password;
use serde::Serialize;
use std::fmt;

/// Longest part of a wrong value that is repeated.
const SHOWN_CHARS: usize = 60;

/// What is wrong with a value and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What is wrong.
    pub(crate) wrong: String,
    /// What would be right.
    pub(crate) right: String,
}

impl Wrong {
    /// Joins the two halves.
    pub(crate) fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into() }
    }
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Name of the file, with the sheet in brackets where it has sheets.
    pub source: String,
    /// Row as the spreadsheet numbers it, from 1.
    pub row: Option<u32>,
    /// Column as its header names it.
    pub column: Option<String>,
    /// The value, unless it may hold a password.
    pub value: Option<String>,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

impl Fault {
    /// A fault of a whole file or sheet.
    pub(crate) fn of_source(source: &str, wrong: Wrong) -> Self {
        let Wrong { wrong, right } = wrong;
        Self { source: source.to_owned(), row: None, column: None, value: None, wrong, right }
    }

    /// Names the row.
    pub(crate) fn in_row(self, row: u32) -> Self {
        Self { row: Some(row), ..self }
    }

    /// Names the column.
    pub(crate) fn in_column(self, column: &str) -> Self {
        Self { column: Some(column.to_owned()), ..self }
    }

    /// Repeats the value, shortened; one that may hold a password is withheld.
    pub(crate) fn with_value(self, value: &str) -> Self {
        let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { value: (!may_hold_password(value) && !value.is_empty()).then_some(shown), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        if let Some(value) = &self.value {
            write!(f, ", value `{value}`")?;
        }
        write!(f, ": {}; {}", self.wrong, self.right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_may_hold_a_password_is_withheld() {
        let fault = |value: &str| {
            Fault::of_source("points.csv", Wrong::new("bad", "good"))
                .in_row(3)
                .in_column("name")
                .with_value(value)
        };
        for value in [
            "rtsp://admin:secret@10.1.2.3/",
            "admin:secret@10.1.2.3",
            "rtsp://10.1.2.3/user=admin&password=secret",
        ] {
            let told = fault(value).to_string();
            assert_eq!(told, "points.csv, row 3, column `name`: bad; good", "{value}");
        }
        assert_eq!(fault("x").to_string(), "points.csv, row 3, column `name`, value `x`: bad; good");
        assert_eq!(fault(&"长".repeat(61)).value, Some(format!("{}…", "长".repeat(60))));
    }
}
