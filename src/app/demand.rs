//! What a network asks of the machine and of the settings, told before the first look: a limit that is too low shows
//! hours later, as looks that fail or come late for no reason of the cameras.

use crate::config::{Settings, Watch};
use crate::domain::WatchMode;
use crate::domain::point::StreamUrl;
use crate::ingest::{Target, TargetSet};
use crate::probe::link::probes_at_once;
use crate::telemetry;
use std::sync::Arc;
use std::time::Duration;

/// Connections to PostgreSQL, or SQLite's files of each connection.
const DATABASE: u64 = 48;
/// Standard streams, timers, signals, an import, a backup.
const OWN: u64 = 64;

/// The watched points, as far as they cost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    /// Points with a kept session.
    kept: u64,
    /// Those among them that only a puller can hold.
    kept_by_puller: u64,
    /// Points that are looked at once a period.
    patrolled: u64,
    /// Sockets at once that belong to no look: probes of links, requests and event streams.
    sockets: u64,
}

/// A setting that does not let every point be looked at once in the period, whatever the cameras do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shortfall {
    setting: &'static str,
    value: u64,
    needed: u64,
}

impl Demand {
    pub(super) fn of(targets: &TargetSet, links: usize, settings: &Settings) -> Self {
        let watched = |mode| targets.targets.values().filter(move |target| target.watch == mode);
        let count = |mode| u64::try_from(watched(mode).count()).unwrap_or(u64::MAX);
        let is_encrypted =
            |target: &&Arc<Target>| target.stream.as_ref().is_some_and(StreamUrl::is_encrypted);
        let kept_by_puller = watched(WatchMode::Continuous).filter(is_encrypted).count();
        let probes = probes_at_once(links, settings.watch.deadlines.connect, settings.watch.link_period);
        let sockets = probes.saturating_add(settings.server.connections_at_once);
        Self {
            kept: count(WatchMode::Continuous),
            kept_by_puller: u64::try_from(kept_by_puller).unwrap_or(u64::MAX),
            patrolled: count(WatchMode::Patrol),
            sockets: u64::try_from(sockets).unwrap_or(u64::MAX),
        }
    }

    /// Warns of every limit that is too low. `open_files` is the limit of this process, `None` for none.
    pub(super) fn warn_of_shortfalls(self, watch: &Watch, open_files: Option<u64>) {
        let needed = self.open_files(watch);
        if let Some(limit) = open_files.filter(|limit| *limit < needed) {
            telemetry::open_files_short(limit, needed);
        }
        let pullers = u64::try_from(watch.puller_sessions).unwrap_or(u64::MAX);
        if pullers < self.kept_by_puller {
            telemetry::pullers_short(pullers, self.kept_by_puller);
        }
        for Shortfall { setting, value, needed } in self.shortfalls(watch) {
            telemetry::period_out_of_reach(self.patrolled, watch.period, setting, value, needed);
        }
    }

    /// Open files at the worst moment: the TEARDOWN of a look may still be under way when the next one begins.
    fn open_files(self, watch: &Watch) -> u64 {
        let looks = u64::try_from(watch.concurrent_looks).unwrap_or(u64::MAX).min(self.patrolled);
        let sessions = self.kept.saturating_add(looks.saturating_mul(2));
        sessions.saturating_add(self.sockets).saturating_add(DATABASE + OWN)
    }

    fn shortfalls(self, watch: &Watch) -> Vec<Shortfall> {
        let looks = u64::try_from(watch.concurrent_looks).unwrap_or(u64::MAX);
        let opens = ("opens_per_second", u64::from(watch.opens_per_second), Duration::from_secs(1));
        // No look is shorter than its measuring window.
        let looks = ("concurrent_looks", looks, watch.patrol_window);
        [opens, looks]
            .into_iter()
            .map(|(setting, value, each)| Shortfall {
                setting,
                value,
                needed: self.share(each, watch.period),
            })
            .filter(|shortfall| shortfall.value < shortfall.needed)
            .collect()
    }

    /// How many of the patrolled points fall into `span` when they are spread evenly over `period`, rounded up.
    fn share(self, span: Duration, period: Duration) -> u64 {
        let spent = u128::from(self.patrolled).saturating_mul(span.as_millis());
        u64::try_from(spent.div_ceil(period.as_millis().max(1))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PointClass;

    fn demand(kept: u64, patrolled: u64) -> Demand {
        Demand { kept, kept_by_puller: 0, patrolled, sockets: 64 + 512 }
    }

    #[test]
    fn points_are_counted_by_how_they_are_watched() {
        let target = |index: u32, (watch, stream): (WatchMode, &str)| Target {
            point: format!("230521000013{index:08}").parse().unwrap(),
            class: PointClass::Two,
            watch,
            stream: stream.parse().ok(),
            main_stream: None,
            trust: Default::default(),
            credential: None,
            path: Vec::new(),
            needs: Vec::new(),
        };
        let watched = [
            (WatchMode::Patrol, "rtsps://10.0.0.1/cam"),
            (WatchMode::Continuous, ""),
            (WatchMode::Continuous, "rtsp://10.0.0.2/cam"),
            (WatchMode::Continuous, "rtsps://10.0.0.3/cam"),
            (WatchMode::Patrol, ""),
            (WatchMode::Off, ""),
        ];
        let targets = (0..).zip(watched).map(|(index, watched)| target(index, watched));
        let targets = targets.map(|target| (target.point, Arc::new(target))).collect();
        let targets = TargetSet { targets, ..TargetSet::default() };
        let settings = Settings::default();
        let expected = Demand { kept_by_puller: 1, ..demand(3, 2) };
        assert_eq!(Demand::of(&targets, 0, &settings), expected);
        assert_eq!(Demand::of(&targets, 59_000, &settings).sockets, 2_048 + 512);
    }

    #[test]
    fn open_files_grow_with_the_sessions_that_may_be_open_at_once() {
        let watch = Watch { concurrent_looks: 500, ..Settings::default().watch };
        let idle = demand(0, 0).open_files(&watch);
        let check = |kept, patrolled, expected| {
            assert_eq!(demand(kept, patrolled).open_files(&watch) - idle, expected, "{kept} + {patrolled}");
        };
        check(0, 10, 20);
        check(0, 100_000, 1_000);
        check(960, 0, 960);
        check(960, 500, 1_960);
    }

    #[test]
    fn a_setting_that_cannot_hold_the_period_is_named_with_what_it_takes() {
        let watch = Watch {
            period: Duration::from_secs(300),
            patrol_window: Duration::from_secs(4),
            opens_per_second: 50,
            concurrent_looks: 512,
            ..Settings::default().watch
        };
        let check = |patrolled, expected: &[(&str, u64)]| {
            let shortfalls = demand(7, patrolled).shortfalls(&watch);
            let told: Vec<_> = shortfalls.iter().map(|short| (short.setting, short.needed)).collect();
            assert_eq!(told, expected, "{patrolled}");
        };
        check(0, &[]);
        check(15_000, &[]);
        check(15_001, &[("opens_per_second", 51)]);
        check(100_000, &[("opens_per_second", 334), ("concurrent_looks", 1_334)]);
    }
}
