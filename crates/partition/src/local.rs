//! The handle of a partition in this process.

use crate::handle::{
    CatalogVersion, Claimed, CommitAck, CommitOne, GuardOne, LockRequest, LockWait,
    PartitionStatus, PrepareAck, PrepareOne, Resolution, RowStream, VersionedRow,
};
use crate::locks::Acquire;
use crate::order::Reach;
use crate::partition::{Partition, Role};
use async_trait::async_trait;
use base::{ClusterId, Error, Lsn, Result, SqlState, StorageId, Timestamp, TxnId};
use bytes::Bytes;
use format::block::Block;
use futures::StreamExt;
use futures::future::{self, Either};
use state::{ScanSpec, Version};
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// Takes a request out of the queue if its future is dropped while it waits.
struct Queued<'a> {
    partition: &'a Partition,
    key: &'a Bytes,
    txn: TxnId,
    ticket: u64,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut inner = self.partition.inner.lock();
        if inner.waiting.remove(&self.ticket).is_some() {
            let woken = inner.locks.cancel(self.key, self.ticket);
            inner.wake(woken);
        }
        self.partition.waits.done(self.txn);
    }
}

impl Partition {
    /// Waits until a read at `ts` can be served.
    pub(crate) async fn see(&self, ts: Timestamp, reach: Reach<'_>) -> Result<Lsn> {
        loop {
            let decided = self.decided.notified();
            tokio::pin!(decided);
            decided.as_mut().enable();
            self.check_place()?;
            {
                let mut inner = self.inner.lock();
                if inner.role == Role::Follower && ts > inner.order.closed() {
                    return Err(Error::new(
                        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        "this copy of the database has not received that time yet",
                    ));
                }
                if inner.order.read(ts, reach).is_ok() {
                    return Ok(inner.end);
                }
            }
            decided.await;
        }
    }

    async fn lock_one(&self, request: &LockRequest, key: &Bytes) -> Result<bool> {
        let (ticket, granted) = {
            let mut inner = self.inner.lock();
            inner.check_leader()?;
            if request.wait != LockWait::Block(None)
                && !matches!(request.wait, LockWait::Block(Some(_)))
            {
                let got = inner.locks.try_acquire(request.txn, key, request.mode);
                return match (got, request.wait) {
                    (false, LockWait::NoWait) => Err(not_available("could not obtain lock on row")),
                    (got, _) => Ok(got),
                };
            }
            match inner.locks.acquire(request.txn, key, request.mode) {
                Acquire::Granted => return Ok(true),
                Acquire::Queued { ticket, blockers } => {
                    if !self.waits.wait(request.txn, &blockers) {
                        let woken = inner.locks.cancel(key, ticket);
                        inner.wake(woken);
                        return Err(Error::new(SqlState::DEADLOCK_DETECTED, "deadlock detected")
                            .hint("run the transaction again"));
                    }
                    let (tx, rx) = oneshot::channel();
                    inner.waiting.insert(ticket, (request.txn, tx));
                    (ticket, rx)
                }
            }
        };
        let _queued = Queued { partition: self, key, txn: request.txn, ticket };
        let LockWait::Block(Some(limit)) = request.wait else {
            return granted.await.map(|()| true).map_err(|_| role_changed());
        };
        match future::select(granted, self.env.sleep(limit)).await {
            Either::Left((granted, _)) => granted.map(|()| true).map_err(|_| role_changed()),
            Either::Right(_) => Err(not_available("canceling statement due to lock timeout")),
        }
    }

    pub(crate) async fn reveal(&self, lsn: Lsn) -> Result<()> {
        if self.settings.sync && lsn > Lsn::ZERO {
            self.check_place()?;
            let waited = self.log.wait_durable(self.settings.log_id, lsn).await;
            waited.or_else(|error| self.check_place().and(Err(error)))?;
        }
        Ok(())
    }

    /// Refuses reads of a copy whose files go.
    fn check_place(&self) -> Result<()> {
        if !self.replaced.load(Ordering::SeqCst) {
            return Ok(());
        }
        let message = "this copy of the database was replaced by a newer one";
        Err(Error::new(SqlState::CANNOT_CONNECT_NOW, message).hint("run the statement again"))
    }
}

fn not_available(message: &str) -> Error {
    Error::new(SqlState::LOCK_NOT_AVAILABLE, message)
}

fn role_changed() -> Error {
    Error::new(
        SqlState::READ_ONLY_SQL_TRANSACTION,
        "this copy of the database no longer takes writes",
    )
}

fn shown(version: Option<Version>) -> Option<VersionedRow> {
    let version = version?;
    let row = version.row?;
    Some(VersionedRow { ts: version.ts, lsn: version.lsn, row })
}

#[async_trait]
impl crate::PartitionHandle for Partition {
    fn index(&self) -> u16 {
        self.settings.index
    }

    async fn get(&self, ts: Timestamp, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>> {
        self.see(ts, Reach::Keys(&keys)).await?;
        let state = self.state();
        let mut rows = Vec::with_capacity(keys.len());
        let mut newest = Lsn::ZERO;
        for key in &keys {
            let version = state.get(key, ts)?;
            newest = newest.max(version.as_ref().map_or(Lsn::ZERO, |v| v.lsn));
            rows.push(shown(version));
        }
        self.reveal(newest).await?;
        Ok(rows)
    }

    async fn scan(&self, spec: ScanSpec) -> Result<RowStream> {
        let end = self.see(spec.ts, Reach::Range(&spec.start, &spec.end)).await?;
        self.reveal(end).await?;
        let scan = self.state().scan(spec)?;
        Ok(futures::stream::iter(scan).boxed())
    }

    async fn lock(&self, request: LockRequest) -> Result<Vec<bool>> {
        let mut answers = Vec::with_capacity(request.keys.len());
        while answers.len() < request.keys.len() {
            {
                let mut inner = self.inner.lock();
                inner.check_leader()?;
                while let Some(key) = request.keys.get(answers.len())
                    && inner.locks.try_acquire(request.txn, key, request.mode)
                {
                    answers.push(true);
                }
            }
            if let Some(key) = request.keys.get(answers.len()) {
                answers.push(self.lock_one(&request, key).await?);
            }
        }
        Ok(answers)
    }

    async fn claim(&self, txn: TxnId, block: Block) -> Result<Claimed> {
        {
            let mut inner = self.inner.lock();
            inner.check_leader()?;
            if !inner.locks.claim(txn, &block) {
                return Ok(Claimed::Refused);
            }
        }
        let vacant = self.state().is_vacant(block.first(), &format::key::after(block.last()))?;
        Ok(if vacant { Claimed::Vacant } else { Claimed::Locked })
    }

    async fn release(&self, txn: TxnId) {
        let mut inner = self.inner.lock();
        let woken = inner.locks.release(txn);
        inner.wake(woken);
    }

    async fn latest(&self, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>> {
        let state = self.state();
        keys.iter().map(|key| state.newest(key).map(shown)).collect()
    }

    async fn await_durable(&self, lsn: Lsn) -> Result<()> {
        self.reveal(lsn).await
    }

    async fn commit(&self, commit: CommitOne) -> Result<CommitAck> {
        self.commit_one(commit).await
    }

    async fn guard(&self, guard: GuardOne) -> Result<()> {
        self.guard_one(&guard)
    }

    async fn unguard(&self, txn: TxnId, commit_ts: Option<Timestamp>) {
        self.unguard_one(txn, commit_ts);
    }

    async fn prepare(&self, prepare: PrepareOne) -> Result<PrepareAck> {
        self.prepare_one(prepare).await
    }

    async fn decide(&self, txn: TxnId, commit_ts: Option<Timestamp>) -> Result<()> {
        self.decide_one(txn, commit_ts)
    }

    async fn resolve(&self, txn: TxnId) -> Result<Resolution> {
        Ok(self.resolve_one(txn))
    }

    async fn catalog_stamp(&self, ts: Timestamp) -> Result<Timestamp> {
        let (start, end) = format::key::range(base::StorageId::CATALOG);
        self.see(ts, Reach::Range(&start, &end)).await?;
        let inner = self.inner.lock();
        let at = inner.catalog_changes.partition_point(|t| *t <= ts);
        Ok(at
            .checked_sub(1)
            .and_then(|i| inner.catalog_changes.get(i))
            .copied()
            .unwrap_or_default())
    }

    async fn catalog_versions(&self, since: Timestamp) -> Result<Vec<CatalogVersion>> {
        let versions = self.state().versions(base::StorageId::CATALOG, since)?;
        Ok(versions.into_iter().map(|(_, v)| CatalogVersion { ts: v.ts, row: v.row }).collect())
    }

    async fn estimated_rows(&self, storage: StorageId) -> Result<u64> {
        Ok(self.state().rows_of(storage))
    }

    async fn status(&self) -> Result<PartitionStatus> {
        let stats = self.state().stats();
        let inner = self.inner.lock();
        Ok(PartitionStatus {
            first: self.log.first(self.settings.log_id),
            end: inner.end,
            durable: self.log.durable(self.settings.log_id),
            closed: inner.order.closed(),
            epoch: inner.epoch(),
            delta_bytes: stats.delta_bytes,
            chunk_bytes: stats.chunk_bytes,
            chunk_rows: stats.chunk_rows,
            chunks: stats.chunks,
            base_bytes: stats.base_bytes,
            run_bytes: stats.run_bytes,
            runs: stats.runs,
            runs_deepest: stats.runs_deepest,
            spilling: stats.spilling,
            merging: stats.merging,
            spilled_bytes: stats.spilled_bytes,
            merged_bytes: stats.merged_bytes,
            gets: stats.gets,
            get_layers: stats.get_layers,
            scans: stats.scans,
            scan_layers: stats.scan_layers,
            transactions: inner.transactions,
            last_commit: inner.order.last_commit(),
        })
    }

    fn origin(&self) -> ClusterId {
        self.settings.cluster
    }
}
