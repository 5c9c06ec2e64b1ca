//! What can be asked of a partition, wherever it lives. No shared memory, no callbacks: every
//! method could be one call over a network.

use crate::reads::ReadSet;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use base::{ClusterId, Epoch, Lsn, Result, StorageId, Timestamp, TxnId};
use bytes::Bytes;
use format::block::Block;
use futures::stream::BoxStream;
use state::ScanSpec;
use std::time::Duration;

/// Batches of rows.
pub type RowStream = BoxStream<'static, Result<RecordBatch>>;

/// A row with the commit timestamp of its version.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedRow {
    /// Commit timestamp of this version.
    pub ts: Timestamp,
    /// Where the version stands in this partition's log; [`Lsn::ZERO`] if it came from a chunk.
    pub lsn: Lsn,
    /// The row, encoded by [`format::row`].
    pub row: Bytes,
}

/// One version of a row of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogVersion {
    /// Its commit timestamp.
    pub ts: Timestamp,
    /// The row, encoded by [`format::row`]; `None` if it was deleted.
    pub row: Option<Bytes>,
}

/// Strength of a row lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Others may share it, nobody may write.
    Shared,
    /// Nobody else.
    Exclusive,
}

/// What to do if a lock is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Wait, at most this long (`None`: as long as it takes); then 55P03.
    Block(Option<Duration>),
    /// Fail at once with 55P03.
    NoWait,
    /// Leave out what is taken.
    SkipLocked,
}

/// Take row locks for a transaction, in the order given.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// Who.
    pub txn: TxnId,
    /// What.
    pub keys: Vec<Bytes>,
    /// How strongly.
    pub mode: LockMode,
    /// What if taken.
    pub wait: LockWait,
}

/// What came of an attempt to lock the keys of new rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// All are locked, and there is no version of any key from the first to the last one.
    Vacant,
    /// All are locked.
    Locked,
    /// Somebody may be in the way: none is locked.
    Refused,
}

/// One row to put or delete.
#[derive(Clone, Debug)]
pub struct Write {
    /// The storage key.
    pub key: Bytes,
    /// The new row, `None` to delete.
    pub row: Option<Bytes>,
    /// Commit timestamp of the version it replaces ([`Timestamp::ZERO`]: none), if the transaction
    /// has read it under its lock.
    pub prev: Option<Timestamp>,
}

/// Commit a transaction whose writes are all in this partition.
#[derive(Clone, Debug)]
pub struct CommitOne {
    /// Which transaction.
    pub txn: TxnId,
    /// A timestamp drawn from the oracle; the commit gets this one or a later one.
    pub floor: Timestamp,
    /// Snapshot isolation: fail with 40001 if a written row has a version newer than this.
    pub snapshot: Option<Timestamp>,
    /// SERIALIZABLE: fail with 40001 if any of this has changed since the snapshot, or is about to.
    pub reads: ReadSet,
    /// It holds guards in other partitions: see [`PartitionHandle::guard`].
    pub guarding: bool,
    /// New rows that it writes: locked, and known not to be there.
    pub blocks: Vec<Block>,
    /// What it writes beside these, sorted by key.
    pub writes: Vec<Write>,
    /// Wait until it is durable.
    pub sync: bool,
}

/// A commit that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitAck {
    /// Its commit timestamp.
    pub commit_ts: Timestamp,
    /// Where it stands in this partition's log.
    pub lsn: Lsn,
}

/// One participant's part of a transaction over several partitions.
#[derive(Clone, Debug)]
pub struct PrepareOne {
    /// Which transaction.
    pub txn: TxnId,
    /// A timestamp drawn from the oracle.
    pub floor: Timestamp,
    /// As in [`CommitOne::snapshot`].
    pub snapshot: Option<Timestamp>,
    /// As in [`CommitOne::guarding`].
    pub guarding: bool,
    /// Indexes of all partitions that take part.
    pub participants: Vec<u16>,
    /// As in [`CommitOne::blocks`].
    pub blocks: Vec<Block>,
    /// What it writes here beside these, sorted by key.
    pub writes: Vec<Write>,
    /// Wait until the prepare is durable.
    pub sync: bool,
}

/// A prepare that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareAck {
    /// The earliest timestamp at which the transaction may commit here.
    pub prepare_ts: Timestamp,
    /// Where the prepare stands in this partition's log.
    pub lsn: Lsn,
}

/// Keep what a SERIALIZABLE transaction has read as it is, until it is decided.
#[derive(Clone, Debug)]
pub struct GuardOne {
    /// Which transaction.
    pub txn: TxnId,
    /// When it read.
    pub snapshot: Timestamp,
    /// What it read here.
    pub reads: ReadSet,
}

/// What a participant knows of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It has prepared and waits for the decision.
    Prepared(Timestamp),
    /// It has committed.
    Committed(Timestamp),
    /// It has aborted.
    Aborted,
    /// Never heard of it, and it will be refused from now on.
    Absent,
}

/// A partition's figures.
#[derive(Clone, Debug, Default)]
pub struct PartitionStatus {
    /// First record still in the log.
    pub first: Lsn,
    /// Last record.
    pub end: Lsn,
    /// Last durable record.
    pub durable: Lsn,
    /// Newest closed timestamp.
    pub closed: Timestamp,
    /// Current writer's epoch.
    pub epoch: Epoch,
    /// Bytes of row versions in memory.
    pub delta_bytes: usize,
    /// Bytes of chunk files.
    pub chunk_bytes: u64,
    /// Row versions in chunk files.
    pub chunk_rows: u64,
    /// Chunk files.
    pub chunks: usize,
    /// Bytes of those that are of bases.
    pub base_bytes: u64,
    /// Bytes of those that are of runs.
    pub run_bytes: u64,
    /// Runs that wait to be merged into the base.
    pub runs: usize,
    /// The most runs of one key space: what a read may have to look through.
    pub runs_deepest: usize,
    /// A spill is being written now.
    pub spilling: bool,
    /// A merge is, in the background.
    pub merging: bool,
    /// Bytes written by spills since the partition was opened.
    pub spilled_bytes: u64,
    /// Bytes written by merges since then: with the spilled ones over these, how often a byte is
    /// written.
    pub merged_bytes: u64,
    /// Single keys read since then.
    pub gets: u64,
    /// Layers (delta, runs, base) looked into for them.
    pub get_layers: u64,
    /// Scans begun since then.
    pub scans: u64,
    /// Layers they went through.
    pub scan_layers: u64,
    /// Committed transactions in the log since the process started.
    pub transactions: u64,
    /// Timestamp of the newest commit.
    pub last_commit: Timestamp,
}

/// A partition of some node.
#[async_trait]
pub trait PartitionHandle: Send + Sync {
    /// Its place among the database's partitions.
    fn index(&self) -> u16;

    /// Rows at a timestamp, in the order of `keys`. Waits for undecided transactions at or below
    /// `ts` and until everything shown is as durable as promised.
    async fn get(&self, ts: Timestamp, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>>;

    /// A range of rows at a timestamp; same waits as [`PartitionHandle::get`].
    async fn scan(&self, spec: ScanSpec) -> Result<RowStream>;

    /// Takes locks; one answer per key, `false` only with [`LockWait::SkipLocked`]. On an error the
    /// locks already taken stay until [`PartitionHandle::release`].
    async fn lock(&self, request: LockRequest) -> Result<Vec<bool>>;

    /// Locks the keys of a block exclusively, all or none, without waiting.
    async fn claim(&self, txn: TxnId, block: Block) -> Result<Claimed>;

    /// Gives up a transaction's locks, if it has any.
    async fn release(&self, txn: TxnId);

    /// Newest committed versions of rows the caller has locked. Does not wait for durability: use
    /// [`PartitionHandle::await_durable`] before showing them or committing elsewhere.
    async fn latest(&self, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>>;

    /// Waits until the log is durable up to `lsn`.
    async fn await_durable(&self, lsn: Lsn) -> Result<()>;

    /// Commits a transaction that writes only here and gives up its locks. On an error whose
    /// outcome is not-applied the locks stay.
    async fn commit(&self, commit: CommitOne) -> Result<CommitAck>;

    /// Checks what a SERIALIZABLE transaction has read here, and keeps all others from committing
    /// or preparing a write into it until [`PartitionHandle::unguard`]. Others wait meanwhile; one
    /// that holds guards itself gets 40001 if it is the younger one. Never waits.
    ///
    /// # Errors
    /// 40001 if something has changed since the snapshot, or is about to; no guard stands then.
    async fn guard(&self, guard: GuardOne) -> Result<()>;

    /// Gives a guard up. If its transaction committed, later commits here get later timestamps.
    /// Idempotent.
    async fn unguard(&self, txn: TxnId, commit_ts: Option<Timestamp>);

    /// First step of a commit over several partitions. Locks stay.
    async fn prepare(&self, prepare: PrepareOne) -> Result<PrepareAck>;

    /// Second step: commit at a timestamp, or abort. Gives up the locks. Idempotent.
    async fn decide(&self, txn: TxnId, commit_ts: Option<Timestamp>) -> Result<()>;

    /// What became of a transaction here; an absent one is refused for ever after.
    async fn resolve(&self, txn: TxnId) -> Result<Resolution>;

    /// Commit timestamp of the newest schema change at or below `ts` (partition 0 only).
    async fn catalog_stamp(&self, ts: Timestamp) -> Result<Timestamp>;

    /// Every version of the catalog's rows above `since`, deletions included, in no particular
    /// order (partition 0 only). Does not wait for undecided transactions.
    async fn catalog_versions(&self, since: Timestamp) -> Result<Vec<CatalogVersion>>;

    /// About how many rows a key space has: for choosing a plan. Old versions and deletions count.
    async fn estimated_rows(&self, storage: StorageId) -> Result<u64>;

    /// Figures for views and metrics.
    async fn status(&self) -> Result<PartitionStatus>;

    /// The cluster whose commits this partition's leader makes.
    fn origin(&self) -> ClusterId;
}
