//! A scripted RTSP server: speaks just enough, misbehaves on order, and counts what it is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Parameter sets of a 640x360 stream made by x264.
const SPROP: &str = "Z0LAFtoCgL/lwEQAAAMABAAAAwBQPFi6gA==,aM4PyA==";
pub(super) const SIZE: (u32, u32) = (640, 360);
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x16, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00,
    0x00, 0x03, 0x00, 0x50, 0x3c, 0x58, 0xba, 0x80,
];
/// `admin`, `secret`.
const LOGIN: &str = "Basic YWRtaW46c2VjcmV0";
/// Pictures from one key frame to the next.
pub(super) const GROUP: u64 = 5;
/// Time from one picture to the next.
pub(super) const STEP: Duration = Duration::from_millis(20);
const TICKS_PER_STEP: u32 = 1_800;

/// What happens to a fresh connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Serve,
    Silence,
    Garbage,
    Close,
}

/// How the session description names the parameter sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    Described,
    /// As VLC writes them, with a `;` at the end, which retina drops.
    TrailingSemicolon,
    Missing,
}

/// What is done instead of answering a method with 200.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) hold: Duration,
    pub(super) status: u16,
}

/// An answer without an end, as fast as it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flood {
    /// The last header goes on for ever.
    Header,
    /// The body is said to have, and has, 4 GB.
    Body,
}

/// The stream after PLAY.
#[derive(Clone, Copy, Debug)]
pub(super) struct Media {
    pub(super) key_frames: bool,
    pub(super) in_band_parameters: bool,
    /// After so many pictures the stream is silent; requests are still answered.
    pub(super) silent_after: u64,
    /// After so many pictures the connection is closed.
    pub(super) close_after: u64,
    /// A connection that is closed is reset.
    pub(super) resets: bool,
    /// After so many pictures comes an answer without an end, to nothing that was asked.
    pub(super) flood_after: u64,
    /// After so many pictures the SSRC changes.
    pub(super) new_source_after: u64,
    /// Every n-th picture is left out, its sequence number too.
    pub(super) lose_every: u64,
    /// Pictures sent at once at the start.
    pub(super) burst: u64,
    /// NTP seconds written into sender reports, added to the true time when relative.
    pub(super) clock: ReportClock,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ReportClock {
    Offset(i64),
    Uptime,
}

/// The script; may be changed while the server runs.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) greeting: Greeting,
    pub(super) parameters: Parameters,
    pub(super) answers: BTreeMap<&'static str, Answer>,
    /// Headers of an answer other than 200, each with the end of its line.
    pub(super) refusal_headers: String,
    pub(super) floods: BTreeMap<&'static str, Flood>,
    pub(super) media: Media,
    pub(super) needs_login: bool,
    /// The transport that SETUP names.
    pub(super) transport: &'static str,
    /// Session timeout that SETUP names; keepalives come every half of it.
    pub(super) timeout_seconds: u32,
    pub(super) answers_keepalives: bool,
    /// Sessions served at once; what the next DESCRIBE is answered with.
    pub(super) limit: Option<(usize, u16)>,
}

impl Default for Script {
    fn default() -> Self {
        let never = u64::MAX;
        Self {
            greeting: Greeting::Serve,
            parameters: Parameters::Described,
            answers: BTreeMap::new(),
            refusal_headers: String::new(),
            floods: BTreeMap::new(),
            media: Media {
                key_frames: true,
                in_band_parameters: false,
                silent_after: never,
                close_after: never,
                resets: false,
                flood_after: never,
                new_source_after: never,
                lose_every: never,
                burst: 0,
                clock: ReportClock::Offset(0),
            },
            needs_login: false,
            transport: "RTP/AVP/TCP;unicast;interleaved=0-1",
            timeout_seconds: 60,
            answers_keepalives: true,
            limit: None,
        }
    }
}

/// What the server was asked.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicUsize,
    pub(super) describes: AtomicUsize,
    pub(super) setups: AtomicUsize,
    pub(super) plays: AtomicUsize,
    pub(super) teardowns: AtomicUsize,
    /// Sessions between PLAY and TEARDOWN or the end of their connection.
    pub(super) playing: AtomicUsize,
    pub(super) most_playing: AtomicUsize,
    /// Bytes of answers without an end that were taken.
    pub(super) flooded: AtomicUsize,
    /// Answers without an end whose client went away.
    pub(super) cut_off: AtomicUsize,
}

impl Counts {
    pub(super) fn of(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }
}

/// A running fake; ends when dropped.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) counts: Arc<Counts>,
    _serving: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(script));
        let counts = Arc::new(Counts::default());
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&script), Arc::clone(&counts)));
        Self { address, script, counts, _serving: serving }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("rtsp://{}/{path}", self.address)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let script = script.lock().unwrap().clone();
        connections.spawn(serve(stream, script, Arc::clone(&counts)));
    }
}

async fn serve(stream: TcpStream, script: Script, counts: Arc<Counts>) {
    let mut stream = stream;
    match script.greeting {
        Greeting::Serve => {}
        Greeting::Silence => std::future::pending().await,
        Greeting::Garbage => {
            let _client_may_be_gone = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
            return;
        }
        Greeting::Close => return,
    }
    if script.media.resets {
        stream.set_zero_linger().unwrap();
    }
    let (reader, writer) = stream.into_split();
    let mut connection = Connection { writer, script, counts, playing: false };
    let mut reader = BufReader::new(reader);
    let mut ticker = tokio::time::interval(STEP);
    let mut sent = 0;
    while let Some(request) = tokio::select! {
        request = read_request(&mut reader) => request.map(Some),
        _ = ticker.tick(), if connection.playing => Some(None),
    } {
        let done = match request {
            Some(request) => connection.answer(&request).await,
            None => connection.send_pictures(&mut sent).await,
        };
        if done.is_none() {
            break;
        }
    }
    connection.stop();
}

struct Request {
    method: String,
    cseq: String,
    authorization: Option<String>,
}

async fn read_request(reader: &mut BufReader<OwnedReadHalf>) -> Option<Request> {
    let mut request = Request { method: String::new(), cseq: String::new(), authorization: None };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim();
        if request.method.is_empty() {
            request.method = line.split(' ').next()?.to_owned();
        } else if line.is_empty() {
            return Some(request);
        } else if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "cseq" => request.cseq = value.to_owned(),
                "authorization" => request.authorization = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

struct Connection {
    writer: OwnedWriteHalf,
    script: Script,
    counts: Arc<Counts>,
    playing: bool,
}

impl Connection {
    /// `None` ends the connection.
    async fn answer(&mut self, request: &Request) -> Option<()> {
        let answer = self.script.answers.get(request.method.as_str()).copied();
        if let Some(answer) = answer {
            tokio::time::sleep(answer.hold).await;
            if answer.status != 200 {
                self.count(&request.method);
                let headers = self.script.refusal_headers.clone();
                return self.write(answer.status, request, &headers, "").await;
            }
        }
        if let Some(flood) = self.script.floods.get(request.method.as_str()).copied() {
            return self.flood(&request.cseq, flood).await;
        }
        if self.script.needs_login
            && request.method == "DESCRIBE"
            && request.authorization.as_deref() != Some(LOGIN)
        {
            self.count(&request.method);
            return self.write(401, request, "WWW-Authenticate: Basic realm=\"fake\"\r\n", "").await;
        }
        if let Some((limit, status)) = self.script.limit
            && request.method == "DESCRIBE"
            && Counts::of(&self.counts.playing) >= limit
        {
            return self.write(status, request, "", "").await;
        }
        self.count(&request.method);
        match request.method.as_str() {
            "DESCRIBE" => {
                let description = self.description();
                self.write(200, request, "Content-Type: application/sdp\r\n", &description).await
            }
            "SETUP" => {
                let Script { timeout_seconds, transport, .. } = &self.script;
                let headers = format!("Session: 1;timeout={timeout_seconds}\r\nTransport: {transport}\r\n");
                self.write(200, request, &headers, "").await
            }
            "PLAY" => {
                self.write(200, request, "Session: 1\r\nRTP-Info: url=trackID=0;seq=7;rtptime=7\r\n", "")
                    .await?;
                self.start();
                Some(())
            }
            "TEARDOWN" => {
                self.stop();
                self.write(200, request, "", "").await
            }
            _ if self.playing && !self.script.answers_keepalives => Some(()),
            _ => {
                self.write(
                    200,
                    request,
                    "Server: fake/1\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
                    "",
                )
                .await
            }
        }
    }

    /// Ends with the connection.
    async fn flood(&mut self, cseq: &str, flood: Flood) -> Option<()> {
        let head = match flood {
            Flood::Header => format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nX: "),
            Flood::Body => format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Length: 4000000000\r\n\r\n"),
        };
        self.writer.write_all(head.as_bytes()).await.ok()?;
        while self.writer.write_all(&[b'a'; 64 * 1024]).await.is_ok() {
            self.counts.flooded.fetch_add(64 * 1024, Ordering::SeqCst);
        }
        self.counts.cut_off.fetch_add(1, Ordering::SeqCst);
        None
    }

    fn count(&self, method: &str) {
        let count = match method {
            "DESCRIBE" => &self.counts.describes,
            "SETUP" => &self.counts.setups,
            "PLAY" => &self.counts.plays,
            "TEARDOWN" => &self.counts.teardowns,
            _ => return,
        };
        count.fetch_add(1, Ordering::SeqCst);
    }

    fn start(&mut self) {
        self.playing = true;
        let playing = self.counts.playing.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.most_playing.fetch_max(playing, Ordering::SeqCst);
    }

    fn stop(&mut self) {
        if std::mem::take(&mut self.playing) {
            self.counts.playing.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn description(&self) -> String {
        let parameters = match self.script.parameters {
            Parameters::Described => format!(";sprop-parameter-sets={SPROP}"),
            Parameters::TrailingSemicolon => format!(";sprop-parameter-sets={SPROP};"),
            Parameters::Missing => String::new(),
        };
        format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=fake\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n\
             a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1{parameters}\r\na=control:trackID=0\r\n"
        )
    }

    async fn write(&mut self, status: u16, request: &Request, headers: &str, body: &str) -> Option<()> {
        let cseq = &request.cseq;
        let length = body.len();
        let head =
            format!("RTSP/1.0 {status} X\r\nCSeq: {cseq}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.writer.write_all(head.as_bytes()).await.ok()
    }

    async fn send_pictures(&mut self, sent: &mut u64) -> Option<()> {
        let count = if *sent == 0 { self.script.media.burst + 1 } else { 1 };
        for _ in 0..count {
            self.send_picture(*sent).await?;
            *sent += 1;
        }
        Some(())
    }

    async fn send_picture(&mut self, index: u64) -> Option<()> {
        let media = self.script.media;
        if index >= media.close_after {
            return None;
        }
        if index >= media.flood_after {
            return self.flood("0", Flood::Header).await;
        }
        if index >= media.silent_after || (index + 1).is_multiple_of(media.lose_every) {
            return Some(());
        }
        if index.is_multiple_of(10) {
            self.send_report(media.clock).await?;
        }
        let is_key = media.key_frames && index.is_multiple_of(GROUP);
        if is_key && media.in_band_parameters {
            self.send_packet(index * 2, index, false, SPS).await?;
        }
        let mut picture = vec![if is_key { 0x65 } else { 0x41 }, 0x9a];
        picture.resize(if is_key { 900 } else { 200 }, 0x55);
        self.send_packet(index * 2 + 1, index, true, &picture).await
    }

    async fn send_packet(&mut self, sequence: u64, index: u64, marker: bool, payload: &[u8]) -> Option<()> {
        let source = if index >= self.script.media.new_source_after { 2_u32 } else { 1 };
        // Without parameters in band only odd numbers would be used; then each picture has one number.
        let sequence = if self.script.media.in_band_parameters { sequence } else { index };
        let sequence = u16::try_from((sequence + 60_000) % 65_536).unwrap();
        let ticks = u32::try_from(index).unwrap().wrapping_mul(TICKS_PER_STEP).wrapping_add(4_000_000_000);
        let mut packet = vec![0x80, 96 | if marker { 0x80 } else { 0 }];
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&ticks.to_be_bytes());
        packet.extend_from_slice(&source.to_be_bytes());
        packet.extend_from_slice(payload);
        self.send_frame(0, &packet).await
    }

    async fn send_report(&mut self, clock: ReportClock) -> Option<()> {
        let seconds = match clock {
            ReportClock::Offset(offset) => jiff::Timestamp::now().as_second() + 2_208_988_800 + offset,
            ReportClock::Uptime => 4_711,
        };
        let mut packet = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
        packet.extend_from_slice(&u32::try_from(seconds).unwrap().to_be_bytes());
        packet.extend_from_slice(&[0; 16]);
        self.send_frame(1, &packet).await
    }

    async fn send_frame(&mut self, channel: u8, packet: &[u8]) -> Option<()> {
        let mut frame = vec![b'$', channel];
        frame.extend_from_slice(&u16::try_from(packet.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(packet);
        self.writer.write_all(&frame).await.ok()
    }
}
