//! The real world: the operating system's clock, randomness, files and threads.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that may touch the real clock, files, threads and tasks"
)]

mod disk;
mod tasks;

use crate::{Clock, Env, Rng};
use rand::TryRngCore;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The environment of this process. Call it inside the tokio runtime that shall run the tasks:
/// whatever thread spawns them later, they run there. Called outside of a runtime, tasks go to the
/// runtime of the thread that spawns them.
pub fn env() -> Env {
    Env {
        clock: Arc::new(SystemClock { start: Instant::now() }),
        rng: Arc::new(OsRandom),
        disk: Arc::new(disk::OsDisk),
        tasks: Arc::new(tasks::TokioTasks::new()),
    }
}

#[derive(Debug)]
struct SystemClock {
    start: Instant,
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[derive(Debug)]
struct OsRandom;

impl Rng for OsRandom {
    fn fill(&self, buf: &mut [u8]) {
        rand::rngs::OsRng
            .try_fill_bytes(buf)
            .expect("the operating system always gives randomness");
    }
}

#[cfg(test)]
mod tests;
