//! A robot of WeCom that takes 20 in a minute, counts what it is told and refuses what is too much.

use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const LIMIT: usize = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// What came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// Messages, each at its time.
    pub(crate) at: Vec<Instant>,
    /// Notifications that they tell of, digests by their count.
    pub(crate) notifications: usize,
    pub(crate) refused: usize,
}

/// A running robot; it ends when it is dropped.
pub(crate) struct Robot {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    _task: JoinSet<()>,
}

impl Robot {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, heard) = (listener.local_addr()?, Arc::new(Mutex::new(Heard::default())));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&heard)));
        Ok(Self { address, heard, _task: task })
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, heard: Arc<Mutex<Heard>>) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        tasks.spawn(async move {
            answer(stream, &heard).await;
        });
    }
}

/// One request of a connection; what is no request is not answered.
async fn answer(mut stream: TcpStream, heard: &Mutex<Heard>) -> Option<()> {
    let body = read(&mut stream).await?;
    let said: Value = serde_json::from_str(&body).ok()?;
    let code = heard.lock().unwrap().take(said.pointer("/text/content")?.as_str()?);
    let body = format!("{{\"errcode\":{code},\"errmsg\":\"\"}}");
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.ok()
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
        if body.len() >= length {
            return Some(body.to_owned());
        }
    }
}

impl Heard {
    /// Takes a message; gives the code of the answer.
    fn take(&mut self, content: &str) -> u32 {
        let now = Instant::now();
        if self.most_in_a_minute(now) >= LIMIT {
            self.refused += 1;
            return 45_009;
        }
        self.at.push(now);
        let digest = content.strip_prefix("【汇总】").and_then(|rest| rest.split_once(' '));
        self.notifications += digest.and_then(|(count, _)| count.parse().ok()).unwrap_or(1);
        0
    }

    fn most_in_a_minute(&self, now: Instant) -> usize {
        self.at.iter().filter(|at| now.duration_since(**at) < MINUTE).count()
    }
}
