//! Connections: clients that take their time, and more of them than there is room for. On raw sockets.

use super::service::Service;
use sharpeyes::config::Settings;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn service(header_timeout: Duration, connections_at_once: usize) -> Service {
    let mut settings = Settings::default();
    (settings.server.header_timeout, settings.server.connections_at_once) =
        (header_timeout, connections_at_once);
    Service::start_with(settings).await
}

async fn open(address: SocketAddr, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// Reads until the service closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end, too.
    let _length_or_reset = read.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_end_and_a_connection_without_one_are_cut_off() {
    let service = service(Duration::from_millis(200), 512).await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "] {
        let mut stream = open(service.address, sent.as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_until_one_ends() {
    let service = service(Duration::from_secs(300), 2).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let mut held = vec![open(service.address, b"GET").await, open(service.address, b"GET").await];
    // Each of the two is taken once it answers.
    for stream in &mut held {
        stream.write_all(b" /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
    }
    let mut waiting = open(service.address, request).await;
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(200), waiting.read(&mut byte)).await;
    assert!(early.is_err(), "a third connection was served beside two");
    drop(held.pop());
    assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 200 OK"));
}
