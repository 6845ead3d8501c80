//! The floor that nothing can go below: opens RTSP sessions over TCP, reads whatever comes and throws it away.

use crate::report::say;
use anyhow::{Context, ensure};
use sharpeyes::simulate::fleet::{Fleet, MEDIA, Plan, Watched, asks_for_user};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Opens this far apart, as the service does when it is told to hurry.
const OPEN_EVERY: Duration = Duration::from_millis(5);

/// Addresses of the open points of a fleet on `port`, over and over: what clients without a password can pull.
pub(crate) fn open_streams(port: u16, count: usize) -> anyhow::Result<Vec<String>> {
    let fleet = Fleet::build(Plan { port, watched: Watched::Mixed })?;
    let open = fleet.devices.iter().flat_map(|device| {
        let channels = device
            .channels
            .iter()
            .filter(|(_, channel)| channel.media < MEDIA && !asks_for_user(channel.media));
        channels.map(|(path, _)| format!("rtsp://{}{path}", device.address))
    });
    let open: Vec<String> = open.collect();
    ensure!(!open.is_empty(), "the fleet has no open points");
    Ok(open.iter().cycle().take(count).cloned().collect())
}

/// Pulls `count` streams until killed; says how many play, and every second how many bytes came.
pub(crate) async fn run(port: u16, count: usize) -> anyhow::Result<()> {
    let (bytes, playing) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut sessions = JoinSet::new();
    for url in open_streams(port, count)? {
        sessions.spawn(pull(url, Arc::clone(&bytes), Arc::clone(&playing)));
        tokio::time::sleep(OPEN_EVERY).await;
    }
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = seconds.tick() => {
                say(&format!("{} {}", playing.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed)));
            }
            Some(ended) = sessions.join_next() => ended??,
        }
    }
}

async fn pull(url: String, bytes: Arc<AtomicU64>, playing: Arc<AtomicUsize>) -> anyhow::Result<()> {
    let address: SocketAddr = url.split('/').nth(2).context("no address")?.parse()?;
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    ask(&mut stream, &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await?;
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let setup = format!("SETUP {url}/stream=0 RTSP/1.0\r\nCSeq: 2\r\n{transport}\r\n\r\n");
    let session = ask(&mut stream, &setup).await?.context("no session")?;
    let play = format!("PLAY {url} RTSP/1.0\r\nCSeq: 3\r\nSession: {session}\r\n\r\n");
    stream.write_all(play.as_bytes()).await?;
    playing.fetch_add(1, Ordering::Relaxed);
    let mut stream = stream.into_inner();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        ensure!(count > 0, "{url} ended");
        bytes.fetch_add(u64::try_from(count)?, Ordering::Relaxed);
    }
}

/// Sends a request and reads its answer; returns the session that it names.
async fn ask(stream: &mut BufReader<TcpStream>, request: &str) -> anyhow::Result<Option<String>> {
    stream.write_all(request.as_bytes()).await?;
    let (mut session, mut length, mut line) = (None, 0, String::new());
    stream.read_line(&mut line).await?;
    ensure!(line.contains(" 200 "), "{line}");
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_once(": ") {
            Some(("Session", value)) => session = value.split(';').next().map(str::to_owned),
            Some(("Content-Length", value)) => length = value.parse()?,
            Some(_) => {}
            None => break,
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(session)
}
