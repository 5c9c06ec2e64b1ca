//! `STOP REPLICATING`: a standby becomes primary at one consistent cut.
//!
//! 1. If the source can be heard and is gated, everything it has is waited for. Then the link ends;
//!    what it received is made durable.
//! 2. The cut is the replicated time. What was received above it is staged in the vault.
//! 3. **Commit point**: [`meta::Command::Promote`] names cut and epoch, removes the link, and makes
//!    a slot that keeps the log from the fork on for the former source.
//! 4. Every partition writes its `EpochStart`; the database takes writes.
//! 5. What was staged enters the vault.
//!
//! A crash before 3 leaves a standby whose link goes on. A crash after it is completed when the
//! engine opens the database (4) and the links open (5).

use super::Links;
use crate::diverged::{Fork, Witness, collect};
use crate::peer::Positions;
use base::{Epoch, Error, Result, SqlState, Timestamp};
use meta::{Command, DatabaseState, Slot};
use std::sync::Arc;
use std::time::Duration;
use txn::Database;

/// How long a source that takes no writes any more is given to send the rest.
const DRAIN: Duration = Duration::from_secs(5);
/// How long it is given to say how far it is.
const ANSWER: Duration = Duration::from_secs(2);

/// A promotion that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// Everything committed above it is void here.
    pub cut: Timestamp,
    /// The new epoch.
    pub epoch: Epoch,
    /// Parts of transactions above the cut that had been received and are in the vault now.
    pub set_aside: usize,
}

impl Links {
    /// Ends replication and makes the database primary at its replicated time.
    ///
    /// # Errors
    /// 55000 if the database is no standby: a first copy or a way back that is not complete cannot
    /// be promoted.
    pub async fn stop(&self, name: &str) -> Result<Promoted> {
        let _changing = self.changing.lock().await;
        let link = self.running(name)?;
        check_standby(&self.engine.record(name)?)?;
        self.drain(name).await?;
        link.stop().await;
        self.running.lock().remove(name);
        let reason = format!("STOP REPLICATING {name}");
        let promoted = self.promote(name, reason, Timestamp::ZERO, Vec::new()).await;
        if promoted.is_err() && self.engine.record(name).is_ok_and(|r| r.link.is_some()) {
            // Nothing has happened: go on following.
            self.start(name)?;
        }
        promoted
    }

    /// Gives a gated source that can be heard the time to send everything: nothing is lost then.
    async fn drain(&self, name: &str) -> Result<()> {
        let connected = self.status().iter().any(|s| s.database == name && s.connected);
        if !connected {
            return Ok(());
        }
        let env = &self.engine.env;
        let positions = tokio::select! {
            biased;
            positions = self.ask_positions(name) => positions,
            () = env.sleep(ANSWER) => return Ok(()),
        };
        match positions {
            Ok(positions) if positions.gated => self.await_positions(name, &positions).await,
            _ => Ok(()),
        }
    }

    /// Waits until everything that a gated source has is here, and readable at one moment.
    pub(crate) async fn await_positions(&self, name: &str, want: &Positions) -> Result<()> {
        let env = &self.engine.env;
        let newest = want.partitions.iter().map(|p| p.1).max().unwrap_or_default();
        let end = env.clock.monotonic() + DRAIN;
        while env.clock.monotonic() < end {
            let database = self.engine.database(name)?;
            let have = database.local_partitions().iter();
            let all = have.zip(&want.partitions).all(|(p, (end, _))| p.end() >= *end);
            // The cut is the lowest closed timestamp of all partitions: a commit in one of them is
            // in it only when the others have closed theirs beyond it, too.
            if all && database.replicated_time() >= newest {
                return Ok(());
            }
            env.sleep(Duration::from_millis(10)).await;
        }
        Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the source takes no writes any more, but what it has does not arrive",
        )
        .hint("look at SHOW REPLICATION STATUS; a source that cannot be heard is not waited for"))
    }

    async fn ask_positions(&self, name: &str) -> Result<Positions> {
        let record = self.engine.record(name)?;
        let link = record.link.ok_or_else(|| Error::internal("a link without a source"))?;
        let peer = self.connect.connect(&link.source).await?;
        peer.positions(&link.source.database).await
    }

    /// Makes a standby whose link has ended a primary. Not below `floor`; the changes `with` become
    /// durable with the promotion itself.
    pub(crate) async fn promote(
        &self,
        name: &str,
        reason: String,
        floor: Timestamp,
        with: Vec<Command>,
    ) -> Result<Promoted> {
        let database = self.engine.database(name)?;
        let record = self.engine.record(name)?;
        check_standby(&record)?;
        for partition in database.local_partitions() {
            partition.settled(partition.end()).await?;
        }
        let cut = database.replicated_time();
        if cut < database.consistent_from().max(floor) {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the partitions are not consistent with each other yet",
            ));
        }
        let epoch = self.next_epoch(&database);
        let vault = self.vaults.of(record.id)?;
        let forks: Vec<Fork> = database
            .local_partitions()
            .iter()
            .map(|p| Fork { partition: p.number(), common: p.end(), cut })
            .collect();
        let parts = collect(&database, &forks, Witness::Target).await?;
        vault.stage(epoch, &parts)?;
        let at_ms = self.engine.env.clock.now_ms();
        let keep = former_source(&record, &database, cut, at_ms);
        let promote = Command::Promote { database: record.id, cut, epoch, reason, at_ms, keep };
        let changes = [promote].into_iter().chain(with).collect();
        self.engine.meta.apply(Command::Batch(changes))?;
        self.engine.finish_promotion(&database).await?;
        self.engine.ungate(name)?;
        vault.unstage(Some(epoch))?;
        Ok(Promoted { cut, epoch, set_aside: parts.len() })
    }

    fn next_epoch(&self, database: &Arc<Database>) -> Epoch {
        let written = database.local_partitions().iter().filter_map(|p| p.history().last());
        let highest = written.max().unwrap_or_default().max(database.promotion_epoch());
        highest.successor(self.engine.cluster(), self.engine.node())
    }
}

pub(crate) fn check_standby(record: &meta::Database) -> Result<()> {
    if record.state == DatabaseState::Standby {
        return Ok(());
    }
    let message = format!(
        "database \"{}\" is {} and cannot become primary yet",
        record.name,
        record.state.name()
    );
    Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("wait until it is a standby (SHOW REPLICATION STATUS), or DROP DATABASE"))
}

/// A slot under the name the former source will come back with.
fn former_source(
    record: &meta::Database,
    database: &Arc<Database>,
    cut: Timestamp,
    now_ms: u64,
) -> Option<(String, Slot)> {
    let link = record.link.as_ref()?;
    let name = format!("{}/{}", link.source_cluster, link.source.database);
    let slot = Slot {
        target_cluster: link.source_cluster,
        target_name: format!("{}:{}", link.source.host, link.source.port),
        acked: database.local_partitions().iter().map(|p| p.end()).collect(),
        replicated: cut,
        last_seen_ms: now_ms,
        dropped: None,
    };
    Some((name, slot))
}
