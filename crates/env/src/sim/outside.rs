//! The small parts of a node's world: clock, chance and tasks.

use super::node::NodeShared;
use crate::{Clock, Rng, TaskHandle, Tasks};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Chance from a seed.
#[derive(Debug)]
pub(super) struct SeededRng(Mutex<ChaCha8Rng>);

impl SeededRng {
    pub(super) fn new(rng: ChaCha8Rng) -> SeededRng {
        SeededRng(Mutex::new(rng))
    }
}

impl Rng for SeededRng {
    fn fill(&self, buf: &mut [u8]) {
        self.0.lock().fill_bytes(buf);
    }
}

/// Now, on tokio's paused clock.
#[expect(clippy::disallowed_methods, reason = "the clock of the simulation")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Tokio's paused time plus the node's skew.
#[derive(Debug)]
pub(super) struct SimClock {
    pub(super) node: Arc<NodeShared>,
    pub(super) life_began: Instant,
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        let passed = self.node.world_began.elapsed().as_millis() as u64;
        let skew = self.node.skew_ms.load(Ordering::Relaxed);
        (super::START_MS + passed).saturating_add_signed(skew)
    }

    fn monotonic(&self) -> Duration {
        self.life_began.elapsed()
    }
}

/// Tasks that end with the node's life. All on the one thread of the simulation.
#[derive(Debug)]
pub(super) struct SimTasks {
    pub(super) node: Arc<NodeShared>,
    pub(super) life: u64,
}

impl Tasks for SimTasks {
    #[expect(clippy::disallowed_methods, reason = "this is the task runner of the simulation")]
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        let (ended, done) = watch::channel(false);
        if !self.node.lives(self.life) {
            return TaskHandle { abort: None, done };
        }
        let join = tokio::spawn(async move {
            let _ended = ended;
            task.await;
        });
        self.node.adopt(join.abort_handle());
        TaskHandle { abort: Some(join.abort_handle()), done }
    }

    fn spawn_thread(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        self.spawn(name, task)
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // A pool's thread starts a little later than the caller stops.
            tokio::task::yield_now().await;
            work();
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the paused clock of the simulation")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}
