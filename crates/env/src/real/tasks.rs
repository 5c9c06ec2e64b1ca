//! Tasks on tokio, and threads of the operating system.

use crate::{TaskHandle, Tasks};
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Tasks on the runtime that was current when this was made.
#[derive(Debug)]
pub(super) struct TokioTasks {
    home: Option<Handle>,
}

impl TokioTasks {
    pub(super) fn new() -> TokioTasks {
        TokioTasks { home: Handle::try_current().ok() }
    }

    fn home(&self) -> Handle {
        self.home.clone().unwrap_or_else(Handle::current)
    }
}

impl Tasks for TokioTasks {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        // The sender is dropped with the future, however it ends: that is what `join` waits for.
        let (ended, done) = watch::channel(false);
        let join = self.home().spawn(async move {
            let _ended = ended;
            task.await;
        });
        TaskHandle { abort: Some(join.abort_handle()), done }
    }

    fn spawn_thread(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        let (ended, done) = watch::channel(false);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without sockets needs nothing that could be missing");
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _ended = ended;
                runtime.block_on(task);
            })
            .expect("the operating system has a thread left for each part of the server");
        TaskHandle { abort: None, done }
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let running = self.home().spawn_blocking(work);
        Box::pin(async move {
            // A panic has been printed by its thread; the caller sees it by the missing result.
            let _ = running.await;
        })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}
