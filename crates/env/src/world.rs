//! The bundle of everything outside, and its two smallest parts.

use crate::{Disk, Tasks};
use futures::future::BoxFuture;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Time.
pub trait Clock: Send + Sync + Debug {
    /// Wall clock: milliseconds since 1970. May jump.
    fn now_ms(&self) -> u64;
    /// Monotonic time since some fixed moment of this process.
    fn monotonic(&self) -> Duration;
}

/// Chance. Seeded in the simulation, the operating system's in real life.
pub trait Rng: Send + Sync + Debug {
    /// Fills with random bytes (good enough for salts and identities).
    fn fill(&self, buf: &mut [u8]);
    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut buf = [0; 8];
        self.fill(&mut buf);
        u64::from_le_bytes(buf)
    }
    /// A random number below `n` (which must not be 0).
    fn below(&self, n: u64) -> u64 {
        // The bias is below 2^-32 for all n that fit 32 bits: nothing here needs less.
        self.next_u64() % n
    }
}

/// Everything outside of the program. Cheap to clone; the first argument of constructors.
#[derive(Clone, Debug)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Tasks and sleeping.
    pub tasks: Arc<dyn Tasks>,
}

impl Env {
    /// Waits.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.tasks.sleep(duration)
    }

    /// Runs blocking work on a pool and returns its result; `None` if it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tx, rx) = tokio::sync::oneshot::channel();
        self.tasks
            .blocking(Box::new(move || {
                let _ = tx.send(work());
            }))
            .await;
        rx.await.ok()
    }
}
