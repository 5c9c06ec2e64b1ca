//! Slots: how far each target is. Exact in memory, in the metadata every few seconds: after a
//! crash a slot keeps a little more than it has to.

use super::Replication;
use crate::peer::{Ack, HelloRequest, Mode};
use base::{DatabaseId, Error, Lsn, Result, SqlState, Timestamp};
use meta::{Command, Slot};
use std::sync::Arc;
use std::time::Duration;
use txn::Database;

/// How often a slot's positions go to the metadata.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// A target that was silent for so long counts as gone.
const SILENT: Duration = Duration::from_secs(5);

/// What is known of a slot since this process started.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    acked: Vec<Lsn>,
    replicated: Timestamp,
    seen: Duration,
    saved: Option<Duration>,
    promotable: bool,
}

impl Live {
    /// Its last acknowledgement said that it could be promoted.
    pub fn is_promotable(&self) -> bool {
        self.promotable
    }
}

/// What a target that copies a base needs of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub partition: u16,
    /// The log after this position.
    pub from: Lsn,
    /// The base's timestamp.
    pub at: Timestamp,
}

/// A target as its source sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotStatus {
    /// The source's database.
    pub database: String,
    /// The slot's name.
    pub slot: String,
    /// The target's cluster name.
    pub target: String,
    /// True if it was heard of in the last seconds.
    pub connected: bool,
    /// Why the slot was given up.
    pub dropped: Option<String>,
    /// Records that are not durable at the target yet, over all partitions.
    pub lag_records: u64,
    /// Milliseconds between now and the target's replicated time; 0 if it has everything.
    pub lag_ms: u64,
    /// Per partition, the last durable position there.
    pub acked: Vec<Lsn>,
    /// The target's replicated time.
    pub replicated: Timestamp,
    /// Wall clock when it was last heard of.
    pub last_seen_ms: u64,
}

impl Replication {
    /// Makes the target's slot, or takes it up again. From here on the log it needs stays.
    pub(super) fn open_slot(&self, database: &Arc<Database>, hello: &HelloRequest) -> Result<()> {
        let record = self.engine.record(database.name())?;
        let have = record.slots.get(&hello.slot).filter(|s| s.dropped.is_none());
        let have = have.filter(|s| s.acked.len() == database.local_partitions().len());
        if let Some(slot) = have.filter(|s| s.target_name != hello.cluster_name) {
            // Made for a former primary, of which only the address was known.
            let slot = Slot { target_name: hello.cluster_name.clone(), ..slot.clone() };
            let (database, name) = (database.id(), hello.slot.clone());
            self.engine.meta.apply(Command::PutSlot { database, name, slot })?;
        }
        if hello.mode == Mode::Copy || have.is_none() {
            let partitions = database.local_partitions();
            let slot = Slot {
                target_cluster: hello.cluster,
                target_name: hello.cluster_name.clone(),
                acked: partitions.iter().map(|p| Lsn(p.first().0.saturating_sub(1))).collect(),
                replicated: partitions.iter().map(|p| p.manifest().ts).min().unwrap_or_default(),
                last_seen_ms: self.engine.env.clock.now_ms(),
                dropped: None,
            };
            let (database, name) = (database.id(), hello.slot.clone());
            self.engine.meta.apply(Command::PutSlot { database, name, slot })?;
            self.live.lock().remove(&(database, hello.slot.clone()));
        }
        self.live.lock().entry((database.id(), hello.slot.clone())).or_default().seen =
            self.engine.env.clock.monotonic();
        Ok(())
    }

    /// Moves one position of a slot to where a base lets the target begin; back, if need be.
    pub(super) fn hold_slot(&self, database: &Arc<Database>, name: &str, at: Place) -> Result<()> {
        let record = self.engine.record(database.name())?;
        let mut slot = record.slots.get(name).cloned().ok_or_else(|| no_slot(name))?;
        let index = usize::from(at.partition);
        slot.acked.resize(slot.acked.len().max(index + 1), Lsn::ZERO);
        slot.acked[index] = at.from;
        slot.replicated = slot.replicated.min(at.at);
        let (database, name) = (database.id(), name.to_owned());
        self.live.lock().remove(&(database, name.clone()));
        self.engine.meta.apply(Command::PutSlot { database, name, slot })?;
        Ok(())
    }

    /// Notes that a target was heard of, although it acknowledges nothing at present.
    pub(super) fn slot_seen(&self, database: &Database, name: &str) -> Result<()> {
        let now = self.engine.env.clock.monotonic();
        {
            let mut live = self.live.lock();
            let slot = live.entry((database.id(), name.to_owned())).or_default();
            slot.seen = now;
            if slot.saved.is_some_and(|saved| now.saturating_sub(saved) < SAVE_EVERY) {
                return Ok(());
            }
            slot.saved = Some(now);
        }
        let ack = Command::AckSlot {
            database: database.id(),
            name: name.to_owned(),
            acked: Vec::new(),
            replicated: Timestamp::ZERO,
            at_ms: self.engine.env.clock.now_ms(),
        };
        self.engine.meta.apply(ack).map(drop)
    }

    pub(super) fn move_slot(&self, database: &Arc<Database>, ack: Ack) -> Result<()> {
        let now = self.engine.env.clock.monotonic();
        let first = self.makes_promotable(database, &ack);
        let due = {
            let mut live = self.live.lock();
            let slot = live.entry((database.id(), ack.slot.clone())).or_default();
            slot.seen = now;
            slot.acked = ack.durable.clone();
            slot.promotable = ack.promotable;
            let due =
                first || slot.saved.is_none_or(|saved| now.saturating_sub(saved) >= SAVE_EVERY);
            slot.replicated = slot.replicated.max(ack.replicated);
            if due {
                slot.saved = Some(now);
            }
            due
        };
        if due {
            self.engine.meta.apply(Command::AckSlot {
                database: database.id(),
                name: ack.slot,
                acked: ack.durable,
                replicated: ack.replicated,
                at_ms: self.engine.env.clock.now_ms(),
            })?;
        }
        Ok(())
    }

    /// True for the acknowledgement that makes the target one that can be promoted. It must be
    /// known after a crash: a restarted primary waits for such a target before it takes writes.
    fn makes_promotable(&self, database: &Arc<Database>, ack: &Ack) -> bool {
        self.engine.meta.read(|s| {
            let record = s.databases.get(&database.id());
            let since =
                record.and_then(|r| r.promotion.as_ref()).map_or(Timestamp::ZERO, |p| p.cut);
            let noted = record.and_then(|r| r.slots.get(&ack.slot)).map(|s| s.replicated);
            ack.replicated > since && noted.is_some_and(|noted| noted <= since)
        })
    }

    /// Forgets what is known of a slot that the metadata has no more.
    pub(crate) fn forget_slot(&self, id: DatabaseId, name: &str) {
        let key = (id, name.to_owned());
        self.live.lock().remove(&key);
        self.flows.lock().remove(&key);
    }

    /// All targets of this node's databases.
    pub fn slots(&self) -> Vec<SlotStatus> {
        let mut all = Vec::new();
        for database in self.engine.databases() {
            let Ok(record) = self.engine.record(database.name()) else { continue };
            for (name, slot) in &record.slots {
                all.push(self.slot_status(&database, name, slot));
            }
        }
        all
    }

    pub(super) fn slot_status(
        &self,
        database: &Arc<Database>,
        name: &str,
        slot: &Slot,
    ) -> SlotStatus {
        let env = &self.engine.env;
        let live = self.live.lock().get(&(database.id(), name.to_owned())).cloned();
        let mut status = SlotStatus {
            database: database.name().to_owned(),
            slot: name.to_owned(),
            target: slot.target_name.clone(),
            connected: false,
            dropped: slot.dropped.clone(),
            lag_records: 0,
            lag_ms: 0,
            acked: slot.acked.clone(),
            replicated: slot.replicated,
            last_seen_ms: slot.last_seen_ms,
        };
        if let Some(live) = live {
            let silent = env.clock.monotonic().saturating_sub(live.seen);
            status.connected = silent < SILENT;
            status.last_seen_ms = env.clock.now_ms().saturating_sub(silent.as_millis() as u64);
            if !live.acked.is_empty() {
                status.acked = live.acked;
            }
            status.replicated = status.replicated.max(live.replicated);
        }
        let partitions = database.local_partitions().iter();
        let behind = partitions.zip(status.acked.iter().chain(std::iter::repeat(&Lsn::ZERO)));
        status.lag_records = behind.map(|(p, acked)| p.durable().0.saturating_sub(acked.0)).sum();
        if status.lag_records > 0 || !status.connected {
            let now = self.engine.oracle.now().ms();
            status.lag_ms = now.saturating_sub(status.replicated.ms());
        }
        status
    }
}

fn no_slot(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("there is no slot \"{name}\""))
}
