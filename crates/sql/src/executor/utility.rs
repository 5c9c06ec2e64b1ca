//! Statements without a plan: schema changes, databases, links, gates, users.

use super::{Executor, Outcome};
use crate::cell::Frame;
use crate::change::Run;
use crate::ddl;
use crate::plan::ResultColumn;
use crate::statement::{RoleName, SequenceChange, Stmt};
use base::{Error, Result, SqlState, StorageId};
use datafusion::sql::sqlparser::ast::{
    AlterIndexOperation, CreateTable, Ident, ObjectName, ObjectType, Statement,
    TruncateIdentityOption,
};
use txn::Transaction;

impl Executor {
    pub(super) fn utility_columns(&self, stmt: &Stmt) -> Option<Vec<ResultColumn>> {
        self.columns_alone(stmt)
    }

    pub(super) async fn utility(
        &self,
        txn: &mut Transaction,
        stmt: &Stmt,
        frame: &Frame,
    ) -> Result<Outcome> {
        let (private, by) = (self.private(), self.identity());
        let (runtime, wait) = (&self.runtime, self.wait());
        let mut run = Run { runtime, txn, frame, by: &by, wait, private: &private };
        match stmt {
            Stmt::Rights(rights) => self.rights(&mut run, rights).await,
            Stmt::ShowTables => {
                let catalog = run.txn.catalog().await?;
                self.show(stmt, catalog).await
            }
            Stmt::Checkpoint => {
                self.check_superuser()?;
                for database in self.engine.databases() {
                    self.engine.checkpoint(&database).await?;
                }
                Ok(Outcome::command("CHECKPOINT"))
            }
            Stmt::DrTable(wanted) => {
                self.check_superuser()?;
                self.check_excluded(run.txn.database().name(), wanted)?;
                let chosen = ddl::replicate_tables(&mut run, wanted).await?;
                self.add_private(chosen.fresh);
                for told in chosen.told {
                    self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, told));
                }
                Ok(Outcome::command("DR TABLE"))
            }
            Stmt::Noop { tag } => Ok(Outcome::command(*tag)),
            Stmt::CreateTable { ast, shard_key } => {
                if let Some(query) = &ast.query {
                    let made = ddl::create_as(&mut run, ast, shard_key.as_deref(), query).await?;
                    if made.is_some() {
                        self.keep_created(&mut run, &ast.name).await?;
                    }
                    return Ok(Outcome::command(match made {
                        Some(rows) => format!("SELECT {rows}"),
                        None => "CREATE TABLE AS".into(),
                    }));
                }
                self.create_table(&mut run, ast, shard_key.as_deref()).await
            }
            Stmt::CreateSequence { name, if_not_exists, options } => {
                ddl::create_sequence(&mut run, name, *if_not_exists, options).await?;
                Ok(Outcome::command("CREATE SEQUENCE"))
            }
            Stmt::AlterSequence { name, if_exists, change } => {
                if let SequenceChange::Owner(role) = change.as_ref() {
                    self.receiver(role, &by)?;
                }
                ddl::alter_sequence(&mut run, name, *if_exists, change).await?;
                Ok(Outcome::command("ALTER SEQUENCE"))
            }
            Stmt::AlterIdentity { table, if_exists, column, change } => {
                ddl::alter_identity(&mut run, table, *if_exists, column, change).await?;
                Ok(Outcome::command("ALTER TABLE"))
            }
            Stmt::Sql(ast) if matches!(ast.as_ref(), Statement::CreateIndex(_)) => {
                ddl::create_index(&mut run, stmt).await?;
                Ok(Outcome::command("CREATE INDEX"))
            }
            Stmt::Sql(ast) => self.schema_change(&mut run, ast).await,
            _ => Err(Error::internal("this statement does not belong in a transaction")),
        }
    }

    /// Says that a new table is not replicated, where that has to be said of each.
    pub(super) fn tell_if_local(&self, name: &ObjectName, made: Option<StorageId>) {
        if made.is_some_and(StorageId::is_local) {
            let message = format!("table {name} is not replicated: DR TABLE {name} changes that");
            self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
        }
    }

    async fn create_table(
        &self,
        run: &mut Run<'_>,
        ast: &CreateTable,
        shard_key: Option<&[Ident]>,
    ) -> Result<Outcome> {
        let made = ddl::create(run, ast, shard_key).await?;
        let made = self.keep_new(run, &ast.name, made).await?;
        self.tell_if_local(&ast.name, made.first().copied());
        self.add_private(made);
        Ok(Outcome::command("CREATE TABLE"))
    }

    async fn schema_change(&self, run: &mut Run<'_>, ast: &Statement) -> Result<Outcome> {
        match ast {
            Statement::CreateTable(table) => self.create_table(run, table, None).await,
            Statement::AlterTable(table) => {
                for owner in ddl::new_owners(table) {
                    self.receiver(&RoleName::Named(owner), run.by)?;
                }
                if let Some(storage) = ddl::alter(run, table).await? {
                    self.add_private([storage]);
                }
                Ok(Outcome::command("ALTER TABLE"))
            }
            Statement::Drop { object_type: ObjectType::Table, if_exists, names, .. } => {
                ddl::drop_tables(run, names, *if_exists).await?;
                Ok(Outcome::command("DROP TABLE"))
            }
            Statement::Drop {
                object_type: ObjectType::Sequence,
                if_exists,
                names,
                cascade,
                ..
            } => {
                ddl::drop_sequences(run, names, *if_exists, *cascade).await?;
                Ok(Outcome::command("DROP SEQUENCE"))
            }
            Statement::Drop { object_type: ObjectType::Index, if_exists, names, .. } => {
                ddl::drop_indexes(run, names, *if_exists).await?;
                Ok(Outcome::command("DROP INDEX"))
            }
            Statement::AlterIndex {
                name,
                operation: AlterIndexOperation::RenameIndex { index_name },
            } => {
                ddl::rename_index(run, name, index_name).await?;
                Ok(Outcome::command("ALTER INDEX"))
            }
            Statement::Truncate(truncate) => {
                let names: Vec<_> = truncate.table_names.iter().map(|t| &t.name).collect();
                let restart = matches!(truncate.identity, Some(TruncateIdentityOption::Restart));
                let fresh = ddl::truncate(run, &names, truncate.if_exists, restart).await?;
                self.add_private(fresh);
                Ok(Outcome::command("TRUNCATE TABLE"))
            }
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(Error::unsupported(words.join(" ")))
            }
        }
    }
}
