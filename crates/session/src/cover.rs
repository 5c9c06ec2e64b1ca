//! After a commit: waiting until another region has it, and being told if none has.
//!
//! A commit that was waited for in vain has happened; the client gets a warning, not an error. So
//! neither a time-out nor a cancel request makes an outcome doubtful.

use crate::interrupt::Interrupts;
use crate::notice::Notice;
use crate::session::Session;
use base::{Result, SqlState, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Engine};

/// What the setting `commit_wait` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitWait {
    /// As durable as the database promises, in this region.
    Local,
    /// And so that a standby could be promoted with it; `None`: however long that takes.
    Remote(Option<Duration>),
}

impl Session {
    /// Called once a transaction of `database` is committed at `ts`.
    pub(crate) async fn after_commit(
        &mut self,
        database: &Arc<Database>,
        ts: Timestamp,
        wait: CommitWait,
    ) {
        if ts == Timestamp::ZERO {
            return;
        }
        let engine = self.front().engine().clone();
        if let CommitWait::Remote(limit) = wait
            && let Err(why) = await_standby(&engine, &self.interrupts, database, ts, limit).await
        {
            let message = format!("the transaction is committed here, but {why}");
            let mut notice = Notice::warning(SqlState::WARNING, message);
            notice.error = notice
                .error
                .detail("If this region is lost now, it will be among the diverged transactions.")
                .hint("SELECT * FROM information_schema.protection_status tells how far it is.");
            self.notices.push(notice);
        }
        self.warn_of_lag(database);
    }

    /// Says once that the lag is above its limit, and again after it was within it.
    fn warn_of_lag(&mut self, database: &Arc<Database>) {
        if database.cover().limit().is_none() {
            return;
        }
        let exceeded = database.cover().exceeded(self.front().engine().oracle.now());
        if let (Some((limit, lag)), false) = (exceeded, self.warned_of_lag) {
            let (lag, max) = (lag.as_millis(), limit.max.as_millis());
            let name = database.name();
            let message = format!(
                "the standbys of database \"{name}\" are {lag} ms behind, more than {max} ms"
            );
            self.notices.push(Notice::warning(SqlState::WARNING, message));
        }
        self.warned_of_lag = exceeded.is_some();
    }
}

async fn await_standby(
    engine: &Engine,
    interrupts: &Interrupts,
    database: &Arc<Database>,
    ts: Timestamp,
    limit: Option<Duration>,
) -> Result<(), String> {
    if engine.standbys(database.name()) == 0 {
        return Err("there is no standby that could confirm it".to_owned());
    }
    let covered = async {
        database.cover().covered(ts).await;
        Ok(true)
    };
    let env = engine.env.clone();
    let in_time = async {
        match limit {
            Some(limit) => env.sleep(limit).await,
            None => std::future::pending().await,
        }
        Ok(false)
    };
    let either = async {
        tokio::select! {
            biased;
            done = covered => done,
            late = in_time => late,
        }
    };
    match interrupts.guard(either).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let ms = limit.unwrap_or_default().as_millis();
            Err(format!("no standby has confirmed it within {ms} ms"))
        }
        Err(stopped) => Err(format!("waiting for a standby was broken off: {}", stopped.message)),
    }
}
