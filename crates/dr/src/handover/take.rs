//! The standby's part of a handover, from beginning to end; of all databases of a group at once.

use super::{Switchover, prerequisite, receipt_of};
use crate::link::Link;
use crate::links::{Links, Order};
use crate::peer::{HandoverAnswer, HandoverStep, Receipt};
use base::{Error, Result, Timestamp};
use futures::future::try_join_all;
use meta::{Command, Database as Record, DatabaseState, Handover, HandoverSide, Source};
use std::sync::Arc;
use std::time::Duration;

/// How long transactions that have written are given to end.
const GATE: Duration = Duration::from_secs(10);
/// How long any other answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A handover that this standby has begun.
#[derive(Debug)]
struct Handing {
    record: Record,
    link: Arc<Link>,
    id: u64,
    source: Source,
}

/// What the handovers of a group have in common.
#[derive(Debug)]
struct Began {
    by: String,
    at: Duration,
    at_ms: u64,
    with: Vec<Command>,
}

impl Links {
    /// Takes over a database, and with it all others of its group, with changes that become durable
    /// with the promotion itself. Answers for each database.
    pub(crate) async fn take_over(
        &self,
        name: &str,
        by: &str,
        with: Vec<Command>,
    ) -> Result<Vec<(String, Switchover)>> {
        let _changing = self.changing.lock().await;
        let record = self.engine.record(name)?;
        if record.state == DatabaseState::Primary {
            return Ok(vec![(name.to_owned(), self.already(&record).await?)]);
        }
        let clock = &self.engine.env.clock;
        let began = Began { by: by.to_owned(), at: clock.monotonic(), at_ms: clock.now_ms(), with };
        let mut handings = Vec::new();
        for record in self.together(record) {
            let link = self.can_take_over(&record)?;
            let (id, source) = (self.engine.oracle.next().0, link.shared.link()?.source);
            handings.push(Handing { record, link, id, source });
        }
        for h in &handings {
            self.open.lock().insert(h.record.name.clone(), h.id);
        }
        let taken = self.take(&handings, &began).await;
        for h in &handings {
            self.open.lock().remove(&h.record.name);
        }
        match taken {
            Ok(receipts) => {
                let told = handings.iter().zip(receipts).map(async |(h, receipt)| {
                    let done = self.tell(&h.record.name, receipt).await?;
                    Ok::<_, Error>((h.record.name.clone(), done))
                });
                try_join_all(told).await
            }
            Err(error) => {
                // A primary that does not hear it now is told when it says that it is bound.
                for h in &handings {
                    self.abort(&h.source, h.id, &h.record, &error.message).await;
                }
                Err(error)
            }
        }
    }

    /// As [`Links::take_over`], for one that is in no group.
    pub(crate) async fn take_over_alone(
        &self,
        name: &str,
        by: &str,
        with: Vec<Command>,
    ) -> Result<Switchover> {
        let done = self.take_over(name, by, with).await?.pop();
        done.map(|(_, done)| done).ok_or_else(|| prerequisite("there is nothing to take over"))
    }

    /// The databases that go with this one.
    pub(crate) fn together(&self, record: Record) -> Vec<Record> {
        match &record.group {
            Some(group) => self.engine.group(group),
            None => vec![record],
        }
    }

    /// Steps 1 to 3. An error means that nothing was taken over and will not be.
    async fn take(&self, handings: &[Handing], began: &Began) -> Result<Vec<Receipt>> {
        let limit_ms = GATE.as_millis() as u64;
        let gates = handings.iter().map(async |h| {
            let step = HandoverStep::Gate { limit_ms };
            let gate = self.ask_handover(&h.source, h.id, &h.record, step);
            self.in_time(GATE + ANSWER, gate).await
        });
        let given = try_join_all(gates).await?;
        let commits = given.iter().flat_map(|g| &g.positions.partitions).map(|p| p.1);
        let newest = commits.max().unwrap_or_default();
        for (h, given) in handings.iter().zip(&given) {
            self.await_positions(&h.record.name, &given.positions, newest).await?;
        }
        let links: Vec<Arc<Link>> = handings.iter().map(|h| h.link.clone()).collect();
        self.end_links(&links).await;
        let promoted = self.promote_by(handings, began, &given, newest).await;
        let mut receipts = Vec::with_capacity(handings.len());
        for h in handings {
            let name = &h.record.name;
            let now = self.engine.record(name)?;
            if now.link.is_some() {
                // Nothing has happened: go on following.
                self.start(name)?;
            } else if let Err(error) = &promoted {
                // The commit point is behind: an error after it does not change that.
                tracing::error!(database = name, %error, "opening after a handover failed");
                let now_ms = self.engine.env.clock.now_ms();
                receipts.push(receipt_of(&now, &self.own_name(), now_ms)?);
            }
        }
        match promoted {
            Err(_) if receipts.len() == handings.len() => Ok(receipts),
            promoted => promoted,
        }
    }

    async fn promote_by(
        &self,
        handings: &[Handing],
        began: &Began,
        given: &[HandoverAnswer],
        newest: Timestamp,
    ) -> Result<Vec<Receipt>> {
        let mut with = began.with.clone();
        for (h, given) in handings.iter().zip(given) {
            let former = h.record.link.as_ref().map(|l| l.source_cluster);
            let former = former.ok_or_else(|| Error::internal("a standby without a source"))?;
            let verifier = given.verifier.clone();
            let verifier =
                verifier.ok_or_else(|| Error::internal("a handover without a verifier"))?;
            let handover = Handover {
                id: h.id,
                peer: former,
                peer_name: given.cluster_name.clone(),
                at_ms: began.at_ms,
                side: HandoverSide::Taken { former: h.source.clone() },
            };
            with.push(Command::PutPeer { cluster: former, verifier });
            with.push(Command::PutHandover { database: h.record.id, handover });
            if began.with.is_empty() {
                with.extend(self.way_back_of(&h.record, &began.by));
            }
        }
        let from = given.first().map(|g| g.cluster_name.clone());
        let from = from.ok_or_else(|| prerequisite("there is nothing to take over"))?;
        let (reason, by) = (format!("SWITCHOVER from {from}"), began.by.clone());
        let order = Order { reason, by, floor: newest, with, ..Order::default() };
        let names: Vec<String> = handings.iter().map(|h| h.record.name.clone()).collect();
        let promoted = self.promote(&names, order).await?;
        let took = self.engine.env.clock.monotonic().saturating_sub(began.at);
        let receipts =
            handings.iter().zip(given).zip(promoted).map(|((h, given), promoted)| Receipt {
                id: h.id,
                from: given.cluster_name.clone(),
                to: self.own_name(),
                epoch: promoted.epoch,
                cut: promoted.cut,
                positions: given.positions.partitions.iter().map(|p| p.0).collect(),
                without_writes_ms: took.as_millis() as u64,
            });
        Ok(receipts.collect())
    }
}
