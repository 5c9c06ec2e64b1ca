//! Merging runs: with each other, and into the base. Reads, writes and spills go on meanwhile.
//!
//! 1. Choose a key space and what to merge in it ([`tiers`](crate::tiers)); claim these runs.
//! 2. Write the new files ([`rewrite`](crate::rewrite)).
//! 3. Take the lock of maintenance. If the runs are no longer there, give up.
//! 4. Write a manifest that names the new files in place of the old ones, at the timestamp of the
//!    current one: runs that were spilled meanwhile stay above.
//! 5. Switch readers to it, and remove what nobody names or uses.
//!
//! A crash before step 4 leaves garbage files, after it the new manifest.
//!
//! There is one merge in the background at a time, which may take long when much of the base is
//! rewritten. A spill that finds too many runs does not wait for it: it joins some of the newer
//! ones, which that merge has not claimed.

use crate::State;
use crate::files::{sync, write_manifest};
use crate::rewrite::Merged;
use crate::tiers::{Choice, choose, is_full};
use crate::write::Namer;
use base::{Error, Result, SqlState, StorageId, Timestamp};
use format::{Manifest, TableChunks};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Up to where the runs of a key space are in the hands of a merge, for every such merge.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<(StorageId, Timestamp)>);

impl Claims {
    fn upto(&self, storage: StorageId) -> Timestamp {
        let own = self.0.iter().filter(|c| c.0 == storage);
        own.map(|c| c.1).max().unwrap_or_default()
    }

    fn give_up(&mut self, claim: (StorageId, Timestamp)) {
        if let Some(i) = self.0.iter().position(|c| *c == claim) {
            self.0.swap_remove(i);
        }
    }
}

impl State {
    /// Merges some runs of one key space if that is worth it; false if there is nothing to do.
    /// Nobody reads below `horizon` any more. Blocks, perhaps for long; everything else goes on.
    pub fn merge(&self, horizon: Timestamp) -> Result<bool> {
        if !self.wants_merge(horizon) {
            return Ok(false);
        }
        let _one_at_a_time = self.inner.merging.lock();
        self.merge_one(horizon, false)
    }

    /// Sees to it that no key space has more runs than it may after the next spill.
    pub(crate) fn make_room(&self, horizon: Timestamp) -> Result<()> {
        while !self.is_closed() {
            let max = self.inner.settings.runs_max;
            if !self.manifest().tables.iter().any(|t| is_full(t, max)) {
                break;
            }
            if !self.merge_one(horizon, true)? {
                // Nearly all runs are in the hands of the other merge.
                drop(self.inner.merging.lock());
            }
        }
        Ok(())
    }

    /// True if [`State::merge`] would find something to do.
    pub fn wants_merge(&self, horizon: Timestamp) -> bool {
        let claims = self.inner.claims.lock();
        self.chosen(&self.manifest(), horizon, false, &claims).is_some()
    }

    /// Ends all writing of files: a merge that runs gives up soon, a spill is waited for, and later
    /// ones do nothing. To be called before somebody else opens the folder. Blocks.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        drop(self.inner.merging.lock());
        drop(self.inner.spilling.lock());
    }

    /// Takes [`State::close`] back, when nobody else has opened the folder after all.
    pub fn resume(&self) {
        self.inner.closed.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::SeqCst)
    }

    fn chosen<'a>(
        &self,
        manifest: &'a Manifest,
        horizon: Timestamp,
        hurry: bool,
        claims: &Claims,
    ) -> Option<(&'a TableChunks, Choice)> {
        let max = self.inner.settings.runs_max;
        let horizon = horizon.min(manifest.ts);
        let choice = |t| choose(t, (horizon, claims.upto(t.storage)), max, hurry);
        manifest.tables.iter().find_map(|t| Some((t, choice(t)?)))
    }

    fn merge_one(&self, horizon: Timestamp, hurry: bool) -> Result<bool> {
        let inner = &*self.inner;
        let mut claims = inner.claims.lock();
        let base = self.view().base;
        let chosen = self.chosen(&base.manifest, horizon, hurry, &claims);
        let Some((table, choice)) = chosen.filter(|_| !self.is_closed()) else { return Ok(false) };
        let end = match &choice {
            Choice::Join(range) => range.end,
            Choice::IntoBase(count) => *count,
        };
        let claim = (table.storage, table.runs[end - 1].hi);
        claims.0.push(claim);
        drop(claims);
        let seq = inner.files.lock().writing();
        let namer = Namer::new(&inner.dir, seq);
        let horizon = horizon.min(base.manifest.ts).max(base.manifest.horizon);
        let merged = match choice {
            Choice::Join(range) => self.join(&base, table, range, horizon, &namer),
            Choice::IntoBase(count) => self.rebase(&base, table, count, horizon, &namer),
        };
        // What it holds is no garbage.
        drop(base);
        let _maintenance = inner.maintenance.lock();
        let done = merged.and_then(|merged| self.install(merged, horizon, namer.count() > 0));
        inner.claims.lock().give_up(claim);
        inner.files.lock().written(seq);
        self.collect();
        match done {
            Err(_) if self.is_closed() => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// An error when a merge had better end.
    pub(crate) fn go_on(&self) -> Result<()> {
        if !self.is_closed() {
            return Ok(());
        }
        Err(Error::new(SqlState::QUERY_CANCELED, "a merge of chunks was given up"))
    }

    /// Makes the merged files part of the current manifest, whatever was spilled meanwhile.
    fn install(&self, merged: Merged, horizon: Timestamp, wrote: bool) -> Result<()> {
        let inner = &*self.inner;
        let Merged { storage, runs, run, base, bytes } = merged;
        let current = self.manifest();
        let place = current.table(storage).and_then(|now| {
            let at = now.runs.windows(runs.len()).position(|w| w == runs)?;
            let same = base.as_ref().is_none_or(|(old, _)| at == 0 && *old == now.chunks);
            same.then_some((now, at))
        });
        // Otherwise the key space was dropped, or an older manifest has taken over.
        let Some((now, at)) = place else { return Ok(()) };
        let mut new = now.clone();
        new.runs.splice(at..at + runs.len(), run);
        if let Some((_, chunks)) = base {
            new.chunks = chunks;
        }
        let mut manifest = current.as_ref().clone();
        manifest.seq = inner.files.lock().take_seq();
        manifest.horizon = manifest.horizon.max(horizon.min(manifest.ts));
        manifest.tables.retain(|t| t.storage != storage);
        if new.files().next().is_some() {
            let at = manifest.tables.partition_point(|t| t.storage < storage);
            manifest.tables.insert(at, new);
        }
        let manifest = Arc::new(manifest);
        if wrote {
            sync(&inner.dir, &inner.disk)?;
        }
        write_manifest(&inner.dir, &inner.disk, &manifest)?;
        inner.counts.merged.fetch_add(bytes, Ordering::Relaxed);
        let mut files = inner.files.lock();
        // It takes the place of the one it says the same as.
        files.retained.pop();
        files.retained.push(manifest.clone());
        let base = Arc::new(files.base(manifest, &inner.dir, &inner.disk, &inner.cache));
        drop(files);
        inner.view.write().base = base;
        Ok(())
    }
}
