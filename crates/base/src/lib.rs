//! The words every other room speaks: identities, positions, times, values, types and errors.
//!
//! ```text
//!  cluster 0..127 ─ node ─ database ─ partition 0..n      who and where
//!  Lsn 1,2,3…  within one partition's log                 position
//!  Timestamp   48 bit ms │ 16 bit counter                 time, the same for all partitions
//!  Epoch       number, cluster, node                      which writer
//! ```
//!
//! Nothing here does any work: no clock, no disk, no async. A type enters this room when a third
//! room needs it.
//!
//! # Invariants
//! * An [`Lsn`] of 0 means "before the first record"; logs are dense from 1.
//! * [`Timestamp`]s given by one cluster never repeat and never go back, also over a promotion.
//! * [`Epoch`]s compare by number first; two writers of one partition never share an epoch.
//! * Every [`Error`] says with its [`Outcome`] whether the user's change happened.

mod access;
mod catalog;
mod error;
mod ids;
mod position;
mod sequence;
mod types;
mod utc;
mod value;

pub use access::{Access, AclItem, Privileges, Securable, SessionDefaults};
pub use catalog::{Catalog, Column, IndexColumn, IndexDescriptor, TableDescriptor};
pub use error::{Error, Outcome, Report, Result, SqlState};
pub use ids::{ClusterId, DatabaseId, LineId, LogId, NodeId, StorageId, TableId, TxnId};
pub use position::{Epoch, EpochHistory, Lsn, Timestamp};
pub use sequence::{Identity, SequenceDescriptor, SequenceOwner};
pub use types::SqlType;
pub use value::{Row, Value};
