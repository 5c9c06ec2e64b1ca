//! Remote servers and replicas.

mod exclude;

use super::{Executor, Outcome};
use crate::statement::{ReplicaAction, ReplicaOptions, ReplicaStmt, ServerOptions};
use base::{Error, Result, SqlState};
use dr::{AddReplica, Failover, Verb};
use meta::{RemoteServer, ReplicaCommand};

/// The port of a remote server if none is named.
const PORT: u16 = 5432;
const READONLY: &str = "ALTER DATABASE … SET READONLY ON";

impl Executor {
    pub(super) async fn replica(&self, stmt: &ReplicaStmt) -> Result<Outcome> {
        let by = &self.user;
        let tag = match stmt {
            ReplicaStmt::CreateServer { name, if_not_exists, options } => {
                self.create_server(name, *if_not_exists, options)?
            }
            ReplicaStmt::AlterServer { name, options } => self.alter_server(name, options)?,
            ReplicaStmt::DropServer { name, if_exists } => {
                let drop = ReplicaCommand::DropRemoteServer { name: name.clone() };
                unless(
                    *if_exists,
                    SqlState::UNDEFINED_OBJECT,
                    self.engine.meta.apply(drop.into()),
                )?;
                "DROP REMOTE SERVER"
            }
            ReplicaStmt::Add { database, name, server, options } => {
                // What was kept apart stays apart, unless somebody says otherwise.
                let apart = self.engine.record(database)?.own_rights;
                let given = meta::ReplicaOptions {
                    alias: options.alias.clone().unwrap_or_else(|| database.clone()),
                    frequency_ms: options.frequency.unwrap_or(0) * 1_000,
                    bytes_per_second: options.bytes_per_second.flatten(),
                    reverse: options.reverse.clone(),
                    own_rights: options.own_rights.unwrap_or(apart),
                    exclude: options.exclude.clone().unwrap_or_default(),
                };
                let tables = given.exclude.clone();
                let (at, name, server) = (database.clone(), name.clone(), server.clone());
                let add = AddReplica { database: at, name: name.clone(), server, options: given };
                let declare = async || self.links()?.add_replica(add, by).await;
                self.excluding(database, &name, &tables, declare).await?;
                "ALTER DATABASE"
            }
            ReplicaStmt::Alter { database, name, action } => {
                self.alter_replica(database, name, action).await?;
                "ALTER DATABASE"
            }
            ReplicaStmt::Drop { database, name, if_exists, force } => {
                let dropped = self.links()?.drop_replica(database, name, *force, by).await;
                unless(*if_exists, SqlState::UNDEFINED_OBJECT, dropped)?;
                "ALTER DATABASE"
            }
            ReplicaStmt::HotStandby { database, on } => {
                self.engine.set_hidden(database, !on, by)?;
                "ALTER DATABASE"
            }
            ReplicaStmt::ReadOnly { database, on: true } => {
                self.gate(database, READONLY, None, false).await?;
                "ALTER DATABASE"
            }
            ReplicaStmt::ReadOnly { database, on: false } => {
                self.unlock(Some(database), false)?;
                "ALTER DATABASE"
            }
            ReplicaStmt::Bandwidth { database, bytes_per_second } => {
                let (id, at_ms) =
                    (self.engine.record(database)?.id, self.engine.env.clock.now_ms());
                let bytes_per_second = *bytes_per_second;
                let set = ReplicaCommand::SetBandwidth { database: id, bytes_per_second, at_ms };
                self.engine.meta.apply(set.into())?;
                "ALTER DATABASE"
            }
        };
        Ok(Outcome::command(tag))
    }

    fn create_server(
        &self,
        name: &str,
        if_not_exists: bool,
        options: &ServerOptions,
    ) -> Result<&'static str> {
        let server = RemoteServer {
            id: 0,
            host: options.host.clone().unwrap_or_default(),
            port: options.port.unwrap_or(PORT),
            user: options.user.clone(),
            password: options.password.clone(),
        };
        let put = ReplicaCommand::PutRemoteServer { name: name.to_owned(), server, replace: false };
        let made = self.engine.meta.apply(put.into());
        unless(if_not_exists, SqlState::DUPLICATE_OBJECT, made)?;
        Ok("CREATE REMOTE SERVER")
    }

    fn alter_server(&self, name: &str, options: &ServerOptions) -> Result<&'static str> {
        let known = self.engine.meta.read(|s| s.remote_servers.get(name).cloned());
        let mut server = known.ok_or_else(|| {
            let message = format!("remote server \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })?;
        if let Some(host) = &options.host {
            server.host.clone_from(host);
        }
        server.port = options.port.unwrap_or(server.port);
        server.user = options.user.clone().or(server.user);
        server.password = options.password.clone().or(server.password);
        let put = ReplicaCommand::PutRemoteServer { name: name.to_owned(), server, replace: true };
        self.engine.meta.apply(put.into())?;
        Ok("ALTER REMOTE SERVER")
    }

    async fn alter_replica(
        &self,
        database: &str,
        name: &str,
        action: &ReplicaAction,
    ) -> Result<()> {
        let (links, by) = (self.links()?, &self.user);
        match action {
            ReplicaAction::Start => {
                if let Some(error) = links.start_replica(database, name, by).await? {
                    let message = format!(
                        "replica \"{name}\" is started, but its target does not follow yet: {}",
                        error.message
                    );
                    self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
                }
                Ok(())
            }
            ReplicaAction::Pause => links.pause_replica(database, name, by).await,
            ReplicaAction::Resume => links.resume_replica(database, name, by).await,
            ReplicaAction::Force => links.force_replica(database, name).await,
            ReplicaAction::Promote { data_loss } => self.promote(database, name, *data_loss).await,
            ReplicaAction::With(options) => {
                let (options, tables) = (options.clone(), options.exclude.clone());
                let tables = tables.unwrap_or_default();
                let alter = async || {
                    links.alter_replica(database, name, |known| take(known, options)).await
                };
                self.excluding(database, name, &tables, alter).await
            }
        }
    }

    /// `PROMOTE`: what it will cost is said first, and what came of it at the end.
    async fn promote(&self, database: &str, name: &str, data_loss: bool) -> Result<()> {
        let links = self.links()?;
        if data_loss && self.engine.record(database)?.link.is_some() {
            let loss = links.loss(database, None).await?;
            let message = format!("database \"{database}\" is promoted: {}", loss.text());
            self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
        }
        let promoted = links.promote_replica(database, name, data_loss, &self.user).await;
        let done = promoted.map_err(|mut error| {
            // The failover's hint is about another statement.
            if !data_loss && error.hint.as_ref().is_some_and(|h| h.starts_with("EXPLAIN FAILOVER"))
            {
                error.hint = Some(format!(
                    "EXPLAIN ALTER DATABASE {database} ALTER REPLICA {name} PROMOTE WITH DATA LOSS \
                     tells what going without it would lose"
                ));
            }
            error
        })?;
        self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, told(database, &done)));
        Ok(())
    }
}

/// What `EXPLAIN` of a statement about replicas is about; `None` if there is nothing to explain.
pub(super) fn verb(stmt: &ReplicaStmt) -> Option<Verb> {
    match stmt {
        ReplicaStmt::Alter { database, name, action } => {
            let (database, name) = (database.clone(), name.clone());
            match action {
                ReplicaAction::Promote { data_loss } => {
                    Some(Verb::PromoteReplica { database, name, data_loss: *data_loss })
                }
                ReplicaAction::Start => Some(Verb::StartReplica { database, name }),
                _ => None,
            }
        }
        ReplicaStmt::Drop { database, name, .. } => {
            Some(Verb::DropReplica { database: database.clone(), name: name.clone() })
        }
        _ => None,
    }
}

fn told(database: &str, done: &Failover) -> String {
    let (epoch, cut) = (done.epoch, done.cut.utc());
    match (done.already, &done.receipt) {
        (true, _) => format!("database \"{database}\" is the primary here already"),
        (false, None) => format!(
            "database \"{database}\" is the primary here since {cut} (epoch {epoch}); the former \
             one comes back as soon as it is reached"
        ),
        (false, Some(_)) => {
            let follows =
                if done.followed { "follows" } else { "follows as soon as it is reached" };
            format!(
                "database \"{database}\" is the primary here since {cut} (epoch {epoch}), nothing \
                 was lost; the former one {follows}"
            )
        }
    }
}

fn take(known: &mut meta::ReplicaOptions, given: ReplicaOptions) {
    if let Some(alias) = given.alias {
        known.alias = alias;
    }
    if let Some(seconds) = given.frequency {
        known.frequency_ms = seconds * 1_000;
    }
    known.bytes_per_second = given.bytes_per_second.unwrap_or(known.bytes_per_second);
    known.reverse = given.reverse.or(known.reverse.take());
    known.own_rights = given.own_rights.unwrap_or(known.own_rights);
    known.exclude = given.exclude.unwrap_or_else(|| std::mem::take(&mut known.exclude));
}

/// Lets one kind of error pass.
fn unless<T>(pass: bool, state: SqlState, done: Result<T>) -> Result<()> {
    match done {
        Err(e) if pass && e.state == state => Ok(()),
        other => other.map(drop),
    }
}
