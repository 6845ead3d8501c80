//! Probes every link that has a target, once a period and when it is asked to, and reports each probe as a finding.
//!
//! An explicit probe is the only proof of a dead uplink: with two points per village nothing can be inferred.

use crate::clock::Clock;
use crate::config::Watch;
use crate::domain::link::LinkTarget;
use crate::domain::{Finding, Link, LinkCode, LinkObservation, Order};
use crate::probe::icmp::{self, EchoError};
use crate::probe::plan::Plan;
use crate::reach::{self, ConnectFault};
use crate::telemetry::{self, Worker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Links probed at once; more wait for their turn.
const CONCURRENT_PROBES: usize = 64;

/// How often the due links are looked for; starts are spread over the period in steps of this.
const STEP: Duration = Duration::from_millis(200);

/// Runs until cancelled. `findings` is bounded: when it is full the probes wait, and later ones start late.
pub async fn run(
    links: watch::Receiver<Arc<Vec<Link>>>,
    findings: mpsc::Sender<Finding>,
    orders: mpsc::Receiver<Order>,
    settings: Watch,
    clock: Clock,
    cancel: CancellationToken,
) {
    Prober { links, findings, orders, settings, clock, plan: Plan::default(), probes: JoinSet::new() }
        .run(cancel)
        .await;
}

struct Prober {
    links: watch::Receiver<Arc<Vec<Link>>>,
    findings: mpsc::Sender<Finding>,
    orders: mpsc::Receiver<Order>,
    settings: Watch,
    clock: Clock,
    plan: Plan,
    /// Each probe ends within the connect deadline, so dropping the set at shutdown loses nothing that matters.
    probes: JoinSet<()>,
}

impl Prober {
    async fn run(mut self, cancel: CancellationToken) {
        self.replan();
        let mut step = tokio::time::interval(STEP);
        step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                Some(joined) = self.probes.join_next() => {
                    if let Err(error) = joined {
                        telemetry::task_failed("link probe", &error);
                    }
                }
                Some(order) = self.orders.recv() => self.obey(&order),
                Ok(()) = self.links.changed() => self.replan(),
                _ = step.tick() => telemetry::worker_alive(Worker::Link, self.clock.now()),
            }
            self.start_due();
        }
    }

    fn replan(&mut self) {
        let links = Arc::clone(&self.links.borrow_and_update());
        self.plan.replace(&links, Instant::now(), self.settings.link_period);
    }

    fn obey(&mut self, order: &Order) {
        match order {
            Order::ProbeLink(link) => self.plan.hurry(link, Instant::now()),
            Order::LookSoon { .. } | Order::LinkDown(_) | Order::LinkUp { .. } => {}
        }
    }

    fn start_due(&mut self) {
        while self.probes.len() < CONCURRENT_PROBES {
            let Some((link, target)) = self.plan.next_due(Instant::now(), self.settings.link_period) else {
                return;
            };
            let (clock, limit) = (self.clock.clone(), self.settings.deadlines.connect);
            let findings = self.findings.clone();
            self.probes.spawn(async move {
                if let Some(observation) = probe(link, target, limit, clock).await {
                    report(observation, &findings).await;
                }
            });
        }
    }
}

async fn report(observation: LinkObservation, findings: &mpsc::Sender<Finding>) {
    telemetry::link_probed(&observation);
    if findings.send(Finding::Link(observation)).await.is_err() {
        tracing::debug!("the tracker is gone; a link probe is dropped");
    }
}

/// Probes one link. `None` when the fault is our own and nothing was learnt about it.
async fn probe(link: LinkCode, target: LinkTarget, limit: Duration, clock: Clock) -> Option<LinkObservation> {
    let started = clock.now();
    let begun = Instant::now();
    let outcome = match target {
        LinkTarget::Tcp { host, port } => match reach::connect(&host, port, limit).await {
            Ok(_stream) => Ok(begun.elapsed()),
            Err(ConnectFault::Device(cause)) => Err(cause),
            Err(ConnectFault::Ourselves) => return None,
        },
        LinkTarget::Icmp(address) => match icmp::echo(address, limit).await {
            Ok(round_trip) => Ok(round_trip),
            Err(EchoError::Unanswered(cause)) => Err(cause),
            Err(error @ EchoError::NotPermitted { .. }) => {
                tracing::warn!(link.id = %link, %error, "link {link} cannot be probed: ICMP is not permitted");
                return None;
            }
        },
    };
    Some(LinkObservation { link, started, ended: clock.now(), outcome })
}
