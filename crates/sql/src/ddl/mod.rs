//! Changes of tables. They run in the user's transaction like everything else: a descriptor is a
//! row, and what replaces a table's rows goes to a new key space.

mod alter;
mod columns;
mod create;
mod drop;
mod identity;
mod index;
mod primary_key;
mod replicated;
mod sequence;

pub use alter::{alter, new_owners};
pub use create::{create, create_as};
pub use drop::{drop_tables, truncate};
pub use identity::{alter_identity, always};
pub use index::{
    Order, create_index, drop_indexes, duplicated, is_index_order, named_indexes, register_again,
    register_index, rename_index,
};
pub use replicated::{DrTables, replicate_tables};
pub use sequence::{alter_sequence, create_sequence, drop_sequences};

use crate::change::{Run, Scope};
use crate::privilege::{Identity, Object};
use base::{
    Access, Catalog, Error, Privileges, Result, Securable, SqlState, TableDescriptor, TableId,
};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::ObjectName;
use partition::LockMode;
use std::sync::Arc;

/// Locks a table of the user's own for a change of its descriptor and returns the newest one.
async fn exclusively(run: &mut Run<'_>, name: &ObjectName) -> Result<Arc<TableDescriptor>> {
    exclusively_if(run, name, |object, by| object.need_owner(by)).await
}

/// As [`exclusively`], for a table on which the user may do something.
async fn exclusively_if(
    run: &mut Run<'_>,
    name: &ObjectName,
    may: impl Fn(&Object, &Identity) -> Result<()>,
) -> Result<Arc<TableDescriptor>> {
    run.txn.begin_ddl().await?;
    loop {
        let catalog = run.txn.catalog().await?;
        let table = crate::change::writable(&catalog, name)?;
        // First, so that nobody waits for the lock of somebody who may not have it.
        may(&Object::table(&catalog, &table), run.by)?;
        let wait = run.wait;
        if !run.txn.lock_table(table.id, LockMode::Exclusive, wait).await? {
            return Ok(table);
        }
        run.txn.start_statement().await?;
    }
}

/// As [`exclusively`], for a table that a change of something else concerns.
async fn exclusively_by_id(run: &mut Run<'_>, id: TableId) -> Result<Arc<TableDescriptor>> {
    loop {
        let wait = run.wait;
        let stale = run.txn.lock_table(id, LockMode::Exclusive, wait).await?;
        if stale {
            run.txn.start_statement().await?;
        }
        let catalog = run.txn.catalog().await?;
        let table = catalog.tables.get(&id).ok_or_else(|| {
            Error::new(SqlState::UNDEFINED_TABLE, "a table that is concerned was dropped")
        })?;
        if !stale {
            return Ok(table.clone());
        }
    }
}

/// What is made belongs to whoever makes it.
async fn own(run: &mut Run<'_>, id: TableId) -> Result<()> {
    let access = Access { owner: Some(run.by.user.clone()), acl: None };
    run.txn.put_access(Securable::Relation(id), &access).await
}

/// Nothing, if the user may make tables and sequences.
async fn may_create(run: &mut Run<'_>) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    Object::schema(&catalog).need(run.by, Privileges::CREATE)
}

/// The schema where tables and sequences live.
fn public(schema: Option<String>) -> Result<String> {
    match schema {
        Some(schema) if schema != "public" => Err(Error::new(
            SqlState::INVALID_SCHEMA_NAME,
            format!("schema \"{schema}\" does not exist"),
        )
        .hint("tables live in the schema public")),
        _ => Ok("public".into()),
    }
}

/// A default must be an expression without columns that can be assigned to its column. Its value;
/// `None` if each row gets another one, from a sequence.
fn check_default(
    run: &Run<'_>,
    catalog: &Catalog,
    text: &str,
    ty: base::SqlType,
    column: &str,
) -> Result<Option<base::Value>> {
    let database = run.txn.database().name().to_owned();
    let names = crate::plan::Names::new(run.runtime, catalog, &database, 1);
    let scope =
        Scope { runtime: run.runtime, names: &names, catalog, partitions: 1, types: Vec::new() };
    let mut compiler = crate::cell::Compiler::without_row(scope.runtime, scope.names, scope.types);
    let cell = compiler.cell(&crate::change::parse_expr(text)?, Some(ty))?;
    if compiler.draws {
        // To check it with a value would use that up.
        return crate::types::assign(&ScalarValue::Int64(Some(1)), ty, column).map(|_| None);
    }
    cell.assign(&[], run.frame, ty, column).map(Some)
}
