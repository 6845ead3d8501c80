//! One row and what is kept of its record become the record that will be kept, or faults.
//!
//! A column that the file lacks leaves the kept value; an empty cell takes it away. Pure: the store is not asked.

mod check;

use crate::domain::site::{Datum, Position};
use crate::domain::{DivisionCode, DivisionLevel, RecordKind, datum};
use crate::inventory::TableKind;
use crate::inventory::brand::{Brands, Shorthand};
use crate::inventory::cell::Cell;
use crate::inventory::cell::{day_of, list};
use crate::inventory::column::{Column, Need};
use crate::inventory::fault::{Fault, Wrong};
use crate::inventory::header::Header;
use crate::inventory::known::{Body, Known, text};
use crate::inventory::schema;
use jiff::tz::TimeZone;
use serde_json::Value;

/// What is the same for all rows of an import.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Zone of days without an offset.
    pub(crate) zone: TimeZone,
    /// Coordinate system of positions that name none.
    pub(crate) datum: Datum,
    /// Now.
    pub(crate) now_ms: i64,
    /// Stream addresses by brand.
    pub(crate) brands: Brands,
}

/// What a row says about one record.
#[derive(Debug)]
pub(crate) struct Edit {
    /// Number of the row.
    pub(crate) row: u32,
    /// Code of the record.
    pub(crate) code: String,
    /// Values by column; none for an empty cell.
    pub(crate) given: Vec<(&'static Column, Option<Value>)>,
    /// Columns whose cells were refused.
    pub(crate) refused: Vec<&'static str>,
}

/// Puts a record together.
pub(crate) struct Merge<'a> {
    ground: &'a Ground,
    known: &'a Known,
    kind: RecordKind,
    label: &'a str,
    header: &'a Header,
    edit: &'a Edit,
    before: Option<&'a Body>,
    body: Body,
    faults: Vec<Fault>,
    lacking: Vec<&'static Column>,
}

/// What came of a row.
pub(crate) struct Merged {
    /// The record.
    pub(crate) body: Body,
    /// What is wrong with it.
    pub(crate) faults: Vec<Fault>,
    /// Columns that the file lacks and that this new record needs.
    pub(crate) lacking: Vec<&'static Column>,
}

impl<'a> Merge<'a> {
    /// Begins with what is kept.
    pub(crate) fn new(
        ground: &'a Ground,
        known: &'a Known,
        (kind, label, header): (RecordKind, &'a str, &'a Header),
        edit: &'a Edit,
        before: Option<&'a Body>,
    ) -> Self {
        let body = before.cloned().unwrap_or_default();
        let (faults, lacking) = (Vec::new(), Vec::new());
        Self { ground, known, kind, label, header, edit, before, body, faults, lacking }
    }

    /// Applies the row, completes and checks the record.
    pub(crate) fn run(mut self) -> Merged {
        for (column, value) in &self.edit.given {
            if column.need == Need::Shorthand {
                continue;
            }
            match value {
                Some(value) => self.body.insert(column.field.to_owned(), value.clone()),
                None => self.body.remove(column.field),
            };
        }
        match self.kind {
            RecordKind::Division => self.complete_division(),
            RecordKind::Site => self.complete_position(),
            RecordKind::Point => self.complete_point(),
            RecordKind::Grid | RecordKind::Link | RecordKind::Place => {}
        }
        for column in schema::columns(TableKind::Records(self.kind)) {
            self.fill(column);
        }
        self.check();
        Merged { body: self.body, faults: self.faults, lacking: self.lacking }
    }

    /// Notes a fault at a cell of the row.
    fn blame(&mut self, column: &str, wrong: Wrong) {
        let value =
            self.given(column).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let fault =
            Fault::of_source(self.label, wrong).in_row(self.edit.row).in_column(self.header.shown(column));
        self.faults.push(fault.with_value(&value.unwrap_or_default()));
    }

    /// The value that the row gives in a column.
    fn given(&self, column: &str) -> Option<&'a Value> {
        self.edit.given.iter().find(|(given, _)| given.name == column).and_then(|(_, value)| value.as_ref())
    }

    /// Whether the row has a say in a column, an empty cell included.
    fn mentions(&self, column: &str) -> bool {
        self.edit.given.iter().any(|(given, _)| given.name == column)
    }

    fn is_refused(&self, column: &str) -> bool {
        self.edit.refused.contains(&column)
    }

    /// Gives a column without a value its default, or notes that it cannot go without.
    fn fill(&mut self, column: &'static Column) {
        if self.body.contains_key(column.field) || self.is_refused(column.name) {
            return;
        }
        match column.need {
            Need::Optional | Need::Shorthand => {}
            Need::Otherwise(text) => {
                if let Ok(value) = column.cell.read(text, &self.ground.zone) {
                    self.body.insert(column.field.to_owned(), value);
                }
            }
            Need::Required if self.header.has(column.name) => {
                self.blame(column.name, Wrong::new("is empty", required(column)));
            }
            Need::Required => self.lacking.push(column),
        }
    }

    /// Farms, forests, mines and prisons (township codes 400-599) belong to other systems and are not assessed,
    /// unless the list says so.
    fn complete_division(&mut self) {
        if self.body.contains_key("assessed") || self.is_refused("assessed") {
            return;
        }
        let code: Option<DivisionCode> = self.edit.code.parse().ok();
        let township = code.and_then(|code| code.ancestor(DivisionLevel::Township));
        let special = township.is_some_and(|township| matches!(township.as_str().get(6..7), Some("4" | "5")));
        self.body.insert("assessed".to_owned(), Value::from(!special));
    }

    fn complete_point(&mut self) {
        self.expand_shorthand();
        self.complete_position();
        if self.body.contains_key("commissioned_ms") || self.is_refused("commissioned") {
            return;
        }
        let kept = self.before.and_then(|before| before.get("commissioned_ms")).cloned();
        let installed = self.body.get("install_time_ms").cloned();
        let today = || Value::from(day_of(self.ground.now_ms, &self.ground.zone));
        self.body.insert("commissioned_ms".to_owned(), kept.or(installed).unwrap_or_else(today));
    }

    /// Turns brand and host into stream addresses.
    fn expand_shorthand(&mut self) {
        let word = |column| self.given(column).and_then(Value::as_str);
        let number = |column| self.given(column).and_then(Value::as_u64);
        let (brand, host) = (word("brand"), word("host"));
        let (port, channel) = (number("port"), number("channel"));
        let streams = ["sub_stream", "main_stream"].into_iter().find(|stream| self.given(stream).is_some());
        let (Some(brand), Some(host)) = (brand, host) else {
            let alone = [
                ("brand", brand.is_some()),
                ("host", host.is_some()),
                ("channel", channel.is_some()),
                ("port", port.is_some()),
            ];
            let refused = self.is_refused("brand") || self.is_refused("host");
            if let Some((column, _)) = alone.into_iter().find(|(_, given)| *given && !refused) {
                let right = "give both `brand` and `host`, or the stream addresses";
                self.blame(column, Wrong::new("says nothing without brand and host", right));
            }
            return;
        };
        if let Some(stream) = streams {
            let right = "give either stream addresses or brand and host";
            return self.blame(stream, Wrong::new("is given beside `brand` and `host`", right));
        }
        let short = Shorthand {
            brand,
            host,
            port: port.and_then(|port| u16::try_from(port).ok()),
            channel: channel.and_then(|channel| u32::try_from(channel).ok()).unwrap_or(1),
        };
        match self.ground.brands.expand(&short) {
            Ok((main, sub)) => {
                self.body.insert("main_stream".to_owned(), Value::from(main.as_str()));
                match sub {
                    Some(sub) => self.body.insert("sub_stream".to_owned(), Value::from(sub.as_str())),
                    None => self.body.remove("sub_stream"),
                };
            }
            Err(wrong) => {
                let column = if wrong.wrong.contains("`host`") { "host" } else { "brand" };
                self.blame(column, wrong);
            }
        }
    }

    /// Converts the position to WGS-84 and keeps what was written.
    fn complete_position(&mut self) {
        let mentioned = self.mentions("longitude") || self.mentions("latitude");
        if mentioned && self.given("datum").is_none() && !self.is_refused("datum") {
            self.body.insert("datum".to_owned(), Value::from(self.ground.datum.as_str()));
        }
        let degrees = |body: &Body, field: &str| body.get(field).and_then(Value::as_f64);
        let raw = (degrees(&self.body, "raw_longitude"), degrees(&self.body, "raw_latitude"));
        let refused = ["longitude", "latitude", "datum"].into_iter().any(|column| self.is_refused(column));
        match raw {
            _ if refused => {}
            (Some(longitude), Some(latitude)) => match datum::check_degrees(longitude, latitude) {
                Ok(()) => self.put_position((longitude, latitude)),
                Err(fault) => self.blame("longitude", check::no_position(fault, (longitude, latitude))),
            },
            (None, None) => {
                for field in ["longitude", "latitude", "datum"] {
                    self.body.remove(field);
                }
            }
            (Some(_), None) => {
                self.blame("latitude", Wrong::new("is missing beside a longitude", "write both or none"))
            }
            (None, Some(_)) => {
                self.blame("longitude", Wrong::new("is missing beside a latitude", "write both or none"))
            }
        }
    }

    fn put_position(&mut self, (longitude, latitude): (f64, f64)) {
        let word = text(&self.body, "datum");
        let source = Datum::ALL.into_iter().find(|datum| datum.as_str() == word).unwrap_or(self.ground.datum);
        let position = Position::from_source(source, longitude, latitude);
        self.body.insert("datum".to_owned(), Value::from(source.as_str()));
        self.body.insert("longitude".to_owned(), Value::from(position.longitude));
        self.body.insert("latitude".to_owned(), Value::from(position.latitude));
    }
}

/// What a required cell should hold.
pub(crate) fn required(column: &Column) -> String {
    if let Cell::Word(words) = column.cell {
        return format!("write one of {}", list(words));
    }
    format!("write {} ({}); no record goes without", column.name, column.chinese)
}
