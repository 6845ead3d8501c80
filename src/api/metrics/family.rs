//! The families that are rendered from the live snapshot: points, villages, links.
//!
//! `point_up` keeps the last known value while a point is `unknown`, shows what is measured while it is `excluded`, and
//! is absent only for a point that was never known; the sparse `point_state` says which. Nothing here depends on a
//! worker being alive: a dead one leaves the snapshot as it was.

use crate::api::metrics::label::{PointLabels, push_division, push_label};
use crate::api::metrics::text::{Exposition, Family, Kind};
use crate::api::view::{Seen, View};
use crate::config::PerPoint;
use crate::domain::picture::Item;
use crate::domain::{Cause, Condition, DivisionCode, DivisionLevel, State, Timestamp};
use crate::health::snapshot::{LinkStatus, LivePoint};
use std::collections::BTreeMap;
use std::fmt;
use std::io;

const POINT_UP: Family = Family {
    name: "sharpeyes_point_up",
    kind: Kind::Gauge,
    help: "Whether video arrives from the point; the last known value while unknown, the measured one while excluded.",
};
const POINT_INFO: Family = Family {
    name: "sharpeyes_point_info",
    kind: Kind::Gauge,
    help: "What the records say of the point; always 1.",
};
const POINT_STATE: Family = Family {
    name: "sharpeyes_point_state",
    kind: Kind::Gauge,
    help: "State and cause of a point that is not good; always 1, absent while good.",
};
const LAST_FRAME: Family = Family {
    name: "sharpeyes_point_last_frame_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Last time that pictures of the point were received.",
};
const STATE_SINCE: Family = Family {
    name: "sharpeyes_point_state_since_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the measured condition of the point began.",
};
const RECEIVED: Family = Family {
    name: "sharpeyes_point_received_bytes_total",
    kind: Kind::Counter,
    help: "RTP payload bytes received from the point since start.",
};
const FRAMES: Family = Family {
    name: "sharpeyes_point_frames_total",
    kind: Kind::Counter,
    help: "Pictures received from the point since start.",
};
const VILLAGE_POINTS: Family =
    Family { name: "sharpeyes_village_points", kind: Kind::Gauge, help: "Points of the village by state." };
const PICTURE_POINTS: Family = Family {
    name: "sharpeyes_picture_points",
    kind: Kind::Gauge,
    help: "Online points whose picture is looked at, by the worst that is believed of it.",
};
const PICTURE_ITEM_POINTS: Family = Family {
    name: "sharpeyes_picture_item_points",
    kind: Kind::Gauge,
    help: "Points by what is believed of each item of their picture; absent where there is none.",
};
const LINK_UP: Family = Family {
    name: "sharpeyes_link_up",
    kind: Kind::Gauge,
    help: "Whether the link carries; a suspected link counts as up until it is confirmed, a link never probed is absent.",
};

/// Writes the point families.
pub(crate) fn points(view: &View, per_point: PerPoint, out: &mut Exposition) -> io::Result<()> {
    out.family(&POINT_UP);
    for (labels, seen) in labelled(view) {
        if let Some(up) = up(seen.live) {
            out.series(&POINT_UP, &[labels.place], u8::from(up))?;
        }
    }
    out.family(&POINT_INFO);
    for labels in view.labels().iter() {
        out.series(&POINT_INFO, &[labels.place, labels.grid, labels.info], 1)?;
    }
    out.family(&POINT_STATE);
    for (labels, seen) in labelled(view).filter(|(_, seen)| seen.state() != State::Good) {
        let (state, cause) = (seen.state().as_str(), seen.cause().map_or("", Cause::as_str));
        let parts = [labels.place, labels.grid, ",state=\"", state, "\",cause=\"", cause, "\""];
        out.series(&POINT_STATE, &parts, 1)?;
    }
    match per_point {
        PerPoint::Default => Ok(()),
        PerPoint::Full => full(view, out),
    }
}

/// Writes the families of `metrics.per_point = "full"`.
fn full(view: &View, out: &mut Exposition) -> io::Result<()> {
    lean(view, out, &LAST_FRAME, |live| live.last_frame.map(Seconds))?;
    lean(view, out, &STATE_SINCE, |live| Some(Seconds(live.since)))?;
    lean(view, out, &RECEIVED, |live| Some(live.bytes_total))?;
    lean(view, out, &FRAMES, |live| Some(live.frames_total))
}

/// Writes a family that is labelled with the code only.
fn lean<T: fmt::Display>(
    view: &View,
    out: &mut Exposition,
    family: &Family,
    value: impl Fn(&LivePoint) -> Option<T>,
) -> io::Result<()> {
    out.family(family);
    for (labels, seen) in labelled(view) {
        if let Some(value) = seen.live.and_then(&value) {
            out.series(family, &["point=\"", labels.code.as_str(), "\""], value)?;
        }
    }
    Ok(())
}

/// Writes the village family: every state of every village, zeros too.
pub(crate) fn villages(view: &View, out: &mut Exposition) -> io::Result<()> {
    out.family(&VILLAGE_POINTS);
    let mut labels = String::new();
    let villages = view.inventory.divisions.keys().filter(|code| code.level() == DivisionLevel::Village);
    for village in villages {
        labels.clear();
        push_division(&mut labels, *village);
        let counts = view.tally().division(village);
        for state in State::ALL {
            let parts = ["state=\"", state.as_str(), "\"", &labels];
            out.series(&VILLAGE_POINTS, &parts, counts.of(state))?;
        }
    }
    Ok(())
}

/// Writes the picture families, of each county.
pub(crate) fn pictures(view: &View, out: &mut Exposition) -> io::Result<()> {
    let counties = picture_counts(view);
    out.family(&PICTURE_POINTS);
    for (county, counts) in &counties {
        for grade in GRADES {
            let parts = ["county=\"", county.as_str(), "\",grade=\"", grade, "\""];
            out.series(&PICTURE_POINTS, &parts, counts.online.get(grade).copied().unwrap_or(0))?;
        }
    }
    out.family(&PICTURE_ITEM_POINTS);
    for (county, counts) in &counties {
        for ((item, grade), count) in &counts.items {
            let parts =
                ["county=\"", county.as_str(), "\",item=\"", item.as_str(), "\",grade=\"", grade, "\""];
            out.series(&PICTURE_ITEM_POINTS, &parts, *count)?;
        }
    }
    Ok(())
}

/// The words of the grades.
const GRADES: [&str; 4] = ["not_checked", "normal", "warning", "abnormal"];
/// In the place of a grade: most of a township shows it.
const WEATHER: &str = "weather";

/// The pictures of a county.
#[derive(Default)]
struct PictureCounts {
    online: BTreeMap<&'static str, u64>,
    items: BTreeMap<(Item, &'static str), u64>,
}

fn picture_counts(view: &View) -> BTreeMap<DivisionCode, PictureCounts> {
    let mut counties: BTreeMap<DivisionCode, PictureCounts> = BTreeMap::new();
    for seen in view.points_after(None) {
        let Some(county) = seen.point.village.ancestor(DivisionLevel::County) else { continue };
        let Some(verdict) = seen.live.and_then(|live| live.picture.as_deref()) else { continue };
        let counts = counties.entry(county).or_default();
        if seen.measured().state().is_online() {
            *counts.online.entry(verdict.grade().as_str()).or_default() += 1;
        }
        for (item, status) in verdict.items.iter() {
            let is_weather = status.grade.is_fault() && verdict.weather.contains(item);
            let grade = if is_weather { WEATHER } else { status.grade.as_str() };
            *counts.items.entry((item, grade)).or_default() += 1;
        }
    }
    counties
}

/// Writes the link family.
pub(crate) fn links(view: &View, out: &mut Exposition) -> io::Result<()> {
    out.family(&LINK_UP);
    let mut labels = String::new();
    for (code, link) in &view.inventory.links {
        let Some(up) = view.live_link(code).and_then(|live| carries(live.status)) else { continue };
        labels.clear();
        push_label(&mut labels, "kind=\"", link.kind.as_str());
        push_label(&mut labels, ",link=\"", code.as_str());
        push_division(&mut labels, link.division);
        out.series(&LINK_UP, &[&labels], u8::from(up))?;
    }
    Ok(())
}

/// The points in use with their label sets: both stand in the order of the codes.
fn labelled(view: &View) -> impl Iterator<Item = (PointLabels<'_>, Seen<'_>)> {
    let mut points = view.points_after(None);
    view.labels().iter().filter_map(move |labels| {
        points.find(|seen| seen.point.code >= labels.code).map(|seen| (labels, seen))
    })
}

/// Whether video arrives: what is measured, or the last known value while that is `unknown`.
fn up(live: Option<&LivePoint>) -> Option<bool> {
    let live = live?;
    match &live.measured {
        Condition::Good => Some(true),
        Condition::Because(cause) => match cause.state() {
            State::Unknown | State::Excluded => live.last_known_up,
            state
            @ (State::Good | State::Degraded | State::NoVideo | State::Offline | State::Unreachable) => {
                Some(state.is_online())
            }
        },
    }
}

fn carries(status: LinkStatus) -> Option<bool> {
    match status {
        LinkStatus::Up | LinkStatus::Suspected => Some(true),
        LinkStatus::Down => Some(false),
        LinkStatus::Unknown => None,
    }
}

/// An instant in seconds, without a detour over floating point.
struct Seconds(Timestamp);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        write!(f, "{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
    }
}
