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
use crate::telemetry::{self, SkipReason, Worker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Links probed at once, at the least and at the most; more wait for their turn. The most is a quarter of the files that
/// a service may commonly open; with it 12 000 links keep their period of 30 s although none answers within 5 s, and
/// 59 000 although a fifth does not.
const LEAST_CONCURRENT: usize = 64;
const MOST_CONCURRENT: usize = 2_048;

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
                _ = step.tick() => {
                    telemetry::worker_alive(Worker::Link, self.clock.now());
                    telemetry::queue_measured(Worker::Link, self.plan.waiting(Instant::now()));
                }
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
        let (period, limit) = (self.settings.link_period, self.settings.deadlines.connect);
        let most = probes_at_once(self.plan.len(), limit, period);
        while self.probes.len() < most {
            let Some(due) = self.plan.next_due(Instant::now(), period) else { return };
            telemetry::look_delayed(Worker::Link, due.lag);
            let (clock, findings) = (self.clock.clone(), self.findings.clone());
            self.probes.spawn(async move {
                match probe(&due.link, due.target, limit, clock).await {
                    Ok(observation) => report(observation, &findings).await,
                    Err(why) => telemetry::probe_skipped(&due.link, why),
                }
            });
        }
    }
}

/// So many probes at once that every link keeps its period even when none answers within the limit.
pub fn probes_at_once(links: usize, limit: Duration, period: Duration) -> usize {
    let busy = u128::try_from(links).unwrap_or(u128::MAX).saturating_mul(limit.as_millis());
    let needed = busy.div_ceil(period.as_millis().max(1));
    usize::try_from(needed).unwrap_or(usize::MAX).clamp(LEAST_CONCURRENT, MOST_CONCURRENT)
}

async fn report(observation: LinkObservation, findings: &mpsc::Sender<Finding>) {
    telemetry::link_probed(&observation);
    if findings.send(Finding::Link(observation)).await.is_err() {
        tracing::debug!("the tracker is gone; a link probe is dropped");
    }
}

/// Probes one link. `Err` when the fault is our own and nothing was learnt about it.
async fn probe(
    link: &LinkCode,
    target: LinkTarget,
    limit: Duration,
    clock: Clock,
) -> Result<LinkObservation, SkipReason> {
    let started = clock.now();
    let begun = Instant::now();
    let outcome = match target {
        LinkTarget::Tcp { host, port } => match reach::connect(&host, port, limit).await {
            Ok(_stream) => Ok(begun.elapsed()),
            Err(ConnectFault::Device(cause)) => Err(cause),
            Err(ConnectFault::Ourselves) => return Err(SkipReason::Backlog),
        },
        LinkTarget::Icmp(address) => match icmp::echo(address, limit).await {
            Ok(round_trip) => Ok(round_trip),
            Err(EchoError::Unanswered(cause)) => Err(cause),
            Err(EchoError::Ourselves(_)) => return Err(SkipReason::Backlog),
            Err(error @ EchoError::NotPermitted { .. }) => {
                telemetry::icmp_not_permitted(link, &error);
                return Err(SkipReason::NotPermitted);
            }
        },
    };
    Ok(LinkObservation { link: link.clone(), started, ended: clock.now(), outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_keeps_its_period_though_none_answers() {
        let seconds = Duration::from_secs;
        let check =
            |links, expected| assert_eq!(probes_at_once(links, seconds(5), seconds(30)), expected, "{links}");
        check(0, 64);
        check(384, 64);
        check(385, 65);
        check(12_000, 2_000);
        check(59_000, 2_048);
        assert_eq!(probes_at_once(usize::MAX, seconds(120), Duration::ZERO), 2_048);
    }
}
