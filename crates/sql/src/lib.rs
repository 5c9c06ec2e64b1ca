//! SQL: from a statement to rows, or to writes in a transaction. The only room that names
//! DataFusion; what leaves it are Arrow batches and [`base`] types.
//!
//! ```text
//!   text ── statement ──▶ Stmt ──┬─ query ────▶ plan ─▶ DataFusion ─▶ scan ─▶ txn::ReadView
//!                                ├─ INSERT, UPDATE, DELETE ─▶ change ─▶ txn::Transaction
//!                                ├─ one row by key ─▶ point   (no planning per execution)
//!                                ├─ tables ─▶ ddl ─▶ descriptors are rows too
//!                                └─ databases, links, gates, users ─▶ engine, links, metadata
//! ```
//!
//! # Steps of a statement
//! 1. [`Executor::prepare`] compiles it at the transaction's catalog; [`Executor::lift`] finds a
//!    compiled one by the text alone.
//! 2. [`Executor::execute`] begins a statement in the transaction (a new snapshot under READ
//!    COMMITTED), locks the table it changes, and runs.
//! 3. A statement AS OF SYSTEM TIME runs in a transaction of its own, beside the session's.
//! 4. Results stream out at the snapshot; they hold it alive, not the transaction.
//!
//! # Invariants
//! * A compiled plan holds no snapshot, no time and no parameter value.
//! * Conditions and new values are computed from the row versions that are overwritten
//!   (see [`change`]).
//! * The fast path and the planned path mean the same (tests run one against the other).
//! * Every error carries the SQLSTATE PostgreSQL would give.
//! * Every execution asks anew whether the user may (see [`privilege`]); a plan remembers only what it
//!   takes.
//!
//! # On a crash
//! Nothing here outlives the process: what a transaction wrote is in its write set until it
//! commits, and a statement that failed halfway leaves writes that only its transaction sees (the
//! session rolls it back).

pub mod cell;
pub mod change;
mod ddl;
pub mod error;
mod executor;
pub mod plan;
pub mod point;
pub mod privilege;
pub mod scan;
pub mod sequence;
pub mod shape;
pub mod statement;
pub mod system;
pub mod text;
pub mod types;
mod walk;

pub use change::Refusal;
pub use executor::{CopyTarget, Executor, Outcome, Prepared, normalise};
pub use plan::{ResultColumn, Rows, Runtime, RuntimeSettings};
