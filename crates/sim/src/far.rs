//! Partitions reached as over a network: each call and each answer takes its time.

use crate::dice::{Dice, Pauses};
use async_trait::async_trait;
use base::{ClusterId, Lsn, Result, StorageId, Timestamp, TxnId};
use bytes::Bytes;
use env::Env;
use format::block::Block;
use partition::{
    CatalogVersion, Claimed, CommitAck, CommitOne, GuardOne, LockRequest, PartitionHandle,
    PartitionStatus, PrepareAck, PrepareOne, Resolution, RowStream, VersionedRow,
};
use state::ScanSpec;
use std::sync::Arc;
use txn::Between;

/// In so many of a hundred cases something takes longer than no time.
const PERCENT: u64 = 50;
/// The longest time.
const MS_MAX: u64 = 6;
/// In so many of a hundred cases a decision is late, where decisions can be.
const LATE_PERCENT: u64 = 30;

struct Far {
    near: Arc<dyn PartitionHandle>,
    way: Pauses,
    /// Before a decision, which the client does not wait for.
    late: Pauses,
}

/// Partitions that are far, and hear decisions so many milliseconds late at most.
pub fn between(outside: Env, decide_ms: u64) -> Between {
    let dice = Dice::new(outside.rng.clone());
    Between(Arc::new(move |near| {
        let way = Pauses::new(outside.clone(), dice.clone(), PERCENT, MS_MAX);
        let percent = if decide_ms > 0 { LATE_PERCENT } else { 0 };
        let late = Pauses::new(outside.clone(), dice.clone(), percent, decide_ms);
        Arc::new(Far { near, way, late })
    }))
}

impl Far {
    async fn call<T>(&self, near: impl Future<Output = T>) -> T {
        self.way.take().await;
        let answer = near.await;
        self.way.take().await;
        answer
    }
}

#[async_trait]
impl PartitionHandle for Far {
    fn index(&self) -> u16 {
        self.near.index()
    }

    async fn get(&self, ts: Timestamp, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>> {
        self.call(self.near.get(ts, keys)).await
    }

    async fn scan(&self, spec: ScanSpec) -> Result<RowStream> {
        self.call(self.near.scan(spec)).await
    }

    async fn lock(&self, request: LockRequest) -> Result<Vec<bool>> {
        self.call(self.near.lock(request)).await
    }

    async fn claim(&self, txn: TxnId, block: Block) -> Result<Claimed> {
        self.call(self.near.claim(txn, block)).await
    }

    async fn release(&self, txn: TxnId) {
        self.call(self.near.release(txn)).await;
    }

    async fn latest(&self, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>> {
        self.call(self.near.latest(keys)).await
    }

    async fn await_durable(&self, lsn: Lsn) -> Result<()> {
        self.call(self.near.await_durable(lsn)).await
    }

    async fn commit(&self, commit: CommitOne) -> Result<CommitAck> {
        self.call(self.near.commit(commit)).await
    }

    async fn guard(&self, guard: GuardOne) -> Result<()> {
        self.call(self.near.guard(guard)).await
    }

    async fn unguard(&self, txn: TxnId, commit_ts: Option<Timestamp>) {
        self.call(self.near.unguard(txn, commit_ts)).await;
    }

    async fn prepare(&self, prepare: PrepareOne) -> Result<PrepareAck> {
        self.call(self.near.prepare(prepare)).await
    }

    async fn decide(&self, txn: TxnId, commit_ts: Option<Timestamp>) -> Result<()> {
        self.late.take().await;
        self.call(self.near.decide(txn, commit_ts)).await
    }

    async fn resolve(&self, txn: TxnId) -> Result<Resolution> {
        self.call(self.near.resolve(txn)).await
    }

    async fn catalog_stamp(&self, ts: Timestamp) -> Result<Timestamp> {
        self.call(self.near.catalog_stamp(ts)).await
    }

    async fn catalog_versions(&self, since: Timestamp) -> Result<Vec<CatalogVersion>> {
        self.call(self.near.catalog_versions(since)).await
    }

    async fn estimated_rows(&self, storage: StorageId) -> Result<u64> {
        self.call(self.near.estimated_rows(storage)).await
    }

    async fn status(&self) -> Result<PartitionStatus> {
        self.call(self.near.status()).await
    }

    fn origin(&self) -> ClusterId {
        self.near.origin()
    }
}
