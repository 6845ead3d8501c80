//! Reads a TOML document into validated values and gathers every fault with its line and key.
//!
//! Knows TOML and nothing of what the keys mean. Used by every settings file of `config/`.

use crate::config::nearest::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Key with its sections, as `watch.deadlines.connect_seconds`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// Everything that is wrong with a settings file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults {
    /// The file.
    pub file: PathBuf,
    /// Its faults, in the order of their lines.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault(s) in {}", self.faults.len(), self.file.display())?;
        for fault in &self.faults {
            write!(f, "\n  line {}: ", fault.line)?;
            if !fault.key.is_empty() {
                write!(f, "{}: ", fault.key)?;
            }
            write!(f, "{}", fault.problem)?;
        }
        Ok(())
    }
}

/// A TOML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    List(Vec<Value>),
    /// A table.
    Table(Table),
    /// A date or time, which no key takes.
    Other,
}

/// The entries of a table, each with the line it stands on.
#[derive(Clone, Debug, Default)]
pub struct Table {
    line: usize,
    entries: BTreeMap<String, (usize, Value)>,
}

/// Parses `text` and hands its root to `read`; succeeds when neither found a fault.
pub fn read_document<T>(text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Result<T, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| syntax_fault(text, error)).collect());
    }
    let mut faults = Vec::new();
    let root = build_table(text, 1, table.get_ref());
    let mut section = Section { path: String::new(), table: root, known: Vec::new(), faults: &mut faults };
    let value = read(&mut section);
    section.finish();
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(value) } else { Err(faults) }
}

fn syntax_fault(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    Fault { line, key: String::new(), problem: error.message().to_owned() }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn build_table(text: &str, line: usize, table: &DeTable<'_>) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let line = line_of(text, key.span().start);
        (key.get_ref().to_string(), (line, build_value(text, line, value.get_ref())))
    });
    Table { line, entries: entries.collect() }
}

fn build_value(text: &str, line: usize, value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).map_or(Value::Other, Value::Integer)
        }
        DeValue::Float(float) => float.as_str().parse().map_or(Value::Other, Value::Float),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| build_value(text, line_of(text, item.span().start), item.get_ref()))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(build_table(text, line, table)),
        DeValue::Datetime(_) => Value::Other,
    }
}

/// One table of the document while it is read. Keys that nobody asked for are faults.
#[derive(Debug)]
pub struct Section<'f> {
    path: String,
    table: Table,
    known: Vec<String>,
    faults: &'f mut Vec<Fault>,
}

impl Section<'_> {
    /// Reads `key` into `into` when it is there; a value that `parse` refuses is a fault.
    pub fn read<T>(&mut self, key: &str, parse: impl FnOnce(&Value) -> Result<T, String>, into: &mut T) {
        if let Some(value) = self.optional(key, parse) {
            *into = value;
        }
    }

    /// Reads `key` when it is there.
    pub fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        self.known.push(key.to_owned());
        let (line, value) = self.table.entries.remove(key)?;
        parse(&value).map_err(|problem| self.push(line, key, problem)).ok()
    }

    /// Reads `key`; its absence is a fault.
    pub fn required<T>(&mut self, key: &str, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        if !self.table.entries.contains_key(key) {
            self.fault(key, "is missing");
        }
        self.optional(key, parse)
    }

    /// Reads the table `[key]`; an absent one is an empty one.
    pub fn section<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let table = self.optional(key, |value| match value {
            Value::Table(table) => Ok(table.clone()),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Other => Err("must be a table".to_owned()),
        });
        let absent = Table { line: self.table.line, ..Table::default() };
        self.descend(key, table.unwrap_or(absent), read)
    }

    /// Reads each table of `[[key]]`, in order.
    pub fn sections<T>(&mut self, key: &str, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let items = self.optional(key, |value| match value {
            Value::List(items) => Ok(items.clone()),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Table(_)
            | Value::Other => Err(format!("must be a list of tables, written [[{key}]]")),
        });
        let mut found = Vec::new();
        for item in items.unwrap_or_default() {
            if let Value::Table(table) = item {
                found.push(self.descend(key, table, &mut read));
            } else {
                self.fault(key, format!("must be a list of tables, written [[{key}]]"));
            }
        }
        found
    }

    /// The keys that were not asked for yet: for tables whose names are free.
    pub fn names(&self) -> Vec<String> {
        self.table.entries.keys().cloned().collect()
    }

    /// Notes a fault that shows only when several keys of this section are seen together.
    pub fn fault(&mut self, key: &str, problem: impl Into<String>) {
        let line = self.table.line;
        self.push(line, key, problem.into());
    }

    fn descend<T>(&mut self, key: &str, table: Table, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let path = self.path_of(key);
        let mut section = Section { path, table, known: Vec::new(), faults: &mut *self.faults };
        let value = read(&mut section);
        section.finish();
        value
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn push(&mut self, line: usize, key: &str, problem: String) {
        let key = self.path_of(key);
        self.faults.push(Fault { line, key, problem });
    }

    fn finish(mut self) {
        for (key, (line, _)) in std::mem::take(&mut self.table.entries) {
            let problem = match nearest(&key, self.known.iter().map(String::as_str)) {
                Some(near) => format!("is no known key; did you mean `{near}`?"),
                None => format!("is no known key; known here: {}", self.known.join(", ")),
            };
            self.push(line, &key, problem);
        }
    }
}

/// Takes a text that is not empty.
pub fn text(value: &Value) -> Result<String, String> {
    if let Value::Text(text) = value
        && !text.trim().is_empty()
    {
        return Ok(text.clone());
    }
    Err("must be a text in quotes that is not empty".to_owned())
}

/// Takes the name of a file or folder.
pub fn path(value: &Value) -> Result<PathBuf, String> {
    text(value).map(Into::into)
}

/// Takes a list of texts.
pub fn texts(value: &Value) -> Result<Vec<String>, String> {
    let Value::List(items) = value else { return Err("must be a list of texts".to_owned()) };
    items.iter().map(text).collect()
}

/// Takes a list of what `item` takes.
pub fn list<T>(item: impl Fn(&Value) -> Result<T, String>) -> impl Fn(&Value) -> Result<Vec<T>, String> {
    move |value| {
        let Value::List(items) = value else { return Err("must be a list".to_owned()) };
        items.iter().map(&item).collect()
    }
}

/// Takes a text that parses as `T`; `what` completes "is not ..".
pub fn parsed<T: std::str::FromStr>(what: &'static str) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let text = text(value)?;
        text.parse().map_err(|_any_error| format!("`{text}` is not {what}"))
    }
}

/// Takes one of the given words.
pub fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let all = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let text = text(value).map_err(|_not_a_text| format!("must be one of {}", all()))?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| format!("`{text}` must be one of {}", all()))
    }
}

/// Takes `true` or `false`.
pub fn boolean(value: &Value) -> Result<bool, String> {
    if let Value::Boolean(boolean) = value { Ok(*boolean) } else { Err("must be true or false".to_owned()) }
}

/// Takes a whole number in `range`.
pub fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&Value) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + fmt::Display,
{
    move |value| {
        let refused = || format!("must be a whole number from {} to {}", range.start(), range.end());
        let Value::Integer(integer) = value else { return Err(refused()) };
        T::try_from(*integer).ok().filter(|number| range.contains(number)).ok_or_else(refused)
    }
}

/// Takes a number in `range`.
pub fn number(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Result<f64, String> {
    move |value| {
        let number = if let Value::Float(float) = value {
            Some(*float)
        } else if let Value::Integer(integer) = value {
            i32::try_from(*integer).ok().map(f64::from)
        } else {
            None
        };
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
    }
}

/// Takes a time in seconds, fractions allowed.
pub fn seconds(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| {
        let seconds = number(range.clone())(value)?;
        Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
    }
}

/// Takes a time in whole milliseconds.
pub fn millis(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| whole(range.clone())(value).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        let read = |root: &mut Section<'_>| {
            root.section("server", |server| {
                server.read("port", whole(1..=65_535_u16), &mut 0);
                server.read("wait_seconds", seconds(0.5..=60.0), &mut Duration::default());
                server.required("name", super::text);
            });
            root.sections("rule", |rule| rule.required("id", super::text));
        };
        match read_document(text, read) {
            Ok(()) => Vec::new(),
            Err(faults) => {
                faults.iter().map(|fault| format!("{}|{}|{}", fault.line, fault.key, fault.problem)).collect()
            }
        }
    }

    #[test]
    fn every_fault_is_told_with_line_and_key() {
        let check = |text: &str, expected: &[&str]| assert_eq!(faults_of(text), expected, "{text}");
        check("[server]\nname = \"a\"\nport = 80\nwait_seconds = 1", &[]);
        check(
            "[server]\nprot = 80\nport = 0\nwait_seconds = \"1\"",
            &[
                "1|server.name|is missing",
                "2|server.prot|is no known key; did you mean `port`?",
                "3|server.port|must be a whole number from 1 to 65535",
                "4|server.wait_seconds|must be a number from 0.5 to 60",
            ],
        );
        check(
            "other = 1\n[server]\nname = \"\"",
            &[
                "1|other|is no known key; known here: server, rule",
                "3|server.name|must be a text in quotes that is not empty",
            ],
        );
        check("server = 1", &["1|server|must be a table", "1|server.name|is missing"]);
        check(
            "[server]\nname = \"a\"\n[[rule]]\nid = 1\n[[rule]]\nid = \"x\"\nidd = 2",
            &[
                "4|rule.id|must be a text in quotes that is not empty",
                "7|rule.idd|is no known key; did you mean `id`?",
            ],
        );
    }

    #[test]
    fn a_broken_document_is_told_by_line() {
        let faults = faults_of("[server]\nname = \"a\nport = 80\n");
        assert!(faults.first().is_some_and(|fault| fault.starts_with("2|")), "{faults:?}");
    }
}
