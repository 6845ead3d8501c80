//! Floor 1: what the service tells about itself. One function per operational event emits its log line and its
//! metric together, so that the two cannot drift apart.
//!
//! Owns the metric registry of the process and worker families (`metric`) and the closed sets of their label values
//! (`label`). Point, village and link families are rendered from the live snapshot by `api`.

mod event;
pub mod label;
pub mod metric;

pub use event::{
    accept_failed, batch_committed, batch_failed, buffer_measured, client_refused, clock_behind_history,
    clock_compared, clock_leap_refused, clock_stepped, connections_exhausted, credential_held,
    credential_unusable, database_awaited, database_came_up, database_measured, days_rolled_up,
    icmp_not_permitted, lease_awaited, lease_lost, link_changed, link_probed, look_delayed, look_finished,
    look_skipped, metrics_rendered, open_files_short, own_network_cleared, own_network_given_up,
    own_network_suspected, period_out_of_reach, point_changed, probe_skipped, queue_measured, ratios_failed,
    reconcile_failed, record_refused, records_dropped, request_failed, served_without_token, stopped_late,
    targets_changed, task_ended_early, task_failed, teardown_unanswered, transition_refused, upkeep_failed,
    upkeep_held, watching_stalled, worker_alive,
};
pub use label::{CauseGroup, SkipReason, Worker};
