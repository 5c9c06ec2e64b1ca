//! `EXPLAIN` of what moves a database between clusters: steps, estimate, loss and blockers, as known
//! at this moment. Nothing changes, on either side.
//!
//! What the other side says is asked for anew, for a short time; what it does not answer is told as
//! last known, with the age of that knowledge.

mod come_back;
mod group;
mod promote;

use super::{FailoverRequest, GroupRequest, Links, ReplicateRequest, ResetRequest, check_alone};
use crate::json;
use base::{Error, Result, SqlState, Timestamp};
use std::time::Duration;

/// How long the other side is given to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// What is to be explained.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// `FAILOVER DATABASE …`
    Failover(FailoverRequest),
    /// `SWITCHOVER DATABASE … TO …`
    Switchover {
        /// The database.
        database: String,
        /// The cluster that is to take over.
        to: String,
    },
    /// `STOP REPLICATING …`
    Stop {
        /// The standby here.
        database: String,
    },
    /// `REPLICATE DATABASE …`
    Replicate(ReplicateRequest),
    /// `RESET REPLICATION TO …`
    Reset(ResetRequest),
    /// `FAILOVER` or `SWITCHOVER` of a replication group.
    Group(GroupRequest),
    /// `ALTER DATABASE … ALTER REPLICA … PROMOTE …`
    PromoteReplica {
        /// The standby here.
        database: String,
        /// The replica that leads back.
        name: String,
        /// `WITH DATA LOSS`
        data_loss: bool,
    },
    /// `ALTER DATABASE … ALTER REPLICA … START`
    StartReplica {
        /// The database.
        database: String,
        /// Its replica.
        name: String,
    },
    /// `ALTER DATABASE … DROP REPLICA …`
    DropReplica {
        /// The database.
        database: String,
        /// Its replica.
        name: String,
    },
}

/// What an [`Explained`] line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What would be done, in this order.
    Step,
    /// How long it would take, and what would travel.
    Estimate,
    /// What would be given up.
    Loss,
    /// Why it would be refused.
    Blocker,
}

impl Kind {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Step => "step",
            Kind::Estimate => "estimate",
            Kind::Loss => "loss",
            Kind::Blocker => "blocker",
        }
    }
}

/// One line of an explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// What it is about.
    pub kind: Kind,
    /// Which step or figure.
    pub item: String,
    /// For people.
    pub value: String,
    /// For programs, where it is a number.
    pub number: Option<i64>,
}

/// An explanation being written.
#[derive(Debug, Default)]
pub(crate) struct Lines(pub(super) Vec<Explained>);

impl Lines {
    pub(super) fn add(&mut self, kind: Kind, item: impl Into<String>, value: impl Into<String>) {
        let (item, value) = (item.into(), value.into());
        self.0.push(Explained { kind, item, value, number: None });
    }

    pub(crate) fn step(&mut self, value: impl Into<String>) {
        let n = self.0.iter().filter(|line| line.kind == Kind::Step).count() + 1;
        self.add(Kind::Step, n.to_string(), value);
    }

    pub(super) fn figure(&mut self, kind: Kind, item: &str, number: u64, note: &str) {
        let value = if note.is_empty() { number.to_string() } else { format!("{number} {note}") };
        let number = Some(i64::try_from(number).unwrap_or(i64::MAX));
        self.0.push(Explained { kind, item: item.to_owned(), value, number });
    }

    /// Something that would travel, in all.
    pub(crate) fn estimate(&mut self, item: &str, number: u64) {
        self.figure(Kind::Estimate, item, number, "");
    }

    /// A moment; the number is in milliseconds since 1970.
    pub(super) fn moment(&mut self, kind: Kind, item: &str, at: Timestamp, note: &str) {
        let value = format!("{}{note}", json::moment(at));
        let number = i64::try_from(at.ms()).ok();
        self.0.push(Explained { kind, item: item.to_owned(), value, number });
    }

    pub(crate) fn blocker(&mut self, error: &Error) {
        let mut value = error.message.clone();
        for more in [&error.detail, &error.hint].into_iter().flatten() {
            value += &format!(" ({more})");
        }
        self.add(Kind::Blocker, error.state.0, value);
    }
}

impl Links {
    /// What a statement would do, and cost.
    ///
    /// # Errors
    /// 3D000 for a database that is not there; whatever else stands in the way is a line of the
    /// answer.
    pub async fn explain(&self, verb: &Verb) -> Result<Vec<Explained>> {
        let mut lines = Lines::default();
        let alone = match verb {
            Verb::Failover(request) => Some((&request.database, "FAILOVER")),
            Verb::Switchover { database, .. } => Some((database, "SWITCHOVER")),
            Verb::Stop { database } => Some((database, "STOP REPLICATING")),
            Verb::PromoteReplica { database, .. } => Some((database, "FAILOVER")),
            Verb::Replicate(_)
            | Verb::Reset(_)
            | Verb::Group(_)
            | Verb::StartReplica { .. }
            | Verb::DropReplica { .. } => None,
        };
        if let Some((database, word)) = alone
            && let Err(error) = check_alone(&self.engine.record(database)?, word)
        {
            lines.blocker(&error);
        }
        match verb {
            Verb::Failover(request) => self.explain_failover(request, &mut lines).await?,
            Verb::Switchover { database, to } => {
                self.explain_switchover(database, to, &mut lines).await?;
            }
            Verb::Stop { database } => self.explain_stop(database, &mut lines).await?,
            Verb::Replicate(request) if request.differential => {
                self.explain_come_back(request, &mut lines).await?;
            }
            Verb::Replicate(request) => self.explain_copy(request, &mut lines).await?,
            Verb::Reset(request) => self.explain_reset(request, &mut lines)?,
            Verb::Group(request) => self.explain_group(request, &mut lines).await?,
            Verb::PromoteReplica { database, name, data_loss } => {
                self.explain_promote(database, name, *data_loss, &mut lines).await?;
            }
            Verb::StartReplica { database, name } => {
                self.explain_start(database, name, &mut lines).await?;
            }
            Verb::DropReplica { database, name } => {
                self.explain_drop(database, name, &mut lines)?;
            }
        }
        // Steps, then figures, then what stands in the way: stable within each.
        lines.0.sort_by_key(|line| line.kind as u8);
        Ok(lines.0)
    }

    pub(crate) async fn at_once<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.engine.env.sleep(ANSWER) => Err(Error::new(
                SqlState::CONNECTION_FAILURE,
                format!("the other cluster did not answer in {} s", ANSWER.as_secs()),
            )),
        }
    }
}
