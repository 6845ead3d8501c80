//! Connections: clients that take their time, or take nothing, and more of them than there is room for. On raw sockets.

use super::service::Service;
use sharpeyes::config::{Server, Settings};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn service(server: Server) -> Service {
    Service::start_with(Settings { server, ..Settings::default() }).await
}

async fn open(address: SocketAddr, sent: &[u8]) -> TcpStream {
    open_from([127, 0, 0, 1].into(), address, sent).await
}

/// Every address of 127.0.0.0/8 is one of this machine: as many clients as a test needs.
async fn open_from(client: IpAddr, address: SocketAddr, sent: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((client, 0).into()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
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
    let server = Server { header_timeout: Duration::from_millis(200), ..Server::default() };
    let service = service(server).await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "] {
        let mut stream = open(service.address, sent.as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answers_is_cut_off() {
    let server = Server { write_timeout: Duration::from_millis(500), ..Server::default() };
    let service = service(server).await;
    let mut stream = open(service.address, b"").await;
    let asked = b"GET /console.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(1_000);
    let cut_off = async { while stream.write_all(&asked).await.is_ok() {} };
    assert!(tokio::time::timeout(PATIENCE, cut_off).await.is_ok(), "it is still connected");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_until_one_ends() {
    let service = service(Server { connections_at_once: 2, ..patient() }).await;
    let mut held = Vec::new();
    for client in [1, 2] {
        held.push(answered([127, 0, 0, client].into(), service.address).await.unwrap());
    }
    let request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let mut waiting = open_from([127, 0, 0, 3].into(), service.address, request).await;
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(200), waiting.read(&mut byte)).await;
    assert!(early.is_err(), "a third connection was served beside two");
    drop(held.pop());
    assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn no_client_takes_every_connection() {
    let service = service(Server { connections_at_once: 8, ..patient() }).await;
    let mut held = Vec::new();
    for (client, share) in [(1, 4), (2, 2), (3, 1)] {
        let client = IpAddr::from([127, 0, 0, client]);
        for _ in 0..share {
            held.push(answered(client, service.address).await.unwrap());
        }
        assert!(answered(client, service.address).await.is_none(), "{client} holds more than {share}");
    }
    held.clear();
    // A connection that ended counts no longer.
    while answered([127, 0, 0, 1].into(), service.address).await.is_none() {}
}

/// Settings that cut off nobody.
fn patient() -> Server {
    Server { header_timeout: Duration::from_secs(300), ..Server::default() }
}

/// A connection that was answered and stays; `None` when it is closed without an answer.
async fn answered(client: IpAddr, address: SocketAddr) -> Option<TcpStream> {
    let mut stream = open_from(client, address, b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    let mut first = [0; 15];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap();
    read.is_ok().then(|| assert_eq!(&first, b"HTTP/1.1 200 OK")).map(|()| stream)
}
