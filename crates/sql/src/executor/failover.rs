//! `FAILOVER`: what it will cost is said first, then it is done. `EXPLAIN`: it is only said.

use super::administer::{request, rows_of};
use super::{Executor, Outcome};
use crate::statement::Stmt;
use crate::{system, text};
use base::{Error, Result, SqlState, SqlType, Timestamp, Value};
use dr::{FailoverRequest, Verb};

impl Executor {
    pub(super) async fn failover(
        &self,
        stmt: &Stmt,
        database: &str,
        at: Option<&str>,
        data_loss: bool,
    ) -> Result<Outcome> {
        let links = self.links()?;
        let at = at.map(moment).transpose()?;
        if data_loss && self.engine.record(database)?.link.is_some() {
            let loss = links.loss(database, at).await?;
            let message = format!("database \"{database}\" is promoted: {}", loss.text());
            self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
        }
        let request = FailoverRequest { database: database.to_owned(), at, data_loss };
        let done = links.failover(request, &self.user).await?;
        if done.already {
            let message = format!("database \"{database}\" is the primary here already");
            self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
        }
        Ok(rows_of(system::failed_over(stmt, database, &done)?, "FAILOVER"))
    }

    pub(super) async fn explain(&self, stmt: &Stmt) -> Result<Outcome> {
        if let Stmt::Drill { database, checks } = stmt {
            return Ok(rows_of(
                system::explained(&self.explain_drill(database, checks)?)?,
                "EXPLAIN",
            ));
        }
        let verb = match stmt {
            Stmt::Failover { database, at, data_loss } => Verb::Failover(FailoverRequest {
                database: database.clone(),
                at: at.as_deref().map(moment).transpose()?,
                data_loss: *data_loss,
            }),
            Stmt::Switchover { database, to } => {
                Verb::Switchover { database: database.clone(), to: to.clone() }
            }
            Stmt::StopReplicating { database } => Verb::Stop { database: database.clone() },
            Stmt::Replicate(r) => Verb::Replicate(request(r)),
            _ => return Err(Error::unsupported("EXPLAIN of this statement")),
        };
        let lines = self.links()?.explain(&verb).await?;
        Ok(rows_of(system::explained(&lines)?, "EXPLAIN"))
    }
}

/// A time that somebody has typed: everything that was committed in that millisecond, or before.
pub(super) fn moment(typed: &str) -> Result<Timestamp> {
    let Value::Micros(micros) = text::parse(SqlType::TimestampTz, typed)? else {
        return Err(Error::internal("a time that is none"));
    };
    let ms = u64::try_from(micros / 1_000).ok().filter(|ms| *ms < 1 << 47);
    let ms = ms.ok_or_else(|| {
        let message = format!("no database has lived at \"{typed}\"");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    })?;
    Ok(Timestamp::from_ms(ms + 1).prev())
}
