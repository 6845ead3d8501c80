//! What waits for the database: bounded, oldest first.
//!
//! When it is full the oldest observation goes first, and a transition only when nothing else is left: a lost
//! observation is a lost detail, a lost transition is a wrong history.

use crate::domain::{Observation, PointCode, Timestamp, Transition};
use crate::store::Record;
use std::collections::VecDeque;

/// Records in the order in which they came, transitions apart from observations.
#[derive(Debug)]
pub(super) struct Buffer {
    transitions: VecDeque<Transition>,
    observations: VecDeque<Observation>,
    limit: usize,
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Transition,
    Observation,
}

impl Kind {
    /// The word used in metrics and logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Observation => "observation",
        }
    }
}

/// What one commit takes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) transitions: Vec<Transition>,
    pub(super) observations: Vec<Observation>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.transitions.len().saturating_add(self.observations.len())
    }

    /// Gives every record of a kind up; tells the point and the instant of each.
    pub(super) fn give_up(&mut self, kind: Kind) -> Vec<(PointCode, Timestamp)> {
        match kind {
            Kind::Transition => self.transitions.drain(..).map(|it| (it.point, it.at)).collect(),
            Kind::Observation => self.observations.drain(..).map(|it| (it.point, it.started)).collect(),
        }
    }
}

/// What had to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) transitions: u64,
    pub(super) observations: u64,
}

impl Dropped {
    pub(super) const fn total(self) -> u64 {
        self.transitions.saturating_add(self.observations)
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            transitions: self.transitions.saturating_add(other.transitions),
            observations: self.observations.saturating_add(other.observations),
        }
    }
}

impl Buffer {
    pub(super) const fn new(limit: usize) -> Self {
        Self { transitions: VecDeque::new(), observations: VecDeque::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.transitions.len().saturating_add(self.observations.len())
    }

    /// Transitions that wait.
    pub(super) fn transition_count(&self) -> usize {
        self.transitions.len()
    }

    /// Observations that wait.
    pub(super) fn observation_count(&self) -> usize {
        self.observations.len()
    }

    pub(super) fn push(&mut self, record: Record) -> Dropped {
        match record {
            Record::Transition(transition) => self.transitions.push_back(transition),
            Record::Observation(observation) => self.observations.push_back(*observation),
        }
        self.trim()
    }

    /// Takes up to so many of each kind, oldest first.
    pub(super) fn take(&mut self, transitions: usize, observations: usize) -> Batch {
        let transitions = self.transitions.drain(..transitions.min(self.transitions.len())).collect();
        let observations = self.observations.drain(..observations.min(self.observations.len())).collect();
        Batch { transitions, observations }
    }

    /// Puts a batch that was refused back to the front.
    pub(super) fn put_back(&mut self, batch: Batch) -> Dropped {
        for transition in batch.transitions.into_iter().rev() {
            self.transitions.push_front(transition);
        }
        for observation in batch.observations.into_iter().rev() {
            self.observations.push_front(observation);
        }
        self.trim()
    }

    /// Gives everything up.
    pub(super) fn give_up(&mut self) -> Dropped {
        self.trim_to(0)
    }

    fn trim(&mut self) -> Dropped {
        self.trim_to(self.limit)
    }

    fn trim_to(&mut self, limit: usize) -> Dropped {
        let mut dropped = Dropped::default();
        while self.len() > limit {
            if self.observations.pop_front().is_some() {
                dropped.observations += 1;
            } else if self.transitions.pop_front().is_some() {
                dropped.transitions += 1;
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, Condition, Evidence, Look, Outcome, Provenance, StageTimes, Timestamp};

    fn transition(seconds: i64) -> Record {
        let at = Timestamp::from_seconds(seconds);
        Record::Transition(Transition {
            point: "23052100001320000001".parse().unwrap(),
            at,
            decided: at,
            from: Condition::Because(Cause::NotYetProbed),
            to: Condition::Good,
            evidence: Evidence::default(),
            provenance: Provenance::Probe,
        })
    }

    fn observation(seconds: i64) -> Record {
        let at = Timestamp::from_seconds(seconds);
        Record::Observation(Box::new(Observation {
            point: "23052100001320000001".parse().unwrap(),
            started: at,
            ended: at,
            look: Look::Patrol,
            stages: StageTimes::default(),
            outcome: Outcome::NotLooked(Cause::Backlog),
        }))
    }

    fn instants(batch: &Batch) -> (Vec<i64>, Vec<i64>) {
        let seconds = |at: Timestamp| at.as_millis() / 1000;
        (
            batch.transitions.iter().map(|transition| seconds(transition.at)).collect(),
            batch.observations.iter().map(|observation| seconds(observation.started)).collect(),
        )
    }

    #[test]
    fn the_oldest_observation_goes_before_any_transition() {
        let mut buffer = Buffer::new(3);
        for record in [transition(1), observation(2), observation(3)] {
            assert_eq!(buffer.push(record), Dropped::default());
        }
        assert_eq!(buffer.push(transition(4)), Dropped { transitions: 0, observations: 1 });
        assert_eq!(buffer.push(transition(5)), Dropped { transitions: 0, observations: 1 });
        assert_eq!(buffer.push(transition(6)), Dropped { transitions: 1, observations: 0 });
        assert_eq!(instants(&buffer.take(9, 9)), (vec![4, 5, 6], vec![]));
    }

    #[test]
    fn a_refused_batch_goes_back_in_order() {
        let mut buffer = Buffer::new(9);
        for seconds in 1..=3 {
            buffer.push(transition(seconds));
            buffer.push(observation(seconds));
        }
        let batch = buffer.take(2, 1);
        assert_eq!(instants(&batch), (vec![1, 2], vec![1]));
        assert_eq!(batch.len(), 3);
        buffer.put_back(batch);
        assert_eq!(buffer.len(), 6);
        assert_eq!(instants(&buffer.take(9, 9)), (vec![1, 2, 3], vec![1, 2, 3]));
    }
}
