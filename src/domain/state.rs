//! The seven states of a point, and the condition (state with cause) that an interval holds.

use crate::domain::Cause;
use std::fmt;
use std::str::FromStr;

/// What is true of a point at an instant; exactly one at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// 正常: video arrives and no fault is confirmed.
    Good,
    /// 异常: video arrives with a confirmed stream, picture or clock fault.
    Degraded,
    /// 无视频: the device answers, no decodable video.
    NoVideo,
    /// 离线: the device does not answer although its path is up.
    Offline,
    /// 链路中断: an ancestor on its path failed.
    Unreachable,
    /// 未知: we did not measure.
    Unknown,
    /// 剔除: an approved window; leaves the denominator.
    Excluded,
}

impl State {
    /// Every state, best first.
    pub const ALL: [Self; 7] = [
        Self::Good,
        Self::Degraded,
        Self::NoVideo,
        Self::Offline,
        Self::Unreachable,
        Self::Unknown,
        Self::Excluded,
    ];

    /// The word used in SQL, JSON, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::NoVideo => "no_video",
            Self::Offline => "offline",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Excluded => "excluded",
        }
    }

    /// Whether the state was measured at the point itself.
    pub const fn is_measured(self) -> bool {
        match self {
            Self::Good | Self::Degraded | Self::NoVideo | Self::Offline => true,
            Self::Unreachable | Self::Unknown | Self::Excluded => false,
        }
    }

    /// Whether video arrives, as the online rate counts it.
    pub const fn is_online(self) -> bool {
        match self {
            Self::Good | Self::Degraded => true,
            Self::NoVideo | Self::Offline | Self::Unreachable | Self::Unknown | Self::Excluded => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state; one of good, degraded, no_video, offline, unreachable, unknown, excluded")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// A state with its reason. The cause decides the state, so that the two cannot disagree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Video arrives and nothing is wrong.
    Good,
    /// Anything else, and why.
    Because(Cause),
}

impl Condition {
    /// The state.
    pub const fn state(&self) -> State {
        match self {
            Self::Good => State::Good,
            Self::Because(cause) => cause.state(),
        }
    }

    /// The cause; a good point has none.
    pub const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Good => None,
            Self::Because(cause) => Some(cause),
        }
    }
}
