//! Receiving: one pump per partition, and the reporter that acknowledges.

use super::Shared;
use crate::link::session::slot_name;
use crate::peer::{Ack, FrameBatch, Peer};
use base::{Error, Lsn, Result, SqlState, Timestamp};
use format::frame::decode_batch;
use futures::StreamExt;
use futures::stream::BoxStream;
use meta::DatabaseState;
use partition::{Partition, PartitionHandle};
use std::sync::Arc;
use std::time::Duration;
use txn::Database;

/// A stream without even a sign of life for so long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// And until the target has come to its goal.
const LOOK_CLOSELY: Duration = Duration::from_millis(10);
/// How often it is acknowledged even if there is none.
const ACK_EVERY: Duration = Duration::from_secs(1);

/// Puts a partition's frames into its log and state, until something breaks.
pub(super) async fn pump(
    shared: Arc<Shared>,
    partition: Arc<Partition>,
    mut frames: BoxStream<'static, Result<FrameBatch>>,
) -> Error {
    loop {
        let next = tokio::select! {
            biased;
            next = frames.next() => next,
            () = shared.engine.env.sleep(SILENCE_MAX) => {
                return broken("the source has been silent for too long");
            }
        };
        let taken = match next {
            None => Err(broken("the source ended the stream")),
            Some(Err(error)) => Err(error),
            Some(Ok(batch)) => take(&shared, &partition, batch).await,
        };
        if let Err(error) = taken {
            return error;
        }
    }
}

fn broken(why: &str) -> Error {
    Error::new(SqlState::CONNECTION_FAILURE, why)
}

async fn take(shared: &Shared, partition: &Arc<Partition>, batch: FrameBatch) -> Result<()> {
    let index = usize::from(partition.number());
    let mut received = partition.end();
    if !batch.bytes.is_empty() {
        let frames = decode_batch(&batch.bytes)?;
        let payload: usize = frames.iter().map(|f| f.payload.len() + 40).sum();
        shared.figures.lock().count(batch.bytes.len(), &frames);
        let database = shared.database()?;
        // Before it takes up room in the log's queue, which all databases share.
        shared.engine.wait_for_group(&database).await;
        // The queue of the log is what bounds memory: a slow disk slows the stream.
        let _room = shared.engine.log.admit(payload).await?;
        // And the delta: what is not written down fast enough slows it too. Before a copy or a
        // rewind is complete nothing can be written down, and only going on completes it.
        let follows = database.state() == DatabaseState::Standby;
        if follows {
            shared.engine.room().slow_down(&shared.engine.env).await;
        }
        received = partition.ingest(frames)?;
        if follows {
            shared.engine.room().note(payload);
        }
    }
    // Commits here must come after everything that was received.
    shared.engine.oracle.advance(partition.newest_timestamp());
    let now = shared.engine.env.clock.monotonic();
    shared.figures.lock().heard(index, received, &batch, now);
    if batch.awaited && received > Lsn::ZERO {
        partition.await_durable(received).await?;
        shared.awaited.notify_one();
    }
    Ok(())
}

/// Acknowledges to the source and tells the link how far it is, until something breaks. In this
/// order: what may be promoted here must be known there first, so that a source that restarts
/// waits for it. That the goal is reached is told at once.
pub(super) async fn report(
    shared: Arc<Shared>,
    peer: Arc<dyn Peer>,
    (database, goal): (Arc<Database>, Timestamp),
    reached: impl Fn(Timestamp, bool) + Send,
) -> Error {
    let mut acked: Option<(Duration, Vec<Lsn>)> = None;
    let (mut asked, mut there) = (true, false);
    loop {
        let now = shared.engine.env.clock.monotonic();
        shared.figures.lock().tick(now);
        let durable: Vec<Lsn> = database.local_partitions().iter().map(|p| p.durable()).collect();
        let time = database.durable_time();
        let joins = || {
            let stretch = (database.consistent_from(), time);
            shared.engine.joins_group(&database, stretch)
        };
        let arrives = !there && time >= goal && joins();
        let due = arrives
            || acked.as_ref().is_none_or(|(at, last)| {
                let since = now.saturating_sub(*at);
                since >= ACK_EVERY || *last != durable && (asked || since >= LOOK_EVERY)
            });
        if due {
            if let Err(error) = acknowledge(&shared, &peer, &database, durable.clone(), time).await
            {
                return error;
            }
            reached(time, joins());
            acked = Some((now, durable));
            there |= arrives;
        }
        let next = if there { LOOK_EVERY } else { LOOK_CLOSELY };
        asked = tokio::select! {
            biased;
            () = shared.awaited.notified() => true,
            () = shared.engine.env.sleep(next) => false,
        };
    }
}

async fn acknowledge(
    shared: &Shared,
    peer: &Arc<dyn Peer>,
    database: &Arc<Database>,
    durable: Vec<Lsn>,
    replicated: Timestamp,
) -> Result<()> {
    let ack = Ack {
        database: shared.link()?.source.database,
        slot: slot_name(&shared.engine, &shared.name),
        durable,
        replicated: replicated.min(database.held_at()),
        promotion_epoch: database.promotion_epoch(),
        promotable: database.state() == DatabaseState::Standby
            && replicated >= database.consistent_from(),
    };
    let answer = peer.ack(ack).await?;
    database.show_up_to((answer.show > Timestamp::ZERO).then_some(answer.show));
    let Some(links) = shared.links.upgrade() else { return Ok(()) };
    links.join_group(&shared.name, &answer.group)?;
    links.heed(&shared.name, &answer);
    Ok(())
}
