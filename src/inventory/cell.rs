//! Cells: the text of a file becomes a value of a record, and back.
//!
//! Reading accepts what people write (full-width digits, Chinese words, several date forms); writing gives one form
//! that reads back as the same value.

mod instant;

use crate::domain::link::LinkTarget;
use crate::domain::point::{StreamUrl, StreamUrlError};
use crate::domain::secret::may_hold_password;
use crate::domain::transport::FingerprintError;
use crate::domain::{CodeError, DivisionCode, DivisionLevel, GridCode, PointCode, RecordKind, Trust};
use crate::inventory::fault::Wrong;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::net::IpAddr;

pub(crate) use instant::{day_of, read_instant};

/// Longest free text.
const TEXT_CHARS: usize = 200;

/// Form of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// Free text on one line.
    Text,
    /// Division code of any level.
    Division,
    /// Code of a known division of any level.
    KnownDivision,
    /// Code of a known 12-digit village or community.
    Village,
    /// Point code.
    Point,
    /// Any unique code.
    Code,
    /// Code of a known record.
    Known(RecordKind),
    /// Codes of links, separated by blanks, commas or semicolons.
    Links,
    /// One of a list of words.
    Word(&'static [Word]),
    /// Yes or no.
    Flag,
    /// Whole number within limits.
    Whole(u32, u32),
    /// Number above zero and up to a limit.
    Number(u32),
    /// Degrees, decimal or as 131°09′25″.
    Degrees,
    /// Day or instant.
    Instant,
    /// Telephone numbers.
    Phone,
    /// Stream address without user and password.
    Stream,
    /// The SHA-256 of a certificate, or `insecure`.
    Trust,
    /// What to probe.
    Target,
    /// Exactly this many digits.
    Digits(usize),
    /// IP address.
    Address,
    /// MAC address.
    Mac,
    /// Never repeated, never trimmed.
    Secret,
}

/// A word of the files with the words that people use for it.
#[derive(Debug)]
pub(crate) struct Word {
    /// The word kept in the store and written by exports.
    pub(crate) word: &'static str,
    /// The word in Chinese, for messages.
    pub(crate) chinese: &'static str,
    /// Other words.
    pub(crate) also: &'static [&'static str],
}

impl Cell {
    /// Reads a cell that is not empty.
    pub(crate) fn read(self, text: &str, zone: &TimeZone) -> Result<Value, Wrong> {
        let narrow = narrowed(text);
        match self {
            Self::Text => free_text(text),
            Self::Secret => Ok(Value::from(text)),
            Self::Division | Self::KnownDivision => division(&narrow).map(|code| Value::from(code.as_str())),
            Self::Village => village(&narrow),
            Self::Point => point(&narrow),
            Self::Code | Self::Known(_) => opaque(&narrow).map(Value::from),
            Self::Links => links(&narrow),
            Self::Word(words) => word(&narrow, words),
            Self::Flag => flag(&narrow),
            Self::Whole(least, most) => whole(&narrow, least, most),
            Self::Number(most) => number(&narrow, most),
            Self::Degrees => degrees(&narrow),
            Self::Instant => read_instant(&narrow, zone).map(Value::from),
            Self::Phone => phone(&narrow),
            Self::Stream => stream(&narrow),
            Self::Trust => trust(&narrow),
            Self::Target => target(&narrow),
            Self::Digits(count) => digits(&narrow, count),
            Self::Address => address(&narrow),
            Self::Mac => mac(&narrow),
        }
    }

    /// The kind of record that the cell names, if it names one.
    pub(crate) const fn refers_to(self) -> Option<RecordKind> {
        if let Self::Known(kind) = self {
            Some(kind)
        } else if matches!(self, Self::Village | Self::KnownDivision) {
            Some(RecordKind::Division)
        } else {
            None
        }
    }

    /// Writes a kept value.
    pub(crate) fn write(self, value: &Value, zone: &TimeZone) -> String {
        match (self, value) {
            (Self::Instant, Value::Number(millis)) => {
                millis.as_i64().map(|millis| instant::write_instant(millis, zone)).unwrap_or_default()
            }
            (_, Value::Bool(true)) => "yes".to_owned(),
            (_, Value::Bool(false)) => "no".to_owned(),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        }
    }
}

/// Full-width letters, digits and signs as narrow ones, without blanks around.
pub(crate) fn narrowed(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c).saturating_sub(0xfee0)).unwrap_or(c),
        other => other,
    };
    text.chars().map(narrow).collect::<String>().trim().to_owned()
}

/// Whether a spreadsheet would take a text for a formula, or for one that was guarded before.
fn looks_like_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@'])
}

/// A text that no spreadsheet takes for a formula; [`unguarded`] gives it back.
pub(crate) fn guarded(text: String) -> String {
    if looks_like_formula(&text) { format!("'{text}") } else { text }
}

/// Takes off the guard.
pub(crate) fn unguarded(text: &str) -> &str {
    text.trim().strip_prefix('\'').filter(|rest| looks_like_formula(rest)).unwrap_or(text)
}

fn free_text(text: &str) -> Result<Value, Wrong> {
    let text = text.trim();
    let right = format!("write one line of at most {TEXT_CHARS} characters");
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("holds a line break or control character", right));
    }
    let length = text.chars().count();
    if length > TEXT_CHARS {
        return Err(Wrong::new(format!("is {length} characters long"), right));
    }
    Ok(Value::from(text))
}

fn division(text: &str) -> Result<DivisionCode, Wrong> {
    text.parse().map_err(|_error: CodeError| {
        Wrong::new(
            "is no division code",
            "write the 2, 4, 6, 9 or 12 digits of the national statistical code",
        )
    })
}

fn village(text: &str) -> Result<Value, Wrong> {
    let right = "write the 12 digits of a village or community";
    let code: DivisionCode =
        text.parse().map_err(|_error: CodeError| Wrong::new("is no village code", right))?;
    match code.level() {
        DivisionLevel::Village => Ok(Value::from(code.as_str())),
        level @ (DivisionLevel::Province
        | DivisionLevel::City
        | DivisionLevel::County
        | DivisionLevel::Township) => Err(Wrong::new(format!("is the code of a {}", level.as_str()), right)),
    }
}

fn point(text: &str) -> Result<Value, Wrong> {
    let code: PointCode = text.parse().map_err(|_error: CodeError| {
        Wrong::new("is no point code", "write the 20 digits of GB/T 28181 annex D")
    })?;
    match code.device_type() {
        None | Some("131" | "132") => Ok(Value::from(code.as_str())),
        Some(other) => Err(Wrong::new(
            format!("has device type {other} (digits 11-13), which is {}", device_type(other)),
            "write the code of a camera channel, device type 131 or 132",
        )),
    }
}

/// What a device type of GB/T 28181 annex D is.
fn device_type(digits: &str) -> &'static str {
    match digits {
        "111" => "a DVR",
        "112" => "a video server",
        "113" => "an encoder",
        "118" => "an NVR",
        "130" => "an HVR",
        "134" => "an alarm input",
        "200" => "a signalling server",
        "215" => "a business group",
        "216" => "a virtual organisation",
        "501" => "an operations platform",
        _ => "no camera",
    }
}

/// Codes are repeated in messages, so that a text which may hold a password is none.
fn opaque(text: &str) -> Result<&str, Wrong> {
    let right = "write up to 64 characters without blanks, commas, semicolons and @";
    let is_code = text.parse::<GridCode>().is_ok() && !may_hold_password(text);
    if is_code && !text.contains(is_separator) { Ok(text) } else { Err(Wrong::new("is no code", right)) }
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';' | '、')
}

fn links(text: &str) -> Result<Value, Wrong> {
    let codes: Result<Vec<&str>, Wrong> = text
        .split(|c: char| c.is_whitespace() || is_separator(c))
        .filter(|code| !code.is_empty())
        .map(opaque)
        .collect();
    Ok(Value::from(codes?.join(" ")))
}

fn word(text: &str, words: &'static [Word]) -> Result<Value, Wrong> {
    let lower = text.to_lowercase();
    let is_meant =
        |word: &&Word| word.word == lower || word.chinese == lower || word.also.contains(&lower.as_str());
    words
        .iter()
        .find(is_meant)
        .map(|word| Value::from(word.word))
        .ok_or_else(|| Wrong::new("is none of the known words", format!("write one of {}", list(words))))
}

/// The words as a message lists them.
pub(crate) fn list(words: &[Word]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{} ({})", word.word, word.chinese)).collect();
    words.join(", ")
}

fn flag(text: &str) -> Result<Value, Wrong> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "y" | "1" | "是" | "有" | "√" => Ok(Value::from(true)),
        "no" | "false" | "n" | "0" | "否" | "无" | "×" => Ok(Value::from(false)),
        _ => Err(Wrong::new("is neither yes nor no", "write yes or no (是 or 否)")),
    }
}

fn whole(text: &str, least: u32, most: u32) -> Result<Value, Wrong> {
    text.parse::<u32>().ok().filter(|number| (least..=most).contains(number)).map(Value::from).ok_or_else(
        || Wrong::new("is no such number", format!("write a whole number from {least} to {most}")),
    )
}

fn number(text: &str, most: u32) -> Result<Value, Wrong> {
    let limit = f64::from(most);
    text.parse::<f64>()
        .ok()
        .map(|number| (number * 1000.0).round() / 1000.0)
        .filter(|number| *number > 0.0 && *number <= limit)
        .map(Value::from)
        .ok_or_else(|| Wrong::new("is no such number", format!("write a number above 0 and up to {most}")))
}

fn degrees(text: &str) -> Result<Value, Wrong> {
    decimal_degrees(text)
        .filter(|degrees| degrees.is_finite())
        .map(|degrees| Value::from(crate::domain::datum::rounded(degrees)))
        .ok_or_else(|| Wrong::new("is no angle", "write decimal degrees as 131.157, or 131°09′25″"))
}

fn decimal_degrees(text: &str) -> Option<f64> {
    if !text.contains(['°', '度']) {
        return text.parse().ok();
    }
    let bare = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || "东北".contains(c));
    let parts: Vec<f64> = bare
        .split(['°', '度', '′', '\'', '’', '分', '″', '"', '”', '秒'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok().filter(|number: &f64| *number >= 0.0))
        .collect::<Option<_>>()?;
    match parts.as_slice() {
        [degrees] => Some(*degrees),
        [degrees, minutes] if *minutes < 60.0 => Some(degrees + minutes / 60.0),
        [degrees, minutes, seconds] if *minutes < 60.0 && *seconds < 60.0 => {
            Some(degrees + minutes / 60.0 + seconds / 3600.0)
        }
        _ => None,
    }
}

fn phone(text: &str) -> Result<Value, Wrong> {
    let is_number = |number: &str| {
        let number = number.trim();
        let digit_count = number.chars().filter(char::is_ascii_digit).count();
        (5..=16).contains(&digit_count)
            && number.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '+' | '转'))
    };
    if text.split(['/', ',', ';', '、']).all(is_number) {
        Ok(Value::from(text))
    } else {
        Err(Wrong::new("is no telephone number", "write 5-16 digits, as 13912345678 or 0469-1234567"))
    }
}

fn stream(text: &str) -> Result<Value, Wrong> {
    text.parse::<StreamUrl>().map(|url| Value::from(url.as_str())).map_err(|error| match error {
        StreamUrlError::Malformed | StreamUrlError::Scheme | StreamUrlError::Host => {
            Wrong::new(error.to_string(), "write rtsp://host:port/path")
        }
        StreamUrlError::Credentials => Wrong::new(
            "stream address holds a user or password",
            "leave them out, put them in the credentials file and name the entry in column `credential`",
        ),
    })
}

fn trust(text: &str) -> Result<Value, Wrong> {
    let read = if text.eq_ignore_ascii_case("insecure") { Ok(Trust::Anybody) } else { text.parse() };
    read.map(|trust: Trust| Value::from(trust.word())).map_err(|_error: FingerprintError| {
        Wrong::new(
            "is no SHA-256 of a certificate",
            "write the 64 digits that `openssl x509 -fingerprint -sha256` prints, or `insecure` to believe any certificate",
        )
    })
}

fn target(text: &str) -> Result<Value, Wrong> {
    text.parse::<LinkTarget>()
        .map(|target| Value::from(target.to_string()))
        .map_err(|_error| Wrong::new("is no probe target", "write tcp://host:port or icmp://address"))
}

fn digits(text: &str, count: usize) -> Result<Value, Wrong> {
    if text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(Value::from(text))
    } else {
        Err(Wrong::new("is no such code", format!("write {count} digits")))
    }
}

fn address(text: &str) -> Result<Value, Wrong> {
    text.parse::<IpAddr>()
        .map(|address| Value::from(address.to_string()))
        .map_err(|_error| Wrong::new("is no IP address", "write an address as 10.1.2.3"))
}

fn mac(text: &str) -> Result<Value, Wrong> {
    let groups: Vec<&str> = text.split([':', '-']).collect();
    let is_byte = |group: &&str| group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if groups.len() == 6 && groups.iter().all(is_byte) {
        Ok(Value::from(groups.join(":").to_uppercase()))
    } else {
        Err(Wrong::new("is no MAC address", "write six bytes as 00:1A:2B:3C:4D:5E"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn what_people_write_is_read() {
        let check = |cell: Cell, text: &str, expected: Value| {
            assert_eq!(cell.read(text, &zone()), Ok(expected), "{cell:?} {text}");
        };
        check(Cell::Village, "２３０５２１１００２０１", Value::from("230521100201"));
        check(Cell::Links, "L1；L2、L3", Value::from("L1 L2 L3"));
        check(Cell::Flag, "是", Value::from(true));
        check(Cell::Degrees, "131°09′25″", Value::from(131.156_944_444_4));
        check(Cell::Degrees, "131°09'25\"E", Value::from(131.156_944_444_4));
        check(Cell::Degrees, "131.157", Value::from(131.157));
        check(Cell::Phone, "0469-1234567/13912345678", Value::from("0469-1234567/13912345678"));
        check(Cell::Mac, "00-1a-2b-3c-4d-5e", Value::from("00:1A:2B:3C:4D:5E"));
        check(Cell::Text, " 东村（南） ", Value::from("东村（南）"));
        let fingerprint = "0F:".repeat(31) + "0F";
        check(Cell::Trust, &fingerprint, Value::from("0f".repeat(32)));
        check(Cell::Trust, "Insecure", Value::from("insecure"));
        check(Cell::Target, "10.1.2.3:80", Value::from("tcp://10.1.2.3:80"));
    }

    proptest! {
        #[test]
        fn a_guarded_text_is_no_formula_and_comes_back(text in "['=+@a-]{1,6}") {
            let written = guarded(text.clone());
            prop_assert!(!written.starts_with(['=', '+', '-', '@']));
            prop_assert_eq!(unguarded(&written), text);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let words: &[Word] = &[];
            for cell in [
                Cell::Text, Cell::Division, Cell::Village, Cell::Point, Cell::Code, Cell::Links,
                Cell::Word(words), Cell::Flag, Cell::Whole(0, 9), Cell::Number(9), Cell::Degrees,
                Cell::Instant, Cell::Phone, Cell::Stream, Cell::Trust, Cell::Target, Cell::Digits(6), Cell::Address, Cell::Mac,
            ] {
                if let Ok(value) = cell.read(&text, &zone()) {
                    let written = cell.write(&value, &zone());
                    prop_assert_eq!(cell.read(&written, &zone()), Ok(value), "{:?} {}", cell, written);
                }
            }
        }
    }
}
