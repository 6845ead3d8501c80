//! Points: one camera channel each, the unit of every figure.

use crate::domain::secret::has_password_key;
use crate::domain::site::Position;
use crate::domain::{DivisionCode, GridCode, PlaceCode, PointCode, SiteCode, Timestamp, Trust, Window};
use std::fmt;
use std::str::FromStr;

/// Class of a point (GB/T 28181-2022 `PointType`): decides its target and its mandatory record fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointClass {
    /// 一类: key public areas.
    One,
    /// 二类: key sectors touching public areas.
    Two,
    /// 三类: inner places.
    Three,
    /// 其他 (9).
    Other,
}

impl PointClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Other];

    /// The digit used in SQL, JSON, metrics and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Three => "3",
            Self::Other => "9",
        }
    }
}

/// Whether a point is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointStatus {
    /// 在用: watched and counted.
    InUse,
    /// 维修: taken off for repair; still counted.
    Repair,
    /// 拆除: gone; neither watched nor counted.
    Removed,
}

impl PointStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::InUse, Self::Repair, Self::Removed];

    /// The word used in SQL, JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::Repair => "repair",
            Self::Removed => "removed",
        }
    }
}

/// How a point is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchMode {
    /// Short sessions once a period, light looks between them.
    Patrol,
    /// A kept session judged in windows.
    Continuous,
    /// Not watched: in the records only.
    Off,
}

impl WatchMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Patrol, Self::Continuous, Self::Off];

    /// The word used in SQL, JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patrol => "patrol",
            Self::Continuous => "continuous",
            Self::Off => "off",
        }
    }
}

/// An `rtsp://` or `rtsps://` address without user and password.
///
/// Credentials never live in addresses, so the type cannot hold them and is safe to print. Some makers take them as keys
/// of the path or query (Xiongmai `/user=admin&password=..`); such an address is refused alike.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamUrl(url::Url);

/// Why a text is no stream address. The text itself is not repeated: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamUrlError {
    /// Not a URL.
    #[error("stream address is not a URL")]
    Malformed,
    /// Neither `rtsp` nor `rtsps`.
    #[error("stream address must begin with rtsp:// or rtsps://")]
    Scheme,
    /// No host.
    #[error("stream address has no host")]
    Host,
    /// Holds a user or password.
    #[error(
        "stream address holds a user or password; leave them out, put them in the credentials file and name the entry in `credential`"
    )]
    Credentials,
}

impl StreamUrl {
    /// The address as a URL.
    pub const fn as_url(&self) -> &url::Url {
        &self.0
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Host name or address.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or("")
    }

    /// Port; 554, or 322 for rtsps, when none is written.
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(if self.is_encrypted() { 322 } else { 554 })
    }

    /// Whether the transport is TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "rtsps"
    }
}

impl FromStr for StreamUrl {
    type Err = StreamUrlError;

    fn from_str(text: &str) -> Result<Self, StreamUrlError> {
        let url = url::Url::parse(text).map_err(|_text_may_hold_a_password| StreamUrlError::Malformed)?;
        if !matches!(url.scheme(), "rtsp" | "rtsps") {
            return Err(StreamUrlError::Scheme);
        }
        if url.host_str().unwrap_or("").is_empty() {
            return Err(StreamUrlError::Host);
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || has_password_key(&url[url::Position::BeforePath..]) {
            return Err(StreamUrlError::Credentials);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// A point: one camera channel at a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// National code.
    pub code: PointCode,
    /// Name.
    pub name: String,
    /// The village or community that answers for it.
    pub village: DivisionCode,
    /// The grid that answers for it; lies inside the village.
    pub grid: Option<GridCode>,
    /// The pole or wall it hangs on.
    pub site: Option<SiteCode>,
    /// The place that it covers.
    pub place: Option<PlaceCode>,
    /// Class.
    pub class: PointClass,
    /// Whether it is in use.
    pub status: PointStatus,
    /// Counted from this instant on.
    pub commissioned: Timestamp,
    /// No longer counted from this instant on.
    pub retired: Option<Timestamp>,
    /// How it is watched.
    pub watch: WatchMode,
    /// Sub-stream, preferred for watching.
    pub sub_stream: Option<StreamUrl>,
    /// Main stream.
    pub main_stream: Option<StreamUrl>,
    /// Name of the entry in the credential table; the secret itself is never here.
    pub credential: Option<String>,
    /// Whom a TLS connection to its streams may lead to.
    pub trust: Trust,
    /// Expected picture size of the watched stream, where recorded.
    pub expected_size: Option<(u32, u32)>,
    /// Expected pictures per second of the watched stream, where recorded.
    pub expected_frames_per_second: Option<f64>,
    /// Who maintains it, for tickets and K4.
    pub maintainer: Option<String>,
    /// Telephone of the maintainer.
    pub maintainer_phone: Option<String>,
    /// Fields of the GB/T 28181-2022 catalogue item, for K5.
    pub record: CatalogueRecord,
}

impl Point {
    /// A point of which no more is recorded than has to be: in use, patrolled, of class one, counted since ever.
    pub fn bare(code: PointCode, village: DivisionCode) -> Self {
        Self {
            code,
            name: code.to_string(),
            village,
            grid: None,
            site: None,
            place: None,
            class: PointClass::One,
            status: PointStatus::InUse,
            commissioned: Timestamp::MIN,
            retired: None,
            watch: WatchMode::Patrol,
            sub_stream: None,
            main_stream: None,
            credential: None,
            expected_size: None,
            expected_frames_per_second: None,
            trust: Trust::default(),
            maintainer: None,
            maintainer_phone: None,
            record: CatalogueRecord::default(),
        }
    }

    /// The stream to watch: the sub-stream where there is one.
    pub fn watched_stream(&self) -> Option<&StreamUrl> {
        self.sub_stream.as_ref().or(self.main_stream.as_ref())
    }

    /// The main stream, where another one is watched.
    pub fn unwatched_main(&self) -> Option<&StreamUrl> {
        self.main_stream.as_ref().filter(|main| self.watched_stream() != Some(main))
    }

    /// Whether the point counts in the figures at `at`.
    pub fn counts_at(&self, at: Timestamp) -> bool {
        self.status != PointStatus::Removed
            && self.commissioned <= at
            && self.retired.is_none_or(|retired| at < retired)
    }

    /// Whether the point is to be looked at, at `at`. One under repair is: its state counts, and its recovery is to be seen.
    pub fn is_watched_at(&self, at: Timestamp) -> bool {
        self.watch != WatchMode::Off && self.counts_at(at)
    }

    /// The time in which the point is counted, `[commissioned, retired)`.
    pub fn counted(&self) -> Option<Window> {
        let gone = self.status == PointStatus::Removed && self.retired.is_none();
        if gone { None } else { Window::new(self.commissioned, self.retired.unwrap_or(Timestamp::MAX)) }
    }

    /// The part of `window` in which the point is counted.
    pub fn considered_in(&self, window: Window) -> Option<Window> {
        self.counted()?.intersect(window)
    }
}

/// The GB/T 28181-2022 catalogue fields that the record rate (建档率, K5) looks at. Codes as the standard writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CatalogueRecord {
    /// `Manufacturer`.
    pub manufacturer: Option<String>,
    /// `Model`.
    pub model: Option<String>,
    /// `Address`.
    pub address: Option<String>,
    /// `Longitude`, `Latitude` of the point itself; the site's position stands in.
    pub position: Option<Position>,
    /// `RegisterWay`: 1-4.
    pub register_way: Option<String>,
    /// `SecurityLevelCode`: A, B or C of GB 35114.
    pub security_level: Option<String>,
    /// `Secrecy`: 0 or 1.
    pub secrecy: Option<String>,
    /// `Info.PTZType`: 1-7.
    pub camera_type: Option<String>,
    /// `Info.PhotoelectricImagingType`.
    pub imaging_type: Option<String>,
    /// `Info.CapturePositionType`: 7 digits of annex O.
    pub capture_position_type: Option<String>,
    /// `Info.RoomType`.
    pub room_type: Option<String>,
    /// `Info.SupplyLightType`.
    pub supply_light_type: Option<String>,
    /// `Info.DirectionType`: 1-8.
    pub direction: Option<String>,
    /// `Info.GrassrootsCode`: 6 digits.
    pub grassroots_code: Option<String>,
    /// `Info.InstallTime`.
    pub install_time: Option<Timestamp>,
    /// `Info.ManagementUnit`.
    pub management_unit: Option<String>,
    /// `Info.ContactInfo`.
    pub contact: Option<String>,
    /// `Info.RecordSaveDays`.
    pub record_save_days: Option<u32>,
    /// IP address, for the record only: identity is the code, never the address.
    pub ip_address: Option<String>,
    /// `Info.MAC`.
    pub mac_address: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_address_holds_no_credentials() {
        let check =
            |text: &str, expected| assert_eq!(text.parse::<StreamUrl>().map(|_| ()), expected, "{text}");
        check("rtsp://10.1.2.3/stream1", Ok(()));
        check("rtsps://10.1.2.3:322/cam/realmonitor?channel=1&subtype=1", Ok(()));
        check("rtsp://admin:secret@10.1.2.3/stream1", Err(StreamUrlError::Credentials));
        check("rtsp://admin@10.1.2.3/stream1", Err(StreamUrlError::Credentials));
        let in_path = "rtsp://10.1.2.3/user=admin&Password=secret&channel=1&stream=0.sdp";
        check(in_path, Err(StreamUrlError::Credentials));
        check("rtsp://10.1.2.3/live?channel=1&PWD=secret", Err(StreamUrlError::Credentials));
        check("rtsp://pwd:554/live", Ok(()));
        check("http://10.1.2.3/", Err(StreamUrlError::Scheme));
        check("10.1.2.3", Err(StreamUrlError::Malformed));
    }

    #[test]
    fn an_address_error_never_repeats_the_text() {
        let error = "rtsp://admin:secret@h/".parse::<StreamUrl>().unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
