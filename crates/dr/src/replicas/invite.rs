//! Invitations, at both ends.

use crate::auth::login_at;
use crate::links::{Links, ReplicateRequest};
use crate::peer::{Invitation, InvitationStep, Invited, Peer};
use base::{ClusterId, Epoch, Error, Result, SqlState};
use meta::{
    Command, Database as Record, DatabaseState, Replica, ReplicaCommand, Source, Wanted, peer_of,
    peer_user,
};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take: the target greets the source before it gives one.
const ANSWER: Duration = Duration::from_secs(20);

/// How a database that is asked for stands to the one that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is none.
    Absent,
    /// It follows that one.
    Follows {
        /// Its operator has stopped that for now.
        paused: bool,
    },
    /// It is a primary of the same line, or follows one, and the one that asks was promoted later.
    Former,
    /// It is a primary of the same line, and was promoted later than the other one.
    Newer,
}

impl Standing {
    /// # Errors
    /// 42P04 if another database has the name, 55006 if it follows another one.
    fn of(record: Option<&Record>, m: &Invitation) -> Result<Standing> {
        let Some(record) = record else { return Ok(Standing::Absent) };
        let name = &record.name;
        if record.line != m.line {
            let message = format!("database \"{name}\" already exists at the remote server");
            return Err(Error::new(SqlState::DUPLICATE_DATABASE, message)
                .detail("It has another history: it never was a copy of this one.")
                .hint("drop it there, or give the replica another ALIAS"));
        }
        if let Some(link) = &record.link {
            let from = (link.source_cluster, link.source.database.as_str());
            if from == (m.cluster, m.source_database.as_str()) {
                return Ok(Standing::Follows { paused: link.paused });
            }
            if m.promotion_epoch > record.promotion_epoch && record.state != DatabaseState::Copying
            {
                return Ok(Standing::Former);
            }
            let message = format!("database \"{name}\" of the remote server follows another one");
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        match record.state {
            DatabaseState::Primary if m.promotion_epoch > record.promotion_epoch => {
                Ok(Standing::Former)
            }
            DatabaseState::Primary => Ok(Standing::Newer),
            state => {
                let message = format!("database \"{name}\" of the remote server is {state:?}");
                Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
            }
        }
    }
}

impl Links {
    /// Both steps of an invitation, for a replica that is to run. Safe to repeat.
    ///
    /// # Errors
    /// Those of the target; 08006 if it cannot be reached.
    pub(super) async fn call(&self, database: &str, name: &str) -> Result<()> {
        let _declaring = self.declaring.lock().await;
        let record = self.engine.record(database)?;
        let replica = record.replicas.get(name).filter(|r| r.wanted == Wanted::Running);
        let Some(replica) = replica.filter(|_| record.state == DatabaseState::Primary) else {
            return Ok(());
        };
        let (peer, answer) = self.ask(&record, replica).await?;
        self.note_running(&record, name, &answer, None)?;
        // What has its slot here was there once; to make it again is for whoever has dropped it.
        let make = replica.slot().is_none_or(|slot| !record.slots.contains_key(&slot));
        let step = InvitationStep::Follow { resume: false, make };
        let follows = self.ask_to_follow(&peer, &record, replica, step).await?;
        if follows.paused {
            let message = format!("its operator at {} has stopped it", follows.cluster_name);
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .hint("CONTINUE REPLICATING there lets it go on"));
        }
        Ok(())
    }

    /// The first step: whether the target can follow.
    pub(super) async fn ask(
        &self,
        record: &Record,
        replica: &Replica,
    ) -> Result<(Arc<dyn Peer>, Invited)> {
        let target = self.target(replica)?;
        let peer = self.in_time(ANSWER, self.connect.connect(&target)).await?;
        let invitation = self.invitation(record, replica, InvitationStep::Ask)?;
        let answer = self.in_time(ANSWER, peer.invite(invitation)).await?;
        // Closes this one for writes if it was replaced.
        let database = self.engine.database(&record.name)?;
        self.replication.check_epoch(&database, answer.promotion_epoch)?;
        Ok((peer, answer))
    }

    /// The second step, which is safe after the target's login is known here.
    pub(super) async fn ask_to_follow(
        &self,
        peer: &Arc<dyn Peer>,
        record: &Record,
        replica: &Replica,
        step: InvitationStep,
    ) -> Result<Invited> {
        let invitation = self.invitation(record, replica, step)?;
        self.in_time(ANSWER, peer.invite(invitation)).await
    }

    /// The last step: the target is to follow no more.
    pub(super) async fn ask_to_leave(&self, record: &Record, replica: &Replica) -> Result<()> {
        let target = self.target(replica)?;
        let peer = self.in_time(ANSWER, self.connect.connect(&target)).await?;
        let invitation = self.invitation(record, replica, InvitationStep::Leave)?;
        self.in_time(ANSWER, peer.invite(invitation)).await.map(drop)
    }

    /// Makes it durable that a replica runs, and what its target logs in with.
    pub(super) fn note_running(
        &self,
        record: &Record,
        name: &str,
        answer: &Invited,
        by: Option<String>,
    ) -> Result<()> {
        let verifier = answer.verifier.clone();
        let verifier = verifier.ok_or_else(|| {
            Error::new(SqlState::PROTOCOL_VIOLATION, "the remote server told no login")
        })?;
        self.engine.meta.apply(Command::Batch(vec![
            Command::PutPeer { cluster: answer.cluster, verifier },
            self.set(record, name, Wanted::Running, Some(answer.cluster), by),
        ]))?;
        Ok(())
    }

    pub(super) fn set(
        &self,
        record: &Record,
        name: &str,
        wanted: Wanted,
        target: Option<ClusterId>,
        by: Option<String>,
    ) -> Command {
        let (name, at_ms) = (name.to_owned(), self.engine.env.clock.now_ms());
        ReplicaCommand::SetReplica { database: record.id, name, wanted, target, at_ms, by }.into()
    }

    /// Where a replica's remote server is, and what to log in with there.
    pub(super) fn target(&self, replica: &Replica) -> Result<Source> {
        let state = self.engine.meta.state();
        let server = state.remote_servers.get(&replica.server).ok_or_else(|| {
            let message = format!("remote server \"{}\" does not exist", replica.server);
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })?;
        let own = replica.target.and_then(|cluster| state.logins.get(&cluster));
        let (user, password) = match (&server.user, own) {
            (Some(user), _) => (user.clone(), server.password.clone().unwrap_or_default()),
            (None, Some(login)) => (peer_user(state.cluster.id), login.clone()),
            (None, None) => {
                let name = &replica.server;
                let message = format!("remote server \"{name}\" has no user to log in as");
                return Err(Error::new(SqlState::INVALID_AUTHORIZATION, message).hint(format!(
                    "ALTER REMOTE SERVER {name} WITH (USER '…', PASSWORD '…'): a superuser there"
                )));
            }
        };
        let (host, port) = (server.host.clone(), server.port);
        Ok(Source { host, port, user, password, database: replica.options.alias.clone() })
    }

    fn invitation(
        &self,
        record: &Record,
        replica: &Replica,
        step: InvitationStep,
    ) -> Result<Invitation> {
        let address = self.connect.address().ok_or_else(|| {
            let message = "it is not known where other clusters find this one";
            Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .hint("start this node with --advertise HOST:PORT")
        })?;
        let cluster = self.engine.meta.read(|s| s.cluster.clone());
        Ok(Invitation {
            database: replica.options.alias.clone(),
            address,
            source_database: record.name.clone(),
            line: record.line,
            cluster: cluster.id,
            cluster_name: cluster.name,
            promotion_epoch: record.promotion_epoch,
            durability: record.durability,
            step,
        })
    }

    /// The target's end: see [`Peer::invite`].
    pub(crate) async fn invited(&self, m: Invitation, who: &str) -> Result<Invited> {
        let own = self.engine.meta.read(|s| s.cluster.clone());
        let record = self.engine.record(&m.database).ok();
        check_asker(who, m.cluster, record.is_some())?;
        let by = format!("cluster {}", m.cluster_name);
        if m.cluster == own.id {
            let message = format!("source and target both have cluster id {}", own.id);
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("a replica leads to another cluster, with an id of its own (--cluster-id)"));
        }
        let standing = Standing::of(record.as_ref(), &m)?;
        self.obey(&m, standing, &by).await?;
        let login = login_at(&self.engine, m.cluster)?;
        let now = self.engine.record(&m.database).ok();
        let link = now.as_ref().and_then(|r| r.link.as_ref());
        let link = link.filter(|link| link.source_cluster == m.cluster);
        let same_line = now.as_ref().filter(|r| r.line == m.line);
        Ok(Invited {
            cluster: own.id,
            cluster_name: own.name,
            verifier: Some(self.engine.meta.new_verifier(&login)),
            promotion_epoch: same_line.map_or(Epoch::default(), |r| r.promotion_epoch),
            follows: link.is_some(),
            paused: link.is_some_and(|link| link.paused),
        })
    }

    async fn obey(&self, m: &Invitation, standing: Standing, by: &str) -> Result<()> {
        match (m.step, standing) {
            (InvitationStep::Follow { make: false, .. }, Standing::Absent) => {
                let message = format!("database \"{}\" of the remote server is gone", m.database);
                Err(Error::new(SqlState::INVALID_CATALOG_NAME, message)
                    .hint("START makes it anew, with a full copy"))
            }
            (InvitationStep::Follow { .. }, Standing::Absent | Standing::Former) => {
                let request = ReplicateRequest {
                    database: m.database.clone(),
                    differential: standing == Standing::Former,
                    durability: (standing == Standing::Absent).then_some(m.durability),
                    user: peer_user(self.engine.cluster()),
                    password: Some(login_at(&self.engine, m.cluster)?),
                    host: m.address.0.clone(),
                    port: Some(m.address.1),
                    source_database: Some(m.source_database.clone()),
                };
                self.replicate(request, by).await
            }
            (InvitationStep::Follow { .. }, Standing::Newer) => {
                let message = format!(
                    "database \"{}\" of the remote server was promoted: it is the primary there",
                    m.database
                );
                Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
            }
            (InvitationStep::Follow { resume: true, .. }, Standing::Follows { paused: true }) => {
                self.resume(&m.database, by).await
            }
            (InvitationStep::Leave, Standing::Follows { paused: false }) => {
                self.pause(&m.database, by).await
            }
            _ => Ok(()),
        }
    }
}

/// A cluster's own login may bring back what is there; only a superuser's makes a database.
fn check_asker(who: &str, cluster: ClusterId, exists: bool) -> Result<()> {
    match peer_of(who) {
        None => Ok(()),
        Some(peer) if peer == cluster && exists => Ok(()),
        Some(_) => {
            let message = "a cluster's own login may not make a database";
            Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).hint(
                "ALTER REMOTE SERVER … WITH (USER '…', PASSWORD '…') names a superuser there",
            ))
        }
    }
}

#[cfg(test)]
mod tests;
