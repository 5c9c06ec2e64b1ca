//! The databases of this node and what they share: metadata, physical log, oracle, page cache.

use crate::database::Database;
use crate::gate::GateRequest;
use crate::oracle::Oracle;
use crate::room::Room;
use crate::settings::EngineSettings;
use base::{ClusterId, DatabaseId, Epoch, Error, LineId, LogId, NodeId, Result, SqlState};
use env::{DiskLock, Env, TaskHandle};
use log::Log;
use meta::{Command, DatabaseState, Gate, HistoryRow, Meta, Purpose};
use parking_lot::{Mutex, RwLock};
use partition::WaitGraph;
use state::{CacheStats, PageCache};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a restarted primary takes no writes yet.
const CHECKING: &str =
    "restarted, and not heard from all of its standbys yet, of which one may have been promoted";

/// Everything of one node below SQL. See the room's head.
pub struct Engine {
    /// The outside world.
    pub env: Env,
    /// Metadata.
    pub meta: Meta,
    /// The physical log.
    pub log: Log,
    /// Timestamps.
    pub oracle: Arc<Oracle>,
    pub(crate) settings: EngineSettings,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) room: Arc<Room>,
    pub(crate) waits: Arc<WaitGraph>,
    pub(crate) databases: RwLock<BTreeMap<String, Arc<Database>>>,
    /// One change of the set of databases at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Wall clock when it was opened.
    pub(crate) opened_ms: u64,
    /// Slots whose standbys have shown since then that they know of no later promotion.
    agreed: Mutex<BTreeSet<(DatabaseId, String)>>,
    upkeep: Mutex<Vec<TaskHandle>>,
    _lock: Box<dyn DiskLock>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("dir", &self.settings.dir).finish()
    }
}

impl Engine {
    /// Opens or makes a data folder, replays what is in it, finishes promotions and resolves
    /// transactions that a crash left undecided.
    pub async fn open(env: Env, settings: EngineSettings) -> Result<Arc<Engine>> {
        let dir = &settings.dir;
        let failed = |e: std::io::Error| Error::io(format!("data folder {}", dir.display()), &e);
        env.disk.create_dir(dir).map_err(failed)?;
        let lock = env.disk.lock(dir).map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => Error::new(
                SqlState::OBJECT_IN_USE,
                format!("another process uses the data folder {}", dir.display()),
            ),
            _ => failed(e),
        })?;
        let meta = Meta::open(env.clone(), dir.join("meta"), settings.bootstrap.clone())?;
        let log = Log::open(env.clone(), dir.join("log"), settings.log.clone())?;
        let oracle = Arc::new(Oracle::new(env.clone(), meta.read(|s| s.oracle_bound)));
        let engine = Arc::new(Engine {
            cache: PageCache::new(settings.cache_bytes),
            room: Room::new(&settings),
            waits: Arc::default(),
            databases: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            opened_ms: env.clock.now_ms(),
            agreed: Mutex::default(),
            upkeep: Mutex::default(),
            env,
            meta,
            log,
            oracle,
            settings,
            _lock: lock,
        });
        engine.open_databases().await?;
        *engine.upkeep.lock() = crate::upkeep::start(&engine);
        Ok(engine)
    }

    async fn open_databases(self: &Arc<Self>) -> Result<()> {
        let records: Vec<meta::Database> =
            self.meta.read(|s| s.databases.values().cloned().collect());
        let logs: Vec<LogId> = records.iter().flat_map(|d| d.partitions.clone()).collect();
        self.log.retain(&logs);
        for record in records {
            if record.state == DatabaseState::Dropping {
                self.remove_database(&record)?;
                continue;
            }
            if record.is_passing() {
                self.remove_passing(&record)?;
                continue;
            }
            self.remove_strangers(&record)?;
            let database = self.attach(&record)?;
            if record.state == DatabaseState::Primary {
                self.finish_promotion(&database).await?;
                crate::recover::resolve(&database).await?;
                self.adopt_or_say(&database).await;
                self.check_after_restart(&record, &database);
            }
        }
        Ok(())
    }

    /// Keeps writers out of a primary with followers: while it was down, one may have been promoted.
    fn check_after_restart(&self, record: &meta::Database, database: &Database) {
        if self.settings.restart_check && record.is_followed() && record.gate.is_none() {
            database.writers.close(CHECKING);
            self.note(database.name(), "fenced", CHECKING);
        }
    }

    /// True while a primary takes no writes because it has not heard from its standbys since it was
    /// restarted.
    pub fn awaits_standby(&self, database: &Database) -> bool {
        database.gated().as_deref() == Some(CHECKING)
    }

    /// True if none is left of those who could have been promoted and have not said otherwise.
    pub fn all_agreed(&self, record: &meta::Database) -> bool {
        let agreed = self.agreed.lock();
        record.promotable_slots().all(|slot| agreed.contains(&(record.id, slot.clone())))
    }

    /// Somebody has given up standbys of a primary: opens it if it waits for one of them since a
    /// restart, and for no other one. True if it did.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn await_no_more(&self, name: &str) -> Result<bool> {
        let (record, database) = (self.record(name)?, self.database(name)?);
        if !self.awaits_standby(&database) || !self.all_agreed(&record) {
            return Ok(false);
        }
        database.writers.open();
        self.note(name, "unfenced", "every standby that it waited for was given up by order");
        Ok(true)
    }

    /// Notes an event that this node itself is the author of.
    pub(crate) fn note(&self, database: &str, kind: &str, detail: &str) {
        let row = HistoryRow::new(self.env.clock.now_ms(), database, kind, detail);
        if let Err(error) = self.meta.apply(Command::History(row)) {
            tracing::warn!(database, kind, %error, "not in the history");
        }
    }

    /// A follower of a primary has shown that it knows of no later promotion. Once all have that could
    /// have been promoted, what [`EngineSettings::restart_check`] closed opens: one that agrees says
    /// nothing about the others.
    pub fn standby_seen(&self, database: &Database, slot: &str) {
        if !self.awaits_standby(database) {
            return;
        }
        self.agreed.lock().insert((database.id(), slot.to_owned()));
        let Ok(record) = self.record(database.name()) else { return };
        if self.all_agreed(&record) {
            tracing::info!(database = database.name(), "its standbys agree: open for writes");
            database.writers.open();
            self.note(database.name(), "unfenced", "its standbys know of no later promotion");
        }
    }

    /// This cluster.
    pub fn cluster(&self) -> ClusterId {
        self.meta.read(|s| s.cluster.id)
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.meta.read(|s| s.cluster.node)
    }

    /// The epoch of a new writer of what a database holds: above every one in which anything of it was
    /// written.
    pub fn next_epoch(&self, database: &Database) -> Epoch {
        let written = database.local_partitions().iter().filter_map(|p| p.history().last());
        let highest = written.max().unwrap_or_default().max(database.promotion_epoch());
        highest.successor(self.cluster(), self.node())
    }

    /// A line of history that no other database has.
    pub(crate) fn new_line(&self) -> LineId {
        let mut line = [0; 16];
        self.env.rng.fill(&mut line);
        LineId(u128::from_le_bytes(line))
    }

    /// How it is set up.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// The open database of this name.
    pub fn database(&self, name: &str) -> Result<Arc<Database>> {
        self.databases.read().get(name).cloned().ok_or_else(|| {
            Error::new(
                SqlState::INVALID_CATALOG_NAME,
                format!("database \"{name}\" does not exist"),
            )
        })
    }

    /// All open databases, by name.
    pub fn databases(&self) -> Vec<Arc<Database>> {
        self.databases.read().values().cloned().collect()
    }

    /// The folder of a database's files that are not a partition's (its vault).
    pub fn database_dir(&self, id: DatabaseId) -> PathBuf {
        self.settings.dir.join("db").join(id.to_string())
    }

    /// The metadata of a database.
    pub fn record(&self, name: &str) -> Result<meta::Database> {
        self.meta.read(|s| s.database(name).cloned()).ok_or_else(|| {
            Error::new(
                SqlState::INVALID_CATALOG_NAME,
                format!("database \"{name}\" does not exist"),
            )
        })
    }

    /// Closes a database for writes: new writers fail from now on, durably; returns when the
    /// running ones have ended. Safe to repeat.
    pub async fn gate(&self, name: &str, owner: &str, reason: &str) -> Result<()> {
        let (owner, reason) = (owner.to_owned(), reason.to_owned());
        self.gate_as(name, GateRequest { owner, reason, ..GateRequest::default() }).await
    }

    /// As [`Engine::gate`], in all its forms. Whoever looks after it opens it again when it expires.
    pub async fn gate_as(&self, name: &str, request: GateRequest) -> Result<()> {
        let database = self.database(name)?;
        self.check_changeable(name)?;
        let GateRequest { owner, reason, expires_ms, queues } = request;
        let at_ms = self.env.clock.now_ms();
        let gate = Gate { reason: reason.clone(), owner, at_ms, expires_ms, queues };
        self.meta.apply(Command::SetGate { database: database.id(), gate })?;
        database.writers.close_as(&reason, queues);
        database.writers.drain().await;
        Ok(())
    }

    /// What shows a lost primary stays as it is.
    fn check_changeable(&self, name: &str) -> Result<()> {
        let branch = self.record(name)?.branch;
        match branch.filter(|b| b.purpose == Purpose::Diverged) {
            None => Ok(()),
            Some(branch) => Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "database \"{name}\" shows what a lost primary of \"{}\" had, and stays as it is",
                    branch.name
                ),
            )
            .hint("CREATE DATABASE … BRANCH OF makes one of it that takes writes")),
        }
    }

    /// Opens a database for writes again, by order of somebody.
    pub fn ungate(&self, name: &str, by: &str) -> Result<()> {
        let database = self.database(name)?;
        self.check_changeable(name)?;
        let (at_ms, by) = (self.env.clock.now_ms(), Some(by.to_owned()));
        self.meta.apply(Command::ClearGate { database: database.id(), at_ms, by })?;
        database.writers.open();
        Ok(())
    }

    /// Room for row versions in memory.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Figures of the cache of chunk pages.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// How many transactions wait for a lock of another one now.
    pub fn lock_waits(&self) -> usize {
        self.waits.waiting()
    }

    /// Brings who may write in line with the gate that the metadata has, after it was changed
    /// together with something else.
    pub fn heed_gate(&self, name: &str) -> Result<()> {
        let database = self.database(name)?;
        match self.record(name)?.gate {
            Some(gate) => database.writers.close_as(&gate.reason, gate.queues),
            None => database.writers.open(),
        }
        Ok(())
    }

    /// Stops in order: upkeep, with the files it is writing, then the log with everything it was
    /// given.
    pub async fn shutdown(&self) {
        let upkeep = std::mem::take(&mut *self.upkeep.lock());
        upkeep.iter().for_each(TaskHandle::abort);
        for database in self.databases() {
            database.retire().await;
        }
        self.log.shutdown().await;
    }
}
