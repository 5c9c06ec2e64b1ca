//! Room for row versions in memory, over all databases of a node: the delta, and what running
//! transactions have written so far.
//!
//! ```text
//!   0 ────────── soft ────────────── hard ─────────▶ bytes of the delta
//!     all is well │ spills, at once   │ who wants to write waits for them
//!                 │ in the upper half │
//! ```
//!
//! Whoever waits holds perhaps row locks, but nothing that a spill needs: a spill waits only for
//! commits that are under way, and these never come by here. So waiting ends, or what it waits for is
//! broken or slow. Nobody waits longer than [`WAIT_MAX`]; then the statement goes on, unless there is
//! twice as much as there may be: then it fails and has changed nothing. Databases whose delta cannot
//! be written down now (a copy or a rewind that is not complete) do not count.

use crate::settings::EngineSettings;
use base::{Error, Result, SqlState};
use env::Env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The longest that a statement waits for room.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The longest that a follower waits for room before each batch: partitions that are behind others
/// must come on, or nothing can be written down.
const SLOW_MAX: Duration = Duration::from_millis(500);
/// How often it asks again for a spill.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// See the module's head.
#[derive(Debug)]
pub struct Room {
    soft: usize,
    hard: usize,
    pending_limit: usize,
    /// Both together.
    total: usize,
    /// Bytes of the delta when it was last measured, and those of commits since then.
    measured: AtomicUsize,
    added: AtomicUsize,
    /// Bytes that running transactions have written.
    pending: AtomicUsize,
    wanted: Notify,
    freed: Notify,
}

impl Room {
    pub(crate) fn new(settings: &EngineSettings) -> Arc<Room> {
        let (soft, pending_limit) = (settings.delta_bytes, settings.pending_limit);
        Arc::new(Room {
            soft,
            hard: settings.delta_limit.max(soft),
            pending_limit,
            total: settings.row_limit.max(soft.saturating_add(pending_limit)),
            measured: AtomicUsize::new(0),
            added: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            wanted: Notify::new(),
            freed: Notify::new(),
        })
    }

    /// About how many bytes the delta takes.
    pub fn delta_bytes(&self) -> usize {
        self.measured.load(Ordering::Relaxed) + self.added.load(Ordering::Relaxed)
    }

    /// The most it may take now.
    pub fn delta_limit(&self) -> usize {
        self.hard.min(self.total.saturating_sub(self.pending().0)).max(self.soft)
    }

    fn is_full(&self) -> bool {
        self.delta_bytes() > self.delta_limit()
    }

    /// Bytes that running transactions have written, and the most that may be.
    pub fn pending(&self) -> (usize, usize) {
        (self.pending.load(Ordering::Relaxed), self.pending_limit)
    }

    /// Notes what came into the delta.
    pub fn note(&self, bytes: usize) {
        self.added.fetch_add(bytes, Ordering::Relaxed);
        // Beyond the soft limit upkeep comes by soon enough, unless there is very much to write.
        if self.delta_bytes() > self.soft / 2 + self.delta_limit() / 2 {
            self.wanted.notify_one();
        }
    }

    /// Measures the delta anew.
    pub(crate) fn measure(&self, delta: impl FnOnce() -> usize) {
        // What is added meanwhile counts twice until the next time.
        self.added.store(0, Ordering::Relaxed);
        self.measured.store(delta(), Ordering::Relaxed);
        if !self.is_full() {
            self.freed.notify_waiters();
        }
    }

    /// Returns when a spill is wanted.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Waits until the delta is below its limit, for a bounded time.
    ///
    /// # Errors
    /// 53200 if it is far above its limit after that.
    pub async fn wait(&self, env: &Env) -> Result<()> {
        if self.is_full() {
            self.wait_at_most(env, WAIT_MAX).await;
        }
        match self.delta_bytes() > 2 * self.delta_limit() {
            true => Err(self.full()),
            false => Ok(()),
        }
    }

    /// Lets a follower wait a little if the delta is above its limit.
    pub async fn slow_down(&self, env: &Env) {
        if self.is_full() {
            self.wait_at_most(env, SLOW_MAX).await;
        }
    }

    async fn wait_at_most(&self, env: &Env, time: Duration) {
        let end = env.clock.monotonic() + time;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if !self.is_full() || env.clock.monotonic() >= end {
                return;
            }
            self.wanted.notify_one();
            futures::future::select(freed, env.sleep(ASK_AGAIN)).await;
        }
    }

    fn full(&self) -> Error {
        let (bytes, limit) = (self.delta_bytes(), self.delta_limit());
        Error::new(
            SqlState::OUT_OF_MEMORY,
            "recent row versions fill their share of memory and are not written down fast enough",
        )
        .detail(format!("they take {bytes} bytes of {limit}; the statement has changed nothing"))
        .hint("see the messages of the server for why: a full disk, or a slow one")
    }
}

/// What one transaction has written so far, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct PendingBytes {
    room: Arc<Room>,
    bytes: usize,
}

impl PendingBytes {
    pub(crate) fn new(room: Arc<Room>) -> PendingBytes {
        PendingBytes { room, bytes: 0 }
    }

    /// How many.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts so many in all.
    ///
    /// # Errors
    /// 53200 if running transactions together would have written more than they may.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        let before = self.room.pending.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        let limit = self.room.pending_limit;
        if before.saturating_add(more) <= limit {
            return Ok(());
        }
        Err(Error::new(
            SqlState::OUT_OF_MEMORY,
            format!("running transactions have written more than {limit} bytes"),
        )
        .detail(format!("this one {} bytes; it has changed nothing", self.bytes))
        .hint("write less in one transaction, or raise memory-limit"))
    }
}

impl Drop for PendingBytes {
    fn drop(&mut self) {
        self.room.pending.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
