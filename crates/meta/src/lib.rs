//! The metadata of a cluster: who it is, its roles, databases, links, slots, gates, replicas
//! and history, as a deterministic state machine with a small log of its own.
//!
//! ```text
//!   caller ── Command ──▶ Meta::apply ──▶ apply(copy of State)   refused: nothing happened
//!                             │                  │
//!                             │            Store::append          one line in `commands`, synced
//!                             ▼                  │
//!                   State (Arc, swapped) ◀───────┘        `snapshot` now and then
//! ```
//!
//! [`apply()`] is pure: times and random values come in the command. With several nodes the same
//! function is the state machine of a Raft group; this room's [`Meta`] is the one-voter case.
//! Metadata is a handful of kilobytes and changes a few times a second at most, so each change
//! copies the state: readers hold an `Arc` and never wait.
//!
//! # Invariants
//! * What [`Meta::apply`] has answered is on disk.
//! * A refused command leaves no trace.
//! * [`LogId`](base::LogId)s and [`DatabaseId`](base::DatabaseId)s are never given twice.
//! * [`State::oracle_bound`], slot positions and promotion epochs never go back.
//! * [`Command::Promote`] is the one commit point of a promotion: it changes the role, removes the
//!   link and makes the slot that keeps the log from the fork on, all at once.
//!
//! # After a crash
//! * while appending: the torn line is cut, it was never acknowledged;
//! * between snapshot and emptying the commands: numbers tell which are in the snapshot already;
//! * a damaged line with good ones after it is not a crash: opening fails and names the offset.
//!
//! # What it does not do
//! It knows nothing of partitions' data. Whoever orders `Dropping` or `Promote` carries the order
//! out, and again after a restart, until it is complete.

pub mod address;
mod apply;
mod command;
mod replica;
mod roles;
pub mod scram;
mod shell;
mod state;
mod store;

pub use address::{AddressRule, Network};
pub use apply::apply;
pub use command::{Command, NewDatabase, ReplicaCommand, Response};
pub use replica::{CYCLES_MAX, Cycle, CycleState, RemoteServer, Replica, ReplicaOptions, Wanted};
pub use roles::{
    DROPPED_ROLES, DroppedRole, Membership, Principals, RoleChange, User, is_reserved_role,
    roles_of,
};
pub use shell::{Bootstrap, Meta};
pub use state::{
    Branch, Cluster, Database, DatabaseState, Drill, Durability, Gate, HISTORY_ROWS, Handover,
    HandoverSide, HistoryRow, LINK_ROWS, Link, MaxLag, Promotion, Purpose, Slot, Source, State,
    Verified, peer_of, peer_user,
};
