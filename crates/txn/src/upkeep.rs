//! What must be done again and again: closed timestamps, spills, merges, trimming the log.

use crate::database::Database;
use crate::engine::Engine;
use crate::snapshot::Bounds;
use base::{Result, StorageId, Timestamp};
use env::TaskHandle;
use format::ColumnLayout;
use futures::future::BoxFuture;
use meta::DatabaseState;
use partition::{Layouts, Partition, PartitionHandle, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often a database that nobody follows closes timestamps and looks at its budgets.
const ALONE_INTERVAL: Duration = Duration::from_millis(500);

/// How often all partitions move their manifests on while the log is over its retention.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// How often spills begin at most.
const URGENT_INTERVAL: Duration = Duration::from_millis(20);

/// So long a spill that is urgent lets its closed timestamp become durable.
const CLOSE_WAIT: Duration = Duration::from_millis(10);

/// A database whose delta has not changed for so long is at rest: what it has in memory is written
/// down, so that scans find columns and a restart has nothing to replay.
const REST: Duration = Duration::from_secs(5);

/// A partition with less than this in its delta is left alone: the file would not be worth it.
const REST_BYTES: usize = 256 << 10;

/// How long after a merge failed the next one is tried: it may have written much in vain.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Starts the upkeep of an engine; it ends with the engine. Spills and merges are tasks of their
/// own: they may take long, and closed timestamps must not wait for them.
pub(crate) fn start(engine: &Arc<Engine>) -> Vec<TaskHandle> {
    let closing = engine.settings.closed_interval;
    vec![
        every(engine, "upkeep", closing, |e, d, done| Box::pin(e.close_due(d, done))),
        every(engine, SPILLS, ALONE_INTERVAL, |e, d, done| Box::pin(e.spill_due(d, done))),
        every(engine, "merges", ALONE_INTERVAL, |e, d, done| Box::pin(e.merge_due(d, done))),
    ]
}

const SPILLS: &str = "spills";

type Job = for<'a> fn(&'a Engine, &'a Arc<Database>, &'a mut Done) -> BoxFuture<'a, Result<()>>;

/// Does a job for every database, again and again.
fn every(engine: &Arc<Engine>, name: &'static str, interval: Duration, job: Job) -> TaskHandle {
    let (env, weak) = (engine.env.clone(), Arc::downgrade(engine));
    let room = (name == SPILLS).then(|| engine.room.clone());
    let task = async move {
        let mut done: BTreeMap<base::DatabaseId, Done> = BTreeMap::new();
        loop {
            match &room {
                None => env.sleep(interval).await,
                // Spills may be wanted before their time; but what could not be written down a
                // moment ago can hardly be now.
                Some(room) => {
                    env.sleep(URGENT_INTERVAL).await;
                    let wanted = Box::pin(room.wanted());
                    let rest = env.sleep(interval.saturating_sub(URGENT_INTERVAL));
                    futures::future::select(rest, wanted).await;
                }
            }
            let Some(engine) = Weak::upgrade(&weak) else { return };
            for database in engine.databases() {
                let done = done.entry(database.id()).or_default();
                if let Err(error) = job(&engine, &database, done).await {
                    tracing::warn!(database = database.name(), %error, "{name} failed");
                }
            }
        }
    };
    engine.env.tasks.spawn(name, Box::pin(task))
}

/// When what was last done, on the monotonic clock.
#[derive(Debug, Default)]
struct Done {
    closed: Duration,
    log: Duration,
    /// Since when the delta has had so many bytes; none once they were to be written down.
    rests: (Option<Duration>, usize),
    merge_failed: Option<Duration>,
}

impl Done {
    /// Once, when the delta has kept its size for long enough.
    fn is_at_rest(&mut self, now: Duration, bytes: usize) -> bool {
        if self.rests.1 != bytes {
            self.rests = (Some(now), bytes);
        }
        self.rests.0.take_if(|since| now.saturating_sub(*since) >= REST).is_some()
    }
}

impl Engine {
    async fn close_due(&self, database: &Arc<Database>, done: &mut Done) -> Result<()> {
        self.hold_group(database);
        if database.state() != DatabaseState::Primary {
            return Ok(());
        }
        self.tell_lag(database)?;
        let now = self.env.clock.monotonic();
        let followed = self.meta.read(|s| {
            s.databases
                .get(&database.id())
                .is_some_and(|d| d.slots.values().any(|slot| slot.dropped.is_none()))
        });
        let busy = database.local_partitions().iter().any(|p| p.unclosed());
        let due = match (followed, busy) {
            (true, true) => Duration::ZERO,
            (true, false) => self.settings.idle_interval,
            (false, true) => ALONE_INTERVAL,
            (false, false) => Duration::MAX,
        };
        if now.saturating_sub(done.closed) >= due {
            done.closed = now;
            self.close(database)?;
        }
        Ok(())
    }

    async fn spill_due(&self, database: &Arc<Database>, done: &mut Done) -> Result<()> {
        let now = self.env.clock.monotonic();
        self.spill(database).await?;
        if done.is_at_rest(now, database.local_partitions().iter().map(|p| p.delta_bytes()).sum()) {
            self.spill_above(database, REST_BYTES).await?;
        }
        let over = self.log_is_over();
        if over && now.saturating_sub(done.log) >= LOG_INTERVAL {
            done.log = now;
            // An idle partition's manifest would pin the log for all others.
            self.write_chunks(database, |_| true).await?;
        }
        self.trim(database)
    }

    async fn merge_due(&self, database: &Arc<Database>, done: &mut Done) -> Result<()> {
        let now = self.env.clock.monotonic();
        let waits = done.merge_failed.is_some_and(|at| now.saturating_sub(at) < RETRY_INTERVAL);
        if waits || !writes_chunks(database) {
            return Ok(());
        }
        done.merge_failed = None;
        for partition in database.local_partitions() {
            let merged = partition.merge(database.bounds().horizon).await;
            merged.inspect_err(|_| done.merge_failed = Some(self.env.clock.monotonic()))?;
        }
        Ok(())
    }

    fn close(&self, database: &Database) -> Result<()> {
        let now = self.oracle.now();
        database.local_partitions().iter().try_for_each(|partition| close_at(partition, now))
    }

    /// Closes what has passed, if this node leads: whoever follows need not wait for the next time.
    pub fn close_now(&self, partition: &Partition) -> Result<()> {
        close_at(partition, self.oracle.now())
    }

    fn log_is_over(&self) -> bool {
        let size = self.log.size();
        size.bytes > self.settings.log_retention_bytes
            || size.index_bytes > self.settings.log_index_bytes
    }

    /// Bytes of the delta over all partitions of some databases.
    fn delta_bytes(&self, which: impl Fn(DatabaseState) -> bool) -> usize {
        let databases = self.databases();
        let wanted = databases.iter().filter(|d| which(d.state()));
        let partitions = wanted.flat_map(|d| d.local_partitions());
        partitions.map(|p| p.delta_bytes()).sum()
    }

    async fn spill(&self, database: &Arc<Database>) -> Result<()> {
        // What cannot be written down now keeps nobody from writing.
        let able = |s| matches!(s, DatabaseState::Primary | DatabaseState::Standby);
        self.room.measure(|| self.delta_bytes(able));
        let all = self.delta_bytes(|_| true);
        let partitions = self.databases().iter().map(|d| d.local_partitions().len()).sum::<usize>();
        let fair = self.settings.delta_bytes / partitions.max(1);
        if all <= self.settings.delta_bytes
            && database.local_partitions().iter().all(|p| p.delta_bytes() <= fair * 2)
        {
            return Ok(());
        }
        if all > self.settings.delta_bytes && database.state() == DatabaseState::Primary {
            // What was committed since the last closed timestamp could not be written down.
            self.close(database)?;
            self.env.sleep(CLOSE_WAIT).await;
        }
        let spilled = self.spill_above(database, fair / 2).await;
        self.room.measure(|| self.delta_bytes(able));
        spilled
    }

    /// Writes the delta of every partition above a size into chunks.
    pub async fn spill_above(&self, database: &Arc<Database>, bytes: usize) -> Result<()> {
        self.write_chunks(database, |p| p.delta_bytes() > bytes).await
    }

    /// Writes down all that a database has only in memory and in the log, so that a restart has
    /// next to nothing to replay, and trims the log as far as its retention and slots allow.
    ///
    /// # Errors
    /// What the disk says. What was written before counts, the rest stays in the log.
    pub async fn checkpoint(&self, database: &Arc<Database>) -> Result<()> {
        self.close(database)?;
        // Chunks hold what is closed for sure.
        for partition in database.local_partitions() {
            partition.await_durable(partition.end()).await?;
        }
        self.write_chunks(database, |_| true).await?;
        self.trim(database)
    }

    async fn write_chunks(
        &self,
        database: &Arc<Database>,
        wanted: impl Fn(&Partition) -> bool,
    ) -> Result<()> {
        let bounds = database.bounds();
        let at = bounds.at;
        if !writes_chunks(database) || at < database.consistent_from() || at == Timestamp::ZERO {
            return Ok(());
        }
        let keep = self
            .meta
            .read(|s| s.databases.get(&database.id()).and_then(|d| d.slot_time()))
            .unwrap_or(at);
        let layouts = layouts(database, &bounds).await?;
        for partition in database.local_partitions() {
            if wanted(partition) {
                partition.spill(at, bounds.horizon, keep, layouts.clone()).await?;
            }
        }
        Ok(())
    }

    fn trim(&self, database: &Arc<Database>) -> Result<()> {
        self.drop_old_slots(database)?;
        let size = self.log.size().bytes;
        if size > self.settings.slot_bytes_max {
            self.drop_slots(database, size)?;
        }
        if !self.log_is_over() {
            return Ok(());
        }
        let record = self.record(database.name())?;
        for (index, partition) in database.local_partitions().iter().enumerate() {
            let needed = partition.log_needed_from();
            let slots = record.slot_floor(index).unwrap_or(needed);
            partition.trim(needed.min(slots));
        }
        self.log.recycle();
        Ok(())
    }
}

/// A first copy may have to replay a log that is much larger than memory before anybody can read
/// it. During a rewind timestamps change their meaning.
fn close_at(partition: &Partition, now: Timestamp) -> Result<()> {
    match partition.role() {
        Role::Leader => partition.close(now).map(drop),
        Role::Follower => Ok(()),
    }
}

fn writes_chunks(database: &Database) -> bool {
    let state = database.state();
    let given_up = matches!(state, DatabaseState::Rewinding { .. } | DatabaseState::Dropping);
    !given_up && state != DatabaseState::Branching
}

/// All columns that any reader of what is written may ask for: those of the schema at the horizon,
/// and of all that came after it.
pub(crate) async fn layouts(database: &Arc<Database>, bounds: &Bounds) -> Result<Layouts> {
    let oldest = database.catalog(bounds.horizon).await?;
    let later = database.tables_since(bounds.horizon).await?;
    let mut tables: BTreeMap<StorageId, BTreeMap<u32, ColumnLayout>> = BTreeMap::new();
    let mut indexes = BTreeSet::new();
    let newest_first = later.iter().rev().chain(oldest.tables.values().map(Arc::as_ref));
    for table in newest_first {
        let columns = tables.entry(table.storage).or_default();
        for c in &table.columns {
            let layout = || ColumnLayout { id: c.id, ty: c.ty, missing: c.missing.clone() };
            columns.entry(c.id).or_insert_with(layout);
        }
        indexes.extend(table.indexes.iter().map(|index| index.storage));
    }
    Ok(Arc::new(move |storage| {
        if storage == StorageId::CATALOG {
            return Some(format::catalog::layout());
        }
        if storage == StorageId::SEQUENCES {
            return Some(format::sequence::layout());
        }
        if storage == StorageId::DECISIONS {
            return Some(format::decision::layout());
        }
        if storage.is_index() {
            return indexes.contains(&storage).then(format::index::layout);
        }
        tables.get(&storage).map(|columns| columns.values().cloned().collect())
    }))
}
