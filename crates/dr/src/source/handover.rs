//! The primary's part in a planned handover: the protocol is in [`crate::handover`].

use super::{Replication, flow};
use crate::auth::login_at;
use crate::peer::{HandoverAnswer, HandoverRequest, HandoverStep, Positions, Receipt};
use base::{ClusterId, DatabaseId, Error, Result, SqlState};
use meta::{Command, Gate, Handover, HandoverSide, HistoryRow, Slot, Source, peer_user};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;

/// Shown as the gate's owner.
const OWNER: &str = "switchover";

/// What is known of handovers since this process started.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    /// Databases that an operator here wants another cluster to take over.
    wanted: BTreeMap<DatabaseId, Wanted>,
    /// The newest handover that was given up, by cluster: a delayed request to begin it comes
    /// too late.
    over: BTreeMap<(DatabaseId, ClusterId), u64>,
}

#[derive(Debug)]
struct Wanted {
    by: ClusterId,
    tell: oneshot::Sender<Result<Receipt>>,
}

impl Replication {
    /// See [`Peer::handover`](crate::peer::Peer::handover).
    pub async fn handover(&self, request: HandoverRequest) -> Result<HandoverAnswer> {
        match &request.step {
            HandoverStep::Gate { limit_ms } => {
                self.give(&request, Duration::from_millis(*limit_ms)).await
            }
            HandoverStep::Abort { reason } => {
                self.keep(&request.database, request.cluster, request.id, reason)?;
                self.answer_handover(None)
            }
            HandoverStep::Done { .. } => {
                self.follow(&request).await?;
                self.answer_handover(None)
            }
        }
    }

    fn answer_handover(&self, given: Option<(Positions, &str)>) -> Result<HandoverAnswer> {
        let cluster_name = self.engine.meta.read(|s| s.cluster.name.clone());
        let verifier = given.as_ref().map(|(_, password)| self.engine.meta.new_verifier(password));
        let none = Positions { gated: false, partitions: Vec::new() };
        let positions = given.map_or(none, |(positions, _)| positions);
        Ok(HandoverAnswer { cluster_name, positions, verifier })
    }

    /// Takes no more writes, durably, and tells how far the database is.
    async fn give(&self, request: &HandoverRequest, limit: Duration) -> Result<HandoverAnswer> {
        let database = self.primary(&request.database)?;
        let name = database.name();
        self.check_epoch(&database, request.promotion_epoch)?;
        let over = self.handovers.lock().over.get(&(database.id(), request.cluster)).copied();
        if over.is_some_and(|over| request.id <= over) {
            return Err(refused("this handover was given up already"));
        }
        let record = self.engine.record(name)?;
        let live = |s: &&Slot| s.dropped.is_none() && s.target_cluster == request.cluster;
        if record.slots.values().find(live).is_none() {
            let who = &request.cluster_name;
            return Err(refused(format!("{who} is no standby of database \"{name}\"")));
        }
        // What the other side is to take over travels before the gate closes.
        crate::links::publish_in_time(&self.engine, &database).await;
        let password = self.bind(&record, request)?;
        let reason = format!("a handover to {} is under way", request.cluster_name);
        tokio::select! {
            biased;
            gated = self.engine.gate(name, OWNER, &reason) => gated?,
            () = self.engine.env.sleep(limit) => {
                let why = "running transactions did not end in time";
                self.keep(name, request.cluster, request.id, why)?;
                return Err(Error::new(SqlState::OBJECT_IN_USE, format!(
                    "transactions that have written were still open after {} s", limit.as_secs()
                ))
                .detail("Nothing has happened: the database takes writes as before.")
                .hint("end them and try again"));
            }
        }
        let positions = self.positions(name).await?;
        self.answer_handover(Some((positions, &password)))
    }

    /// From here on this cluster is bound: only the other one can end the handover.
    fn bind(&self, record: &meta::Database, request: &HandoverRequest) -> Result<String> {
        let mut gate_before = record.gate.clone();
        if let Some(Handover { id, peer, side: HandoverSide::Giving { password, gate }, .. }) =
            &record.handover
        {
            if (*id, *peer) == (request.id, request.cluster) {
                return Ok(password.clone());
            }
            gate_before = gate.clone();
        }
        let password = login_at(&self.engine, request.cluster)?;
        let at_ms = self.engine.env.clock.now_ms();
        let handover = Handover {
            id: request.id,
            peer: request.cluster,
            peer_name: request.cluster_name.clone(),
            at_ms,
            side: HandoverSide::Giving { password: password.clone(), gate: gate_before },
        };
        let reason = format!("a handover to {} is under way", request.cluster_name);
        let gate = Gate { reason, owner: OWNER.to_owned(), at_ms, expires_ms: None, queues: false };
        self.engine.meta.apply(Command::Batch(vec![
            Command::PutHandover { database: record.id, handover },
            Command::SetGate { database: record.id, gate },
        ]))?;
        Ok(password)
    }

    /// Ends a handover that the other cluster will never complete: everything is as before.
    pub(crate) fn keep(&self, name: &str, cluster: ClusterId, id: u64, reason: &str) -> Result<()> {
        let record = self.engine.record(name)?;
        {
            let mut handovers = self.handovers.lock();
            let over = handovers.over.entry((record.id, cluster)).or_default();
            *over = id.max(*over);
            if let Some(wanted) = handovers.wanted.remove(&record.id) {
                let _ = wanted.tell.send(Err(refused(reason)));
            }
        }
        let Some(open) = record.handover.as_ref().filter(|h| (h.peer, h.id) == (cluster, id))
        else {
            return Ok(());
        };
        let HandoverSide::Giving { gate, .. } = &open.side else { return Ok(()) };
        let (database, at_ms) = (record.id, self.engine.env.clock.now_ms());
        let back = match gate.clone() {
            Some(gate) => Command::SetGate { database, gate },
            None => Command::ClearGate { database, at_ms, by: Some(OWNER.to_owned()) },
        };
        let detail = format!("to {} given up: {reason}", open.peer_name);
        let row = HistoryRow::new(at_ms, name, "handover", detail);
        let row = row.by(Some(open.peer_name.clone()));
        self.engine.meta.apply(Command::Batch(vec![
            Command::EndHandover { database, id },
            back,
            Command::History(row),
        ]))?;
        self.engine.heed_gate(name)
    }

    /// The other cluster has taken over: becomes its target.
    async fn follow(&self, request: &HandoverRequest) -> Result<()> {
        let HandoverStep::Done { address, database, receipt } = &request.step else {
            return Err(Error::internal("a handover that is not done"));
        };
        let record = self.engine.record(&request.database)?;
        let open = record.handover.as_ref().filter(|h| h.id == request.id);
        let Some(HandoverSide::Giving { password, .. }) = open.map(|h| &h.side) else {
            if record.state.is_target() && record.promotion_epoch >= receipt.epoch {
                return Ok(());
            }
            let here = self.engine.database(&request.database)?;
            self.check_epoch(&here, receipt.epoch)?;
            return Err(refused("this handover is not under way here any more"));
        };
        let source = Source {
            host: address.0.clone(),
            port: address.1,
            user: peer_user(self.engine.cluster()),
            password: password.clone(),
            database: database.clone(),
        };
        let links = self.links()?;
        links.follow_new_primary(&request.database, source, request.cluster, receipt).await?;
        if let Some(wanted) = self.handovers.lock().wanted.remove(&record.id) {
            let _ = wanted.tell.send(Ok(receipt.clone()));
        }
        Ok(())
    }

    /// Asks the standby in cluster `to` to take over, with its next acknowledgement; the answer
    /// comes when it has, or has given up.
    pub(crate) fn want_handover(
        &self,
        record: &meta::Database,
        to: ClusterId,
    ) -> oneshot::Receiver<Result<Receipt>> {
        let (tell, told) = oneshot::channel();
        self.handovers.lock().wanted.insert(record.id, Wanted { by: to, tell });
        told
    }

    /// Takes [`Replication::want_handover`] back.
    pub(crate) fn no_handover(&self, record: &meta::Database) {
        self.handovers.lock().wanted.remove(&record.id);
    }

    /// What a target is told with each acknowledgement.
    pub(super) fn handover_with(&self, id: DatabaseId, slot: &str) -> crate::peer::Acked {
        let (cluster, bound, group) = self.engine.meta.read(|s| {
            let record = s.databases.get(&id);
            let cluster = record.and_then(|r| r.slots.get(slot)).map(|s| s.target_cluster);
            let open = record.and_then(|r| r.handover.as_ref());
            let open = open.filter(|h| matches!(h.side, HandoverSide::Giving { .. }));
            let bound = open.filter(|h| Some(h.peer) == cluster).map_or(0, |h| h.id);
            (cluster, bound, record.and_then(|r| r.group.clone()))
        });
        let wanted = self.handovers.lock().wanted.get(&id).is_some_and(|w| Some(w.by) == cluster);
        let show = self.engine.meta.read(|s| flow::shown(s.databases.get(&id), slot));
        let group = group.unwrap_or_default();
        crate::peer::Acked { handover_wanted: wanted, handover_bound: bound, group, show }
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}
