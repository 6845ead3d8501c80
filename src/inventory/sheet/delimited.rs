//! CSV in UTF-8 (with or without its mark), UTF-16 with its mark, or GB18030; comma, semicolon or tab.

use crate::inventory::fault::Wrong;
use crate::inventory::sheet::{RawCell, RawRow, Stop};
use encoding_rs::{Encoding, GB18030, UTF_8};

/// Longest cell: a longer one is a quote that was never closed and swallowed the rows after it.
const CELL_BYTES: usize = 8192;

/// A decoded CSV file.
pub(crate) struct Delimited {
    text: String,
}

impl Delimited {
    /// Decodes a file.
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, Wrong> {
        let text = decode(bytes)?;
        if text.contains('\0') {
            return Err(Wrong::new("is no text", "give a CSV or XLSX file"));
        }
        if text.trim().is_empty() {
            return Err(Wrong::new("is empty", "begin with a row of column names"));
        }
        Ok(Self { text })
    }

    /// Hands every record to `each`.
    pub(super) fn read<E>(&self, each: &mut dyn FnMut(RawRow) -> Result<(), Stop<E>>) -> Result<(), Stop<E>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(&self.text))
            .from_reader(self.text.as_bytes());
        let mut record = csv::StringRecord::new();
        loop {
            let more = reader.read_record(&mut record).map_err(|error| {
                Stop::Broken(Wrong::new(format!("cannot be read as CSV: {error}"), "save it as CSV again"))
            })?;
            if !more {
                return Ok(());
            }
            let number = record.position().map_or(0, |start| self.line(start));
            let row = RawRow {
                number: u32::try_from(number).unwrap_or(u32::MAX),
                cells: record.iter().map(cell).collect(),
            };
            each(row)?;
        }
    }
}

impl Delimited {
    /// The line that a record begins in. The reader takes the rest of the last line break and blank lines for the
    /// record's own beginning.
    fn line(&self, start: &csv::Position) -> u64 {
        let before = usize::try_from(start.byte()).unwrap_or(usize::MAX);
        let breaks = self.text.bytes().skip(before).take_while(|byte| matches!(byte, b'\r' | b'\n'));
        start.line().saturating_add(breaks.map(|byte| u64::from(byte == b'\n')).sum())
    }
}

fn cell(text: &str) -> RawCell {
    if text.len() > CELL_BYTES {
        let wrong =
            Wrong::new(format!("holds {} bytes", text.len()), "close the quotation mark that opens the cell");
        return RawCell::Unusable(text.chars().take(20).collect(), wrong);
    }
    RawCell::Text(text.to_owned())
}

fn decode(bytes: Vec<u8>) -> Result<String, Wrong> {
    let unreadable = || Wrong::new("is neither UTF-8 nor GB18030", "save it as CSV UTF-8");
    if let Some((encoding, _mark_length)) = Encoding::for_bom(&bytes)
        && encoding != UTF_8
    {
        let (text, _encoding, had_errors) = encoding.decode(&bytes);
        return if had_errors { Err(unreadable()) } else { Ok(text.into_owned()) };
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned)),
        Err(other) => {
            let bytes = other.into_bytes();
            GB18030
                .decode_without_bom_handling_and_without_replacement(&bytes)
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(unreadable)
        }
    }
}

/// The sign that the first line with text has most of.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let count = |sign: u8| first.bytes().filter(|byte| *byte == sign).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|sign| count(*sign)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Vec<(u32, Vec<String>)> {
        let mut rows = Vec::new();
        let opened = Delimited::open(bytes.to_vec()).unwrap();
        let read = opened.read::<()>(&mut |row| {
            rows.push((row.number, row.cells.iter().map(|cell| cell.shown().to_owned()).collect()));
            Ok(())
        });
        assert!(read.is_ok());
        rows
    }

    #[test]
    fn every_encoding_and_delimiter_gives_the_same_rows() {
        let text = "code,name\n230521100201,东村\n";
        let expected = rows(text.as_bytes());
        assert_eq!(expected[1], (2, vec!["230521100201".to_owned(), "东村".to_owned()]));
        let (gb18030, _, _) = GB18030.encode(text);
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for bytes in [
            format!("\u{feff}{text}").into_bytes(),
            gb18030.into_owned(),
            utf16,
            text.replace(',', ";").into_bytes(),
            text.replace(',', "\t").replace('\n', "\r\n").into_bytes(),
        ] {
            assert_eq!(rows(&bytes), expected);
        }
    }

    #[test]
    fn a_row_has_the_number_that_an_editor_shows() {
        for line_break in ["\n", "\r\n"] {
            let text = ["", "title", "", "code,name", "\"a", "b\",x", "", "c,d", ""].join(line_break);
            let numbers: Vec<u32> = rows(text.as_bytes()).into_iter().map(|(number, _)| number).collect();
            assert_eq!(numbers, [2, 4, 5, 8], "{line_break:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for bytes in [&b""[..], b"  \n", b"\x00\x01\x02", &[0xff, 0xff, 0xff]] {
            assert!(Delimited::open(bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }
}
