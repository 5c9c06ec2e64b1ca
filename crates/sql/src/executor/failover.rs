//! `FAILOVER`: what it will cost is said first, then it is done. `EXPLAIN`: it is only said.

use super::administer::{request, rows_of};
use super::{Executor, Outcome};
use crate::statement::{GroupAction, GroupStmt, Stmt};
use crate::{system, text};
use base::{Error, Result, SqlState, SqlType, Timestamp, Value};
use dr::{FailoverRequest, GroupRequest, ResetRequest, Verb};

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
        Ok(rows_of(system::failed_over(stmt, [(database, &done)])?, "FAILOVER"))
    }

    /// A statement about a replication group; a lossy one says first what it costs.
    pub(super) async fn group(&self, stmt: &Stmt, group: &GroupStmt) -> Result<Outcome> {
        let links = self.links()?;
        let request = group_request(group)?;
        if let GroupRequest::Failover { group, at, data_loss: true } = &request
            && let Ok(losses) = links.group_loss(group, *at).await
        {
            for (database, loss) in losses {
                let message = format!("database \"{database}\" is promoted: {}", loss.text());
                self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
            }
        }
        let done = links.group(request, &self.user).await?;
        if !group.promotes() {
            return Ok(Outcome::command(group.tag()));
        }
        let rows = done.iter().map(|g| (g.database.as_str(), &g.done));
        Ok(rows_of(system::failed_over(stmt, rows)?, group.tag()))
    }

    /// `RESET REPLICATION`: who may be alive all the same is told of.
    pub(super) async fn reset(&self, request: &ResetRequest) -> Result<Outcome> {
        let done = self.links()?.reset(request.clone(), &self.user).await?;
        for forgotten in &done {
            let (name, partner) = (&forgotten.database, &forgotten.partner);
            if let Some(at) = forgotten.promotable_at {
                let message = format!(
                    "{partner} has everything of database \"{name}\" up to {}; if it was promoted, \
                     both sides take writes now",
                    at.utc()
                );
                self.notice(Error::new(SqlState::WARNING, message));
            }
            if forgotten.state == "connected" {
                let message = format!(
                    "{partner} is connected: it makes itself a new slot with its next greeting"
                );
                self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
            }
        }
        Ok(rows_of(system::forgotten(&done)?, "RESET REPLICATION"))
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
            Stmt::Group(group) => Verb::Group(group_request(group)?),
            Stmt::ResetReplication(request) => Verb::Reset(request.clone()),
            Stmt::Replica(what) => super::replica::verb(what)
                .ok_or_else(|| Error::unsupported("EXPLAIN of this statement"))?,
            _ => return Err(Error::unsupported("EXPLAIN of this statement")),
        };
        let lines = self.links()?.explain(&verb).await?;
        Ok(rows_of(system::explained(&lines)?, "EXPLAIN"))
    }
}

fn group_request(stmt: &GroupStmt) -> Result<GroupRequest> {
    let group = stmt.group.clone();
    Ok(match &stmt.action {
        GroupAction::Create(databases) => {
            GroupRequest::Create { group, databases: databases.clone() }
        }
        GroupAction::Add(databases) => {
            GroupRequest::Alter { group, add: true, databases: databases.clone() }
        }
        GroupAction::Remove(databases) => {
            GroupRequest::Alter { group, add: false, databases: databases.clone() }
        }
        GroupAction::Drop { if_exists } => GroupRequest::Drop { group, if_exists: *if_exists },
        GroupAction::Failover { at, data_loss } => {
            let at = at.as_deref().map(moment).transpose()?;
            GroupRequest::Failover { group, at, data_loss: *data_loss }
        }
        GroupAction::Switchover { to } => GroupRequest::Switchover { group, to: to.clone() },
    })
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
