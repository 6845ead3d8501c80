//! Floor 1: what the service tells about itself. One function per operational event emits its log line and its
//! metric together, so that the two cannot drift apart.
//!
//! Owns the metric registry of the process and worker families (`metric`) and the closed sets of their label values
//! (`label`). Point, village and link families are rendered from the live snapshot by `api`.

mod event;
pub mod label;
pub mod metric;

pub use event::{
    accept_failed, batch_committed, batch_failed, buffer_measured, certificate_gone, certificate_measured,
    certificates_unreadable, channel_opened, client_refused, clock_behind_history, clock_compared,
    clock_leap_refused, clock_stepped, connections_exhausted, credential_held, credential_unusable,
    database_awaited, database_came_up, database_measured, days_rolled_up, deadman_beat, decode_began,
    decoded_sizes_not_kept, decoder_unavailable, decoding_measured, diagnoses_not_kept, disk_measured,
    disk_unmeasured, frame_decoded, icmp_not_permitted, incident_changed, incident_opened, incidents_counted,
    incidents_not_kept, lease_awaited, lease_lost, link_changed, link_probed, look_delayed, look_finished,
    look_skipped, metrics_rendered, notifications_abandoned, notifications_failed, notifications_sent,
    open_files_short, outbox_failed, outbox_measured, own_network_cleared, own_network_given_up,
    own_network_suspected, period_out_of_reach, picture_dropped, point_changed, probe_skipped, puller_died,
    puller_unavailable, pullers_busy, pullers_short, queue_measured, ratios_failed, reconcile_failed,
    record_refused, records_dropped, replica_missed_alerts, request_failed, served_without_token,
    silences_measured, still_failed, stills_measured, stopped_late, supervisor_not_told, targets_changed,
    task_ended_early, task_failed, teardown_unanswered, transition_refused, transports_not_kept,
    upkeep_failed, upkeep_held, watching_stalled, worker_alive, worker_stands_still,
};
pub use label::{CauseGroup, SkipReason, Worker};
