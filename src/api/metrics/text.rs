//! The Prometheus text format, written in pieces into a gzip stream.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

/// Text that is gathered before it is compressed.
const CHUNK: usize = 64 * 1024;

/// Kind of a family.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Gauge,
    Counter,
}

/// A family rendered from the snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// An answer that is being written.
#[derive(Debug)]
pub(crate) struct Exposition {
    chunk: String,
    gzip: GzEncoder<Vec<u8>>,
    series_count: u64,
}

impl Exposition {
    /// Begins an answer. The fastest compression: the text is repetitive and shrinks to a tenth anyway.
    pub(crate) fn new() -> Self {
        let gzip = GzEncoder::new(Vec::new(), Compression::fast());
        Self { chunk: String::with_capacity(CHUNK + 1_024), gzip, series_count: 0 }
    }

    /// Takes over text that is rendered already.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.series_count +=
            u64::try_from(text.lines().filter(|line| !line.starts_with('#')).count()).unwrap_or(0);
        self.gzip.write_all(text.as_bytes())
    }

    /// Begins a family.
    pub(crate) fn family(&mut self, family: &Family) {
        let Family { name, kind, help } = family;
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing to a String cannot fail.
        let _infallible = write!(self.chunk, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Writes one series; the label parts are joined inside the braces.
    pub(crate) fn series(&mut self, family: &Family, labels: &[&str], value: impl Display) -> io::Result<()> {
        self.chunk.push_str(family.name);
        self.chunk.push('{');
        labels.iter().for_each(|part| self.chunk.push_str(part));
        let _infallible = writeln!(self.chunk, "}} {value}");
        self.series_count += 1;
        if self.chunk.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Ends the answer: its compressed bytes and how many series it holds.
    pub(crate) fn finish(mut self) -> io::Result<(Bytes, u64)> {
        self.flush()?;
        Ok((self.gzip.finish()?.into(), self.series_count))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gzip.write_all(self.chunk.as_bytes())?;
        self.chunk.clear();
        Ok(())
    }
}

/// Appends a label value, escaped as the text format asks: backslash, quote and line feed.
pub(crate) fn push_escaped(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let check = |value: &str, expected: &str| {
            let mut text = String::new();
            push_escaped(&mut text, value);
            assert_eq!(text, expected);
        };
        check("plain", "plain");
        check("a\"b", "a\\\"b");
        check("a\\b", "a\\\\b");
        check("a\nb", "a\\nb");
        check("海康", "海康");
    }
}
