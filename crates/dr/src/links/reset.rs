//! `RESET REPLICATION`: a cluster that follows databases here, or was to, is forgotten. Its slots go,
//! also those that were given up, and with them what the log keeps for it and what a primary waits
//! for after a restart.
//!
//! Nobody asks the other side, which is taken for gone. Should it be alive it is welcome: with its
//! next greeting it gets a new slot, and catches up by the log, or by content if that has gone. Should
//! it have been *promoted*, both sides take writes once this one is open; so what could have been
//! promoted is named before, in the answer and in the history. A gate that was closed because a later
//! promotion is known stays closed.
//!
//! Each database changes by one metadata record; a crash leaves the others as they were, and the
//! statement can be repeated.

mod explain;

use super::Links;
use crate::json;
use crate::source::SlotStatus;
use base::{ClusterId, Error, Lsn, Result, SqlState};
use meta::{Command, Database as Record, DatabaseState, HandoverSide, Wanted};
use std::collections::{BTreeMap, BTreeSet};

/// Who is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partner {
    /// The cluster with this id.
    Id(ClusterId),
    /// The cluster of this name, as it told itself or as a remote server is called.
    Named(String),
    /// Everybody.
    All,
}

/// `RESET REPLICATION TO …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetRequest {
    /// Who.
    pub partner: Partner,
    /// Also somebody who is connected, or whom a handover is bound to.
    pub force: bool,
}

/// What one database had to do with a cluster that was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The database.
    pub database: String,
    /// The cluster.
    pub cluster: ClusterId,
    /// What it is called.
    pub partner: String,
    /// `connected`, `not connected`, `given up`, or `declared` for one that never came.
    pub state: &'static str,
    /// Its slots.
    pub slots: Vec<String>,
    /// Bytes of log that were kept for nobody else.
    pub released_bytes: u64,
    /// Up to when it has everything, if it could have been promoted.
    pub promotable_at: Option<base::Timestamp>,
    /// The database waited for it since a restart, and takes writes now.
    pub opened: bool,
}

/// What one database has to do with one cluster.
#[derive(Debug)]
struct Tie {
    record: Record,
    cluster: ClusterId,
    name: String,
    slots: Vec<SlotStatus>,
    /// A handover to it that only it can end.
    giving: Option<u64>,
    /// A handover from it, of whose end it has not heard.
    untold: bool,
    /// Replicas that are to run there.
    replicas: Vec<String>,
}

impl Tie {
    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.giving.is_none() && !self.untold && self.replicas.is_empty()
    }

    fn connected(&self) -> Option<&SlotStatus> {
        self.slots.iter().find(|s| s.connected && s.dropped.is_none())
    }

    fn state(&self) -> &'static str {
        match self.slots.first() {
            None => "declared",
            Some(_) if self.connected().is_some() => "connected",
            Some(_) if self.slots.iter().all(|s| s.dropped.is_some()) => "given up",
            Some(_) => "not connected",
        }
    }

    /// Up to when the partner has everything, if it could have been promoted since this database
    /// became what it is.
    fn promotable_at(&self) -> Option<base::Timestamp> {
        let newest = self.slots.iter().map(|s| s.replicated).max();
        let since = self.record.promotion.as_ref().map(|p| p.cut).unwrap_or_default();
        newest.filter(|at| *at > since)
    }

    /// The database without the partner's slots.
    fn rest(&self) -> Record {
        let mut record = self.record.clone();
        record.slots.retain(|_, slot| slot.target_cluster != self.cluster);
        record
    }

    /// For people.
    fn who(&self) -> String {
        format!("{} (cluster {})", self.name, self.cluster)
    }

    /// What the history says.
    fn detail(&self, released_bytes: u64) -> String {
        let slots: Vec<&str> = self.slots.iter().map(|s| s.slot.as_str()).collect();
        let slots = if slots.is_empty() { "none".to_owned() } else { slots.join(", ") };
        let mut detail = format!(
            "{} is forgotten ({}); slots: {slots}; {released_bytes} bytes of log were kept for \
             nobody else",
            self.who(),
            self.state()
        );
        if let Some(at) = self.promotable_at() {
            detail += &format!(
                "; it has everything up to {} and may have been promoted: then both sides take \
                 writes",
                json::moment(at)
            );
        }
        detail
    }
}

impl Links {
    /// Forgets clusters that follow databases here, or were to.
    ///
    /// # Errors
    /// 42704 for a cluster that nothing here knows, 55000 for one that only a standby here follows,
    /// 55006 for one that is connected or bound by a handover, unless forced: nothing was forgotten
    /// then.
    pub async fn reset(&self, request: ResetRequest, by: &str) -> Result<Vec<Forgotten>> {
        let (links, by) = (self.this()?, by.to_owned());
        let work = async move {
            let _changing = links.changing.lock().await;
            let _declaring = links.declaring.lock().await;
            let ties = links.ties(&request.partner)?;
            if !request.force {
                ties.iter().try_for_each(check_gone)?;
            }
            ties.into_iter().map(|tie| links.forget_partner(&tie, &by)).collect()
        };
        self.apart("reset", work).await
    }

    fn forget_partner(&self, tie: &Tie, by: &str) -> Result<Forgotten> {
        let Tie { record, cluster, .. } = tie;
        if let Some(id) = tie.giving {
            self.replication.keep(&record.name, *cluster, id, "RESET REPLICATION … FORCE")?;
        }
        let released_bytes = self.released_bytes(tie)?;
        self.engine.meta.apply(Command::ForgetPartner {
            database: record.id,
            cluster: *cluster,
            detail: tie.detail(released_bytes),
            at_ms: self.engine.env.clock.now_ms(),
            by: Some(by.to_owned()),
        })?;
        for slot in &tie.slots {
            self.replication.forget_slot(record.id, &slot.slot);
        }
        Ok(Forgotten {
            database: record.name.clone(),
            cluster: *cluster,
            partner: tie.name.clone(),
            state: tie.state(),
            slots: tie.slots.iter().map(|s| s.slot.clone()).collect(),
            released_bytes,
            promotable_at: tie.promotable_at(),
            opened: self.engine.await_no_more(&record.name)?,
        })
    }

    /// What databases here have to do with those who are to be forgotten.
    fn ties(&self, partner: &Partner) -> Result<Vec<Tie>> {
        let known = self.partners();
        let state = self.engine.meta.state();
        let named = |name: &String| {
            let so = known.iter().filter(|(_, names)| names.contains(name));
            so.map(|(cluster, _)| *cluster).collect::<Vec<_>>()
        };
        let wanted: Vec<ClusterId> = match partner {
            Partner::All => known.keys().copied().collect(),
            Partner::Id(id) => vec![*id],
            Partner::Named(name) => match (named(name), name.parse()) {
                (found, Ok(id)) if found.is_empty() => vec![ClusterId(id)],
                (found, _) => found,
            },
        };
        if wanted.len() > 1 && matches!(partner, Partner::Named(_)) {
            let ids: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let message = format!("more than one cluster is called so: {}", ids.join(", "));
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("name the cluster by its id"));
        }
        let mut ties = Vec::new();
        // What one that follows somebody has left of its time as a primary, it drops by itself.
        let primaries = state.databases.values().filter(|d| d.state == DatabaseState::Primary);
        for record in primaries {
            ties.extend(wanted.iter().map(|cluster| self.tie(record, *cluster, &known)));
        }
        ties.retain(|tie| !tie.is_empty());
        if ties.is_empty() && *partner != Partner::All {
            return Err(unknown(&state, partner, &wanted));
        }
        Ok(ties)
    }

    /// Every cluster that databases here are sent to, or were to be, with what it is called.
    fn partners(&self) -> BTreeMap<ClusterId, BTreeSet<String>> {
        let mut known: BTreeMap<ClusterId, BTreeSet<String>> = BTreeMap::new();
        for record in self.engine.meta.state().databases.values() {
            let slots = record.slots.values().map(|s| (s.target_cluster, s.target_name.clone()));
            let bound = record.handover.iter().map(|h| (h.peer, h.peer_name.clone()));
            let replicas = record.replicas.values();
            let replicas = replicas.filter_map(|r| Some((r.target?, r.server.clone())));
            for (cluster, name) in slots.chain(bound).chain(replicas) {
                known.entry(cluster).or_default().insert(name);
            }
        }
        known
    }

    fn tie(
        &self,
        record: &Record,
        cluster: ClusterId,
        known: &BTreeMap<ClusterId, BTreeSet<String>>,
    ) -> Tie {
        let of = |s: &SlotStatus| {
            let slot = record.slots.get(&s.slot);
            s.database == record.name && slot.is_some_and(|slot| slot.target_cluster == cluster)
        };
        let slots: Vec<SlotStatus> = self.replication.slots().into_iter().filter(of).collect();
        let open = record.handover.as_ref().filter(|h| h.peer == cluster);
        let giving = open.filter(|h| matches!(h.side, HandoverSide::Giving { .. })).map(|h| h.id);
        let replicas = record.replicas.iter();
        let runs = replicas.filter(|(_, r)| r.target == Some(cluster) && runs(r.wanted));
        let called = open.map(|h| h.peer_name.clone());
        let called = called.or_else(|| slots.first().map(|s| s.target.clone()));
        let called = called.or_else(|| known.get(&cluster)?.first().cloned());
        Tie {
            cluster,
            name: called.unwrap_or_else(|| cluster.to_string()),
            slots,
            giving,
            untold: open.is_some() && giving.is_none(),
            replicas: runs.map(|(name, _)| name.clone()).collect(),
            record: record.clone(),
        }
    }

    /// Bytes of log that are kept for the slots of one cluster, and for nobody else.
    fn released_bytes(&self, tie: &Tie) -> Result<u64> {
        let without = tie.rest();
        let database = self.engine.database(&tie.record.name)?;
        let released = database.local_partitions().iter().enumerate().map(|(i, partition)| {
            // Older manifests are kept for slots, too.
            let needed = partition.manifest().replay_from;
            let floor = |record: &Record| record.slot_floor(i).unwrap_or(needed).min(needed);
            let (from, to): (Lsn, Lsn) = (floor(&tie.record), floor(&without));
            partition.log_bytes(from, to)
        });
        Ok(released.sum())
    }
}

fn runs(wanted: Wanted) -> bool {
    wanted != Wanted::NotStarted
}

/// Refuses to forget somebody who is there.
fn check_gone(tie: &Tie) -> Result<()> {
    let name = &tie.record.name;
    let message = if tie.giving.is_some() {
        format!("a handover of database \"{name}\" to {} is under way", tie.who())
    } else if let Some(slot) = tie.connected() {
        format!("{} is connected: it follows database \"{name}\" (slot {})", tie.who(), slot.slot)
    } else {
        return Ok(());
    };
    Err(Error::new(SqlState::OBJECT_IN_USE, message).detail("Nothing was forgotten.").hint(
        "end it there first; RESET REPLICATION … FORCE is for a partner that is gone for good: one \
         that is alive makes itself a new slot with its next greeting",
    ))
}

fn unknown(state: &meta::State, partner: &Partner, wanted: &[ClusterId]) -> Error {
    let who = match partner {
        Partner::Id(id) => id.to_string(),
        Partner::Named(name) => format!("\"{name}\""),
        Partner::All => String::new(),
    };
    let source = state.databases.values().find_map(|d| {
        let link = d.link.as_ref().filter(|link| wanted.contains(&link.source_cluster))?;
        Some((d.name.clone(), link.source_cluster))
    });
    if let Some((database, cluster)) = source {
        let message = format!("cluster {cluster} is the source of database \"{database}\"");
        return Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail("Nothing is kept for it here.")
            .hint(format!(
                "FAILOVER DATABASE {database} makes this side the primary, DROP DATABASE \
                 {database} ends it"
            ));
    }
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("no database here is replicated to cluster {who}"),
    )
    .hint("SHOW REPLICATION STATUS shows who follows which database")
}
