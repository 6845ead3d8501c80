//! The one task that decides when each point is looked at, starts the looks and takes their ends.

use crate::clock::Clock;
use crate::config::{Health, Watch};
use crate::domain::budget::{Budgets, Grant, HostName, LinkLimit, Resource};
use crate::domain::schedule::{Ended, Pace, Plan, Rules, Schedule, Start, spread};
use crate::domain::{
    Cause, Finding, LinkCode, Look, Observation, Order, Outcome, PointCode, StageTimes, Timestamp,
};
use crate::ingest::look::host_name;
use crate::ingest::question::{self, Asked, Question, Refused};
use crate::ingest::visit::{self, Context, LookEnd};
use crate::ingest::{Holds, LinkBudget, Puller, Tap, Target, TargetSet, Transports};
use crate::telemetry::{self, SkipReason, Worker};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use tokio_util::sync::CancellationToken;

/// What the scheduler is given.
#[derive(Debug)]
pub struct SchedulerInputs {
    /// What is to be watched; a change touches only the points that differ.
    pub targets: watch::Receiver<Arc<TargetSet>>,
    /// What the health tracker asks for.
    pub orders: mpsc::Receiver<Order>,
    /// Looks that somebody waits for. Bounded; when it is full he is told to try again.
    pub questions: mpsc::Receiver<Question>,
    /// `[watch]`
    pub settings: Watch,
    /// `[health]`, for how many looks confirm a failure or a recovery.
    pub health: Health,
    /// The clock.
    pub clock: Clock,
    /// Credentials that are held; shared with the API.
    pub holds: Holds,
    /// Where key frames go; nowhere when nobody looks at pictures.
    pub tap: Option<Tap>,
    /// Which way serves each point; shared with the API.
    pub transports: Transports,
    /// What pulls on the ways that retina cannot go; nothing where that is switched off.
    pub puller: Option<Puller>,
}

/// How the watching keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulerStatus {
    /// When this was taken.
    pub taken: Timestamp,
    /// Points watched.
    pub points: usize,
    /// Due looks that have not started.
    pub waiting: usize,
    /// Those among them that lack the budget of a link or host.
    pub parked: usize,
    /// Looks under way, kept sessions included.
    pub running: usize,
    /// How long the longest-waiting due look has waited.
    pub lag: Duration,
    /// Credentials held.
    pub held: usize,
    /// When we ourselves stood still last; looks of that time are void.
    pub last_stall: Option<Timestamp>,
}

/// How often the scheduler looks at itself.
const TICK: Duration = Duration::from_secs(1);

/// A tick that comes this late shows that we stood still.
const OWN_STALL: Duration = Duration::from_secs(5);

/// How long a shutdown waits for TEARDOWNs to be answered; `app` checks that it fits into the time from SIGTERM to exit.
pub const SHUTDOWN_WAIT: Duration = Duration::from_millis(4_500);

/// Runs until cancelled, then ends every look, with its TEARDOWN sent. `findings` is bounded: when it is full the looks
/// wait, keep their budgets, and so slow the schedule down.
pub async fn run(
    inputs: SchedulerInputs,
    findings: mpsc::Sender<Finding>,
    status: watch::Sender<SchedulerStatus>,
    cancel: CancellationToken,
) {
    Scheduler::new(inputs, findings, status, cancel).run().await;
}

struct Scheduler {
    targets: watch::Receiver<Arc<TargetSet>>,
    orders: mpsc::Receiver<Order>,
    questions: mpsc::Receiver<Question>,
    status: watch::Sender<SchedulerStatus>,
    cancel: CancellationToken,
    context: Arc<Context>,
    known: Arc<TargetSet>,
    schedule: Schedule,
    pace: Pace,
    /// The looks under way; each ends by itself, by its deadlines or its token.
    looks: JoinSet<LookEnd>,
    /// The looks outside the schedule.
    asked: Asked,
    /// How to end the look at a point.
    tokens: BTreeMap<PointCode, Running>,
    ids: HashMap<task::Id, PointCode>,
    /// Kept sessions among the looks; the cap on concurrent looks does not count them.
    kept_count: usize,
    /// The schedule's time runs on the monotonic clock: a step of the wall clock makes nothing due.
    began: (Instant, Timestamp),
    last_tick: Instant,
}

struct Running {
    look: Look,
    token: CancellationToken,
}

impl Scheduler {
    fn new(
        inputs: SchedulerInputs,
        findings: mpsc::Sender<Finding>,
        status: watch::Sender<SchedulerStatus>,
        cancel: CancellationToken,
    ) -> Self {
        let SchedulerInputs {
            targets,
            orders,
            questions,
            settings,
            health,
            clock,
            holds,
            tap,
            transports,
            puller,
        } = inputs;
        let limit = LinkLimit { kbps: settings.link_budget_kbps, sessions: settings.link_budget_sessions };
        let budgets = Budgets::new(limit, settings.sessions_per_host);
        let began = (Instant::now(), clock.now());
        let (hosts, stalls) = Default::default();
        Self {
            schedule: Schedule::new(rules_of(&settings, &health), budgets),
            pace: Pace::new(settings.opens_per_second),
            context: Arc::new(Context {
                settings,
                clock,
                holds,
                hosts,
                stalls,
                transports,
                puller,
                tap,
                findings,
            }),
            targets,
            orders,
            questions,
            status,
            cancel,
            known: Arc::default(),
            looks: JoinSet::new(),
            asked: Asked::default(),
            tokens: BTreeMap::new(),
            ids: HashMap::new(),
            kept_count: 0,
            began,
            last_tick: Instant::now(),
        }
    }

    async fn run(mut self) {
        self.reload();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancel = self.cancel.clone();
        loop {
            let wake = self.start_due();
            // Every branch may be dropped: an ended look stays in the set, an order in its channel.
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(joined) = self.looks.join_next_with_id() => self.take_end(joined),
                Some(joined) = self.asked.ended() => self.take_back(joined),
                Some(order) = self.orders.recv() => self.obey(order),
                Some(question) = self.questions.recv() => self.take_question(question),
                Ok(()) = self.targets.changed() => self.reload(),
                _ = tick.tick() => self.tick(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.shut_down().await;
    }

    /// The schedule's time.
    fn now(&self) -> Timestamp {
        self.began.1.plus(self.began.0.elapsed())
    }

    /// Starts what is due as fast as the open rate allows, and says when to try again. Without room an ended look wakes
    /// us: what is due by then must not.
    fn start_due(&mut self) -> Instant {
        while self.has_room() {
            let now = self.now();
            if self.schedule.waiting() == 0 && self.schedule.next_due().is_none_or(|due| due > now) {
                break;
            }
            let passed = self.began.0.elapsed();
            if let Some(wait) = self.pace.wait(passed) {
                return Instant::now() + wait;
            }
            let Some(start) = self.schedule.next(now) else { break };
            self.pace.take(passed);
            self.start(start);
        }
        let next_due = self.schedule.next_due().filter(|_| self.has_room());
        Instant::now() + next_due.map_or(TICK, |due| due.since(self.now()).min(TICK))
    }

    fn has_room(&self) -> bool {
        let looks = self.looks.len().saturating_sub(self.kept_count).saturating_add(self.asked.len());
        looks < self.context.settings.concurrent_looks
    }

    fn start(&mut self, start: Start) {
        let Some(target) = self.known.targets.get(&start.point) else {
            self.schedule.finished(start.point, Ended::Yielded, self.now(), 0.0);
            return;
        };
        telemetry::look_delayed(Worker::Ingest, start.lag);
        let token = self.cancel.child_token();
        let look = visit::run(Arc::clone(&self.context), Arc::clone(target), start.look, token.clone());
        let handle = self.looks.spawn(look);
        self.ids.insert(handle.id(), start.point);
        self.kept_count += usize::from(start.look == Look::Continuous);
        self.tokens.insert(start.point, Running { look: start.look, token });
    }

    fn take_end(&mut self, joined: Result<(task::Id, LookEnd), JoinError>) {
        let (id, end) = match joined {
            Ok((id, end)) => (id, Some(end)),
            Err(error) => {
                telemetry::task_failed("look", &error);
                (error.id(), None)
            }
        };
        let Some(point) = self.ids.remove(&id) else { return };
        if let Some(running) = self.tokens.remove(&point) {
            self.kept_count -= usize::from(running.look == Look::Continuous);
        }
        if let Some(kbps) = end.as_ref().and_then(|end| end.kbps) {
            self.schedule.measured(point, kbps);
        }
        let ended = end.map_or(Ended::Failed { frames_for: Duration::ZERO }, |end| end.ended);
        let now = self.now();
        self.schedule.finished(point, ended, now, rand::random());
    }

    /// Looks at a point for somebody, if there is room, or says why not.
    fn take_question(&mut self, question: Question) {
        let token = self.cancel.child_token();
        match self.admit(question.point) {
            Ok((target, host, grant)) => {
                let look = visit::aside(Arc::clone(&self.context), target, token.clone());
                self.asked.start(host, grant, Instant::now(), question::answer(question, look, token));
            }
            Err(refused) => {
                let _nobody_waits = question.answer.send(Err(refused));
            }
        }
    }

    fn admit(&mut self, point: PointCode) -> Result<(Arc<Target>, HostName, Grant), Refused> {
        let target = self.known.targets.get(&point).map(Arc::clone).ok_or(Refused::NotWatched)?;
        let host = target.stream.as_ref().map(host_name).ok_or(Refused::NotWatched)?;
        self.asked.admit(&host, Instant::now())?;
        let passed = self.began.0.elapsed();
        if !self.has_room() || self.pace.wait(passed).is_some() {
            return Err(Refused::NoRoom);
        }
        let grant = self.schedule.take_aside(point, self.now()).ok_or(Refused::NoRoom)?;
        self.pace.take(passed);
        Ok((target, host, grant))
    }

    /// Takes back what a look outside the schedule had.
    fn take_back(&mut self, joined: Result<(task::Id, ()), JoinError>) {
        let id = joined.map_or_else(
            |error| {
                telemetry::task_failed("look", &error);
                error.id()
            },
            |(id, ())| id,
        );
        if let Some(grant) = self.asked.take_grant(id) {
            self.schedule.give_back(grant);
        }
    }

    fn obey(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::LookSoon { points, spread: over } => {
                for point in points {
                    self.schedule.look_soon(point, now.plus(spread(point.as_str(), over)));
                }
            }
            Order::LinkDown(link) => {
                for point in self.schedule.link_down(&link, now) {
                    telemetry::look_skipped(Worker::Ingest, point, SkipReason::LinkDown);
                }
            }
            Order::LinkUp { link, spread: over } => self.schedule.link_up(&link, over, now),
            Order::ProbeLink(_) => {}
        }
    }

    /// Takes the wanted targets. Only the points that differ are touched: their looks are ended and begun anew.
    fn reload(&mut self) {
        let wanted = Arc::clone(&self.targets.borrow_and_update());
        let difference = self.known.difference(&wanted);
        let now = self.now();
        for target in difference.changed {
            self.release_if_new_secret(&target);
            self.end_look(target.point);
            self.schedule.put(plan_of(&target), now);
        }
        for point in difference.removed {
            self.end_look(point);
            self.schedule.remove(point);
        }
        self.schedule.set_limits(self.limits_of(&wanted));
        self.forget_ways(&wanted);
        self.known = wanted;
    }

    /// Forgets the ways to what is no longer watched, or lies elsewhere now.
    fn forget_ways(&self, wanted: &TargetSet) {
        self.context.transports.retain(|point| {
            let stays = |target: &Arc<Target>| {
                self.known.targets.get(&point).is_none_or(|known| known.stream == target.stream)
            };
            wanted.targets.get(&point).is_some_and(stays)
        });
    }

    /// A changed password deserves a try at once.
    fn release_if_new_secret(&self, target: &Target) {
        let known = self.known.targets.get(&target.point).and_then(|known| known.credential.as_ref());
        if let Some(credential) = &target.credential
            && known.is_some_and(|known| known.name == credential.name && known != credential)
        {
            self.context.holds.release_credential(&credential.name);
        }
    }

    fn limits_of(&self, wanted: &TargetSet) -> BTreeMap<LinkCode, LinkLimit> {
        let settings = &self.context.settings;
        let limit = |budget: &LinkBudget| LinkLimit {
            kbps: budget.kbps.unwrap_or(settings.link_budget_kbps),
            sessions: budget.sessions.unwrap_or(settings.link_budget_sessions),
        };
        wanted.budgets.iter().map(|(link, budget)| (link.clone(), limit(budget))).collect()
    }

    fn end_look(&self, point: PointCode) {
        if let Some(running) = self.tokens.get(&point) {
            running.token.cancel();
        }
    }

    fn tick(&mut self) {
        let late = self.last_tick.elapsed();
        self.last_tick = Instant::now();
        let wall = self.context.clock.now();
        if late > TICK + OWN_STALL {
            telemetry::watching_stalled(late);
            self.context.stalls.note(self.last_tick, wall);
        }
        let now = self.now();
        for point in self.schedule.to_yield(now) {
            self.end_look(point);
        }
        for (point, lacking) in self.schedule.overdue(now) {
            telemetry::look_skipped(Worker::Ingest, point, reason_of(lacking.as_ref()));
            self.report_backlog(point, wall);
        }
        self.context.hosts.prune();
        telemetry::worker_alive(Worker::Ingest, wall);
        telemetry::queue_measured(Worker::Ingest, self.schedule.waiting());
        self.status.send_replace(self.status_at(wall, now));
    }

    fn status_at(&self, taken: Timestamp, now: Timestamp) -> SchedulerStatus {
        SchedulerStatus {
            taken,
            points: self.schedule.len(),
            waiting: self.schedule.waiting(),
            parked: self.schedule.parked(),
            running: self.schedule.running(),
            lag: self.schedule.lag(now),
            held: self.context.holds.prune(self.last_tick),
            last_stall: self.context.stalls.last(),
        }
    }

    /// Must not wait: the tracker may be waiting for us to take an order. A report that finds no room is dropped, and
    /// the point's last result grows stale, which says the same later.
    fn report_backlog(&self, point: PointCode, at: Timestamp) {
        let outcome = Outcome::NotLooked(Cause::Backlog);
        let stages = StageTimes::default();
        let observation = Observation { point, started: at, ended: at, look: Look::Patrol, stages, outcome };
        if self.context.findings.try_send(Finding::Look(Box::new(observation))).is_err() {
            tracing::debug!(point.id = %point, "no room to report that point {point} waits");
        }
    }

    async fn shut_down(mut self) {
        let deadline = Instant::now() + SHUTDOWN_WAIT;
        while let Ok(Some(joined)) = timeout_at(deadline, self.looks.join_next()).await {
            if let Err(error) = joined {
                telemetry::task_failed("look", &error);
            }
        }
        while let Ok(Some(joined)) = timeout_at(deadline, self.asked.ended()).await {
            self.take_back(joined);
        }
        self.context.hosts.await_teardowns(deadline).await;
    }
}

fn rules_of(settings: &Watch, health: &Health) -> Rules {
    Rules {
        period: settings.period,
        light_period: settings.light_period,
        retry_first: settings.retry_first,
        retry_cap: settings.retry_cap,
        retry_reset_after: settings.retry_reset_after,
        confirm_looks: health.confirm_looks,
        recover_looks: health.recover_looks,
        assumed_kbps: settings.assumed_kbps,
    }
}

/// Why a look did not take place in time.
const fn reason_of(lacking: Option<&Resource>) -> SkipReason {
    match lacking {
        Some(Resource::Link(_)) => SkipReason::LinkBudget,
        Some(Resource::Host(_)) => SkipReason::HostSessions,
        None => SkipReason::Backlog,
    }
}

fn plan_of(target: &Target) -> Plan {
    Plan {
        point: target.point,
        host: target.stream.as_ref().map_or_else(|| HostName::from("-"), host_name),
        main_host: target.main_stream.as_ref().map(host_name),
        class: target.class,
        watch: target.watch,
        path: target.path.clone(),
        needs: target.needs.clone(),
    }
}
