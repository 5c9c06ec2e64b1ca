//! The databases of this node and what they share: metadata, physical log, oracle, page cache.

use crate::database::{Database, DatabaseSettings};
use crate::oracle::Oracle;
use base::{
    ClusterId, DatabaseId, Epoch, Error, LineId, LogId, NodeId, Result, SqlState, Timestamp,
};
use env::{DiskLock, Env, TaskHandle};
use log::{Log, LogSettings};
use meta::{Bootstrap, Command, DatabaseState, Durability, Gate, Meta, NewDatabase};
use parking_lot::{Mutex, RwLock};
use partition::{Partition, PartitionSettings, Role, WaitGraph};
use state::PageCache;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why a restarted primary takes no writes yet.
const CHECKING: &str =
    "restarted, and not heard from its standby yet, which may have been promoted";

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The data folder; locked while the engine lives.
    pub dir: PathBuf,
    /// Who this cluster is, and the first user of a new folder.
    pub bootstrap: Bootstrap,
    /// Bytes of row versions in memory, over all partitions, before they are written to chunks.
    pub delta_bytes: usize,
    /// Bytes of decoded chunk pages kept in memory.
    pub cache_bytes: usize,
    /// Bytes one transaction may write.
    pub transaction_limit: usize,
    /// Bytes of log kept even if nobody is known to need them.
    pub log_retention_bytes: u64,
    /// Bytes of log beyond which slots are given up, so that a dead standby never fills the disk.
    pub slot_bytes_max: u64,
    /// How often a busy partition promises a closed timestamp: the lag of a standby's reads.
    pub closed_interval: Duration,
    /// How often an idle one does while somebody follows it.
    pub idle_interval: Duration,
    /// After a restart, a primary that somebody follows takes no writes until a follower has shown
    /// that nobody was promoted meanwhile (or an operator opens it).
    pub restart_check: bool,
    /// The physical log.
    pub log: LogSettings,
    /// Chunks.
    pub state: state::Settings,
}

impl EngineSettings {
    /// Usual settings for a data folder.
    pub fn new(dir: PathBuf, bootstrap: Bootstrap) -> EngineSettings {
        EngineSettings {
            dir,
            bootstrap,
            delta_bytes: 256 << 20,
            cache_bytes: 256 << 20,
            transaction_limit: 2 << 30,
            log_retention_bytes: 1 << 30,
            slot_bytes_max: 16 << 30,
            closed_interval: Duration::from_millis(20),
            idle_interval: Duration::from_millis(500),
            restart_check: true,
            log: LogSettings::default(),
            state: state::Settings::default(),
        }
    }
}

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
    cache: Arc<PageCache>,
    waits: Arc<WaitGraph>,
    databases: RwLock<BTreeMap<String, Arc<Database>>>,
    /// One change of the set of databases at a time.
    changing: tokio::sync::Mutex<()>,
    upkeep: Mutex<Option<TaskHandle>>,
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
            waits: Arc::default(),
            databases: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            upkeep: Mutex::default(),
            env,
            meta,
            log,
            oracle,
            settings,
            _lock: lock,
        });
        engine.open_databases().await?;
        *engine.upkeep.lock() = Some(crate::upkeep::start(&engine));
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
            let database = self.attach(&record)?;
            if record.state == DatabaseState::Primary {
                self.finish_promotion(&database).await?;
                crate::recover::resolve(&database).await?;
                self.check_after_restart(&record, &database);
            }
        }
        Ok(())
    }

    /// Keeps writers out of a primary with followers: while it was down, one may have been promoted.
    fn check_after_restart(&self, record: &meta::Database, database: &Database) {
        let since = record.promotion.as_ref().map_or(Timestamp::ZERO, |p| p.cut);
        let followed = record.slots.values().any(|s| s.dropped.is_none() && s.replicated > since);
        if self.settings.restart_check && followed && record.gate.is_none() {
            database.writers.close(CHECKING);
        }
    }

    /// A follower of a primary has shown that it knows of no later promotion: what
    /// [`EngineSettings::restart_check`] closed opens.
    pub fn standby_seen(&self, database: &Database) {
        if database.gated().as_deref() == Some(CHECKING) {
            tracing::info!(database = database.name(), "its standby agrees: open for writes");
            database.writers.open();
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

    /// Makes a new primary database.
    pub async fn create_database(
        self: &Arc<Self>,
        name: &str,
        partitions: u16,
        durability: Durability,
    ) -> Result<Arc<Database>> {
        let mut line = [0; 16];
        self.env.rng.fill(&mut line);
        let epoch = Epoch::default().successor(self.cluster(), self.node());
        self.add_database(NewDatabase {
            name: name.to_owned(),
            line: LineId(u128::from_le_bytes(line)),
            partitions,
            durability,
            state: DatabaseState::Primary,
            epoch,
            link: None,
            at_ms: self.env.clock.now_ms(),
        })
        .await
    }

    /// Makes a database as the metadata command says; a target's partitions follow.
    pub async fn add_database(self: &Arc<Self>, new: NewDatabase) -> Result<Arc<Database>> {
        if new.partitions == 0 || new.partitions > 256 {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("a database has 1 to 256 partitions, not {}", new.partitions),
            ));
        }
        let _changing = self.changing.lock().await;
        let name = new.name.clone();
        self.meta.apply(Command::CreateDatabase(new))?;
        let record = self.record(&name)?;
        let database = self.attach(&record)?;
        if record.state == DatabaseState::Primary {
            self.finish_promotion(&database).await?;
        }
        Ok(database)
    }

    /// Gives a target new, empty partitions of a line, for a full copy.
    pub async fn fresh_partitions(
        self: &Arc<Self>,
        name: &str,
        partitions: u16,
        line: LineId,
    ) -> Result<Arc<Database>> {
        let _changing = self.changing.lock().await;
        let old = self.record(name)?;
        self.detach(name);
        let database = old.id;
        self.meta.apply(Command::FreshPartitions { database, partitions, line })?;
        self.remove_partitions(&old)?;
        self.attach(&self.record(name)?)
    }

    /// Drops a database with all its data.
    pub async fn drop_database(self: &Arc<Self>, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let record = self.record(name)?;
        let (database, state) = (record.id, DatabaseState::Dropping);
        self.meta.apply(Command::SetDatabaseState { database, state })?;
        if let Some(open) = self.detach(name) {
            open.set_state(DatabaseState::Dropping);
        }
        self.remove_database(&record)
    }

    fn remove_database(&self, record: &meta::Database) -> Result<()> {
        self.remove_partitions(record)?;
        self.remove_dir(&self.database_dir(record.id))?;
        let (database, at_ms) = (record.id, self.env.clock.now_ms());
        self.meta.apply(Command::DropDatabase { database, at_ms })?;
        Ok(())
    }

    fn remove_partitions(&self, record: &meta::Database) -> Result<()> {
        for (index, log) in record.partitions.iter().enumerate() {
            self.log.drop_log(*log);
            self.remove_dir(&self.partition_dir(record.id, index, *log))?;
        }
        Ok(())
    }

    fn remove_dir(&self, dir: &std::path::Path) -> Result<()> {
        let removed = self.env.disk.remove_dir(dir);
        removed.map_err(|e| Error::io(format!("removing {}", dir.display()), &e))
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

    fn partition_dir(&self, id: DatabaseId, index: usize, log: LogId) -> PathBuf {
        self.database_dir(id).join(format!("p{index}-{log}"))
    }

    fn attach(&self, record: &meta::Database) -> Result<Arc<Database>> {
        let mut partitions = Vec::with_capacity(record.partitions.len());
        for (index, log_id) in record.partitions.iter().enumerate() {
            partitions.push(Arc::new(self.open_partition(record, index, *log_id)?));
        }
        for partition in &partitions {
            self.oracle.advance(partition.newest_timestamp());
        }
        let settings = DatabaseSettings { transaction_limit: self.settings.transaction_limit };
        let (env, oracle) = (self.env.clone(), self.oracle.clone());
        let database = Arc::new(Database::new(env, oracle, settings, record, partitions));
        self.databases.write().insert(record.name.clone(), database.clone());
        Ok(database)
    }

    /// Opens a database's partitions again from disk, after their files were replaced.
    pub async fn reattach(self: &Arc<Self>, name: &str) -> Result<Arc<Database>> {
        let _changing = self.changing.lock().await;
        self.detach(name);
        self.attach(&self.record(name)?)
    }

    fn open_partition(
        &self,
        record: &meta::Database,
        index: usize,
        log_id: LogId,
    ) -> Result<Partition> {
        let dir = self.partition_dir(record.id, index, log_id);
        let made = self.env.disk.create_dir(&dir);
        made.map_err(|e| Error::io(format!("making {}", dir.display()), &e))?;
        self.log.register(log_id);
        let primary = record.state == DatabaseState::Primary;
        Partition::open(
            self.env.clone(),
            self.log.clone(),
            self.cache.clone(),
            self.waits.clone(),
            PartitionSettings {
                index: u16::try_from(index)
                    .map_err(|_| Error::internal("more partitions than can be numbered"))?,
                log_id,
                dir,
                cluster: self.cluster(),
                node: self.node(),
                sync: record.durability == Durability::Sync,
                role: if primary { Role::Leader } else { Role::Follower },
                state: self.settings.state.clone(),
            },
        )
    }

    fn detach(&self, name: &str) -> Option<Arc<Database>> {
        self.databases.write().remove(name)
    }

    /// Writes what a promotion (or the creation) has decided to every partition that lacks it, and
    /// lets the database lead. Safe to repeat.
    pub async fn finish_promotion(&self, database: &Arc<Database>) -> Result<()> {
        let record = self.record(database.name())?;
        let (cut, reason) = match &record.promotion {
            Some(promotion) => (promotion.cut, promotion.reason.clone()),
            None => (Timestamp::MAX, "created".to_owned()),
        };
        self.oracle.advance(cut);
        for partition in database.local_partitions() {
            self.oracle.advance(partition.newest_timestamp());
            partition.start_epoch(record.promotion_epoch, cut, &reason).await?;
        }
        database.forget_catalogs();
        database.set_promotion_epoch(record.promotion_epoch);
        database.set_state(DatabaseState::Primary);
        Ok(())
    }

    /// Closes a database for writes: new writers fail from now on, durably; returns when the
    /// running ones have ended. Safe to repeat.
    pub async fn gate(&self, name: &str, owner: &str, reason: &str) -> Result<()> {
        let database = self.database(name)?;
        let gate = Gate {
            reason: reason.to_owned(),
            owner: owner.to_owned(),
            at_ms: self.env.clock.now_ms(),
        };
        self.meta.apply(Command::SetGate { database: database.id(), gate })?;
        database.writers.close(reason);
        database.writers.drain().await;
        Ok(())
    }

    /// Opens a database for writes again.
    pub fn ungate(&self, name: &str) -> Result<()> {
        let database = self.database(name)?;
        let at_ms = self.env.clock.now_ms();
        self.meta.apply(Command::ClearGate { database: database.id(), at_ms })?;
        database.writers.open();
        Ok(())
    }

    /// Stops in order: upkeep, then the log with everything it was given.
    pub async fn shutdown(&self) {
        let upkeep = self.upkeep.lock().take();
        if let Some(upkeep) = upkeep {
            upkeep.abort();
        }
        self.log.shutdown().await;
    }
}
