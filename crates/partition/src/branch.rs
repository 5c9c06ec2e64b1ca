//! The beginning of a new partition: what this one holds at one time, under files of its own.

use crate::order::Reach;
use crate::partition::Partition;
use crate::spill::Layouts;
use base::{Error, Result, Timestamp};
use state::BranchRequest;
use std::path::PathBuf;
use std::sync::Arc;

impl Partition {
    /// Makes a partition in the empty folder `dir` of what is here at `at`, as leader or follower,
    /// while all goes on. The caller keeps the versions of that time from being merged away. Returns
    /// the bytes of files that both share now, and of those that were written.
    ///
    /// # Errors
    /// 55000 if a follower has not received that time yet, 72000 if it is gone.
    pub async fn branch(
        self: &Arc<Self>,
        at: Timestamp,
        dir: PathBuf,
        layouts: Layouts,
    ) -> Result<(u64, u64)> {
        let end = self.see(at, Reach::All).await?;
        // What a crash could still take away here must not live on in a branch.
        self.reveal(end).await?;
        let _upkeep = self.upkeep.lock().await;
        let epoch = self.inner.lock().epoch();
        let this = self.clone();
        let branch = move || {
            let layouts = layouts.as_ref();
            this.state().branch(&BranchRequest { at, dir: &dir, epoch, layouts })
        };
        let made = self.env.blocking(branch).await;
        made.unwrap_or_else(|| Err(Error::internal("making a branch failed")))
    }
}
