//! What must be done again and again: closed timestamps, spills, trimming the log.

use crate::database::Database;
use crate::engine::Engine;
use base::{Result, StorageId, Timestamp};
use env::TaskHandle;
use format::ColumnLayout;
use meta::{Command, DatabaseState};
use partition::{Layouts, Partition, Role};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often a database that nobody follows closes timestamps and looks at its budgets.
const ALONE_INTERVAL: Duration = Duration::from_millis(500);

/// How often all partitions move their manifests on while the log is over its retention.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Starts the upkeep of an engine; it ends with the engine.
pub(crate) fn start(engine: &Arc<Engine>) -> TaskHandle {
    let (env, weak) = (engine.env.clone(), Arc::downgrade(engine));
    let interval = engine.settings.closed_interval;
    let task = async move {
        let mut done: BTreeMap<base::DatabaseId, Done> = BTreeMap::new();
        loop {
            env.sleep(interval).await;
            let Some(engine) = Weak::upgrade(&weak) else { return };
            for database in engine.databases() {
                let done = done.entry(database.id()).or_default();
                if let Err(error) = engine.tend(&database, done).await {
                    tracing::warn!(database = database.name(), %error, "upkeep failed");
                }
            }
        }
    };
    engine.env.tasks.spawn("upkeep", Box::pin(task))
}

/// When what was last done, on the monotonic clock.
#[derive(Debug, Default)]
struct Done {
    closed: Duration,
    budgets: Duration,
    log: Duration,
}

impl Engine {
    async fn tend(&self, database: &Arc<Database>, done: &mut Done) -> Result<()> {
        let now = self.env.clock.monotonic();
        if database.state() == DatabaseState::Primary {
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
        }
        if now.saturating_sub(done.budgets) >= ALONE_INTERVAL {
            done.budgets = now;
            self.spill(database).await?;
            let over = self.log.size().bytes > self.settings.log_retention_bytes;
            if over && now.saturating_sub(done.log) >= LOG_INTERVAL {
                done.log = now;
                // An idle partition's manifest would pin the log for all others.
                self.write_chunks(database, |_| true).await?;
            }
            self.trim(database)?;
        }
        Ok(())
    }

    fn close(&self, database: &Database) -> Result<()> {
        let now = self.oracle.now();
        for partition in database.local_partitions() {
            if partition.role() == Role::Leader {
                partition.close(now)?;
            }
        }
        Ok(())
    }

    async fn spill(&self, database: &Arc<Database>) -> Result<()> {
        let all: usize = self
            .databases()
            .iter()
            .flat_map(|d| d.local_partitions().to_vec())
            .map(|p| p.delta_bytes())
            .sum();
        let partitions = self.databases().iter().map(|d| d.local_partitions().len()).sum::<usize>();
        let fair = self.settings.delta_bytes / partitions.max(1);
        if all <= self.settings.delta_bytes
            && database.local_partitions().iter().all(|p| p.delta_bytes() <= fair * 2)
        {
            return Ok(());
        }
        self.spill_above(database, fair / 2).await
    }

    /// Writes the delta of every partition above a size into chunks, as far as readers allow.
    pub async fn spill_above(&self, database: &Arc<Database>, bytes: usize) -> Result<()> {
        self.write_chunks(database, |p| p.delta_bytes() > bytes).await
    }

    async fn write_chunks(
        &self,
        database: &Arc<Database>,
        wanted: impl Fn(&Partition) -> bool,
    ) -> Result<()> {
        // A first copy may have to replay a log that is much larger than memory before anybody can
        // read it. During a rewind timestamps change their meaning.
        let state = database.state();
        if matches!(state, DatabaseState::Rewinding { .. } | DatabaseState::Dropping) {
            return Ok(());
        }
        let at = database.mergeable();
        if at < database.consistent_from() || at == Timestamp::ZERO {
            return Ok(());
        }
        let keep = self
            .meta
            .read(|s| s.databases.get(&database.id()).and_then(|d| d.slot_time()))
            .unwrap_or(at);
        let layouts = self.layouts(database, at).await?;
        for partition in database.local_partitions() {
            if wanted(partition) {
                partition.spill(at, keep, layouts.clone()).await?;
            }
        }
        Ok(())
    }

    async fn layouts(&self, database: &Arc<Database>, at: Timestamp) -> Result<Layouts> {
        let catalog = database.catalog(at).await?;
        Ok(Arc::new(move |storage| {
            if storage == StorageId::CATALOG {
                return Some(format::catalog::layout());
            }
            if storage == StorageId::SEQUENCES {
                return Some(format::sequence::layout());
            }
            let table = catalog.by_storage(storage)?;
            let mut columns: Vec<ColumnLayout> = table
                .columns
                .iter()
                .map(|c| ColumnLayout { id: c.id, ty: c.ty, missing: c.missing.clone() })
                .collect();
            columns.sort_by_key(|c| c.id);
            Some(columns)
        }))
    }

    fn trim(&self, database: &Arc<Database>) -> Result<()> {
        let size = self.log.size().bytes;
        if size > self.settings.slot_bytes_max {
            self.drop_slots(database, size)?;
        }
        if size <= self.settings.log_retention_bytes {
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

    /// Gives up the slots that hold back the most, visibly.
    fn drop_slots(&self, database: &Arc<Database>, size: u64) -> Result<()> {
        let record = self.record(database.name())?;
        for (name, slot) in record.slots.iter().filter(|(_, s)| s.dropped.is_none()) {
            let reason = format!(
                "the log reached {size} bytes, more than slot_bytes_max; {} last reported at {} ms",
                slot.target_name, slot.last_seen_ms
            );
            self.meta.apply(Command::DropSlot {
                database: record.id,
                name: name.clone(),
                reason: Some(reason),
                at_ms: self.env.clock.now_ms(),
            })?;
        }
        Ok(())
    }
}
