//! What stands at a camera's address: takes the dialogue of a client to the RTSP servers and lets the faults act on it.
//!
//! One task per connection. A fault that begins or ends while a session runs acts on that session at once.

use crate::simulate::dialogue::{self, Piece};
use crate::simulate::fault::{Face, Fault, Faults};
use crate::simulate::fleet::{Channel, Coding, Device, asks_for_user, coding};
use crate::simulate::packet::{Distortion, Passage};
use crate::simulate::studio::{clip_path, media_path};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Longest time to the first request, and for a client to take what is sent.
const PATIENCE: Duration = Duration::from_secs(20);
/// Room for one read: a request from the client, several packets of a picture from the server.
const READ_UP: usize = 2 * 1024;
const READ_DOWN: usize = 16 * 1024;
/// A path that the servers do not have.
const NOWHERE: &str = "/none";

/// Sessions since the start.
#[derive(Debug, Default)]
pub struct Tally {
    /// Connections under way.
    pub connections: AtomicU64,
    /// PLAY requests taken.
    pub played: AtomicU64,
    /// TEARDOWN requests taken.
    pub torn_down: AtomicU64,
    /// Playing sessions whose client went away without TEARDOWN.
    pub abandoned: AtomicU64,
}

/// What every relay needs.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Where the open server is, and the one that asks for a user.
    pub(crate) open: SocketAddr,
    pub(crate) guarded: SocketAddr,
    pub(crate) faults: watch::Receiver<Arc<Faults>>,
    pub(crate) tally: Arc<Tally>,
    /// Distance of slow random-access pictures.
    pub(crate) key_frame_gap: Duration,
    pub(crate) cancel: CancellationToken,
}

/// Why a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Client,
    Ours,
}

/// Relays one connection of a device until either side ends it.
pub(crate) async fn relay(client: TcpStream, device: Arc<Device>, around: Surroundings) {
    let tally = Arc::clone(&around.tally);
    tally.connections.fetch_add(1, Ordering::Relaxed);
    let mut relay = Relay::new(client, device, around);
    // A broken connection is the client's way to leave; who left without TEARDOWN is what counts.
    let end = relay.run().await.unwrap_or(End::Client);
    tally.connections.fetch_sub(1, Ordering::Relaxed);
    if relay.is_playing && end == End::Client {
        tally.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}

struct Relay {
    client: TcpStream,
    device: Arc<Device>,
    around: Surroundings,
    /// Read from the client and not yet taken on.
    up: Vec<u8>,
    /// Read from the server and not yet taken on.
    down: Vec<u8>,
    distortion: Distortion,
    is_playing: bool,
}

/// The channel of a connection, fixed by its first request.
struct Line {
    point: Option<Channel>,
    server: TcpStream,
    /// The address as the client writes it, and as the server does.
    outside: String,
    inside: String,
    coding: Coding,
}

impl Relay {
    fn new(client: TcpStream, device: Arc<Device>, around: Surroundings) -> Self {
        let (up, down, distortion) = (Vec::new(), Vec::new(), Distortion::new(around.key_frame_gap));
        Self { client, device, around, up, down, distortion, is_playing: false }
    }

    async fn run(&mut self) -> io::Result<End> {
        let Some(uri) = self.first_address().await? else { return Ok(End::Client) };
        let channel = dialogue::path_of(&uri).and_then(|path| self.device.channels.get(path)).copied();
        let fault = self.fault(channel);
        if fault == Some(Fault::Silent) {
            return self.stay_silent(fault, channel).await;
        }
        let mut line = self.connect(channel, fault, &uri).await?;
        self.take_up(&mut line).await?;
        let mut face = Face::Open;
        while face == Face::Open {
            let cancel = self.around.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(End::Ours),
                changed = self.around.faults.changed() => {
                    if changed.is_err() || route(self.fault(channel)) != route(fault) {
                        return Ok(End::Ours);
                    }
                    face = self.face();
                }
                count = read(&mut self.client, &mut self.up, READ_UP) => {
                    if count? == 0 { return Ok(End::Client) }
                    self.take_up(&mut line).await?;
                }
                count = read(&mut line.server, &mut self.down, READ_DOWN) => {
                    if count? == 0 { return Ok(End::Ours) }
                    self.take_down(&line).await?;
                }
            }
        }
        drop(line);
        if face == Face::Dark { self.stay_dark().await } else { Ok(End::Ours) }
    }

    fn face(&self) -> Face {
        self.around.faults.borrow().face_of(&self.device)
    }

    fn fault(&self, channel: Option<Channel>) -> Option<Fault> {
        self.around.faults.borrow().points.get(&channel?.point).copied()
    }

    /// The address of the first request, which stays in the buffer.
    async fn first_address(&mut self) -> io::Result<Option<String>> {
        let waiting = async {
            loop {
                if let Piece::Message(head, _) = dialogue::first_piece(&self.up) {
                    let head = String::from_utf8_lossy(self.up.get(..head).unwrap_or_default()).into_owned();
                    return Ok(dialogue::request_line(&head).map(|(_method, uri)| uri.to_owned()));
                }
                if read(&mut self.client, &mut self.up, READ_UP).await? == 0 {
                    return Ok(None);
                }
            }
        };
        tokio::select! {
            biased;
            () = self.around.cancel.cancelled() => Ok(None),
            first = tokio::time::timeout(PATIENCE, waiting) => first.unwrap_or(Ok(None)),
        }
    }

    async fn connect(&self, channel: Option<Channel>, fault: Option<Fault>, uri: &str) -> io::Result<Line> {
        let asks = channel.is_some_and(|channel| asks_for_user(channel.media));
        let guarded = asks || fault == Some(Fault::WrongPassword);
        let address = if guarded { self.around.guarded } else { self.around.open };
        let clip = fault.and_then(Fault::clip);
        let path = match (channel, clip) {
            (None, _) => NOWHERE.to_owned(),
            (Some(_), _) if fault == Some(Fault::NotFound) => NOWHERE.to_owned(),
            (Some(_), Some(clip)) => clip_path(clip),
            (Some(channel), None) => media_path(channel.media),
        };
        let coding = match (channel, clip) {
            (Some(channel), None) => coding(channel.media),
            (None, _) | (_, Some(_)) => Coding::H264,
        };
        let server = TcpStream::connect(address).await?;
        server.set_nodelay(true)?;
        self.client.set_nodelay(true)?;
        let outside = uri.trim_end_matches('/').to_owned();
        Ok(Line { point: channel, server, outside, inside: format!("rtsp://{address}{path}"), coding })
    }

    /// Takes what the client sent on to the server.
    async fn take_up(&mut self, line: &mut Line) -> io::Result<()> {
        let fault = self.fault(line.point);
        let (mut to_server, mut to_client, mut taken) = (Vec::new(), Vec::new(), 0);
        loop {
            let rest = self.up.get(taken..).unwrap_or_default();
            match dialogue::first_piece(rest) {
                Piece::Partial => break,
                Piece::Broken => return Err(io::ErrorKind::InvalidData.into()),
                Piece::Frame(_, range) => {
                    to_server.extend_from_slice(rest.get(..range.end).unwrap_or_default());
                    taken += range.end;
                }
                Piece::Message(head, whole) => {
                    let text = String::from_utf8_lossy(rest.get(..head).unwrap_or_default()).into_owned();
                    let body = rest.get(head..whole).unwrap_or_default().to_vec();
                    match self.answer(fault, &text) {
                        Some(answer) => to_client.extend_from_slice(answer.as_bytes()),
                        None => {
                            to_server.extend_from_slice(turn(fault, line, &text).as_bytes());
                            to_server.extend(body);
                        }
                    }
                    taken += whole;
                }
            }
        }
        self.up.drain(..taken);
        send(&mut line.server, &to_server).await?;
        send(&mut self.client, &to_client).await
    }

    /// Counts a request, and answers it when the device itself would refuse.
    fn answer(&mut self, fault: Option<Fault>, head: &str) -> Option<String> {
        match dialogue::request_line(head)?.0 {
            "SETUP" if fault == Some(Fault::SessionLimit) => return Some(dialogue::no_session_left(head)),
            "PLAY" if !self.is_playing => {
                self.is_playing = true;
                self.around.tally.played.fetch_add(1, Ordering::Relaxed);
            }
            "TEARDOWN" => {
                self.is_playing = false;
                self.around.tally.torn_down.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        None
    }

    /// Takes what the server sent on to the client.
    async fn take_down(&mut self, line: &Line) -> io::Result<()> {
        let fault = self.fault(line.point);
        let (mut to_client, mut taken) = (Vec::with_capacity(self.down.len()), 0);
        loop {
            let rest = self.down.get_mut(taken..).unwrap_or_default();
            match dialogue::first_piece(rest) {
                Piece::Partial => break,
                Piece::Broken => return Err(io::ErrorKind::InvalidData.into()),
                Piece::Frame(channel, range) => {
                    taken += range.end;
                    let end = range.end;
                    let packet = rest.get_mut(range).unwrap_or_default();
                    // Clients take RTP on even channels and RTCP on odd ones (RFC 2326 section 10.12).
                    let passage = if channel.is_multiple_of(2) {
                        self.distortion.pass_media(fault, line.coding, packet)
                    } else {
                        self.distortion.pass_control(fault, packet)
                    };
                    if passage == Passage::Kept {
                        to_client.extend_from_slice(rest.get(..end).unwrap_or_default());
                    }
                }
                Piece::Message(head, whole) => {
                    let text = String::from_utf8_lossy(rest.get(..head).unwrap_or_default());
                    let turned = dialogue::turn_answer(&text, &line.inside, &line.outside);
                    to_client.extend_from_slice(turned.as_bytes());
                    to_client.extend_from_slice(rest.get(head..whole).unwrap_or_default());
                    taken += whole;
                }
            }
        }
        self.down.drain(..taken);
        send(&mut self.client, &to_client).await
    }

    /// Holds the connection without a word until the fault is over or the client leaves.
    async fn stay_silent(&mut self, fault: Option<Fault>, channel: Option<Channel>) -> io::Result<End> {
        while self.fault(channel) == fault && self.face() == Face::Open {
            self.up.clear();
            let cancel = self.around.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(End::Ours),
                changed = self.around.faults.changed() => if changed.is_err() { return Ok(End::Ours) },
                count = read(&mut self.client, &mut self.up, READ_UP) => if count? == 0 { return Ok(End::Client) },
            }
        }
        if self.face() == Face::Dark { self.stay_dark().await } else { Ok(End::Ours) }
    }

    /// Neither reads nor writes nor closes while the line is cut: the client sees nothing at all.
    async fn stay_dark(&mut self) -> io::Result<End> {
        while self.face() == Face::Dark {
            let cancel = self.around.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                changed = self.around.faults.changed() => if changed.is_err() { break },
            }
        }
        Ok(End::Ours)
    }
}

/// Which media a fault leads to; a session ends when this changes, as a camera drops its viewers on a new encoding.
fn route(fault: Option<Fault>) -> Option<Fault> {
    fault.filter(|fault| {
        fault.is_of_picture()
            || matches!(fault, Fault::Silent | Fault::NotFound | Fault::WrongPassword | Fault::Refused)
    })
}

fn turn(fault: Option<Fault>, line: &Line, head: &str) -> String {
    let head = dialogue::turn_request(head, &line.outside, &line.inside);
    if fault == Some(Fault::WrongPassword) { dialogue::spoil_authorization(&head) } else { head }
}

async fn read(from: &mut TcpStream, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
    buffer.reserve(room);
    from.read_buf(buffer).await
}

async fn send(to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    tokio::time::timeout(PATIENCE, to.write_all(bytes)).await.map_err(io::Error::from)?
}
