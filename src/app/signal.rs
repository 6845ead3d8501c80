//! The wish of a person or the system that a command ends: SIGTERM or Ctrl-C.

use std::io;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, taken from the moment of its making on: none of them ends the process by itself any more.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them. Dropping the future loses none.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Does `work`, which loses nothing when it is dropped half-way. `None` when it was to stop first.
    #[cfg(feature = "simulate")]
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }
}

/// Has this process live on when SIGTERM comes: for one that its parent ends. Who stops a service tells every process of it
/// at once, and a session whose process died of that would be left behind.
pub(super) fn outlive_terminate() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    // Nobody listens; the handler stays.
    signal(SignalKind::terminate()).map(drop)
}
