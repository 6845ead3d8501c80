//! Sessions held by the tolerant puller: the same stages, deadlines and causes as those that retina holds.

use crate::config::Deadlines;
use crate::domain::answer::{cause_of_break, cause_of_status};
use crate::domain::irap::{Unit, visit_units};
use crate::domain::key_frame::ParameterSets;
use crate::domain::meter::Meter;
use crate::domain::point::StreamUrl;
use crate::domain::transport::Fingerprint;
use crate::domain::{Cause, Codec, Declared, Stage, StageTimes, sps};
use crate::ingest::playing::{Playing, Stream};
use crate::ingest::pull::{Description, Errand, Frame, Goal, Gone, NoPuller, Pull, Word};
use crate::ingest::session::{Door, Fault, Video, codec_of, timed};
use retina::client::Stream as DescribedStream;
use std::time::{Duration, Instant};
use url::Url;

/// A session on its way.
struct Opening {
    pull: Pull,
    stage: Stage,
    /// When the stage began.
    since: Instant,
    described: Option<Video>,
}

/// What one frame makes of an opening.
enum Opened {
    NotYet,
    Described,
    Playing,
}

impl Door<'_> {
    /// Asks for the description only.
    pub(super) async fn described_by_puller(
        &self,
        times: &mut StageTimes,
        server: Option<String>,
    ) -> Result<Declared, Fault> {
        let mut opening = self.begin(self.stream.as_str(), Goal::Describe).await?;
        while !matches!(self.step(&mut opening, times, &server).await?, Opened::Described) {}
        opening.described.map(|described| described.declared).ok_or(Fault::Ourselves)
    }

    /// Opens a session up to the answer of PLAY; `known` is what was described before.
    pub(super) async fn played_by_puller(
        &self,
        address: &str,
        known: Option<Video>,
        times: &mut StageTimes,
        server: Option<String>,
    ) -> Result<Playing, Fault> {
        let mut opening = self.begin(address, Goal::Play).await?;
        opening.described = known;
        while !matches!(self.step(&mut opening, times, &server).await?, Opened::Playing) {}
        let Opening { pull, described, .. } = opening;
        let Video { codec, clock_rate, declared, parameters, .. } = described.ok_or(Fault::Ourselves)?;
        let size = declared.size;
        let meter = Meter::new(codec, clock_rate, declared, size);
        let tap = self.tap.clone().map(|tap| tap.open(codec, parameters));
        let stream = Stream::pulled(pull);
        Ok(Playing::new(stream, meter, tap, self.deadlines, self.host.begin_playing()))
    }

    async fn begin(&self, address: &str, goal: Goal) -> Result<Opening, Fault> {
        let Some(puller) = self.puller else {
            return Err(Fault::Unavailable("it is switched off in the settings".to_owned()));
        };
        let errand = Errand {
            address,
            credential: self.credential,
            transport: self.transport,
            trust: self.trust,
            goal,
        };
        let pull = puller.start(&errand, self.host).await.map_err(|none| match none {
            NoPuller::Unavailable(reason) => Fault::Unavailable(reason),
            NoPuller::Busy(sessions) => Fault::Busy(sessions),
            NoPuller::Late => Fault::Ourselves,
        })?;
        let stage = if self.stream.is_encrypted() { Stage::Tls } else { Stage::Connect };
        Ok(Opening { pull, stage, since: Instant::now(), described: None })
    }

    /// Takes the next frame of an opening within the deadline of its stage.
    async fn step(
        &self,
        opening: &mut Opening,
        times: &mut StageTimes,
        server: &Option<String>,
    ) -> Result<Opened, Fault> {
        let stage = opening.stage;
        let limit = limit_of(stage, self.deadlines).saturating_sub(opening.since.elapsed());
        let frame = timed(times, stage, limit, opening.pull.next()).await?;
        match frame {
            Ok(Frame::Word(Word::Step(step))) => {
                let begun = step.stage(self.stream.is_encrypted());
                // A device that has a request repeated gains no time by it.
                if begun > stage {
                    (opening.stage, opening.since) = (begun, Instant::now());
                }
            }
            Ok(Frame::Word(Word::Described(description))) => {
                if opening.described.is_none() {
                    opening.described = Some(read(&description, server.clone())?);
                }
                return Ok(Opened::Described);
            }
            Ok(Frame::Word(Word::NoVideo)) => return Err(Fault::at(stage, Cause::NoVideoMedia)),
            Ok(Frame::Word(Word::Distrusted(shown))) => return Err(Fault::Distrusted(Fingerprint(shown))),
            Ok(Frame::Word(Word::Failed(status))) => return Err(self.pull_fault(stage, status)),
            Ok(Frame::Word(Word::Playing)) => return Ok(Opened::Playing),
            // Some devices send before they answer PLAY; what came first is worth less than a buffer for it.
            Ok(Frame::Packet(_) | Frame::Report(_) | Frame::Word(Word::Ready | Word::Unavailable(_))) => {}
            Err(Gone) => return Err(Fault::PullerDied { stage }),
        }
        Ok(Opened::NotYet)
    }

    fn pull_fault(&self, stage: Stage, status: Option<u16>) -> Fault {
        let cause = match (stage, status) {
            (Stage::Tls, _) => Cause::TlsFailed,
            (_, None) => cause_of_break(stage),
            (_, Some(status)) => cause_of_status(stage, status, self.login()),
        };
        tracing::debug!(
            stage = stage.as_str(),
            cause = cause.as_str(),
            "{} failed at {stage} in the puller",
            self.stream
        );
        Fault::Device { stage, cause, status: status.filter(|status| !(200..300).contains(status)) }
    }
}

/// The deadline of a stage.
const fn limit_of(stage: Stage, deadlines: &Deadlines) -> Duration {
    match stage {
        Stage::Connect | Stage::Tls => deadlines.connect,
        Stage::Options | Stage::Describe => deadlines.describe,
        Stage::Setup => deadlines.setup,
        Stage::Play => deadlines.play,
        Stage::FirstPacket => deadlines.first_packet,
        Stage::FirstKeyFrame => deadlines.first_key_frame,
        Stage::Measure => deadlines.frame_gap,
    }
}

fn read(description: &Description, server: Option<String>) -> Result<Video, Fault> {
    let codec = codec_of(&description.encoding).ok_or(Fault::at(Stage::Describe, Cause::NoVideoMedia))?;
    let declared = Declared {
        codec: Some(codec),
        size: described_size(codec, &description.parameter_sets),
        frames_per_second: description.frames_per_second.filter(|rate| rate.is_finite() && *rate > 0.0),
        server,
    };
    let parameters = ParameterSets::of_description(codec, &description.parameter_sets);
    // The puller sets up one stream only.
    Ok(Video { index: 0, codec, clock_rate: description.clock_rate, declared, parameters })
}

/// The size in the parameter sets of the description.
fn described_size(codec: Codec, parameter_sets: &[u8]) -> Option<(u32, u32)> {
    let mut size = None;
    visit_units(codec, parameter_sets, &mut |unit| match unit {
        Unit::SequenceParameters(unit) => size = sps::size_of(codec, unit).or(size),
        Unit::Slice { .. } | Unit::Other => {}
    });
    size
}

/// A description of one stream, with its whole address, in the form of an address that rtspsrc takes instead of asking for
/// one. The address leads to the device at `point`, whatever the device says: it cannot send us elsewhere.
pub(super) fn addressed(stream: &DescribedStream, point: &StreamUrl) -> Option<String> {
    let kind = stream.rtp_payload_type();
    let (encoding, rate) = (stream.encoding_name().to_ascii_uppercase(), stream.clock_rate_hz());
    let mut control = at_device(point.as_url(), stream.control()?);
    let whole = control.to_string();
    // What PLAY names: the address without its last part.
    control.path_segments_mut().ok()?.pop();
    let lines = [
        "v=0".to_owned(),
        "o=- 0 0 IN IP4 0.0.0.0".to_owned(),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        format!("a=control:{control}"),
        format!("m=video 0 RTP/AVP {kind}"),
        format!("a=rtpmap:{kind} {encoding}/{rate}"),
        format!("a=control:{whole}"),
    ];
    Some(format!("rtsp-sdp:///#{}", lines.map(|line| escaped(&line)).join("&")))
}

/// The path and query of `named` at the device at `point`.
fn at_device(point: &Url, named: &Url) -> Url {
    let mut address = point.clone();
    address.set_path(named.path());
    address.set_query(named.query());
    address
}

fn escaped(line: &str) -> String {
    let escape = |c: char| {
        if matches!(c, '%' | '&' | '#' | ' ') { format!("%{:02x}", u32::from(c)) } else { c.to_string() }
    };
    line.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_leads_to_no_other_device() {
        let point: Url = "rtsp://10.0.0.1:8554/cam?a=1".parse().unwrap();
        let check = |named: &str, expected: &str| {
            assert_eq!(at_device(&point, &named.parse().unwrap()).as_str(), expected, "{named}");
        };
        check("rtsp://10.0.0.1:8554/cam/trackID=1", "rtsp://10.0.0.1:8554/cam/trackID=1");
        check("http://user@127.0.0.1:80/a%20b?token=x#y", "rtsp://10.0.0.1:8554/a%20b?token=x");
        check("rtsps://[::1]/", "rtsp://10.0.0.1:8554/");
    }
}
