//! After a promotion with loss: the former source may be alive, and only cut off. It is told of the
//! new epoch as soon as it can be reached, and closes itself for writes then.

use super::Links;
use crate::peer::Ack;
use base::{Epoch, Result, SqlState, Timestamp};
use meta::{Command, Database as Record, DatabaseState, HistoryRow, Source};
use std::time::Duration;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The first pause between attempts, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

impl Links {
    /// Tells the former source, if there is one to be told, until it has heard, as long as this is
    /// the primary. A restart takes it up again.
    pub(super) fn fence(&self, record: &Record) {
        let Some((former, epoch)) =
            record.promotion.as_ref().and_then(|p| Some((p.former.clone()?, p.epoch)))
        else {
            return;
        };
        let (links, name, database) = (self.this.clone(), record.name.clone(), record.id);
        let env = self.engine.env.clone();
        let work = async move {
            let mut pause = RETRY.0;
            loop {
                let Some(links) = links.upgrade() else { return };
                if !links.is_unheard(&name, &former, epoch).await {
                    let heard = Command::FormerHeard { database, epoch };
                    if let Err(error) = links.engine.meta.apply(heard) {
                        tracing::warn!(database = name, %error, "a fence will be told again");
                    }
                    return;
                }
                drop(links);
                env.sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
            }
        };
        self.engine.env.tasks.spawn("fence", Box::pin(work));
    }

    /// True if it must be told again.
    async fn is_unheard(&self, name: &str, former: &Source, epoch: Epoch) -> bool {
        let Ok(record) = self.engine.record(name) else { return false };
        if record.state != DatabaseState::Primary || record.promotion_epoch != epoch {
            return false;
        }
        match self.tell_epoch(former, epoch).await {
            Err(error) if error.state == SqlState::CONNECTION_FAILURE => true,
            Err(error) if error.state == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => {
                let detail =
                    format!("{}:{} has heard: {}", former.host, former.port, error.message);
                let now_ms = self.engine.env.clock.now_ms();
                let row = HistoryRow::new(now_ms, name, "fence", detail);
                if let Err(error) = self.engine.meta.apply(Command::History(row)) {
                    tracing::warn!(database = name, %error, "a fence is not in the history");
                }
                false
            }
            other => {
                tracing::info!(database = name, ?other, "the former source");
                false
            }
        }
    }

    /// An acknowledgement in the new epoch, which a source of an older one refuses.
    async fn tell_epoch(&self, former: &Source, promotion_epoch: Epoch) -> Result<()> {
        let told = async {
            let peer = self.connect.connect(former).await?;
            let (database, slot) = (former.database.clone(), String::new());
            let (durable, replicated) = (Vec::new(), Timestamp::ZERO);
            let ack =
                Ack { database, slot, durable, replicated, promotion_epoch, promotable: false };
            peer.ack(ack).await
        };
        self.in_time(ANSWER, told).await.map(drop)
    }
}
