//! One transaction: snapshot, locks, pending writes.

use crate::database::Database;
use crate::gate::WriterGuard;
use crate::room::PendingBytes;
use crate::sequence::Own;
use crate::serial::ReadLog;
use crate::snapshot::Snapshot;
use crate::view::ReadView;
use crate::writes::WriteSet;
use base::{Catalog, Error, Lsn, Result, SqlState, TableId, Timestamp, TxnId};
use bytes::Bytes;
use parking_lot::Mutex;
use partition::{LockMode, LockRequest, LockWait, VersionedRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Isolation levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Every statement sees what was committed before it began.
    #[default]
    ReadCommitted,
    /// All statements see one snapshot; the first committer of a row wins (snapshot isolation).
    RepeatableRead,
    /// As if transactions ran one after the other: one snapshot, and what was read of it is still
    /// the newest at the commit (40001 otherwise).
    Serializable,
}

/// How a transaction is to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct TxnOptions {
    /// Isolation level.
    pub isolation: Isolation,
    /// Refuse writes.
    pub read_only: bool,
}

/// A commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Commit timestamp; [`Timestamp::ZERO`] if nothing was written.
    pub ts: Timestamp,
}

/// A transaction. Dropping it rolls it back.
#[derive(Debug)]
pub struct Transaction {
    pub(crate) id: TxnId,
    pub(crate) database: Arc<Database>,
    pub(crate) options: TxnOptions,
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) writes: Arc<WriteSet>,
    pub(crate) writer: Option<WriterGuard>,
    /// What it has read, under SERIALIZABLE.
    pub(crate) reads: Option<Arc<ReadLog>>,
    /// Tables whose descriptors it has locked.
    pub(crate) tables: BTreeSet<TableId>,
    /// Partitions in which it may hold locks.
    pub(crate) locked: BTreeSet<u16>,
    /// Versions read or overwritten that may not be durable yet.
    pub(crate) depends: BTreeMap<u16, Lsn>,
    /// Commit timestamps of rows read under lock and not written yet.
    known: BTreeMap<(u16, Bytes), Timestamp>,
    /// The catalog at a snapshot and a number of own schema changes.
    pub(crate) catalog: Option<(Timestamp, u32, Arc<Catalog>)>,
    pub(crate) ddl: bool,
    /// It reads the past, at its snapshot.
    past: bool,
    pub(crate) pending: PendingBytes,
    /// Sequences used, and those that nobody else can see.
    pub(crate) own: Arc<Mutex<Own>>,
}

impl Transaction {
    pub(crate) fn new(database: Arc<Database>, id: TxnId, options: TxnOptions) -> Transaction {
        let pending = PendingBytes::new(database.room.clone());
        Transaction {
            id,
            database,
            options,
            snapshot: None,
            writes: Arc::new(WriteSet::default()),
            writer: None,
            reads: None,
            tables: BTreeSet::new(),
            locked: BTreeSet::new(),
            depends: BTreeMap::new(),
            known: BTreeMap::new(),
            catalog: None,
            ddl: false,
            past: false,
            pending,
            own: Arc::default(),
        }
    }

    /// Its identity.
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// The database it runs in.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// How it runs.
    pub fn options(&self) -> TxnOptions {
        self.options
    }

    /// Changes how it runs; only before its first statement.
    pub fn set_options(&mut self, options: TxnOptions) -> Result<()> {
        if self.snapshot.is_some() && options.isolation != self.options.isolation {
            return Err(Error::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION ISOLATION LEVEL must be called before any query",
            ));
        }
        if self.snapshot.is_some() && self.options.read_only && !options.read_only {
            return Err(Error::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "transaction read-write mode must be set before any query",
            ));
        }
        if self.past && !options.read_only {
            return Err(Error::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                "a transaction that reads the past is read only",
            ));
        }
        self.options = options;
        Ok(())
    }

    /// Makes it read as of a past time, and read only; only before its first statement.
    ///
    /// # Errors
    /// Those of [`Database::snapshot_at`], 25001 after a statement at another time.
    pub fn read_as_of(&mut self, ts: Timestamp) -> Result<()> {
        match &self.snapshot {
            Some(snapshot) if self.past && snapshot.ts() == ts => return Ok(()),
            Some(_) => {
                return Err(Error::new(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "AS OF SYSTEM TIME must be given before any query, and once",
                ));
            }
            None => {}
        }
        self.database.check_readable()?;
        self.snapshot = Some(self.database.snapshot_at(ts)?);
        self.options.read_only = true;
        self.past = true;
        Ok(())
    }

    /// True if it reads the past.
    pub fn is_past(&self) -> bool {
        self.past
    }

    /// Begins a statement: a new snapshot under READ COMMITTED, the first one's otherwise.
    pub async fn start_statement(&mut self) -> Result<()> {
        if self.past {
            return Ok(());
        }
        match self.options.isolation {
            Isolation::RepeatableRead | Isolation::Serializable if self.snapshot.is_some() => {
                return Ok(());
            }
            Isolation::ReadCommitted | Isolation::RepeatableRead => {}
            // What is read only stands at its snapshot, whatever others do.
            Isolation::Serializable if self.options.read_only => {}
            Isolation::Serializable => self.reads = Some(Arc::default()),
        }
        self.database.check_readable()?;
        self.snapshot = Some(self.database.snapshot()?);
        Ok(())
    }

    pub(crate) fn current(&self) -> Result<&Arc<Snapshot>> {
        self.snapshot
            .as_ref()
            .ok_or_else(|| Error::internal("a transaction was used before its first statement"))
    }

    /// The statement's snapshot.
    pub fn read_ts(&self) -> Timestamp {
        self.snapshot.as_ref().map_or(Timestamp::ZERO, |s| s.ts())
    }

    /// What it sees now.
    pub fn view(&self) -> Result<ReadView> {
        Ok(ReadView {
            database: self.database.clone(),
            snapshot: self.current()?.clone(),
            writes: self.writes.clone(),
            reads: self.reads.clone(),
        })
    }

    pub(crate) fn check_present(&self) -> Result<()> {
        if self.past {
            return Err(Error::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                "rows of the past cannot be locked or changed",
            ));
        }
        Ok(())
    }

    /// Locks rows in the order given; `false` for a row left out by [`LockWait::SkipLocked`]. Who
    /// locks exclusively is going to write, and waits first until there is room for that, and until
    /// the standbys are as near as the database wants them.
    pub async fn lock(
        &mut self,
        keys: &[(u16, Bytes)],
        mode: LockMode,
        wait: LockWait,
    ) -> Result<Vec<bool>> {
        self.check_present()?;
        if mode == LockMode::Exclusive {
            self.wait_to_write().await;
            self.database.room.wait(&self.database.env).await?;
        }
        let mut answers = Vec::with_capacity(keys.len());
        for run in keys.chunk_by(|a, b| a.0 == b.0) {
            let Some((partition, _)) = run.first() else { continue };
            self.locked.insert(*partition);
            let request = LockRequest {
                txn: self.id,
                keys: run.iter().map(|(_, key)| key.clone()).collect(),
                mode,
                wait,
            };
            answers.extend(self.database.partition(*partition)?.lock(request).await?);
        }
        Ok(answers)
    }

    /// Rows it has locked, as they are to be changed: own pending ones, else the newest committed.
    ///
    /// # Errors
    /// 40001 under REPEATABLE READ and SERIALIZABLE if a row changed after the snapshot.
    pub async fn latest(&mut self, keys: &[(u16, Bytes)]) -> Result<Vec<Option<VersionedRow>>> {
        let mut rows = Vec::with_capacity(keys.len());
        for run in keys.chunk_by(|a, b| a.0 == b.0) {
            let Some((partition, _)) = run.first() else { continue };
            let wanted: Vec<Bytes> = run.iter().map(|(_, key)| key.clone()).collect();
            let found = self.database.partition(*partition)?.latest(wanted.clone()).await?;
            if self.options.isolation != Isolation::ReadCommitted {
                self.check_unchanged(*partition, &wanted, &found).await?;
            }
            for (key, row) in wanted.into_iter().zip(found) {
                rows.push(self.note_latest(*partition, key, row));
            }
        }
        Ok(rows)
    }

    /// Waits until nothing it has read under lock or overwritten can be lost any more: what an open
    /// transaction shows of such rows (RETURNING, SELECT FOR UPDATE) must not be taken back. A
    /// transaction that commits before it answers need not ask: its commit waits.
    pub async fn await_shown(&self) -> Result<()> {
        for (partition, lsn) in &self.depends {
            self.database.partition(*partition)?.await_durable(*lsn).await?;
        }
        Ok(())
    }

    fn note_latest(
        &mut self,
        partition: u16,
        key: Bytes,
        row: Option<VersionedRow>,
    ) -> Option<VersionedRow> {
        let ts = row.as_ref().map_or(Timestamp::ZERO, |r| r.ts);
        if let Some(pending) = self.writes.get(partition, &key) {
            let bytes = pending.row?;
            return Some(VersionedRow { ts, lsn: Lsn::ZERO, row: bytes });
        }
        if let Some(row) = &row {
            let depends = self.depends.entry(partition).or_default();
            *depends = (*depends).max(row.lsn);
        }
        self.known.insert((partition, key), ts);
        row
    }

    pub(crate) async fn check_unchanged(
        &self,
        partition: u16,
        keys: &[Bytes],
        found: &[Option<VersionedRow>],
    ) -> Result<()> {
        let snapshot = self.current()?.ts();
        let before = self.database.partition(partition)?.get(snapshot, keys.to_vec()).await?;
        for (now, before) in found.iter().zip(before) {
            if now.as_ref().map(|r| r.ts) != before.map(|r| r.ts) {
                return Err(Error::new(
                    SqlState::SERIALIZATION_FAILURE,
                    "could not serialize access due to concurrent update",
                )
                .hint("run the transaction again"));
            }
        }
        Ok(())
    }

    /// Puts (`Some`) or deletes (`None`) a row it has locked.
    ///
    /// # Errors
    /// 25006 in a read-only transaction or database, 54000 beyond the size limit.
    pub fn write(&mut self, partition: u16, key: Bytes, row: Option<Bytes>) -> Result<()> {
        self.start_writing()?;
        let prev = match self.known.is_empty() {
            true => None,
            false => self.known.remove(&(partition, key.clone())),
        };
        let limit = self.database.settings.transaction_limit;
        let writes = Arc::make_mut(&mut self.writes);
        writes.put(partition, key, row, prev, limit)?;
        self.pending.grow_to(writes.bytes())
    }

    /// Puts or deletes an index entry that nobody but the holder of its row's lock can mean, so
    /// that nothing need be known of the version it replaces.
    pub fn write_entry(&mut self, partition: u16, key: Bytes, row: Option<Bytes>) -> Result<()> {
        self.start_writing()?;
        let limit = self.database.settings.transaction_limit;
        Arc::make_mut(&mut self.writes).put(partition, key, row, Some(Timestamp::ZERO), limit)
    }

    /// As [`Transaction::start_writing`], after waiting while writers are to wait: at a gate at which
    /// they queue, or for standbys that are too far behind.
    ///
    /// # Errors
    /// Those of [`Transaction::start_writing`].
    pub async fn begin_writing(&mut self) -> Result<()> {
        if !self.options.read_only {
            self.wait_to_write().await;
        }
        self.start_writing()
    }

    async fn wait_to_write(&self) {
        if self.writer.is_none() {
            let Database { env, oracle, writers, cover, .. } = self.database.as_ref();
            writers.queue().await;
            cover.hold_back(env, || oracle.now()).await;
        }
    }

    /// Checks that it may write, and counts it among the running writers until its end.
    pub fn start_writing(&mut self) -> Result<()> {
        if self.options.read_only {
            return Err(Error::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                "cannot write in a read-only transaction",
            ));
        }
        if self.writer.is_none() {
            self.database.check_primary()?;
            self.writer = Some(self.database.writers.enter(self.database.name())?);
        }
        Ok(())
    }

    /// True if it has pending writes.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// A value for the hidden key of a table without a primary key; unique on this cluster.
    pub fn fresh_row_id(&self) -> i64 {
        self.database.oracle.next().0 as i64
    }

    /// Sets a savepoint.
    pub fn savepoint(&mut self, name: &str) {
        Arc::make_mut(&mut self.writes).savepoint(name);
    }

    /// Undoes the writes since a savepoint. Locks taken since then stay.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        Arc::make_mut(&mut self.writes).rollback_to(name)
    }

    /// Forgets a savepoint.
    pub fn release(&mut self, name: &str) -> Result<()> {
        Arc::make_mut(&mut self.writes).release(name)
    }

    /// Gives everything up.
    pub async fn rollback(mut self) {
        let locked = std::mem::take(&mut self.locked);
        for partition in locked {
            if let Ok(handle) = self.database.partition(partition) {
                handle.release(self.id).await;
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.locked.is_empty() {
            return;
        }
        let (database, id) = (self.database.clone(), self.id);
        let locked = std::mem::take(&mut self.locked);
        let release = async move {
            for partition in locked {
                if let Ok(handle) = database.partition(partition) {
                    handle.release(id).await;
                }
            }
        };
        self.database.env.tasks.spawn("transaction-release", Box::pin(release));
    }
}
