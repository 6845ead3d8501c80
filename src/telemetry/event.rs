//! The operational events: each function is one event, with its log line and its metric.

use crate::domain::decode::Decoding;
use crate::domain::incident::{Incident, IncidentEvent, Stage as IncidentStage};
use crate::domain::{
    Failure, LinkCode, LinkObservation, Observation, Outcome, PointCode, Stage, Timestamp, Transition,
};
use crate::telemetry::label::{CauseGroup, SkipReason, Worker};
use crate::telemetry::metric::{DAMAGED, DECODED, LINK_MODULE, METRICS};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A look at a point ended.
pub fn look_finished(observation: &Observation) {
    let module = observation.look.as_str();
    METRICS.probes.with_label_values(&[module]).inc();
    for (stage, took) in observation.stages.iter() {
        METRICS.probe_duration.with_label_values(&[module, stage.as_str()]).observe(took.as_secs_f64());
    }
    if let Outcome::Failed(failure) = &observation.outcome {
        count_failure(module, failure);
    }
    tracing::debug!(point.id = %observation.point, look = module, outcome = outcome_word(&observation.outcome),
        "point {} was looked at", observation.point);
}

/// The outcome of a look in one word, for the log.
fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Video(_) => "video",
        Outcome::Answered(_) => "answered",
        Outcome::Failed(failure) => failure.cause.as_str(),
        Outcome::NotLooked(cause) => cause.as_str(),
    }
}

fn count_failure(module: &str, failure: &Failure) {
    let labels = [module, CauseGroup::of(&failure.cause).as_str(), failure.stage.as_str()];
    METRICS.probe_failures.with_label_values(&labels).inc();
}

/// A due look did not take place.
pub fn look_skipped(worker: Worker, point: PointCode, why: SkipReason) {
    METRICS.skipped.with_label_values(&[worker.as_str(), why.as_str()]).inc();
    tracing::debug!(point.id = %point, why = why.as_str(), "look at point {point} was skipped");
}

/// A due probe of a link told nothing about it.
pub fn probe_skipped(link: &LinkCode, why: SkipReason) {
    METRICS.skipped.with_label_values(&[Worker::Link.as_str(), why.as_str()]).inc();
    tracing::debug!(link.id = %link, why = why.as_str(), "probe of link {link} was skipped");
}

/// The system does not let us send ICMP, so that a link is not probed. The first one is a warning; the others would repeat
/// it once per link and period, and are counted by [`probe_skipped`].
pub fn icmp_not_permitted(link: &LinkCode, error: &(dyn Error + 'static)) {
    let labels = [Worker::Link.as_str(), SkipReason::NotPermitted.as_str()];
    if METRICS.skipped.with_label_values(&labels).get() == 0 {
        tracing::warn!(link.id = %link, error = %Chain(error),
            "link {link} cannot be probed: the system does not let us send ICMP. Allow it by net.ipv4.ping_group_range \
             or CAP_NET_RAW, or give such links a TCP target");
    }
}

/// A look or a probe of a link began this long after it was due.
pub fn look_delayed(worker: Worker, lag: Duration) {
    METRICS.schedule_lag.with_label_values(&[worker.as_str()]).observe(lag.as_secs_f64());
}

/// The number of due looks or probes that wait was counted.
pub fn queue_measured(worker: Worker, length: usize) {
    METRICS.queue_length.with_label_values(&[worker.as_str()]).set(i64::try_from(length).unwrap_or(i64::MAX));
}

/// A probe of a link ended.
pub fn link_probed(observation: &LinkObservation) {
    METRICS.probes.with_label_values(&[LINK_MODULE]).inc();
    let took = observation.ended.since(observation.started);
    let stage = Stage::Connect.as_str();
    METRICS.probe_duration.with_label_values(&[LINK_MODULE, stage]).observe(took.as_secs_f64());
    if let Err(cause) = &observation.outcome {
        METRICS.probe_failures.with_label_values(&[LINK_MODULE, CauseGroup::of(cause).as_str(), stage]).inc();
    }
    tracing::debug!(link.id = %observation.link, ok = observation.outcome.is_ok(), "link {} was probed", observation.link);
}

/// The condition of a point changed.
pub fn point_changed(transition: &Transition) {
    METRICS.transitions.inc();
    let cause = transition.to.cause().map_or("", |cause| cause.as_str());
    let detail = transition.to.cause().and_then(|cause| cause.detail()).unwrap_or("");
    let first_round = transition.evidence.get("first_round").is_some();
    tracing::debug!(point.id = %transition.point, from = %transition.from.state(), to = %transition.to.state(), cause, detail,
        first_round, since = %transition.at, "point {} changed from {} to {}", transition.point, transition.from.state(), transition.to.state());
}

/// A link went down, came up or fell under suspicion: the one root cause behind its members.
pub fn link_changed(link: &LinkCode, status: &'static str, member_count: u32, at: Timestamp) {
    tracing::info!(link.id = %link, status, member_count, since = %at, "link {link} is {status}, {member_count} points behind it");
}

/// Most of everything failed at once: our own network is suspected.
pub fn own_network_suspected(failed: usize, looked: usize) {
    METRICS.suspicions.inc();
    tracing::error!(
        failed,
        looked,
        "{failed} of {looked} looks failed at once: our own network is suspected"
    );
}

/// Most of everything answers again.
pub fn own_network_cleared() {
    tracing::info!("our own network is no longer suspected");
}

/// Most of everything still fails after so long that it is no longer taken for our own network's fault.
pub fn own_network_given_up(after: Duration) {
    tracing::error!(
        "most of everything has failed for {} min: our own network is no longer suspected, and what fails is called so",
        after.as_secs() / 60
    );
}

/// A key frame was given to a decoder this long after it was received.
pub fn decode_began(waited: Duration) {
    METRICS.picture_wait.observe(waited.as_secs_f64());
}

/// A key frame was decoded, or cost its decoder the life; `cost` is the CPU time that counts for it.
pub fn frame_decoded(decoding: &Decoding, cost: Duration) {
    let point = decoding.point;
    METRICS.picture_decodes.with_label_values(&[decode_result(decoding)]).inc();
    METRICS.picture_cpu.inc_by(cost.as_secs_f64());
    match &decoding.outcome {
        Ok(_) => {}
        Err(failure) if failure.ends_process() => {
            tracing::warn!(point.id = %point, why = failure.as_str(),
                "a decoder died over a key frame of point {point} ({}) and is started anew", failure.as_str());
        }
        Err(failure) => {
            tracing::debug!(point.id = %point, why = failure.as_str(), "a key frame of point {point} gave no picture");
        }
    }
}

/// The outcome of a decoding in one word.
fn decode_result(decoding: &Decoding) -> &'static str {
    match &decoding.outcome {
        Ok(picture) if picture.complaints == 0 => DECODED,
        Ok(_) => DAMAGED,
        Err(failure) => failure.as_str(),
    }
}

/// A key frame or a picture was given up because there was no room for it.
pub fn picture_dropped() {
    METRICS.picture_dropped.inc();
}

/// A decoder cannot be started; it is tried again.
pub fn decoder_unavailable(error: &(dyn Error + 'static), delay: Duration) {
    METRICS.decoder_start_failures.inc();
    tracing::error!(
        error = %Chain(error),
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "a decoder cannot be started: pictures are not looked at until one can"
    );
}

/// The decoders and what waits for them were counted.
pub fn decoding_measured(decoder_count: usize, waiting_count: usize, lag: Duration) {
    METRICS.decoders.set(i64::try_from(decoder_count).unwrap_or(i64::MAX));
    METRICS.picture_waiting.set(i64::try_from(waiting_count).unwrap_or(i64::MAX));
    METRICS.picture_lag.set(lag.as_secs_f64());
}

/// A still could not be kept, or old ones not be cleared.
pub fn still_failed(error: &(dyn Error + 'static)) {
    METRICS.still_failures.inc();
    tracing::error!(error = %Chain(error), "a still cannot be kept: a change has no picture for evidence");
}

/// The stills on disk were counted and the old ones cleared.
pub fn stills_measured(kept_count: u64, kept_bytes: u64, removed_count: u64) {
    METRICS.stills.set(i64::try_from(kept_count).unwrap_or(i64::MAX));
    METRICS.still_bytes.set(i64::try_from(kept_bytes).unwrap_or(i64::MAX));
    if removed_count > 0 {
        tracing::info!(
            kept_count,
            kept_bytes,
            removed_count,
            "removed {removed_count} old stills, {kept_count} are kept"
        );
    }
}

/// Diagnoses of pictures could not be put into the store; they are tried again.
pub fn diagnoses_not_kept(error: &(dyn Error + 'static), point_count: usize) {
    tracing::warn!(error = %Chain(error), point_count,
        "the diagnosis of {point_count} points cannot be kept; it is tried again, and lost when the service ends before");
}

/// Sizes of decoded pictures could not be kept.
pub fn decoded_sizes_not_kept(error: &(dyn Error + 'static), stream_count: usize) {
    tracing::warn!(error = %Chain(error), stream_count,
        "the decoded sizes of {stream_count} streams cannot be kept; it is tried again");
}

/// An incident was opened.
pub fn incident_opened(incident: &Incident) {
    METRICS.incidents_opened.with_label_values(&[incident.root.kind().as_str()]).inc();
    let (id, root, cause, points) = (incident.id, &incident.root, &incident.cause, incident.members.len());
    tracing::info!(incident.id = id, root = %root, cause = %cause, points, since = %incident.since,
        "incident {id}: {root} fails because of {cause} since {}, {points} points", incident.since);
}

/// Something happened to an incident.
pub fn incident_changed(incident: &Incident, event: &IncidentEvent) {
    let (id, what, stage) = (incident.id, event.happening.as_str(), incident.stage().as_str());
    tracing::info!(incident.id = id, event = what, stage, actor = %event.actor, "incident {id}: {what}, now {stage}");
}

/// The incidents that have not ended were counted.
pub fn incidents_counted<'a>(incidents: impl Iterator<Item = &'a Incident>) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for incident in incidents {
        *counts.entry(incident.stage().as_str()).or_default() += 1;
    }
    for stage in IncidentStage::ALL.into_iter().filter(|stage| !stage.is_end()) {
        let count = counts.get(stage.as_str()).copied().unwrap_or_default();
        METRICS.incidents.with_label_values(&[stage.as_str()]).set(count);
    }
}

/// Changes of incidents could not be kept; they follow again from the next picture.
pub fn incidents_not_kept(error: &(dyn Error + 'static)) {
    METRICS.incident_keep_failures.inc();
    tracing::warn!(error = %Chain(error), "changes of incidents cannot be kept; they are tried again");
}

/// The watchdog of Prometheus was reported to us.
pub fn deadman_beat(name: &str, evaluated: Timestamp) {
    METRICS.deadman_beat.with_label_values(&[name]).set(unix_seconds(evaluated));
}

/// The outbox was counted.
pub fn outbox_measured(queued: i64, held: i64, dead: i64) {
    METRICS.outbox_length.set(queued);
    METRICS.held_notifications.set(held);
    METRICS.dead_letters.set(dead);
}

/// Notifications waited for channels that are not in the settings any more.
pub fn notifications_abandoned(count: u64) {
    tracing::warn!(
        count,
        "{count} notifications waited for channels that are not in the settings any more; they are given up"
    );
}

/// The silences in force were counted.
pub fn silences_measured(silences: usize) {
    METRICS.silences.set(i64::try_from(silences).unwrap_or(i64::MAX));
}

/// The outbox could not be read or written for a channel; it is tried again.
pub fn outbox_failed(channel: &str, error: &(dyn Error + 'static)) {
    tracing::warn!(channel, error = %Chain(error), "the outbox of channel {channel} cannot be used; it is tried again");
}

/// A worker gave a sign of life.
pub fn worker_alive(worker: Worker, at: Timestamp) {
    METRICS.heartbeat.with_label_values(&[worker.as_str()]).set(unix_seconds(at));
}

/// A worker gave no sign of life for so long that it is taken to hang.
pub fn worker_stands_still(worker: Worker) {
    let worker = worker.as_str();
    tracing::error!(
        worker,
        "{worker} stands still: no beat is given to the watchdog, which restarts the service"
    );
}

/// The one who started the service cannot be told how it is.
pub fn supervisor_not_told(error: &(dyn Error + 'static)) {
    tracing::warn!(error = %Chain(error), "the socket of NOTIFY_SOCKET takes no message: who started this service may end it");
}

/// The writer committed a batch.
pub fn batch_committed(row_count: usize, took: Duration) {
    METRICS.commit_duration.observe(took.as_secs_f64());
    tracing::debug!(
        row_count,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "committed {row_count} rows"
    );
}

/// The database refused a batch; it is kept and tried again.
pub fn batch_failed(row_count: usize, error: &(dyn Error + 'static)) {
    METRICS.commit_failures.inc();
    tracing::error!(row_count, error = %Chain(error), "{row_count} rows could not be written and are kept");
}

/// Ended days were closed and dirty pairs of village and day computed.
pub fn days_rolled_up(day_count: u64, pair_count: u64, took: Duration) {
    METRICS.rolled_up_pairs.inc_by(pair_count);
    tracing::info!(
        day_count,
        pair_count,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "closed {day_count} days and computed the sums of {pair_count} village days"
    );
}

/// Closing days, computing sums or removing old rows failed; it is tried again in a minute.
pub fn upkeep_failed(error: &(dyn Error + 'static)) {
    METRICS.upkeep_failures.inc();
    tracing::error!(error = %Chain(error), "upkeep of the database failed");
}

/// Upkeep began or ceased to disbelieve a clock that had leapt ahead.
pub fn upkeep_held(held_at: Option<Timestamp>, now: Timestamp) {
    match held_at {
        Some(at) => tracing::warn!(%at, %now,
            "the clock shows {now}, more than a day after upkeep ran last: upkeep works up to {at} and follows by a \
             day an hour. If the clock is wrong, set it right before old rows are removed too early"),
        None => tracing::info!(%now, "upkeep has caught up with the clock"),
    }
}

/// A device refused a credential, which is not used on it for a while.
pub fn credential_held(point: PointCode, credential: &str, host: &str) {
    tracing::warn!(point.id = %point, credential, host,
        "credential {credential} was refused by {host} (point {point}) and is held");
}

/// The end of a session was not answered in time at the end of the service: the device may keep the session for a while.
pub fn teardown_unanswered(host: &str) {
    tracing::warn!(host, "a TEARDOWN to {host} was not answered before shutdown");
}

/// The watching itself stood still; what was seen meanwhile says nothing about the cameras.
pub fn watching_stalled(late: Duration) {
    METRICS.stalls.inc();
    tracing::error!(
        duration_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX),
        "the watching itself stood still for {late:?}; looks of that time are void"
    );
}

/// A stored credential cannot be opened: its points are looked at without one.
pub fn credential_unusable(name: &str, error: &(dyn Error + 'static)) {
    tracing::error!(credential = name, error = %Chain(error),
        "credential `{name}` cannot be used; import it again. Its points are looked at without one");
}

/// Records were given up because the buffer was full or the service ended.
pub fn records_dropped(transition_count: u64, observation_count: u64) {
    METRICS.dropped_records.with_label_values(&["transition"]).inc_by(transition_count);
    METRICS.dropped_records.with_label_values(&["observation"]).inc_by(observation_count);
    tracing::error!(
        transition_count,
        observation_count,
        "{transition_count} transitions and {observation_count} observations are lost: the database did not take them"
    );
}

/// A record was given up because the database refuses it for good.
pub fn record_refused(kind: &'static str, point: PointCode, at: Timestamp, error: &(dyn Error + 'static)) {
    METRICS.refused_records.with_label_values(&[kind]).inc();
    tracing::error!(point.id = %point, kind, %at, error = %Chain(error),
        "the {kind} of point {point} at {at} is lost: the database refuses it for good");
}

/// The records that wait for the database were counted.
pub fn buffer_measured(record_count: usize) {
    METRICS.buffered_records.set(i64::try_from(record_count).unwrap_or(i64::MAX));
}

/// A transition lies before its point's open interval and was not applied: the timeline is not rewritten.
pub fn transition_refused(point: &str, at: Timestamp, since: Timestamp) {
    METRICS.transitions_refused.inc();
    tracing::error!(point.id = point, %at, %since, "transition of point {point} at {at} lies before its open interval of {since}");
}

/// The size of the database was measured.
pub fn database_measured(size_bytes: u64) {
    METRICS.database_size.set(i64::try_from(size_bytes).unwrap_or(i64::MAX));
}

/// The disk of a folder was measured.
pub fn disk_measured(word: &'static str, free_bytes: u64) {
    METRICS.disk_free.with_label_values(&[word]).set(i64::try_from(free_bytes).unwrap_or(i64::MAX));
}

/// The disk of a folder could not be measured; what was measured last stays.
pub fn disk_unmeasured(word: &'static str, folder: &Path, error: &(dyn Error + 'static)) {
    tracing::warn!(disk = word, folder = %folder.display(), error = %Chain(error), "the disk of {word} cannot be measured");
}

/// A certificate that we were given was read.
pub fn certificate_measured(subject: &str, not_after: Timestamp) {
    METRICS.certificate_not_after.with_label_values(&[subject]).set(unix_seconds(not_after));
}

/// A certificate is no longer among those that we were given.
pub fn certificate_gone(subject: &str) {
    // Nobody else removes one.
    let _was_there = METRICS.certificate_not_after.remove_label_values(&[subject]).is_ok();
}

/// The certificates that we were given cannot be read; those that were read last stay.
pub fn certificates_unreadable(error: &(dyn Error + 'static)) {
    tracing::error!(error = %Chain(error), "the end of certificates is not known: streams over TLS may fail, too");
}

/// The system clock was compared with ours, which runs on the monotonic one.
pub fn clock_compared(ahead_ms: i64) {
    let bounded = ahead_ms.clamp(i32::MIN.into(), i32::MAX.into());
    METRICS.clock_offset.set(f64::from(i32::try_from(bounded).unwrap_or(0)) / 1000.0);
}

/// The system clock was stepped and ours followed.
pub fn clock_stepped(step_ms: i64) {
    tracing::warn!(step_ms, "the system clock was moved by {step_ms} ms");
}

/// The system clock leapt so far ahead that ours does not follow.
pub fn clock_leap_refused(step_ms: i64) {
    tracing::error!(
        step_ms,
        "the system clock leapt {} h ahead, which is not followed: set it right, or restart if it is right now",
        step_ms / 3_600_000
    );
}

/// The clock is behind the kept history; changes are dated after its end until the clock has passed it.
pub fn clock_behind_history(newest: Timestamp, behind: Duration) {
    tracing::error!(
        %newest,
        "the clock is {} s behind the kept history, which ends at {newest}: changes are dated after that until then",
        behind.as_secs()
    );
}

/// An answer of `/metrics` was rendered.
pub fn metrics_rendered(series_count: u64, took: Duration) {
    METRICS.render_seconds.set(took.as_secs_f64());
    METRICS.exposed_series.set(i64::try_from(series_count).unwrap_or(i64::MAX));
}

/// The service level ratios could not be computed; the last ones are kept.
pub fn ratios_failed(error: &(dyn Error + 'static)) {
    tracing::warn!(error = %Chain(error), "the service level ratios could not be computed");
}

/// A request was answered with a server error.
pub fn request_failed(request_id: &str, code: &'static str, error: &(dyn Error + 'static)) {
    METRICS.requests_failed.inc();
    tracing::error!(request.id = request_id, code, error = %Chain(error), "request {request_id} failed");
}

/// A channel that carries notifications was opened: its series start at zero.
pub fn channel_opened(channel: &str) {
    METRICS.notifications.with_label_values(&[channel]);
    METRICS.notifications_failed.with_label_values(&[channel]);
}

/// A channel delivered so many notifications.
pub fn notifications_sent(channel: &str, count: usize) {
    METRICS.notifications.with_label_values(&[channel]).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    tracing::debug!(channel, count, "channel {channel} delivered {count} notifications");
}

/// A channel could not deliver so many notifications; when that is final, nobody will be told of them by it.
pub fn notifications_failed(channel: &str, count: usize, error: &(dyn Error + 'static), is_final: bool) {
    METRICS
        .notifications_failed
        .with_label_values(&[channel])
        .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    if is_final {
        tracing::error!(channel, count, error = %Chain(error), "channel {channel} had {count} notifications refused for good");
    } else {
        tracing::warn!(channel, count, error = %Chain(error), "channel {channel} did not deliver {count} notifications");
    }
}

/// One of several Alertmanagers did not take alerts that another one took.
pub fn replica_missed_alerts(error: &(dyn Error + 'static)) {
    tracing::warn!(error = %Chain(error), "an Alertmanager did not take alerts; another one of its cluster did");
}

/// A way to pull streams cannot be gone on this machine. The points that need it say so, too.
pub fn puller_unavailable(reason: &str) {
    tracing::error!(reason, "streams over TLS or UDP cannot be pulled on this machine: {reason}");
}

/// A puller ended although nobody told it to, or talked nonsense.
pub fn puller_died(host: &str) {
    METRICS.puller_deaths.inc();
    tracing::warn!(host, "a puller of {host} died");
}

/// Every puller is at work, and a point waited for one in vain.
pub fn pullers_busy(sessions: usize) {
    tracing::warn!(
        sessions,
        "all {sessions} pullers are busy: points wait for one and are `unknown` meanwhile; a greater \
         watch.puller_sessions would help"
    );
}

/// Points with a kept session that only a puller can hold are more than there are pullers.
pub fn pullers_short(sessions: u64, needed: u64) {
    tracing::warn!(
        sessions,
        needed,
        "{needed} points over TLS are watched continuously, each by a puller of its own, with \
         watch.puller_sessions = {sessions}: the others are not looked at; set it higher"
    );
}

/// Which way serves the points could not be kept; it is tried again, and a restart would find the ways anew.
pub fn transports_not_kept(error: &(dyn Error + 'static)) {
    tracing::warn!(error = %Chain(error), "the ways to the points could not be kept");
}

/// The stored inventory could not be read; what runs goes on unchanged.
pub fn reconcile_failed(error: &(dyn Error + 'static)) {
    METRICS.reconcile_failures.inc();
    tracing::error!(error = %Chain(error), "the stored inventory could not be taken over; what runs goes on");
}

/// The targets that are watched were changed.
pub fn targets_changed(version: i64, changed_count: usize, removed_count: usize) {
    tracing::info!(
        inventory.version = version,
        "inventory version {version}: {changed_count} points are watched anew or otherwise, {removed_count} no longer"
    );
}

/// The service is open to everyone on this machine.
pub fn served_without_token(listen: SocketAddr) {
    tracing::warn!(
        "no API token was made yet: everyone on this machine may do everything at http://{listen}; \
         create one with `sharpeyes token add`"
    );
}

/// The database is not up at our start; it is tried again.
pub fn database_awaited(error: &(dyn Error + 'static), delay: Duration) {
    tracing::warn!(
        error = %Chain(error),
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "the database of [store] url does not answer yet; it is tried again"
    );
}

/// Another service runs on the database, or the database went away meanwhile; the lease is asked for until the time is up.
pub fn lease_awaited(error: &(dyn Error + 'static), longest: Duration) {
    tracing::warn!(
        error = %Chain(error),
        longest_seconds = longest.as_secs(),
        "the database is not free; it is waited for up to {} s", longest.as_secs()
    );
}

/// Another service has taken the database while it was away.
pub fn lease_lost() {
    tracing::error!("another service has taken the database while it was away; this one stops");
}

/// The database that was waited for answers.
pub fn database_came_up() {
    tracing::info!("the database answers now");
}

/// Fewer files may be open than the watching may need.
pub fn open_files_short(limit: u64, needed: u64) {
    tracing::warn!(
        limit,
        needed,
        "{limit} files may be open at once but watching this network takes up to {needed}: looks will fail; \
         set LimitNOFILE={needed} in the unit, or raise `ulimit -Hn`"
    );
}

/// A setting does not let every point be looked at once in the period.
pub fn period_out_of_reach(points: u64, period: Duration, setting: &'static str, value: u64, needed: u64) {
    let period_seconds = period.as_secs_f64();
    tracing::warn!(
        points,
        period_seconds,
        setting,
        value,
        needed,
        "{points} points cannot be looked at once in {period_seconds} s with watch.{setting} = {value}: looks will \
         come late; set it to {needed} or more, or make watch.period_seconds longer"
    );
}

/// A task ended although nobody told it to; the service stops.
pub fn task_ended_early(task: &str) {
    tracing::error!(task, "task {task} ended although it was not told to; the service stops");
}

/// Tasks were cut off at the end because they did not stop in time.
pub fn stopped_late(tasks: &[&str]) {
    let tasks = tasks.join(", ");
    tracing::warn!(tasks, "tasks did not stop in time and were cut off: {tasks}");
}

/// Every connection of the HTTP face is taken.
pub fn connections_exhausted(limit: usize) {
    tracing::warn!(limit, "all {limit} connections are taken; more have to wait");
}

/// One client holds as many connections of the HTTP face as are left to all others; what it opens beyond is closed.
pub fn client_refused(client: IpAddr, held: usize, limit: usize) {
    tracing::warn!(%client, held, limit,
        "{client} holds {held} of the {limit} connections, as many as are left; what it opens beyond is closed");
}

/// A connection could not be accepted; it is tried again.
pub fn accept_failed(error: &(dyn Error + 'static)) {
    tracing::warn!(error = %Chain(error), "a connection could not be accepted");
}

/// A task ended by a panic.
pub fn task_failed(task: &str, error: &(dyn Error + 'static)) {
    METRICS.task_panics.inc();
    tracing::error!(task, error = %Chain(error), "task {task} ended by a panic");
}

/// An error with every cause behind it, in one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are far below 2^52")]
fn unix_seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, Condition, Evidence, Look, Provenance, StageTimes};
    use crate::telemetry::metric::render;

    #[test]
    fn a_failed_look_is_counted_with_its_cause_and_stage() {
        let at = Timestamp::from_seconds(1_700_000_000);
        let mut stages = StageTimes::default();
        stages.set(Stage::Connect, Duration::from_millis(3));
        let failure = Failure {
            stage: Stage::Describe,
            cause: Cause::StreamNotFound,
            status: Some(404),
            measured: None,
        };
        look_finished(&Observation {
            point: "23052100001320000001".parse().unwrap(),
            started: at,
            ended: at,
            look: Look::Manual,
            stages,
            outcome: Outcome::Failed(failure),
        });
        let text = render().unwrap();
        for series in [
            "sharpeyes_probes_total{module=\"manual\"} 1",
            "sharpeyes_probe_failures_total{cause=\"not_found\",module=\"manual\",stage=\"describe\"} 1",
            "sharpeyes_probe_duration_seconds_count{module=\"manual\",stage=\"connect\"} 1",
        ] {
            assert!(text.contains(series), "{series}");
        }
    }

    /// Where a test lets the log write to.
    #[derive(Clone, Default)]
    struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_change_of_the_first_round_is_logged_as_one() {
        let check = |evidence: Evidence, expected| {
            let transition = Transition {
                point: "23052100001320000001".parse().unwrap(),
                at: Timestamp::from_seconds(1),
                decided: Timestamp::from_seconds(2),
                from: Condition::Because(Cause::MonitorDown),
                to: Condition::Good,
                evidence,
                provenance: Provenance::Probe,
            };
            let written = Written::default();
            let writer = written.clone();
            let log = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .finish();
            tracing::subscriber::with_default(log, || point_changed(&transition));
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains(expected), "{text}");
        };
        check(Evidence(vec![("first_round".into(), "true".to_owned())]), "first_round=true");
        check(Evidence::default(), "first_round=false");
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Outer("x".parse::<i32>().unwrap_err());
        assert_eq!(Chain(&error).to_string(), "outer: invalid digit found in string");
    }
}
