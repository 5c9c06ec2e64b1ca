//! `STOP REPLICATING` and `FAILOVER … WITH DATA LOSS`: a standby becomes primary at one consistent
//! cut.
//!
//! 1. If the source can be heard and is gated, everything it has is waited for. Then the link ends;
//!    what it received is made durable.
//! 2. The cut is the replicated time, or an older time that the standby still holds: then nobody
//!    reads and nothing is written to chunks until 4 is done, and chunks that are newer than the
//!    cut are taken out of use. What was received above the cut is staged in the vault.
//! 3. **Commit point**: [`meta::Command::Promote`] names cut and epoch, removes the link, and makes
//!    a slot that keeps the log from the fork on for the former source.
//! 4. Every partition writes its `EpochStart`; the database takes writes. The roles that came with it
//!    are taken over (see [`Engine::adopt_roles`](txn::Engine::adopt_roles)).
//! 5. What was staged enters the vault. The former source, should it be alive, is told of the new
//!    epoch as soon as it can be reached, and takes no more writes then.
//!
//! A crash before 3 leaves a standby whose link goes on. A crash after it is completed when the
//! engine opens the database (4) and the links open (5).

use super::Links;
use crate::diverged::{Fork, Witness, collect};
use crate::json;
use crate::peer::Positions;
use base::{Epoch, Error, Result, SqlState, Timestamp};
use meta::{Command, DatabaseState, Slot};
use std::collections::BTreeSet;
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
    /// How many transactions these are parts of.
    pub transactions: usize,
}

/// How a standby is to be promoted.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// What was asked for, for people.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// The cut must not be below it.
    pub floor: Timestamp,
    /// The cut, if it is not to be the newest one.
    pub at: Option<Timestamp>,
    /// Changes that become durable with the promotion itself.
    pub with: Vec<Command>,
}

impl Links {
    /// Ends replication and makes the database primary at its replicated time.
    ///
    /// # Errors
    /// 55000 if the database is no standby: a first copy or a way back that is not complete cannot
    /// be promoted.
    pub async fn stop(&self, name: &str, by: &str) -> Result<Promoted> {
        let (links, name) = (self.this()?, name.to_owned());
        let reason = format!("STOP REPLICATING {name}");
        let order = Order { reason, by: by.to_owned(), ..Order::default() };
        let work = async move {
            let _changing = links.changing.lock().await;
            links.end_and_promote(&name, order).await
        };
        self.apart("promotion", work).await
    }

    /// Ends the link and promotes. An error leaves a standby that follows as before, unless the
    /// commit point was behind it already.
    pub(super) async fn end_and_promote(&self, name: &str, order: Order) -> Result<Promoted> {
        let link = self.running(name)?;
        check_standby(&self.engine.record(name)?)?;
        let former = link.shared.link()?.source;
        if order.at.is_none() {
            self.drain(name).await?;
        }
        link.stop().await;
        self.running.lock().remove(name);
        let promoted = self.promote(name, order).await;
        if promoted.is_err() && self.engine.record(name).is_ok_and(|r| r.link.is_some()) {
            // Nothing has happened: go on following.
            self.start(name)?;
        }
        if let Ok(promoted) = &promoted {
            self.fence(name, former, promoted.epoch);
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

    pub(super) async fn ask_positions(&self, name: &str) -> Result<Positions> {
        let record = self.engine.record(name)?;
        let link = record.link.ok_or_else(|| Error::internal("a link without a source"))?;
        let peer = self.connect.connect(&link.source).await?;
        peer.positions(&link.source.database).await
    }

    /// Makes a standby whose link has ended a primary.
    pub(crate) async fn promote(&self, name: &str, order: Order) -> Result<Promoted> {
        let database = self.engine.database(name)?;
        check_standby(&self.engine.record(name)?)?;
        for partition in database.local_partitions() {
            partition.settled(partition.end()).await?;
        }
        let newest = database.replicated_time();
        let cut = match order.at {
            Some(at) => check_held(&database, at)?,
            None if newest < database.consistent_from().max(order.floor) => {
                return Err(prerequisite("the partitions are not consistent with each other yet"));
            }
            None => newest,
        };
        if cut == newest {
            return self.promote_at(&database, cut, order).await;
        }
        // Readers may be above the cut, and chunks must not get there meanwhile.
        database.set_state(DatabaseState::Rewinding { since_ms: self.engine.env.clock.now_ms() });
        for partition in database.local_partitions() {
            partition.limit_chunks(Some(cut));
        }
        let promoted = self.promote_at(&database, cut, order).await;
        for partition in database.local_partitions() {
            partition.limit_chunks(None);
        }
        if promoted.is_err() && check_standby(&self.engine.record(name)?).is_ok() {
            database.set_state(DatabaseState::Standby);
        }
        promoted
    }

    async fn promote_at(
        &self,
        database: &Arc<Database>,
        cut: Timestamp,
        order: Order,
    ) -> Result<Promoted> {
        let name = database.name();
        let record = self.engine.record(name)?;
        let epoch = self.next_epoch(database);
        let vault = self.vaults.of(record.id)?;
        let forks: Vec<Fork> = database
            .local_partitions()
            .iter()
            .map(|p| Fork { partition: p.number(), common: p.end(), cut })
            .collect();
        let parts = collect(database, &forks, Witness::Target).await?;
        vault.stage(epoch, &parts)?;
        let at_ms = self.engine.env.clock.now_ms();
        let keep = former_source(&record, database, cut, at_ms);
        let (reason, by) = (order.reason, Some(order.by));
        let promote = Command::Promote { database: record.id, cut, epoch, reason, at_ms, keep, by };
        let changes = [promote].into_iter().chain(order.with).collect();
        self.engine.meta.apply(Command::Batch(changes))?;
        self.engine.finish_promotion(database).await?;
        self.engine.adopt_or_say(database).await;
        self.engine.heed_gate(name)?;
        vault.unstage(Some(epoch))?;
        let transactions: BTreeSet<_> = parts.iter().map(|p| p.txn).collect();
        Ok(Promoted { cut, epoch, set_aside: parts.len(), transactions: transactions.len() })
    }

    fn next_epoch(&self, database: &Arc<Database>) -> Epoch {
        let written = database.local_partitions().iter().filter_map(|p| p.history().last());
        let highest = written.max().unwrap_or_default().max(database.promotion_epoch());
        highest.successor(self.engine.cluster(), self.engine.node())
    }
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}

/// The cut for an order `AT TIME at`, if the standby holds everything up to there and can still
/// show what was then.
pub(super) fn check_held(database: &Database, at: Timestamp) -> Result<Timestamp> {
    let newest = database.replicated_time();
    let of_partition = database.local_partitions().iter().map(|p| p.oldest_cut());
    let oldest = of_partition.max().unwrap_or_default();
    if oldest <= at && at <= newest {
        return Ok(at);
    }
    let message = format!("this standby cannot be promoted at {}", json::moment(at));
    Err(prerequisite(message).detail(format!(
        "It holds what was from {} to {}. Nothing has happened.",
        json::moment(oldest),
        json::moment(newest)
    )))
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
