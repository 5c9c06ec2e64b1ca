//! One partition's life: lead, follow, be read, be promoted, come back.
//!
//! A partition is a log and a manifest ([`log::Log`], [`state::State`]); this room keeps the two in
//! step and decides what may enter the log.
//!
//! ```text
//!            lock ─▶ latest ─▶ commit / prepare ─▶ decide            (leader)
//!                                 │ under the partition's mutex:
//!                                 │ timestamp → log.append → state.apply → locks go
//!   clients ── PartitionHandle ───┤
//!                                 │            log thread: write, fsync ─▶ acknowledged
//!            get / scan at T ─────┘
//!   source ── frames ─▶ ingest: append, blind apply                   (follower)
//! ```
//!
//! # The protocol
//! 1. **Commit in one partition.** `commit_ts = max(floor, max_read + 1, last_commit + 1, closed + 1)`.
//!    The record enters the log buffer, its versions the delta, its locks go; the answer waits for
//!    the log ([`Order::assign`](order::Order::assign) holds the rule).
//! 2. **Commit in several.** `Prepare` at each; durable everywhere = committed at the greatest
//!    `prepare_ts`; `Decide` follows. A reader at `T` waits for undecided prepares at or below `T`.
//!    Of a large transaction all but the last ops travel ahead in `Stage` records, first its new
//!    rows in blocks, as they came ([`Changes`]): alone they mean nothing, whoever finds them.
//! 3. **SERIALIZABLE.** A commit in one partition brings along what it has read there: under the
//!    same mutex nothing in that may be newer than its snapshot or prepared by others. What was
//!    read in other partitions is checked and *guarded* there first ([`PartitionHandle::guard`]);
//!    while the guard stands nobody writes into it, and when it falls all later commits there come
//!    after the transaction's timestamp ([`guards`]).
//! 4. **Closed timestamps.** `Closed{c}` promises that nothing at or below `c` follows in this log.
//! 5. **Promotion.** [`Partition::start_epoch`] writes `EpochStart{cut}`; versions above the cut go.
//! 6. **Coming back.** [`Partition::diverged`] lists what the other side never had,
//!    [`Partition::rewind`] takes it out, and leaves undecided what is so at the common point; then [`Partition::ingest`] follows the new leader.
//! 7. **Branching.** [`Partition::branch`] makes the files of a new partition of what is here at one
//!    time; its log begins at position 2, so that nobody takes it for one that begins with nothing.
//!
//! # Invariants
//! * Lsn order is the order of appends under the mutex; the log is dense.
//! * A version is visible at `T` iff its commit timestamp is at most `T` and at most the cut of
//!   every later `EpochStart`.
//! * No commit timestamp is at or below a read timestamp already served or a closed timestamp.
//! * Nobody writes files of a partition after [`Partition::retire`], nor those of the state it had
//!   before a rewind.
//! * Of a SERIALIZABLE transaction that commits at `C`, nothing it has read here changes between its
//!   snapshot and `C`.
//! * Apply is blind: a follower never reads state to apply a record.
//!
//! # On a crash
//! Restart opens the newest manifest and replays the log from `replay_from`. A commit whose record
//! is not in the log did not happen; one that is there happened. A prepare without a decision is
//! resolved by the `txn` room: all participants have it → committed; one provably lacks it →
//! aborted. Guards are in memory only: what was decided under one has its timestamp in the durable
//! prepares, all undecided transactions are resolved before the database opens for writes, and the
//! oracle starts above every timestamp in any log, so no later commit can come between a read and
//! the place of its transaction. A crash during a rewind leaves either the old tail (the rewind starts again) or the new
//! leader's `EpochStart` in its place.

mod apply;
mod branch;
mod changes;
mod follower;
pub mod guards;
mod handle;
mod leader;
mod local;
pub mod locks;
pub mod order;
mod partition;
mod reads;
mod rewind;
mod serial;
mod spill;
mod watch;

pub use changes::Changes;
pub use handle::{
    CatalogVersion, Claimed, CommitAck, CommitOne, GuardOne, LockMode, LockRequest, LockWait,
    PartitionHandle, PartitionStatus, PrepareAck, PrepareOne, Resolution, RowStream, VersionedRow,
    Write,
};
pub use locks::WaitGraph;
pub use partition::{Partition, PartitionSettings, Role};
pub use reads::ReadSet;
pub use rewind::DivergedTxn;
pub use spill::Layouts;
