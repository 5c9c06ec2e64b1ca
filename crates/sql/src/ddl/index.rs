//! `CREATE INDEX`, `DROP INDEX`, `UNIQUE`.
//!
//! ```text
//!   outside of a transaction block   register ─▶ Database::fill_index ─▶ Database::finish_index
//!   inside, or in CREATE TABLE       under the table's exclusive lock, all in the transaction
//! ```
//!
//! The first way lets others write meanwhile (see `txn`'s `index`); the second makes them wait until
//! the transaction ends, and its entries count as what the transaction writes.

mod drop;
mod order;

pub use drop::{drop_constraint, drop_indexes, rename_index};
pub use order::{
    Order, create_index, is_index_order, named_indexes, register_again, register_index,
};

use crate::change::{Run, fold, last_part};
use crate::shape::Shape;
use base::{
    Catalog, Error, IndexColumn, IndexDescriptor, Result, SqlState, SqlType, TableDescriptor,
};
use datafusion::sql::sqlparser::ast::{
    self, CreateIndex, Expr, Ident, IndexType, NullsDistinctOption, UniqueConstraint,
};
use std::sync::Arc;
use txn::Duplicate;

/// The longest name there can be, in bytes.
const NAME_MAX: usize = 63;

/// An index that is wanted.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name, if it is to have a certain one.
    name: Option<String>,
    /// Columns by name, descending or not, nulls first or not.
    columns: Vec<(String, bool, bool)>,
    unique: bool,
    constraint: bool,
}

impl Definition {
    /// From a `CREATE INDEX`.
    pub fn of_index(ast: &CreateIndex) -> Result<Definition> {
        let unsupported = if ast.predicate.is_some() {
            Some("a partial index (WHERE)")
        } else if !ast.include.is_empty() {
            Some("INCLUDE")
        } else if ast.nulls_distinct == Some(false) {
            Some("NULLS NOT DISTINCT")
        } else if !matches!(&ast.using, None | Some(IndexType::BTree)) {
            Some("an index that is not a btree")
        } else {
            None
        };
        if let Some(what) = unsupported {
            return Err(Error::unsupported(what));
        }
        let name = ast.name.as_ref().map(last_part).transpose()?;
        let columns = columns(&ast.columns)?;
        Ok(Definition { name, columns, unique: ast.unique, constraint: false })
    }

    /// From a constraint; `name` if it stands before it.
    pub fn of_constraint(ast: &UniqueConstraint) -> Result<Definition> {
        if ast.nulls_distinct == NullsDistinctOption::NotDistinct {
            return Err(Error::unsupported("NULLS NOT DISTINCT"));
        }
        check_immediate(ast)?;
        let name = ast.name.as_ref().map(fold);
        Ok(Definition { name, columns: columns(&ast.columns)?, unique: true, constraint: true })
    }

    /// `UNIQUE` after a column.
    pub fn of_column(
        column: &str,
        name: Option<&Ident>,
        ast: &UniqueConstraint,
    ) -> Result<Definition> {
        check_immediate(ast)?;
        let columns = vec![(column.to_owned(), false, false)];
        Ok(Definition { name: name.map(fold), columns, unique: true, constraint: true })
    }
}

fn check_immediate(ast: &UniqueConstraint) -> Result<()> {
    match ast.characteristics.as_ref().and_then(|c| c.deferrable) {
        Some(true) => Err(Error::unsupported("DEFERRABLE")),
        _ => Ok(()),
    }
}

fn columns(all: &[ast::IndexColumn]) -> Result<Vec<(String, bool, bool)>> {
    let one = |c: &ast::IndexColumn| match &c.column.expr {
        Expr::Identifier(i) => {
            let options = &c.column.options;
            let descending = options.asc == Some(false);
            Ok((fold(i), descending, options.nulls_first.unwrap_or(descending)))
        }
        other => Err(Error::unsupported(format!("an index on an expression ({other})"))),
    };
    all.iter().map(one).collect()
}

/// Gives a table an index: checks the definition and finds a name and a key space. It is the caller
/// who puts the descriptor, and fills it.
pub async fn add(
    run: &mut Run<'_>,
    table: &mut TableDescriptor,
    wanted: &Definition,
    ready: bool,
) -> Result<IndexDescriptor> {
    let columns = resolve(table, wanted)?;
    if wanted.unique {
        check_shard_key(table, &columns)?;
    }
    let catalog = run.txn.catalog().await?;
    let name = match &wanted.name {
        Some(name) if is_taken(&catalog, table, name) => return Err(taken(name)),
        Some(name) => name.clone(),
        None => default_name(&catalog, table, wanted),
    };
    let index = IndexDescriptor {
        id: run.txn.next_table_id().await?,
        name,
        storage: run.txn.next_index_storage_id(table.storage).await?,
        columns,
        unique: wanted.unique,
        constraint: wanted.constraint,
        ready,
    };
    table.indexes.push(index.clone());
    Ok(index)
}

fn resolve(table: &TableDescriptor, wanted: &Definition) -> Result<Vec<IndexColumn>> {
    let mut columns = Vec::with_capacity(wanted.columns.len());
    for (name, descending, nulls_first) in &wanted.columns {
        let Some(column) = table.column_named(name).filter(|c| !c.hidden) else {
            let message = match wanted.constraint {
                true => format!("column \"{name}\" named in key does not exist"),
                false => format!("column \"{name}\" does not exist"),
            };
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        };
        if column.ty == SqlType::Jsonb {
            return Err(Error::unsupported("an index on a jsonb column"));
        }
        let id = column.id;
        if wanted.constraint && columns.iter().any(|c: &IndexColumn| c.column == id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" appears twice in unique constraint"),
            ));
        }
        let (descending, nulls_first) = (*descending, *nulls_first);
        columns.push(IndexColumn { column: id, descending, nulls_first });
    }
    Ok(columns)
}

/// What is unique is checked in one partition, so the values must tell which.
fn check_shard_key(table: &TableDescriptor, columns: &[IndexColumn]) -> Result<()> {
    if table.shard_key.iter().all(|id| columns.iter().any(|c| c.column == *id)) {
        return Ok(());
    }
    let what = format!("UNIQUE on table \"{}\" without its shard key", table.name);
    let error = Error::unsupported(what);
    if table.has_hidden_key() {
        return Err(error
            .detail(
                "The table has no primary key: its rows are spread over the partitions at random.",
            )
            .hint(
                "Give it a PRIMARY KEY, and a SHARD KEY of columns that are in the unique index.",
            ));
    }
    let name = |id: &u32| table.column(*id).map_or("?", |c| c.name.as_str());
    let key: Vec<&str> = table.shard_key.iter().map(name).collect();
    Err(error
        .detail(format!(
            "Whether values are unique is checked in one partition, which the shard key ({}) chooses.",
            key.join(", ")
        ))
        .hint(
            "Add the columns of the shard key to it, or choose as SHARD KEY, when the table is made, \
             a part of the primary key that is in the unique index too.",
        ))
}

fn is_taken(catalog: &Catalog, table: &TableDescriptor, name: &str) -> bool {
    let own = name == table.name
        || table.index_named(name).is_some()
        || !table.has_hidden_key() && name == table.key_name();
    own || catalog.has_relation(&table.schema, name)
}

fn taken(name: &str) -> Error {
    Error::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists"))
}

/// `table_column_column_idx`.
fn default_name(catalog: &Catalog, table: &TableDescriptor, wanted: &Definition) -> String {
    let label = if wanted.constraint { "key" } else { "idx" };
    let columns: Vec<&str> = wanted.columns.iter().map(|(name, ..)| name.as_str()).collect();
    let stem = format!("{}_{}", table.name, columns.join("_"));
    free_name(catalog, table, &stem, label)
}

/// `stem_label`, with a number if need be.
fn free_name(catalog: &Catalog, table: &TableDescriptor, stem: &str, label: &str) -> String {
    let mut number = 0;
    loop {
        let end = if number == 0 { format!("_{label}") } else { format!("_{label}{number}") };
        let mut keep = stem.len().min(NAME_MAX - end.len());
        while !stem.is_char_boundary(keep) {
            keep -= 1;
        }
        let name = format!("{}{end}", &stem[..keep]);
        if !is_taken(catalog, table, &name) {
            return name;
        }
        number += 1;
    }
}

/// Gives the rows of a table that is locked exclusively their entries in a new index.
pub async fn fill(
    run: &mut Run<'_>,
    table: &TableDescriptor,
    index: &IndexDescriptor,
) -> Result<()> {
    match run.txn.fill_index(table, index).await? {
        None => Ok(()),
        Some(twice) => Err(duplicated(table, index, &twice)),
    }
}

/// The error for rows that do not allow an index to be unique.
pub fn duplicated(table: &TableDescriptor, index: &IndexDescriptor, twice: &Duplicate) -> Error {
    let error = Error::new(
        SqlState::UNIQUE_VIOLATION,
        format!("could not create unique index \"{}\"", index.name),
    );
    let mut with = table.clone();
    with.indexes = vec![index.clone()];
    let shape = Shape::new(Arc::new(with), 1);
    let shown = shape
        .decode(&twice.row)
        .ok()
        .and_then(|row| shape.indexes.first().map(|i| shape.shown_key(&i.columns, &row)));
    match shown {
        Some(key) => error.detail(format!("Key {key} is duplicated.")),
        None => error,
    }
}
