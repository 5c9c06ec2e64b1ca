//! Commit: one partition in one call, several by prepare and decide.

use crate::database::Database;
use crate::gate::WriterGuard;
use crate::room::PendingBytes;
use crate::serial::Reads;
use crate::snapshot::Snapshot;
use crate::transaction::{Committed, Isolation, Transaction};
use crate::writes::PartitionWrites;
use base::{Error, Lsn, Outcome, Result, SqlState, Timestamp, TxnId};
use format::Block;
use futures::future::join_all;
use partition::{CommitOne, PrepareOne, ReadSet, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Everything a commit needs, detached from the client that asked for it.
pub(crate) struct Job {
    pub(crate) id: TxnId,
    pub(crate) database: Arc<Database>,
    /// Not under READ COMMITTED. Keeps what is newer from being merged away before it is compared.
    snapshot: Option<Arc<Snapshot>>,
    reads: Reads,
    writes: BTreeMap<u16, PartitionWrites>,
    locked: BTreeSet<u16>,
    depends: BTreeMap<u16, Lsn>,
    /// Counted until the versions are in the delta.
    pending: PendingBytes,
    /// Keeps a gate from closing over a commit that is under way.
    _writer: Option<WriterGuard>,
}

impl Transaction {
    /// Commits. When it returns `Ok` the transaction is as durable as its database promises.
    ///
    /// # Errors
    /// [`Outcome`] tells whether it happened: 40001 and refusals did not; 08007 may have.
    pub async fn commit(mut self) -> Result<Committed> {
        self.settle_sequences()?;
        let writes = Arc::make_mut(&mut self.writes).take();
        if writes.is_empty() {
            self.rollback().await;
            return Ok(Committed { ts: Timestamp::ZERO });
        }
        let snapshot = (self.options.isolation != Isolation::ReadCommitted)
            .then(|| self.snapshot.clone())
            .flatten();
        let job = Job {
            id: self.id,
            database: self.database.clone(),
            snapshot,
            reads: self.take_reads(),
            writes,
            locked: std::mem::take(&mut self.locked),
            depends: std::mem::take(&mut self.depends),
            pending: std::mem::replace(
                &mut self.pending,
                PendingBytes::new(self.database.room.clone()),
            ),
            _writer: self.writer.take(),
        };
        let (tx, rx) = oneshot::channel();
        // A task of its own: a client that goes away must not leave the commit half done.
        self.database.env.tasks.spawn(
            "commit",
            Box::pin(async move {
                let _ = tx.send(job.run().await);
            }),
        );
        rx.await.unwrap_or_else(|_| {
            Err(Error::new(
                SqlState::TRANSACTION_RESOLUTION_UNKNOWN,
                "the server stopped during the commit",
            )
            .outcome_unknown())
        })
    }
}

impl Job {
    async fn run(mut self) -> Result<Committed> {
        let result = self.decide().await;
        for partition in &self.locked {
            self.database.partition(*partition)?.release(self.id).await;
        }
        let ts = result?;
        self.database.cover.committed(ts);
        self.database.room.note(self.pending.bytes());
        Ok(Committed { ts })
    }

    /// Brings the transaction into all its partitions, or into none.
    async fn decide(&mut self) -> Result<Timestamp> {
        let writes = std::mem::take(&mut self.writes);
        let mut reads = std::mem::take(&mut self.reads);
        let only = writes.keys().next().copied().filter(|_| writes.len() == 1);
        // Before guards stand: they are to stand for a short time only.
        self.await_causes(only).await?;
        let here = only.and_then(|partition| reads.remove(&partition)).unwrap_or_default();
        let guarding = !reads.is_empty();
        let this = &*self;
        let commit = async {
            match only {
                Some(_) => this.commit_in_one(writes, here, guarding).await,
                None => this.commit_in_several(writes, guarding).await,
            }
        };
        if guarding { this.under_guards(reads, commit).await } else { commit.await }
    }

    pub(crate) fn snapshot_ts(&self) -> Timestamp {
        self.snapshot.as_ref().map_or(Timestamp::ZERO, |s| s.ts())
    }

    /// Waits until what was read or overwritten elsewhere cannot be lost.
    async fn await_causes(&self, except: Option<u16>) -> Result<()> {
        for (partition, lsn) in &self.depends {
            if Some(*partition) != except {
                self.database.partition(*partition)?.await_durable(*lsn).await?;
            }
        }
        Ok(())
    }

    async fn commit_in_one(
        &self,
        writes: BTreeMap<u16, PartitionWrites>,
        reads: ReadSet,
        guarding: bool,
    ) -> Result<Timestamp> {
        let Some((partition, writes)) = writes.into_iter().next() else {
            return Ok(Timestamp::ZERO);
        };
        let (blocks, writes) = parts(writes);
        let ack = self
            .database
            .partition(partition)?
            .commit(CommitOne {
                txn: self.id,
                floor: self.database.oracle.next(),
                snapshot: self.snapshot.as_ref().map(|s| s.ts()),
                reads,
                guarding,
                blocks,
                writes,
                sync: self.database.sync(),
            })
            .await?;
        self.database.oracle.advance(ack.commit_ts);
        Ok(ack.commit_ts)
    }

    async fn commit_in_several(
        &self,
        writes: BTreeMap<u16, PartitionWrites>,
        guarding: bool,
    ) -> Result<Timestamp> {
        let participants: Vec<u16> = writes.keys().copied().collect();
        let floor = self.database.oracle.next();
        let mut prepares = Vec::with_capacity(writes.len());
        for (partition, writes) in writes {
            let (blocks, writes) = parts(writes);
            let handle = self.database.partition(partition)?;
            prepares.push(handle.prepare(PrepareOne {
                txn: self.id,
                floor,
                snapshot: self.snapshot.as_ref().map(|s| s.ts()),
                guarding,
                participants: participants.clone(),
                blocks,
                writes,
                sync: self.database.sync(),
            }));
        }
        let mut commit_ts = Timestamp::ZERO;
        let mut failed: Option<Error> = None;
        for answer in join_all(prepares).await {
            match answer {
                Ok(ack) => commit_ts = commit_ts.max(ack.prepare_ts),
                Err(error) => failed = Some(failed.unwrap_or(error)),
            }
        }
        let decision = failed.is_none().then_some(commit_ts);
        self.database.oracle.advance(commit_ts);
        for partition in &participants {
            self.database.partition(*partition)?.decide(self.id, decision).await?;
        }
        match failed {
            // The decision to abort stands everywhere, whatever the prepare's own answer was.
            Some(mut error) => {
                error.outcome = Outcome::NotApplied;
                Err(error)
            }
            None => Ok(commit_ts),
        }
    }
}

fn parts(writes: PartitionWrites) -> (Vec<Block>, Vec<Write>) {
    let (blocks, rows) = writes.into_parts();
    let rows = rows.into_iter().map(|(key, p)| Write { key, row: p.row, prev: p.prev });
    (blocks, rows.collect())
}
