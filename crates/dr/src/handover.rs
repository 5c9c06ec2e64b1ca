//! Planned handover: `SWITCHOVER DATABASE d TO cluster`. Nothing is lost, and the former primary
//! follows the new one at the end, without a rewind.
//!
//! ```text
//!  standby (drives)                                            primary
//!   1  draws an id ───────────────── gate(id) ───────────────▶ bound and gated, durably;
//!                                                              running writers end
//!   2  waits until it has it ◀───────positions, verifier────── everything there is
//!   3  COMMIT POINT: Promote + the former primary's login
//!      + handover Taken, one metadata record
//!   4  takes writes ─────────────── done(receipt) ───────────▶ becomes its target, durably
//!   5  handover over ◀──────────────────────────────────────── follows
//! ```
//!
//! # Invariants
//! * Only the standby decides. Before step 3 it may give up; what it has no open handover for it
//!   will never take over, and says so to a primary that is bound by it (as [`Acked`] tells with
//!   each acknowledgement). After step 3 it only goes forward.
//! * A bound primary takes no write until it is told how it went. `UNLOCK TABLES … FORCE` is the
//!   operator's way out if the standby is gone for good.
//! * Ids of one standby grow, so that a delayed request of an older handover binds nobody.
//!
//! # On a crash
//! * The primary: gate and handover are durable; it goes on where it was.
//! * The standby before 3: it has forgotten the handover; the primary opens at its first
//!   acknowledgement. After 3: it is the primary, and tells the former one until that has heard.
//! * The connection of whoever typed the statement: does not matter, the handover goes on.

mod tell;

pub(crate) use tell::{history, receipt_of};

use crate::SlotStatus;
use crate::link::{Link, Phase};
use crate::links::{Links, Order};
use crate::peer::{Acked, HandoverAnswer, HandoverStep, Receipt};
use base::{Error, Result, SqlState, Timestamp};
use meta::{Command, DatabaseState, Handover, HandoverSide, Source};
use std::sync::Arc;
use std::time::Duration;

/// How long transactions that have written are given to end.
const GATE: Duration = Duration::from_secs(10);
/// How long any other answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the former primary waits for the standby to begin and to end.
const WANTED: Duration = Duration::from_secs(40);

/// How `SWITCHOVER` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switchover {
    /// What happened.
    pub receipt: Receipt,
    /// True if the former primary has said that it follows.
    pub followed: bool,
}

impl Links {
    /// `SWITCHOVER DATABASE name TO to`, on either side: a standby here takes over, or a primary
    /// here asks the standby there to.
    ///
    /// # Errors
    /// Whatever the error, nothing has happened and the primary takes writes as before, unless the
    /// message says that the outcome is not known yet.
    pub async fn switchover(&self, name: &str, to: &str, by: &str) -> Result<Switchover> {
        let record = self.engine.record(name)?;
        if to == self.engine.meta.read(|s| s.cluster.name.clone()) {
            let (links, name, by) = (self.this()?, name.to_owned(), by.to_owned());
            let work = async move { links.take_over(&name, &by, Vec::new()).await };
            return self.apart("handover", work).await;
        }
        self.give_away(&record, to).await
    }

    /// Lets a standby of this primary take over.
    async fn give_away(&self, record: &meta::Database, to: &str) -> Result<Switchover> {
        let slot = self.check_giving(record, to)?;
        let of_slot = record.slots.get(&slot.slot).map(|s| s.target_cluster);
        let cluster = of_slot.ok_or_else(|| Error::internal("a slot without a cluster"))?;
        let told = self.replication.want_handover(record, cluster);
        tokio::select! {
            biased;
            told = told => {
                let receipt = told.map_err(|_| unknown())??;
                Ok(Switchover { receipt, followed: true })
            }
            () = self.engine.env.sleep(WANTED) => {
                self.replication.no_handover(record);
                let bound = self.engine.record(&record.name).is_ok_and(|r| r.handover.is_some());
                if bound { Err(unknown()) } else { Err(prerequisite(format!("{to} did not begin"))) }
            }
        }
    }

    /// The standby `to` of this primary, if it can take over now.
    pub(crate) fn check_giving(&self, record: &meta::Database, to: &str) -> Result<SlotStatus> {
        if record.state != DatabaseState::Primary {
            let message = format!("database \"{}\" is {} here", record.name, record.state.name());
            return Err(prerequisite(message)
                .hint("run SWITCHOVER on the primary or on the standby that is to take over"));
        }
        let mut slots = self.replication.slots();
        slots.retain(|s| s.database == record.name && s.target == to && s.dropped.is_none());
        let slot = slots.pop().ok_or_else(|| {
            prerequisite(format!("{to} is no standby of database \"{}\"", record.name))
        })?;
        if !slot.connected {
            return Err(prerequisite(format!("{to} was not heard of lately")).hint(
                "if it cannot be reached a switchover is not possible; this is still the primary",
            ));
        }
        Ok(slot)
    }

    /// Whether the standby here can take over now.
    pub(crate) fn can_take_over(&self, record: &meta::Database) -> Result<Arc<Link>> {
        crate::links::check_standby(record)?;
        let link = self.running(&record.name)?;
        let paused = record.link.as_ref().is_some_and(|l| l.paused);
        // A replica that its source has paused gets the rest once the source is gated.
        let connected = matches!(*link.shared.phase.lock(), Phase::Streaming | Phase::CatchingUp);
        if paused || !connected {
            return Err(prerequisite("this standby does not receive what its source has now")
                .hint("look at SHOW REPLICATION STATUS"));
        }
        if self.connect.address().is_none() {
            return Err(prerequisite("it is not known where other clusters find this one")
                .hint("start this node with --advertise HOST:PORT"));
        }
        Ok(link)
    }

    /// What the primary says about handovers: that it wants one, or that it is bound by one.
    pub(crate) fn heed(&self, name: &str, said: Acked) {
        let silent = said.handover_bound == 0 && !said.handover_wanted;
        if silent || !self.heeding.lock().insert(name.to_owned()) {
            return;
        }
        let Ok(links) = self.this() else { return };
        let name = name.to_owned();
        let work = async move {
            if said.handover_bound != 0 {
                links.answer_bound(&name, said.handover_bound).await;
            } else if let Err(error) = links.take_over(&name, "its primary", Vec::new()).await {
                tracing::warn!(database = name, %error, "switchover");
            }
            links.heeding.lock().remove(&name);
        };
        self.engine.env.tasks.spawn("handover", Box::pin(work));
    }

    /// The standby's part, from beginning to end, with changes that become durable with the
    /// promotion itself.
    pub(crate) async fn take_over(
        &self,
        name: &str,
        by: &str,
        with: Vec<Command>,
    ) -> Result<Switchover> {
        let _changing = self.changing.lock().await;
        let record = self.engine.record(name)?;
        if record.state == DatabaseState::Primary {
            return self.already(&record).await;
        }
        let link = self.can_take_over(&record)?;
        let source = link.shared.link()?.source;
        let handing = Handing {
            by: by.to_owned(),
            id: self.engine.oracle.next().0,
            began: self.engine.env.clock.monotonic(),
            at_ms: self.engine.env.clock.now_ms(),
            source,
            with,
        };
        self.open.lock().insert(name.to_owned(), handing.id);
        let taken = self.take(&record, &handing).await;
        self.open.lock().remove(name);
        match taken {
            Ok(receipt) => self.tell(name, receipt).await,
            Err(error) => {
                // A primary that does not hear it now is told when it says that it is bound.
                self.abort(&handing.source, handing.id, &record, &error.message).await;
                Err(error)
            }
        }
    }

    /// Steps 1 to 3. An error means that it was not taken over and will not be.
    async fn take(&self, record: &meta::Database, handing: &Handing) -> Result<Receipt> {
        let name = &record.name;
        let step = HandoverStep::Gate { limit_ms: GATE.as_millis() as u64 };
        let gate = self.ask_handover(&handing.source, handing.id, record, step);
        let given = self.in_time(GATE + ANSWER, gate).await?;
        self.await_positions(name, &given.positions).await?;
        let newest = given.positions.partitions.iter().map(|p| p.1).max().unwrap_or_default();
        let link = self.running.lock().remove(name.as_str());
        if let Some(link) = link {
            link.stop().await;
        }
        let promoted = self.promote_by(record, handing, &given, newest).await;
        let now = self.engine.record(name)?;
        if now.link.is_some() {
            // Nothing has happened: go on following.
            self.start(name)?;
            return promoted;
        }
        // The commit point is behind: an error after it does not change that.
        match promoted {
            Ok(receipt) => Ok(receipt),
            Err(error) => {
                tracing::error!(database = name, %error, "opening after a handover failed");
                receipt_of(&now, &self.own_name(), self.engine.env.clock.now_ms())
            }
        }
    }

    async fn promote_by(
        &self,
        record: &meta::Database,
        handing: &Handing,
        given: &HandoverAnswer,
        newest: Timestamp,
    ) -> Result<Receipt> {
        let former = record.link.as_ref().map(|l| l.source_cluster);
        let former = former.ok_or_else(|| Error::internal("a standby without a source"))?;
        let verifier = given.verifier.clone();
        let verifier = verifier.ok_or_else(|| Error::internal("a handover without a verifier"))?;
        let handover = Handover {
            id: handing.id,
            peer: former,
            peer_name: given.cluster_name.clone(),
            at_ms: handing.at_ms,
            side: HandoverSide::Taken { former: handing.source.clone() },
        };
        let mut with = vec![
            Command::PutPeer { cluster: former, verifier },
            Command::PutHandover { database: record.id, handover },
        ];
        with.extend(handing.with.iter().cloned());
        let reason = format!("SWITCHOVER from {}", given.cluster_name);
        let order = Order { reason, by: handing.by.clone(), floor: newest, at: None, with };
        let promoted = self.promote(&record.name, order).await?;
        let took = self.engine.env.clock.monotonic().saturating_sub(handing.began);
        Ok(Receipt {
            id: handing.id,
            from: given.cluster_name.clone(),
            to: self.own_name(),
            epoch: promoted.epoch,
            cut: promoted.cut,
            positions: given.positions.partitions.iter().map(|p| p.0).collect(),
            without_writes_ms: took.as_millis() as u64,
        })
    }
}

/// A handover that this standby has begun.
#[derive(Debug)]
struct Handing {
    by: String,
    id: u64,
    began: Duration,
    at_ms: u64,
    source: Source,
    with: Vec<Command>,
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}

fn unknown() -> Error {
    Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, "the switchover is not over yet")
        .detail("The primary takes no writes until the standby says how it went.")
        .hint("look at information_schema.replication_history on both sides")
}
