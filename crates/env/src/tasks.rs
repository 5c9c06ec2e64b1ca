//! Tasks: the only way to run something beside the caller.

use futures::future::BoxFuture;
use std::fmt::Debug;
use std::time::Duration;

/// Runs futures and blocking work. In the simulation everything runs on one thread in a fixed
/// order, and sleeping costs no real time.
pub trait Tasks: Send + Sync + Debug {
    /// Starts an async task. It ends with the handle's [`TaskHandle::abort`] or by itself; dropping
    /// the handle does not end it.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle;
    /// Starts an async task on a thread of its own, so that it may block (disk writers).
    fn spawn_thread(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle;
    /// Runs blocking work on a pool and waits for it. Does not stop when the future is dropped.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A running task.
#[derive(Debug)]
pub struct TaskHandle {
    /// Ends the task at its next await.
    pub(crate) abort: Option<tokio::task::AbortHandle>,
    /// Tells when the task has ended.
    pub(crate) done: tokio::sync::watch::Receiver<bool>,
}

impl TaskHandle {
    /// Ends the task at its next await (a task on its own thread only if it ends by itself).
    pub fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }

    /// Waits until the task has ended, however it ended.
    pub async fn join(&mut self) {
        while !*self.done.borrow_and_update() {
            if self.done.changed().await.is_err() {
                return;
            }
        }
    }
}
