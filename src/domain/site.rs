//! Sites: the poles and walls that cameras hang on.

use crate::domain::{DivisionCode, LinkCode, SiteCode};

/// A position on the earth, WGS-84, with what was written in the source kept beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// Longitude in degrees, WGS-84.
    pub longitude: f64,
    /// Latitude in degrees, WGS-84.
    pub latitude: f64,
    /// Coordinate system of the source: `wgs84`, `gcj02`, `bd09`.
    pub source: Datum,
    /// Longitude as written in the source.
    pub raw_longitude: f64,
    /// Latitude as written in the source.
    pub raw_latitude: f64,
}

/// Coordinate system of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datum {
    /// WGS-84 (CGCS2000 is equal for our purpose).
    Wgs84,
    /// GCJ-02 (AMap, Tencent).
    Gcj02,
    /// BD-09 (Baidu).
    Bd09,
}

impl Datum {
    /// Every system.
    pub const ALL: [Self; 3] = [Self::Wgs84, Self::Gcj02, Self::Bd09];

    /// The word used in SQL, JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }
}

/// A pole or wall.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Unique code.
    pub code: SiteCode,
    /// Name.
    pub name: String,
    /// The village or community that it stands in.
    pub village: DivisionCode,
    /// Where it stands.
    pub position: Option<Position>,
    /// Mount: pole, borrowed pole, wall, ground.
    pub mount: Option<String>,
    /// Who supplies the power (电业局/单位/居民/...).
    pub power: Option<String>,
    /// The link that it hangs on, the first step of its path.
    pub link: Option<LinkCode>,
}
