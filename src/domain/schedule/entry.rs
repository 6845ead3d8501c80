//! One point in the schedule: where it stands and when it is looked at next.

use crate::domain::budget::{Claim, Grant, HostName, Resource};
use crate::domain::ladder::Ladder;
use crate::domain::schedule::spread;
use crate::domain::{LinkCode, Look, PointClass, PointCode, Timestamp, WatchMode};
use std::collections::BTreeSet;
use std::time::Duration;

/// A kept session that was good for this long does not climb the ladder when it breaks off: a camera that does not
/// answer keepalives loses each session after a minute and must not be blind for minutes between them.
const SOUND_SESSION: Duration = Duration::from_secs(30);

/// Assumed bit rate of a light look: a few hundred bytes of text.
const LIGHT_KBPS: u32 = 16;

/// Assumed bit rate of a main stream: makers ship cameras of two and four megapixels with 4 Mbit/s. The short look at
/// one says nothing better, for it begins with a key frame.
const MAIN_KBPS: u32 = 4_096;

/// A main stream is looked at once in this time: its size changes only when somebody changes the camera.
const MAIN_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// A main look that failed or found no room is tried again after this time; it is in no hurry.
const MAIN_RETRY: Duration = Duration::from_secs(60 * 60);

/// How often and in which order points are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Every patrol point is due once in this period.
    pub period: Duration,
    /// A light look is due after this time without any look; zero turns light looks off.
    pub light_period: Duration,
    /// First retry delay after a failure.
    pub retry_first: Duration,
    /// Longest retry delay.
    pub retry_cap: Duration,
    /// Good frames for this long reset the retry ladder.
    pub retry_reset_after: Duration,
    /// Failed looks that prove a failure; until then the point is hurried.
    pub confirm_looks: u32,
    /// Good looks that prove a recovery; until then the point is hurried.
    pub recover_looks: u32,
    /// Bit rate assumed until one was measured, kbit/s.
    pub assumed_kbps: u32,
}

impl Rules {
    /// The first looks after a start are spread over a fifth of the period, so that every state is known soon.
    pub(super) fn first_round(&self) -> Duration {
        self.period / 5
    }

    /// The first looks at main streams after a start are spread over so many periods that they are a small part of all.
    fn first_main_round(&self) -> Duration {
        self.period * 12
    }

    /// A dead link gets one look per fifth of the period.
    pub(super) fn canary_period(&self) -> Duration {
        (self.period / 5).max(self.retry_first)
    }
}

/// What the schedule has to know of a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The point.
    pub point: PointCode,
    /// The device that serves its stream.
    pub host: HostName,
    /// The device that serves its main stream, where that is looked at beside the watched one.
    pub main_host: Option<HostName>,
    /// Class.
    pub class: PointClass,
    /// How it is watched.
    pub watch: WatchMode,
    /// The links that its stream may pass; each is charged.
    pub path: Vec<LinkCode>,
    /// The links without which it is cut off.
    pub needs: Vec<LinkCode>,
}

/// What came of a look, as far as the schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Pictures came for a while, or the device answered a light look.
    Good {
        /// Good frames for this long.
        frames_for: Duration,
    },
    /// The look failed.
    Failed {
        /// Good frames for this long before.
        frames_for: Duration,
    },
    /// The device had no session left for the look.
    Limited,
    /// A kept session broke off while pictures were good; the next look decides.
    BrokeOff {
        /// Good frames for this long.
        frames_for: Duration,
    },
    /// A kept session gave way to others.
    Yielded,
    /// Nothing was learnt of the point: try again after this time, or when it is due anyway.
    NotBefore {
        /// The time to wait.
        wait: Duration,
    },
    /// The look did not begin, because a session that was left is not yet gone from the device. The point keeps its turn,
    /// and nobody begins at the device before that.
    Unquiet {
        /// The time to wait.
        wait: Duration,
    },
}

impl Ended {
    /// The same end, after good frames for this long.
    #[must_use]
    pub const fn after(self, frames_for: Duration) -> Self {
        match self {
            Self::Good { .. } => Self::Good { frames_for },
            Self::Failed { .. } => Self::Failed { frames_for },
            Self::BrokeOff { .. } => Self::BrokeOff { frames_for },
            Self::Limited | Self::Yielded | Self::NotBefore { .. } | Self::Unquiet { .. } => self,
        }
    }
}

/// Where a point stands.
#[derive(Debug)]
pub(super) enum Place {
    /// Due at a later instant.
    Due,
    /// Due now.
    Ready,
    /// Due now, short of a budget.
    Parked(Resource),
    /// Being looked at.
    Running {
        /// What it uses.
        grant: Grant,
        /// The kind of look.
        look: Look,
        /// Since when.
        since: Timestamp,
    },
    /// Not looked at: a link on its path is down.
    Suppressed,
}

/// How much is known of a point; decides its rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    NeverSeen,
    Failing { looks: u32 },
    Recovering { looks: u32 },
    Settled,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) plan: Plan,
    pub(super) place: Place,
    /// When the next look is due.
    pub(super) due: Timestamp,
    /// Dead links on the path.
    pub(super) cut: BTreeSet<LinkCode>,
    /// Expected bit rate.
    pub(super) kbps: u32,
    /// Removed while it was running.
    pub(super) gone: bool,
    /// Reported as overdue.
    pub(super) late: bool,
    standing: Standing,
    ladder: Ladder,
    /// From when on the next look is a full one.
    full_due: Timestamp,
    /// From when on the main stream is to be looked at.
    main_due: Option<Timestamp>,
    /// Waits for a look at the main stream, until the next other look is due.
    pub(super) wants_main: bool,
    replaced: bool,
    assumed_kbps: u32,
}

impl Entry {
    pub(super) fn new(plan: Plan, rules: &Rules, due: Timestamp, cut: BTreeSet<LinkCode>) -> Self {
        Self {
            main_due: first_main(&plan, rules, due),
            wants_main: false,
            plan,
            place: Place::Suppressed,
            due,
            cut,
            kbps: rules.assumed_kbps,
            gone: false,
            late: false,
            standing: Standing::NeverSeen,
            ladder: Ladder::new(rules.retry_first, rules.retry_cap, rules.retry_reset_after),
            full_due: due,
            replaced: false,
            assumed_kbps: rules.assumed_kbps,
        }
    }

    /// Takes a new plan: nothing is known of the point any more.
    pub(super) fn replace(&mut self, plan: Plan, rules: &Rules, now: Timestamp) {
        self.main_due = first_main(&plan, rules, now);
        self.plan = plan;
        self.standing = Standing::NeverSeen;
        self.kbps = self.assumed_kbps;
        self.ladder.reset();
        self.full_due = Timestamp::MIN;
        self.gone = false;
        self.replaced = self.is_running();
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.place, Place::Running { .. })
    }

    /// The resource that it is parked at.
    pub(super) const fn lacking(&self) -> Option<&Resource> {
        match &self.place {
            Place::Parked(resource) => Some(resource),
            Place::Due | Place::Ready | Place::Running { .. } | Place::Suppressed => None,
        }
    }

    /// A stream's bit rate varies: a fifth more than measured is claimed next time.
    pub(super) const fn measured(&mut self, kbps: u32) {
        self.kbps = kbps.saturating_add(kbps / 5 + 1);
    }

    /// What a look needs.
    pub(super) fn claim(&self, look: Look) -> Claim<'_> {
        let kbps = match look {
            Look::Main => MAIN_KBPS,
            Look::Light => LIGHT_KBPS,
            Look::Patrol | Look::Continuous | Look::Manual => self.kbps,
        };
        Claim { host: self.host(look), path: &self.plan.path, kbps }
    }

    /// The device that a look goes to.
    pub(super) fn host(&self, look: Look) -> &HostName {
        let main_host = self.plan.main_host.as_ref().filter(|_| look == Look::Main);
        main_host.unwrap_or(&self.plan.host)
    }

    /// The due time less the head start of the point's rank. A look at a main stream has none and is due with the next
    /// other look, so that everything that falls due until then comes before it.
    pub(super) fn key(&self, rules: &Rules) -> Timestamp {
        if self.wants_main {
            return self.due;
        }
        let head_start = match self.standing {
            Standing::NeverSeen => rules.period,
            Standing::Failing { looks } if looks < rules.confirm_looks => rules.period / 2,
            Standing::Recovering { .. } => rules.period / 2,
            Standing::Failing { .. } | Standing::Settled => match self.plan.class {
                PointClass::One => rules.period / 4,
                PointClass::Two | PointClass::Three | PointClass::Other => Duration::ZERO,
            },
        };
        self.due.minus(head_start)
    }

    /// The kind of look that is due at `now`.
    pub(super) fn next_look(&self, now: Timestamp) -> Look {
        if self.wants_main {
            return Look::Main;
        }
        match self.plan.watch {
            WatchMode::Continuous => Look::Continuous,
            WatchMode::Patrol | WatchMode::Off if self.full_due <= now => Look::Patrol,
            WatchMode::Patrol | WatchMode::Off => Look::Light,
        }
    }

    /// Asks for a full look at `at` or earlier.
    pub(super) fn full_look_at(&mut self, at: Timestamp) {
        self.full_due = self.full_due.min(at);
    }

    pub(super) fn is_main_due(&self, now: Timestamp) -> bool {
        self.main_due.is_some_and(|due| due <= now)
    }

    /// Whether the main stream is looked at after a look that ended so: only of a point that is known to be well.
    pub(super) fn deserves_main(&self, ended: Ended, now: Timestamp) -> bool {
        let is_well =
            matches!(ended, Ended::Good { .. } | Ended::Yielded) && self.standing == Standing::Settled;
        is_well && self.is_main_due(now)
    }

    /// Until when a look at the main stream may begin: the next other look. A kept session makes room for a moment.
    pub(super) fn main_until(&self, rules: &Rules, due: Timestamp, now: Timestamp) -> Timestamp {
        match self.plan.watch {
            WatchMode::Continuous => now.plus(rules.retry_first),
            WatchMode::Patrol | WatchMode::Off => due,
        }
    }

    /// Gives up a look at the main stream that found no room.
    pub(super) fn postpone_main(&mut self, now: Timestamp) {
        self.wants_main = false;
        self.main_due = Some(now.plus(MAIN_RETRY));
    }

    /// Plans the next look at the main stream. What came of this one decides nothing else.
    fn after_main(&mut self, ended: Ended, now: Timestamp) {
        let wait = match ended {
            Ended::Good { .. } => MAIN_PERIOD,
            Ended::NotBefore { wait } | Ended::Unquiet { wait } => wait.max(MAIN_RETRY),
            Ended::Failed { .. } | Ended::Limited | Ended::BrokeOff { .. } | Ended::Yielded => MAIN_RETRY,
        };
        self.main_due = Some(now.plus(wait));
    }

    /// Takes the end of a look and gives the due time of the next one.
    pub(super) fn plan_next(
        &mut self,
        rules: &Rules,
        look: Look,
        ended: Ended,
        now: Timestamp,
        random: f64,
    ) -> Timestamp {
        if std::mem::take(&mut self.replaced) {
            return now;
        }
        if look == Look::Main {
            self.after_main(ended, now);
            return self.due;
        }
        match ended {
            Ended::Good { frames_for } => self.after_good(rules, look, frames_for, now),
            Ended::Failed { frames_for } => {
                self.ladder.succeed(frames_for);
                self.after_failure(rules, now, random)
            }
            Ended::Limited => self.after_failure(rules, now, random),
            Ended::BrokeOff { frames_for } => {
                self.standing = Standing::Settled;
                self.ladder.succeed(frames_for);
                if frames_for >= SOUND_SESSION {
                    return now.plus(rules.retry_first.mul_f64(random.clamp(0.0, 1.0)));
                }
                now.plus(self.ladder.fail(random))
            }
            Ended::Yielded => {
                self.standing = Standing::Settled;
                now
            }
            Ended::NotBefore { wait } => now.plus(wait).min(self.next_slot(rules, now)),
            Ended::Unquiet { .. } => self.due,
        }
    }

    fn after_good(&mut self, rules: &Rules, look: Look, frames_for: Duration, now: Timestamp) -> Timestamp {
        self.ladder.succeed(frames_for);
        if look == Look::Light {
            return self.full_due.min(now.plus(rules.light_period));
        }
        let looks = match self.standing {
            Standing::Failing { .. } => 1,
            Standing::Recovering { looks } => looks.saturating_add(1),
            Standing::NeverSeen | Standing::Settled => rules.recover_looks,
        };
        if looks < rules.recover_looks {
            self.standing = Standing::Recovering { looks };
            self.full_due = now.plus(rules.retry_first);
            return self.full_due;
        }
        self.standing = Standing::Settled;
        self.ladder.reset();
        self.full_due = self.next_slot(rules, now);
        if rules.light_period.is_zero() {
            self.full_due
        } else {
            self.full_due.min(now.plus(rules.light_period))
        }
    }

    fn after_failure(&mut self, rules: &Rules, now: Timestamp, random: f64) -> Timestamp {
        let looks = match self.standing {
            Standing::Failing { looks } => looks.saturating_add(1),
            Standing::NeverSeen | Standing::Recovering { .. } | Standing::Settled => 1,
        };
        self.standing = Standing::Failing { looks };
        let retry = now.plus(self.ladder.fail(random));
        self.full_due = retry.min(self.next_slot(rules, now));
        self.full_due
    }

    /// The point's own instant in the period, the next one that is at least an eighth of a period away.
    fn next_slot(&self, rules: &Rules, now: Timestamp) -> Timestamp {
        let period = i64::try_from(rules.period.as_millis()).unwrap_or(i64::MAX).max(1);
        let phase = i64::try_from(spread(self.plan.point.as_str(), rules.period).as_millis()).unwrap_or(0);
        let earliest = now.plus(rules.period / 8).as_millis();
        let wait = phase.saturating_sub(earliest).rem_euclid(period);
        Timestamp::from_millis(earliest.saturating_add(wait))
    }
}

fn first_main(plan: &Plan, rules: &Rules, from: Timestamp) -> Option<Timestamp> {
    plan.main_host.as_ref().map(|_| from.plus(spread(plan.point.as_str(), rules.first_main_round())))
}
