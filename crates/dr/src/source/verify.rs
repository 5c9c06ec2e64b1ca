//! Fingerprints of what a source has, at a moment that it keeps readable while a target asks.

use super::Replication;
use crate::fingerprint::{self, Contents, Place};
use crate::peer::{Verified, VerifyRequest};
use base::{Epoch, Error, Result, SqlState};
use format::ColumnLayout;
use meta::DatabaseState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Snapshot};

/// A session in which nobody has asked for so long is over.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The sessions that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    last: u64,
    open: BTreeMap<u64, Session>,
}

#[derive(Clone, Debug)]
struct Session {
    database: Arc<Database>,
    snapshot: Arc<Snapshot>,
    layouts: Arc<BTreeMap<base::StorageId, Vec<ColumnLayout>>>,
    epoch: Epoch,
    used: Duration,
}

impl Session {
    /// What was read means nothing if the database has taken another role meanwhile.
    fn check(&self) -> Result<()> {
        let same = self.database.promotion_epoch() == self.epoch;
        if same && self.database.state() == DatabaseState::Primary {
            return Ok(());
        }
        let message = "the source has taken another role while it was compared";
        Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
    }
}

impl Replication {
    /// See [`Peer::verify`](crate::peer::Peer::verify).
    pub async fn verify(&self, request: VerifyRequest) -> Result<Verified> {
        let now = self.engine.env.clock.monotonic();
        if request.session == 0 {
            return self.begin_verify(&request.database, now).await;
        }
        let session = {
            let mut sessions = self.verifying.lock();
            let found = sessions.open.get_mut(&request.session).map(|session| {
                session.used = now;
                session.clone()
            });
            if request.done {
                sessions.open.remove(&request.session);
            }
            found.ok_or_else(|| {
                let message = "this comparison is over: it was idle for too long";
                Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            })?
        };
        let mut answer = Verified { session: request.session, ..Verified::default() };
        answer.at = session.snapshot.ts();
        if request.done {
            return Ok(answer);
        }
        let handle = session.database.partitions().get(usize::from(request.partition));
        let columns = session.layouts.get(&request.storage);
        let (Some(handle), Some(columns)) = (handle, columns) else {
            // The source has nothing of that kind.
            answer.sums = vec![fingerprint::Sum::default(); request.cuts.len() + 1];
            return Ok(answer);
        };
        let (start, end) = request.range;
        let place = Place { at: answer.at, storage: request.storage, start, end };
        let contents = Contents::Readable(handle.clone());
        match request.rows {
            0 => answer.sums = fingerprint::sums(&contents, &place, columns, &request.cuts).await?,
            limit => {
                let rows = fingerprint::rows(&contents, &place, columns, limit as usize).await?;
                answer.rows = rows.into_iter().collect();
            }
        }
        session.check()?;
        Ok(answer)
    }

    /// Ends sessions in which nobody asks any more: each keeps old row versions.
    pub(crate) fn end_idle_sessions(&self) {
        let now = self.engine.env.clock.monotonic();
        self.verifying.lock().open.retain(|_, s| now.saturating_sub(s.used) < IDLE_MAX);
    }

    async fn begin_verify(&self, name: &str, now: Duration) -> Result<Verified> {
        let database = self.primary(name)?;
        let epoch = database.promotion_epoch();
        let snapshot = database.snapshot()?;
        let catalog = database.catalog(snapshot.ts()).await?;
        let (at, layouts) =
            (snapshot.ts(), Arc::new(fingerprint::layouts(catalog.tables.values())));
        let mut sessions = self.verifying.lock();
        sessions.last += 1;
        let number = sessions.last;
        sessions.open.insert(number, Session { database, snapshot, layouts, epoch, used: now });
        Ok(Verified { session: number, at, indexes: true, ..Verified::default() })
    }
}
