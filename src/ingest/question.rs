//! A look that somebody waits for: taken outside the schedule, within the same budgets, answered and not reported.

use crate::domain::budget::{Grant, HostName};
use crate::domain::{Observation, PointCode};
use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A device is asked no sooner than this after the last time: who asks a recorder for each of its channels at once would
/// take the sessions that people need.
const REST: Duration = Duration::from_secs(5);

/// Who asks, and how long he waits.
#[derive(Debug)]
pub struct Question {
    /// The point to look at.
    pub point: PointCode,
    /// The look is broken off after this time, and its TEARDOWN sent.
    pub patience: Duration,
    /// What came of it; dropped when nobody waits any more, which breaks the look off, too.
    pub answer: oneshot::Sender<Result<Observation, Refused>>,
}

/// Why no look took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The point has no stream, or is not to be watched.
    NotWatched,
    /// Its device was asked a moment ago.
    TooSoon {
        /// When it may be asked again.
        wait: Duration,
    },
    /// The device, a link on the way or we ourselves have no session left.
    NoRoom,
}

/// The looks that somebody waits for, with what they use, and when each device was asked last.
#[derive(Debug, Default)]
pub(super) struct Asked {
    looks: JoinSet<()>,
    grants: HashMap<task::Id, Grant>,
    last: BTreeMap<HostName, Instant>,
}

impl Asked {
    /// Whether a device may be asked now.
    pub(super) fn admit(&self, host: &HostName, now: Instant) -> Result<(), Refused> {
        let since = self.last.get(host).map(|last| now.saturating_duration_since(*last));
        match since.filter(|since| *since < REST) {
            Some(since) => Err(Refused::TooSoon { wait: REST.saturating_sub(since) }),
            None => Ok(()),
        }
    }

    /// Takes a look at a device.
    pub(super) fn start(
        &mut self,
        host: HostName,
        grant: Grant,
        now: Instant,
        look: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.looks.spawn(look);
        self.grants.insert(task.id(), grant);
        self.last.retain(|_, last| now.saturating_duration_since(*last) < REST);
        self.last.insert(host, now);
    }

    /// Waits for the next look to end; never, when there is none.
    pub(super) async fn ended(&mut self) -> Option<Result<(task::Id, ()), JoinError>> {
        self.looks.join_next_with_id().await
    }

    /// What a look that ended had.
    pub(super) fn take_grant(&mut self, id: task::Id) -> Option<Grant> {
        self.grants.remove(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.looks.len()
    }
}

/// Answers a question with what a look sees, or with what it saw until the patience was at its end.
pub(super) async fn answer(
    question: Question,
    look: impl Future<Output = Observation>,
    token: CancellationToken,
) {
    let Question { patience, mut answer, .. } = question;
    let mut look = pin!(look);
    let seen = tokio::select! {
        biased;
        seen = look.as_mut() => seen,
        () = tokio::time::sleep(patience) => broken_off(look, &token).await,
        () = answer.closed() => broken_off(look, &token).await,
    };
    let _nobody_waits = answer.send(Ok(seen));
}

async fn broken_off(look: impl Future<Output = Observation>, token: &CancellationToken) -> Observation {
    token.cancel();
    look.await
}
