//! Rows of the inventory tables and their way into domain values.
//!
//! One struct serves three readers: a row of the table, the JSON body of a kept version, and the loader. The columns
//! are named once, in `table!`, which also writes the statements of that table.

use crate::domain::division::Division;
use crate::domain::grid::{Grid, GridKind, Leader};
use crate::domain::link::{Link, LinkKind, Redundancy};
use crate::domain::place::{Place, PlaceKind};
use crate::domain::point::{CatalogueRecord, Point};
use crate::domain::secret::may_hold_password;
use crate::domain::site::{Datum, Position, Site};
use crate::domain::{PointClass, PointStatus, Timestamp, WatchMode};
use crate::store::StoreError;
use serde::Deserialize;
use std::str::FromStr;

/// The statements of one inventory table.
pub(super) struct Statements {
    /// Every row, ordered by code.
    pub(super) select: &'static str,
    /// Writes the rows of the JSON array `$1`, SQLite.
    pub(super) upsert_lite: &'static str,
    /// Writes the rows of the JSON array `$1`, PostgreSQL.
    pub(super) upsert_pg: &'static str,
}

/// Declares a row struct with its statements; the code comes first and is the key.
macro_rules! table {
    ($(#[$doc:meta])* $row:ident in $table:literal { $($column:ident: $rust:ty as $pg:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, sqlx::FromRow)]
        pub(super) struct $row {
            pub(super) code: String,
            $(pub(super) $column: $rust,)+
        }

        impl $row {
            pub(super) const STATEMENTS: Statements = Statements {
                select: concat!("SELECT code", $(", ", stringify!($column),)+ " FROM ", $table, " ORDER BY code"),
                upsert_lite: concat!(
                    "INSERT INTO ", $table, " (code", $(", ", stringify!($column),)+ ") ",
                    "SELECT value ->> 'code'", $(", value ->> '", stringify!($column), "'",)+
                    " FROM json_each($1) WHERE true ON CONFLICT (code) DO UPDATE SET code = excluded.code",
                    $(", ", stringify!($column), " = excluded.", stringify!($column),)+
                ),
                upsert_pg: concat!(
                    "INSERT INTO ", $table, " (code", $(", ", stringify!($column),)+ ") ",
                    "SELECT code", $(", ", stringify!($column),)+
                    " FROM json_to_recordset($1::json) AS batch(code TEXT",
                    $(", ", stringify!($column), " ", $pg,)+
                    ") ON CONFLICT (code) DO UPDATE SET code = excluded.code",
                    $(", ", stringify!($column), " = excluded.", stringify!($column),)+
                ),
            };
        }
    };
}

table!(
    /// A row of `division`.
    DivisionRow in "division" {
        name: String as "TEXT",
        assessed: bool as "BOOLEAN",
        households: Option<i64> as "BIGINT",
        has_centre: bool as "BOOLEAN",
        valid_from_ms: Option<i64> as "BIGINT",
        valid_to_ms: Option<i64> as "BIGINT",
    }
);

table!(
    /// A row of `grid`.
    GridRow in "grid" {
        name: String as "TEXT",
        village: String as "TEXT",
        kind: String as "TEXT",
        households: Option<i64> as "BIGINT",
        leader_name: Option<String> as "TEXT",
        leader_phone: Option<String> as "TEXT",
        leader_from_ms: Option<i64> as "BIGINT",
        leader_to_ms: Option<i64> as "BIGINT",
    }
);

table!(
    /// A row of `link`.
    LinkRow in "link" {
        name: String as "TEXT",
        kind: String as "TEXT",
        division: String as "TEXT",
        parents: Option<String> as "TEXT",
        redundancy: String as "TEXT",
        budget_kbps: Option<i64> as "BIGINT",
        budget_sessions: Option<i64> as "BIGINT",
        target: Option<String> as "TEXT",
    }
);

table!(
    /// A row of `place`.
    PlaceRow in "place" {
        name: String as "TEXT",
        village: String as "TEXT",
        kind: String as "TEXT",
        required: bool as "BOOLEAN",
    }
);

table!(
    /// A row of `site`.
    SiteRow in "site" {
        name: String as "TEXT",
        village: String as "TEXT",
        longitude: Option<f64> as "DOUBLE PRECISION",
        latitude: Option<f64> as "DOUBLE PRECISION",
        datum: Option<String> as "TEXT",
        raw_longitude: Option<f64> as "DOUBLE PRECISION",
        raw_latitude: Option<f64> as "DOUBLE PRECISION",
        mount: Option<String> as "TEXT",
        power: Option<String> as "TEXT",
        link: Option<String> as "TEXT",
    }
);

table!(
    /// A row of `point`.
    PointRow in "point" {
        name: String as "TEXT",
        village: String as "TEXT",
        grid: Option<String> as "TEXT",
        site: Option<String> as "TEXT",
        place: Option<String> as "TEXT",
        class: String as "TEXT",
        status: String as "TEXT",
        commissioned_ms: i64 as "BIGINT",
        retired_ms: Option<i64> as "BIGINT",
        watch: String as "TEXT",
        sub_stream: Option<String> as "TEXT",
        main_stream: Option<String> as "TEXT",
        credential: Option<String> as "TEXT",
        trust: Option<String> as "TEXT",
        expected_width: Option<i64> as "BIGINT",
        expected_height: Option<i64> as "BIGINT",
        expected_frames_per_second: Option<f64> as "DOUBLE PRECISION",
        maintainer: Option<String> as "TEXT",
        maintainer_phone: Option<String> as "TEXT",
        manufacturer: Option<String> as "TEXT",
        model: Option<String> as "TEXT",
        address: Option<String> as "TEXT",
        longitude: Option<f64> as "DOUBLE PRECISION",
        latitude: Option<f64> as "DOUBLE PRECISION",
        datum: Option<String> as "TEXT",
        raw_longitude: Option<f64> as "DOUBLE PRECISION",
        raw_latitude: Option<f64> as "DOUBLE PRECISION",
        register_way: Option<String> as "TEXT",
        security_level: Option<String> as "TEXT",
        secrecy: Option<String> as "TEXT",
        camera_type: Option<String> as "TEXT",
        imaging_type: Option<String> as "TEXT",
        capture_position_type: Option<String> as "TEXT",
        room_type: Option<String> as "TEXT",
        supply_light_type: Option<String> as "TEXT",
        direction: Option<String> as "TEXT",
        grassroots_code: Option<String> as "TEXT",
        install_time_ms: Option<i64> as "BIGINT",
        management_unit: Option<String> as "TEXT",
        contact: Option<String> as "TEXT",
        record_save_days: Option<i64> as "BIGINT",
        ip_address: Option<String> as "TEXT",
        mac_address: Option<String> as "TEXT",
    }
);

/// Parses a stored text; a text that does not parse was not written by this version.
fn parsed<T: FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    let shown = if may_hold_password(text) { "(withheld)" } else { text };
    text.parse().map_err(|_error: T::Err| StoreError::corrupt(what, shown))
}

fn parsed_if<T: FromStr>(what: &'static str, text: Option<&String>) -> Result<Option<T>, StoreError> {
    text.map(|text| parsed(what, text)).transpose()
}

/// Finds the variant whose word was stored.
fn word<T: Copy>(
    what: &'static str,
    text: &str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, StoreError> {
    all.iter()
        .copied()
        .find(|variant| as_str(*variant) == text)
        .ok_or_else(|| StoreError::corrupt(what, text))
}

fn whole<T: TryFrom<i64>>(what: &'static str, value: Option<i64>) -> Result<Option<T>, StoreError> {
    value.map(|value| T::try_from(value).map_err(|_error| StoreError::corrupt(what, value))).transpose()
}

fn instant(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

/// Joins the five columns of a position; a record has all of them or none.
fn position(
    (longitude, latitude): (Option<f64>, Option<f64>),
    datum: Option<&String>,
    (raw_longitude, raw_latitude): (Option<f64>, Option<f64>),
) -> Result<Option<Position>, StoreError> {
    let (Some(longitude), Some(latitude), Some(datum)) = (longitude, latitude, datum) else {
        return Ok(None);
    };
    let source = word("datum", datum, &Datum::ALL, Datum::as_str)?;
    Ok(Some(Position {
        longitude,
        latitude,
        source,
        raw_longitude: raw_longitude.unwrap_or(longitude),
        raw_latitude: raw_latitude.unwrap_or(latitude),
    }))
}

impl TryFrom<DivisionRow> for Division {
    type Error = StoreError;

    fn try_from(row: DivisionRow) -> Result<Self, StoreError> {
        Ok(Self {
            code: parsed("division code", &row.code)?,
            name: row.name,
            assessed: row.assessed,
            households: whole("households", row.households)?,
            has_centre: row.has_centre,
            valid_from: instant(row.valid_from_ms),
            valid_to: instant(row.valid_to_ms),
        })
    }
}

impl TryFrom<GridRow> for Grid {
    type Error = StoreError;

    fn try_from(row: GridRow) -> Result<Self, StoreError> {
        let (phone, from, to) = (row.leader_phone, instant(row.leader_from_ms), instant(row.leader_to_ms));
        Ok(Self {
            code: parsed("grid code", &row.code)?,
            name: row.name,
            village: parsed("grid village", &row.village)?,
            kind: word("grid kind", &row.kind, &GridKind::ALL, GridKind::as_str)?,
            households: whole("households", row.households)?,
            leader: row.leader_name.map(|name| Leader { name, phone, from, to }),
        })
    }
}

impl TryFrom<LinkRow> for Link {
    type Error = StoreError;

    fn try_from(row: LinkRow) -> Result<Self, StoreError> {
        let parents = row.parents.as_deref().unwrap_or("").split_whitespace();
        Ok(Self {
            code: parsed("link code", &row.code)?,
            name: row.name,
            kind: word("link kind", &row.kind, &LinkKind::ALL, LinkKind::as_str)?,
            division: parsed("link division", &row.division)?,
            parents: parents.map(|code| parsed("link parent", code)).collect::<Result<_, _>>()?,
            redundancy: word("link redundancy", &row.redundancy, &Redundancy::ALL, Redundancy::as_str)?,
            budget_kbps: whole("link budget", row.budget_kbps)?,
            budget_sessions: whole("link budget", row.budget_sessions)?,
            target: parsed_if("link target", row.target.as_ref())?,
        })
    }
}

impl TryFrom<PlaceRow> for Place {
    type Error = StoreError;

    fn try_from(row: PlaceRow) -> Result<Self, StoreError> {
        Ok(Self {
            code: parsed("place code", &row.code)?,
            name: row.name,
            village: parsed("place village", &row.village)?,
            kind: word("place kind", &row.kind, &PlaceKind::ALL, PlaceKind::as_str)?,
            required: row.required,
        })
    }
}

impl TryFrom<SiteRow> for Site {
    type Error = StoreError;

    fn try_from(row: SiteRow) -> Result<Self, StoreError> {
        Ok(Self {
            code: parsed("site code", &row.code)?,
            name: row.name,
            village: parsed("site village", &row.village)?,
            position: position(
                (row.longitude, row.latitude),
                row.datum.as_ref(),
                (row.raw_longitude, row.raw_latitude),
            )?,
            mount: row.mount,
            power: row.power,
            link: parsed_if("site link", row.link.as_ref())?,
        })
    }
}

impl TryFrom<PointRow> for Point {
    type Error = StoreError;

    fn try_from(row: PointRow) -> Result<Self, StoreError> {
        let width = whole("expected width", row.expected_width)?;
        let height = whole("expected height", row.expected_height)?;
        Ok(Self {
            code: parsed("point code", &row.code)?,
            village: parsed("point village", &row.village)?,
            grid: parsed_if("point grid", row.grid.as_ref())?,
            site: parsed_if("point site", row.site.as_ref())?,
            place: parsed_if("point place", row.place.as_ref())?,
            class: word("point class", &row.class, &PointClass::ALL, PointClass::as_str)?,
            status: word("point status", &row.status, &PointStatus::ALL, PointStatus::as_str)?,
            commissioned: Timestamp::from_millis(row.commissioned_ms),
            retired: instant(row.retired_ms),
            watch: word("watch mode", &row.watch, &WatchMode::ALL, WatchMode::as_str)?,
            sub_stream: parsed_if("sub stream", row.sub_stream.as_ref())?,
            main_stream: parsed_if("main stream", row.main_stream.as_ref())?,
            credential: row.credential.clone(),
            trust: parsed_if("point trust", row.trust.as_ref())?.unwrap_or_default(),
            expected_size: width.zip(height),
            expected_frames_per_second: row.expected_frames_per_second,
            maintainer: row.maintainer.clone(),
            maintainer_phone: row.maintainer_phone.clone(),
            name: row.name.clone(),
            record: catalogue_record(row)?,
        })
    }
}

fn catalogue_record(row: PointRow) -> Result<CatalogueRecord, StoreError> {
    Ok(CatalogueRecord {
        position: position(
            (row.longitude, row.latitude),
            row.datum.as_ref(),
            (row.raw_longitude, row.raw_latitude),
        )?,
        manufacturer: row.manufacturer,
        model: row.model,
        address: row.address,
        register_way: row.register_way,
        security_level: row.security_level,
        secrecy: row.secrecy,
        camera_type: row.camera_type,
        imaging_type: row.imaging_type,
        capture_position_type: row.capture_position_type,
        room_type: row.room_type,
        supply_light_type: row.supply_light_type,
        direction: row.direction,
        grassroots_code: row.grassroots_code,
        install_time: instant(row.install_time_ms),
        management_unit: row.management_unit,
        contact: row.contact,
        record_save_days: whole("record save days", row.record_save_days)?,
        ip_address: row.ip_address,
        mac_address: row.mac_address,
    })
}
