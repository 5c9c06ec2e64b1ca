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
use crate::link::Link;
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
    /// The source is to be told of the promotion until it has heard.
    pub fence: bool,
    /// Changes that become durable with the promotion itself.
    pub with: Vec<Command>,
}

impl Links {
    /// Ends replication and makes the database primary at its replicated time.
    ///
    /// # Errors
    /// 55000 if the database is no standby: a first copy or a way back that is not complete cannot
    /// be promoted; or if it is one of a group.
    pub async fn stop(&self, name: &str, by: &str) -> Result<Promoted> {
        super::groups::check_alone(&self.engine.record(name)?, "STOP REPLICATING")?;
        let (links, name) = (self.this()?, name.to_owned());
        let reason = format!("STOP REPLICATING {name}");
        let order = Order { reason, by: by.to_owned(), ..Order::default() };
        let work = async move {
            let _changing = links.changing.lock().await;
            only(links.end_and_promote(&[name], order).await?)
        };
        self.apart("promotion", work).await
    }

    /// Ends the links and promotes, all at one cut. An error leaves standbys that follow as before,
    /// unless the commit point was behind it already.
    pub(super) async fn end_and_promote(
        &self,
        names: &[String],
        order: Order,
    ) -> Result<Vec<Promoted>> {
        let mut links = Vec::with_capacity(names.len());
        for name in names {
            links.push(self.running(name)?);
            check_standby(&self.engine.record(name)?)?;
        }
        if order.at.is_none() {
            for name in names {
                self.drain(name).await?;
            }
        }
        self.end_links(&links).await;
        let promoted = self.promote(names, Order { fence: true, ..order }).await;
        for name in names {
            let record = self.engine.record(name)?;
            if record.link.is_some() {
                // Nothing has happened: go on following.
                self.start(name)?;
            }
            self.fence(&record);
        }
        promoted
    }

    pub(crate) async fn end_links(&self, links: &[Arc<Link>]) {
        for link in links {
            link.stop().await;
            self.running.lock().remove(&link.shared.name);
        }
    }

    /// Gives a gated source that can be heard the time to send everything: nothing is lost then.
    async fn drain(&self, name: &str) -> Result<()> {
        if !self.hears_source(name) {
            return Ok(());
        }
        let env = &self.engine.env;
        let positions = tokio::select! {
            biased;
            positions = self.ask_positions(name) => positions,
            () = env.sleep(ANSWER) => return Ok(()),
        };
        match positions {
            Ok(positions) if positions.gated => {
                let newest = positions.partitions.iter().map(|p| p.1).max().unwrap_or_default();
                self.await_positions(name, &positions, newest).await
            }
            _ => Ok(()),
        }
    }

    /// Waits until everything that a gated source has is here, and readable at a moment at or after
    /// `newest`.
    pub(crate) async fn await_positions(
        &self,
        name: &str,
        want: &Positions,
        newest: Timestamp,
    ) -> Result<()> {
        let env = &self.engine.env;
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

    /// Makes standbys whose links have ended primaries, all at one cut and by one record.
    pub(crate) async fn promote(&self, names: &[String], order: Order) -> Result<Vec<Promoted>> {
        let mut databases = Vec::with_capacity(names.len());
        for name in names {
            let database = self.engine.database(name)?;
            check_standby(&self.engine.record(name)?)?;
            for partition in database.local_partitions() {
                partition.settled(partition.end()).await?;
            }
            databases.push(database);
        }
        let cut = cut_of(&databases, &order)?;
        let below = |d: &&Arc<Database>| cut < d.replicated_time();
        let going_back: Vec<Arc<Database>> = databases.iter().filter(below).cloned().collect();
        // Readers may be above the cut, and chunks must not get there meanwhile.
        let since_ms = self.engine.env.clock.now_ms();
        for database in &going_back {
            database.set_state(DatabaseState::Rewinding { since_ms });
            limit_chunks(database, Some(cut));
        }
        let promoted = self.promote_at(&databases, cut, order).await;
        for database in &going_back {
            limit_chunks(database, None);
            if promoted.is_err() && check_standby(&self.engine.record(database.name())?).is_ok() {
                database.set_state(DatabaseState::Standby);
            }
        }
        promoted
    }

    async fn promote_at(
        &self,
        databases: &[Arc<Database>],
        cut: Timestamp,
        order: Order,
    ) -> Result<Vec<Promoted>> {
        let mut promoted = Vec::with_capacity(databases.len());
        let mut changes = Vec::with_capacity(databases.len());
        for database in databases {
            let record = self.engine.record(database.name())?;
            let epoch = self.engine.next_epoch(database);
            let forks: Vec<Fork> = database
                .local_partitions()
                .iter()
                .map(|p| Fork { partition: p.number(), common: p.end(), cut })
                .collect();
            let parts = collect(database, &forks, Witness::Target).await?;
            self.vaults.of(record.id)?.stage(epoch, &parts)?;
            let transactions: BTreeSet<_> = parts.iter().map(|p| p.txn).collect();
            let transactions = transactions.len();
            promoted.push(Promoted { cut, epoch, set_aside: parts.len(), transactions });
            changes.push(self.command(&record, database, (cut, epoch), &order));
        }
        changes.extend(order.with);
        self.engine.meta.apply(Command::Batch(changes))?;
        for (database, done) in databases.iter().zip(&promoted) {
            self.engine.finish_promotion(database).await?;
            self.engine.adopt_or_say(database).await;
            self.engine.heed_gate(database.name())?;
            self.vaults.of(database.id())?.unstage(Some(done.epoch))?;
        }
        Ok(promoted)
    }

    fn command(
        &self,
        record: &meta::Database,
        database: &Arc<Database>,
        (cut, epoch): (Timestamp, Epoch),
        order: &Order,
    ) -> Command {
        let at_ms = self.engine.env.clock.now_ms();
        let source = record.link.as_ref().map(|l| l.source.clone());
        Command::Promote {
            database: record.id,
            cut,
            epoch,
            reason: order.reason.clone(),
            at_ms,
            keep: former_source(record, database, cut, at_ms),
            by: Some(order.by.clone()),
            former: source.filter(|_| order.fence),
        }
    }
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}

/// The one promotion of an order for one database.
pub(crate) fn only(promoted: Vec<Promoted>) -> Result<Promoted> {
    let first = promoted.into_iter().next();
    first.ok_or_else(|| Error::internal("a promotion of nothing"))
}

/// The cut of a promotion: what was asked for, or the newest that all can be promoted at.
fn cut_of(databases: &[Arc<Database>], order: &Order) -> Result<Timestamp> {
    if let Some(at) = order.at {
        let below = databases.iter().filter(|d| at != d.replicated_time());
        below.map(|d| check_held(d, at)).collect::<Result<Vec<_>>>()?;
        return Ok(at);
    }
    let newest = databases.iter().map(|d| d.replicated_time()).min().unwrap_or_default();
    // A log that is whole reaches below the first time that was closed in it, too: it may have been
    // followed for the first time when another one of the group had stopped.
    if databases.iter().any(|d| newest < d.consistent_from().max(order.floor)) {
        return Err(inconsistent(databases, newest));
    }
    Ok(newest)
}

/// No moment is here that could be the cut.
fn inconsistent(databases: &[Arc<Database>], cut: Timestamp) -> Error {
    let held = |d: &Arc<Database>| {
        let (from, upto) = (json::moment(d.consistent_from()), json::moment(d.replicated_time()));
        format!("\"{}\" can be promoted as of {from} to {upto}", d.name())
    };
    let held: Vec<String> = databases.iter().map(held).collect();
    let sent = "it comes with what the source sends next";
    let (message, hint) = match databases {
        [_] => {
            ("the partitions are not consistent with each other yet".to_owned(), sent.to_owned())
        }
        _ => {
            let newest = json::moment(cut);
            let message =
                "the databases of the group have no moment in common: the newest that all have is";
            let alone = "if the source is lost, DROP REPLICATION GROUP here lets each be promoted at its own cut";
            (format!("{message} {newest}"), format!("{sent}; {alone}"))
        }
    };
    let nothing = format!("Nothing has happened. {}.", held.join(", "));
    prerequisite(message).detail(nothing).hint(hint)
}

fn limit_chunks(database: &Database, cut: Option<Timestamp>) {
    for partition in database.local_partitions() {
        partition.limit_chunks(cut);
    }
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
    let (name, at) = (database.name(), json::moment(at));
    let message = format!("the standby of database \"{name}\" cannot be promoted at {at}");
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
