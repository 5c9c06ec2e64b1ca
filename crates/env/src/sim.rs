//! A simulated world: many nodes in one thread, each with its own disk, clock and tasks, and all
//! chance drawn from one seed, so that a run can be repeated exactly.
//!
//! ```text
//!   sim::run(seed, |world| async { … })     one thread, paused tokio clock: sleeping is free
//!        world.node() ── SimNode ── env()   the Env of the node's present life
//!                          │ crash()        power loss: tasks end, unsynced data is lost or torn
//!                          │ kill()         the process ends, the page cache survives
//!                          └ restart()      a new life over what is left
//! ```
//!
//! # What a power loss does
//! * Of the unsynced writes to each 4 KiB page, none, some (in order, the last one perhaps torn) or
//!   all survive; pages are independent of each other.
//! * Each creation, rename and removal not made safe by `sync_dir` survives or not, as far as that
//!   still makes sense (a rename is atomic).
//! * Handles of the old life fail from then on, whoever still holds them.

mod disk;
mod model;
mod names;
mod node;
mod outside;

pub use node::SimNode;

use crate::Rng;
use outside::SeededRng;
use parking_lot::Mutex;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The wall clock of every simulation starts at 2026-01-01T00:00:00Z.
pub const START_MS: u64 = 1_767_225_600_000;

/// Runs one scenario in a world of its own, on this thread, with the clock paused: time passes only
/// when every task waits.
pub fn run<T, F: Future<Output = T>>(seed: u64, scenario: impl FnOnce(World) -> F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing that could be missing");
    runtime.block_on(async move { scenario(World::new(seed)).await })
}

/// One simulated world. Cheap to clone. Make it inside a paused runtime, best by [`run`].
#[derive(Clone, Debug)]
pub struct World {
    inner: Arc<WorldInner>,
}

#[derive(Debug)]
struct WorldInner {
    seed: u64,
    start: tokio::time::Instant,
    rng: Arc<SeededRng>,
    nodes: Mutex<u64>,
}

impl World {
    /// A world whose every accident follows from `seed`.
    pub fn new(seed: u64) -> World {
        World {
            inner: Arc::new(WorldInner {
                seed,
                start: outside::now(),
                rng: Arc::new(SeededRng::new(ChaCha8Rng::seed_from_u64(seed))),
                nodes: Mutex::new(0),
            }),
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// A new node with an empty disk.
    pub fn node(&self) -> SimNode {
        let mut nodes = self.inner.nodes.lock();
        *nodes += 1;
        // Every node draws from a stream of its own: what one does never changes another's luck.
        let mut rng = ChaCha8Rng::seed_from_u64(self.inner.seed);
        rng.set_stream(*nodes);
        SimNode::new(self.inner.start, ChaCha8Rng::seed_from_u64(rng.next_u64()))
    }

    /// The scenario's own chance (which node to crash, and when).
    pub fn rng(&self) -> Arc<dyn Rng> {
        self.inner.rng.clone()
    }

    /// Simulated time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.inner.start.elapsed()
    }
}

#[cfg(test)]
mod tests;
