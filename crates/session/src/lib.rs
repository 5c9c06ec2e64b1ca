//! What a client can ask, free of protocol: statements, transactions, settings, prepared
//! statements, portals, COPY, cancelling. Protocol rooms turn bytes into calls of [`Session`] and
//! its answers into bytes; they decide nothing.
//!
//! ```text
//!   Front ── who is connected, cancel keys, limits, shutting down
//!     └── Session ── settings, transaction block, statements, portals
//!           │ script / parse, bind        text ─▶ session command, COPY, or a statement for `sql`
//!           │ run / execute ─▶ Reply      rows to fetch, a tag, COPY to drive
//!           │ fetch, copy_push, copy_next
//!           ▼ end_implicit                the implicit transaction commits
//!         sql::Executor ─▶ txn::Transaction
//! ```
//!
//! # Steps
//! 1. [`Front::admit`] reserves a place at a connection's first packet, [`Front::open`] opens the
//!    session once the password was checked, if the role may log in, from there and to that database.
//! 2. A simple query: [`Session::script`], then for each statement [`Session::run`] and its answer,
//!    then [`Session::end_implicit`]. All statements of a script share one implicit transaction.
//! 3. The extended protocol: [`Session::parse`], [`Session::bind`], [`Session::execute`], each any
//!    number of times, and [`Session::end_implicit`] at Sync.
//!
//! # Invariants
//! * Every error that a call here returns has already been dealt with: an implicit transaction is
//!   rolled back, a block has failed.
//! * In a failed block nothing runs but `ROLLBACK`, `COMMIT` (which rolls back) and
//!   `ROLLBACK TO`.
//! * Cancelling and time-outs drop the work between two steps and never reach a commit, so the
//!   outcome of a commit is known unless the server itself stops.
//! * Rows and COPY data are held one batch at a time.
//!
//! # When the client goes away
//! Dropping the [`Session`] rolls its transaction back and frees its place. A commit that has begun
//! runs to its end.
//!
//! # What is not here
//! `LISTEN`, cursors that scroll or outlive their transaction, time
//! zones other than UTC.

mod activity;
mod block;
mod command;
pub mod copy;
mod copy_in;
mod copy_out;
mod cover;
mod cursors;
mod entry;
mod front;
mod interrupt;
mod lexer;
mod locate;
mod notice;
mod portal;
mod prepared;
mod reader;
mod reply;
mod run;
mod session;
mod set;
mod settings;
mod show;
pub mod text;
mod transaction;

pub use block::Status;
pub use command::IsolationLevel;
pub use copy_in::CopyIn;
pub use copy_out::{CopyChunk, CopyOut};
pub use front::{Front, FrontSettings, Place, Visitor};
pub use interrupt::ends_session;
pub use notice::{Notice, Severity};
pub use prepared::Statement;
pub use reply::{Cursor, Reply};
pub use run::Script;
pub use session::Session;
pub use settings::SERVER_VERSION;
pub use sql::ResultColumn;

/// Reads a value from text: a parameter sent in text format.
pub fn value_from_text(ty: base::SqlType, text: &str) -> base::Result<base::Value> {
    sql::text::parse(ty, text)
}
