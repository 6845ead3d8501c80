//! The devices that we hold sessions to.
//!
//! All sessions to one device share a `SessionGroup`, so that a TEARDOWN still under way and the stale sessions of old
//! live555 servers (their data appears on connections that have nothing to do with them) are known before the next
//! connect.

use crate::domain::budget::HostName;
use crate::telemetry;
use retina::client::SessionGroup;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

/// How long a look waits for its own TEARDOWN to be answered before it lets the next one start.
const TEARDOWN_WAIT: Duration = Duration::from_secs(2);

/// After this time a device that was not quiet is asked again: most TEARDOWNs are given up by then, though the session
/// may be counted until it expires.
const UNQUIET_WAIT: Duration = Duration::from_secs(3);

/// Every device that a session is held to.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<BTreeMap<HostName, Arc<Host>>>);

impl Hosts {
    pub(super) fn host(&self, name: &HostName) -> Arc<Host> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(Arc::clone(name)).or_insert_with(|| Arc::new(Host::new(name)));
        Arc::clone(host)
    }

    /// Forgets the devices without a session.
    pub(super) fn prune(&self) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.has_stale_session());
    }

    /// Waits until every TEARDOWN under way was answered or `deadline` passed.
    pub(super) async fn await_teardowns(&self, deadline: Instant) {
        let hosts: Vec<Arc<Host>> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for host in hosts {
            if timeout_at(deadline, host.left()).await.is_err() {
                telemetry::teardown_unanswered(&host.name);
            }
        }
    }
}

/// One device.
pub(super) struct Host {
    name: HostName,
    group: Mutex<Arc<SessionGroup>>,
    /// Pullers that are ending their sessions; each ends by its deadline.
    leaving: TaskTracker,
    playing: AtomicUsize,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Host {
    pub(super) fn new(name: &HostName) -> Self {
        // Closed, it still takes tasks, and a wait for it ends when there are none.
        let leaving = TaskTracker::new();
        leaving.close();
        let group = Mutex::new(group_of(name));
        Self { name: Arc::clone(name), group, leaving, playing: AtomicUsize::new(0) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn group(&self) -> Arc<SessionGroup> {
        Arc::clone(&self.group.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts from now on without the sessions so far: for one that is abandoned, whose TEARDOWN nobody may wait for.
    pub(super) fn begin_group(&self) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = group_of(&self.name);
    }

    /// Where pullers end their sessions to the device.
    pub(super) const fn leaving(&self) -> &TaskTracker {
        &self.leaving
    }

    /// Waits for every session that was just left: TEARDOWN sent, and answered or given up.
    async fn left(&self) {
        let group = self.group();
        let (_answered, ()) = tokio::join!(group.await_teardown(), self.leaving.wait());
    }

    /// Whether a session of ours plays on the device now.
    pub(super) fn is_playing(&self) -> bool {
        self.playing.load(Ordering::Relaxed) > 0
    }

    /// Counts a playing session until the guard is dropped.
    pub(super) fn begin_playing(self: &Arc<Self>) -> PlayingGuard {
        self.playing.fetch_add(1, Ordering::Relaxed);
        PlayingGuard(Arc::clone(self))
    }

    /// Waits a little for the sessions that we left to be gone. `Err` holds how long the device should be left alone.
    pub(super) async fn await_quiet(&self) -> Result<(), Duration> {
        let group = self.group();
        let stale = group.stale_sessions();
        if stale.num_sessions == 0 || self.is_playing() {
            return Ok(());
        }
        match timeout(TEARDOWN_WAIT, group.await_stale_sessions(&stale)).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => {
                let expiry = group.stale_sessions().max_expires;
                let left = expiry.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
                if left.is_zero() { Ok(()) } else { Err(left.min(UNQUIET_WAIT)) }
            }
        }
    }

    /// Waits a little for the TEARDOWN of a session that was just dropped.
    pub(super) async fn await_teardown(&self) {
        if timeout(TEARDOWN_WAIT, self.left()).await.is_err() {
            tracing::debug!(host = %self.name, "the TEARDOWN to {} goes on in the background", self.name);
        }
    }

    fn has_stale_session(&self) -> bool {
        self.group().stale_sessions().num_sessions > 0 || !self.leaving.is_empty()
    }
}

fn group_of(name: &HostName) -> Arc<SessionGroup> {
    Arc::new(SessionGroup::default().named(name.to_string()))
}

/// Counts a playing session of a host.
#[derive(Debug)]
pub(super) struct PlayingGuard(Arc<Host>);

impl PlayingGuard {
    /// The host.
    pub(super) fn share(&self) -> Arc<Host> {
        Arc::clone(&self.0)
    }
}

impl Drop for PlayingGuard {
    fn drop(&mut self) {
        self.0.playing.fetch_sub(1, Ordering::Relaxed);
    }
}
