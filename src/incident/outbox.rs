//! The outbox's task: sends what waits, each channel at its own pace, and keeps what became of it.
//!
//! An entry is settled after its channel took it: when we die in between it is sent once more, with the same key.

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::message::{Message, Severity};
use crate::domain::outbox::{Entry, EntryState, LONGEST_PAUSE, pause, plan};
use crate::domain::quota::{Quota, Turn};
use crate::domain::silence::Silence;
use crate::fault::{self, FaultPoint};
use crate::incident::crowd::{self, Crowd, TOO_MANY};
use crate::notify::{Channel, Retry, SendError};
use crate::store::notification::Waiting;
use crate::store::{Store, StoreError};
use crate::telemetry;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The outbox is read this often when nobody rings.
const PERIOD: Duration = Duration::from_secs(2);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// What is muted is looked at again after this: a person may end a silence early.
const MUTED_PAUSE: Duration = Duration::from_secs(30);
/// Incidents read at once.
const INCIDENTS: u32 = 500;
/// Pause before more is read where nothing of what was read is to be sent.
const BREATH: Duration = Duration::from_millis(50);
/// What a channel could not be brought so often is given up: a dead letter, which the API shows. With the pauses between, it
/// takes about a day.
const GIVE_UP: u32 = 200;

/// What the outbox needs.
#[derive(Debug)]
pub struct OutboxInputs {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where it sends to.
    pub channels: Vec<Channel>,
    /// Rung when something was put into the outbox.
    pub bell: Arc<Notify>,
}

/// Sends until `cancel`; what is under way then is sent again after the next start.
pub async fn run(inputs: OutboxInputs, cancel: CancellationToken) {
    let OutboxInputs { store, clock, channels, bell } = inputs;
    let carriers = channels.iter().map(|channel| {
        let quota = Quota::new(channel.allowance());
        let (store, clock, bell) = (&store, &clock, &*bell);
        Carrier {
            store,
            clock,
            channel,
            bell,
            quota,
            unkept: Vec::new(),
            most: usize::MAX,
            repeats_failed: 0,
            repeat_again: Timestamp::MIN,
            crowd: Crowd::new(),
        }
        .work()
    });
    let counting = count(&store, &clock);
    let work = async {
        abandon(&store, &clock, &channels).await;
        tokio::join!(join_all(carriers), counting)
    };
    let _cut_short = cancel.run_until_cancelled(Box::pin(work)).await;
}

/// Gives up what waits for channels that are gone: nobody would ever send it.
async fn abandon(store: &Store, clock: &Clock, channels: &[Channel]) {
    let names: Vec<&str> = channels.iter().map(Channel::name).collect();
    loop {
        match store.drop_notifications_of_others(&names, clock.now()).await {
            Ok(0) => break,
            Ok(count) => break telemetry::notifications_abandoned(count),
            Err(error) => telemetry::outbox_failed("that is gone", &error),
        }
        sleep(STORE_PAUSE).await;
    }
}

/// Counts what waits, what is dead, and the silences that mute.
async fn count(store: &Store, clock: &Clock) {
    loop {
        let counted = tokio::try_join!(store.outbox_length(), store.silences_in_force(clock.now()));
        if let Ok((length, silences)) = counted {
            telemetry::outbox_measured(length.queued, length.held, length.dead);
            telemetry::silences_measured(silences.len());
        }
        sleep(STORE_PAUSE).await;
    }
}

/// One channel.
struct Carrier<'a> {
    store: &'a Store,
    clock: &'a Clock,
    channel: &'a Channel,
    bell: &'a Notify,
    quota: Quota,
    /// What became of messages and could not be kept yet: nothing is sent before that is.
    unkept: Vec<(Vec<i64>, Fate)>,
    /// So many messages are sent together at most: fewer while one among them is refused, until it is found.
    most: usize,
    /// How often telling again failed in a row, and when it is tried next.
    repeats_failed: u32,
    repeat_again: Timestamp,
    /// What it was told of those that are held back.
    crowd: Crowd,
}

/// What became of a message.
#[derive(Debug)]
enum Fate {
    Sent,
    Dead { why: String },
    Failed { why: String, due: Timestamp, perhaps: bool },
}

impl Carrier<'_> {
    async fn work(mut self) {
        loop {
            let rung = self.bell.notified();
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    telemetry::outbox_failed(self.channel.name(), &error);
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = rung, if wait == PERIOD => {}
            }
        }
    }

    /// Sends what may be sent now; gives how long to rest.
    async fn turn(&mut self) -> Result<Duration, StoreError> {
        self.keep().await?;
        let now = self.clock.now();
        let waiting = self.store.waiting_notifications(self.channel.name(), INCIDENTS, now).await?;
        let is_full = u32::try_from(waiting.len()) == Ok(INCIDENTS);
        let due = self.drop_what_is_over(waiting, now).await?;
        let audible = self.hold_what_is_muted(due, now).await?;
        let ready = self.hold_what_is_too_much(audible, now).await?;
        self.tell_of_the_crowd(now).await?;
        if ready.is_empty() {
            self.most = usize::MAX;
            self.repeat(now).await?;
            return Ok(if is_full { BREATH } else { PERIOD });
        }
        match self.quota.turn(ready.len(), now) {
            Turn::Wait(wait) => Ok(wait),
            Turn::Send(count) => {
                self.send(ready.into_iter().take(count.min(self.most)).collect()).await?;
                Ok(Duration::ZERO)
            }
        }
    }

    /// Gives up what is told no more, and gives the messages that are due, the oldest first.
    async fn drop_what_is_over(&self, waiting: Vec<Waiting>, now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let (mut over, mut ready) = (Vec::new(), Vec::new());
        for mut incident in waiting {
            let plan = plan(&incident.entries, now);
            let waiting = incident.messages.keys().copied().filter(|id| !plan.drop.contains(id)).collect();
            over.extend(plan.drop);
            let Some(id) = plan.send else { continue };
            let was_told = incident.entries.iter().any(Entry::is_known);
            let due = |(message, failures)| Due { id, message, failures, was_told, waiting };
            ready.extend(incident.messages.remove(&id).map(due));
        }
        if !over.is_empty() {
            let why = "it was over before it was told, or nobody was told what it ends";
            self.store.settle_notifications(&over, EntryState::Dropped, why, now).await?;
        }
        ready.sort_by_key(|due| due.id);
        Ok(ready)
    }

    /// Holds back what a silence mutes: it is told when that is over, unless it ended meanwhile.
    async fn hold_what_is_muted(&self, due: Vec<Due>, now: Timestamp) -> Result<Vec<Due>, StoreError> {
        if due.is_empty() {
            return Ok(due);
        }
        let silences = self.store.silences_in_force(now).await?;
        let mut muted: BTreeMap<i64, (&Silence, Vec<Due>)> = BTreeMap::new();
        let mut ready = Vec::new();
        for due in due {
            match silences.iter().find(|silence| silence.request.mutes(&due.message)) {
                Some(silence) => muted.entry(silence.id).or_insert((silence, Vec::new())).1.push(due),
                None => ready.push(due),
            }
        }
        for (silence, muted) in muted.into_values() {
            let again = silence.request.window.end().min(now.plus(MUTED_PAUSE));
            self.hold(&muted, &format!("muted by silence {}", silence.id), again).await?;
        }
        Ok(ready)
    }

    /// Holds back the tickets that are too many for the receiver: they are told when others are over.
    async fn hold_what_is_too_much(&mut self, due: Vec<Due>, now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let is_new_ticket = |due: &Due| !due.was_told && due.message.severity == Severity::Ticket;
        let Some(most) = self.channel.most_tickets().filter(|_| due.iter().any(is_new_ticket)) else {
            return Ok(due);
        };
        let told = self.store.told_incidents(self.channel.name(), &crowd::tickets()).await?;
        let mut room = most.saturating_sub(told);
        let (mut ready, mut held) = (Vec::new(), Vec::new());
        for due in due {
            if !is_new_ticket(&due) {
                ready.push(due);
            } else if room > 0 {
                room -= 1;
                ready.push(due);
            } else {
                held.push(due);
            }
        }
        if !held.is_empty() {
            self.hold(&held, TOO_MANY, now.plus(crowd::PAUSE)).await?;
            self.crowd.grew(now);
        }
        Ok(ready)
    }

    /// Holds back all that waits of the incidents of some messages.
    async fn hold(&self, due: &[Due], why: &str, again: Timestamp) -> Result<(), StoreError> {
        let entries: Vec<i64> = due.iter().flat_map(|due| due.waiting.iter().copied()).collect();
        self.store.hold_notifications(&entries, why, again).await
    }

    /// Tells how many are held back; what cannot be told now is told next time.
    async fn tell_of_the_crowd(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(most) = self.channel.most_tickets().filter(|_| self.crowd.is_due(now)) else {
            return Ok(());
        };
        let held = self.store.held_incidents(self.channel.name(), TOO_MANY).await?;
        if let Some(message) = self.crowd.message(held, most, now)
            && self.channel.send(std::slice::from_ref(&message)).await.is_ok()
        {
            self.crowd.told(&message);
        }
        Ok(())
    }

    async fn send(&mut self, due: Vec<Due>) -> Result<(), StoreError> {
        let messages: Vec<Message> = due.iter().map(|due| due.message.clone()).collect();
        fault::reach(FaultPoint::OutboxRead);
        let sent = self.channel.send(&messages).await;
        fault::reach(FaultPoint::OutboxSent);
        match sent {
            Ok(()) => self.unkept.push((due.iter().map(|due| due.id).collect(), Fate::Sent)),
            Err(error) if error.is_final() && due.len() > 1 => {
                // One of them is refused: the others are not given up with it.
                self.most = due.len() / 2;
                return Ok(());
            }
            Err(error) => self.postpone(&due, &error),
        }
        self.keep().await?;
        fault::reach(FaultPoint::OutboxSettled);
        Ok(())
    }

    fn postpone(&mut self, due: &[Due], error: &SendError) {
        let is_over = |due: &&Due| error.is_final() || due.failures.saturating_add(1) >= GIVE_UP;
        let (dead, alive): (Vec<&Due>, Vec<&Due>) = due.iter().partition(is_over);
        let ids = |due: &[&Due]| due.iter().map(|due| due.id).collect();
        if !dead.is_empty() {
            self.most = usize::MAX;
            self.unkept.push((ids(&dead), Fate::Dead { why: error.to_string() }));
        }
        if let Some(failures) = alive.iter().map(|due| due.failures).max() {
            let pause = pause(failures.saturating_add(1), rand::random());
            let pause = match error.retry {
                Retry::Again { after: Some(after) } => pause.max(after),
                Retry::Again { after: None } | Retry::Never => pause,
            };
            let due = self.clock.now().plus(pause);
            let fate = Fate::Failed { why: error.to_string(), due, perhaps: error.perhaps };
            self.unkept.push((ids(&alive), fate));
        }
    }

    /// Keeps what became of messages.
    async fn keep(&mut self) -> Result<(), StoreError> {
        while let Some((ids, fate)) = self.unkept.last() {
            let now = self.clock.now();
            match fate {
                Fate::Sent => self.store.settle_notifications(ids, EntryState::Sent, "", now).await?,
                Fate::Dead { why } => {
                    self.store.settle_notifications(ids, EntryState::Dead, why, now).await?
                }
                Fate::Failed { why, due, perhaps } => {
                    self.store.fail_notifications(ids, why, *due, *perhaps).await?;
                }
            }
            self.unkept.pop();
        }
        Ok(())
    }

    fn may_repeat(&self, now: Timestamp) -> bool {
        now >= self.repeat_again || self.repeat_again > now.plus(LONGEST_PAUSE)
    }

    /// Tells again what a receiver forgets, muted or not: what it forgets it calls recovered.
    async fn repeat(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(every) = self.channel.repeat_every().filter(|_| self.may_repeat(now)) else {
            return Ok(());
        };
        let limit = u32::try_from(self.channel.allowance().together).unwrap_or(u32::MAX);
        let stale = self.store.stale_notifications(self.channel.name(), now.minus(every), limit).await?;
        if stale.is_empty() {
            return Ok(());
        }
        let (ids, messages): (Vec<i64>, Vec<Message>) = stale.into_iter().unzip();
        match self.channel.send(&messages).await {
            Ok(()) => {
                self.repeats_failed = 0;
                self.unkept.push((ids, Fate::Sent));
                self.keep().await
            }
            Err(_counted_by_the_channel) => {
                self.repeats_failed = self.repeats_failed.saturating_add(1);
                self.repeat_again = now.plus(pause(self.repeats_failed, rand::random()));
                Ok(())
            }
        }
    }
}

/// A message whose turn it is.
#[derive(Debug)]
struct Due {
    id: i64,
    message: Message,
    failures: u32,
    /// Whether anything of its incident was told before.
    was_told: bool,
    /// Everything that waits of its incident, itself first.
    waiting: Vec<i64>,
}
