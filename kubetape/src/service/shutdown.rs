//! The end of the process in a bounded time.

use std::{collections::HashMap, future::Future, time::Duration};

use tokio::{
    runtime::Handle,
    task::{Id, JoinSet},
    time::{Instant, timeout_at},
};

/// When the process must have ended. One bound for all stages: what an early stage takes, the later ones do not have.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn within(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Waits for a stage, and leaves the time `reserved` for the stages after it. Returns `None` if the stage did not end
    /// in time, which is logged with its name.
    pub async fn stage<T>(self, name: &str, reserved: Duration, stage: impl Future<Output = T>) -> Option<T> {
        let until = self.0.checked_sub(reserved).unwrap_or(self.0);
        let done = timeout_at(until, stage).await.ok();
        if done.is_none() {
            tracing::warn!(stage = name, "did not end in time");
        }
        done
    }
}

/// Tasks with names. They are aborted when this is dropped.
#[derive(Debug, Default)]
pub struct NamedTasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl NamedTasks {
    /// Spawns a task on a runtime.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static, on: &Handle) {
        let id = self.tasks.spawn_on(task, on).id();
        self.names.insert(id, name);
    }

    /// Waits until one of them ends, by itself or by a panic. Returns its name, or `None` if there is none left.
    ///
    /// # Cancel safety
    /// A task that ended is told of by the next call, if this one is dropped.
    pub async fn ended(&mut self) -> Option<&'static str> {
        let id = match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        Some(self.names.remove(&id).unwrap_or("a task"))
    }

    /// Waits for all of them.
    pub async fn all_ended(&mut self) {
        while self.ended().await.is_some() {}
    }

    /// Aborts what still runs, and returns the names.
    pub fn abort(&mut self) -> Vec<&'static str> {
        self.tasks.abort_all();
        let mut names: Vec<_> = self.names.values().copied().collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stages_that_hang_end_together_when_the_time_is_over() {
        let began = Instant::now();
        let deadline = Deadline::within(Duration::from_secs(25));
        let seconds = Duration::from_secs;
        assert_eq!(deadline.stage("first", seconds(12), pending::<()>()).await, None);
        assert_eq!(began.elapsed(), seconds(13));
        assert_eq!(deadline.stage("second", seconds(5), async { 2 }).await, Some(2));
        assert_eq!(deadline.stage("third", seconds(5), pending::<()>()).await, None);
        assert_eq!(deadline.stage("last", Duration::ZERO, pending::<()>()).await, None);
        assert_eq!(began.elapsed(), seconds(25));
    }

    #[tokio::test]
    async fn tasks_that_do_not_end_are_named() {
        let mut tasks = NamedTasks::default();
        let here = Handle::current();
        tasks.spawn("quick", async {}, &here);
        tasks.spawn("slow", pending(), &here);
        assert_eq!(tasks.ended().await, Some("quick"));
        assert_eq!(tasks.abort(), ["slow"]);
    }
}
