//! The connections: how many at once, and how long each may take to say what it wants.
//!
//! `axum::serve` bounds neither. A client that sends its head byte by byte, or holds idle connections, would take
//! descriptors from the watching for as long as it likes.

use crate::api::state::ApiState;
use crate::telemetry;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time after which a failed accept is tried again: descriptors that ran out come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves the face until it is cancelled, then ends every connection after the answer that is under way.
pub async fn serve(listener: TcpListener, state: ApiState, cancel: CancellationToken) {
    let server = &state.inputs().settings.server;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(server.header_timeout);
    let mut slots = Slots::new(server.connections_at_once);
    let router = crate::api::router(state.clone());
    let mut connections = JoinSet::new();
    loop {
        // A dropped accept loses nothing: the connection stays in the backlog.
        let accepted = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            Some(ended) = connections.join_next() => {
                note_panic(ended);
                continue;
            }
            accepted = accept(&listener, &mut slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let connection = connection(http.clone(), stream, router.clone(), cancel.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                telemetry::accept_failed(&error);
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note_panic(ended);
    }
}

/// The connections that may be open at once.
struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
    /// Whether it was told that none is free; it is told again when half of them were.
    told: bool,
}

impl Slots {
    fn new(limit: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(limit)), limit, told: false }
    }

    /// Waits until a connection may be accepted; who has to wait stays in the backlog of the listener.
    async fn take(&mut self) -> io::Result<OwnedSemaphorePermit> {
        let free = self.free.available_permits();
        if free == 0 && !self.told {
            telemetry::connections_exhausted(self.limit);
        }
        self.told = free == 0 || (self.told && free < self.limit / 2);
        Arc::clone(&self.free).acquire_owned().await.map_err(io::Error::other)
    }
}

async fn accept(listener: &TcpListener, slots: &mut Slots) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.take().await?;
    let (stream, _peer) = listener.accept().await?;
    Ok((stream, slot))
}

/// Serves one connection. What a client does wrong with it is no fault of ours and is not told.
async fn connection(http: http1::Builder, stream: TcpStream, router: Router, cancel: CancellationToken) {
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        () = cancel.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early: {error}");
    }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        telemetry::task_failed("connection", &error);
    }
}
