//! Statements about databases, gates and links, and the way to those about roles. They are durable at once and belong to no
//! transaction.

use super::{Executor, Outcome};
use crate::plan::{ResultColumn, columns_of, conform};
use crate::privilege::Object;
use crate::statement::{self, Replicate, Stmt};
use crate::system;
use arrow::array::RecordBatch;
use base::{Access, Catalog, Error, Result, Securable, SqlState};
use dr::ReplicateRequest;
use futures::StreamExt;
use meta::{Durability, Wanted};
use std::sync::Arc;
use txn::{Database, TxnOptions};

/// Partitions of a database if nothing is said.
const PARTITIONS: u16 = 8;

impl Executor {
    /// True for statements that [`Executor::execute_alone`] runs: they take no transaction, and are an
    /// error (25001) inside a transaction block.
    pub fn stands_alone(stmt: &Stmt) -> bool {
        matches!(
            stmt,
            Stmt::CreateDatabase { .. }
                | Stmt::DropDatabase { .. }
                | Stmt::CreateBranch { .. }
                | Stmt::Drill { .. }
                | Stmt::OpenDiverged { .. }
                | Stmt::SetVersionRetention { .. }
                | Stmt::SetMaxReplicationLag { .. }
                | Stmt::Group(_)
                | Stmt::Replicate(_)
                | Stmt::Replica(_)
                | Stmt::PauseReplicating { .. }
                | Stmt::ContinueReplicating { .. }
                | Stmt::StopReplicating { .. }
                | Stmt::FlushTables { .. }
                | Stmt::UnlockTables { .. }
                | Stmt::SetReadOnly { .. }
                | Stmt::SetReadWrite { .. }
                | Stmt::Switchover { .. }
                | Stmt::Failover { .. }
                | Stmt::Explain(_)
                | Stmt::ResetReplication(_)
                | Stmt::Verify { .. }
                | Stmt::Reapply { .. }
                | Stmt::Dismiss { .. }
                | Stmt::ShowReplicationStatus { .. }
                | Stmt::ShowDatabases { .. }
                | Stmt::CreateUser { .. }
                | Stmt::AlterUser { .. }
                | Stmt::DropUser { .. }
                | Stmt::Reindex { .. }
        ) || matches!(stmt, Stmt::Rights(rights) if rights.stands_alone())
    }

    /// Runs a statement that belongs to no transaction.
    pub async fn execute_alone(&self, stmt: &Stmt) -> Result<Outcome> {
        if let Stmt::ShowReplicationStatus { .. } | Stmt::ShowDatabases { .. } = stmt {
            return self.show(stmt, Arc::default()).await;
        }
        if Executor::may_stand_alone(stmt) {
            return self.make_index(stmt).await;
        }
        if let Stmt::Reindex { index, name } = stmt {
            return self.reindex(*index, name).await;
        }
        if let Stmt::Rights(rights) = stmt {
            return self.roles(rights).await;
        }
        if let Some(tag) = self.manage(stmt).await? {
            return Ok(Outcome::command(tag));
        }
        self.check_superuser()?;
        if let Stmt::Switchover { database, to } = stmt {
            let done = self.links()?.switchover(database, to, &self.user).await?;
            return Ok(rows_of(system::receipt(stmt, &done)?, "SWITCHOVER"));
        }
        match stmt {
            Stmt::Explain(inner) => return self.explain(inner).await,
            Stmt::Group(group) => return self.group(stmt, group).await,
            Stmt::Replica(what) => return self.replica(what).await,
            Stmt::ResetReplication(request) => return self.reset(request).await,
            Stmt::Verify { database } => {
                let done = self.links()?.verify(database, &self.user).await?;
                return Ok(rows_of(system::verified(&done)?, "VERIFY"));
            }
            Stmt::Drill { database, checks } => return self.drill(database, checks).await,
            Stmt::Reapply { transaction, force } => return self.reapply(transaction, *force).await,
            Stmt::Dismiss { transaction, reason } => {
                return self.dismiss(transaction, reason).await;
            }
            _ => {}
        }
        if let Stmt::Failover { database, at, data_loss } = stmt {
            return self.failover(stmt, database, at.as_deref(), *data_loss).await;
        }
        let tag = match stmt {
            Stmt::CreateBranch { name, if_not_exists, source, at } => {
                self.create_branch(name, *if_not_exists, source, *at).await?
            }
            Stmt::OpenDiverged { of, name } => self.open_diverged(of.as_deref(), name).await?,
            Stmt::SetMaxReplicationLag { database, limit } => {
                self.engine.set_lag_limit(database, *limit, &self.user)?;
                "ALTER DATABASE"
            }
            Stmt::FlushTables { database, mode } => self.flush(database.as_deref(), *mode).await?,
            Stmt::UnlockTables { database, force } => self.unlock(database.as_deref(), *force)?,
            Stmt::SetReadOnly { database, reason, expires } => {
                self.set_read_only(database, reason, expires.as_ref()).await?
            }
            Stmt::SetReadWrite { database } => {
                self.unlock(Some(database), false).map(|_| "SET DATABASE")?
            }
            _ => self.replicate(stmt).await?,
        };
        Ok(Outcome::command(tag))
    }

    /// The result columns of a statement that belongs to no transaction.
    pub fn columns_alone(&self, stmt: &Stmt) -> Option<Vec<ResultColumn>> {
        system::show_schema(stmt).map(|schema| columns_of(&schema, &[]))
    }

    /// What has no privilege of its own is for superusers: databases of others, replication, gates.
    pub(super) fn check_superuser(&self) -> Result<()> {
        if self.engine.meta.read(|s| s.is_superuser(&self.user)) {
            return Ok(());
        }
        Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("user \"{}\" is not a superuser", self.user),
        ))
    }

    /// Statements about databases and roles, which look themselves whether the user may.
    async fn manage(&self, stmt: &Stmt) -> Result<Option<&'static str>> {
        Ok(Some(match stmt {
            Stmt::CreateDatabase { name, if_not_exists, partitions, durability } => {
                self.create_database(name, *if_not_exists, *partitions, *durability).await?
            }
            Stmt::DropDatabase { name, if_exists } => self.drop_database(name, *if_exists).await?,
            Stmt::SetVersionRetention { database, retention } => {
                self.need_database_owner(database).await?;
                self.engine.set_version_retention(database, *retention)?;
                "ALTER DATABASE"
            }
            Stmt::CreateUser { name, if_not_exists, options } => {
                self.create_user(name, *if_not_exists, options).await?
            }
            Stmt::AlterUser { name, options } => self.alter_user(name, options).await?,
            Stmt::DropUser { names, if_exists } => self.drop_users(names, *if_exists).await?,
            _ => return Ok(None),
        }))
    }

    /// Nothing, if a database is the user's own; one that cannot be read is the superusers'.
    async fn need_database_owner(&self, name: &str) -> Result<()> {
        let by = self.identity();
        if by.superuser {
            return Ok(());
        }
        let catalog = self.engine.database(name)?.newest_catalog().await?;
        Object::database(&catalog, name).need_owner(&by)
    }

    /// A new database belongs to whoever made it.
    async fn own_database(&self, database: &Arc<Database>) -> Result<()> {
        let mut txn = database.begin(TxnOptions::default());
        txn.start_statement().await?;
        let access = Access { owner: Some(self.user.clone()), acl: None };
        txn.put_access(Securable::Database, &access).await?;
        txn.commit().await.map(drop)
    }

    async fn create_database(
        &self,
        name: &str,
        if_not_exists: bool,
        partitions: Option<u16>,
        durability: Option<statement::Durability>,
    ) -> Result<&'static str> {
        let by = self.identity();
        if !by.superuser && !by.createdb {
            let message = "permission denied to create database";
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message));
        }
        let durability = self::durability(durability.unwrap_or(statement::Durability::Sync));
        let partitions = partitions.unwrap_or(PARTITIONS);
        match self.engine.create_database(name, partitions, durability).await {
            Err(e) if if_not_exists && e.state == SqlState::DUPLICATE_DATABASE => {}
            other => self.own_database(&other?).await?,
        }
        Ok("CREATE DATABASE")
    }

    async fn drop_database(&self, name: &str, if_exists: bool) -> Result<&'static str> {
        if name == self.database {
            return Err(Error::new(
                SqlState::OBJECT_IN_USE,
                "cannot drop the currently open database",
            )
            .hint("connect to another database first"));
        }
        match self.need_database_owner(name).await {
            // That it does not exist is said below.
            Err(e) if e.state == SqlState::INVALID_CATALOG_NAME => {}
            other => other?,
        }
        self.check_no_replica(name)?;
        if let Some(links) = &self.links {
            links.forget(name).await;
        }
        match self.engine.drop_database(name).await {
            Err(e) if if_exists && e.state == SqlState::INVALID_CATALOG_NAME => {}
            other => other?,
        }
        Ok("DROP DATABASE")
    }

    /// Whoever follows a database that is dropped would wait for it for ever.
    fn check_no_replica(&self, name: &str) -> Result<()> {
        let Ok(record) = self.engine.record(name) else { return Ok(()) };
        let runs = record.replicas.iter().find(|(_, r)| r.wanted != Wanted::NotStarted);
        let Some((replica, _)) = runs else { return Ok(()) };
        let message = format!("database \"{name}\" has a replica: \"{replica}\"");
        Err(Error::new(SqlState::OBJECT_IN_USE, message)
            .hint(format!("ALTER DATABASE {name} DROP REPLICA {replica} first")))
    }

    /// The result of a SHOW statement.
    pub(super) async fn show(&self, stmt: &Stmt, catalog: Arc<Catalog>) -> Result<Outcome> {
        let source = self.source(catalog);
        let Some(batch) = system::show(&source, stmt).await? else {
            return Err(Error::internal("this statement shows nothing"));
        };
        Ok(rows_of(batch, "SHOW"))
    }

    pub(super) fn links(&self) -> Result<&Arc<dr::Links>> {
        self.links.as_ref().ok_or_else(|| Error::unsupported("replication on this connection"))
    }

    pub(super) fn source(&self, catalog: Arc<Catalog>) -> system::EngineSource {
        let (engine, links) = (self.engine.clone(), self.links.clone());
        system::EngineSource::new(engine, links, &self.database, catalog, self.identity())
            .with_activity(self.runtime.activity())
    }

    async fn replicate(&self, stmt: &Stmt) -> Result<&'static str> {
        let (links, by) = (self.links()?, &self.user);
        match stmt {
            Stmt::Replicate(r) => {
                links.replicate(request(r), by).await.map(|()| "REPLICATE DATABASE")
            }
            Stmt::PauseReplicating { database } => {
                links.pause(database, by).await.map(|()| "PAUSE REPLICATING")
            }
            Stmt::ContinueReplicating { database } => {
                links.resume(database, by).await.map(|()| "CONTINUE REPLICATING")
            }
            Stmt::StopReplicating { database } => {
                links.stop(database, by).await.map(|_| "STOP REPLICATING")
            }
            _ => Err(Error::internal("this statement belongs in a transaction")),
        }
    }
}

pub(super) fn rows_of(batch: RecordBatch, verb: &'static str) -> Outcome {
    let columns = columns_of(&batch.schema(), &[]);
    let rows = conform(futures::stream::iter([Ok(batch)]).boxed(), &columns);
    Outcome::Rows { columns, rows, verb }
}

pub(super) fn request(r: &Replicate) -> ReplicateRequest {
    ReplicateRequest {
        database: r.database.clone(),
        differential: r.differential,
        durability: r.durability.map(durability),
        user: r.user.clone(),
        password: r.password.clone(),
        host: r.host.clone(),
        port: r.port,
        source_database: r.source_database.clone(),
    }
}

fn durability(d: statement::Durability) -> Durability {
    match d {
        statement::Durability::Sync => Durability::Sync,
        statement::Durability::Async => Durability::Async,
    }
}
