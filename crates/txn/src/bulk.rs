//! Many new rows at a time, in blocks.
//!
//! ```text
//!   block ─▶ claim_new: nobody near, no version of any key? ── Vacant ──▶ insert
//!              │ Locked: all are locked                                 ▲
//!              │ Refused: somebody may be in the way ─▶ lock one by one │
//!              └────────────────▶ which of them are there? ── none ─────┘
//! ```
//!
//! Where a load goes behind all rows there are, or into a new table, that is one look at the locks
//! and at the data for thousands of rows.

use crate::transaction::{Isolation, Transaction};
use base::Result;
use bytes::Bytes;
use format::Block;
use partition::{Claimed, LockMode, LockWait};

impl Transaction {
    /// Locks the keys of new rows, unless nobody else can see them (without `wait`), and tells which
    /// of them are there, own pending rows included. Empty if none are.
    ///
    /// # Errors
    /// As [`Transaction::lock`] and [`Transaction::latest`].
    pub async fn claim_new(
        &mut self,
        partition: u16,
        block: &Block,
        wait: Option<LockWait>,
    ) -> Result<Vec<bool>> {
        let claimed = match wait {
            // Nobody else: what is there is its own.
            None => Claimed::Vacant,
            Some(_) => self.claim_all(partition, block).await?,
        };
        let own = self.writes.touches(partition, block.first(), block.last());
        if claimed == Claimed::Vacant && !own {
            return Ok(Vec::new());
        }
        let keys = || (0..block.rows()).map(|at| block.shared_key(at));
        if let (Claimed::Refused, Some(wait)) = (claimed, wait) {
            let places: Vec<(u16, Bytes)> = keys().map(|key| (partition, key)).collect();
            self.lock(&places, LockMode::Exclusive, wait).await?;
        }
        let there = match claimed {
            Claimed::Vacant => vec![false; block.rows()],
            Claimed::Locked | Claimed::Refused => self.stored(partition, keys().collect()).await?,
        };
        let pending = keys().map(|key| self.writes.get(partition, &key));
        let there = there.into_iter().zip(pending);
        Ok(there.map(|(there, own)| own.map_or(there, |own| own.row.is_some())).collect())
    }

    async fn claim_all(&mut self, partition: u16, block: &Block) -> Result<Claimed> {
        self.check_present()?;
        self.database.room.wait(&self.database.env).await?;
        self.locked.insert(partition);
        self.database.partition(partition)?.claim(self.id, block.clone()).await
    }

    /// Which keys, all of them locked, have committed rows.
    async fn stored(&mut self, partition: u16, keys: Vec<Bytes>) -> Result<Vec<bool>> {
        let found = self.database.partition(partition)?.latest(keys.clone()).await?;
        if self.options.isolation != Isolation::ReadCommitted {
            self.check_unchanged(partition, &keys, &found).await?;
        }
        if let Some(newest) = found.iter().flatten().map(|row| row.lsn).max() {
            let depends = self.depends.entry(partition).or_default();
            *depends = (*depends).max(newest);
        }
        Ok(found.into_iter().map(|row| row.is_some()).collect())
    }

    /// Puts new rows: claimed and found not to be there, or such that nobody else can mean them.
    ///
    /// # Errors
    /// As [`Transaction::write`].
    pub fn insert(&mut self, partition: u16, block: Block) -> Result<()> {
        self.start_writing()?;
        let limit = self.database.settings.transaction_limit;
        let writes = std::sync::Arc::make_mut(&mut self.writes);
        writes.put_block(partition, block, limit)?;
        self.pending.grow_to(writes.bytes())
    }
}
