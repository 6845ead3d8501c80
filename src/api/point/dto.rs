//! The JSON forms of a point.

use crate::api::grid::LeaderDto;
use crate::api::guard::Caller;
use crate::api::link::LinkDto;
use crate::api::site::PositionDto;
use crate::api::time::Time;
use crate::api::view::{Seen, View};
use crate::api::word::{CodecWord, PointClassWord, PointStatusWord, StateWord, WatchModeWord};
use crate::domain::access::{Role, Scope};
use crate::domain::point::CatalogueRecord;
use crate::domain::{
    Cause, ClockReading, Condition, Declared, DivisionLevel, Measurement, Point, State, Transport,
};
use crate::health::snapshot::LivePoint;
use crate::ingest::Way;
use serde::Serialize;
use std::time::Duration;

/// A point with its live state.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Point)]
pub(crate) struct PointDto {
    /// National code.
    code: String,
    /// Name.
    name: String,
    /// The village or community that answers for it.
    village: String,
    /// Its name.
    village_name: Option<String>,
    /// The township.
    township: Option<String>,
    /// The county.
    county: Option<String>,
    /// The grid that answers for it.
    grid: Option<String>,
    /// The grid leader (网格长) of now.
    leader: Option<LeaderDto>,
    /// The pole or wall it hangs on.
    site: Option<String>,
    /// The place that it covers.
    place: Option<String>,
    /// Class (一类/二类/三类 as 1/2/3, others 9).
    class: PointClassWord,
    /// Whether it is in use.
    status: PointStatusWord,
    /// How it is watched.
    watch: WatchModeWord,
    /// What is known of it now.
    live: LiveDto,
}

/// What is known of a point now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LivePoint)]
pub(crate) struct LiveDto {
    /// The state that is shown: `excluded` while an exclusion is in force, else what is measured.
    state: StateWord,
    /// Why; null while good.
    cause: Option<&'static str>,
    /// What the cause carries: the failed link, or the kind of the exclusion.
    detail: Option<String>,
    /// Since when, back-dated to the first failed look.
    since: Option<Time>,
    /// What is measured, exclusions left aside.
    measured: ConditionDto,
    /// The failure not yet confirmed.
    suspected: Option<CauseDto>,
    /// Every confirmed fault of the last look, worst first.
    faults: Vec<CauseDto>,
    /// Whether the state changes too often (抖动).
    flapping: bool,
    /// Online or not when it was last known.
    last_known_up: Option<bool>,
    /// End of the last look.
    last_look: Option<Time>,
    /// Last time that pictures were received.
    last_frame: Option<Time>,
    /// How its stream is pulled; null while none was.
    transport: Option<TransportDto>,
}

/// How a stream is pulled.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Transport)]
pub(crate) struct TransportDto {
    /// What carries the packets: `rtsp-tcp`, `rtsps-tcp`, `rtsp-udp`; null while no pictures came.
    carrier: Option<&'static str>,
    /// Who pulls: `retina`, or `rtspsrc` where that cannot.
    puller: Option<&'static str>,
    /// What a person should know of it: that a transport cannot be pulled on this machine, that no puller was free or that
    /// it died, or which certificate is not believed.
    note: Option<String>,
}

/// A state with its cause.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Condition)]
pub(crate) struct ConditionDto {
    /// The state.
    state: StateWord,
    /// Why; null while good.
    cause: Option<&'static str>,
    /// What the cause carries.
    detail: Option<String>,
}

/// A cause.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Cause)]
pub(crate) struct CauseDto {
    /// The word.
    cause: &'static str,
    /// What it carries.
    detail: Option<String>,
}

/// One point with its record and what was measured.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PointDetail {
    #[serde(flatten)]
    point: PointDto,
    /// Counted from.
    commissioned: Time,
    /// No longer counted from.
    retired: Option<Time>,
    /// Who maintains it.
    maintainer: Option<String>,
    /// Telephone of the maintainer.
    maintainer_phone: Option<String>,
    /// Address of the sub-stream, without credentials; only for roles that may operate.
    sub_stream: Option<String>,
    /// Address of the main stream, without credentials; only for roles that may operate.
    main_stream: Option<String>,
    /// Whom TLS connections may lead to: the SHA-256 of one certificate, or `insecure`; null for whom an authority vouches.
    trust: Option<String>,
    /// Fields of the GB/T 28181-2022 catalogue.
    record: RecordDto,
    /// The picture size and rate that the records expect.
    expected: StreamDto,
    /// What the session description promised at the last look with pictures.
    declared: Option<StreamDto>,
    /// What the packets of that look told.
    observed: Option<ObservedDto>,
    /// Pictures received since start.
    frames_total: u64,
    /// RTP payload bytes received since start.
    bytes_total: u64,
    /// The failed link that explains the point, with its members.
    root_cause: Option<LinkDto>,
}

/// Coding, size and rate of a stream.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
#[schema(as = Stream)]
pub(crate) struct StreamDto {
    /// Video coding.
    codec: Option<CodecWord>,
    /// Width in pixels.
    width: Option<u32>,
    /// Height in pixels.
    height: Option<u32>,
    /// Pictures per second.
    frames_per_second: Option<f64>,
    /// What the device calls itself.
    server: Option<String>,
}

/// What the packets of one window told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Observed)]
pub(crate) struct ObservedDto {
    /// Video coding, from the bitstream.
    codec: CodecWord,
    /// Width in pixels, from the bitstream.
    width: Option<u32>,
    /// Height in pixels, from the bitstream.
    height: Option<u32>,
    /// Pictures per wall second.
    frames_per_second: f64,
    /// Bits per wall second.
    bits_per_second: f64,
    /// Lost packets over packets sent.
    lost_over_sent: f64,
    /// Pictures in the window.
    frames: u64,
    /// Random-access pictures among them.
    key_frames: u64,
    /// Pictures from one random-access picture to the next.
    gop_frames: Option<u64>,
    /// Time from one random-access picture to the next.
    gop_ms: Option<u64>,
    /// Longest time between two pictures.
    longest_gap_ms: u64,
    /// Length of the window.
    window_ms: u64,
    /// Device clock minus ours; null when it was not seen or is no wall clock.
    clock_error_ms: Option<i64>,
    /// What was seen of the device's clock: `error`, `not_seen`, `not_a_wall_clock`.
    clock: &'static str,
}

/// Fields of the GB/T 28181-2022 catalogue, codes as the standard writes them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Record)]
pub(crate) struct RecordDto {
    manufacturer: Option<String>,
    model: Option<String>,
    address: Option<String>,
    position: Option<PositionDto>,
    register_way: Option<String>,
    security_level: Option<String>,
    secrecy: Option<String>,
    camera_type: Option<String>,
    imaging_type: Option<String>,
    capture_position_type: Option<String>,
    room_type: Option<String>,
    supply_light_type: Option<String>,
    direction: Option<String>,
    grassroots_code: Option<String>,
    install_time: Option<Time>,
    management_unit: Option<String>,
    contact: Option<String>,
    record_save_days: Option<u32>,
    ip_address: Option<String>,
    mac_address: Option<String>,
}

impl PointDto {
    /// A point as JSON.
    pub(crate) fn new(seen: Seen<'_>, way: &Way, view: &View) -> Self {
        let point = seen.point;
        let ancestor = |level| point.village.ancestor(level).map(|code| code.to_string());
        let grid = point.grid.as_ref().and_then(|grid| view.inventory.grids.get(grid));
        Self {
            code: point.code.to_string(),
            name: point.name.clone(),
            village: point.village.to_string(),
            village_name: view.inventory.divisions.get(&point.village).map(|village| village.name.clone()),
            township: ancestor(DivisionLevel::Township),
            county: ancestor(DivisionLevel::County),
            grid: point.grid.as_ref().map(ToString::to_string),
            leader: grid.and_then(|grid| grid.leader.as_ref()).map(LeaderDto::new),
            site: point.site.as_ref().map(ToString::to_string),
            place: point.place.as_ref().map(ToString::to_string),
            class: point.class.into(),
            status: point.status.into(),
            watch: point.watch.into(),
            live: LiveDto::new(seen, way),
        }
    }
}

impl LiveDto {
    fn new(seen: Seen<'_>, way: &Way) -> Self {
        let shown = ConditionDto::of(seen.state(), seen.cause());
        let live = seen.live;
        Self {
            state: shown.state,
            cause: shown.cause,
            detail: shown.detail,
            since: live.map(|live| live.since.into()),
            measured: ConditionDto::new(seen.measured()),
            suspected: live.and_then(|live| live.suspected.as_ref()).map(CauseDto::new),
            faults: live.map(|live| live.faults.iter().map(CauseDto::new).collect()).unwrap_or_default(),
            flapping: live.is_some_and(|live| live.flapping),
            last_known_up: live.and_then(|live| live.last_known_up),
            last_look: live.and_then(|live| live.last_look).map(Time),
            last_frame: live.and_then(|live| live.last_frame).map(Time),
            transport: TransportDto::new(way),
        }
    }
}

impl TransportDto {
    fn new(way: &Way) -> Option<Self> {
        let dto = Self {
            carrier: way.served.map(Transport::carrier),
            puller: way.served.map(Transport::puller),
            note: way.note.as_ref().map(ToString::to_string),
        };
        (*way != Way::default()).then_some(dto)
    }
}

impl ConditionDto {
    /// A condition as JSON.
    pub(crate) fn new(condition: &Condition) -> Self {
        Self::of(condition.state(), condition.cause())
    }

    fn of(state: State, cause: Option<&Cause>) -> Self {
        let detail = cause.and_then(Cause::detail).map(str::to_owned);
        Self { state: state.into(), cause: cause.map(Cause::as_str), detail }
    }
}

impl CauseDto {
    /// A cause as JSON.
    pub(crate) fn new(cause: &Cause) -> Self {
        Self { cause: cause.as_str(), detail: cause.detail().map(str::to_owned) }
    }
}

impl PointDetail {
    /// A point with everything that the caller may see.
    pub(crate) fn new(seen: Seen<'_>, way: &Way, view: &View, caller: &Caller) -> Self {
        let point = seen.point;
        let address = |stream: &Option<crate::domain::point::StreamUrl>| {
            stream.as_ref().filter(|_stream| caller.role >= Role::Operate).map(ToString::to_string)
        };
        let measurement = seen.live.and_then(|live| live.measurement.as_deref());
        Self {
            point: PointDto::new(seen, way, view),
            commissioned: point.commissioned.into(),
            retired: point.retired.map(Time),
            maintainer: point.maintainer.clone(),
            maintainer_phone: point.maintainer_phone.clone(),
            sub_stream: address(&point.sub_stream),
            main_stream: address(&point.main_stream),
            trust: point.trust.word(),
            record: RecordDto::new(&point.record),
            expected: StreamDto::expected(point),
            declared: measurement.map(|measurement| StreamDto::declared(&measurement.declared)),
            observed: measurement.map(ObservedDto::new),
            frames_total: seen.live.map_or(0, |live| live.frames_total),
            bytes_total: seen.live.map_or(0, |live| live.bytes_total),
            root_cause: seen.live.and_then(|live| root_cause(live, view, caller.scope)),
        }
    }
}

fn root_cause(live: &LivePoint, view: &View, scope: Scope) -> Option<LinkDto> {
    let Some(Cause::LinkDown(link)) = live.measured.cause() else { return None };
    view.inventory.links.get(link).map(|link| LinkDto::root_cause(link, view, scope))
}

impl StreamDto {
    fn expected(point: &Point) -> Self {
        Self {
            width: point.expected_size.map(|(width, _)| width),
            height: point.expected_size.map(|(_, height)| height),
            frames_per_second: point.expected_frames_per_second,
            ..Self::default()
        }
    }

    /// What a session description promised.
    pub(crate) fn declared(declared: &Declared) -> Self {
        Self {
            codec: declared.codec.map(CodecWord),
            width: declared.size.map(|(width, _)| width),
            height: declared.size.map(|(_, height)| height),
            frames_per_second: declared.frames_per_second,
            server: declared.server.clone(),
        }
    }
}

impl ObservedDto {
    /// A measurement as JSON.
    pub(crate) fn new(measurement: &Measurement) -> Self {
        Self {
            codec: measurement.codec.into(),
            width: measurement.size.map(|(width, _)| width),
            height: measurement.size.map(|(_, height)| height),
            frames_per_second: measurement.frames_per_second(),
            bits_per_second: measurement.bits_per_second(),
            lost_over_sent: measurement.lost_over_sent(),
            frames: measurement.frames,
            key_frames: measurement.key_frames,
            gop_frames: measurement.gop_frames,
            gop_ms: measurement.gop_time.map(millis),
            longest_gap_ms: millis(measurement.longest_gap),
            window_ms: millis(measurement.window),
            clock_error_ms: match measurement.clock {
                ClockReading::ErrorMs(error) => Some(error),
                ClockReading::NotSeen | ClockReading::NotAWallClock => None,
            },
            clock: match measurement.clock {
                ClockReading::ErrorMs(_) => "error",
                ClockReading::NotSeen => "not_seen",
                ClockReading::NotAWallClock => "not_a_wall_clock",
            },
        }
    }
}

impl RecordDto {
    fn new(record: &CatalogueRecord) -> Self {
        let record = record.clone();
        Self {
            manufacturer: record.manufacturer,
            model: record.model,
            address: record.address,
            position: record.position.as_ref().map(PositionDto::new),
            register_way: record.register_way,
            security_level: record.security_level,
            secrecy: record.secrecy,
            camera_type: record.camera_type,
            imaging_type: record.imaging_type,
            capture_position_type: record.capture_position_type,
            room_type: record.room_type,
            supply_light_type: record.supply_light_type,
            direction: record.direction,
            grassroots_code: record.grassroots_code,
            install_time: record.install_time.map(Time),
            management_unit: record.management_unit,
            contact: record.contact,
            record_save_days: record.record_save_days,
            ip_address: record.ip_address,
            mac_address: record.mac_address,
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
