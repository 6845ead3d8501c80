//! The indicators (指标) of the four targets: what each figure counts, in which unit, by which formula.
//!
//! Owns ids, formula versions and the words that explain a figure. How a figure is computed lies in `coverage`,
//! `cover` and `record`; what it should be lies in `target`.

use crate::domain::PointClass;
use std::fmt;
use std::str::FromStr;

/// A national target (四全).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Goal {
    /// 全域覆盖.
    FullArea,
    /// 全网共享.
    FullNetwork,
    /// 全时可用.
    FullTime,
    /// 全程可控.
    FullControl,
}

impl Goal {
    /// Every target.
    pub const ALL: [Self; 4] = [Self::FullArea, Self::FullNetwork, Self::FullTime, Self::FullControl];

    /// The word used in JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullArea => "full_area",
            Self::FullNetwork => "full_network",
            Self::FullTime => "full_time",
            Self::FullControl => "full_control",
        }
    }

    /// The Chinese name.
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::FullArea => "全域覆盖",
            Self::FullNetwork => "全网共享",
            Self::FullTime => "全时可用",
            Self::FullControl => "全程可控",
        }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Villages.
    Villages,
    /// Grids.
    Grids,
    /// Required places.
    Places,
    /// Points.
    Points,
    /// Milliseconds of points.
    Milliseconds,
    /// Outages.
    Outages,
}

impl Unit {
    /// The word used in JSON and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Villages => "villages",
            Self::Grids => "grids",
            Self::Places => "places",
            Self::Points => "points",
            Self::Milliseconds => "milliseconds",
            Self::Outages => "outages",
        }
    }
}

macro_rules! measures {
    ($($(#[$doc:meta])* $name:ident = $id:literal v $version:literal, $goal:ident, $unit:ident,
        $en:literal, $zh:literal, $rule:literal;)*) => {
        /// A way of measuring; with a class it makes a [`FigureId`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure {
            $($(#[$doc])* $name,)*
        }

        impl Measure {
            /// Every measure, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Id, as `A2.installed`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Version of the formula; grows when a figure would change without its data.
            pub const fn version(self) -> u16 {
                match self { $(Self::$name => $version,)* }
            }

            /// The national target that it belongs to.
            pub const fn goal(self) -> Goal {
                match self { $(Self::$name => Goal::$goal,)* }
            }

            /// What is counted.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// English name.
            pub const fn name_en(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }

            /// Chinese name.
            pub const fn name_zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }

            /// The rule in one sentence, printed with the figure.
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)* }
            }
        }
    };
}

measures! {
    /// Villages that meet the default village rule.
    Village = "C1" v 1, FullArea, Villages, "villages meeting the default rule", "村屯覆盖率",
        "villages with the points and required place kinds of village_rule.default, over all assessed villages";
    /// Villages that meet the target village rule.
    VillageTarget = "C1.target" v 1, FullArea, Villages, "villages meeting the target rule", "村屯达标覆盖率",
        "villages with the points and required place kinds of village_rule.target, over all assessed villages";
    /// Required places with a point.
    Place = "C2" v 1, FullArea, Places, "required places covered", "重点部位覆盖率",
        "required places with at least one point in use, over all required places";
    /// Grids with a point.
    Grid = "C3" v 1, FullArea, Grids, "grids with a point", "网格覆盖率",
        "grids with at least one point in use, over all grids";
    /// HD points.
    HighDefinition = "C4" v 3, FullArea, Points, "HD points", "高清率",
        "points of which a stream is at least hd.width x hd.height by its decoded pictures (where none was decoded: by its bitstream), over all points; a smaller sub-stream beside a main stream that was not measured is unknown";
    /// HD points among those built since the national document.
    HighDefinitionNew = "C4.new" v 3, FullArea, Points, "HD points among new ones", "新建改建高清率",
        "as C4, only points installed (where not recorded: commissioned) on or after hd.new_since";
    /// Villages that meet the default rule with points that work.
    EffectiveVillage = "C5" v 1, FullArea, Villages, "villages effectively covered", "村屯有效覆盖率",
        "as C1, counting only points that were good for at least effective.good_share of their considered time";
    /// Grids with a point that works.
    EffectiveGrid = "C5.grid" v 1, FullArea, Grids, "grids effectively covered", "网格有效覆盖率",
        "as C3, counting only points that were good for at least effective.good_share of their considered time";
    /// Grids within the household norm.
    Household = "C6" v 1, FullArea, Grids, "grids within the household norm", "网格户数达标率",
        "urban and rural grids whose households lie within households.*, over all urban and rural grids; unrecorded households are unknown";
    /// Points that delivered video to this platform.
    Networked = "N1" v 1, FullNetwork, Points, "points networked", "联网率",
        "points whose video arrived here at least once in the window, over the points on the list; never measured is unknown";
    /// Online rate, as the room feels it.
    Online = "A1" v 1, FullTime, Milliseconds, "online rate, service view", "在线率",
        "time good + degraded over time good + degraded + no_video + offline + unreachable";
    /// Online rate, dead links left out.
    OnlineDevice = "A1.device" v 1, FullTime, Milliseconds, "online rate, device view", "在线率(设备口径)",
        "time good + degraded over time good + degraded + no_video + offline; time behind a dead link is left out";
    /// Intact rate on the installed basis.
    IntactInstalled = "A2.installed" v 1, FullTime, Milliseconds, "intact rate, installed basis", "完好率(安装口径)",
        "time good over time good + degraded + no_video + offline; degraded counts as online and not as intact; time behind a dead link is left out";
    /// Intact rate on the online basis.
    IntactOnline = "A2.online" v 1, FullTime, Milliseconds, "intact rate, online basis", "图像完好率(在线口径)",
        "time good over time good + degraded";
    /// Clock accuracy.
    Clock = "A4" v 1, FullTime, Points, "clocks accurate", "时钟准确率",
        "points whose clock is off by at most clock.tolerance_seconds, over points whose clock could be read; the others are unknown";
    /// Repairs within the deadline.
    Repair = "A5" v 2, FullTime, Outages, "repairs within the deadline", "修复及时率",
        "outages closed in the window within repair.deadline_hours of their class, over those closed in it and those open past the deadline; excluded, unknown and unreachable time pauses the clock";
    /// Points with people who answer for them.
    Responsible = "K4" v 1, FullControl, Points, "points with leader, maintainer and phone", "责任人落实率",
        "points whose grid has a leader in office and that name a maintainer with a telephone, over all points";
    /// Record completeness.
    Record = "K5" v 1, FullControl, Points, "record completeness", "建档率",
        "points whose GB/T 28181-2022 fields that are mandatory for their class are all present and valid, over all points";
}

impl Measure {
    /// Whether the measure is also shown for each class.
    pub const fn by_class(self) -> bool {
        matches!(self, Self::Online | Self::IntactInstalled | Self::IntactOnline | Self::Record)
    }

    /// Whether time is counted, and not things.
    pub const fn is_time_weighted(self) -> bool {
        matches!(self.unit(), Unit::Milliseconds)
    }

    /// Whether the history of each point is needed; time alone also comes from daily sums.
    pub const fn needs_history(self) -> bool {
        matches!(self, Self::EffectiveVillage | Self::EffectiveGrid | Self::Networked | Self::Repair)
    }

    /// Whether it looks at what was measured of the stream.
    pub const fn needs_measured(self) -> bool {
        matches!(self, Self::HighDefinition | Self::HighDefinitionNew | Self::Clock)
    }

    /// Whether exclusions can change it.
    pub const fn depends_on_exclusions(self) -> bool {
        self.is_time_weighted() || self.needs_history()
    }
}

/// Indicators of the four targets that this version does not measure; they are named, never guessed.
pub const NOT_MEASURED: [(&str, &str); 9] = [
    ("N2", "上联率"),
    ("N3", "综治中心接通率"),
    ("N4", "点播成功率"),
    ("A3", "录像完整率"),
    ("A6", "反复故障率"),
    ("K1", "匿名访问拒绝率"),
    ("K2", "加密传输率"),
    ("K3", "审计完整率"),
    ("K6", "敏感点位授权"),
];

/// Id of one figure: a measure, over every class or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FigureId {
    /// What is measured.
    pub measure: Measure,
    /// Over which points; `None` is every class.
    pub class: Option<PointClass>,
}

impl FigureId {
    /// A figure over every class.
    pub const fn of(measure: Measure) -> Self {
        Self { measure, class: None }
    }

    /// Every figure, in the order of a report.
    pub fn all() -> impl Iterator<Item = Self> {
        Measure::ALL.iter().flat_map(|measure| {
            let classes = if measure.by_class() { PointClass::ALL.as_slice() } else { &[] };
            let each = classes.iter().map(|class| Self { measure: *measure, class: Some(*class) });
            std::iter::once(Self::of(*measure)).chain(each)
        })
    }

    /// Formula with its version, `A2.installed/1`.
    pub fn formula(self) -> String {
        format!("{}/{}", self.measure.id(), self.measure.version())
    }
}

impl fmt::Display for FigureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.measure.id())?;
        self.class.map_or(Ok(()), |class| write!(f, ".class{}", class.as_str()))
    }
}

/// A text that is no figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no indicator of this version")]
pub struct UnknownFigure(String);

impl FromStr for FigureId {
    type Err = UnknownFigure;

    fn from_str(text: &str) -> Result<Self, UnknownFigure> {
        Self::all().find(|figure| figure.to_string() == text).ok_or_else(|| UnknownFigure(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_id_survives_its_text() {
        let mut seen = std::collections::BTreeSet::new();
        for figure in FigureId::all() {
            assert_eq!(figure.to_string().parse(), Ok(figure));
            assert!(seen.insert(figure.to_string()), "{figure} is there twice");
        }
        assert_eq!("A2.installed.class1".parse::<FigureId>().unwrap().class, Some(PointClass::One));
        assert!("A3".parse::<FigureId>().is_err());
    }

    #[test]
    fn what_is_not_measured_has_no_figure() {
        for (id, _) in NOT_MEASURED {
            assert!(FigureId::all().all(|figure| !figure.to_string().starts_with(id)), "{id}");
        }
    }
}
