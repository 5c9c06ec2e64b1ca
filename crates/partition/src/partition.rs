//! The partition itself: its parts, and how it opens.

use crate::changes::Changes;
use crate::guards::Guards;
use crate::locks::{LockTable, WaitGraph};
use crate::order::Order;
use crate::watch::Watch;
use base::{
    ClusterId, Epoch, EpochHistory, Error, LogId, Lsn, NodeId, Result, SqlState, Timestamp, TxnId,
};
use env::Env;
use log::Log;
use parking_lot::{Mutex, RwLock};
use state::{PageCache, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Notify, oneshot};

/// How many bytes of log are decoded at a time when replaying.
const REPLAY_BYTES: usize = 8 << 20;

/// Places of closed timestamps are remembered at least so far apart.
const CLOSES_MS: u64 = 100;
/// So many of them at most; then every other one is forgotten.
const CLOSES_MAX: usize = 1 << 16;

/// Who writes this partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This node does.
    Leader,
    /// Another one does; its frames come in by [`Partition::ingest`].
    Follower,
}

/// What a partition is made of.
#[derive(Clone, Debug)]
pub struct PartitionSettings {
    /// Place among the database's partitions.
    pub index: u16,
    /// Its log in the node's physical log.
    pub log_id: LogId,
    /// Folder of manifests and chunks.
    pub dir: PathBuf,
    /// This cluster.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
    /// Readers wait for durability.
    pub sync: bool,
    /// Leads or follows after opening.
    pub role: Role,
    /// Chunk sizes and the like.
    pub state: state::Settings,
}

/// A partition on this node. See the room's head.
pub struct Partition {
    pub(crate) env: Env,
    pub(crate) settings: PartitionSettings,
    pub(crate) log: Log,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) waits: Arc<WaitGraph>,
    pub(crate) state: RwLock<Arc<State>>,
    pub(crate) inner: Mutex<Inner>,
    /// Wakes readers that wait for decisions.
    pub(crate) decided: Notify,
    /// Wakes writers that wait for guards.
    pub(crate) unguarded: Notify,
    /// One spill or rewind at a time.
    pub(crate) upkeep: tokio::sync::Mutex<()>,
    /// Another one has taken its place: its log and its files go.
    pub(crate) replaced: AtomicBool,
}

/// What the partition's mutex guards.
#[derive(Debug)]
pub(crate) struct Inner {
    pub role: Role,
    pub end: Lsn,
    pub history: EpochHistory,
    /// At which cuts its epochs began.
    pub cuts: BTreeMap<Epoch, Timestamp>,
    pub order: Order,
    /// Parts of large transactions whose final record has not come yet, with the first one's lsn.
    pub staged: BTreeMap<TxnId, (Lsn, Changes)>,
    pub locks: LockTable,
    pub guards: Guards,
    pub watch: Watch,
    pub waiting: BTreeMap<u64, (TxnId, oneshot::Sender<()>)>,
    pub waits: Arc<WaitGraph>,
    /// Commit timestamps of schema changes, ascending.
    pub catalog_changes: Vec<Timestamp>,
    /// Closed timestamps not yet known to be durable.
    pub closing: VecDeque<(Timestamp, Lsn)>,
    pub durable_closed: Timestamp,
    /// Where closed timestamps stand in the log, ascending and thinned out, back to the manifest's.
    pub closes: VecDeque<(Timestamp, Lsn)>,
    /// Decisions that found no room in the log.
    pub unlogged: VecDeque<(TxnId, Option<Timestamp>)>,
    pub transactions: u64,
    /// The state was put back to an older manifest and lacks the log from there on.
    pub incomplete: bool,
    /// No chunks are written beyond this time.
    pub chunk_limit: Option<Timestamp>,
}

impl Inner {
    fn new(role: Role, manifest: &format::Manifest, waits: Arc<WaitGraph>) -> Inner {
        let mut history = manifest.history.clone();
        history.truncate_after(Lsn(manifest.replay_from.0.saturating_sub(1)));
        Inner {
            role,
            end: Lsn(manifest.replay_from.0.saturating_sub(1)),
            history,
            cuts: manifest.cuts.iter().copied().collect(),
            order: Order::starting_at(manifest.ts),
            staged: BTreeMap::new(),
            locks: LockTable::default(),
            guards: Guards::default(),
            watch: Watch::default(),
            waiting: BTreeMap::new(),
            waits,
            catalog_changes: Vec::new(),
            closing: VecDeque::new(),
            durable_closed: manifest.ts,
            closes: VecDeque::new(),
            unlogged: VecDeque::new(),
            transactions: 0,
            incomplete: false,
            chunk_limit: None,
        }
    }

    /// Forgets what only a leader keeps: a follower has no locks.
    pub fn let_go(&mut self) {
        self.locks = LockTable::default();
        self.guards = Guards::default();
        self.watch = Watch::default();
        self.waiting.clear();
    }

    /// The epoch this partition is written in.
    pub fn epoch(&self) -> Epoch {
        self.history.last().unwrap_or_default()
    }

    /// Refuses writes where another node or cluster is the writer.
    pub fn check_leader(&self) -> Result<()> {
        if self.role == Role::Leader {
            return Ok(());
        }
        Err(Error::new(
            SqlState::READ_ONLY_SQL_TRANSACTION,
            "this copy of the database follows another one and takes no writes",
        )
        .hint("write to the primary, or promote this one with STOP REPLICATING"))
    }

    /// Notes where a closed timestamp stands.
    pub fn note_closed(&mut self, ts: Timestamp, lsn: Lsn) {
        self.closing.push_back((ts, lsn));
        if self.closes.back().is_none_or(|(last, _)| ts.ms() >= last.ms() + CLOSES_MS) {
            self.closes.push_back((ts, lsn));
        }
        if self.closes.len() > CLOSES_MAX {
            let mut nth = 0;
            self.closes.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
    }

    /// From where the log must be replayed over a manifest at `at` that follows one replayed from
    /// `last`. Never beyond the place where `at` was closed: a standby that is promoted at or
    /// above `at` has the log at least to there, and what follows may be superseded by its own.
    pub fn replay_from(&self, at: Timestamp, last: Lsn) -> Lsn {
        let closed = self.closes.iter().rev().find(|(ts, _)| *ts <= at);
        let limit = closed.map_or(last, |(_, lsn)| lsn.next());
        self.order.replay_from(at, self.end).min(limit)
    }

    /// Forgets what a manifest at `at` covers.
    pub fn forget(&mut self, at: Timestamp, replay_from: Lsn) {
        self.order.forget(at, replay_from);
        while self.closes.get(1).is_some_and(|(ts, _)| *ts <= at) {
            self.closes.pop_front();
        }
    }

    /// Hands queued locks to those who wait for them.
    pub fn wake(&mut self, tickets: Vec<u64>) {
        for ticket in tickets {
            if let Some((txn, waiter)) = self.waiting.remove(&ticket) {
                // Not only once it has noticed: nobody is in its way from now on.
                self.waits.done(txn);
                let _ = waiter.send(());
            }
        }
    }
}

impl Partition {
    /// Opens the newest manifest and replays the log's tail. Blocks on the disk.
    ///
    /// # Errors
    /// A corrupt manifest, chunk list or log record, named with its file; a log that no longer
    /// reaches back to the manifest.
    pub fn open(
        env: Env,
        log: Log,
        cache: Arc<PageCache>,
        waits: Arc<WaitGraph>,
        settings: PartitionSettings,
    ) -> Result<Partition> {
        let (state, inner) = open_parts(&env, &log, &cache, &waits, &settings)?;
        let partition = Partition {
            env,
            settings,
            log,
            cache,
            waits,
            state: RwLock::new(Arc::new(state)),
            inner: Mutex::new(inner),
            decided: Notify::new(),
            unguarded: Notify::new(),
            upkeep: tokio::sync::Mutex::new(()),
            replaced: AtomicBool::new(false),
        };
        partition.relock_prepared();
        Ok(partition)
    }

    /// Opens again from disk, in place: what a rewind ends with.
    pub(crate) fn reopen(&self) -> Result<()> {
        let old = self.state();
        old.close();
        let opened = open_parts(&self.env, &self.log, &self.cache, &self.waits, &self.settings);
        let (state, mut fresh) = opened.inspect_err(|_| old.resume())?;
        {
            let mut inner = self.inner.lock();
            fresh.role = inner.role;
            fresh.chunk_limit = inner.chunk_limit;
            fresh.transactions = inner.transactions;
            *self.state.write() = Arc::new(state);
            *inner = fresh;
        }
        self.relock_prepared();
        self.decided.notify_waiters();
        Ok(())
    }

    /// Undecided transactions keep their rows locked over a restart of the leader. A follower has
    /// no locks: decisions come to it as records, which give none up.
    fn relock_prepared(&self) {
        let mut inner = self.inner.lock();
        if inner.role == Role::Follower {
            return;
        }
        let keys: Vec<_> = inner
            .order
            .prepared()
            .iter()
            .flat_map(|(txn, p)| p.changes.shared_keys().map(|key| (*txn, key)))
            .collect();
        for (txn, key) in keys {
            inner.locks.try_acquire(txn, &key, crate::LockMode::Exclusive);
        }
    }

    /// Its place among the database's partitions.
    pub fn number(&self) -> u16 {
        self.settings.index
    }

    /// Its log in the node's physical log.
    pub fn log_id(&self) -> LogId {
        self.settings.log_id
    }

    /// Leads or follows.
    pub fn role(&self) -> Role {
        self.inner.lock().role
    }

    /// Makes it lead or follow.
    pub fn set_role(&self, role: Role) {
        self.inner.lock().role = role;
    }

    /// Last position in its log.
    pub fn end(&self) -> Lsn {
        self.inner.lock().end
    }

    /// Last durable position in its log.
    pub fn durable(&self) -> Lsn {
        self.log.durable(self.settings.log_id).max(Lsn(self
            .manifest()
            .replay_from
            .0
            .saturating_sub(1)))
    }

    /// First position still in its log.
    pub fn first(&self) -> Lsn {
        self.log.first(self.settings.log_id)
    }

    /// Which epoch wrote what.
    pub fn history(&self) -> EpochHistory {
        self.inner.lock().history.clone()
    }

    /// Newest closed timestamp.
    pub fn closed(&self) -> Timestamp {
        self.inner.lock().order.closed()
    }

    /// Newest closed timestamp that a crash cannot take away.
    pub fn durable_closed(&self) -> Timestamp {
        let durable = self.log.durable(self.settings.log_id);
        let mut inner = self.inner.lock();
        while let Some(&(ts, lsn)) = inner.closing.front() {
            if lsn > durable {
                break;
            }
            inner.durable_closed = inner.durable_closed.max(ts);
            inner.closing.pop_front();
        }
        inner.durable_closed
    }

    /// The newest commit in it.
    pub fn last_commit(&self) -> Timestamp {
        self.inner.lock().order.last_commit()
    }

    /// The largest timestamp this partition knows of.
    pub fn newest_timestamp(&self) -> Timestamp {
        let inner = self.inner.lock();
        inner.order.closed().max(inner.order.last_commit())
    }

    /// The current manifest.
    pub fn manifest(&self) -> Arc<format::Manifest> {
        self.state().manifest()
    }

    /// Bytes of row versions in memory.
    pub fn delta_bytes(&self) -> usize {
        self.state().delta_bytes()
    }

    /// Undecided transactions with their participants.
    pub fn undecided(&self) -> Vec<(TxnId, Vec<u16>)> {
        let inner = self.inner.lock();
        inner.order.prepared().iter().map(|(t, p)| (*t, p.participants.clone())).collect()
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.read().clone()
    }
}

/// When the schema changed, as far as chunks tell: which catalog holds at a time before the manifest.
fn schema_changes(state: &State) -> Result<Vec<Timestamp>> {
    let versions = state.versions(base::StorageId::CATALOG, Timestamp::ZERO)?;
    let stamps: BTreeSet<Timestamp> = versions.iter().map(|(_, v)| v.ts).collect();
    Ok(stamps.into_iter().collect())
}

fn open_parts(
    env: &Env,
    log: &Log,
    cache: &Arc<PageCache>,
    waits: &Arc<WaitGraph>,
    settings: &PartitionSettings,
) -> Result<(State, Inner)> {
    let state = State::open(env, settings.dir.clone(), cache.clone(), settings.state.clone())?;
    let manifest = state.manifest();
    let mut inner = Inner::new(settings.role, &manifest, waits.clone());
    inner.catalog_changes = schema_changes(&state)?;
    let mut next = manifest.replay_from;
    log.start_at(settings.log_id, next);
    let end = log.end(settings.log_id);
    if end >= next && log.first(settings.log_id) > next {
        return Err(Error::corrupt(format!(
            "partition {}: the manifest needs the log from {next}, which begins at {}",
            settings.index,
            log.first(settings.log_id)
        )));
    }
    while next <= end {
        let frames = log.read(settings.log_id, next, REPLAY_BYTES)?;
        if frames.is_empty() {
            break;
        }
        for frame in &frames {
            inner.apply_frame(&state, frame)?;
            next = frame.lsn.next();
        }
    }
    // What was read back from disk is durable.
    inner.durable_closed = inner.order.closed();
    inner.closing.clear();
    Ok((state, inner))
}
