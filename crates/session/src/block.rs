//! The transaction block as a client sees it.
//!
//! ```text
//!           BEGIN                     error
//!   Idle ──────────▶ Open ──────────────────────▶ Failed
//!    ▲ │ statement    │ COMMIT, ROLLBACK            │ ROLLBACK, COMMIT (answers ROLLBACK)
//!    │ ▼              ▼                             ▼
//!   Implicit ──────▶ Idle                          Idle
//!           end                ROLLBACK TO a ◀── Failed, if a savepoint was set
//! ```
//!
//! A failed block without savepoints has nothing left to save: its transaction is rolled back at
//! once, so that its locks do not wait for the client.

use crate::settings::Mark;
use base::{Error, Result, SqlState};
use txn::Transaction;

/// What a client is told after each statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not in a transaction block.
    Idle,
    /// In one.
    InTransaction,
    /// In one that has failed; only `ROLLBACK` helps.
    Failed,
}

/// A savepoint: its name and the settings then.
#[derive(Debug)]
pub(crate) struct Savepoint {
    pub(crate) name: String,
    pub(crate) mark: Mark,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) txn: Transaction,
    /// Settings before it.
    pub(crate) mark: Mark,
    pub(crate) savepoints: Vec<Savepoint>,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) enum Block {
    Idle,
    Implicit(Box<Running>),
    Open(Box<Running>),
    /// The transaction, if there is a savepoint to return to; the settings before it.
    Failed(Option<Box<Running>>, Mark),
}

impl Block {
    pub(crate) fn status(&self) -> Status {
        match self {
            Block::Idle | Block::Implicit(_) => Status::Idle,
            Block::Open(_) => Status::InTransaction,
            Block::Failed(..) => Status::Failed,
        }
    }

    /// The transaction that is there.
    pub(crate) fn transaction(&mut self) -> Result<&mut Transaction> {
        match self {
            Block::Implicit(running) | Block::Open(running) => Ok(&mut running.txn),
            Block::Idle => Err(Error::internal("a statement runs without a transaction")),
            Block::Failed(..) => Err(failed_block()),
        }
    }

    /// The open transaction, or the complaint that there is none.
    pub(crate) fn open(&mut self, what: &str) -> Result<&mut Running> {
        match self {
            Block::Open(running) => Ok(running),
            _ => Err(Error::new(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                format!("{what} can only be used in transaction blocks"),
            )),
        }
    }

    /// Takes the block out, leaving [`Block::Idle`].
    pub(crate) fn take(&mut self) -> Block {
        std::mem::replace(self, Block::Idle)
    }
}

impl Running {
    /// Index of the newest savepoint of this name.
    pub(crate) fn savepoint(&self, name: &str) -> Result<usize> {
        self.savepoints.iter().rposition(|s| s.name == name).ok_or_else(|| {
            Error::new(SqlState::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist"))
        })
    }
}

/// The refusal of anything but `ROLLBACK` in a failed block.
pub(crate) fn failed_block() -> Error {
    Error::new(
        SqlState::IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}
