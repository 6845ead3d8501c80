//! A relay before an RTSP server: hands requests and answers on, and stands between the server and the client's UDP ports,
//! where it loses packets and changes their order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Every so many packets one is lost.
const LOSE_EVERY: u64 = 100;
/// Every so many packets one is held back until some later ones have passed.
const SWAP_EVERY: u64 = 10;
const OVERTAKEN_BY: u64 = 3;

/// A running relay.
pub(super) struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    _relaying: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    passed: AtomicU64,
    lost: AtomicU64,
    swapped: AtomicU64,
}

impl Relay {
    pub(super) async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, counts) = (listener.local_addr().unwrap(), Arc::new(Counts::default()));
        let mut relaying = JoinSet::new();
        relaying.spawn(accept(listener, server_port, Arc::clone(&counts)));
        Self { address, counts, _relaying: relaying }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("rtsp://{}{path}", self.address)
    }

    /// Packets that were handed on, lost, and overtaken.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (of(&self.counts.passed), of(&self.counts.lost), of(&self.counts.swapped))
    }
}

async fn accept(listener: TcpListener, server_port: u16, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
        connections.spawn(connect(client, server, Arc::clone(&counts)));
    }
}

/// Hands the bytes of a connection on; in requests the client's ports are replaced by ours.
async fn connect(client: TcpStream, server: TcpStream, counts: Arc<Counts>) {
    let (client_reader, mut client_writer) = client.into_split();
    let (mut server_reader, mut server_writer) = server.into_split();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _either_is_gone = tokio::io::copy(&mut server_reader, &mut client_writer).await;
    });
    let mut lines = BufReader::new(client_reader);
    let mut line = String::new();
    while lines.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        if let Some((before, ports)) = line.split_once("client_port=") {
            let written = ports.split([';', '\r']).next().unwrap();
            let wanted: u16 = written.split('-').next().unwrap().parse().unwrap();
            let ours = relay_ports(wanted, &counts, &mut tasks).await;
            line = format!("{before}client_port={ours}-{}{}", ours + 1, &ports[written.len()..]);
        }
        if server_writer.write_all(line.as_bytes()).await.is_err() {
            break;
        }
        line.clear();
    }
}

/// Takes a pair of ports and hands what comes to them on to the pair that begins with `client`.
async fn relay_ports(client: u16, counts: &Arc<Counts>, tasks: &mut JoinSet<()>) -> u16 {
    let (packets, reports) = loop {
        let packets = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = packets.local_addr().unwrap().port();
        if port % 2 == 0
            && let Ok(reports) = UdpSocket::bind(("127.0.0.1", port + 1)).await
        {
            break (packets, reports);
        }
    };
    let port = packets.local_addr().unwrap().port();
    tasks.spawn(spoil(packets, client, Arc::clone(counts)));
    tasks.spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok(length) = reports.recv(&mut buffer).await {
            let _unread = reports.send_to(&buffer[..length], ("127.0.0.1", client + 1)).await;
        }
    });
    port
}

async fn spoil(socket: UdpSocket, client: u16, counts: Arc<Counts>) {
    let mut buffer = [0; 2_048];
    let mut held: Option<(u64, Vec<u8>)> = None;
    for number in 1_u64.. {
        // A packet that is held back is not held for ever.
        let received = tokio::time::timeout(Duration::from_millis(50), socket.recv(&mut buffer)).await;
        let packet = match received {
            Ok(Ok(length)) => Some(&buffer[..length]),
            Ok(Err(_)) => return,
            Err(_elapsed) => None,
        };
        let send = async |packet: &[u8]| {
            let _unread = socket.send_to(packet, ("127.0.0.1", client)).await;
            counts.passed.fetch_add(1, Ordering::SeqCst);
        };
        match packet {
            Some(_) if number.is_multiple_of(LOSE_EVERY) => {
                counts.lost.fetch_add(1, Ordering::SeqCst);
            }
            Some(packet) if number.is_multiple_of(SWAP_EVERY) && held.is_none() => {
                held = Some((number + OVERTAKEN_BY, packet.to_vec()));
                counts.swapped.fetch_add(1, Ordering::SeqCst);
            }
            Some(packet) => send(packet).await,
            None => {}
        }
        if let Some((_, late)) = held.take_if(|(until, _)| number >= *until || packet.is_none()) {
            send(&late).await;
        }
    }
}
