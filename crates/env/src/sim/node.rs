//! One simulated node: a disk that outlives the node's lives, and the switches to hurt it.

use super::disk::SimDisk;
use super::model::{EndAfter, Model};
use super::outside::{SeededRng, SimClock, SimTasks, now};
use crate::Env;
use parking_lot::Mutex;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A node of the simulated [`super::World`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SimNode {
    shared: Arc<NodeShared>,
}

/// What a node's lives have in common.
#[derive(Debug)]
pub(super) struct NodeShared {
    pub(super) world_began: Instant,
    pub(super) skew_ms: AtomicI64,
    pub(super) disk: Mutex<Model>,
    life: Mutex<Life>,
}

#[derive(Debug)]
struct Life {
    number: u64,
    alive: bool,
    tasks: Vec<AbortHandle>,
    chance: ChaCha8Rng,
    began: Instant,
    rng: Arc<SeededRng>,
}

impl NodeShared {
    /// True while the given life goes on.
    pub(super) fn lives(&self, life: u64) -> bool {
        let now = self.life.lock();
        now.alive && now.number == life
    }

    /// Remembers a task that ends with this life.
    pub(super) fn adopt(&self, task: AbortHandle) {
        let mut life = self.life.lock();
        if life.tasks.len() >= 64 && life.tasks.len().is_power_of_two() {
            life.tasks.retain(|t| !t.is_finished());
        }
        life.tasks.push(task);
    }

    /// Ends the life; `power_loss` takes the unsynced data with it. The disk must not be locked.
    pub(super) fn end(&self, power_loss: bool) {
        let tasks = {
            let mut life = self.life.lock();
            if !life.alive {
                return;
            }
            life.alive = false;
            std::mem::take(&mut life.tasks)
        };
        {
            let mut disk = self.disk.lock();
            disk.locks.clear();
            disk.faults.end_after = None;
            if power_loss {
                disk.crash();
            }
        }
        for task in tasks {
            task.abort();
        }
    }
}

impl SimNode {
    pub(super) fn new(world_began: Instant, mut chance: ChaCha8Rng) -> SimNode {
        let disk = Model::new(ChaCha8Rng::seed_from_u64(chance.next_u64()));
        let rng = Arc::new(SeededRng::new(chance.clone()));
        let began = now();
        let life = Life { number: 0, alive: false, tasks: Vec::new(), chance, began, rng };
        let node = SimNode {
            shared: Arc::new(NodeShared {
                world_began,
                skew_ms: AtomicI64::new(0),
                disk: Mutex::new(disk),
                life: Mutex::new(life),
            }),
        };
        node.restart();
        node
    }

    /// The environment of the present life; of the last one if the node is down.
    pub fn env(&self) -> Env {
        let life = self.shared.life.lock();
        Env {
            clock: Arc::new(SimClock { node: self.shared.clone(), life_began: life.began }),
            rng: life.rng.clone(),
            disk: Arc::new(SimDisk { node: self.shared.clone(), life: life.number }),
            tasks: Arc::new(SimTasks { node: self.shared.clone(), life: life.number }),
        }
    }

    /// Power loss: tasks end at their next await, unsynced data is lost or torn, and handles of
    /// this life fail from now on. Nothing happens to a node that is down.
    pub fn crash(&self) {
        self.shared.end(true);
    }

    /// The process ends at once, but what it wrote stays in the page cache (and is still not safe
    /// from a later power loss).
    pub fn kill(&self) {
        self.shared.end(false);
    }

    /// Starts a new life over what is on the disk (after [`SimNode::kill`] if it still lives).
    pub fn restart(&self) -> Env {
        self.kill();
        {
            let mut life = self.shared.life.lock();
            life.number += 1;
            life.alive = true;
            life.began = now();
            let seed = life.chance.next_u64();
            life.rng = Arc::new(SeededRng::new(ChaCha8Rng::seed_from_u64(seed)));
        }
        self.env()
    }

    /// True between [`SimNode::restart`] (or birth) and [`SimNode::crash`].
    pub fn is_alive(&self) -> bool {
        self.shared.life.lock().alive
    }

    /// Makes the disk this large; growing a file beyond it fails with `StorageFull`.
    /// `None` is a disk without end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.disk.lock().capacity = bytes;
    }

    /// Bytes of all files.
    pub fn used_bytes(&self) -> u64 {
        self.shared.disk.lock().used()
    }

    /// Makes every read fail until switched off.
    pub fn fail_reads(&self, on: bool) {
        self.shared.disk.lock().faults.reads = on;
    }

    /// Makes every write to a file fail until switched off.
    pub fn fail_writes(&self, on: bool) {
        self.shared.disk.lock().faults.writes = on;
    }

    /// Makes every sync of a file fail until switched off.
    pub fn fail_syncs(&self, on: bool) {
        self.shared.disk.lock().faults.syncs = on;
    }

    /// Makes the disk one that cannot give a file a second name, until switched off.
    pub fn fail_links(&self, on: bool) {
        self.shared.disk.lock().faults.links = on;
    }

    /// Power loss in the middle of the disk change (write, sync, rename …) after `changes` more of
    /// them: the way to stop between two steps that have no await between them.
    pub fn crash_after(&self, changes: u64) {
        self.shared.disk.lock().faults.end_after = Some(EndAfter { changes, power_loss: true });
    }

    /// As [`SimNode::crash_after`], but the page cache survives.
    pub fn kill_after(&self, changes: u64) {
        self.shared.disk.lock().faults.end_after = Some(EndAfter { changes, power_loss: false });
    }

    /// How many disk changes this node has begun so far, over all its lives.
    pub fn disk_changes(&self) -> u64 {
        self.shared.disk.lock().count
    }

    /// Puts the wall clock ahead (or behind) by so many milliseconds.
    pub fn set_clock_skew(&self, ms: i64) {
        self.shared.skew_ms.store(ms, Ordering::Relaxed);
    }
}
