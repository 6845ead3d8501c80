//! How a stream is carried and who pulls it, and which way is tried next when one fails.
//!
//! The plain way serves nearly every camera and costs a fifth of the other one; the tolerant puller goes where it cannot.
//! What served is remembered, and the plain way is tried again now and then: cameras are replaced.

use crate::domain::{Cause, Failure, Stage};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A way to pull a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// RTP interleaved in the RTSP connection, pulled by retina.
    Plain,
    /// The same, pulled by rtspsrc: descriptions that retina cannot read, devices that do not answer keepalives.
    Tolerant,
    /// RTP over UDP, pulled by rtspsrc, which puts packets into order.
    Udp,
    /// The same from a device whose description names no base: rtspsrc would ask it for a stream that it does not have, so
    /// that it is told the address of the stream as retina understands it.
    UdpAddressed,
    /// RTP interleaved in RTSP over TLS, pulled by rtspsrc.
    Tls,
}

impl Transport {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Tolerant, Self::Udp, Self::UdpAddressed, Self::Tls];

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tolerant => "tolerant",
            Self::Udp => "udp",
            Self::UdpAddressed => "udp_addressed",
            Self::Tls => "tls",
        }
    }

    /// What carries the packets, as JSON says it.
    pub const fn carrier(self) -> &'static str {
        match self {
            Self::Plain | Self::Tolerant => "rtsp-tcp",
            Self::Udp | Self::UdpAddressed => "rtsp-udp",
            Self::Tls => "rtsps-tcp",
        }
    }

    /// Who pulls, as JSON says it.
    pub const fn puller(self) -> &'static str {
        match self {
            Self::Plain => "retina",
            Self::Tolerant | Self::Udp | Self::UdpAddressed | Self::Tls => "rtspsrc",
        }
    }
}

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the 64 hexadecimal digits of a SHA-256")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes what `openssl x509 -fingerprint -sha256` prints, with or without its colons.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or(FingerprintError)?;
        let byte = |pair: &[u32]| {
            pair.iter().try_fold(0_u8, |byte, digit| Some(byte << 4 | u8::try_from(*digit).ok()?))
        };
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let exact = bytes.filter(|_| digits.len() == 64).and_then(|bytes| bytes.try_into().ok());
        exact.map(Self).ok_or(FingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whom we believe to be the device at the other end of a TLS connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Whose certificate an authority vouches for, in its name: one of the configured file, else one of the system.
    #[default]
    Authority,
    /// Who shows this very certificate, whoever made it and whatever names and dates are in it.
    Pinned(Fingerprint),
    /// Anybody: said for this point by a person.
    Anybody,
}

/// The word for [`Trust::Anybody`].
const INSECURE: &str = "insecure";

impl FromStr for Trust {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        if text == INSECURE { Ok(Self::Anybody) } else { text.parse().map(Self::Pinned) }
    }
}

impl Trust {
    /// The word used in SQL, JSON and files; none for what needs no word.
    pub fn word(&self) -> Option<String> {
        match self {
            Self::Authority => None,
            Self::Pinned(fingerprint) => Some(fingerprint.to_string()),
            Self::Anybody => Some(INSECURE.to_owned()),
        }
    }
}

/// After so long the plain way is tried again.
const RETRY_PLAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// After so long a way that did not help is tried again.
const RETRY_USELESS: Duration = Duration::from_secs(24 * 60 * 60);

/// A plain session that breaks off sooner may have died of a keepalive that the device did not answer: they come every half
/// minute at most, and the second one finds the first unanswered.
const KEEPALIVES: Duration = Duration::from_secs(150);

/// So many in a row are no accident.
const BREAKS: u8 = 2;

/// A learnt way that did not serve so many looks in a row is no longer the way.
const FAILURES: u8 = 3;

/// The ways to a stream that is not encrypted, as its looks taught them. Time is a `Duration` since any fixed instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The way that served where the plain one did not, and when that was found last.
    learnt: Option<(Transport, Duration)>,
    /// A way that was tried instead of the plain one and did not serve either, and when.
    useless: Option<(Transport, Duration)>,
    /// Plain sessions in a row that broke off early.
    breaks: u8,
    /// Looks in a row that the learnt way did not serve.
    failures: u8,
}

impl Choice {
    /// Begins with what was remembered at `now`.
    pub const fn remembered(transport: Transport, now: Duration) -> Self {
        let learnt = match transport {
            Transport::Plain | Transport::Tls => None,
            Transport::Tolerant | Transport::Udp | Transport::UdpAddressed => Some((transport, now)),
        };
        Self { learnt, useless: None, breaks: 0, failures: 0 }
    }

    /// The way that serves where the plain one does not.
    pub fn learnt(&self) -> Option<Transport> {
        self.learnt.map(|(transport, _)| transport)
    }

    /// The way with which a look at `now` begins.
    pub fn first(&self, now: Duration) -> Transport {
        let fresh = self.learnt.filter(|(_, at)| now.saturating_sub(*at) < RETRY_PLAIN);
        fresh.map_or(Transport::Plain, |(transport, _)| transport)
    }

    /// The way to try in the same look, after `tried` failed so.
    pub fn next(&self, tried: Transport, failure: &Failure, now: Duration) -> Option<Transport> {
        let next = alternative(tried, failure)?;
        let is_useless =
            |(useless, at): (Transport, Duration)| useless == next && now.saturating_sub(at) < RETRY_USELESS;
        (!self.useless.is_some_and(is_useless)).then_some(next)
    }

    /// Pictures came by `transport`.
    pub fn served(&mut self, transport: Transport, now: Duration) {
        self.failures = 0;
        match transport {
            Transport::Plain => self.learnt = None,
            Transport::Tolerant | Transport::Udp | Transport::UdpAddressed => {
                let known = self
                    .learnt
                    .filter(|(known, at)| *known == transport && now.saturating_sub(*at) < RETRY_PLAIN);
                self.learnt = known.or(Some((transport, now)));
                self.useless = None;
            }
            Transport::Tls => {}
        }
    }

    /// A way that was tried instead of another failed too. What a device does at the moment tells nothing of the way, and
    /// one that has served is no mistake.
    pub fn did_not_help(&mut self, transport: Transport, failure: &Failure, now: Duration) {
        if speaks_of_way(failure) && self.learnt() != Some(transport) {
            self.useless = Some((transport, now));
        }
    }

    /// Whether this is a failure of the learnt way: to connect is the same on every way.
    pub fn is_of_learnt(&self, tried: Transport, failure: &Failure) -> bool {
        failure.stage > Stage::Tls && self.learnt() == Some(tried)
    }

    /// The learnt way did not serve a look.
    pub const fn learnt_failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            (self.learnt, self.failures) = (None, 0);
        }
    }

    /// A kept session broke off, though its pictures were good for `frames_for`.
    pub fn broke_off(&mut self, transport: Transport, frames_for: Duration, now: Duration) {
        if transport != Transport::Plain || frames_for > KEEPALIVES {
            self.breaks = 0;
            return;
        }
        self.breaks = self.breaks.saturating_add(1);
        if self.breaks >= BREAKS {
            self.learnt = Some((Transport::Tolerant, now));
            (self.breaks, self.failures) = (0, 0);
        }
    }
}

/// What is asked for cannot be carried so.
fn is_refused(failure: &Failure) -> bool {
    failure.cause == Cause::TransportRefused
}

/// What the device said could not be read.
fn is_unread(failure: &Failure) -> bool {
    // Without a status the answer could not be read, or the connection broke.
    let is_garbled = failure.cause == Cause::RtspError && failure.status.is_none();
    is_garbled
        || matches!(
            failure.cause,
            Cause::BadDescription | Cause::NoVideoMedia | Cause::NoParameters | Cause::BadStream
        )
}

/// The device has no such stream as SETUP named, or says nothing to it.
fn is_unknown(failure: &Failure) -> bool {
    failure.stage == Stage::Setup && matches!(failure.cause, Cause::RequestUnanswered | Cause::StreamNotFound)
}

fn speaks_of_way(failure: &Failure) -> bool {
    is_refused(failure) || is_unread(failure) || is_unknown(failure)
}

/// The way that may serve where `tried` failed so.
fn alternative(tried: Transport, failure: &Failure) -> Option<Transport> {
    let is_refused = is_refused(failure);
    let is_misnamed = is_unknown(failure) || is_refused || failure.cause == Cause::RtspError;
    match tried {
        Transport::Plain if is_refused => Some(Transport::Udp),
        Transport::Plain if is_unread(failure) => Some(Transport::Tolerant),
        Transport::Udp if failure.stage == Stage::Setup && is_misnamed => Some(Transport::UdpAddressed),
        // Replaced by a device that serves TCP only.
        Transport::UdpAddressed if is_refused => Some(Transport::Plain),
        Transport::Plain
        | Transport::Tolerant
        | Transport::Udp
        | Transport::UdpAddressed
        | Transport::Tls => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn failure(cause: Cause, status: Option<u16>) -> Failure {
        Failure { stage: Stage::Setup, cause, status, measured: None }
    }

    #[test]
    fn a_failure_names_the_way_to_try_next() {
        let check = |tried, cause, status, expected| {
            let failure = failure(cause, status);
            assert_eq!(Choice::default().next(tried, &failure, HOUR), expected, "{tried:?} {failure:?}");
        };
        let (plain, udp) = (Transport::Plain, Transport::Udp);
        check(plain, Cause::TransportRefused, Some(461), Some(udp));
        check(plain, Cause::BadDescription, None, Some(Transport::Tolerant));
        check(plain, Cause::NoParameters, None, Some(Transport::Tolerant));
        check(plain, Cause::RtspError, None, Some(Transport::Tolerant));
        check(plain, Cause::RtspError, Some(500), None);
        check(plain, Cause::WrongCredential, Some(401), None);
        check(plain, Cause::ConnectRefused, None, None);
        check(plain, Cause::NoPackets, None, None);
        check(udp, Cause::TransportRefused, Some(461), Some(Transport::UdpAddressed));
        check(Transport::UdpAddressed, Cause::TransportRefused, Some(461), Some(plain));
        check(udp, Cause::NoPackets, None, None);
        check(udp, Cause::RequestUnanswered, None, Some(Transport::UdpAddressed));
        check(udp, Cause::StreamNotFound, Some(404), Some(Transport::UdpAddressed));
        check(udp, Cause::SessionLimit, Some(453), None);
        check(plain, Cause::RtspTimeout, None, None);
        check(Transport::Tls, Cause::BadStream, None, None);
    }

    #[test]
    fn what_served_is_tried_first_and_the_plain_way_once_a_day() {
        let mut choice = Choice::default();
        assert_eq!(choice.first(HOUR), Transport::Plain);
        choice.served(Transport::Udp, HOUR);
        assert_eq!(choice.first(24 * HOUR), Transport::Udp);
        choice.served(Transport::Udp, 24 * HOUR);
        assert_eq!(choice.first(25 * HOUR), Transport::Plain, "a served look does not put it off");
        choice.served(Transport::Udp, 25 * HOUR);
        assert_eq!(choice.first(26 * HOUR), Transport::Udp, "refused again");
        choice.served(Transport::Plain, 50 * HOUR);
        assert_eq!(choice, Choice::default());
        assert_eq!(Choice::remembered(Transport::Tolerant, HOUR).first(2 * HOUR), Transport::Tolerant);
    }

    #[test]
    fn a_way_that_did_not_help_is_left_alone_for_a_day() {
        let mut choice = Choice::default();
        let refused = failure(Cause::TransportRefused, Some(461));
        for (cause, status) in [
            (Cause::SessionLimit, Some(503)),
            (Cause::RtspError, Some(500)),
            (Cause::NoPackets, None),
            (Cause::NoKeyFrame, None),
            (Cause::ConnectionLost, None),
            (Cause::RtspTimeout, None),
        ] {
            choice.did_not_help(Transport::Udp, &failure(cause.clone(), status), HOUR);
            assert_eq!(choice, Choice::default(), "{cause:?} speaks of the moment");
        }
        let served = Choice::remembered(Transport::Udp, HOUR);
        choice = served;
        choice.did_not_help(Transport::Udp, &refused, HOUR);
        assert_eq!(choice, served, "it has served");
        choice = Choice::default();
        choice.did_not_help(Transport::Udp, &refused, HOUR);
        let next = |cause, now| choice.next(Transport::Plain, &failure(cause, None), now);
        assert_eq!(next(Cause::TransportRefused, 2 * HOUR), None);
        assert_eq!(next(Cause::NoParameters, 2 * HOUR), Some(Transport::Tolerant));
        assert_eq!(next(Cause::TransportRefused, 25 * HOUR), Some(Transport::Udp));
    }

    #[test]
    fn a_learnt_way_that_no_longer_serves_is_forgotten() {
        let (udp, refused) = (Transport::Udp, failure(Cause::TransportRefused, Some(461)));
        let mut choice = Choice::remembered(udp, HOUR);
        assert!(choice.is_of_learnt(udp, &refused));
        assert!(!choice.is_of_learnt(Transport::UdpAddressed, &refused));
        let unreachable = Failure { stage: Stage::Connect, ..failure(Cause::ConnectTimeout, None) };
        assert!(!choice.is_of_learnt(udp, &unreachable));
        choice.learnt_failed();
        choice.learnt_failed();
        choice.served(udp, HOUR);
        choice.learnt_failed();
        choice.learnt_failed();
        assert_eq!(choice.first(HOUR), udp, "two in a row");
        choice.learnt_failed();
        assert_eq!(choice, Choice::default());
    }

    #[test]
    fn sessions_that_break_off_at_their_keepalives_are_pulled_by_the_other_one() {
        let minute = Duration::from_secs(60);
        let after = |breaks: &[Duration]| {
            let mut choice = Choice::default();
            breaks.iter().for_each(|frames_for| choice.broke_off(Transport::Plain, *frames_for, HOUR));
            choice.first(HOUR)
        };
        assert_eq!(after(&[minute]), Transport::Plain);
        assert_eq!(after(&[minute, 10 * minute, minute]), Transport::Plain);
        assert_eq!(after(&[minute, minute]), Transport::Tolerant);
    }

    #[test]
    fn a_fingerprint_is_read_as_openssl_prints_it() {
        let digits = "0f".repeat(32);
        let pinned = Trust::Pinned(Fingerprint([0x0f; 32]));
        assert_eq!(digits.parse(), Ok(pinned));
        assert_eq!(["0F"; 32].join(":").parse(), Ok(pinned));
        assert_eq!(pinned.word(), Some(digits.clone()));
        assert_eq!("insecure".parse(), Ok(Trust::Anybody));
        for wrong in ["", "0f", "insecure ", digits.split_at(1).1, &format!("{digits}0f"), &"摄".repeat(64)]
        {
            assert_eq!(wrong.parse::<Trust>(), Err(FingerprintError), "{wrong}");
        }
        assert_eq!(Trust::Anybody.word().as_deref(), Some("insecure"));
        assert_eq!(Trust::Authority.word(), None);
    }
}
