//! An HTTP receiver that answers as it is told to, and keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Answers with these bytes and closes.
    Answer(String),
    /// 400 to whatever holds this text, 200 to the rest.
    Refuse(&'static str),
    /// Reads and says nothing.
    Hang,
    /// Begins an answer and never ends it.
    HangHalfway,
    /// Closes without a word.
    Close,
}

impl Manner {
    /// An answer with a status line, further header lines and a body.
    pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Self {
        Self::Answer(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
    }

    /// 200 with a body.
    pub(crate) fn ok(body: &str) -> Self {
        Self::answer("200 OK", "", body)
    }

    /// 200 with a body of seven megabytes.
    pub(crate) fn flood() -> Self {
        Self::ok(&"{\"errcode\":0}".repeat(540_000))
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The path with its query.
    pub(crate) fn target(&self) -> String {
        self.head.split(' ').nth(1).unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    }
}

/// A running receiver; it ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    requests: Arc<Mutex<Vec<Request>>>,
    _task: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (manner, requests) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::new(Vec::new())));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&manner), Arc::clone(&requests)));
        Self { address, manner, requests, _task: task }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, manner: Arc<Mutex<Manner>>, requests: Arc<Mutex<Vec<Request>>>) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (manner, requests) = (manner.lock().unwrap().clone(), Arc::clone(&requests));
        tasks.spawn(async move { serve(stream, manner, &requests).await });
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, requests: &Mutex<Vec<Request>>) {
    let Some(request) = read(&mut stream).await else { return };
    let refuses = matches!(manner, Manner::Refuse(text) if request.body.contains(text));
    requests.lock().unwrap().push(request);
    match manner {
        Manner::Refuse(_) => {
            let answer = if refuses { "400 Bad Request" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Manner::Answer(bytes) => {
            // A client that has read enough goes away in the middle of a flood.
            let _gone = stream.write_all(bytes.as_bytes()).await;
        }
        Manner::Hang => std::future::pending().await,
        Manner::HangHalfway => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
            std::future::pending::<()>().await;
        }
        Manner::Close => {}
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let request = Request { head: head.to_owned(), body: body.to_owned() };
        let length: usize = request.header("content-length")?.parse().ok()?;
        if bytes.len() - head.len() - 4 >= length {
            return Some(request);
        }
    }
}
