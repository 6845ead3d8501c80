//! The settings of the tracker, as the domain's rules want them.

use crate::config::{Health, Watch};
use crate::domain::judge::Thresholds;
use crate::domain::machine::Rules;
use crate::domain::suspicion::SuspicionLimits;
use std::time::Duration;

/// A point or link waits this many confirmation times for the verdict on what lies above it.
const HOLD_CONFIRMATIONS: u32 = 3;
/// After a repair the points behind a link are looked at within this share of the period, not all at once.
const RECOVERY_SHARE: u32 = 5;
/// Without a tick for this long the looks under way are void: our process stood still, not the cameras.
const STALL: Duration = Duration::from_secs(5);
/// ..and for this long it was an outage of ours, like a restart. Half of the shortest sensible confirmation.
const OUTAGE: Duration = Duration::from_secs(30);

/// Our own network is repaired, or the service stopped, within this time; what fails for longer is a fault of the network
/// that we watch, and hiding it as `unknown` would spare the figures what they are for.
const LONGEST_SUSPICION: Duration = Duration::from_secs(3_600);

/// How the tracker decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackerSettings {
    /// Limits of the judge.
    pub thresholds: Thresholds,
    /// When looks are believed.
    pub rules: Rules,
    /// When we suspect ourselves.
    pub suspicion: SuspicionLimits,
    /// Longest wait of a point for the verdict on its links.
    pub hold: Duration,
    /// Points behind a repaired link are looked at over this time, many of them over up to twice as long.
    pub recovery: Duration,
    /// A stall longer than this voids the looks under way.
    pub stall: Duration,
    /// A stall longer than this is an outage of ours.
    pub outage: Duration,
    /// A point that is seen again in the same condition after an outage of ours shorter than this keeps its condition
    /// over the gap; zero keeps every gap `unknown`.
    pub restart_gap: Duration,
}

impl TrackerSettings {
    /// Takes the settings of `[health]` and `[watch]`.
    pub fn new(health: &Health, watch: &Watch) -> Self {
        let rules = Rules {
            confirm_looks: health.confirm_looks,
            confirm_time: health.confirm_time,
            recover_looks: health.recover_looks,
            stale_after: health.stale_after.max(watch.period),
        };
        Self {
            thresholds: Thresholds {
                loss_ratio: health.loss_ratio,
                frame_rate_ratio: health.frame_rate_ratio,
                frame_rate_floor: health.frame_rate_floor,
                clock_error: health.clock_error,
                key_frame_interval: health.key_frame_interval,
            },
            rules,
            suspicion: SuspicionLimits {
                ratio: health.self_suspicion_ratio,
                least_points: usize::try_from(health.self_suspicion_points).unwrap_or(usize::MAX),
                window: rules.confirm_time,
                longest: LONGEST_SUSPICION,
            },
            hold: rules.confirm_time * HOLD_CONFIRMATIONS,
            recovery: watch.period / RECOVERY_SHARE,
            stall: STALL,
            outage: OUTAGE,
            restart_gap: health.restart_gap,
        }
    }
}
