//! What a session asks for: prepare and execute statements in its transaction.
//!
//! ```text
//!   text ─ lift ─▶ text with literals taken out ─▶ cache ─▶ Prepared ─┐ (fast path, no parsing)
//!   text ─ statement::parse ─▶ Stmt ─ prepare ─▶ Prepared ────────────┤
//!                                                                      ▼
//!                         execute(transaction, parameters) ─▶ Outcome: rows or a command tag
//! ```
//!
//! A [`Prepared`] keeps its compiled plan as long as every table it names is unchanged in the
//! catalog that the transaction sees; otherwise it is compiled anew.

mod address;
mod administer;
mod body;
mod branch;
mod copy;
mod drill;
mod failover;
mod gate;
mod index;
mod lift;
mod past;
mod prepared;
mod query;
mod replica;
mod rights;
mod role;
mod run;
mod utility;
mod vault;

pub use copy::CopyTarget;
pub use lift::normalise;
pub use prepared::Prepared;

use crate::cell::Frame;
use crate::plan::{Circumstances, ResultColumn, Rows, Runtime, Sequences};
use crate::privilege::Identity;
use crate::sequence::{Draws, Memory};
use base::{Error, Result, StorageId, TableId, TxnId};
use parking_lot::Mutex;
use partition::LockWait;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use txn::{Engine, Transaction};

/// How many statements with lifted literals one connection remembers.
const LIFTED: usize = 256;

/// What a statement has led to.
pub enum Outcome {
    /// Rows.
    Rows {
        /// Their columns.
        columns: Vec<ResultColumn>,
        /// The rows; each column has the Arrow type of its SQL type.
        rows: Rows,
        /// `SELECT`, `INSERT 0`, `UPDATE`, `DELETE`, `EXPLAIN` …: what the command tag says before
        /// the number of rows.
        verb: &'static str,
    },
    /// No rows: the whole command tag.
    Command {
        /// For instance `CREATE TABLE` or `INSERT 0 3`.
        tag: String,
    },
}

impl Outcome {
    pub(crate) fn command(tag: impl Into<String>) -> Outcome {
        Outcome::Command { tag: tag.into() }
    }
}

/// What is remembered of the running transaction.
#[derive(Default)]
struct Current {
    txn: TxnId,
    now_micros: i64,
    private: BTreeSet<StorageId>,
    /// Tables locked against alteration.
    tables: BTreeSet<TableId>,
}

/// Executes one connection's statements.
pub struct Executor {
    runtime: Arc<Runtime>,
    engine: Arc<Engine>,
    links: Option<Arc<dr::Links>>,
    database: String,
    user: String,
    pid: i32,
    lock_timeout: Mutex<Option<Duration>>,
    current: Mutex<Current>,
    lifted: Mutex<BTreeMap<String, Option<Arc<Prepared>>>>,
    sequences: Arc<Memory>,
    /// Where the client is, if it came over a network.
    address: Mutex<Option<IpAddr>>,
    /// What the user is, and the metadata that this was read from.
    identity: Mutex<Option<(u64, Arc<Identity>)>>,
    notices: Mutex<Vec<Error>>,
}

impl Executor {
    /// For a connection of `user` to `database`; `pid` is its number. Without `links` there is no
    /// replication.
    pub fn new(
        runtime: Arc<Runtime>,
        engine: Arc<Engine>,
        links: Option<Arc<dr::Links>>,
        database: &str,
        user: &str,
        pid: i32,
    ) -> Executor {
        Executor {
            runtime,
            engine,
            links,
            database: database.to_owned(),
            user: user.to_owned(),
            pid,
            lock_timeout: Mutex::new(None),
            current: Mutex::default(),
            lifted: Mutex::default(),
            sequences: Arc::default(),
            address: Mutex::default(),
            identity: Mutex::default(),
            notices: Mutex::default(),
        }
    }

    /// What the statements since the last call have to say besides their result.
    pub fn take_notices(&self) -> Vec<Error> {
        std::mem::take(&mut *self.notices.lock())
    }

    pub(crate) fn notice(&self, notice: Error) {
        self.notices.lock().push(notice);
    }

    /// Tells where the client is, which has to do with what it may forbid.
    pub fn set_address(&self, address: Option<IpAddr>) {
        *self.address.lock() = address;
    }

    /// What the user is now.
    pub fn identity(&self) -> Arc<Identity> {
        self.engine.meta.read(|state| {
            let mut known = self.identity.lock();
            match &*known {
                Some((applied, identity)) if *applied == state.applied => identity.clone(),
                _ => {
                    let identity = Arc::new(Identity::of(state, &self.user));
                    *known = Some((state.applied, identity.clone()));
                    identity
                }
            }
        })
    }

    /// How long to wait for row locks; `None`: as long as it takes.
    pub fn set_lock_timeout(&self, timeout: Option<Duration>) {
        *self.lock_timeout.lock() = timeout;
    }

    /// The database connected to.
    pub fn database(&self) -> &str {
        &self.database
    }

    fn wait(&self) -> LockWait {
        LockWait::Block(*self.lock_timeout.lock())
    }

    /// Time, user and so on of a statement in this transaction.
    fn circumstances(&self, txn: &Transaction) -> Circumstances {
        let mut current = self.current.lock();
        if current.txn != txn.id() {
            *current = Current {
                txn: txn.id(),
                now_micros: (self.engine.env.clock.now_ms() as i64).saturating_mul(1000),
                ..Current::default()
            };
        }
        Circumstances {
            now_micros: current.now_micros,
            hybrid_time: txn.read_ts(),
            database: self.database.clone(),
            user: self.user.clone(),
            pid: self.pid,
            sequences: None,
        }
    }

    /// What a statement draws from sequences.
    async fn draws(&self, txn: &mut Transaction, what: &Sequences) -> Result<Arc<Draws>> {
        if what.drawn {
            txn.begin_writing().await?;
        }
        let catalog = txn.catalog().await?;
        let handle = txn.sequences(self.wait())?;
        let (memory, by) = (self.sequences.clone(), self.identity());
        Ok(Arc::new(Draws::new(handle, catalog, memory, by)))
    }

    /// Forgets what `currval` and `lastval` tell (`DISCARD SEQUENCES`).
    pub fn discard_sequences(&self) {
        self.sequences.forget();
    }

    fn frame(&self, txn: &Transaction, params: Vec<datafusion::common::ScalarValue>) -> Frame {
        Frame { params, circumstances: self.circumstances(txn) }
    }

    /// Key spaces that the running transaction has made and nobody else can see.
    fn private(&self) -> BTreeSet<StorageId> {
        self.current.lock().private.clone()
    }

    fn add_private(&self, storage: impl IntoIterator<Item = StorageId>) {
        self.current.lock().private.extend(storage);
    }

    fn has_locked(&self, table: TableId) -> bool {
        self.current.lock().tables.contains(&table)
    }

    fn note_locked(&self, table: TableId) {
        self.current.lock().tables.insert(table);
    }

    async fn snapshot(&self, txn: &mut Transaction) -> Result<()> {
        txn.start_statement().await
    }
}
