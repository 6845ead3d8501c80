//! Ends work of the RTSP library that is flooded: that takes in more than any answer or packet has.
//!
//! The library keeps what it reads until a message is whole, without a limit, and goes through all of it again after
//! every read: a camera that sends a header without an end would take all memory and every thread, and no deadline
//! could pass because the thread would never come back to it. What can be limited from outside is the task's budget:
//! each read takes one of it, and whoever has used it up must give way to others. So the library is given little of
//! it at a time, and when it has used that up without a whole message, it is given no more.

use crate::ingest::host::Host;
use std::future::poll_fn;
use std::task::{Context, Poll};
use tokio::runtime::Builder;
use tokio::task::coop;

/// Reads of one poll. An answer has some kilobytes and a packet at most 64: a read or two, on a fast line in step with
/// the sender some more.
const MOST_READS: usize = 16;
/// Polls of one piece of work, each with some bytes at least: far more than an answer comes in.
const MOST_POLLS: usize = 512;
/// With less budget left the task gives way before it polls.
const FEWEST_READS: usize = MOST_READS / 2;
/// No more budget is counted; a task has 128 at the beginning of its turn.
const MOST_COUNTED: usize = 256;

/// More came than any answer or packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// Runs `work` on a session to `host` until it is done or flooded, and abandons it then.
pub(super) async fn unless_flooded<F: Future>(work: F, host: &Host) -> Result<F::Output, Flood> {
    let (mut work, mut ration) = (Box::pin(work), Ration::default());
    let done = poll_fn(|cx| ration.poll(cx, |cx| work.as_mut().poll(cx))).await;
    if done.is_err() {
        abandon(work, host);
    }
    done
}

/// Closes what the library holds at once. It would send a TEARDOWN from a task of its own, which nobody can stop and
/// which reads on; here that task is given to a runtime that never runs.
pub(super) fn abandon(held: impl Sized, host: &Host) {
    host.begin_group();
    match Builder::new_current_thread().build() {
        Ok(nowhere) => {
            let inside = nowhere.enter();
            drop(held);
            drop(inside);
            nowhere.shutdown_background();
        }
        Err(error) => tracing::debug!(%error, "a flooded session is left to its TEARDOWN"),
    }
}

/// What one piece of work, or the wait for one packet, may take in.
#[derive(Debug, Default)]
pub(super) struct Ration {
    polls: usize,
}

impl Ration {
    /// Polls with little budget, and not without end.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Flood>> {
        self.polls += 1;
        match poll_sparingly(cx, MOST_READS, poll) {
            Poll::Pending if self.polls > MOST_POLLS => Poll::Ready(Err(Flood)),
            polled @ (Poll::Ready(_) | Poll::Pending) => polled,
        }
    }
}

/// Polls once with a budget of `reads`.
pub(super) fn poll_sparingly<T>(
    cx: &mut Context<'_>,
    reads: usize,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<Result<T, Flood>> {
    let left = budget_left(cx);
    if left < reads.min(FEWEST_READS) {
        // Others of the task have used it up, which must not pass for a flood: the next turn brings a new one.
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    (reads..left).for_each(|_| spend(cx));
    match poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending if coop::has_budget_remaining() => Poll::Pending,
        Poll::Pending => Poll::Ready(Err(Flood)),
    }
}

/// How much budget the task has left. It can be told only by spending it; the first unit gives all back when dropped.
fn budget_left(cx: &mut Context<'_>) -> usize {
    let Poll::Ready(_first) = coop::poll_proceed(cx) else { return 0 };
    let mut left = 1;
    while left < MOST_COUNTED && coop::has_budget_remaining() {
        spend(cx);
        left += 1;
    }
    left
}

fn spend(cx: &mut Context<'_>) {
    if let Poll::Ready(unit) = coop::poll_proceed(cx) {
        unit.made_progress();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    fn host() -> Host {
        Host::new(&"10.0.0.1:554".into())
    }

    /// Work that finds something to read `reads` times in every poll, and then waits.
    async fn read(reads: usize) {
        poll_fn(|cx| {
            for _ in 0..reads {
                std::task::ready!(coop::poll_proceed(cx)).made_progress();
            }
            Poll::Pending
        })
        .await
    }

    async fn polled_once(reads: usize) -> Poll<Result<(), Flood>> {
        let mut work = pin!(read(reads));
        poll_fn(|cx| Poll::Ready(poll_sparingly(cx, MOST_READS, |cx| work.as_mut().poll(cx)))).await
    }

    #[tokio::test]
    async fn little_is_waited_for_and_much_is_a_flood() {
        tokio::task::yield_now().await;
        assert_eq!(polled_once(2).await, Poll::Pending);
        assert_eq!(polled_once(MOST_READS).await, Poll::Ready(Err(Flood)));
    }

    #[tokio::test]
    async fn what_others_have_used_up_is_no_flood() {
        tokio::task::yield_now().await;
        poll_fn(|cx| {
            let left = budget_left(cx);
            assert_eq!(budget_left(cx), left, "counting costs nothing");
            (FEWEST_READS..=left).for_each(|_| spend(cx));
            Poll::Ready(())
        })
        .await;
        assert_eq!(polled_once(MOST_READS).await, Poll::Pending);
    }

    #[tokio::test]
    async fn done_work_gives_its_result() {
        assert_eq!(unless_flooded(async { 7 }, &host()).await, Ok(7));
    }

    #[tokio::test]
    async fn what_trickles_in_without_an_end_is_a_flood() {
        let trickle = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(unless_flooded(trickle, &host()).await, Err(Flood));
    }
}
