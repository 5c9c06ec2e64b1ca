//! What `ALTER DATABASE … REPLICA` does.

use crate::links::{Failover, FailoverRequest, Links};
use crate::peer::InvitationStep;
use base::{Error, Result, SqlState};
use meta::{
    Command, Database as Record, DatabaseState, Replica, ReplicaCommand, ReplicaOptions, Wanted,
};
use std::time::Duration;

/// How often a forced cycle is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `ALTER DATABASE … ADD REPLICA …`
#[derive(Clone, Debug, PartialEq)]
pub struct AddReplica {
    /// The database here.
    pub database: String,
    /// The replica's name.
    pub name: String,
    /// The remote server.
    pub server: String,
    /// What is said of it.
    pub options: ReplicaOptions,
}

impl Links {
    /// Declares a replica. Of a database that follows another one, it is the way back, for when
    /// this one is promoted.
    ///
    /// # Errors
    /// 42710 if it exists, 42704 without the remote server, 22023 for a way back that leads
    /// elsewhere than to the source.
    pub async fn add_replica(&self, add: AddReplica, by: &str) -> Result<()> {
        let _declaring = self.declaring.lock().await;
        let record = self.engine.record(&add.database)?;
        let alias = &add.options.alias;
        let link = record.link.as_ref();
        if let Some(link) = link.filter(|link| link.source.database != *alias) {
            let message = format!(
                "database \"{}\" follows \"{}\", but replica \"{}\" leads to \"{alias}\"",
                add.database, link.source.database, add.name
            );
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(format!(
                "a replica of a standby is its way back: WITH (ALIAS {} …)",
                link.source.database
            )));
        }
        let replica = Replica {
            id: 0,
            server: add.server,
            options: add.options,
            wanted: Wanted::NotStarted,
            target: link.map(|link| link.source_cluster),
            last_cycle: 0,
            cycles: Vec::new(),
            since_ms: self.engine.env.clock.now_ms(),
        };
        let (database, name, by) = (record.id, add.name, Some(by.to_owned()));
        let add = ReplicaCommand::AddReplica { database, name, replica, by };
        self.engine.meta.apply(add.into()).map(drop)
    }

    /// `START`: the remote server is asked to follow. With an error that is told to people the
    /// replica is started all the same, and its target is called until it follows.
    ///
    /// # Errors
    /// Those of the remote server; 08006 if it cannot be reached. Nothing has happened then.
    pub async fn start_replica(
        &self,
        database: &str,
        name: &str,
        by: &str,
    ) -> Result<Option<Error>> {
        let (links, database) = (self.this()?, database.to_owned());
        let (name, by) = (name.to_owned(), by.to_owned());
        self.apart("start replica", async move { links.start_it(&database, &name, &by).await })
            .await
    }

    async fn start_it(&self, database: &str, name: &str, by: &str) -> Result<Option<Error>> {
        let _declaring = self.declaring.lock().await;
        let (record, replica) = self.source_of(database, name)?;
        if replica.wanted == Wanted::Paused {
            return Err(
                prerequisite(format!("replica \"{name}\" is paused")).hint("RESUME lets it go on")
            );
        }
        self.check_excluded(database, name, &replica).await?;
        let (peer, answer) = self.ask(&record, &replica).await?;
        self.note_running(&record, name, &answer, Some(by.to_owned()))?;
        let step = InvitationStep::Follow { resume: true, make: true };
        match self.ask_to_follow(&peer, &record, &replica, step).await {
            Ok(_) => Ok(None),
            Err(error) if error.state == SqlState::CONNECTION_FAILURE => Ok(Some(error)),
            Err(error) => {
                if replica.wanted == Wanted::NotStarted {
                    let back = self.set(&record, name, Wanted::NotStarted, None, None);
                    self.engine.meta.apply(back)?;
                }
                Err(error)
            }
        }
    }

    /// What a replica leaves out is of this cluster alone since it was declared, but for a crash between
    /// the two.
    pub(super) async fn check_excluded(
        &self,
        database: &str,
        name: &str,
        replica: &Replica,
    ) -> Result<()> {
        let excluded = &replica.options.exclude;
        if excluded.is_empty() {
            return Ok(());
        }
        let catalog = self.engine.database(database)?.newest_catalog().await?;
        let replicated =
            |t: &&String| catalog.table("public", t).is_some_and(|t| !t.storage.is_local());
        let Some(table) = excluded.iter().find(replicated) else { return Ok(()) };
        let message =
            format!("replica \"{name}\" leaves table \"{table}\" out, which is replicated");
        Err(prerequisite(message).detail("Nothing was started.").hint(format!(
            "DR TABLE {table} DISABLE in database {database}, or ALTER REPLICA {name} WITH (EXCLUDE '…')"
        )))
    }

    /// `PAUSE`: the target stays connected, and is sent nothing.
    pub async fn pause_replica(&self, database: &str, name: &str, by: &str) -> Result<()> {
        self.switch(database, name, Wanted::Paused, by).await
    }

    /// `RESUME`
    pub async fn resume_replica(&self, database: &str, name: &str, by: &str) -> Result<()> {
        self.switch(database, name, Wanted::Running, by).await
    }

    async fn switch(&self, database: &str, name: &str, wanted: Wanted, by: &str) -> Result<()> {
        let _declaring = self.declaring.lock().await;
        let (record, replica) = self.source_of(database, name)?;
        if replica.wanted == Wanted::NotStarted {
            return Err(not_started(name));
        }
        if let Some(slot) = replica.slot() {
            self.replication.flow(record.id, &slot).force(false);
        }
        let set = self.set(&record, name, wanted, None, Some(by.to_owned()));
        self.engine.meta.apply(set).map(drop)
    }

    /// `FORCE`: brings a paused target to this moment. Returns when it is there.
    ///
    /// # Errors
    /// 55000 if it is not paused, 08006 if the target is not heard of; it stays paused.
    pub async fn force_replica(&self, database: &str, name: &str) -> Result<()> {
        let (links, database, name) = (self.this()?, database.to_owned(), name.to_owned());
        self.apart("force replica", async move { links.force_it(&database, &name).await }).await
    }

    async fn force_it(&self, database: &str, name: &str) -> Result<()> {
        let (record, replica) = self.source_of(database, name)?;
        if replica.wanted != Wanted::Paused {
            let message = format!("replica \"{name}\" is {}", replica.wanted.name());
            return Err(prerequisite(message).hint("FORCE is for a replica that is paused"));
        }
        let slot = replica.slot().ok_or_else(|| not_started(name))?;
        let flow = self.replication.flow(record.id, &slot);
        flow.force(true);
        loop {
            let heard = self.replication.slots().into_iter();
            let mut heard = heard.filter(|s| s.database == database && s.slot == slot);
            if !heard.any(|s| s.connected) {
                flow.force(false);
                let message = format!("the target of replica \"{name}\" was not heard of lately");
                return Err(Error::new(SqlState::CONNECTION_FAILURE, message)
                    .detail("The replica is paused as before."));
            }
            self.engine.env.sleep(LOOK_EVERY).await;
            if !flow.is_forced() {
                return Ok(());
            }
            self.source_of(database, name)?;
        }
    }

    /// `WITH (…)`
    pub async fn alter_replica(
        &self,
        database: &str,
        name: &str,
        change: impl FnOnce(&mut ReplicaOptions),
    ) -> Result<()> {
        let _declaring = self.declaring.lock().await;
        let (record, replica) = self.declared(database, name)?;
        let mut options = replica.options.clone();
        change(&mut options);
        if options.alias != replica.options.alias && replica.target.is_some() {
            return Err(prerequisite(format!("replica \"{name}\" leads to a database already"))
                .hint("to copy to another one: DROP REPLICA, then ADD REPLICA"));
        }
        let (database, name) = (record.id, name.to_owned());
        let alter = ReplicaCommand::AlterReplica { database, name, options };
        self.engine.meta.apply(alter.into()).map(drop)
    }

    /// `DROP REPLICA`: the target follows no more. Its database stays, as a standby that its
    /// operator can promote or drop.
    ///
    /// # Errors
    /// 08006 if a target that follows cannot be told, unless it is forced: it would go on asking.
    pub async fn drop_replica(
        &self,
        database: &str,
        name: &str,
        force: bool,
        by: &str,
    ) -> Result<()> {
        let _declaring = self.declaring.lock().await;
        let (record, replica) = self.declared(database, name)?;
        let follows =
            record.state == DatabaseState::Primary && replica.wanted != Wanted::NotStarted;
        if follows && !force {
            self.ask_to_leave(&record, &replica).await.map_err(|error| {
                let detail = "The target could not be told that it is to follow no more. Nothing \
                              has happened.";
                let hint = format!(
                    "ALTER DATABASE {database} DROP REPLICA {name} FORCE drops it all the same; \
                     its target goes on following until somebody stops it there"
                );
                error.detail(detail).hint(hint)
            })?;
        }
        let (at_ms, by) = (self.engine.env.clock.now_ms(), Some(by.to_owned()));
        let (database, name) = (record.id, name.to_owned());
        let drop = ReplicaCommand::DropReplica { database, name, at_ms, by };
        self.engine.meta.apply(drop.into()).map(std::mem::drop)
    }

    /// `PROMOTE`, typed at the standby whose way back the replica is: the database becomes the
    /// primary here, and the replica runs from the same moment on: the former source follows.
    ///
    /// # Errors
    /// Those of [`Links::failover`]; 55000 if the replica leads elsewhere than to the source.
    pub async fn promote_replica(
        &self,
        database: &str,
        name: &str,
        data_loss: bool,
        by: &str,
    ) -> Result<Failover> {
        let (record, replica) = self.declared(database, name)?;
        let with = self.promotion_of(&record, name, &replica, by)?;
        let request = FailoverRequest { database: database.to_owned(), at: None, data_loss };
        let done = self.failover_with(request, by, vec![with.clone()]).await?;
        if done.already && self.declared(database, name)?.1.wanted == Wanted::NotStarted {
            self.engine.meta.apply(with)?;
        }
        Ok(done)
    }

    /// The change that comes with the promotion.
    pub(super) fn promotion_of(
        &self,
        record: &Record,
        name: &str,
        replica: &Replica,
        by: &str,
    ) -> Result<Command> {
        let target = match &record.link {
            Some(link) if link.source.database != replica.options.alias => {
                let message = format!(
                    "replica \"{name}\" leads to \"{}\", but database \"{}\" follows \"{}\"",
                    replica.options.alias, record.name, link.source.database
                );
                return Err(prerequisite(message).hint("PROMOTE needs the replica that leads back"));
            }
            Some(link) => Some(link.source_cluster),
            None => None,
        };
        Ok(self.set(record, name, Wanted::Running, target, Some(by.to_owned())))
    }

    /// The change that starts the replica of a standby that leads back to its source, if one was
    /// declared: the former primary follows by it after a planned handover.
    pub(crate) fn way_back_of(&self, record: &Record, by: &str) -> Option<Command> {
        let link = record.link.as_ref()?;
        let leads_back = |replica: &Replica| {
            let to = (replica.options.alias.as_str(), replica.target);
            to == (link.source.database.as_str(), Some(link.source_cluster))
        };
        let mut found = record.replicas.iter().filter(|(_, replica)| leads_back(replica));
        let (name, replica) = found.next()?;
        // Of several nobody has said which.
        let only = found.next().is_none();
        only.then(|| self.promotion_of(record, name, replica, by).ok()).flatten()
    }

    /// A replica and its database.
    pub(super) fn declared(&self, database: &str, name: &str) -> Result<(Record, Replica)> {
        let record = self.engine.record(database)?;
        let replica = record.replicas.get(name).cloned().ok_or_else(|| {
            let message = format!("database \"{database}\" has no replica \"{name}\"");
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })?;
        Ok((record, replica))
    }

    /// The same, of a database that is the primary here.
    pub(super) fn source_of(&self, database: &str, name: &str) -> Result<(Record, Replica)> {
        let (record, replica) = self.declared(database, name)?;
        if record.state == DatabaseState::Primary {
            return Ok((record, replica));
        }
        let message = format!("database \"{database}\" is {} here", record.state.name());
        Err(prerequisite(message)
            .detail("A database that follows another one is not followed itself.")
            .hint("its replica is the way back: PROMOTE makes this database the primary"))
    }
}

fn not_started(name: &str) -> Error {
    prerequisite(format!("replica \"{name}\" was not started")).hint("START it first")
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}
