//! Replicas, declared on their source: whoever calls a standby, pauses it, or leads back.

use super::chief::{Chief, cluster};
use crate::operator::OPERATOR;
use crate::plan::DATABASE;
use crate::region::{Access, PORT, USER};
use crate::verdict::Violation;
use base::{Error, Result as Done, SqlState};
use dr::AddReplica;
use meta::{RemoteServer, ReplicaCommand, ReplicaOptions, Wanted};
use std::time::Duration;

/// How long a forced cycle is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Chief {
    /// The name of a replica that leads to a cluster, in whatever cluster.
    fn replica_to(&self, region: usize) -> String {
        format!("to_{}", self.name(region))
    }

    /// Declares a replica of a database here that leads to another cluster, if there is none.
    async fn declare(&self, access: &Access, to: usize, database: &str) -> Done<String> {
        let (name, server) = (self.replica_to(to), self.name(to).to_owned());
        let known = access.engine.meta.read(|s| s.remote_servers.contains_key(&server));
        if !known {
            let (user, password) = (Some(USER.0.to_owned()), Some(USER.1.to_owned()));
            let remote = RemoteServer { id: 0, host: server.clone(), port: PORT, user, password };
            let name = server.clone();
            let put = ReplicaCommand::PutRemoteServer { name, server: remote, replace: false };
            access.engine.meta.apply(put.into())?;
        }
        if access.engine.record(database)?.replicas.contains_key(&name) {
            return Ok(name);
        }
        let frequency_ms = self.dice.pick(&[0, 0, 1_000]);
        let options = ReplicaOptions {
            alias: database.to_owned(),
            frequency_ms,
            bytes_per_second: None,
            reverse: None,
            own_rights: false,
            exclude: Vec::new(),
        };
        let add = AddReplica { database: database.to_owned(), name: name.clone(), server, options };
        access.links.add_replica(add, OPERATOR).await?;
        Ok(name)
    }

    /// Lets the source call a cluster that is to follow it.
    pub(super) async fn call(
        &self,
        region: usize,
        source: usize,
        database: &str,
    ) -> Result<(), String> {
        let access = self.hands.access(source)?;
        let work = async {
            let name = self.declare(&access, region, database).await?;
            let replica = access.engine.record(database)?.replicas.get(&name).cloned();
            if replica.is_some_and(|r| r.wanted == Wanted::Paused) {
                access.links.resume_replica(database, &name, OPERATOR).await?;
            }
            access.links.start_replica(database, &name, OPERATOR).await
        };
        let done = self.hands.ask(source, "START", &access, work).await;
        match done.map_err(|e| e.to_string())? {
            None => Ok(()),
            Some(error) => Err(error.to_string()),
        }
    }

    /// Declares the replica of a standby that leads back to its source.
    pub(super) async fn declare_way_back(&self, access: &Access, region: usize) -> Done<()> {
        let link = access.engine.record(DATABASE)?.link;
        let source = link.map(|l| usize::from(l.source_cluster.0) - 1);
        match source {
            Some(source) if source != region => {
                self.declare(access, source, DATABASE).await.map(drop)
            }
            _ => Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "it follows nobody")),
        }
    }

    /// The name of that replica.
    pub(super) fn way_back(&self, access: &Access) -> Done<String> {
        let link = access.engine.record(DATABASE)?.link;
        let nobody = || Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "it follows nobody");
        let source = usize::from(link.ok_or_else(nobody)?.source_cluster.0) - 1;
        Ok(self.replica_to(source))
    }

    /// A standby is called, paused, forced, let go on, or dropped as a replica.
    pub(super) async fn replica_verbs(&mut self) -> Result<(), Violation> {
        let (primary, target) = (self.primary(), self.candidate().await?);
        if let Err(why) = self.call(target, primary, DATABASE).await {
            self.say(format_args!("START of a replica: {why}"));
        }
        let name = self.replica_to(target);
        for _ in 0..self.dice.range(1, 4) {
            self.stage.sleep(self.dice.ms(0, 1_500)).await;
            let Ok(access) = self.hands.access(primary) else { continue };
            let links = &access.links;
            let verb = self.dice.pick(&["PAUSE", "PAUSE", "FORCE", "RESUME", "DROP"]);
            let work = async {
                match verb {
                    "PAUSE" => links.pause_replica(DATABASE, &name, OPERATOR).await,
                    "RESUME" => links.resume_replica(DATABASE, &name, OPERATOR).await,
                    "FORCE" => links.force_replica(DATABASE, &name).await,
                    _ => links.drop_replica(DATABASE, &name, false, OPERATOR).await,
                }
            };
            let done = tokio::select! {
                biased;
                done = self.hands.ask(primary, verb, &access, work) => done,
                () = self.stage.sleep(PATIENCE) => {
                    Err(Error::new(SqlState::QUERY_CANCELED, "it takes too long"))
                }
            };
            self.say(format_args!("{verb} of replica {name}: {done:?}"));
        }
        self.release(primary, target, &name).await?;
        self.await_standby(target).await
    }

    /// Whatever was done to a replica, its target goes on.
    pub(super) async fn release(
        &self,
        primary: usize,
        target: usize,
        name: &str,
    ) -> Result<(), Violation> {
        self.hands
            .until("RESUME", async || {
                let access = self.hands.access(primary)?;
                let record = access.engine.record(DATABASE).map_err(|e| e.to_string())?;
                let paused = record.replicas.get(name).map(|r| r.wanted) == Some(Wanted::Paused);
                if paused {
                    let work = access.links.resume_replica(DATABASE, name, OPERATOR);
                    let done = self.hands.ask(primary, "RESUME", &access, work).await;
                    done.map_err(|e| e.to_string())?;
                }
                // A replica that was dropped has told its target to stop.
                let access = self.hands.access(target)?;
                let record = access.engine.record(DATABASE).map_err(|e| e.to_string())?;
                let link = record.link.filter(|l| l.source_cluster == cluster(primary));
                if link.is_some_and(|l| l.paused) {
                    let work = access.links.resume(DATABASE, OPERATOR);
                    let done = self.hands.ask(target, "CONTINUE", &access, work).await;
                    done.map_err(|e| e.to_string())?;
                }
                Ok(Some(()))
            })
            .await
    }
}
