//! Interval algebra on whole milliseconds: what every availability figure is made of.
//!
//! Owns the normal form of a point's history (disjoint half-open intervals in order that fill a window), exclusion
//! windows, sums per state and outages. Excluded time is an overlay: the measured state stays, and both the raw and
//! the adjusted sums come out of one sweep. What was never measured is `unknown`, never good and never bad.

use crate::domain::{Cause, Condition, Provenance, State, StateInterval, Timestamp, Transition, Window};

/// The states that are measured; `excluded` lies over them.
pub const MEASURED: [State; 6] =
    [State::Good, State::Degraded, State::NoVideo, State::Offline, State::Unreachable, State::Unknown];

/// Milliseconds spent in each measured state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateMillis([u64; MEASURED.len()]);

impl StateMillis {
    /// Takes the sums in the order of [`MEASURED`].
    pub const fn new(millis: [u64; MEASURED.len()]) -> Self {
        Self(millis)
    }

    /// Time in one state; time under an exclusion has no slot of its own and is zero here.
    pub fn of(&self, state: State) -> u64 {
        MEASURED.iter().zip(self.0).find_map(|(slot, millis)| (*slot == state).then_some(millis)).unwrap_or(0)
    }

    /// Time in any of the states.
    pub fn of_all(&self, states: &[State]) -> u64 {
        states.iter().map(|state| self.of(*state)).sum()
    }

    /// Adds time in a measured state.
    pub fn add(&mut self, state: State, millis: u64) {
        for (slot, sum) in MEASURED.iter().zip(&mut self.0) {
            if *slot == state {
                *sum = sum.saturating_add(millis);
            }
        }
    }

    /// Time in all states together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Sums in the order of [`MEASURED`].
    pub const fn as_array(&self) -> [u64; MEASURED.len()] {
        self.0
    }

    /// The sum of both, state by state.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        self
    }

    /// What is left of `self` without `part`, state by state.
    #[must_use]
    pub fn minus(mut self, part: Self) -> Self {
        self.0.iter_mut().zip(part.0).for_each(|(sum, less)| *sum = sum.saturating_sub(less));
        self
    }
}

/// Measured time and the part of it under effective exclusions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything considered, exclusions left aside.
    pub raw: StateMillis,
    /// The part of `raw` under an exclusion.
    pub excluded: StateMillis,
}

impl Tally {
    /// What is left when exclusions leave.
    pub fn adjusted(&self) -> StateMillis {
        self.raw.minus(self.excluded)
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { raw: self.raw.plus(other.raw), excluded: self.excluded.plus(other.excluded) }
    }
}

/// A span of one measured state: what the sums need of a [`StateInterval`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The span of time.
    pub window: Window,
    /// The state.
    pub state: State,
}

impl From<&StateInterval> for Span {
    fn from(interval: &StateInterval) -> Self {
        Self { window: interval.window, state: interval.condition.state() }
    }
}

impl From<&Span> for Span {
    fn from(span: &Span) -> Self {
        *span
    }
}

/// A piece of a point's time: one measured state, wholly inside or wholly outside every exclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The span of time.
    pub window: Window,
    /// The measured state.
    pub state: State,
    /// Whether an exclusion lies over it.
    pub excluded: bool,
}

/// Brings noted transitions into normal form: disjoint intervals in order that fill `window` exactly.
///
/// Order and repetition of `noted` do not matter. Of two at the same instant the one decided later holds. What an
/// earlier transition began is preferred over a later one's `from`, unless that one says `unknown`: then something
/// was lost in between. Before the first transition its own `from` tells; without any, nothing is known.
pub fn normalise(noted: &[Transition], window: Window) -> Vec<StateInterval> {
    let mut ordered: Vec<&Transition> = noted.iter().filter(|change| change.at < window.end()).collect();
    let rank = |condition: &Condition| (condition.state(), condition.cause().cloned());
    ordered.sort_by_cached_key(|change| (change.at, change.decided, rank(&change.to), rank(&change.from)));
    let mut intervals = Vec::new();
    let mut from = window.start();
    let mut known: Option<&Transition> = None;
    for changes in ordered.chunk_by(|left, right| left.at == right.at) {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { continue };
        let (condition, provenance) = match known {
            Some(before) if first.from.state() != State::Unknown => (before.to.clone(), before.provenance),
            _ => (first.from.clone(), first.provenance),
        };
        push(&mut intervals, Window::new(from, first.at.min(window.end())), condition, provenance);
        from = from.max(last.at);
        known = Some(last);
    }
    let (condition, provenance) = known.map_or_else(
        || (Condition::Because(Cause::NotYetProbed), Provenance::Derived),
        |last| (last.to.clone(), last.provenance),
    );
    push(&mut intervals, Window::new(from, window.end()), condition, provenance);
    intervals
}

fn push(
    intervals: &mut Vec<StateInterval>,
    window: Option<Window>,
    condition: Condition,
    provenance: Provenance,
) {
    let Some(window) = window else { return };
    match intervals.last_mut() {
        Some(last) if last.condition == condition => {
            if let Some(joined) = Window::new(last.window.start(), window.end()) {
                last.window = joined;
            }
        }
        _ => intervals.push(StateInterval { window, condition, provenance }),
    }
}

/// The union of windows: disjoint, in order, touching ones joined.
pub fn union(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_by_key(|window| (window.start(), window.end()));
    let mut joined: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match joined.last_mut() {
            Some(last) if window.start() <= last.end() => {
                *last = Window::new(last.start(), last.end().max(window.end())).unwrap_or(*last);
            }
            _ => joined.push(window),
        }
    }
    joined
}

/// The parts of `window` outside `holes`, which are a [`union`].
pub fn subtract(window: Window, holes: &[Window]) -> Vec<Window> {
    let mut left = Vec::new();
    let mut from = window.start();
    for hole in holes.iter().filter_map(|hole| hole.intersect(window)) {
        left.extend(Window::new(from, hole.start()));
        from = hole.end();
    }
    left.extend(Window::new(from, window.end()));
    left
}

/// Walks a point's time in `considered`: every instant exactly once, in order.
///
/// `spans` are in order of their start; where two overlap (a corrupt history) the earlier one holds, so that the sum is
/// never more than the window. Time without a span is `unknown`. `exclusions` are a [`union`].
pub fn pieces<S: Into<Span>>(
    spans: impl IntoIterator<Item = S>,
    considered: Window,
    exclusions: &[Window],
) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut from = considered.start();
    for span in spans {
        let Span { window, state } = span.into();
        let Some(window) = window.intersect(considered) else { continue };
        cut(&mut found, Window::new(from, window.start()), State::Unknown, exclusions);
        cut(&mut found, Window::new(from.max(window.start()), window.end()), state, exclusions);
        from = from.max(window.end());
    }
    cut(&mut found, Window::new(from, considered.end()), State::Unknown, exclusions);
    found
}

fn cut(found: &mut Vec<Piece>, window: Option<Window>, state: State, exclusions: &[Window]) {
    let Some(window) = window else { return };
    let mut from = window.start();
    for hole in exclusions.iter().filter_map(|hole| hole.intersect(window)) {
        found.extend(Window::new(from, hole.start()).map(|window| Piece { window, state, excluded: false }));
        found.push(Piece { window: hole, state, excluded: true });
        from = hole.end();
    }
    found.extend(Window::new(from, window.end()).map(|window| Piece { window, state, excluded: false }));
}

/// Sums of [`pieces`] per state.
pub fn tally(pieces: &[Piece]) -> Tally {
    let mut sums = Tally::default();
    for piece in pieces {
        let millis = u64::try_from(piece.window.millis()).unwrap_or(0);
        // An imported history may hold `excluded` as a state; it was not measured then.
        let state = if piece.state == State::Excluded { State::Unknown } else { piece.state };
        sums.raw.add(state, millis);
        if piece.excluded || piece.state == State::Excluded {
            sums.excluded.add(state, millis);
        }
    }
    sums
}

/// Whose outages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What the room feels: a dead link is an outage of every point behind it.
    Service,
    /// What the camera answers for: a dead link hides the camera and pauses its outage.
    Device,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Up,
    Down,
    Paused,
}

impl View {
    const fn phase(self, piece: &Piece) -> Phase {
        if piece.excluded {
            return Phase::Paused;
        }
        match piece.state {
            State::Good => Phase::Up,
            State::Degraded | State::NoVideo | State::Offline => Phase::Down,
            State::Unreachable => match self {
                Self::Service => Phase::Down,
                Self::Device => Phase::Paused,
            },
            State::Unknown | State::Excluded => Phase::Paused,
        }
    }
}

/// A maximal run of fault states; excluded and unknown time pauses it and does not split it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// First instant of the fault.
    pub start: Timestamp,
    /// First good instant after it; `None` while it is open.
    pub end: Option<Timestamp>,
    /// Time in fault states, pauses left out: the repair time once it is closed.
    pub down_ms: u64,
}

/// The outages of a point's [`pieces`], in order.
pub fn outages(pieces: &[Piece], view: View) -> Vec<Outage> {
    let mut found: Vec<Outage> = Vec::new();
    let mut open: Option<Outage> = None;
    for piece in pieces {
        match view.phase(piece) {
            Phase::Up => {
                let end = Some(piece.window.start());
                found.extend(open.take().map(|outage| Outage { end, ..outage }));
            }
            Phase::Down => {
                let fresh = Outage { start: piece.window.start(), end: None, down_ms: 0 };
                let outage = open.get_or_insert(fresh);
                let millis = u64::try_from(piece.window.millis()).unwrap_or(0);
                outage.down_ms = outage.down_ms.saturating_add(millis);
            }
            Phase::Paused => {}
        }
    }
    found.extend(open);
    found
}

/// The times in which we were not running, in order.
pub fn monitor_gaps(intervals: &[StateInterval], window: Window) -> Vec<Window> {
    let down = Condition::Because(Cause::MonitorDown);
    let gaps = intervals.iter().filter(|interval| interval.condition == down);
    union(gaps.filter_map(|interval| interval.window.intersect(window)).collect())
}

#[cfg(test)]
mod tests;
