//! Groups of owned tasks: started together, watched for an early end, stopped together within a deadline.

use crate::telemetry;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Tasks that stop together. None of them ends before it is told to; one that does is a fault of the service.
#[derive(Debug)]
pub(super) struct Group {
    cancel: CancellationToken,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Group {
    pub(super) fn new() -> Self {
        Self { cancel: CancellationToken::new(), tasks: JoinSet::new(), names: HashMap::new() }
    }

    /// Starts a task; it is given the token that tells it to stop.
    pub(super) fn start<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = self.tasks.spawn(task(self.cancel.clone()));
        self.names.insert(handle.id(), name);
    }

    /// Waits until a task ends although nobody told it to, and names it.
    pub(super) async fn failed(&mut self) -> &'static str {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.note(ended),
            None => std::future::pending().await,
        }
    }

    /// Tells every task to stop and waits for them; names those that did not stop in time and drops them.
    pub(super) async fn stop(mut self, deadline: Duration) -> Vec<&'static str> {
        self.cancel.cancel();
        let stopped = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.note(ended);
            }
        };
        match tokio::time::timeout(deadline, stopped).await {
            Ok(()) => Vec::new(),
            Err(_elapsed) => self.names.into_values().collect(),
        }
    }

    fn note(&mut self, ended: Result<(Id, ()), JoinError>) -> &'static str {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let name = self.names.remove(&id).unwrap_or("unnamed");
        if let Err(error) = ended {
            telemetry::task_failed(name, &error);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_early_is_named() {
        let mut group = Group::new();
        group.start("steady", |cancel| async move { cancel.cancelled().await });
        group.start("weak", |_cancel| async {});
        assert_eq!(group.failed().await, "weak");
        assert_eq!(group.stop(Duration::from_secs(5)).await, Vec::<&str>::new());
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_named() {
        let mut group = Group::new();
        group.start("deaf", |_cancel| std::future::pending());
        assert_eq!(group.stop(Duration::from_millis(20)).await, ["deaf"]);
    }
}
