//! `CREATE INDEX` and `ADD CONSTRAINT … UNIQUE`: what is asked for, and the transaction that begins
//! with it.

use super::drop::{missing, need_owner};
use super::{Definition, add, fill, free_name, is_taken};
use crate::change::{Run, schema_and_name, writable};
use crate::ddl::{exclusively, exclusively_by_id};
use crate::privilege::Object;
use crate::statement::Stmt;
use base::{Error, IndexDescriptor, Result, SqlState, TableDescriptor, TableId};
use datafusion::sql::sqlparser::ast::{
    AlterTableOperation, CreateIndex, ObjectName, Statement, TableConstraint,
};
use std::sync::Arc;

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

/// The index of this name, or all of a table: for `REINDEX`.
pub async fn named_indexes(
    run: &mut Run<'_>,
    index: bool,
    name: &ObjectName,
) -> Result<Vec<(TableId, TableId)>> {
    let (schema, plain) = schema_and_name(name)?;
    let schema = schema.unwrap_or_else(|| "public".into());
    let catalog = run.txn.catalog().await?;
    if !index {
        let table = writable(&catalog, name)?;
        Object::table(&catalog, &table).need_owner(run.by)?;
        return Ok(table.indexes.iter().map(|i| (table.id, i.id)).collect());
    }
    if let Some((table, index)) = catalog.index(&schema, &plain) {
        need_owner(&catalog, table, &plain, run.by)?;
        return Ok(vec![(table.id, index.id)]);
    }
    let is_key = |t: &Arc<TableDescriptor>| !t.has_hidden_key() && t.key_name() == plain;
    if catalog.tables.values().any(is_key) {
        // The primary key is the order of the rows themselves.
        return Ok(Vec::new());
    }
    Err(missing(&catalog, &schema, &plain))
}

/// As [`register_index`], for one that is like an index there is.
pub async fn register_again(
    run: &mut Run<'_>,
    table: TableId,
    old: TableId,
) -> Result<(TableDescriptor, TableId)> {
    run.txn.begin_ddl().await?;
    let mut table = exclusively_by_id(run, table).await?.as_ref().clone();
    let Some(mut index) = table.index(old).cloned() else {
        return Err(Error::new(SqlState::UNDEFINED_OBJECT, "the index was dropped meanwhile"));
    };
    let catalog = run.txn.catalog().await?;
    index.id = run.txn.next_table_id().await?;
    index.storage = run.txn.next_index_storage_id(table.storage).await?;
    index.name = free_name(&catalog, &table, &index.name, "new");
    index.ready = false;
    let id = index.id;
    table.indexes.push(index);
    table.version += 1;
    run.txn.put_table(&table).await?;
    Ok((table, id))
}
