//! What clusters tell each other about a handover, and again until it is heard.

use super::{Switchover, prerequisite};
use crate::links::Links;
use crate::peer::{HandoverAnswer, HandoverRequest, HandoverStep, Receipt};
use base::{Error, Result, SqlState};
use meta::{Command, HandoverSide, HistoryRow, Source};
use std::time::Duration;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the statement waits for the former primary to follow; it goes on trying after that.
const FOLLOW: Duration = Duration::from_secs(5);
/// The pause between attempts to tell the former primary.
const RETRY: Duration = Duration::from_millis(500);

impl Links {
    /// The database is the primary here: by a handover whose other side may not know it yet, or
    /// by something else.
    pub(super) async fn already(&self, record: &meta::Database) -> Result<Switchover> {
        if record.handover.as_ref().is_some_and(|h| matches!(h.side, HandoverSide::Taken { .. })) {
            let now_ms = self.engine.env.clock.now_ms();
            let receipt = receipt_of(record, &self.own_name(), now_ms)?;
            let followed = !self.tell_once(&record.name, &receipt).await;
            return Ok(Switchover { receipt, followed });
        }
        let mut error =
            prerequisite(format!("database \"{}\" is the primary here already", record.name));
        if let Some(p) = &record.promotion {
            error = error.detail(format!("{}: epoch {}, cut {}", p.reason, p.epoch, p.cut));
        }
        Err(error)
    }

    /// Steps 4 and 5: at once if it can be, else as soon as it can be.
    pub(super) async fn tell(&self, name: &str, receipt: Receipt) -> Result<Switchover> {
        self.tell_former(name, receipt.clone());
        let end = self.engine.env.clock.monotonic() + FOLLOW;
        loop {
            let over = self.engine.record(name)?.handover.is_none();
            if over || self.engine.env.clock.monotonic() >= end {
                return Ok(Switchover { receipt, followed: over });
            }
            self.engine.env.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Tells the former primary until it has heard.
    pub(crate) fn tell_former(&self, name: &str, receipt: Receipt) {
        let (Ok(links), name) = (self.this(), name.to_owned()) else { return };
        let work = async move {
            while links.tell_once(&name, &receipt).await {
                links.engine.env.sleep(RETRY).await;
            }
        };
        self.engine.env.tasks.spawn("handover receipt", Box::pin(work));
    }

    /// True if it must be told again.
    async fn tell_once(&self, name: &str, receipt: &Receipt) -> bool {
        let Ok(record) = self.engine.record(name) else { return false };
        let open = record.handover.clone().filter(|h| h.id == receipt.id);
        let Some(HandoverSide::Taken { former }) = open.as_ref().map(|h| &h.side) else {
            return false;
        };
        let Some(address) = self.connect.address() else { return true };
        let (database, receipt) = (name.to_owned(), receipt.clone());
        let step = HandoverStep::Done { address, database, receipt: receipt.clone() };
        let asked = self.ask_handover(former, receipt.id, &record, step);
        let outcome = match self.in_time(ANSWER, asked).await {
            Ok(_) => format!("{} follows", receipt.from),
            Err(e) if e.state == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => {
                format!("{} does not follow: {}", receipt.from, e.message)
            }
            Err(error) => {
                tracing::info!(database = name, %error, "the former primary does not know yet");
                return true;
            }
        };
        self.over(&record, &receipt, outcome).is_err()
    }

    fn over(&self, record: &meta::Database, receipt: &Receipt, outcome: String) -> Result<()> {
        let (id, at_ms) = (receipt.id, self.engine.env.clock.now_ms());
        self.engine.meta.apply(Command::Batch(vec![
            Command::EndHandover { database: record.id, id },
            history(&record.name, at_ms, receipt, Some(&outcome)),
        ]))?;
        Ok(())
    }

    /// A primary says that it is bound by handover `id`: if none such is open here, it is over.
    pub(super) async fn answer_bound(&self, name: &str, id: u64) {
        if self.open.lock().get(name) == Some(&id) {
            return;
        }
        let Ok(record) = self.engine.record(name) else { return };
        if let Some(link) = record.link.clone() {
            self.abort(&link.source, id, &record, "the standby has forgotten it").await;
        }
    }

    /// Says that this standby will not take over by handover `id`, as far as the primary hears it.
    pub(super) async fn abort(
        &self,
        source: &Source,
        id: u64,
        record: &meta::Database,
        reason: &str,
    ) {
        let step = HandoverStep::Abort { reason: reason.to_owned() };
        let asked = self.ask_handover(source, id, record, step);
        if let Err(error) = self.in_time(ANSWER, asked).await {
            tracing::info!(database = record.name, %error, "the primary is still gated");
        }
    }

    pub(super) async fn ask_handover(
        &self,
        source: &Source,
        id: u64,
        record: &meta::Database,
        step: HandoverStep,
    ) -> Result<HandoverAnswer> {
        let peer = self.connect.connect(source).await?;
        let cluster = self.engine.meta.read(|s| s.cluster.clone());
        peer.handover(HandoverRequest {
            database: source.database.clone(),
            id,
            cluster: cluster.id,
            cluster_name: cluster.name,
            promotion_epoch: record.promotion_epoch,
            step,
        })
        .await
    }

    pub(super) async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.engine.env.sleep(limit) => {
                let message = format!("the other cluster did not answer in {} s", limit.as_secs());
                Err(Error::new(SqlState::CONNECTION_FAILURE, message))
            }
        }
    }

    pub(super) fn own_name(&self) -> String {
        self.engine.meta.read(|s| s.cluster.name.clone())
    }
}

/// The receipt of a handover that this process did not see from the beginning.
pub(crate) fn receipt_of(record: &meta::Database, to: &str, now_ms: u64) -> Result<Receipt> {
    let (Some(handover), Some(promotion)) = (&record.handover, &record.promotion) else {
        return Err(Error::internal("a handover without a promotion"));
    };
    let kept = record.slots.values().find(|s| s.target_cluster == handover.peer);
    Ok(Receipt {
        id: handover.id,
        from: handover.peer_name.clone(),
        to: to.to_owned(),
        epoch: promotion.epoch,
        cut: promotion.cut,
        positions: kept.map(|s| s.acked.clone()).unwrap_or_default(),
        without_writes_ms: now_ms.saturating_sub(handover.at_ms),
    })
}

impl Receipt {
    /// One line for people.
    pub fn text(&self) -> String {
        let seconds = self.without_writes_ms as f64 / 1_000.0;
        let (from, to, epoch, cut) = (&self.from, &self.to, self.epoch, self.cut);
        format!("{from} to {to}: epoch {epoch}, cut {cut}, {seconds:.3} s without writes")
    }
}

/// The receipt as an event, with how it went on.
pub(crate) fn history(
    database: &str,
    at_ms: u64,
    receipt: &Receipt,
    outcome: Option<&str>,
) -> Command {
    let detail = match outcome {
        Some(outcome) => format!("{}; {outcome}", receipt.text()),
        None => receipt.text(),
    };
    let row = HistoryRow::new(at_ms, database, "handover", detail);
    Command::History(row.by(Some(receipt.to.clone())).at(receipt.epoch, receipt.cut))
}
