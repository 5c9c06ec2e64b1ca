//! One open database: its partitions, its role, and what keeps readers and upkeep apart.

use crate::cover::{Cover, LagLimit};
use crate::gate::Writers;
use crate::oracle::Oracle;
use crate::room::Room;
use crate::sequence::Open;
use crate::snapshot::Readers;
use crate::transaction::{Transaction, TxnOptions};
use base::{
    Catalog, DatabaseId, Epoch, Error, LineId, Result, SequenceDescriptor, SqlState, TableId,
    Timestamp, TxnId,
};
use env::Env;
use meta::DatabaseState;
use parking_lot::{Mutex, RwLock};
use partition::{Partition, PartitionHandle};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What holds for a database unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseSettings {
    /// Bytes one transaction may write.
    pub transaction_limit: usize,
    /// For how long old row versions stay readable.
    pub version_retention: Duration,
}

impl DatabaseSettings {
    /// The retention of a database, in milliseconds.
    pub(crate) fn retention_ms(&self, record: &meta::Database) -> u64 {
        let usual = || u64::try_from(self.version_retention.as_millis()).unwrap_or(u64::MAX);
        record.version_retention_ms.unwrap_or_else(usual)
    }
}

/// An open database. See the room's head.
pub struct Database {
    pub(crate) env: Env,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) room: Arc<Room>,
    pub(crate) settings: DatabaseSettings,
    pub(crate) writers: Arc<Writers>,
    pub(crate) cover: Cover,
    pub(crate) catalogs: Mutex<BTreeMap<Timestamp, Arc<Catalog>>>,
    /// Values of sequences that are reserved, by sequence and generation.
    sequences: Mutex<BTreeMap<(TableId, u32), Arc<Open>>>,
    id: DatabaseId,
    name: String,
    line: LineId,
    sync: bool,
    state: RwLock<DatabaseState>,
    epoch: RwLock<Epoch>,
    partitions: Vec<Arc<Partition>>,
    handles: Vec<Arc<dyn PartitionHandle>>,
    pub(crate) readers: Mutex<Readers>,
    /// For how long old row versions stay readable, in milliseconds.
    pub(crate) retention_ms: AtomicU64,
    /// What may be written to chunks ends here; see `group`.
    pub(crate) hold: AtomicU64,
    /// Where it would be, and since when.
    pub(crate) held: Mutex<(Timestamp, Duration)>,
    incarnation: u64,
    transactions: AtomicU64,
    /// What a standby shows while its source lets it move on in cycles; 0: all it has.
    pub(crate) shown: AtomicU64,
    /// As a standby it lets nobody read.
    hidden: AtomicBool,
    /// How often it has begun to go back: snapshots from before show nothing any more.
    pub(crate) rewinds: AtomicU64,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("name", &self.name).field("id", &self.id).finish()
    }
}

impl Database {
    pub(crate) fn new(
        env: Env,
        (oracle, room): (Arc<Oracle>, Arc<Room>),
        settings: DatabaseSettings,
        record: &meta::Database,
        partitions: Vec<Arc<Partition>>,
        handles: Vec<Arc<dyn PartitionHandle>>,
    ) -> Database {
        let writers = Arc::new(Writers::default());
        if let Some(gate) = &record.gate {
            writers.close_as(&gate.reason, gate.queues);
        }
        let cover = Cover::default();
        cover.set_limit(record.max_lag.map(LagLimit::of));
        let incarnation = env.rng.next_u64();
        Database {
            env,
            oracle,
            room,
            settings,
            writers,
            cover,
            catalogs: Mutex::new(BTreeMap::new()),
            sequences: Mutex::new(BTreeMap::new()),
            id: record.id,
            name: record.name.clone(),
            line: record.line,
            sync: record.durability == meta::Durability::Sync,
            state: RwLock::new(record.state),
            epoch: RwLock::new(record.promotion_epoch),
            partitions,
            handles,
            readers: Mutex::default(),
            retention_ms: AtomicU64::new(settings.retention_ms(record)),
            // Not known before upkeep has looked.
            hold: AtomicU64::new(if record.group.is_some() { 0 } else { u64::MAX }),
            held: Mutex::default(),
            incarnation,
            transactions: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            hidden: AtomicBool::new(record.hidden),
            rewinds: AtomicU64::new(0),
        }
    }

    /// Its local identity.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its line of history.
    pub fn line(&self) -> LineId {
        self.line
    }

    /// True if commits wait for the disk.
    pub fn sync(&self) -> bool {
        self.sync
    }

    /// Its role.
    pub fn state(&self) -> DatabaseState {
        *self.state.read()
    }

    /// Takes on a role that the metadata has.
    pub fn set_state(&self, state: DatabaseState) {
        self.show_up_to(None);
        let mut now = self.state.write();
        if matches!(state, DatabaseState::Rewinding { .. }) {
            self.rewinds.fetch_add(1, Ordering::SeqCst);
        }
        // What a primary has reserved is of no meaning in another role.
        self.sequences.lock().clear();
        *now = state;
    }

    /// What is reserved of a sequence.
    pub(crate) fn open_sequence(&self, s: &SequenceDescriptor) -> Arc<Open> {
        self.sequences.lock().entry((s.id, s.generation)).or_default().clone()
    }

    /// The promotion epoch of its line, as far as known here.
    pub fn promotion_epoch(&self) -> Epoch {
        *self.epoch.read()
    }

    /// Notes a promotion epoch that the metadata has.
    pub fn set_promotion_epoch(&self, epoch: Epoch) {
        let mut known = self.epoch.write();
        *known = (*known).max(epoch);
    }

    /// Why it takes no writes, if it is gated.
    pub fn gated(&self) -> Option<String> {
        self.writers.closed()
    }

    /// What of it has a living copy elsewhere.
    pub fn cover(&self) -> &Cover {
        &self.cover
    }

    /// Handles of all its partitions.
    pub fn partitions(&self) -> &[Arc<dyn PartitionHandle>] {
        &self.handles
    }

    /// The partitions on this node.
    pub fn local_partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }

    pub(crate) fn partition(&self, index: u16) -> Result<&Arc<dyn PartitionHandle>> {
        self.handles.get(usize::from(index)).ok_or_else(|| {
            Error::internal(format!("database {} has no partition {index}", self.name))
        })
    }

    /// No file of it is written any more when this returns.
    pub(crate) async fn retire(&self) {
        for partition in &self.partitions {
            partition.retire().await;
        }
    }

    /// Up to where every partition has everything: the newest consistent cut here.
    pub fn replicated_time(&self) -> Timestamp {
        self.partitions.iter().map(|p| p.closed()).min().unwrap_or_default()
    }

    /// As [`Database::replicated_time`], but only what a crash cannot take away.
    pub fn durable_time(&self) -> Timestamp {
        self.partitions.iter().map(|p| p.durable_closed()).min().unwrap_or_default()
    }

    /// From when on its partitions are consistent with each other: a fresh copy is so only once
    /// every partition has reached the newest of the copied manifests.
    pub fn consistent_from(&self) -> Timestamp {
        self.partitions.iter().map(|p| p.manifest().ts).max().unwrap_or_default()
    }

    /// The timestamp a new reader gets.
    ///
    /// # Errors
    /// 57P03 while it is being copied or rewound.
    pub fn read_timestamp(&self) -> Result<Timestamp> {
        let state = self.state();
        match state {
            DatabaseState::Primary => Ok(self.oracle.now()),
            DatabaseState::Standby => match self.shown.load(Ordering::SeqCst) {
                0 => Ok(self.replicated_time()),
                shown => Ok(Timestamp(shown)),
            },
            DatabaseState::Copying => Err(self.not_now("its first copy is not complete")),
            DatabaseState::Rewinding { .. } => {
                Err(self.not_now("it gives up what its new source does not have"))
            }
            DatabaseState::Dropping => Err(self.not_now("it is being dropped")),
            DatabaseState::Branching => Err(self.not_now("it is being made")),
        }
    }

    pub(crate) fn not_now(&self, why: &str) -> Error {
        Error::new(
            SqlState::CANNOT_CONNECT_NOW,
            format!("database \"{}\" cannot be read now: {why}", self.name),
        )
        .hint("SHOW REPLICATION STATUS tells how far it is")
    }

    /// Refuses clients that want to read a standby which is to be read by nobody.
    pub(crate) fn check_readable(&self) -> Result<()> {
        if self.hidden.load(Ordering::Relaxed) && self.state() == DatabaseState::Standby {
            return Err(self
                .not_now("it is a standby with HOT_STANDBY OFF")
                .hint(format!("ALTER DATABASE {} SET HOT_STANDBY ON lets it be read", self.name)));
        }
        Ok(())
    }

    /// Takes on what the metadata says of reading it as a standby.
    pub fn set_hidden(&self, hidden: bool) {
        self.hidden.store(hidden, Ordering::Relaxed);
    }

    /// Refuses writes to what is not a primary.
    pub(crate) fn check_primary(&self) -> Result<()> {
        match self.state() {
            DatabaseState::Primary => Ok(()),
            state => Err(Error::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                format!("database \"{}\" is read-only: it is a {}", self.name, state.name()),
            )
            .hint("write to its primary, or promote this copy with STOP REPLICATING")),
        }
    }

    /// Begins a transaction.
    pub fn begin(self: &Arc<Self>, options: TxnOptions) -> Transaction {
        let count = self.transactions.fetch_add(1, Ordering::Relaxed) + 1;
        let id = TxnId((u128::from(self.incarnation) << 64) | u128::from(count));
        Transaction::new(self.clone(), id, options)
    }

    /// Forgets cached catalogs: after a rewind the same timestamps can mean other schemas.
    pub fn forget_catalogs(&self) {
        self.catalogs.lock().clear();
        self.sequences.lock().clear();
        self.readers.lock().forget_floor();
    }
}
