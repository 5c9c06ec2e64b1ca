//! `REPLICATE DATABASE`: a link is made, for a first copy, for a former primary that comes back, or for
//! a standby whose source is another one from now on.

use super::{DEFAULT_PORT, Links};
use crate::handover;
use crate::link::session::{check, check_same, slot_name};
use crate::peer::{Hello, HelloRequest, Mode, OLDEST_FORMAT, Receipt};
use base::{ClusterId, Epoch, Error, Result, SqlState};
use meta::{Command, Database as Record, DatabaseState, Durability, NewDatabase, Source};
use partition::Role;
use std::fmt;

/// `REPLICATE DATABASE …`
#[derive(Clone, PartialEq)]
pub struct ReplicateRequest {
    /// The database here.
    pub database: String,
    /// `WITH FORCE DIFFERENTIAL`: it exists here already and comes back, or is to follow another source.
    pub differential: bool,
    /// When commits are acknowledged once it is promoted; synchronous if not given.
    pub durability: Option<Durability>,
    /// A superuser at the source.
    pub user: String,
    /// Its password there.
    pub password: Option<String>,
    /// Where the source is; `https://` in front asks for TLS.
    pub host: String,
    /// Its port; 5432 if not given.
    pub port: Option<u16>,
    /// Its database; named as here if not given.
    pub source_database: Option<String>,
}

impl fmt::Debug for ReplicateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source();
        write!(f, "{} from {}:{}/{}", self.database, source.host, source.port, source.database)
    }
}

impl ReplicateRequest {
    pub(super) fn source(&self) -> Source {
        Source {
            host: self.host.clone(),
            port: self.port.unwrap_or(DEFAULT_PORT),
            user: self.user.clone(),
            password: self.password.clone().unwrap_or_default(),
            database: self.source_database.clone().unwrap_or_else(|| self.database.clone()),
        }
    }
}

/// Refuses a link to the source that is followed by difference already.
fn check_other(old: &meta::Link, new: &meta::Link, name: &str) -> Result<()> {
    let same =
        (old.source_cluster, &old.source.database) == (new.source_cluster, &new.source.database);
    if !same || !old.differential {
        return Ok(());
    }
    let message = format!("database \"{name}\" is replicating from there already");
    Err(Error::new(SqlState::OBJECT_IN_USE, message)
        .hint(format!("SHOW REPLICATION STATUS {name} tells how far it is")))
}

impl Links {
    /// Makes a link. Returns when the source has agreed and the relationship is durable; the copy
    /// (or the way back) goes on by itself.
    ///
    /// # Errors
    /// Those of the source, 42P04 if the database exists, 55006 if its first copy is not complete or it
    /// follows this source by difference already; nothing has happened then.
    pub async fn replicate(&self, request: ReplicateRequest, by: &str) -> Result<()> {
        let (links, by) = (self.this()?, by.to_owned());
        self.apart("replicate", async move { links.make_link(&request, &by, false).await }).await
    }

    /// As [`Links::replicate`], in the caller's task; `attached` if the cluster's role orders it.
    pub(crate) async fn make_link(
        &self,
        request: &ReplicateRequest,
        by: &str,
        attached: bool,
    ) -> Result<()> {
        let _changing = self.changing.lock().await;
        if request.differential {
            return self.come_back(request, by).await;
        }
        if self.engine.record(&request.database).is_ok() {
            let message = format!("database \"{}\" already exists", request.database);
            return Err(Error::new(SqlState::DUPLICATE_DATABASE, message)
                .hint("WITH FORCE DIFFERENTIAL lets a former primary come back"));
        }
        let hello = self.greet(request, None).await?;
        let new = NewDatabase {
            attached,
            branch: None,
            name: request.database.clone(),
            line: hello.line,
            partitions: hello.partitions,
            durability: request.durability.unwrap_or_default(),
            state: DatabaseState::Copying,
            epoch: hello.promotion_epoch,
            link: Some(self.link(request, &hello)),
            at_ms: self.engine.env.clock.now_ms(),
            by: Some(by.to_owned()),
        };
        self.engine.add_database(new).await?;
        self.start(&request.database)
    }

    fn link(&self, request: &ReplicateRequest, hello: &Hello) -> meta::Link {
        meta::Link {
            source: request.source(),
            source_cluster: hello.cluster,
            paused: false,
            differential: request.differential,
            last_error: None,
            since_ms: self.engine.env.clock.now_ms(),
            verified: None,
        }
    }

    async fn greet(&self, request: &ReplicateRequest, record: Option<&Record>) -> Result<Hello> {
        let source = request.source();
        let peer = self.connect.connect(&source).await?;
        let cluster = self.engine.meta.read(|s| s.cluster.clone());
        let hello = peer
            .hello(HelloRequest {
                database: source.database,
                line: record.map(|r| r.line),
                cluster: cluster.id,
                cluster_name: cluster.name,
                slot: slot_name(&self.engine, &request.database),
                promotion_epoch: record.map(|r| r.promotion_epoch).unwrap_or_default(),
                format_version: OLDEST_FORMAT,
                mode: if record.is_some() { Mode::Differential } else { Mode::Copy },
                own_rights: record.is_some_and(|r| r.own_rights),
            })
            .await?;
        check(&hello, cluster.id)?;
        Ok(hello)
    }

    /// A former primary becomes the target of the one that took over; and so does whoever follows
    /// another one already, or cannot follow it any more without going back.
    async fn come_back(&self, request: &ReplicateRequest, by: &str) -> Result<()> {
        let name = &request.database;
        let record = self.engine.record(name)?;
        if record.state == DatabaseState::Copying {
            let message = format!("the first copy of database \"{name}\" is not complete");
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .hint("wait for its end, or DROP DATABASE and replicate it from there"));
        }
        if request.durability.is_some_and(|wanted| wanted != record.durability) {
            let text = "changing the durability of a database that comes back";
            return Err(Error::unsupported(text));
        }
        let hello = self.greet(request, Some(&record)).await?;
        check_same(&hello, &record)?;
        let link = self.link(request, &hello);
        if let Some(old) = &record.link {
            check_other(old, &link, name)?;
            if let Ok(running) = self.running(name) {
                self.end_links(&[running]).await;
            }
        }
        // What the link that has ended was doing may have changed the role.
        let record = self.engine.record(name)?;
        let turned = self.turn_around(&record, link, hello.promotion_epoch, by, Vec::new());
        if turned.is_err() && record.link.is_some() && self.running(name).is_err() {
            // Nothing has happened: go on following.
            self.start(name)?;
        }
        turned
    }

    /// Makes a database the target of another source than before, durably, together with other changes.
    fn turn_around(
        &self,
        record: &Record,
        link: meta::Link,
        epoch: Epoch,
        by: &str,
        mut with: Vec<Command>,
    ) -> Result<()> {
        let since_ms = self.engine.env.clock.now_ms();
        let database = record.id;
        let state = match record.state {
            // Of the same epoch: what it shows is of the source's line.
            DatabaseState::Standby if epoch == record.promotion_epoch => DatabaseState::Standby,
            _ => DatabaseState::Rewinding { since_ms },
        };
        if record.link.is_some() {
            with.push(Command::RemoveLink { database });
        }
        let (by, at_ms) = (Some(by.to_owned()), since_ms);
        with.push(Command::RaiseEpoch { database, epoch, at_ms });
        with.push(Command::PutLink { database, link, state, by });
        // From here on clients are refused; a crash goes on from the same place.
        self.engine.meta.apply(Command::Batch(with))?;
        let database = self.engine.database(&record.name)?;
        database.set_state(state);
        database.set_promotion_epoch(epoch);
        for partition in database.local_partitions() {
            partition.set_role(Role::Follower);
        }
        self.start(&record.name)
    }

    /// The primary's last step in a planned handover: follows whoever has taken over.
    pub(crate) async fn follow_new_primary(
        &self,
        name: &str,
        source: Source,
        source_cluster: ClusterId,
        receipt: &Receipt,
    ) -> Result<()> {
        let _changing = self.changing.lock().await;
        let record = self.engine.record(name)?;
        if record.handover.as_ref().is_none_or(|h| h.id != receipt.id) {
            // It has heard this already.
            return Ok(());
        }
        let since_ms = self.engine.env.clock.now_ms();
        let link = meta::Link {
            source,
            source_cluster,
            paused: false,
            differential: true,
            last_error: None,
            since_ms,
            verified: None,
        };
        let note = handover::history(name, since_ms, receipt, None);
        self.turn_around(&record, link, receipt.epoch, &receipt.to, vec![note])
    }
}
