//! Names, labels, units and help of every process and worker metric; `docs/metrics.md` is checked against them.
//!
//! Every family is registered and its closed label sets stand at zero from the first scrape on, so that a rate never
//! starts from nothing.

use crate::domain::decode::DecodeFailure;
use crate::domain::incident::{RootKind, Stage as IncidentStage};
use crate::domain::{Look, Stage};
use crate::telemetry::label::{CauseGroup, SkipReason, Worker};
use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::LazyLock;

/// The `module` word of link probes, beside the words of [`Look`].
pub const LINK_MODULE: &str = "link";

/// The `result` word of a key frame that was decoded, beside the words of [`DecodeFailure`].
pub const DECODED: &str = "picture";
/// ..of one over which the decoder complained.
pub const DAMAGED: &str = "damaged";

/// Upper bounds of a stage of a look, in seconds: a healthy camera answers below 0.25, deadlines are 5 to 30.
const STAGE_SECONDS: &[f64] = &[0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of the schedule lag, in seconds; the period is minutes.
const LAG_SECONDS: &[f64] = &[0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0];
/// Upper bounds of a commit, in seconds; 10 ms is a quiet disk, 5 s is the store's patience.
const COMMIT_SECONDS: &[f64] = &[0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The process and worker families.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(super) probes: IntCounterVec,
    pub(super) probe_failures: IntCounterVec,
    pub(super) probe_duration: HistogramVec,
    pub(super) schedule_lag: HistogramVec,
    pub(super) queue_length: IntGaugeVec,
    pub(super) skipped: IntCounterVec,
    pub(super) heartbeat: GaugeVec,
    pub(super) picture_decodes: IntCounterVec,
    pub(super) picture_cpu: Counter,
    pub(super) picture_wait: Histogram,
    pub(super) picture_dropped: IntCounter,
    pub(super) puller_deaths: IntCounter,
    pub(super) picture_waiting: IntGauge,
    pub(super) picture_lag: Gauge,
    pub(super) decoders: IntGauge,
    pub(super) decoder_start_failures: IntCounter,
    pub(super) stills: IntGauge,
    pub(super) still_bytes: IntGauge,
    pub(super) still_failures: IntCounter,
    pub(super) incidents: IntGaugeVec,
    pub(super) incidents_opened: IntCounterVec,
    pub(super) incident_keep_failures: IntCounter,
    pub(super) outbox_length: IntGauge,
    pub(super) held_notifications: IntGauge,
    pub(super) dead_letters: IntGauge,
    pub(super) silences: IntGauge,
    pub(super) deadman_beat: GaugeVec,
    pub(super) commit_duration: Histogram,
    pub(super) commit_failures: IntCounter,
    pub(super) rolled_up_pairs: IntCounter,
    pub(super) upkeep_failures: IntCounter,
    pub(super) reconcile_failures: IntCounter,
    pub(super) buffered_records: IntGauge,
    pub(super) dropped_records: IntCounterVec,
    pub(super) refused_records: IntCounterVec,
    pub(super) transitions_refused: IntCounter,
    pub(super) database_size: IntGauge,
    pub(super) disk_free: IntGaugeVec,
    pub(super) certificate_not_after: GaugeVec,
    pub(super) clock_offset: Gauge,
    pub(super) render_seconds: Gauge,
    pub(super) exposed_series: IntGauge,
    pub(super) transitions: IntCounter,
    pub(super) suspicions: IntCounter,
    pub(super) stalls: IntCounter,
    pub(super) notifications: IntCounterVec,
    pub(super) notifications_failed: IntCounterVec,
    pub(super) requests_failed: IntCounter,
    pub(super) task_panics: IntCounter,
}

/// The one instance.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Renders every registered family in the Prometheus text format.
pub fn render() -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&METRICS.registry.gather())
}

impl Metrics {
    #[expect(clippy::too_many_lines, reason = "the table of families: one entry each")]
    fn new() -> Self {
        let registry = Registry::new();
        let build = gauge_vec("build_info", "Version of the running binary; always 1.", &["version"]);
        let metrics = Self {
            probes: counter_vec(
                "probes_total",
                "Looks at points and probes of links that ended.",
                &["module"],
            ),
            probe_failures: counter_vec(
                "probe_failures_total",
                "Looks and probes that failed, by group of causes and the stage that failed.",
                &["module", "cause", "stage"],
            ),
            probe_duration: histogram_vec(
                "probe_duration_seconds",
                "Time that a stage of a look took.",
                &["module", "stage"],
                STAGE_SECONDS,
            ),
            schedule_lag: histogram_vec(
                "probe_schedule_lag_seconds",
                "Time from when a look or a probe of a link was due to its start.",
                &["worker"],
                LAG_SECONDS,
            ),
            queue_length: int_gauge_vec(
                "probe_queue_length",
                "Looks, or probes of links, that are due and wait.",
                &["worker"],
            ),
            skipped: counter_vec(
                "probes_skipped_total",
                "Due looks and probes of links that did not take place.",
                &["worker", "why"],
            ),
            heartbeat: gauge_vec(
                "worker_last_heartbeat_timestamp_seconds",
                "Last sign of life of a worker; 0 before the first one.",
                &["worker"],
            ),
            picture_decodes: counter_vec(
                "picture_decodes_total",
                "Key frames that were given to a decoder, by what came of them.",
                &["result"],
            ),
            picture_cpu: float_counter(
                "picture_decode_cpu_seconds_total",
                "CPU time that decoding took, shrinking and stills included.",
            ),
            picture_wait: histogram(
                "picture_wait_seconds",
                "Time from when a key frame was received to its decoding.",
                LAG_SECONDS,
            ),
            picture_dropped: counter(
                "picture_dropped_total",
                "Key frames and pictures given up because there was no room for them.",
            ),
            puller_deaths: counter(
                "puller_deaths_total",
                "Pullers that ended although nobody told them to, or talked nonsense.",
            ),
            picture_waiting: int_gauge("picture_waiting", "Key frames that wait for a decoder."),
            picture_lag: gauge(
                "picture_lag_seconds",
                "How long the key frame that has waited longest has waited.",
            ),
            decoders: int_gauge("picture_decoders", "Decoder processes that run or start."),
            decoder_start_failures: counter(
                "picture_decoder_start_failures_total",
                "Times that a decoder process could not be started.",
            ),
            stills: int_gauge("stills", "Stills that are kept on disk."),
            still_bytes: int_gauge("still_bytes", "Bytes of the stills on disk."),
            still_failures: counter(
                "still_failures_total",
                "Times that a still could not be kept or old ones not be cleared.",
            ),
            incidents: int_gauge_vec("incidents", "Incidents that have not ended, by stage.", &["stage"]),
            incidents_opened: counter_vec(
                "incidents_opened_total",
                "Incidents that were opened, by what failed.",
                &["kind"],
            ),
            incident_keep_failures: counter(
                "incident_keep_failures_total",
                "Times that changes of incidents could not be kept; they are tried again.",
            ),
            outbox_length: int_gauge("notification_outbox_length", "Notifications that wait to be sent."),
            held_notifications: int_gauge(
                "notifications_held",
                "Notifications that are held back: a silence mutes them, or they are too many for their receiver.",
            ),
            dead_letters: int_gauge(
                "notification_dead_letters",
                "Notifications that were given up: refused for good, or not brought in two hundred tries.",
            ),
            silences: int_gauge("silences_in_force", "Silences that mute notifications now."),
            deadman_beat: gauge_vec(
                "deadman_last_beat_timestamp_seconds",
                "When Prometheus last evaluated the watchdog that Alertmanager reported to us.",
                &["name"],
            ),
            commit_duration: histogram(
                "db_commit_duration_seconds",
                "Time that the store's writer took to commit a batch.",
                COMMIT_SECONDS,
            ),
            commit_failures: counter(
                "db_commit_failures_total",
                "Batches that the database refused; they are tried again.",
            ),
            rolled_up_pairs: counter(
                "db_rolled_up_pairs_total",
                "Pairs of village and day whose sums were computed.",
            ),
            upkeep_failures: counter(
                "db_upkeep_failures_total",
                "Runs of roll-up and retention that failed; they are tried again.",
            ),
            reconcile_failures: counter(
                "inventory_reload_failures_total",
                "Times that the stored inventory could not be taken over; what runs goes on.",
            ),
            buffered_records: int_gauge("db_buffered_records", "Records that wait for the database."),
            dropped_records: counter_vec(
                "db_dropped_records_total",
                "Records given up because the buffer was full or the service ended.",
                &["kind"],
            ),
            refused_records: counter_vec(
                "db_refused_records_total",
                "Records given up because the database refuses them for good.",
                &["kind"],
            ),
            transitions_refused: counter(
                "db_transitions_refused_total",
                "Changes of condition that lie before the open interval of their point and were not kept.",
            ),
            database_size: int_gauge("db_size_bytes", "Size of the database."),
            disk_free: int_gauge_vec(
                "disk_free_bytes",
                "Bytes that the service may still write where it keeps these things.",
                &["path"],
            ),
            certificate_not_after: gauge_vec(
                "certificate_not_after_timestamp_seconds",
                "End of the validity of a certificate that the service was given.",
                &["subject"],
            ),
            clock_offset: gauge(
                "clock_offset_seconds",
                "System clock minus the time that had passed on the monotonic clock, at the last comparison.",
            ),
            render_seconds: gauge(
                "last_scrape_render_seconds",
                "Time that rendering the previous answer of /metrics took.",
            ),
            exposed_series: int_gauge("exposed_series", "Series in the previous answer of /metrics."),
            transitions: counter("point_transitions_total", "Changes of the condition of points."),
            suspicions: counter(
                "own_network_suspected_total",
                "Times that most of everything failed at once and we suspected ourselves.",
            ),
            stalls: counter(
                "watching_stalls_total",
                "Times that the watching itself stood still, so that looks were void.",
            ),
            notifications: counter_vec(
                "notifications_total",
                "Notifications that a channel delivered.",
                &["channel"],
            ),
            notifications_failed: counter_vec(
                "notifications_failed_total",
                "Times that a channel could not deliver a notification.",
                &["channel"],
            ),
            requests_failed: counter(
                "http_requests_failed_total",
                "HTTP requests answered with a server error.",
            ),
            task_panics: counter("task_panics_total", "Tasks that ended by a panic."),
            registry,
        };
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        metrics.register(&build);
        metrics.zero_closed_sets();
        metrics
    }

    fn register(&self, build: &GaugeVec) {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        let collectors: [Box<dyn Collector>; 51] = [
            Box::new(process),
            Box::new(build.clone()),
            Box::new(self.probes.clone()),
            Box::new(self.probe_failures.clone()),
            Box::new(self.probe_duration.clone()),
            Box::new(self.schedule_lag.clone()),
            Box::new(self.queue_length.clone()),
            Box::new(self.skipped.clone()),
            Box::new(self.heartbeat.clone()),
            Box::new(self.picture_decodes.clone()),
            Box::new(self.picture_cpu.clone()),
            Box::new(self.picture_wait.clone()),
            Box::new(self.picture_dropped.clone()),
            Box::new(self.puller_deaths.clone()),
            Box::new(self.picture_waiting.clone()),
            Box::new(self.picture_lag.clone()),
            Box::new(self.decoders.clone()),
            Box::new(self.decoder_start_failures.clone()),
            Box::new(self.stills.clone()),
            Box::new(self.still_bytes.clone()),
            Box::new(self.still_failures.clone()),
            Box::new(self.incidents.clone()),
            Box::new(self.incidents_opened.clone()),
            Box::new(self.incident_keep_failures.clone()),
            Box::new(self.outbox_length.clone()),
            Box::new(self.held_notifications.clone()),
            Box::new(self.dead_letters.clone()),
            Box::new(self.silences.clone()),
            Box::new(self.deadman_beat.clone()),
            Box::new(self.commit_duration.clone()),
            Box::new(self.commit_failures.clone()),
            Box::new(self.rolled_up_pairs.clone()),
            Box::new(self.upkeep_failures.clone()),
            Box::new(self.reconcile_failures.clone()),
            Box::new(self.buffered_records.clone()),
            Box::new(self.dropped_records.clone()),
            Box::new(self.refused_records.clone()),
            Box::new(self.transitions_refused.clone()),
            Box::new(self.database_size.clone()),
            Box::new(self.disk_free.clone()),
            Box::new(self.certificate_not_after.clone()),
            Box::new(self.clock_offset.clone()),
            Box::new(self.render_seconds.clone()),
            Box::new(self.exposed_series.clone()),
            Box::new(self.transitions.clone()),
            Box::new(self.suspicions.clone()),
            Box::new(self.stalls.clone()),
            Box::new(self.notifications.clone()),
            Box::new(self.notifications_failed.clone()),
            Box::new(self.requests_failed.clone()),
            Box::new(self.task_panics.clone()),
        ];
        for collector in collectors {
            declared(self.registry.register(collector));
        }
    }

    fn zero_closed_sets(&self) {
        let modules = Look::ALL.into_iter().map(Look::as_str).chain([LINK_MODULE]);
        for module in modules {
            self.probes.with_label_values(&[module]).reset();
            for group in CauseGroup::ALL {
                for stage in group.usual_stages().iter().filter(|stage| reaches(module, **stage)) {
                    self.probe_failures.with_label_values(&[module, group.as_str(), stage.as_str()]).reset();
                }
            }
        }
        let failures = DecodeFailure::ALL.into_iter().map(DecodeFailure::as_str);
        for result in failures.chain([DECODED, DAMAGED]) {
            self.picture_decodes.with_label_values(&[result]).reset();
        }
        for stage in IncidentStage::ALL.into_iter().filter(|stage| !stage.is_end()) {
            self.incidents.with_label_values(&[stage.as_str()]).set(0);
        }
        for kind in RootKind::ALL {
            self.incidents_opened.with_label_values(&[kind.as_str()]).reset();
        }
        for kind in ["transition", "observation"] {
            self.dropped_records.with_label_values(&[kind]).reset();
            self.refused_records.with_label_values(&[kind]).reset();
        }
        self.probe_duration.with_label_values(&[LINK_MODULE, Stage::Connect.as_str()]);
        for worker in Worker::ALL {
            self.heartbeat.with_label_values(&[worker.as_str()]).set(0.0);
        }
        for worker in [Worker::Ingest, Worker::Link] {
            self.queue_length.with_label_values(&[worker.as_str()]).set(0);
            self.schedule_lag.with_label_values(&[worker.as_str()]);
        }
        for worker in Worker::ALL {
            for why in SkipReason::usual_of(worker) {
                self.skipped.with_label_values(&[worker.as_str(), why.as_str()]).reset();
            }
        }
    }
}

/// Whether a look of this module can come to the stage: light looks end at DESCRIBE, link probes at the connect.
fn reaches(module: &str, stage: Stage) -> bool {
    if module == LINK_MODULE {
        stage == Stage::Connect
    } else {
        module != Look::Light.as_str() || stage <= Stage::Describe
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("sharpeyes")
}

fn counter(name: &str, help: &str) -> IntCounter {
    declared(IntCounter::with_opts(options(name, help)))
}

fn float_counter(name: &str, help: &str) -> Counter {
    declared(Counter::with_opts(options(name, help)))
}

fn counter_vec(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    declared(IntCounterVec::new(options(name, help), labels))
}

fn gauge(name: &str, help: &str) -> Gauge {
    declared(Gauge::with_opts(options(name, help)))
}

fn gauge_vec(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    declared(GaugeVec::new(options(name, help), labels))
}

fn int_gauge(name: &str, help: &str) -> IntGauge {
    declared(IntGauge::with_opts(options(name, help)))
}

fn int_gauge_vec(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    declared(IntGaugeVec::new(options(name, help), labels))
}

fn histogram(name: &str, help: &str, bounds: &[f64]) -> Histogram {
    declared(Histogram::with_opts(HistogramOpts::from(options(name, help)).buckets(bounds.to_vec())))
}

fn histogram_vec(name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
    let options = HistogramOpts::from(options(name, help)).buckets(bounds.to_vec());
    declared(HistogramVec::new(options, labels))
}

#[expect(
    clippy::expect_used,
    reason = "a family is declared here with constant names; a wrong one fails the first test"
)]
fn declared<T>(result: Result<T, prometheus::Error>) -> T {
    result.expect("metric families are declared once, with valid names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_sets_stand_at_zero_before_the_first_event() {
        let text = render().unwrap();
        for series in [
            "sharpeyes_probes_total{module=\"patrol\"}",
            "sharpeyes_probe_failures_total{cause=\"auth\",module=\"light\",stage=\"describe\"}",
            "sharpeyes_probe_failures_total{cause=\"refused\",module=\"link\",stage=\"connect\"}",
            "sharpeyes_probes_skipped_total{why=\"link_budget\",worker=\"ingest\"}",
            "sharpeyes_probes_skipped_total{why=\"not_permitted\",worker=\"link\"}",
            "sharpeyes_probe_queue_length{worker=\"link\"}",
            "sharpeyes_worker_last_heartbeat_timestamp_seconds{worker=\"writer\"}",
        ] {
            assert!(text.contains(series), "{series}");
        }
    }

    #[test]
    fn process_and_worker_series_stay_few() {
        let text = render().unwrap();
        let series_count = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(series_count < 400, "{series_count}");
    }
}
