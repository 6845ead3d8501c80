//! A bare RTSP client over interleaved TCP (RFC 2326): no authentication, no checks, every packet as it came.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A playing session.
pub(crate) struct Session {
    stream: BufReader<TcpStream>,
    url: String,
    id: String,
    sequence: u32,
}

/// An interleaved packet.
pub(crate) struct Packet {
    pub(crate) channel: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Session {
    /// Opens the stream and plays it; the status of the first refusal otherwise.
    pub(crate) async fn play(url: &str) -> std::io::Result<Result<Self, u16>> {
        let mut session = Self::connect(url).await?;
        let steps = [
            ("DESCRIBE", "", "Accept: application/sdp\r\n"),
            ("SETUP", "/stream=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
            ("PLAY", "", ""),
        ];
        for (method, suffix, header) in steps {
            let status = session.ask(method, suffix, header).await?;
            if status != 200 {
                return Ok(Err(status));
            }
        }
        Ok(Ok(session))
    }

    async fn connect(url: &str) -> std::io::Result<Self> {
        let authority = url.split('/').nth(2).unwrap();
        let stream = TcpStream::connect(authority.parse::<SocketAddr>().unwrap()).await?;
        Ok(Self { stream: BufReader::new(stream), url: url.to_owned(), id: String::new(), sequence: 0 })
    }

    /// Sends a request and reads up to its answer's status.
    pub(crate) async fn ask(&mut self, method: &str, suffix: &str, header: &str) -> std::io::Result<u16> {
        self.sequence += 1;
        let session = if self.id.is_empty() { String::new() } else { format!("Session: {}\r\n", self.id) };
        let (url, sequence) = (&self.url, self.sequence);
        let request = format!("{method} {url}{suffix} RTSP/1.0\r\nCSeq: {sequence}\r\n{session}{header}\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            let first = self.stream.read_u8().await?;
            if first == b'$' {
                self.packet_after_dollar().await?;
            } else {
                return self.answer().await;
            }
        }
    }

    async fn answer(&mut self) -> std::io::Result<u16> {
        let mut head = vec![b'R'];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let value = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        if let Some(id) = value("Session:") {
            self.id = id.split(';').next().unwrap().to_owned();
        }
        let length = value("Content-Length:").map_or(0, |length| length.parse().unwrap());
        self.stream.read_exact(&mut vec![0; length]).await?;
        Ok(head.split(' ').nth(1).unwrap().parse().unwrap())
    }

    async fn packet_after_dollar(&mut self) -> std::io::Result<Packet> {
        let channel = self.stream.read_u8().await?;
        let mut bytes = vec![0; usize::from(self.stream.read_u16().await?)];
        self.stream.read_exact(&mut bytes).await?;
        Ok(Packet { channel, bytes })
    }

    /// The next packet.
    pub(crate) async fn packet(&mut self) -> std::io::Result<Packet> {
        let first = self.stream.read_u8().await?;
        assert_eq!(first, b'$', "an answer that nobody asked for");
        self.packet_after_dollar().await
    }
}
