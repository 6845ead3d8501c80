//! The outbox (发件箱): what is to be told about one incident over one channel, and what becomes of it.
//!
//! No recovery is told where nobody was told of the problem, what is over before it was told is not told at all, and the
//! order is kept.

use crate::domain::Timestamp;
use crate::domain::message::{Message, MessageKind};
use std::time::Duration;

/// Pause after the first failure; it doubles with each one..
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// ..up to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryState {
    /// 待发: it waits.
    Queued,
    /// 暂缓: it waits through nobody's fault: a silence mutes it, or it is one too many for its receiver.
    Held,
    /// 已发: the receiver has it.
    Sent,
    /// 作废: it was over before it was told, or nobody was told what it ends.
    Dropped,
    /// 死信: the receiver refuses it for good, or could not be reached for too long.
    Dead,
}

impl EntryState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Held, Self::Sent, Self::Dropped, Self::Dead];

    /// The word used in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Dead => "dead",
        }
    }

    /// Whether it is still to be told.
    pub const fn waits(self) -> bool {
        matches!(self, Self::Queued | Self::Held)
    }

    /// Rebuilds a state from its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What is put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Name of the channel.
    pub channel: String,
    /// What is told.
    pub message: Message,
    /// Not before this.
    pub due: Timestamp,
}

/// An entry as the rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number; entries are told in this order.
    pub id: i64,
    /// What is told.
    pub kind: MessageKind,
    /// What became of it.
    pub state: EntryState,
    /// Not before this.
    pub due: Timestamp,
    /// Whether a try to send it ended unclear: the receiver may have it.
    pub perhaps: bool,
}

impl Entry {
    /// Whether the receiver has it, or may have it.
    pub fn is_known(&self) -> bool {
        self.state == EntryState::Sent || self.perhaps
    }
}

/// What to do with the entries of one incident on one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The next one to send; none while it has to wait.
    pub send: Option<i64>,
    /// Those that are told no more.
    pub drop: Vec<i64>,
}

/// Decides over the entries of one incident on one channel, in their order.
pub fn plan(entries: &[Entry], now: Timestamp) -> Plan {
    let waits = |entry: &&Entry| entry.state.waits();
    let ends = |entry: &&Entry| entry.kind.ends_incident();
    let mut plan = Plan::default();
    if let Some(end) = entries.iter().find(ends) {
        let earlier = entries.iter().filter(|entry| entry.id < end.id);
        let was_told = earlier.clone().any(Entry::is_known);
        // What may have arrived is sent once more before its end: the receiver takes it for the same.
        plan.drop.extend(earlier.filter(waits).filter(|entry| !entry.perhaps).map(|entry| entry.id));
        if !was_told {
            plan.drop.extend(
                entries.iter().filter(|entry| entry.id >= end.id).filter(waits).map(|entry| entry.id),
            );
            return plan;
        }
    }
    let next = entries.iter().find(|entry| waits(entry) && !plan.drop.contains(&entry.id));
    plan.send = next.filter(|entry| entry.due <= now).map(|entry| entry.id);
    plan
}

/// How long to wait after `failures` of them; `share` of the pause, 0 to 1, is left to chance.
pub fn pause(failures: u32, share: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(LONGEST_PAUSE).mul_f64(share.clamp(0.0, 1.0).mul_add(0.5, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_seconds(100);

    fn entry(id: i64, kind: MessageKind, state: EntryState, due: i64) -> Entry {
        Entry { id, kind, state, due: Timestamp::from_seconds(due), perhaps: false }
    }

    #[test]
    fn what_may_have_arrived_is_told_with_its_end() {
        let problem = Entry { perhaps: true, ..entry(1, MessageKind::Problem, EntryState::Queued, 0) };
        let overdue = entry(2, MessageKind::Overdue, EntryState::Queued, 0);
        let recovery = entry(3, MessageKind::Recovery, EntryState::Queued, 0);
        assert_eq!(plan(&[problem, overdue, recovery], NOW), Plan { send: Some(1), drop: vec![2] });
        let sent = Entry { state: EntryState::Sent, ..problem };
        assert_eq!(plan(&[sent, recovery], NOW), Plan { send: Some(3), drop: Vec::new() });
        let dead = Entry { state: EntryState::Dead, ..problem };
        assert_eq!(plan(&[dead, recovery], NOW).send, Some(3), "it was given up, and may have arrived");
    }

    /// Entries as `kind state` or `kind state due`; expects what is sent and dropped by number.
    fn check(text: &str, send: Option<i64>, drop: &[i64]) {
        let entries: Vec<Entry> = (1..)
            .zip(text.split(", "))
            .map(|(id, text)| {
                let words: Vec<&str> = text.split(' ').collect();
                let due = words.get(2).map_or(0, |due| due.parse().unwrap());
                entry(id, MessageKind::parse(words[0]).unwrap(), EntryState::parse(words[1]).unwrap(), due)
            })
            .collect();
        assert_eq!(plan(&entries, NOW), Plan { send, drop: drop.to_vec() }, "{text}");
    }

    #[test]
    fn a_problem_is_told_and_then_its_end() {
        check("problem queued", Some(1), &[]);
        check("problem queued 101", None, &[]);
        check("problem sent", None, &[]);
        check("problem sent, recovery queued", Some(2), &[]);
        check("problem sent, recovery sent", None, &[]);
        check("problem sent, merged queued", Some(2), &[]);
    }

    #[test]
    fn what_was_over_before_it_was_told_is_not_told() {
        check("problem queued, recovery queued", None, &[1, 2]);
        check("problem dead, recovery queued", None, &[2]);
        check("problem dropped, false_alarm queued", None, &[2]);
        check("recovery queued", None, &[1]);
        check("problem sent, overdue queued, recovery queued", Some(3), &[2]);
        check("problem dead, escalated sent, recovery queued", Some(3), &[]);
    }

    #[test]
    fn the_order_is_kept() {
        check("problem queued 101, escalated queued", None, &[]);
        check("problem queued, escalated queued", Some(1), &[]);
        check("problem sent, escalated queued, overdue queued", Some(2), &[]);
        check("problem dead, escalated queued", Some(2), &[]);
    }

    #[test]
    fn pauses_grow_to_ten_minutes() {
        let check = |failures, share, seconds: f64| {
            assert_eq!(pause(failures, share), Duration::from_secs_f64(seconds), "{failures} {share}");
        };
        check(1, 1.0, 5.0);
        check(1, 0.0, 2.5);
        check(2, 1.0, 10.0);
        check(8, 1.0, 600.0);
        check(u32::MAX, 1.0, 600.0);
        check(u32::MAX, 0.0, 300.0);
    }

    fn any_entries() -> impl Strategy<Value = Vec<(u8, u8, i64)>> {
        proptest::collection::vec((0_u8..6, 0_u8..5, 0_i64..200), 0..8)
    }

    proptest! {
        #[test]
        fn no_end_is_told_where_nothing_else_was(entries in any_entries()) {
            let entries: Vec<Entry> = (1..).zip(entries).map(|(id, (kind, state, due))| {
                entry(id, MessageKind::ALL[usize::from(kind)], EntryState::ALL[usize::from(state)], due)
            }).collect();
            let plan = plan(&entries, NOW);
            if let Some(sent) = entries.iter().find(|entry| Some(entry.id) == plan.send) {
                let told = entries.iter().any(|other| other.id < sent.id && other.state == EntryState::Sent);
                prop_assert!(told || !sent.kind.ends_incident());
                prop_assert!(sent.due <= NOW && sent.state.waits());
                prop_assert!(!plan.drop.contains(&sent.id));
            }
            let earlier_wait = |id: &i64| entries.iter().any(|other| {
                other.id < *id && other.state.waits() && !plan.drop.contains(&other.id)
            });
            prop_assert!(!plan.send.is_some_and(|id| earlier_wait(&id)));
        }
    }
}
