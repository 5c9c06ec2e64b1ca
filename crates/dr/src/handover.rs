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

mod take;
mod tell;

pub(crate) use tell::{history, receipt_of};

use crate::SlotStatus;
use crate::link::{Link, Phase};
use crate::links::Links;
use crate::peer::{Acked, Receipt};
use base::{Error, Result, SqlState};
use meta::DatabaseState;
use std::sync::Arc;
use std::time::Duration;

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
        crate::links::check_alone(&record, "SWITCHOVER")?;
        if to == self.engine.meta.read(|s| s.cluster.name.clone()) {
            let (links, name, by) = (self.this()?, name.to_owned(), by.to_owned());
            let work = async move { links.take_over_alone(&name, &by, Vec::new()).await };
            return self.apart("handover", work).await;
        }
        self.give_away(&record, to).await
    }

    /// Lets a standby of this primary take over.
    pub(crate) async fn give_away(&self, record: &meta::Database, to: &str) -> Result<Switchover> {
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
    pub(crate) fn heed(&self, name: &str, said: &Acked) {
        let nothing = !said.handover_wanted && said.handover_bound == 0;
        if nothing || !self.heeding.lock().insert(name.to_owned()) {
            return;
        }
        let Ok(links) = self.this() else { return };
        let (name, bound) = (name.to_owned(), said.handover_bound);
        let work = async move {
            if bound != 0 {
                links.answer_bound(&name, bound).await;
            } else if let Err(error) = links.take_over(&name, "its primary", Vec::new()).await {
                tracing::warn!(database = name, %error, "switchover");
            }
            links.heeding.lock().remove(&name);
        };
        self.engine.env.tasks.spawn("handover", Box::pin(work));
    }
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}

fn unknown() -> Error {
    Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, "the switchover is not over yet")
        .detail("The primary takes no writes until the standby says how it went.")
        .hint("look at information_schema.replication_history on both sides")
}
