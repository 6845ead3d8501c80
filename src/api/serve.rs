//! The connections: how many at once, how long each may take to say what it wants, and to take what it asked for.
//!
//! `axum::serve` bounds none of these. A client that sends its head byte by byte, holds idle connections, or asks and
//! never reads the answers, would take descriptors from the watching, and the face from everyone else, for as long as
//! it likes.

mod room;

use crate::api::serve::room::Room;
use crate::api::state::ApiState;
use crate::telemetry;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Time after which a failed accept is tried again: descriptors that ran out come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves the face until it is cancelled, then ends every connection after the answer that is under way.
pub async fn serve(listener: TcpListener, state: ApiState, cancel: CancellationToken) {
    let server = &state.inputs().settings.server;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(server.header_timeout);
    let mut room = Room::new(server.connections_at_once);
    let router = crate::api::router(state.clone());
    let mut connections = JoinSet::new();
    loop {
        // A dropped accept loses nothing: the connection stays in the backlog.
        let accepted = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            Some(ended) = connections.join_next_with_id() => {
                room.leave(note_end(ended));
                continue;
            }
            accepted = accept(&listener, server.write_timeout), if room.is_left() => accepted,
        };
        match accepted {
            Ok((stream, client)) if room.admits(client) => {
                let connection = connection(http.clone(), stream, router.clone(), cancel.clone());
                room.enter(connections.spawn(connection).id(), client);
            }
            Ok((refused, _)) => drop(refused),
            Err(error) => {
                telemetry::accept_failed(&error);
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next_with_id().await {
        note_end(ended);
    }
}

/// Accepts a connection that the system cuts off once its client has taken nothing of what was sent for `write_timeout`,
/// or is gone. Nothing is cut off while there is nothing to send, as in a stream of events without a change.
async fn accept(listener: &TcpListener, write_timeout: Duration) -> io::Result<(TcpStream, IpAddr)> {
    let (stream, peer) = listener.accept().await?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(write_timeout))?;
    Ok((stream, peer.ip()))
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

/// Tells a panic; gives the task that ended.
fn note_end(ended: Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((connection, ())) => connection,
        Err(error) => {
            telemetry::task_failed("connection", &error);
            error.id()
        }
    }
}
