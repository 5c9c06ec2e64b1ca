//! INSERT, UPDATE, DELETE and SELECT … FOR UPDATE.
//!
//! ```text
//!  compile ─▶ plan (which rows, which new values) ─┐
//!                                                  ▼
//!       find at the snapshot ─▶ lock ─▶ latest ─▶ newer than the snapshot?
//!              ▲                                     │ yes: new snapshot, locks held
//!              └─────────────────────────────────────┤
//!                                                    │ no
//!                                                    ▼
//!                                   check, encode, Transaction::write
//! ```
//!
//! Never through DataFusion's own DML hooks, which lose conditions: the rows to change are the
//! result of an ordinary query.
//!
//! # Invariants
//! * Whoever writes a row writes its index entries in the same step: see `entries`.
//! * Conditions and new values are always computed from the very row versions that are overwritten:
//!   if a row changed between the snapshot and the lock, the query runs again with the locks held.

mod ast;
mod entries;
mod find;
mod insert;
mod lock;
mod modify;
mod query_lock;
mod returning;
mod skip_locked;
mod table;

pub use ast::{default_of, fold, last_part, output_names, parse_expr, schema_and_name, split_with};
pub use insert::{Conflict, InsertPlan, Refusal, Source, insert, insert_rows, lost_row, put_new};
pub use lock::{in_order, in_relation, lock_and_read};
pub use modify::{Kind, ModifyPlan, apply, assignments, delete_relation, modify};
pub use query_lock::{LockPlan, lock_rows};
pub use returning::Returning;
pub use table::{Target, writable};

use crate::cell::Frame;
use crate::plan::{Names, Runtime};
use crate::privilege::Identity;
use base::{Catalog, SqlType, StorageId, Value};
use partition::LockWait;
use std::collections::BTreeSet;
use txn::Transaction;

/// What compiling a statement needs.
pub struct Scope<'a> {
    /// Functions and planner.
    pub runtime: &'a Runtime,
    /// Tables.
    pub names: &'a Names<'a>,
    /// Their descriptors.
    pub catalog: &'a Catalog,
    /// Partitions of the database.
    pub partitions: u16,
    /// Types of parameters as far as they are known.
    pub types: Vec<Option<SqlType>>,
}

/// What executing a statement needs.
pub struct Run<'a> {
    /// Functions and memory.
    pub runtime: &'a Runtime,
    /// The transaction.
    pub txn: &'a mut Transaction,
    /// Parameters and time.
    pub frame: &'a Frame,
    /// Who runs it.
    pub by: &'a Identity,
    /// How long to wait for locks.
    pub wait: LockWait,
    /// Key spaces that only this transaction can see: their rows need no locks.
    pub private: &'a BTreeSet<StorageId>,
}

impl Run<'_> {
    /// How to wait for locks in a key space; `None` if it needs none.
    pub fn wait_in(&self, storage: StorageId) -> Option<LockWait> {
        (!self.private.contains(&storage)).then_some(self.wait)
    }
}

/// What a statement has changed.
#[derive(Debug, Default)]
pub struct Changed {
    /// How many rows.
    pub count: u64,
    /// The rows RETURNING is about, whole.
    pub rows: Vec<Vec<Value>>,
}
