//! One partition's frames, as they become durable.

use crate::peer::FrameBatch;
use base::{Error, Lsn, Result, SqlState};
use bytes::Bytes;
use format::frame::encode_batch;
use futures::StreamExt;
use futures::stream::BoxStream;
use meta::DatabaseState;
use partition::{Partition, PartitionHandle};
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Engine};

/// How much log travels in one batch: large enough to fill a wide link, small enough for memory.
const BATCH_BYTES: usize = 256 << 10;
/// How often an idle stream gives a sign of life.
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// A stream sends what little it has at most once in each tick of this length. Every batch costs
/// both sides a few threads' turns and the target a sync, and the streams of all partitions share
/// the ticks, so that what they send arrives, and is synced, together.
const TICK: Duration = Duration::from_millis(5);

struct Sender {
    engine: Arc<Engine>,
    database: Arc<Database>,
    partition: Arc<Partition>,
    next: Lsn,
    greeted: bool,
    /// The tick of the last batch, unless that was a full one: then there is more to catch up with.
    ticked: Option<u128>,
}

/// Durable frames from `next` on, for ever; with a sign of life at once and when idle.
pub(super) fn frames(
    engine: Arc<Engine>,
    database: Arc<Database>,
    partition: Arc<Partition>,
    next: Lsn,
) -> BoxStream<'static, Result<FrameBatch>> {
    let sender = Sender { engine, database, partition, next, greeted: false, ticked: None };
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
            if self.partition.durable() >= self.next {
                self.await_tick().await;
                if let Some(bytes) = self.read().await? {
                    self.greeted = true;
                    return self.with(bytes).await;
                }
            }
            if !self.greeted {
                self.greeted = true;
                return self.with(Bytes::new()).await;
            }
            let after = Lsn(self.next.0 - 1);
            let more = tokio::select! {
                biased;
                waited = self.partition.wait_frames(after) => waited.map(|()| true)?,
                () = self.engine.env.sleep(SIGN_OF_LIFE) => false,
            };
            if !more {
                return self.with(Bytes::new()).await;
            }
        }
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
        if self.database.state() == DatabaseState::Primary {
            return Ok(());
        }
        Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("database \"{}\" of the source is no longer a primary", self.database.name()),
        ))
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        let (partition, from) = (self.partition.clone(), self.next);
        let read = move || -> Result<Option<(Lsn, bool, Bytes)>> {
            let frames = partition.read_frames(from, BATCH_BYTES)?;
            let full = frames.iter().map(|f| f.payload.len()).sum::<usize>() >= BATCH_BYTES / 2;
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

    async fn with(&self, bytes: Bytes) -> Result<FrameBatch> {
        let status = self.partition.status().await?;
        Ok(FrameBatch {
            bytes,
            source_end: status.durable,
            source_now: self.engine.oracle.now(),
            last_commit: status.last_commit,
            gated: self.database.gated().is_some(),
            awaited: self.database.cover().is_awaited(),
        })
    }
}
