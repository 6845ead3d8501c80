//! A listening address that can be open, closed or dark.
//!
//! Dark is a true black hole on Linux: the accept queue is cut to one place and that place is filled, so the kernel
//! drops every further SYN without an answer and the client's connect times out.

use crate::simulate::fault::{Face, Faults};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Places in the accept queue of an open address.
const OPEN_QUEUE: i32 = 1024;

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddrV4,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A listening address.
#[derive(Debug)]
pub(crate) struct Ear {
    address: SocketAddrV4,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(TcpListener),
    Closed,
    /// The socket fills the accept queue.
    Dark(TcpListener, Socket),
}

impl Ear {
    /// Opens an address.
    pub(crate) async fn open(address: SocketAddrV4) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ListenError { address, source })?;
        Ok(Self { address, state: State::Open(listener) })
    }

    /// Turns another face to the clients.
    async fn turn(&mut self, face: Face) -> Result<(), ListenError> {
        let failed = |source| ListenError { address: self.address, source };
        self.state = match (std::mem::replace(&mut self.state, State::Closed), face) {
            (State::Closed | State::Open(_) | State::Dark(..), Face::Closed) => State::Closed,
            (State::Open(listener), Face::Open) => State::Open(listener),
            (State::Dark(listener, filler), Face::Dark) => State::Dark(listener, filler),
            (State::Dark(listener, _filler), Face::Open) => {
                SockRef::from(&listener).listen(OPEN_QUEUE).map_err(failed)?;
                State::Open(listener)
            }
            (State::Closed, Face::Open) => {
                State::Open(TcpListener::bind(self.address).await.map_err(failed)?)
            }
            (State::Open(listener), Face::Dark) => darken(listener, self.address).map_err(failed)?,
            (State::Closed, Face::Dark) => {
                let listener = TcpListener::bind(self.address).await.map_err(failed)?;
                darken(listener, self.address).map_err(failed)?
            }
        };
        Ok(())
    }

    /// Waits for a client; for ever unless open.
    async fn accept(&self) -> Option<TcpStream> {
        match &self.state {
            // A failed accept is the client's (it left) or ours (no descriptors); the next one tells.
            State::Open(listener) => listener.accept().await.ok().map(|(stream, _from)| stream),
            State::Closed | State::Dark(..) => std::future::pending().await,
        }
    }

    /// Serves the address until cancelled, with the face that the faults give it.
    pub(crate) async fn serve(
        mut self,
        mut faults: watch::Receiver<Arc<Faults>>,
        cancel: CancellationToken,
        face: impl Fn(&Faults) -> Face,
        on_client: impl Fn(TcpStream),
    ) -> Result<(), ListenError> {
        loop {
            let wanted = face(&faults.borrow_and_update());
            self.turn(wanted).await?;
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                changed = faults.changed() => if changed.is_err() { return Ok(()) },
                client = self.accept() => client.into_iter().for_each(&on_client),
            }
        }
    }
}

fn darken(listener: TcpListener, address: SocketAddrV4) -> io::Result<State> {
    SockRef::from(&listener).listen(0)?;
    let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    filler.set_nonblocking(true)?;
    // In progress: on loopback the kernel has made the connection already, or the queue was full anyway.
    match filler.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(State::Dark(listener, filler)),
    }
}

/// Linux, all architectures but Alpha, MIPS, PA-RISC and SPARC.
const EINPROGRESS: i32 = 115;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What a client of the address meets.
    async fn meet(address: SocketAddrV4) -> &'static str {
        match tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            Err(_) => "nothing",
            Ok(Err(_)) => "refusal",
            Ok(Ok(_)) => "connection",
        }
    }

    #[tokio::test]
    async fn each_face_meets_a_client_in_its_way() {
        let free = std::net::TcpListener::bind("127.77.0.1:0").unwrap().local_addr().unwrap().port();
        let address = SocketAddrV4::new([127, 77, 0, 1].into(), free);
        let mut ear = Ear::open(address).await.unwrap();
        let turns = [
            (Face::Open, "connection"),
            (Face::Dark, "nothing"),
            (Face::Dark, "nothing"),
            (Face::Open, "connection"),
            (Face::Closed, "refusal"),
            (Face::Dark, "nothing"),
            (Face::Closed, "refusal"),
            (Face::Open, "connection"),
        ];
        for (face, expected) in turns {
            ear.turn(face).await.unwrap();
            assert_eq!(meet(address).await, expected, "{face:?}");
        }
    }
}
