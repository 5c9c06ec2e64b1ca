//! Transactions over the partitions of a database, and the databases of a node.
//!
//! ```text
//!   Engine ── meta, log, oracle
//!     └── Database ── partitions, catalog cache, gate, snapshots
//!           └── Transaction ── snapshot, write set, locks
//!                 │  start_statement → view → lock → latest → write … → commit
//!                 ▼
//!           PartitionHandle  (lock, get, scan, commit | prepare, decide)
//! ```
//!
//! # The protocol
//! 1. A statement reads at a snapshot: [`Oracle::now`] on a primary, the replicated time on a
//!    standby. READ COMMITTED takes a new one per statement, the other levels one per transaction.
//!    [`Transaction::read_as_of`] reads the past, as far as the database's window reaches back.
//! 2. Rows are locked before they are changed; [`Transaction::latest`] then shows the newest
//!    committed version, or 40001 under the other levels if it is newer than the snapshot.
//! 3. Writes stay in the [write set](WriteSet) until commit; own reads see them. New rows that come
//!    many at a time are locked, looked for and kept in blocks, without work for each; see `bulk`.
//! 4. Commit in one partition is one call. Commit over several: `Prepare` everywhere, all durable =
//!    committed at the greatest prepare timestamp, acknowledge, `Decide` everywhere.
//! 5. SERIALIZABLE also records what its views have read. Is all of that, and all it writes, in one
//!    partition, the commit is still one call, which checks it. Otherwise every other partition it
//!    has read in checks it first and guards it until the outcome is decided; then its own later
//!    commits come after. A transaction without writes is serial at its snapshot as it is.
//! 6. Values of sequences are reserved in blocks by transactions of their own; see `sequence`.
//! 7. Writes bring index entries along, in the same partition; see `index`.
//! 8. A branch is a database made of what another one holds at one time; see [`Engine::branch`].
//! 9. The roles of the cluster travel with its databases; see `principals`.
//! 10. The schema is rows of partition 0; DDL locks a table's descriptor exclusively, everything
//!     else shares it.
//! 11. Upkeep writes the delta to chunks when it passes its share of memory, or has not changed for a
//!     while; see `upkeep`.
//! 12. A primary with standbys takes no writes after a restart until each that could have been promoted
//!     was heard from; see [`Engine::standby_seen`].
//! 13. The standbys of a replication group keep a moment that all of them have; see `group`.
//!
//! # Invariants
//! * An acknowledged commit is durable (unless the database is `ASYNC DURABILITY`) and visible to
//!   every snapshot taken later.
//! * A transaction is visible in all its partitions or in none, at every timestamp.
//! * The effect of another transaction's version that is not durable yet never becomes durable
//!   before it: [`Transaction::commit`] waits for what it read or overwrote elsewhere.
//! * SERIALIZABLE transactions are equivalent to running one after the other by commit timestamp,
//!   those without writes by snapshot: what each has read is the newest at its timestamp.
//! * Nothing that a living snapshot can see, or a new one in the window of [`Database::window`], is
//!   merged away: see `snapshot`. The window reaches back for the retention at least, also over a
//!   restart, and is the same for all partitions. How long a snapshot lives holds up neither
//!   spills nor closed timestamps, which are tasks of their own beside merges.
//! * Row versions in memory are bounded: whoever wants to write waits for room, for a bounded time,
//!   and never for something that waits for it; see `room`.
//! * A gated, standby, copying or rewinding database takes no write, whoever asks.
//!
//! # On a crash
//! Before the record of a one-partition commit is on disk the transaction did not happen. With
//! several partitions [`Engine::open`] resolves what was left undecided: prepared everywhere →
//! committed, missing somewhere → aborted everywhere. A commit runs as a task of its own, so a
//! client that goes away in the middle leaves nothing half done. Guards are lost with the process:
//! [`Engine::open`] resolves what they protected before anybody can write, and the oracle starts
//! above every timestamp in the logs, so no commit can fall between such a transaction's reads and
//! its timestamp.

mod access;
mod branch;
mod bulk;
mod catalog;
mod commit;
mod cover;
mod database;
mod databases;
mod decision;
mod engine;
mod gate;
mod group;
mod incoming;
mod index;
mod oracle;
mod principals;
mod recover;
mod room;
mod sequence;
mod serial;
mod settings;
mod slots;
mod snapshot;
mod transaction;
mod upkeep;
mod view;
mod writes;

pub use branch::{BranchOrder, Branched, Branching};
pub use cover::{Cover, LagLimit};
pub use database::{Database, DatabaseSettings};
pub use engine::Engine;
pub use gate::{GateRequest, WriterGuard};
pub use index::{Duplicate, EntryMove};
pub use oracle::Oracle;
pub use principals::carried;
pub use room::Room;
pub use sequence::SequenceHandle;
pub use settings::{Between, EngineSettings};
pub use snapshot::{Snapshot, Window};
pub use transaction::{Committed, Isolation, Transaction, TxnOptions};
pub use view::ReadView;
pub use writes::WriteSet;
