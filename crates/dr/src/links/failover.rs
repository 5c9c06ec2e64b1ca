//! `FAILOVER DATABASE d [AT TIME …] [WITH DATA LOSS]`, typed at the standby, and what it would cost.
//!
//! Without `WITH DATA LOSS` it is a planned handover (see [`crate::handover`]): the source is gated,
//! everything it has is waited for, and it follows at the end. A source that cannot be reached, or
//! anything else that would lose something, is an error and changes nothing. With it the standby is
//! promoted with what it has (see [`super::promote`]). Lossless and lossy never share a form.
//!
//! It can be repeated: on a database that is the primary here by a promotion it says so, and
//! completes what an error after the commit point may have left undone.

use super::Links;
use super::groups::check_alone;
use super::promote::{Order, Promoted, check_held, check_standby, only};
use crate::diverged::is_shown;
use crate::handover::Switchover;
use crate::json;
use crate::peer::Receipt;
use base::{Epoch, Error, Lsn, Result, SqlState, Timestamp, TxnId};
use meta::{Command, DatabaseState, Promotion};
use partition::DivergedTxn;
use std::collections::BTreeMap;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct FailoverRequest {
    /// The standby here.
    pub database: String,
    /// The cut; the newest one if not given.
    pub at: Option<Timestamp>,
    /// `WITH DATA LOSS`.
    pub data_loss: bool,
}

/// A failover that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Failover {
    /// True if the database was the primary here already.
    pub already: bool,
    /// True if it is known that nothing was lost.
    pub lossless: bool,
    /// The epoch that began.
    pub epoch: Epoch,
    /// Everything committed above it is void here.
    pub cut: Timestamp,
    /// Transactions that had been received and are above the cut: they are in the vault.
    pub set_aside: usize,
    /// Of a lossless one.
    pub receipt: Option<Receipt>,
    /// False if the former source is still to be told that it follows now. Of no meaning
    /// otherwise.
    pub followed: bool,
}

impl Failover {
    /// The database is the primary here by an earlier promotion.
    pub(super) fn earlier(promotion: &Promotion) -> Failover {
        Failover {
            already: true,
            lossless: false,
            epoch: promotion.epoch,
            cut: promotion.cut,
            set_aside: 0,
            receipt: None,
            followed: false,
        }
    }
}

/// With what was here.
impl From<Promoted> for Failover {
    fn from(done: Promoted) -> Failover {
        Failover {
            already: false,
            lossless: false,
            epoch: done.epoch,
            cut: done.cut,
            set_aside: done.transactions,
            receipt: None,
            followed: false,
        }
    }
}

/// Without loss.
impl From<Switchover> for Failover {
    fn from(done: Switchover) -> Failover {
        Failover {
            already: false,
            lossless: true,
            epoch: done.receipt.epoch,
            cut: done.receipt.cut,
            set_aside: 0,
            receipt: Some(done.receipt),
            followed: done.followed,
        }
    }
}

/// What a promotion would give up, as last known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// The cut it is about.
    pub cut: Timestamp,
    /// How old the knowledge of the source is, in milliseconds; `None` if nothing was heard of it
    /// since this process started.
    pub known_ms_ago: Option<u64>,
    /// True if the source was heard of in the last seconds.
    pub connected: bool,
    /// True if the source took no writes then.
    pub gated: bool,
    /// Records that the source had then and that are not here.
    pub records: u64,
    /// The transactions in them, estimated.
    pub transactions: u64,
    /// The row changes in them, estimated.
    pub rows: u64,
    /// Their bytes of log, estimated.
    pub bytes: u64,
    /// Transactions that are here, but above the cut. They are kept in the vault.
    pub set_aside: u64,
    /// Their row changes.
    pub set_aside_rows: u64,
    /// The oldest commit of these.
    pub set_aside_since: Option<Timestamp>,
    /// From the cut to now, by the clock of this node: nothing older can be lost.
    pub ms: u64,
}

impl Loss {
    /// True if nothing is known to be lost, by fresh knowledge of a source that takes no writes.
    pub fn is_none(&self) -> bool {
        self.connected && self.gated && self.records == 0 && self.set_aside == 0
    }

    /// The sentence that comes before a promotion with data loss.
    pub fn text(&self) -> String {
        let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
        let missing = match self.known_ms_ago {
            None => "how much the source has beyond that is not known: it was not heard of since \
                     this node started"
                .to_owned(),
            Some(ago) => format!(
                "the source had about {} transactions ({} rows, {} bytes) beyond that when it was \
                 last heard, {} ago",
                self.transactions,
                self.rows,
                self.bytes,
                seconds(ago)
            ),
        };
        let aside = match self.set_aside {
            0 => String::new(),
            n => format!(
                "; {n} transactions ({} rows) that are here but later are kept in \
                 information_schema.diverged_transactions",
                self.set_aside_rows
            ),
        };
        format!("everything up to {} before now is kept; {missing}{aside}", seconds(self.ms))
    }
}

impl Links {
    /// What promoting a standby at `at` (or at its newest cut) would give up, as last known.
    ///
    /// # Errors
    /// 55000 if it is no standby, or cannot go back to `at`.
    pub async fn loss(&self, name: &str, at: Option<Timestamp>) -> Result<Loss> {
        let link = self.running(name)?;
        check_standby(&self.engine.record(name)?)?;
        let database = self.engine.database(name)?;
        let newest = database.replicated_time();
        let cut = at.map_or(Ok(newest), |at| check_held(&database, at))?;
        let clock = &self.engine.env.clock;
        let ends: Vec<_> = database.local_partitions().iter().map(|p| p.end()).collect();
        let known = link.shared.figures.lock().known(&ends, clock.monotonic());
        let mut loss = Loss { cut, ms: clock.now_ms().saturating_sub(cut.ms()), ..Loss::default() };
        if let Some(known) = known {
            loss.known_ms_ago = Some(known.age.as_millis() as u64);
            (loss.connected, loss.gated) = (known.fresh, known.gated);
            (loss.records, loss.transactions) = (known.records, known.transactions);
            (loss.rows, loss.bytes) = (known.rows, known.bytes);
        }
        let mut seen = BTreeMap::new();
        for partition in database.local_partitions() {
            count(&mut seen, partition.beyond(Lsn(u64::MAX), cut).await?);
        }
        loss.set_aside = seen.len() as u64;
        loss.set_aside_rows = seen.values().map(|(rows, _)| *rows).sum();
        loss.set_aside_since = seen.values().map(|(_, ts)| *ts).min();
        Ok(loss)
    }

    /// `FAILOVER DATABASE …`
    ///
    /// # Errors
    /// 55000 if it is not possible as asked for: nothing has happened then, and the standby follows
    /// as before. 08007 if it is not known whether it has happened.
    pub async fn failover(&self, request: FailoverRequest, by: &str) -> Result<Failover> {
        self.failover_with(request, by, Vec::new()).await
    }

    /// As [`Links::failover`], with changes that become durable with the promotion itself.
    pub(crate) async fn failover_with(
        &self,
        request: FailoverRequest,
        by: &str,
        with: Vec<Command>,
    ) -> Result<Failover> {
        let (links, by) = (self.this()?, by.to_owned());
        let name = request.database.clone();
        let record = self.engine.record(&name)?;
        if record.state == DatabaseState::Primary {
            let work = async move { links.failed_over(&request).await };
            return self.apart("promotion", work).await;
        }
        check_standby(&record)?;
        check_alone(&record, "FAILOVER")?;
        if !request.data_loss {
            if request.at.is_some() {
                let message = "a promotion at an older time gives up what was committed after it";
                return Err(prerequisite(message)
                    .detail("Nothing has happened.")
                    .hint("if that is meant: FAILOVER DATABASE … AT TIME … WITH DATA LOSS"));
            }
            return self.without_loss(&name, &by, with).await;
        }
        let promoted = self.apart("promotion", async move {
            let _changing = links.changing.lock().await;
            let reason = format!("FAILOVER DATABASE {} WITH DATA LOSS", request.database);
            let order = Order { reason, by, at: request.at, with, ..Order::default() };
            only(links.end_and_promote(&[request.database], order).await?)
        });
        Ok(promoted.await?.into())
    }

    async fn without_loss(&self, name: &str, by: &str, with: Vec<Command>) -> Result<Failover> {
        let (links, by, of) = (self.this()?, by.to_owned(), name.to_owned());
        let work = async move { links.take_over_alone(&of, &by, with).await };
        let done = self.apart("handover", work).await.map_err(|error| match error.state {
            SqlState::TRANSACTION_RESOLUTION_UNKNOWN => error,
            _ => {
                let mut error = error;
                error.state = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
                error.message =
                    format!("a failover without loss is not possible: {}", error.message);
                let nothing = "Nothing has happened: the standby follows as before.";
                error.detail = Some(match error.detail.take() {
                    Some(detail) if detail != nothing => format!("{detail} {nothing}"),
                    _ => nothing.to_owned(),
                });
                error.hint(format!(
                    "EXPLAIN FAILOVER DATABASE {name} WITH DATA LOSS tells what going without it \
                     would lose"
                ))
            }
        })?;
        Ok(done.into())
    }

    /// The database is the primary here.
    async fn failed_over(&self, request: &FailoverRequest) -> Result<Failover> {
        let _changing = self.changing.lock().await;
        let name = &request.database;
        let record = self.engine.record(name)?;
        let Some(promotion) = record.promotion.filter(|_| record.state == DatabaseState::Primary)
        else {
            let message = format!("database \"{name}\" is the primary here and follows nobody");
            return Err(prerequisite(message).hint("FAILOVER is for its standby"));
        };
        if request.at.is_some_and(|at| at != promotion.cut) {
            let message = format!("database \"{name}\" is the primary here already");
            return Err(prerequisite(message).detail(format!(
                "{}: epoch {}, cut at {}. A primary does not go back in time.",
                promotion.reason,
                promotion.epoch,
                json::moment(promotion.cut)
            )));
        }
        self.complete(name, &promotion).await?;
        Ok(Failover::earlier(&promotion))
    }

    /// Does what an error after the commit point of a promotion may have left undone.
    pub(super) async fn complete(&self, name: &str, promotion: &Promotion) -> Result<()> {
        let database = self.engine.database(name)?;
        if database.state() == DatabaseState::Primary {
            return Ok(());
        }
        self.engine.finish_promotion(&database).await?;
        self.engine.adopt_or_say(&database).await;
        self.engine.heed_gate(name)?;
        self.vaults.of(database.id())?.unstage(Some(promotion.epoch))
    }
}

/// Row changes and commit time of transactions, of which each partition has a part.
pub(super) type Counted = BTreeMap<TxnId, (u64, Timestamp)>;

/// Counts one partition's parts, without those that no user has written.
pub(super) fn count(seen: &mut Counted, found: Vec<DivergedTxn>) {
    for txn in found {
        let rows = txn.ops.iter().filter(|(op, _)| is_shown(op)).count() as u64;
        if rows > 0 {
            let entry = seen.entry(txn.txn).or_insert((0, txn.commit_ts));
            *entry = (entry.0 + rows, entry.1.max(txn.commit_ts));
        }
    }
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}
