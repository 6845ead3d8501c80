//! Why a point is not good: a closed list, chosen by stage and status code, never by an error text.
//!
//! Owns the words, the state each cause means and the layer it belongs to. Peers show "offline" for all of these.

use crate::domain::picture::Item;
use crate::domain::{LinkCode, State};
use std::fmt;
use std::str::FromStr;

/// A step of one look at a point; the one that failed is the first half of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// TCP connect (with name resolution).
    Connect,
    /// TLS handshake (rtsps).
    Tls,
    /// RTSP OPTIONS.
    Options,
    /// RTSP DESCRIBE, authentication included.
    Describe,
    /// RTSP SETUP.
    Setup,
    /// RTSP PLAY.
    Play,
    /// Waiting for the first RTP packet.
    FirstPacket,
    /// Waiting for the first random-access picture.
    FirstKeyFrame,
    /// The measuring window after the first random-access picture.
    Measure,
}

impl Stage {
    /// Every stage in order.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Tls,
        Self::Options,
        Self::Describe,
        Self::Setup,
        Self::Play,
        Self::FirstPacket,
        Self::FirstKeyFrame,
        Self::Measure,
    ];

    /// The word used in JSON, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Options => "options",
            Self::Describe => "describe",
            Self::Setup => "setup",
            Self::Play => "play",
            Self::FirstPacket => "first_packet",
            Self::FirstKeyFrame => "first_key_frame",
            Self::Measure => "measure",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kind of an approved exclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExclusionKind {
    /// 计划检修.
    PlannedMaintenance,
    /// 停电.
    PowerCut,
    /// 运营商光缆/传输中断.
    CarrierOutage,
    /// 自然灾害/不可抗力.
    ForceMajeure,
    /// 拆迁/施工移除.
    Construction,
    /// 季节停用.
    SeasonalShutdown,
    /// 上级通知.
    SuperiorNotice,
}

impl ExclusionKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::PlannedMaintenance,
        Self::PowerCut,
        Self::CarrierOutage,
        Self::ForceMajeure,
        Self::Construction,
        Self::SeasonalShutdown,
        Self::SuperiorNotice,
    ];

    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlannedMaintenance => "planned_maintenance",
            Self::PowerCut => "power_cut",
            Self::CarrierOutage => "carrier_outage",
            Self::ForceMajeure => "force_majeure",
            Self::Construction => "construction",
            Self::SeasonalShutdown => "seasonal_shutdown",
            Self::SuperiorNotice => "superior_notice",
        }
    }
}

impl FromStr for ExclusionKind {
    type Err = UnknownCause;

    fn from_str(text: &str) -> Result<Self, UnknownCause> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownCause(text.to_owned()))
    }
}

/// A text that is no cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no known cause")]
pub struct UnknownCause(String);

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $chinese:literal, $state:ident;)*) => {
        /// Why a point is not good. The cause decides the state.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
            /// The nearest failed ancestor on the path.
            LinkDown(LinkCode),
            /// An approved exclusion window.
            Excluded(ExclusionKind),
        }

        impl Cause {
            /// Every cause that carries nothing.
            pub const PLAIN: &'static [Self] = &[$(Self::$name,)*];

            /// The word used in SQL, JSON, metrics and logs; what a cause carries is told by [`Cause::detail`].
            pub const fn as_str(&self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::LinkDown(_) => "link_down",
                    Self::Excluded(_) => "excluded",
                }
            }

            /// What people read.
            pub const fn name_zh(&self) -> &'static str {
                match self {
                    $(Self::$name => $chinese,)*
                    Self::LinkDown(_) => "链路中断",
                    Self::Excluded(_) => "剔除",
                }
            }

            /// The state that the cause means.
            pub const fn state(&self) -> State {
                match self {
                    $(Self::$name => State::$state,)*
                    Self::LinkDown(_) => State::Unreachable,
                    Self::Excluded(_) => State::Excluded,
                }
            }
        }
    };
}

causes! {
    /// Host name could not be resolved.
    NameNotResolved => "name_not_resolved", "域名无法解析", Offline;
    /// No route to the host, or network unreachable.
    NoRoute => "no_route", "无路由", Offline;
    /// TCP connect refused.
    ConnectRefused => "connect_refused", "连接被拒", Offline;
    /// TCP connect timed out.
    ConnectTimeout => "connect_timeout", "连接超时", Offline;
    /// The TCP connection was closed or reset before an RTSP answer.
    ConnectionLost => "connection_lost", "连接断开", Offline;
    /// Connected, but no RTSP answer at all within the deadline.
    RtspTimeout => "rtsp_timeout", "RTSP 无应答", Offline;
    /// The device answered OPTIONS, and then a request not within its deadline.
    RequestUnanswered => "request_unanswered", "请求无应答", NoVideo;
    /// TLS handshake or certificate check failed.
    TlsFailed => "tls_failed", "TLS 失败", NoVideo;
    /// What answers does not speak RTSP.
    NotRtsp => "not_rtsp", "不是 RTSP", NoVideo;
    /// 401 with the credential that we hold, twice with fresh sessions.
    WrongCredential => "wrong_credential", "口令错误", NoVideo;
    /// 401 and we hold no credential.
    CredentialMissing => "credential_missing", "缺少口令", NoVideo;
    /// 403.
    Forbidden => "forbidden", "禁止访问", NoVideo;
    /// 404: the stream is not there.
    StreamNotFound => "stream_not_found", "码流不存在", NoVideo;
    /// 453, 486, 503 (or 401 while another session of ours plays): the device has no session left.
    SessionLimit => "session_limit", "会话数已满", NoVideo;
    /// 461, or 400 on SETUP: the transport is refused.
    TransportRefused => "transport_refused", "传输方式被拒", NoVideo;
    /// 3xx: the device redirects, which we do not follow.
    Redirected => "redirected", "被重定向", NoVideo;
    /// Any other RTSP error status.
    RtspError => "rtsp_error", "RTSP 错误", NoVideo;
    /// The stream holds no video media, or a codec that we cannot read.
    NoVideoMedia => "no_video_media", "无视频媒体", NoVideo;
    /// The session description cannot be read.
    BadDescription => "bad_description", "SDP 错误", NoVideo;
    /// No parameter sets, neither in the session description nor in the stream.
    NoParameters => "no_parameters", "无参数集", NoVideo;
    /// Playing, but no RTP packet within the deadline.
    NoPackets => "no_packets", "无数据包", NoVideo;
    /// Packets, but no random-access picture within the deadline.
    NoKeyFrame => "no_key_frame", "无关键帧", NoVideo;
    /// Frames came, then stopped for longer than the frame gap.
    Stalled => "stalled", "码流停顿", NoVideo;
    /// The stream broke the RTP or codec format and was given up.
    BadStream => "bad_stream", "码流损坏", NoVideo;
    /// RTP loss above the limit.
    Loss => "loss", "丢包", Degraded;
    /// Fewer pictures per wall second than expected.
    LowFrameRate => "low_frame_rate", "帧率低", Degraded;
    /// The picture size differs from the recorded one.
    ResolutionChanged => "resolution_changed", "分辨率变化", Degraded;
    /// The device's clock is off by more than the limit.
    ClockWrong => "clock_wrong", "时钟错误", Degraded;
    /// Random-access pictures come further apart than the limit.
    SlowKeyFrames => "slow_key_frames", "关键帧间隔过长", Degraded;
    /// The picture is black, or of one colour.
    Blank => "blank", "黑屏/单色", Degraded;
    /// The picture stands still.
    Frozen => "frozen", "画面冻结", Degraded;
    /// Something hides the view.
    Covered => "covered", "遮挡", Degraded;
    /// The camera looks elsewhere.
    Moved => "moved", "移位", Degraded;
    /// The picture is out of focus, or the window is dirty.
    Blurred => "blurred", "模糊", Degraded;
    /// The picture is too dark to see.
    TooDark => "too_dark", "过暗", Degraded;
    /// The picture is too bright to see.
    TooBright => "too_bright", "过亮", Degraded;
    /// The picture is damaged.
    Damaged => "damaged", "花屏/丢包", Degraded;
    /// The picture is full of noise.
    Noise => "noise", "雪花/噪声", Degraded;
    /// There are stripes in the picture.
    Stripes => "stripes", "条纹", Degraded;
    /// One colour lies over the picture.
    ColourCast => "colour_cast", "偏色", Degraded;
    /// The camera shakes.
    Shaking => "shaking", "抖动", Degraded;
    /// Never looked at yet.
    NotYetProbed => "not_yet_probed", "尚未探测", Unknown;
    /// We were not running.
    MonitorDown => "monitor_down", "监测停机", Unknown;
    /// Most of everything failed at once: our own network is suspected.
    OwnNetwork => "own_network", "本机网络", Unknown;
    /// We could not look in time.
    Backlog => "backlog", "探测积压", Unknown;
    /// The credential is held after a wrong-credential answer, so that the device does not lock the account.
    CredentialHold => "credential_hold", "口令暂停使用", Unknown;
    /// The last result is older than it may be.
    Stale => "stale", "结果过期", Unknown;
    /// Cannot be looked at: no stream address, or a transport that this machine cannot pull.
    NotWatchable => "not_watchable", "无法探测", Unknown;
}

impl Cause {
    /// The cause that a fault of the picture is; none for a lost signal, whose cause the looks tell better.
    pub const fn of_item(item: Item) -> Option<Self> {
        Some(match item {
            Item::SignalLost => return None,
            Item::Blank => Self::Blank,
            Item::Frozen => Self::Frozen,
            Item::Covered => Self::Covered,
            Item::Moved => Self::Moved,
            Item::Blurred => Self::Blurred,
            Item::TooDark => Self::TooDark,
            Item::TooBright => Self::TooBright,
            Item::Damaged => Self::Damaged,
            Item::Noise => Self::Noise,
            Item::Stripes => Self::Stripes,
            Item::ColourCast => Self::ColourCast,
            Item::Shaking => Self::Shaking,
        })
    }

    /// The item of picture diagnosis that the cause names, if it is a fault of the picture.
    pub fn item(&self) -> Option<Item> {
        Item::ALL.into_iter().find(|item| Self::of_item(*item).as_ref() == Some(self))
    }

    /// What the cause carries: the code of the failed link, or the kind of the exclusion.
    pub fn detail(&self) -> Option<&str> {
        if let Self::LinkDown(link) = self {
            Some(link.as_str())
        } else if let Self::Excluded(kind) = self {
            Some(kind.as_str())
        } else {
            None
        }
    }

    /// Rebuilds a cause from [`Cause::as_str`] and [`Cause::detail`].
    pub fn parse(text: &str, detail: Option<&str>) -> Result<Self, UnknownCause> {
        let unknown = || UnknownCause(text.to_owned());
        match (text, detail) {
            ("link_down", Some(link)) => link.parse().map(Self::LinkDown).map_err(|_code_error| unknown()),
            ("excluded", Some(kind)) => kind.parse().map(Self::Excluded),
            _ => Self::PLAIN.iter().find(|cause| cause.as_str() == text).cloned().ok_or_else(unknown),
        }
    }

    /// Whether the failure lies in the network layer, the only kind from which a dead link is inferred.
    pub const fn is_network_layer(&self) -> bool {
        matches!(self, Self::NoRoute | Self::ConnectRefused | Self::ConnectTimeout)
    }

    /// Whether our own network may be the reason: names are resolved on our side, so that one which is not found says
    /// nothing about the links to the device.
    pub const fn may_be_our_network(&self) -> bool {
        self.is_network_layer() || matches!(self, Self::NameNotResolved)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_survives_its_text() {
        let link = Cause::LinkDown("L-1".parse().unwrap());
        let excluded = Cause::Excluded(ExclusionKind::PowerCut);
        for cause in Cause::PLAIN.iter().chain([&link, &excluded]) {
            assert_eq!(Cause::parse(cause.as_str(), cause.detail()).as_ref(), Ok(cause));
        }
        for item in Item::ALL {
            let cause = Cause::of_item(item);
            assert_eq!(
                cause.as_ref().map(Cause::as_str),
                (item != Item::SignalLost).then_some(item.as_str())
            );
            assert_eq!(cause.as_ref().map_or(item.name_zh(), Cause::name_zh), item.name_zh());
            assert_eq!(cause.and_then(|cause| cause.item()), (item != Item::SignalLost).then_some(item));
        }
        assert!(Cause::parse("gone fishing", None).is_err());
        assert!(Cause::parse("link_down", None).is_err());
    }
}
