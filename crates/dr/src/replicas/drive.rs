//! The task that lets replicas be as the metadata wants them, and what views show of it.

use super::core::{Core, Do, Seen};
use crate::links::Links;
use crate::source::SlotStatus;
use base::{DatabaseId, Result};
use meta::{
    Command, Database as Record, DatabaseState, Replica, ReplicaCommand, ReplicaOptions, Wanted,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often replicas are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same while there are none.
const LOOK_SELDOM: Duration = Duration::from_millis(500);

/// What is known of replicas since this process started.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    cores: BTreeMap<Key, Core>,
    /// Those whose target is being called.
    calling: BTreeSet<Key>,
}

type Key = (DatabaseId, String);

/// A cycle under way.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCycle {
    /// Its number among the replica's cycles.
    pub id: u64,
    /// When it began.
    pub started_ms: u64,
    /// Bytes sent in it so far.
    pub sent_bytes: u64,
}

/// A replica as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaStatus {
    /// The database here.
    pub database: DatabaseId,
    /// Its name.
    pub database_name: String,
    /// The replica's name.
    pub name: String,
    /// What the metadata has.
    pub replica: Replica,
    /// True if its target was heard of in the last seconds.
    pub connected: bool,
    /// The cycle under way.
    pub open: Option<OpenCycle>,
    /// Up to where the target has everything; `None` if it has nothing yet.
    pub replicated_ms: Option<u64>,
    /// Why the target does not follow.
    pub error: Option<String>,
}

impl Links {
    /// Lets replicas be as the metadata wants them, for as long as this node runs.
    pub(crate) fn keep_replicas(self: &Arc<Self>) {
        let (links, env) = (Arc::downgrade(self), self.engine.env.clone());
        let watch = async move {
            let mut pause = LOOK_SELDOM;
            loop {
                env.sleep(pause).await;
                let Some(links) = links.upgrade() else { return };
                pause = match links.look_at_replicas() {
                    Ok(true) => LOOK_EVERY,
                    Ok(false) => LOOK_SELDOM,
                    Err(error) => {
                        tracing::warn!(%error, "looking after replicas");
                        LOOK_SELDOM
                    }
                };
            }
        };
        self.engine.env.tasks.spawn("replicas", Box::pin(watch));
    }

    /// False if there are none.
    fn look_at_replicas(self: &Arc<Self>) -> Result<bool> {
        let meta = self.engine.meta.state();
        let there = |(id, name): &Key| {
            meta.databases.get(id).is_some_and(|r| r.replicas.contains_key(name))
        };
        self.replicas.lock().cores.retain(|key, _| there(key));
        let mut some = with_replicas(&meta).peekable();
        if some.peek().is_none() {
            return Ok(false);
        }
        let slots = self.replication.slots();
        for record in some {
            for (name, replica) in &record.replicas {
                self.look_at(record, name, replica, &slots)?;
            }
        }
        Ok(true)
    }

    fn look_at(
        self: &Arc<Self>,
        record: &Record,
        name: &str,
        replica: &Replica,
        slots: &[SlotStatus],
    ) -> Result<()> {
        let key = (record.id, name.to_owned());
        let slot = slot_of(record, replica, slots);
        let flow = replica.slot().map(|slot| self.replication.flow(record.id, &slot));
        let primary = record.state == DatabaseState::Primary;
        let seen = Seen {
            now_ms: self.engine.env.clock.now_ms(),
            now: self.engine.oracle.now(),
            wanted: if primary { replica.wanted } else { Wanted::NotStarted },
            forced: flow.as_ref().is_some_and(|f| f.is_forced()),
            frequency_ms: replica.options.frequency_ms,
            connected: slot.is_some_and(|s| s.connected),
            replicated: slot.map(|s| s.replicated).unwrap_or_default(),
            sent: flow.as_ref().map_or(0, |f| f.sent()),
        };
        let todo = self.replicas.lock().cores.entry(key.clone()).or_default().tick(&seen);
        for what in todo {
            match what {
                Do::Invite => self.call_again(key.clone(), record.name.clone()),
                Do::Hold => flow.iter().for_each(|f| f.force(false)),
                Do::Note(cycle) => {
                    let (database, name) = (record.id, name.to_owned());
                    let note = ReplicaCommand::NoteCycle { database, name, cycle };
                    self.engine.meta.apply(Command::Replicas(note))?;
                }
            }
        }
        Ok(())
    }

    /// Invites the target of a running replica once more, in a task of its own.
    fn call_again(self: &Arc<Self>, key: Key, database: String) {
        if !self.replicas.lock().calling.insert(key.clone()) {
            return;
        }
        let links = self.clone();
        let work = async move {
            let called = links.call(&database, &key.1).await;
            let mut state = links.replicas.lock();
            state.calling.remove(&key);
            if let Err(error) = called {
                tracing::info!(database, replica = key.1, %error, "inviting");
                state.cores.entry(key).or_default().failed(error.into_report().message);
            }
        };
        self.engine.env.tasks.spawn("invitation", Box::pin(work));
    }

    /// All replicas, by database and name.
    pub fn replicas(&self) -> Vec<ReplicaStatus> {
        let slots = self.replication.slots();
        let state = self.replicas.lock();
        let mut all = Vec::new();
        let meta = self.engine.meta.state();
        for record in with_replicas(&meta) {
            for (name, replica) in &record.replicas {
                let slot = slot_of(record, replica, &slots);
                let core = state.cores.get(&(record.id, name.clone()));
                let sent = replica.slot().map(|s| self.replication.flow(record.id, &s).sent());
                let open = core.and_then(Core::open).map(|open| OpenCycle {
                    id: replica.last_cycle + 1,
                    started_ms: open.started_ms,
                    sent_bytes: sent.unwrap_or(0).saturating_sub(open.sent_before),
                });
                all.push(ReplicaStatus {
                    database: record.id,
                    database_name: record.name.clone(),
                    name: name.clone(),
                    replica: replica.clone(),
                    connected: slot.is_some_and(|s| s.connected),
                    open,
                    replicated_ms: slot.map(|s| s.replicated.ms()).filter(|ms| *ms > 0),
                    error: core.and_then(Core::error).map(str::to_owned),
                });
            }
        }
        all
    }
}

impl ReplicaStatus {
    /// What was said of it.
    pub fn options(&self) -> &ReplicaOptions {
        &self.replica.options
    }
}

fn with_replicas(state: &meta::State) -> impl Iterator<Item = &Record> {
    let some = |r: &&Record| !r.replicas.is_empty() && r.state != DatabaseState::Dropping;
    state.databases.values().filter(some)
}

fn slot_of<'a>(
    record: &Record,
    replica: &Replica,
    slots: &'a [SlotStatus],
) -> Option<&'a SlotStatus> {
    let name = replica.slot()?;
    slots.iter().find(|s| s.database == record.name && s.slot == name && s.dropped.is_none())
}
