//! `CREATE INDEX` and `ADD CONSTRAINT … UNIQUE`: what is asked for, and the transaction that begins
//! with it.

use super::{Definition, add, fill, is_taken};
use crate::change::Run;
use crate::ddl::exclusively;
use crate::statement::Stmt;
use base::{Error, IndexDescriptor, Result, SqlState, TableDescriptor, TableId};
use datafusion::sql::sqlparser::ast::{
    AlterTableOperation, CreateIndex, ObjectName, Statement, TableConstraint,
};

/// `CREATE INDEX` within the transaction.
pub async fn create_index(run: &mut Run<'_>, stmt: &Stmt) -> Result<()> {
    if let Stmt::Sql(ast) = stmt
        && let Statement::CreateIndex(CreateIndex { concurrently: true, .. }) = ast.as_ref()
    {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            "CREATE INDEX CONCURRENTLY cannot run inside a transaction block",
        ));
    }
    let Some((mut table, index)) = define(run, &Order::of(stmt)?, true).await? else {
        return Ok(());
    };
    fill(run, &table, &index).await?;
    table.version += 1;
    run.txn.put_table(&table).await
}

/// An index that is asked for.
pub struct Order {
    table: ObjectName,
    wanted: Definition,
    if_not_exists: bool,
    /// The command tag.
    pub tag: &'static str,
}

/// True for statements that ask for one index and nothing else.
pub fn is_index_order(stmt: &Stmt) -> bool {
    let Stmt::Sql(ast) = stmt else { return false };
    match ast.as_ref() {
        Statement::CreateIndex(_) => true,
        Statement::AlterTable(alter) => {
            matches!(
                alter.operations.as_slice(),
                [AlterTableOperation::AddConstraint { constraint: TableConstraint::Unique(_), .. }]
            ) && !alter.if_exists
        }
        _ => false,
    }
}

impl Order {
    /// Of a statement that [`is_index_order`].
    pub fn of(stmt: &Stmt) -> Result<Order> {
        let Stmt::Sql(ast) = stmt else { return Err(Error::internal("no index is asked for")) };
        match ast.as_ref() {
            Statement::CreateIndex(index) => Ok(Order {
                table: index.table_name.clone(),
                wanted: Definition::of_index(index)?,
                if_not_exists: index.if_not_exists,
                tag: "CREATE INDEX",
            }),
            Statement::AlterTable(alter) => match alter.operations.as_slice() {
                [
                    AlterTableOperation::AddConstraint {
                        constraint: TableConstraint::Unique(unique),
                        ..
                    },
                ] => Ok(Order {
                    table: alter.name.clone(),
                    wanted: Definition::of_constraint(unique)?,
                    if_not_exists: false,
                    tag: "ALTER TABLE",
                }),
                _ => Err(Error::internal("no index is asked for")),
            },
            _ => Err(Error::internal("no index is asked for")),
        }
    }
}

/// First step of making an index while others write: from the commit on they keep it up. The table
/// and the index; `None` if it exists and `IF NOT EXISTS` was said.
pub async fn register_index(
    run: &mut Run<'_>,
    order: &Order,
) -> Result<Option<(TableDescriptor, TableId)>> {
    let Some((mut table, index)) = define(run, order, false).await? else { return Ok(None) };
    table.version += 1;
    run.txn.put_table(&table).await?;
    Ok(Some((table, index.id)))
}

async fn define(
    run: &mut Run<'_>,
    order: &Order,
    ready: bool,
) -> Result<Option<(TableDescriptor, IndexDescriptor)>> {
    let table = exclusively(run, &order.table).await?;
    let catalog = run.txn.catalog().await?;
    if let (true, Some(name)) = (order.if_not_exists, &order.wanted.name)
        && is_taken(&catalog, &table, name)
    {
        return Ok(None);
    }
    let mut table = table.as_ref().clone();
    let index = add(run, &mut table, &order.wanted, ready).await?;
    Ok(Some((table, index)))
}
