//! Which cause an RTSP answer means, and the lack of one: by stage and status code, never by error text.

use crate::domain::{Cause, Stage};

/// With what we asked; decides what a 401 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Without a credential.
    None,
    /// With a credential.
    Given,
    /// With a credential, while another session of ours plays on the same device: Dahua answers 401 when it has no
    /// session left.
    GivenWhileOthersPlay,
}

/// The cause of an answer that ended a look. A success status means that the answer itself could not be used.
pub const fn cause_of_status(stage: Stage, status: u16, login: Login) -> Cause {
    match (stage, status) {
        (_, 401) => match login {
            Login::None => Cause::CredentialMissing,
            Login::Given => Cause::WrongCredential,
            Login::GivenWhileOthersPlay => Cause::SessionLimit,
        },
        (_, 403) => Cause::Forbidden,
        (_, 404 | 410) => Cause::StreamNotFound,
        (_, 453 | 486 | 503) => Cause::SessionLimit,
        (_, 461) | (Stage::Setup, 200..=299 | 400) => Cause::TransportRefused,
        (_, 300..=399) => Cause::Redirected,
        (Stage::Describe, 200..=299) => Cause::BadDescription,
        _ => Cause::RtspError,
    }
}

/// The cause of a stage that did not end within its deadline.
pub const fn cause_of_silence(stage: Stage) -> Cause {
    match stage {
        Stage::Connect => Cause::ConnectTimeout,
        Stage::Tls => Cause::TlsFailed,
        Stage::Options => Cause::RtspTimeout,
        Stage::Describe | Stage::Setup | Stage::Play => Cause::RequestUnanswered,
        Stage::FirstPacket => Cause::NoPackets,
        Stage::FirstKeyFrame => Cause::NoKeyFrame,
        Stage::Measure => Cause::Stalled,
    }
}

/// The cause of a connection that broke, or, before anything plays, broke the protocol, without a status.
///
/// Until OPTIONS was answered nothing proves that an RTSP server is there at all.
pub const fn cause_of_break(stage: Stage) -> Cause {
    match stage {
        Stage::Connect | Stage::Tls | Stage::Options => Cause::ConnectionLost,
        Stage::Describe | Stage::Setup | Stage::Play => Cause::RtspError,
        Stage::FirstPacket => Cause::NoPackets,
        Stage::FirstKeyFrame | Stage::Measure => Cause::ConnectionLost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_a_cause_at_its_stage() {
        let check = |stage, status, login, expected: Cause| {
            assert_eq!(cause_of_status(stage, status, login), expected, "{status} at {stage}");
        };
        let (describe, setup, play) = (Stage::Describe, Stage::Setup, Stage::Play);
        check(describe, 401, Login::None, Cause::CredentialMissing);
        check(describe, 401, Login::Given, Cause::WrongCredential);
        check(setup, 401, Login::GivenWhileOthersPlay, Cause::SessionLimit);
        check(describe, 403, Login::Given, Cause::Forbidden);
        check(describe, 404, Login::Given, Cause::StreamNotFound);
        check(setup, 453, Login::Given, Cause::SessionLimit);
        check(play, 486, Login::Given, Cause::SessionLimit);
        check(describe, 503, Login::None, Cause::SessionLimit);
        check(setup, 461, Login::None, Cause::TransportRefused);
        check(setup, 400, Login::None, Cause::TransportRefused);
        check(setup, 200, Login::None, Cause::TransportRefused);
        check(describe, 400, Login::None, Cause::RtspError);
        check(describe, 302, Login::None, Cause::Redirected);
        check(describe, 200, Login::None, Cause::BadDescription);
        check(play, 200, Login::None, Cause::RtspError);
        check(play, 500, Login::None, Cause::RtspError);
    }

    #[test]
    fn silence_and_breaks_mean_what_their_stage_waits_for() {
        for stage in Stage::ALL {
            assert_ne!(cause_of_silence(stage).state(), crate::domain::State::Good, "{stage}");
            assert_ne!(cause_of_break(stage).state(), crate::domain::State::Unknown, "{stage}");
        }
        assert_eq!(cause_of_silence(Stage::Options), Cause::RtspTimeout);
        assert_eq!(cause_of_silence(Stage::Describe), Cause::RequestUnanswered);
        assert_eq!(cause_of_silence(Stage::Measure), Cause::Stalled);
        assert_eq!(cause_of_break(Stage::Options), Cause::ConnectionLost);
        assert_eq!(cause_of_break(Stage::FirstPacket), Cause::NoPackets);
        assert_eq!(cause_of_break(Stage::Measure), Cause::ConnectionLost);
    }
}
