//! What only several cells of a record tell together.

use super::Merge;
use crate::domain::datum::PositionFault;
use crate::domain::{DivisionCode, DivisionLevel, PointCode, RecordKind};
use crate::inventory::fault::Wrong;
use crate::inventory::known::text;
use serde_json::Value;

impl Merge<'_> {
    /// Checks a complete record. A record whose cells were refused is checked as far as they reach.
    pub(super) fn check(&mut self) {
        match self.kind {
            RecordKind::Division => self.check_order("valid_from", "valid_to"),
            RecordKind::Grid => {
                self.check_order("leader_from", "leader_to");
                self.check_leader();
            }
            RecordKind::Point => {
                self.check_order("commissioned", "retired");
                self.check_county();
                self.check_grid();
                self.check_size();
            }
            RecordKind::Link | RecordKind::Place | RecordKind::Site => {}
        }
    }

    /// The second of two instants is later than the first.
    fn check_order(&mut self, first: &str, second: &str) {
        let instant = |name: &str| self.body.get(&format!("{name}_ms")).and_then(Value::as_i64);
        if let (Some(start), Some(end)) = (instant(first), instant(second))
            && end <= start
            && !self.is_refused(first)
            && !self.is_refused(second)
        {
            let right = format!("write a later day than that of `{first}`");
            self.blame_date(second, Wrong::new(format!("is not after `{first}`"), right));
        }
    }

    /// Blames a date without its value, which would be shown in milliseconds.
    fn blame_date(&mut self, column: &str, wrong: Wrong) {
        self.blame(column, wrong);
        if let Some(fault) = self.faults.last_mut() {
            fault.value = None;
        }
    }

    fn check_leader(&mut self) {
        if self.body.contains_key("leader_name") || self.is_refused("leader") {
            return;
        }
        for (column, field) in [
            ("leader_phone", "leader_phone"),
            ("leader_from", "leader_from_ms"),
            ("leader_to", "leader_to_ms"),
        ] {
            if self.body.contains_key(field) {
                let right = "write the leader's name in column `leader`, or empty this cell";
                self.blame_date(column, Wrong::new("is given without a leader", right));
            }
        }
    }

    /// The county written in the code is the county of the village.
    fn check_county(&mut self) {
        let code: Option<PointCode> = self.edit.code.parse().ok();
        let village: Option<DivisionCode> = text(&self.body, "village").parse().ok();
        let (Some(written), Some(county)) = (
            code.and_then(|code| code.county()),
            village.and_then(|village| village.ancestor(DivisionLevel::County)),
        ) else {
            return;
        };
        if written != county && !self.is_refused("village") {
            let wrong = format!("begins with county {written}, its village lies in county {county}");
            self.blame("code", Wrong::new(wrong, "correct the code or the village"));
        }
    }

    /// The grid lies inside the village.
    fn check_grid(&mut self) {
        let (grid, village) = (text(&self.body, "grid"), text(&self.body, "village"));
        let Some(home) = self.known.village_of(grid) else { return };
        if home != village && !self.is_refused("grid") && !self.is_refused("village") && !village.is_empty() {
            let wrong = format!("lies in village {home}, not in {village}");
            self.blame("grid", Wrong::new(wrong, "name a grid of the point's own village"));
        }
    }

    /// Width and height come together.
    fn check_size(&mut self) {
        let pair = [("expected_width", "expected_height"), ("expected_height", "expected_width")];
        for (given, other) in pair {
            if self.body.contains_key(given) && !self.body.contains_key(other) && !self.is_refused(other) {
                self.blame(other, Wrong::new(format!("is missing beside `{given}`"), "write both or none"));
            }
        }
    }
}

/// What is wrong with a pair of degrees.
pub(super) fn no_position(fault: PositionFault, (longitude, latitude): (f64, f64)) -> Wrong {
    match fault {
        PositionFault::Swapped => Wrong::new(
            format!("longitude {longitude} and latitude {latitude} are exchanged"),
            "write the longitude (72-138) in `longitude` and the latitude (0-56) in `latitude`",
        ),
        PositionFault::Projected => Wrong::new(
            format!("longitude {longitude} and latitude {latitude} are metres of a projected system"),
            "convert them to degrees",
        ),
        PositionFault::OutsideChina => Wrong::new(
            format!("longitude {longitude} and latitude {latitude} lie outside China"),
            "write degrees between 72.004 and 137.8347 east, 0.8293 and 55.8271 north",
        ),
    }
}
