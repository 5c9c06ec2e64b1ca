//! ALTER TABLE.

use super::columns::{Defined, column_of, key_names};
use super::identity::refuse_identity;
use super::{check_default, exclusively, identity, index, primary_key, sequence};
use crate::change::{Run, fold, last_part};
use crate::privilege;
use base::{
    Column, Error, Result, Securable, SqlState, StorageId, TableDescriptor, TableId, Value,
};
use datafusion::sql::sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, Owner, RenameTableNameKind,
    TableConstraint,
};

/// Alters a table; the new key space if it got one.
pub async fn alter(run: &mut Run<'_>, ast: &AlterTable) -> Result<Option<StorageId>> {
    let table = match exclusively(run, &ast.name).await {
        Err(e) if ast.if_exists && e.state == SqlState::UNDEFINED_TABLE => return Ok(None),
        other => other?,
    };
    let mut table = table.as_ref().clone();
    let before = table.storage;
    for operation in &ast.operations {
        change(run, &mut table, operation).await?;
        table.version += 1;
        run.txn.put_table(&table).await?;
    }
    Ok((table.storage != before).then_some(table.storage))
}

async fn change(
    run: &mut Run<'_>,
    table: &mut TableDescriptor,
    operation: &AlterTableOperation,
) -> Result<()> {
    use AlterTableOperation as Op;
    match operation {
        Op::AddColumn { column_def, if_not_exists, .. } => {
            add_column(run, table, column_def, *if_not_exists).await
        }
        Op::DropColumn { column_names, if_exists, .. } => {
            for name in column_names {
                if let Some(id) = drop_column(table, &fold(name), *if_exists)? {
                    sequence::drop_owned(run, table.id, Some(id)).await?;
                }
            }
            Ok(())
        }
        Op::AddConstraint { constraint: TableConstraint::PrimaryKey(key), .. } => {
            primary_key::add(run, table, &key_names(&key.columns)?).await
        }
        Op::AddConstraint { constraint: TableConstraint::Unique(unique), .. } => {
            let wanted = index::Definition::of_constraint(unique)?;
            let index = index::add(run, table, &wanted, true).await?;
            index::fill(run, table, &index).await
        }
        Op::DropConstraint { name, if_exists, .. } => {
            index::drop_constraint(table, &fold(name), *if_exists)
        }
        Op::AddConstraint { constraint, .. } => {
            Err(Error::unsupported(format!("ADD {constraint}")))
        }
        Op::RenameColumn { old_column_name, new_column_name } => {
            rename_column(table, &fold(old_column_name), fold(new_column_name))
        }
        Op::RenameTable { table_name } => {
            let (RenameTableNameKind::As(name) | RenameTableNameKind::To(name)) = table_name;
            table.name = last_part(name)?;
            Ok(())
        }
        Op::AlterColumn { column_name, op } => {
            alter_column(run, table, &fold(column_name), op).await
        }
        Op::OwnerTo { new_owner } => {
            let (owner, by) = (new_owner_name(new_owner), run.by);
            give(run, table.id, owner.unwrap_or_else(|| by.user.clone())).await
        }
        other => Err(Error::unsupported(format!("ALTER TABLE … {other}"))),
    }
}

/// `None`: the user.
fn new_owner_name(owner: &Owner) -> Option<String> {
    match owner {
        Owner::Ident(ident) => Some(fold(ident)),
        Owner::CurrentRole | Owner::CurrentUser | Owner::SessionUser => None,
    }
}

/// Gives a table to a role, with the sequences of its columns. Whether it is a role, and one that
/// the user may give things to, was seen to before.
async fn give(run: &mut Run<'_>, table: TableId, owner: String) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    let sequences = catalog.owned_by(table).map(|s| s.id);
    for id in sequences.chain([table]) {
        let of = Securable::Relation(id);
        let access = catalog.access(of);
        let given = privilege::given(&access, access.owner.as_deref(), &owner);
        run.txn.put_access(of, &given).await?;
    }
    Ok(())
}

/// The roles that an `ALTER TABLE` gives the table to.
pub fn new_owners(ast: &AlterTable) -> Vec<String> {
    let owner = |op: &AlterTableOperation| match op {
        AlterTableOperation::OwnerTo { new_owner } => new_owner_name(new_owner),
        _ => None,
    };
    ast.operations.iter().filter_map(owner).collect()
}

fn missing_column(table: &TableDescriptor, name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
    )
}

pub(super) fn find<'t>(table: &'t mut TableDescriptor, name: &str) -> Result<&'t mut Column> {
    let error = missing_column(table, name);
    table.columns.iter_mut().find(|c| c.name == name && !c.hidden).ok_or(error)
}

async fn add_column(
    run: &mut Run<'_>,
    table: &mut TableDescriptor,
    def: &ColumnDef,
    if_not_exists: bool,
) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    let Defined { mut column, key, unique, sequence } =
        column_of(run, &catalog, def, table.next_column_id)?;
    if table.column_named(&column.name).is_some() {
        if if_not_exists {
            return Ok(());
        }
        return Err(Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column \"{}\" of relation \"{}\" already exists", column.name, table.name),
        ));
    }
    if key {
        return Err(Error::unsupported("ADD COLUMN … PRIMARY KEY")
            .hint("add the column first, then ALTER TABLE … ADD PRIMARY KEY"));
    }
    if let Some(text) = &column.default {
        match check_default(run, &catalog, text, column.ty, &column.name)? {
            Some(value) => column.missing = value,
            None if primary_key::is_empty(run, table).await? => {}
            None => return Err(numbered_rows(&column.name)),
        }
    }
    if sequence.is_some() && !primary_key::is_empty(run, table).await? {
        return Err(numbered_rows(&column.name));
    }
    if column.not_null
        && column.missing == Value::Null
        && !primary_key::is_empty(run, table).await?
    {
        return Err(Error::new(
            SqlState::NOT_NULL_VIOLATION,
            format!(
                "column \"{}\" of relation \"{}\" contains null values",
                column.name, table.name
            ),
        )
        .hint("give the column a DEFAULT"));
    }
    table.next_column_id += 1;
    let at = table.columns.iter().position(|c| c.hidden).unwrap_or(table.columns.len());
    table.columns.insert(at, column);
    if let Some(wanted) = unique {
        let index = index::add(run, table, &wanted, true).await?;
        index::fill(run, table, &index).await?;
    }
    identity::make(run, table, sequence.into_iter().collect()).await
}

/// A default that differs from row to row, for rows that are there already.
fn numbered_rows(column: &str) -> Error {
    Error::unsupported(format!(
        "adding column \"{column}\" with values of a sequence to a table that has rows"
    ))
    .hint("add it without a default, UPDATE it, then ALTER COLUMN … SET DEFAULT nextval(…)")
}

/// Takes a column out; its id, `None` if there was none.
fn drop_column(table: &mut TableDescriptor, name: &str, if_exists: bool) -> Result<Option<u32>> {
    let id = match find(table, name) {
        Ok(column) => column.id,
        Err(_) if if_exists => return Ok(None),
        Err(e) => return Err(e),
    };
    if table.primary_key.contains(&id) {
        return Err(Error::unsupported(format!(
            "dropping column \"{name}\", which is in the primary key,"
        )));
    }
    table.columns.retain(|c| c.id != id);
    table.indexes.retain(|i| i.columns.iter().all(|c| c.column != id));
    Ok(Some(id))
}

fn rename_column(table: &mut TableDescriptor, old: &str, new: String) -> Result<()> {
    if table.column_named(&new).is_some() {
        return Err(Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column \"{new}\" of relation \"{}\" already exists", table.name),
        ));
    }
    find(table, old)?.name = new;
    Ok(())
}

async fn alter_column(
    run: &mut Run<'_>,
    table: &mut TableDescriptor,
    name: &str,
    op: &AlterColumnOperation,
) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    match op {
        AlterColumnOperation::SetDefault { value } => {
            let text = value.to_string();
            refuse_identity(&catalog, table, find(&mut table.clone(), name)?)?;
            let column = find(table, name)?;
            check_default(run, &catalog, &text, column.ty, name)?;
            column.default = Some(text);
        }
        AlterColumnOperation::DropDefault => {
            refuse_identity(&catalog, table, find(&mut table.clone(), name)?)?;
            find(table, name)?.default = None;
        }
        AlterColumnOperation::SetNotNull => {
            find(table, name)?;
            if primary_key::has_null(run, table, name).await? {
                return Err(Error::new(
                    SqlState::NOT_NULL_VIOLATION,
                    format!(
                        "column \"{name}\" of relation \"{}\" contains null values",
                        table.name
                    ),
                ));
            }
            find(table, name)?.not_null = true;
        }
        AlterColumnOperation::DropNotNull => {
            let id = find(table, name)?.id;
            if table.primary_key.contains(&id) {
                return Err(Error::new(
                    SqlState::INVALID_TABLE_DEFINITION,
                    format!("column \"{name}\" is in a primary key"),
                ));
            }
            refuse_identity(&catalog, table, find(&mut table.clone(), name)?)?;
            find(table, name)?.not_null = false;
        }
        other => return Err(Error::unsupported(format!("ALTER COLUMN … {other}"))),
    }
    Ok(())
}
