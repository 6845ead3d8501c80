//! What rows may refer to: the records of the store and those that the import has read so far.

use crate::domain::{DivisionCode, LinkCode, RecordKind};
use crate::store::{Store, StoreError};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A record as a JSON object, columns of its table as keys.
pub(crate) type Body = Map<String, Value>;

/// Records read from the store at once.
const PAGE: i64 = 1000;

/// Codes that exist, with the little that checks need of their records.
#[derive(Debug, Default)]
pub(crate) struct Known {
    divisions: HashSet<DivisionCode>,
    /// Village of each grid; none while its row is faulty.
    grids: HashMap<String, Option<String>>,
    links: BTreeMap<LinkCode, Vec<LinkCode>>,
    places: HashSet<String>,
    sites: HashSet<String>,
    credentials: HashSet<String>,
}

impl Known {
    /// Reads what the store knows.
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut known = Self {
            places: store.record_codes(RecordKind::Place).await?.into_iter().collect(),
            sites: store.record_codes(RecordKind::Site).await?.into_iter().collect(),
            credentials: store.credential_names().await?.into_iter().collect(),
            ..Self::default()
        };
        let divisions = store.record_codes(RecordKind::Division).await?;
        known.divisions = divisions.iter().filter_map(|code| code.parse().ok()).collect();
        for kind in [RecordKind::Grid, RecordKind::Link] {
            let mut after = String::new();
            loop {
                let page = store.record_page(kind, &after, PAGE).await?;
                let Some(last) = page.last().and_then(|body| parse(body)) else { break };
                after = text(&last, "code").to_owned();
                page.iter().filter_map(|body| parse(body)).for_each(|body| known.add(kind, &body));
            }
        }
        Ok(known)
    }

    /// Whether a record exists. Points are referred to by nothing.
    pub(crate) fn has(&self, kind: RecordKind, code: &str) -> bool {
        match kind {
            RecordKind::Division => self.has_division(code),
            RecordKind::Grid => self.grids.contains_key(code),
            RecordKind::Link => code.parse().is_ok_and(|code: LinkCode| self.links.contains_key(&code)),
            RecordKind::Place => self.places.contains(code),
            RecordKind::Site => self.sites.contains(code),
            RecordKind::Point => false,
        }
    }

    /// Whether a division exists.
    pub(crate) fn has_division(&self, code: &str) -> bool {
        code.parse().is_ok_and(|code: DivisionCode| self.divisions.contains(&code))
    }

    /// Whether a credential exists.
    pub(crate) fn has_credential(&self, name: &str) -> bool {
        self.credentials.contains(name)
    }

    /// The village of a grid, where it is known.
    pub(crate) fn village_of(&self, grid: &str) -> Option<&str> {
        self.grids.get(grid)?.as_deref()
    }

    /// Parents of every link.
    pub(crate) const fn links(&self) -> &BTreeMap<LinkCode, Vec<LinkCode>> {
        &self.links
    }

    /// Adds a code whose record is not complete yet, so that a fault of its row is not told again by those that
    /// refer to it.
    pub(crate) fn add_code(&mut self, kind: RecordKind, code: &str) {
        match kind {
            RecordKind::Division => self.divisions.extend(code.parse::<DivisionCode>()),
            RecordKind::Grid => drop(self.grids.entry(code.to_owned()).or_default()),
            RecordKind::Link => {
                if let Ok(code) = code.parse::<LinkCode>() {
                    self.links.entry(code).or_default();
                }
            }
            RecordKind::Place => drop(self.places.insert(code.to_owned())),
            RecordKind::Site => drop(self.sites.insert(code.to_owned())),
            RecordKind::Point => {}
        }
    }

    /// Adds a complete record.
    pub(crate) fn add(&mut self, kind: RecordKind, body: &Body) {
        let code = text(body, "code");
        match kind {
            RecordKind::Grid => {
                let village = Some(text(body, "village").to_owned()).filter(|village| !village.is_empty());
                self.grids.insert(code.to_owned(), village);
            }
            RecordKind::Link => {
                if let Ok(code) = code.parse() {
                    let parents = text(body, "parents").split_whitespace();
                    self.links.insert(code, parents.filter_map(|parent| parent.parse().ok()).collect());
                }
            }
            RecordKind::Division | RecordKind::Place | RecordKind::Site | RecordKind::Point => {
                self.add_code(kind, code);
            }
        }
    }

    /// Adds a credential.
    pub(crate) fn add_credential(&mut self, name: &str) {
        self.credentials.insert(name.to_owned());
    }
}

/// Parses a kept record.
pub(crate) fn parse(body: &str) -> Option<Body> {
    serde_json::from_str(body).ok()
}

/// A text of a record; empty when it has none.
pub(crate) fn text<'b>(body: &'b Body, field: &str) -> &'b str {
    body.get(field).and_then(Value::as_str).unwrap_or("")
}
