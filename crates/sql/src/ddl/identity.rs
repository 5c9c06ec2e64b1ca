//! Columns whose values come from a sequence of their own: `serial` and identity columns.

use super::sequence::{add, blank, move_to, shape};
use crate::change::{Run, last_part};
use crate::sequence::default_text;
use crate::statement::{IdentityChange, SequenceOptions};
use base::{
    Catalog, Column, Error, Identity, Result, SequenceDescriptor, SequenceOwner, SqlState, SqlType,
    TableDescriptor, TableId,
};
use datafusion::sql::sqlparser::ast::{self, DataType, GeneratedAs, ObjectName};

/// The longest name there can be, in bytes.
const NAME_MAX: usize = 63;

/// The sequence that a column wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The column's id.
    pub column: u32,
    /// Its type.
    pub ty: SqlType,
    /// What is said of the sequence.
    pub options: SequenceOptions,
    /// `None`: the column is `serial`, and the sequence is only its default.
    pub identity: Option<Identity>,
    /// The sequence's name, if it is to have a certain one.
    pub name: Option<String>,
}

/// The integer type of `serial` and its kin.
pub(super) fn serial(ty: &DataType) -> Option<SqlType> {
    let DataType::Custom(name, _) = ty else { return None };
    Some(match name.to_string().to_ascii_lowercase().as_str() {
        "smallserial" | "serial2" => SqlType::SmallInt,
        "serial" | "serial4" => SqlType::Int,
        "bigserial" | "serial8" => SqlType::BigInt,
        _ => return None,
    })
}

/// The sequence of an identity column.
pub(super) fn identity(
    column: u32,
    ty: SqlType,
    generated: &GeneratedAs,
    options: &[ast::SequenceOptions],
) -> Result<Wanted> {
    check_type(ty)?;
    let identity = match generated {
        GeneratedAs::Always => Identity::Always,
        GeneratedAs::ByDefault => Identity::ByDefault,
        GeneratedAs::ExpStored => return Err(Error::unsupported("a generated column")),
    };
    let options = SequenceOptions::of_identity(options)?;
    Ok(Wanted { column, ty, options, identity: Some(identity), name: None })
}

fn check_type(ty: SqlType) -> Result<()> {
    if matches!(ty, SqlType::SmallInt | SqlType::Int | SqlType::BigInt) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        "identity column type must be smallint, integer, or bigint",
    ))
}

/// Makes the sequences that columns of a table want, and their defaults. The table's descriptor is
/// the caller's to put.
pub(super) async fn make(
    run: &mut Run<'_>,
    table: &mut TableDescriptor,
    wanted: Vec<Wanted>,
) -> Result<()> {
    for Wanted { column, ty, options, identity, name } in wanted {
        let catalog = run.txn.catalog().await?;
        let of = column_of(table, column)?.name.clone();
        let name = name.unwrap_or_else(|| free_name(&catalog, table, &of));
        let mut sequence = blank(TableId(0), table.schema.clone(), name, ty);
        shape(&mut sequence, &options, true)?;
        sequence.owner = Some(SequenceOwner { table: table.id, column, identity });
        let default = identity.is_none().then(|| default_text(&sequence));
        add(run, sequence).await?;
        let column = column_of(table, column)?;
        column.not_null = true;
        column.default = default;
    }
    Ok(())
}

fn column_of(table: &mut TableDescriptor, id: u32) -> Result<&mut Column> {
    let found = table.columns.iter_mut().find(|c| c.id == id);
    found.ok_or_else(|| Error::internal(format!("a table without its column {id}")))
}

/// `table_column_seq`, shortened if it is too long, with a number if it is taken.
fn free_name(catalog: &Catalog, table: &TableDescriptor, column: &str) -> String {
    let mut n = 0;
    loop {
        let end = if n == 0 { "_seq".to_owned() } else { format!("_seq{n}") };
        let (mut first, mut second) = (table.name.clone(), column.to_owned());
        while first.len() + second.len() + 1 + end.len() > NAME_MAX {
            let longer = if first.len() > second.len() { &mut first } else { &mut second };
            longer.pop();
        }
        let name = format!("{first}_{second}{end}");
        let taken = catalog.table(&table.schema, &name).is_some()
            || catalog.sequence(&table.schema, &name).is_some()
            || name == table.name;
        if !taken {
            return name;
        }
        n += 1;
    }
}

/// `ALTER TABLE … ALTER COLUMN …` of an identity column.
pub async fn alter_identity(
    run: &mut Run<'_>,
    name: &ObjectName,
    if_exists: bool,
    column: &str,
    change: &IdentityChange,
) -> Result<()> {
    let table = match super::exclusively(run, name).await {
        Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => return Ok(()),
        other => other?,
    };
    let mut table = table.as_ref().clone();
    let found = super::alter::find(&mut table, column)?.clone();
    let catalog = run.txn.catalog().await?;
    let present = catalog.identity(table.id, found.id).map(|s| s.id);
    let state = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
    let message = |what: &str| format!("column \"{column}\" of relation \"{}\" {what}", table.name);
    match (change, present) {
        (IdentityChange::Add { .. }, Some(_)) => {
            return Err(Error::new(state, message("is already an identity column")));
        }
        (IdentityChange::Add { .. }, None) if !found.not_null => {
            let what = "must be declared NOT NULL before identity can be added";
            return Err(Error::new(state, message(what)));
        }
        (IdentityChange::Add { .. }, None) if found.default.is_some() => {
            return Err(Error::new(state, message("already has a default value")));
        }
        (IdentityChange::Add { identity, options, name }, None) => {
            check_type(found.ty)?;
            let (column, ty, identity) = (found.id, found.ty, Some(*identity));
            let name = name.as_ref().map(last_part).transpose()?;
            let wanted = Wanted { column, ty, options: options.clone(), identity, name };
            make(run, &mut table, vec![wanted]).await?;
        }
        (IdentityChange::Drop { if_exists: true }, None) => return Ok(()),
        (_, None) => return Err(Error::new(state, message("is not an identity column"))),
        (IdentityChange::Drop { .. }, Some(id)) => {
            let sequence = super::sequence::lock(run, id).await?;
            run.txn.drop_sequence(&sequence).await?;
        }
        (IdentityChange::Set { identity, options }, Some(id)) => {
            let old = super::sequence::lock(run, id).await?;
            let mut new = SequenceDescriptor { version: old.version + 1, ..old.as_ref().clone() };
            if let (Some(owner), Some(identity)) = (&mut new.owner, identity) {
                owner.identity = Some(*identity);
            }
            if *options == SequenceOptions::default() {
                run.txn.put_sequence(&new, None).await?;
            } else {
                shape(&mut new, options, false)?;
                move_to(run, &old, new, options.restart).await?;
            }
        }
    }
    table.version += 1;
    run.txn.put_table(&table).await
}

/// An identity column has no default that could be set or dropped, and is never NULL.
pub(super) fn refuse_identity(
    catalog: &Catalog,
    table: &TableDescriptor,
    column: &Column,
) -> Result<()> {
    if catalog.identity(table.id, column.id).is_none() {
        return Ok(());
    }
    let (column, table) = (&column.name, &table.name);
    let message = format!("column \"{column}\" of relation \"{table}\" is an identity column");
    Err(Error::new(SqlState::SYNTAX_ERROR, message))
}

/// True for an identity column that takes no values of a statement's own.
pub fn always(catalog: &Catalog, table: TableId, column: u32) -> bool {
    let owner = catalog.identity(table, column).and_then(|s| s.owner);
    owner.and_then(|o| o.identity) == Some(Identity::Always)
}
