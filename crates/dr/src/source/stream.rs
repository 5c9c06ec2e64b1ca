//! One partition's frames, as they become durable, and as the target's [`Flow`] lets them go.

use super::flow::{self, Flow, Terms};
use super::rights;
use crate::peer::FrameBatch;
use base::{Error, Lsn, Result, SqlState};
use bytes::Bytes;
use format::Record;
use format::frame::encode_batch;
use futures::StreamExt;
use futures::stream::BoxStream;
use meta::DatabaseState;
use partition::{Partition, PartitionHandle};
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Engine};

/// How often an idle stream gives a sign of life.
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// A stream sends what little it has at most once in each tick of this length. Every batch costs
/// both sides a few threads' turns and the target a sync, and the streams of all partitions share
/// the ticks, so that what they send arrives, and is synced, together.
const TICK: Duration = Duration::from_millis(5);

/// What is sent, and to whom.
pub(super) struct Outlet {
    pub database: Arc<Database>,
    pub partition: Arc<Partition>,
    pub slot: String,
    pub flow: Arc<Flow>,
    /// Owners, grants and roles stay here.
    pub keeps_rights: bool,
}

struct Sender {
    engine: Arc<Engine>,
    outlet: Outlet,
    next: Lsn,
    /// When it has sent something last; not at all yet.
    told: Option<Duration>,
    /// The tick of the last batch, unless that was a full one: then there is more to catch up with.
    ticked: Option<u128>,
}

/// Durable frames from `next` on, for ever; with a sign of life at once and when idle.
pub(super) fn frames(
    engine: Arc<Engine>,
    outlet: Outlet,
    next: Lsn,
) -> BoxStream<'static, Result<FrameBatch>> {
    let sender = Sender { engine, outlet, next, told: None, ticked: None };
    futures::stream::try_unfold(sender, |mut sender| async move {
        let batch = sender.batch().await?;
        Ok(Some((batch, sender)))
    })
    .boxed()
}

impl Sender {
    async fn batch(&mut self) -> Result<FrameBatch> {
        loop {
            self.check()?;
            let terms = self.terms();
            let wait = self.outlet.flow.wait(&self.engine.env, terms);
            if wait == Some(Duration::ZERO) && self.outlet.partition.durable() >= self.next {
                self.await_tick().await;
                if let Some(bytes) = self.read(terms.piece()).await? {
                    self.outlet.flow.pay(&self.engine.env, bytes.len(), terms);
                    return self.with(bytes).await;
                }
            }
            let now = self.engine.env.clock.monotonic();
            let quiet = self.told.map(|told| now.saturating_sub(told));
            let rest = quiet.and_then(|quiet| SIGN_OF_LIFE.checked_sub(quiet));
            let Some(rest) = rest.filter(|rest| !rest.is_zero()) else {
                return self.with(Bytes::new()).await;
            };
            match wait {
                Some(Duration::ZERO) => {
                    let after = Lsn(self.next.0 - 1);
                    tokio::select! {
                        biased;
                        waited = self.outlet.partition.wait_frames(after) => waited?,
                        () = self.engine.env.sleep(rest) => {}
                    }
                }
                // What may not be sent now can be sent earlier than it seems: terms change.
                wait => {
                    let wait = wait.unwrap_or(flow::LOOK_EVERY).min(flow::LOOK_EVERY);
                    self.engine.env.sleep(wait.min(rest)).await;
                }
            }
        }
    }

    fn terms(&self) -> Terms {
        let (id, slot) = (self.outlet.database.id(), self.outlet.slot.as_str());
        let of = |record: &meta::Database| Terms::of(record, slot);
        self.engine.meta.read(|s| s.databases.get(&id).map(of).unwrap_or_default())
    }

    async fn await_tick(&mut self) {
        let tick = |now: Duration| now.as_micros() / TICK.as_micros();
        let now = self.engine.env.clock.monotonic();
        if self.ticked == Some(tick(now)) {
            let into = Duration::from_micros((now.as_micros() % TICK.as_micros()) as u64);
            self.engine.env.sleep(TICK - into).await;
        }
        self.ticked = Some(tick(self.engine.env.clock.monotonic()));
    }

    /// A database that was dropped, demoted or copied anew is no source any more.
    fn check(&self) -> Result<()> {
        if self.outlet.database.state() == DatabaseState::Primary {
            let (id, slot) = (self.outlet.database.id(), self.outlet.slot.as_str());
            let now = self.engine.meta.read(|s| s.databases.get(&id).map(|d| d.keeps_rights(slot)));
            return rights::check(now.unwrap_or_default(), self.outlet.keeps_rights);
        }
        Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "database \"{}\" of the source is no longer a primary",
                self.outlet.database.name()
            ),
        ))
    }

    async fn read(&mut self, most: usize) -> Result<Option<Bytes>> {
        let (partition, from) = (self.outlet.partition.clone(), self.next);
        let keeps_rights = self.outlet.keeps_rights;
        let read = move || -> Result<Option<(Lsn, bool, Bytes)>> {
            let mut frames = partition.read_frames(from, most)?;
            for frame in &mut frames {
                // The record itself goes: positions and histories are the same on both sides.
                let rest = Record::without_local(frame.kind, &frame.payload, keeps_rights)?;
                if let Some(rest) = rest {
                    frame.payload = rest;
                }
            }
            let full = frames.iter().map(|f| f.payload.len()).sum::<usize>() >= most / 2;
            Ok(frames.last().map(|last| (last.lsn, full, encode_batch(&frames))))
        };
        let read = self.engine.env.blocking(read).await;
        let read = read.unwrap_or_else(|| Err(Error::internal("reading the log failed")))?;
        Ok(read.map(|(last, full, bytes)| {
            self.next = last.next();
            if full {
                self.ticked = None;
            }
            bytes
        }))
    }

    async fn with(&mut self, bytes: Bytes) -> Result<FrameBatch> {
        self.told = Some(self.engine.env.clock.monotonic());
        let status = self.outlet.partition.status().await?;
        Ok(FrameBatch {
            bytes,
            source_end: status.durable,
            source_now: self.engine.oracle.now(),
            last_commit: status.last_commit,
            gated: self.outlet.database.gated().is_some(),
            awaited: self.outlet.database.cover().is_awaited(),
        })
    }
}
