//! `DROP INDEX`, `DROP CONSTRAINT` and `ALTER INDEX`.

use super::{is_taken, taken};
use crate::change::{Run, last_part, schema_and_name};
use crate::ddl::exclusively_by_id;
use crate::privilege::{Identity, Object};
use base::{Catalog, Error, Result, SqlState, TableDescriptor};
use datafusion::sql::sqlparser::ast::ObjectName;
use std::sync::Arc;

/// Drops indexes.
pub async fn drop_indexes(run: &mut Run<'_>, names: &[ObjectName], if_exists: bool) -> Result<()> {
    run.txn.begin_ddl().await?;
    for full in names {
        let (schema, name) = schema_and_name(full)?;
        let schema = schema.unwrap_or_else(|| "public".into());
        let catalog = run.txn.catalog().await?;
        let Some((table, index)) = catalog.index(&schema, &name) else {
            match missing(&catalog, &schema, &name) {
                e if if_exists && e.state == SqlState::UNDEFINED_OBJECT => continue,
                e => return Err(e),
            }
        };
        need_owner(&catalog, table, &name, run.by)?;
        let (table, index) = (table.id, index.id);
        let mut table = exclusively_by_id(run, table).await?.as_ref().clone();
        match table.index(index) {
            Some(index) if index.constraint => return Err(required(&table, &name)),
            _ => {}
        }
        table.indexes.retain(|i| i.id != index);
        table.version += 1;
        run.txn.put_table(&table).await?;
    }
    Ok(())
}

/// `ALTER INDEX … RENAME TO …`
pub async fn rename_index(run: &mut Run<'_>, old: &ObjectName, new: &ObjectName) -> Result<()> {
    run.txn.begin_ddl().await?;
    let (schema, name) = schema_and_name(old)?;
    let schema = schema.unwrap_or_else(|| "public".into());
    let new = last_part(new)?;
    let catalog = run.txn.catalog().await?;
    let Some((table, index)) = catalog.index(&schema, &name) else {
        return Err(missing(&catalog, &schema, &name));
    };
    need_owner(&catalog, table, &name, run.by)?;
    let (table, index) = (table.id, index.id);
    let mut table = exclusively_by_id(run, table).await?.as_ref().clone();
    if is_taken(&catalog, &table, &new) {
        return Err(taken(&new));
    }
    for renamed in table.indexes.iter_mut().filter(|i| i.id == index) {
        renamed.name.clone_from(&new);
    }
    table.version += 1;
    run.txn.put_table(&table).await
}

/// Nothing, if the index is of a table of the user's own.
pub(super) fn need_owner(
    catalog: &Catalog,
    table: &TableDescriptor,
    index: &str,
    by: &Identity,
) -> Result<()> {
    Object::table(catalog, table)
        .need_owner(by)
        .map_err(|e| Error::new(e.state, format!("must be owner of index {index}")))
}

/// The error for a name that is not that of an index.
pub(super) fn missing(catalog: &Catalog, schema: &str, name: &str) -> Error {
    let key = |t: &&Arc<TableDescriptor>| !t.has_hidden_key() && t.key_name() == name;
    if let Some(table) = catalog.tables.values().find(key) {
        return required(table, name);
    }
    if catalog.has_relation(schema, name) {
        return Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{name}\" is not an index"));
    }
    Error::new(SqlState::UNDEFINED_OBJECT, format!("index \"{name}\" does not exist"))
}

fn required(table: &TableDescriptor, name: &str) -> Error {
    let table = &table.name;
    Error::new(
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop index {name} because constraint {name} on table {table} requires it"),
    )
    .hint(format!("You can drop constraint {name} on table {table} instead."))
}

/// `DROP CONSTRAINT`: of the constraints there are only unique ones can go.
pub fn drop_constraint(table: &mut TableDescriptor, name: &str, if_exists: bool) -> Result<()> {
    let before = table.indexes.len();
    table.indexes.retain(|i| !i.constraint || i.name != name);
    if table.indexes.len() < before || if_exists {
        return Ok(());
    }
    if !table.has_hidden_key() && table.key_name() == name {
        return Err(Error::unsupported("dropping a primary key"));
    }
    Err(Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name),
    ))
}
