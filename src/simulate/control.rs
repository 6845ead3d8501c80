//! The control socket: one order a line, one answer a line, on loopback only.
//!
//! Its address is written to the file `control` in the work folder; tests and people send orders with [`ask`].

use crate::simulate::world::{Order, OrderError};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Name of the file with the address.
const FILE: &str = "control";
/// Longest time for one order and its answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// An order with the way back for its answer.
pub(crate) type Request = (Order, oneshot::Sender<String>);

/// Why an order could not be given.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No simulator runs on this folder.
    #[error("no simulator runs on {folder}")]
    NotRunning {
        /// The folder.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The simulator did not answer.
    #[error("the simulator did not answer")]
    Silent(#[source] io::Error),
}

/// Opens the socket and writes its address down.
pub(crate) async fn open(folder: &Path) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    tokio::fs::write(folder.join(FILE), listener.local_addr()?.to_string()).await?;
    Ok(listener)
}

/// Takes orders until cancelled. `orders` waits when full.
pub(crate) async fn serve(listener: TcpListener, orders: mpsc::Sender<Request>, cancel: CancellationToken) {
    let clients = TaskTracker::new();
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        let Ok((client, _from)) = accepted else { continue };
        let (orders, cancel) = (orders.clone(), cancel.clone());
        clients.spawn(async move { cancel.run_until_cancelled(listen_to(client, orders)).await });
    }
    clients.close();
    clients.wait().await;
}

async fn listen_to(mut client: TcpStream, orders: mpsc::Sender<Request>) -> io::Result<()> {
    let (reader, mut writer) = client.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.parse() {
            Ok(order) => obey(&orders, order).await,
            Err(error) => refuse(&error),
        };
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn obey(orders: &mpsc::Sender<Request>, order: Order) -> String {
    let (answer, answered) = oneshot::channel();
    match orders.send((order, answer)).await {
        Ok(()) => answered.await.unwrap_or_else(|_gone| "error: stopping".to_owned()),
        Err(_gone) => "error: stopping".to_owned(),
    }
}

fn refuse(error: &OrderError) -> String {
    format!("error: {error}")
}

/// Gives an order to the simulator that runs on `folder`; returns its answer.
pub async fn ask(folder: &Path, order: &str) -> Result<String, AskError> {
    let not_running = |source| AskError::NotRunning { folder: folder.display().to_string(), source };
    let address = tokio::fs::read_to_string(folder.join(FILE)).await.map_err(not_running)?;
    let address: SocketAddr = address.trim().parse().map_err(|error| not_running(io::Error::other(error)))?;
    let client = TcpStream::connect(address).await.map_err(not_running)?;
    tokio::time::timeout(DEADLINE, exchange(client, order))
        .await
        .map_err(io::Error::from)
        .and_then(|answer| answer)
        .map_err(AskError::Silent)
}

async fn exchange(mut client: TcpStream, order: &str) -> io::Result<String> {
    let (reader, mut writer) = client.split();
    writer.write_all(format!("{order}\n").as_bytes()).await?;
    let answer = BufReader::new(reader).lines().next_line().await?;
    answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
