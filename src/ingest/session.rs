//! Opens RTSP sessions stage by stage, each stage with its deadline and its own cause of failure.
//!
//! retina has no deadline anywhere and hides connect errors, so we connect and ask OPTIONS ourselves first and put a
//! deadline around every stage of its. A failed stage gives its cause by stage and status code; retina's text goes
//! to the debug log only. Where retina cannot go the tolerant puller holds the session (`pulled`).

mod pulled;

use crate::config::Deadlines;
use crate::domain::answer::{Login, cause_of_break, cause_of_silence, cause_of_status};
use crate::domain::key_frame::ParameterSets;
use crate::domain::meter::Meter;
use crate::domain::point::StreamUrl;
use crate::domain::transport::Fingerprint;
use crate::domain::{Cause, Codec, Declared, Stage, StageTimes, Transport, Trust};
use crate::ingest::credential::{Credential, Holds};
use crate::ingest::flood::unless_flooded;
use crate::ingest::host::Host;
use crate::ingest::options;
use crate::ingest::playing::{Playing, Stream as PacketStream};
use crate::ingest::pull::Puller;
use crate::ingest::tap::PointTap;
use crate::reach::{self, ConnectFault};
use retina::client::{
    Credentials, Described, InitialSequenceNumberPolicy, PlayOptions, Session, SessionIdPolicy,
    SessionOptions, SetupOptions, Stream,
};
use retina::codec::ParametersRef;
use secrecy::ExposeSecret;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A stage that ends this much after its deadline shows that we ourselves stood still: it proves nothing.
pub(super) const OWN_STALL: Duration = Duration::from_secs(5);

/// Where to knock and with what.
#[derive(Clone, Debug)]
pub(super) struct Door<'a> {
    pub(super) stream: &'a StreamUrl,
    pub(super) credential: Option<&'a Credential>,
    pub(super) host: &'a Arc<Host>,
    pub(super) deadlines: &'a Deadlines,
    pub(super) holds: &'a Holds,
    pub(super) logins: Logins,
    /// The way to pull.
    pub(super) transport: Transport,
    /// Whom a TLS connection may lead to.
    pub(super) trust: &'a Trust,
    /// What pulls on the ways that retina cannot go.
    pub(super) puller: Option<&'a Puller>,
    /// Where key frames go; nowhere when nobody looks at pictures.
    pub(super) tap: Option<PointTap>,
}

/// How often a login may be refused in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logins {
    /// One refusal ends the look.
    Once,
    /// The first one is tried again with a fresh session, because a stale nonce and a wrong password look alike.
    Twice,
}

/// Why a stage failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The device, or the way to it.
    Device { stage: Stage, cause: Cause, status: Option<u16> },
    /// We ourselves.
    Ourselves,
    /// All of so many pullers are at work.
    Busy(usize),
    /// Our puller died at `stage`.
    PullerDied { stage: Stage },
    /// The device shows a certificate that is not believed.
    Distrusted(Fingerprint),
    /// This machine cannot pull on the way that was asked for: the reason, for people.
    Unavailable(String),
}

impl Fault {
    const fn at(stage: Stage, cause: Cause) -> Self {
        Self::Device { stage, cause, status: None }
    }

    fn of_connect(fault: ConnectFault) -> Self {
        match fault {
            ConnectFault::Device(cause) => Self::at(Stage::Connect, cause),
            ConnectFault::Ourselves => Self::Ourselves,
        }
    }

    const fn is_wrong_credential(&self) -> bool {
        matches!(self, Self::Device { cause: Cause::WrongCredential, .. })
    }
}

/// The video stream of a described session.
#[derive(Debug)]
pub(super) struct Video {
    index: usize,
    codec: Codec,
    clock_rate: u32,
    declared: Declared,
    parameters: ParameterSets,
}

impl Door<'_> {
    /// Asks for the description only.
    pub(super) async fn describe(&self, times: &mut StageTimes) -> Result<Declared, Fault> {
        let server = self.reach(times).await?;
        let mut declared = self.declared(times, server.clone()).await;
        if self.deserves_retry(&declared) {
            declared = self.declared(times, server).await;
        }
        declared
    }

    /// Opens a session up to the answer of PLAY.
    pub(super) async fn play(&self, times: &mut StageTimes) -> Result<Playing, Fault> {
        let server = self.reach(times).await?;
        let mut playing = self.played(times, server.clone()).await;
        if self.deserves_retry(&playing) {
            playing = self.played(times, server).await;
        }
        if playing.is_ok() {
            self.trust_login();
        }
        playing
    }

    /// Notes that the device lets us in and serves us.
    pub(super) fn trust_login(&self) {
        if let Some(credential) = self.credential {
            self.holds.trust(&credential.name, self.host.name());
        }
    }

    /// Another look at the device may have had its second refusal meanwhile: then ours would only lock the account.
    fn deserves_retry<T>(&self, tried: &Result<T, Fault>) -> bool {
        let is_held = |credential: &Credential| {
            self.holds.left(&credential.name, self.host.name(), tokio::time::Instant::now()).is_some()
        };
        self.logins == Logins::Twice
            && tried.as_ref().is_err_and(Fault::is_wrong_credential)
            && !self.credential.is_some_and(is_held)
    }

    async fn declared(&self, times: &mut StageTimes, server: Option<String>) -> Result<Declared, Fault> {
        match self.transport {
            // UDP is a matter of SETUP.
            Transport::Plain | Transport::Udp | Transport::UdpAddressed => {
                self.described(times, server).await.map(|(_session, video)| video.declared)
            }
            Transport::Tolerant | Transport::Tls => self.described_by_puller(times, server).await,
        }
    }

    async fn played(&self, times: &mut StageTimes, server: Option<String>) -> Result<Playing, Fault> {
        match self.transport {
            Transport::Plain => self.played_by_retina(times, server).await,
            Transport::UdpAddressed => {
                let (session, video) = self.described(times, server.clone()).await?;
                let stream = session.streams().get(video.index);
                let address = stream.and_then(|stream| pulled::addressed(stream, self.stream));
                let address = address.ok_or(Fault::at(Stage::Describe, Cause::BadDescription))?;
                self.played_by_puller(&address, Some(video), times, server).await
            }
            Transport::Tolerant | Transport::Udp | Transport::Tls => {
                self.played_by_puller(self.stream.as_str(), None, times, server).await
            }
        }
    }

    /// Connects and, where that is not encrypted, asks OPTIONS. Gives the `Server` header.
    async fn reach(&self, times: &mut StageTimes) -> Result<Option<String>, Fault> {
        let (host, port) = (self.stream.host(), self.stream.port());
        let began = Instant::now();
        let connected = reach::connect(host, port, self.deadlines.connect).await;
        times.set(Stage::Connect, began.elapsed());
        let stood_still = began.elapsed() > self.deadlines.connect + OWN_STALL;
        let mut stream = connected
            .map_err(|fault| if stood_still { Fault::Ourselves } else { Fault::of_connect(fault) })?;
        if self.stream.is_encrypted() {
            return Ok(None);
        }
        let asked =
            timed(times, Stage::Options, self.deadlines.describe, options::ask(&mut stream, self.stream));
        asked.await?.map_err(|cause| Fault::at(Stage::Options, cause))
    }

    async fn described(
        &self,
        times: &mut StageTimes,
        server: Option<String>,
    ) -> Result<(Session<Described>, Video), Fault> {
        let asked = Session::describe(self.stream.as_url().clone(), self.session_options());
        let session = self
            .answered(times, Stage::Describe, self.deadlines.describe, asked)
            .await?
            .map_err(|error| self.fault(Stage::Describe, &error))?;
        let server = server.or_else(|| session.tool().map(|tool| options::shortened(tool)));
        let video = find_video(session.streams(), server)
            .ok_or_else(|| Fault::at(Stage::Describe, Cause::NoVideoMedia))?;
        Ok((session, video))
    }

    async fn played_by_retina(
        &self,
        times: &mut StageTimes,
        server: Option<String>,
    ) -> Result<Playing, Fault> {
        let (mut session, video) = self.described(times, server).await?;
        let set_up = session.setup(video.index, SetupOptions::default());
        self.answered(times, Stage::Setup, self.deadlines.setup, set_up)
            .await?
            .map_err(|error| self.fault(Stage::Setup, &error))?;
        let options = PlayOptions::default().initial_seq(InitialSequenceNumberPolicy::Ignore);
        let session = self
            .answered(times, Stage::Play, self.deadlines.play, session.play(options))
            .await?
            .map_err(|error| self.fault(Stage::Play, &error))?;
        let size = video.declared.size;
        let meter = Meter::new(video.codec, video.clock_rate, video.declared, size);
        let tap = self.tap.clone().map(|tap| tap.open(video.codec, video.parameters));
        let stream = PacketStream::Retina { session, video_index: video.index };
        Ok(Playing::new(stream, meter, tap, self.deadlines, self.host.begin_playing()))
    }

    /// Runs a stage of the library's within its deadline; an answer without an end is none.
    async fn answered<T>(
        &self,
        times: &mut StageTimes,
        stage: Stage,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        timed(times, stage, limit, unless_flooded(work, self.host)).await?.map_err(|_flood| {
            tracing::debug!(stage = stage.as_str(), "{} answered without an end at {stage}", self.stream);
            Fault::at(stage, Cause::NotRtsp)
        })
    }

    fn session_options(&self) -> SessionOptions {
        let credentials = self.credential.map(|credential| Credentials {
            username: credential.username.clone(),
            password: credential.password.expose_secret().to_owned(),
        });
        SessionOptions::default()
            .creds(credentials)
            .user_agent(options::USER_AGENT.to_owned())
            .session_group(self.host.group())
            .session_id(SessionIdPolicy::UseFirst)
    }

    fn login(&self) -> Login {
        match self.credential {
            None => Login::None,
            Some(_) if self.host.is_playing() => Login::GivenWhileOthersPlay,
            Some(_) => Login::Given,
        }
    }

    fn fault(&self, stage: Stage, error: &retina::Error) -> Fault {
        tracing::debug!(%error, stage = stage.as_str(), "{} failed at {stage}", self.stream);
        let status = error.status_code();
        if let (None, Some(fault)) = (status, connect_fault(&error.to_string())) {
            return Fault::of_connect(fault);
        }
        let cause = status
            .map_or_else(|| cause_of_break(stage), |status| cause_of_status(stage, status, self.login()));
        Fault::Device { stage, cause, status: status.filter(|status| !(200..300).contains(status)) }
    }
}

/// Why the library could not connect. It keeps the system's error to itself, but std ends the text of one with its
/// number; that number is read, never the wording.
fn connect_fault(text: &str) -> Option<ConnectFault> {
    let error = text.strip_prefix("Unable to connect to RTSP server: ")?;
    let code = error.strip_suffix(')')?.rsplit_once("(os error ")?.1.parse().ok()?;
    Some(ConnectFault::of(&io::Error::from_raw_os_error(code)))
}

/// Runs a stage within its deadline and notes the time that it took; a repeated stage adds up.
async fn timed<T>(
    times: &mut StageTimes,
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Fault> {
    let began = Instant::now();
    let done = timeout(limit, work).await;
    let took = began.elapsed();
    times.set(stage, times.of(stage).unwrap_or_default().saturating_add(took));
    match done {
        Ok(done) => Ok(done),
        Err(_elapsed) if took > limit + OWN_STALL => Err(Fault::Ourselves),
        Err(_elapsed) => Err(Fault::at(stage, cause_of_silence(stage))),
    }
}

/// The first video stream of a coding that we read.
fn find_video(streams: &[Stream], server: Option<String>) -> Option<Video> {
    streams.iter().enumerate().filter(|(_, stream)| stream.media() == "video").find_map(|(index, stream)| {
        let codec = codec_of(stream.encoding_name())?;
        let declared = Declared {
            codec: Some(codec),
            size: described_size(stream),
            frames_per_second: described_rate(stream),
            server: server.clone(),
        };
        let parameters = described_parameters(stream, codec);
        Some(Video { index, codec, clock_rate: stream.clock_rate_hz(), declared, parameters })
    })
}

fn codec_of(encoding_name: &str) -> Option<Codec> {
    match encoding_name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        "jpeg" => Some(Codec::Mjpeg),
        _ => None,
    }
}

/// The size in the parameter sets of the session description.
fn described_size(stream: &Stream) -> Option<(u32, u32)> {
    match stream.parameters()? {
        ParametersRef::Video(video) => {
            Some(video.pixel_dimensions()).filter(|(width, height)| *width > 0 && *height > 0)
        }
        ParametersRef::Audio(_) | ParametersRef::Message(_) => None,
    }
}

/// The parameter sets in the session description; many cameras send them nowhere else.
fn described_parameters(stream: &Stream, codec: Codec) -> ParameterSets {
    match stream.parameters() {
        Some(ParametersRef::Video(video)) => ParameterSets::of_description(codec, video.extra_data()),
        Some(ParametersRef::Audio(_) | ParametersRef::Message(_)) | None => ParameterSets::default(),
    }
}

/// `a=framerate`, else the timing in the parameter sets.
fn described_rate(stream: &Stream) -> Option<f64> {
    let written = stream.framerate().map(f64::from);
    let timing = || match stream.parameters()? {
        ParametersRef::Video(video) => {
            video.frame_rate().map(|(ticks, scale)| f64::from(scale) / f64::from(ticks))
        }
        ParametersRef::Audio(_) | ParametersRef::Message(_) => None,
    };
    written.or_else(timing).filter(|rate| rate.is_finite() && *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_said_of_a_connect_is_read_by_its_number() {
        let check = |code: i32, expected| {
            let text = format!("Unable to connect to RTSP server: {}", io::Error::from_raw_os_error(code));
            assert_eq!(connect_fault(&text), Some(expected), "{text}");
        };
        check(24, ConnectFault::Ourselves);
        check(99, ConnectFault::Ourselves);
        check(111, ConnectFault::Device(Cause::ConnectRefused));
        check(113, ConnectFault::Device(Cause::NoRoute));
        for other in
            ["RTSP framing error: (os error 24)", "Unable to connect to RTSP server: (os error x)", ""]
        {
            assert_eq!(connect_fault(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn the_library_still_words_a_failed_connect_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("rtsp://{}/", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let error = Session::describe(url, SessionOptions::default()).await.map(drop).unwrap_err();
        let expected = ConnectFault::Device(Cause::ConnectRefused);
        assert_eq!(connect_fault(&error.to_string()), Some(expected), "{error}");
    }
}
