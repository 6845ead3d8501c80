//! The closed sets of label values: a value that is not written here never becomes a series.

use crate::domain::{Cause, Stage};

/// A long-running part of the service, as its heartbeat names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Worker {
    /// The scheduler that looks at points.
    Ingest,
    /// The prober of links.
    Link,
    /// The health tracker.
    Tracker,
    /// The store's writer.
    Writer,
    /// The reconciler of the inventory.
    Reconciler,
}

impl Worker {
    /// Every worker.
    pub const ALL: [Self; 5] = [Self::Ingest, Self::Link, Self::Tracker, Self::Writer, Self::Reconciler];

    /// The word used in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Link => "link",
            Self::Tracker => "tracker",
            Self::Writer => "writer",
            Self::Reconciler => "reconciler",
        }
    }
}

/// Why a due look or probe did not take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The budget of a link on the path is used up.
    LinkBudget,
    /// The host holds as many sessions as it may.
    HostSessions,
    /// The credential is held after a wrong-credential answer.
    CredentialHold,
    /// A link on the path went down; from then on one point behind it is looked at, its canary.
    LinkDown,
    /// We could not look in time, or had no file descriptor or buffer left for it.
    Backlog,
    /// The point has no stream address that this build can pull.
    NotWatchable,
    /// The system does not let us send ICMP.
    NotPermitted,
}

impl SkipReason {
    /// Those that a worker meets; these series start at zero.
    pub const fn usual_of(worker: Worker) -> &'static [Self] {
        match worker {
            Worker::Ingest => &[
                Self::LinkBudget,
                Self::HostSessions,
                Self::CredentialHold,
                Self::LinkDown,
                Self::Backlog,
                Self::NotWatchable,
            ],
            Worker::Link => &[Self::Backlog, Self::NotPermitted],
            Worker::Tracker | Worker::Writer | Worker::Reconciler => &[],
        }
    }

    /// The word used in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinkBudget => "link_budget",
            Self::HostSessions => "host_sessions",
            Self::CredentialHold => "credential_hold",
            Self::LinkDown => "link_down",
            Self::Backlog => "backlog",
            Self::NotWatchable => "not_watchable",
            Self::NotPermitted => "not_permitted",
        }
    }
}

/// The causes of failed looks in at most twelve groups, so that the failure counters stay few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseGroup {
    /// The name could not be resolved.
    Name,
    /// No route, or the connection was refused.
    Refused,
    /// Nothing answered in time.
    Timeout,
    /// The connection was closed or reset.
    Lost,
    /// TLS.
    Tls,
    /// Wrong, missing or forbidden credential.
    Auth,
    /// 404.
    NotFound,
    /// No session left.
    SessionLimit,
    /// Not RTSP, or an RTSP answer that we cannot use.
    Protocol,
    /// Playing without video, packets, parameters or key frames.
    NoMedia,
    /// Pictures came and stopped, or the stream broke its format.
    Stalled,
    /// Anything else that ends a look (never seen in a healthy build).
    Other,
}

impl CauseGroup {
    /// Every group.
    pub const ALL: [Self; 12] = [
        Self::Name,
        Self::Refused,
        Self::Timeout,
        Self::Lost,
        Self::Tls,
        Self::Auth,
        Self::NotFound,
        Self::SessionLimit,
        Self::Protocol,
        Self::NoMedia,
        Self::Stalled,
        Self::Other,
    ];

    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::SessionLimit => "session_limit",
            Self::Protocol => "protocol",
            Self::NoMedia => "no_media",
            Self::Stalled => "stalled",
            Self::Other => "other",
        }
    }

    /// The group of a cause.
    pub const fn of(cause: &Cause) -> Self {
        match cause {
            Cause::NameNotResolved => Self::Name,
            Cause::NoRoute | Cause::ConnectRefused => Self::Refused,
            Cause::ConnectTimeout | Cause::RtspTimeout | Cause::RequestUnanswered => Self::Timeout,
            Cause::ConnectionLost => Self::Lost,
            Cause::TlsFailed => Self::Tls,
            Cause::WrongCredential | Cause::CredentialMissing | Cause::Forbidden => Self::Auth,
            Cause::StreamNotFound => Self::NotFound,
            Cause::SessionLimit => Self::SessionLimit,
            Cause::NotRtsp
            | Cause::TransportRefused
            | Cause::Redirected
            | Cause::RtspError
            | Cause::BadDescription => Self::Protocol,
            Cause::NoVideoMedia | Cause::NoParameters | Cause::NoPackets | Cause::NoKeyFrame => Self::NoMedia,
            Cause::Stalled | Cause::BadStream => Self::Stalled,
            Cause::Loss
            | Cause::LowFrameRate
            | Cause::ResolutionChanged
            | Cause::ClockWrong
            | Cause::SlowKeyFrames
            | Cause::Blank
            | Cause::Frozen
            | Cause::Covered
            | Cause::Moved
            | Cause::Blurred
            | Cause::TooDark
            | Cause::TooBright
            | Cause::Damaged
            | Cause::Noise
            | Cause::Stripes
            | Cause::ColourCast
            | Cause::Shaking
            | Cause::NotYetProbed
            | Cause::MonitorDown
            | Cause::OwnNetwork
            | Cause::Backlog
            | Cause::CredentialHold
            | Cause::Stale
            | Cause::NotWatchable
            | Cause::LinkDown(_)
            | Cause::Excluded(_) => Self::Other,
        }
    }

    /// The stages at which the group is met; these series start at zero.
    pub const fn usual_stages(self) -> &'static [Stage] {
        match self {
            Self::Name | Self::Refused => &[Stage::Connect],
            Self::Timeout => &[Stage::Connect, Stage::Describe, Stage::Play],
            Self::Lost | Self::Protocol => &[Stage::Describe, Stage::Setup],
            Self::Tls => &[Stage::Tls],
            Self::Auth | Self::NotFound => &[Stage::Describe],
            Self::SessionLimit => &[Stage::Describe, Stage::Setup],
            Self::NoMedia => &[Stage::Describe, Stage::FirstPacket, Stage::FirstKeyFrame],
            Self::Stalled => &[Stage::Measure],
            Self::Other => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::State;

    #[test]
    fn every_cause_that_fails_a_look_has_a_named_group() {
        for cause in Cause::PLAIN {
            let named = CauseGroup::of(cause) != CauseGroup::Other;
            let fails = matches!(cause.state(), State::Offline | State::NoVideo);
            assert_eq!(named, fails, "{cause}");
        }
    }
}
