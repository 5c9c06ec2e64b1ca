//! What is sent to each target, partition by partition: what waits for it, and how it gets it.

use super::slots::Live;
use super::{Replication, Terms};
use base::{ClusterId, Lsn, Timestamp};
use meta::{Database as Record, Slot};
use partition::Partition;
use std::sync::Arc;
use txn::Database;

/// How a target gets what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerMode {
    /// It copies chunks.
    Copy,
    /// It is sent the log.
    Stream,
    /// It is sent nothing: its replica is paused here.
    Paused,
}

impl ProducerMode {
    /// As views show it.
    pub fn name(self) -> &'static str {
        match self {
            ProducerMode::Copy => "COPY",
            ProducerMode::Stream => "STREAM",
            ProducerMode::Paused => "PAUSED",
        }
    }
}

/// One target of a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Producer {
    /// The database here.
    pub database: String,
    /// The target's cluster.
    pub cluster: ClusterId,
    /// What that is called.
    pub target: String,
    /// It was heard of in the last seconds.
    pub connected: bool,
    /// Why its slot was given up.
    pub dropped: Option<String>,
    /// It said, since this process started, that it could be promoted, and is connected.
    pub synced: bool,
    /// When it was last heard of, in milliseconds since 1970.
    pub heard_ms: u64,
    /// By partition.
    pub partitions: Vec<ProducerPartition>,
}

/// One partition of what a target is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerPartition {
    /// How it gets what it lacks.
    pub mode: ProducerMode,
    /// The last position that can be sent.
    pub queued: Lsn,
    /// The newest commit in the partition.
    pub queued_at: Timestamp,
    /// The last position that is durable there.
    pub acked: Lsn,
    /// Everything that was committed in the partition up to here is durable there.
    pub acked_at: Timestamp,
    /// Bytes of log between the two positions.
    pub bytes: u64,
}

impl ProducerPartition {
    /// How many records it lacks.
    pub fn records(&self) -> u64 {
        self.queued.0.saturating_sub(self.acked.0)
    }
}

impl Replication {
    /// All targets of this node's databases.
    pub fn producers(&self) -> Vec<Producer> {
        let mut all = Vec::new();
        for database in self.engine.databases() {
            let Ok(record) = self.engine.record(database.name()) else { continue };
            for (name, slot) in &record.slots {
                all.push(self.producer(&database, &record, (name, slot)));
            }
        }
        all
    }

    fn producer(
        &self,
        database: &Arc<Database>,
        record: &Record,
        (name, slot): (&String, &Slot),
    ) -> Producer {
        let status = self.slot_status(database, name, slot);
        let live = self.live.lock().get(&(database.id(), name.clone())).cloned();
        let promotable = live.as_ref().is_some_and(Live::is_promotable);
        let held = Terms::of(record, name).held;
        let partitions = database.local_partitions().iter().enumerate().map(|(i, partition)| {
            let copies = !promotable
                && self.bases.lock().is_copied(&(database.id(), name.clone(), partition.number()));
            let mode = match (held, copies) {
                (true, _) => ProducerMode::Paused,
                (false, true) => ProducerMode::Copy,
                (false, false) => ProducerMode::Stream,
            };
            let acked = status.acked.get(i).copied().unwrap_or_default();
            place(partition, mode, acked, status.replicated)
        });
        let partitions = partitions.collect();
        Producer {
            database: status.database,
            cluster: slot.target_cluster,
            target: status.target,
            connected: status.connected,
            synced: promotable && status.connected && status.dropped.is_none(),
            dropped: status.dropped,
            heard_ms: status.last_seen_ms,
            partitions,
        }
    }
}

fn place(
    partition: &Partition,
    mode: ProducerMode,
    acked: Lsn,
    replicated: Timestamp,
) -> ProducerPartition {
    let (queued, queued_at) = (partition.durable(), partition.last_commit());
    let acked_at = if acked >= queued { queued_at } else { queued_at.min(replicated) };
    let bytes = partition.log_bytes(acked.next(), queued.next());
    ProducerPartition { mode, queued, queued_at, acked, acked_at, bytes }
}
