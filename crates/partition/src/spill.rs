//! Moving row versions from the delta into chunks, merging these, and bases for copies.

use crate::partition::Partition;
use base::{Error, Lsn, Result, StorageId, Timestamp};
use format::ColumnLayout;
use state::{BasePin, Scan, ScanSpec, SpillRequest, Version};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Tells how the rows of a key space look; `None` if its table is gone.
pub type Layouts = Arc<dyn Fn(StorageId) -> Option<Vec<ColumnLayout>> + Send + Sync>;

impl Partition {
    /// Writes everything committed at or below `at` into chunks and switches the manifest. The
    /// caller vouches that no reader is below `horizon` and that every participant of every
    /// transaction at or below `at` has a durable decision. Keeps the newest manifest at or below
    /// `keep` too.
    pub async fn spill(
        self: &Arc<Self>,
        at: Timestamp,
        horizon: Timestamp,
        keep: Timestamp,
        layouts: Layouts,
    ) -> Result<()> {
        let _upkeep = self.upkeep.lock().await;
        // Looked at under the lock: once a limit is set, no spill that began before goes beyond it.
        let limited = self.inner.lock().chunk_limit.is_some_and(|limit| at > limit);
        if limited || at <= self.manifest().ts {
            return Ok(());
        }
        let this = self.clone();
        self.env
            .blocking(move || {
                let (replay_from, history, cuts) = {
                    let inner = this.inner.lock();
                    let last = this.manifest().replay_from;
                    let cuts = inner.cuts.iter().map(|(epoch, cut)| (*epoch, *cut)).collect();
                    (inner.replay_from(at, last), inner.history.clone(), cuts)
                };
                this.state().spill(SpillRequest {
                    at,
                    horizon,
                    replay_from,
                    history,
                    cuts,
                    layouts: layouts.as_ref(),
                    keep_newest_at_or_below: keep,
                })?;
                this.inner.lock().forget(at, replay_from);
                Ok(())
            })
            .await
            .unwrap_or_else(|| Err(Error::internal("writing chunks failed")))
    }

    /// Writes no chunks beyond a time until the limit is lifted. What is being written is waited for
    /// by [`Partition::diverged`].
    pub fn limit_chunks(&self, limit: Option<Timestamp>) {
        self.inner.lock().chunk_limit = limit;
    }

    /// Merges chunks, one key space after the other, as long as it is worth it; the caller vouches
    /// that no reader is below `horizon`. May take long; everything else goes on meanwhile.
    pub async fn merge(self: &Arc<Self>, horizon: Timestamp) -> Result<()> {
        while self.state().wants_merge(horizon) {
            let state = self.state();
            let merged = self.env.blocking(move || state.merge(horizon)).await;
            if !merged.unwrap_or_else(|| Err(Error::internal("merging chunks failed")))? {
                break;
            }
        }
        Ok(())
    }

    /// Writes no more files, and returns when none is being written: somebody else is going to open
    /// the folder, or to remove it.
    pub async fn retire(self: &Arc<Self>) {
        let _upkeep = self.upkeep.lock().await;
        let state = self.state();
        self.env.blocking(move || state.close()).await;
    }

    /// Tells those who still read it that another one has taken its place.
    pub fn replace(&self) {
        self.replaced.store(true, Ordering::SeqCst);
        self.decided.notify_waiters();
    }

    /// From where the log is needed to open any manifest that is kept.
    pub fn log_needed_from(&self) -> Lsn {
        let state = self.state();
        state.manifests().iter().map(|m| m.replay_from).min().unwrap_or(Lsn(1))
    }

    /// Bytes of the log that is still there from one position up to, and without, another.
    pub fn log_bytes(&self, from: Lsn, to: Lsn) -> u64 {
        self.log.bytes_between(self.settings.log_id, from, to)
    }

    /// Lets the log go before a position.
    pub fn trim(&self, keep_from: Lsn) {
        self.log.trim(self.settings.log_id, keep_from);
    }

    /// The newest rows of a key range, whatever is closed or decided: for a partition that a new base
    /// is made from.
    pub fn stored(&self, spec: ScanSpec) -> Result<Scan> {
        self.state().scan(ScanSpec { ts: Timestamp::MAX, ..spec })
    }

    /// The newest version of a key, also if it is a deletion that is still kept.
    pub fn stored_version(&self, key: &[u8]) -> Result<Option<Version>> {
        self.state().newest(key)
    }

    /// Makes sure that the state has all that the log has: not so after a rewind that the disk broke
    /// off.
    pub async fn make_whole(self: &Arc<Self>) -> Result<()> {
        let _upkeep = self.upkeep.lock().await;
        let this = self.clone();
        let work = move || if this.inner.lock().incomplete { this.reopen() } else { Ok(()) };
        let done = self.env.blocking(work).await;
        done.unwrap_or_else(|| Err(Error::internal("opening a partition again failed")))
    }

    /// The current manifest and its files, kept while the pin lives.
    pub fn pin_base(&self) -> BasePin {
        self.state().pin_base()
    }
}
