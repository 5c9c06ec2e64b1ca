//! Columns and keys of a table definition.

use super::check_default;
use super::identity::{self, Wanted};
use super::index::Definition;
use crate::change::{Run, fold};
use crate::statement::SequenceOptions;
use crate::types::sql_type;
use base::{Catalog, Column, Error, Result, SqlState, SqlType, Value};
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, Expr, Ident, IndexColumn, TableConstraint,
};

/// What the column list says.
#[derive(Default)]
pub(super) struct Draft {
    pub columns: Vec<Column>,
    pub key: Option<Vec<String>>,
    /// What is to be unique besides.
    pub uniques: Vec<Definition>,
    /// The sequences that columns want.
    pub sequences: Vec<Wanted>,
}

/// A column as defined.
pub(super) struct Defined {
    pub column: Column,
    /// It is the primary key.
    pub key: bool,
    /// It is to be unique.
    pub unique: Option<Definition>,
    /// The sequence it wants.
    pub sequence: Option<Wanted>,
}

/// A nullable column.
pub(super) fn column(id: u32, name: String, ty: SqlType) -> Column {
    Column { id, name, ty, not_null: false, default: None, missing: Value::Null, hidden: false }
}

impl Draft {
    pub(super) fn put(&mut self, column: Column) -> Result<()> {
        if self.columns.iter().any(|c| c.name == column.name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
        self.columns.push(column);
        Ok(())
    }

    pub(super) fn add(
        &mut self,
        run: &Run<'_>,
        catalog: &Catalog,
        def: &ColumnDef,
        id: u32,
    ) -> Result<()> {
        let Defined { column, key, unique, sequence } = column_of(run, catalog, def, id)?;
        self.uniques.extend(unique);
        if key {
            self.set_key(vec![column.name.clone()])?;
        }
        self.sequences.extend(sequence);
        self.put(column)
    }

    fn set_key(&mut self, names: Vec<String>) -> Result<()> {
        if self.key.is_some() {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                "multiple primary keys for one table are not allowed",
            ));
        }
        self.key = Some(names);
        Ok(())
    }

    pub(super) fn constrain(&mut self, constraint: &TableConstraint) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => self.set_key(key_names(&key.columns)?),
            TableConstraint::Unique(unique) => {
                self.uniques.push(Definition::of_constraint(unique)?);
                Ok(())
            }
            TableConstraint::ForeignKey(_) => Err(Error::unsupported("FOREIGN KEY")),
            TableConstraint::Check(_) => Err(Error::unsupported("CHECK")),
            other => Err(Error::unsupported(format!("{other}"))),
        }
    }
}

/// The column names of a primary key.
pub(super) fn key_names(columns: &[IndexColumn]) -> Result<Vec<String>> {
    columns
        .iter()
        .map(|c| match &c.column.expr {
            Expr::Identifier(i) => Ok(fold(i)),
            other => Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("a primary key is made of columns, not of {other}"),
            )),
        })
        .collect()
}

/// Reads the definition of a column.
pub(super) fn column_of(
    run: &Run<'_>,
    catalog: &Catalog,
    def: &ColumnDef,
    id: u32,
) -> Result<Defined> {
    let serial = identity::serial(&def.data_type);
    let ty = match serial {
        Some(ty) => ty,
        None => sql_type(&def.data_type)?,
    };
    let mut made = column(id, fold(&def.name), ty);
    let mut sequence = serial.map(|ty| {
        let options = SequenceOptions::default();
        Wanted { column: id, ty, options, identity: None, name: None }
    });
    let (mut key, mut null, mut unique) = (false, false, None);
    for option in &def.options {
        match &option.option {
            ColumnOption::Null => null = true,
            ColumnOption::NotNull => made.not_null = true,
            ColumnOption::Default(e) => {
                let text = e.to_string();
                check_default(run, catalog, &text, made.ty, &made.name)?;
                made.default = Some(text);
            }
            ColumnOption::PrimaryKey(_) => key = true,
            ColumnOption::Unique(constraint) => {
                let name = option.name.as_ref();
                unique = Some(Definition::of_column(&made.name, name, constraint)?);
            }
            ColumnOption::ForeignKey(_) => return Err(Error::unsupported("REFERENCES")),
            ColumnOption::Check(_) => return Err(Error::unsupported("CHECK")),
            ColumnOption::Generated {
                generated_as,
                sequence_options: Some(options),
                generation_expr: None,
                ..
            } => {
                let wanted = identity::identity(id, ty, generated_as, options)?;
                if sequence.replace(wanted).is_some() {
                    return Err(twice(&made, "multiple identity or serial specifications"));
                }
            }
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
                return Err(Error::unsupported("a generated column"));
            }
            ColumnOption::Comment(_) | ColumnOption::Collation(_) => {}
            other => return Err(Error::unsupported(format!("column option {other}"))),
        }
    }
    if sequence.is_some() {
        if made.default.is_some() {
            return Err(twice(&made, "multiple default values"));
        }
        if null {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("conflicting NULL/NOT NULL declarations for column \"{}\"", made.name),
            ));
        }
        made.not_null = true;
    }
    Ok(Defined { column: made, key, unique, sequence })
}

fn twice(column: &Column, what: &str) -> Error {
    let message = format!("{what} specified for column \"{}\"", column.name);
    Error::new(SqlState::SYNTAX_ERROR, message)
}

/// Marks the key columns NOT NULL and returns their ids.
pub(super) fn take_key(columns: &mut [Column], names: &[String]) -> Result<Vec<u32>> {
    let mut ids: Vec<u32> = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = columns.iter_mut().find(|c| c.name == *name) else {
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" named in key does not exist"),
            ));
        };
        if ids.contains(&column.id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" appears twice in primary key constraint"),
            ));
        }
        column.not_null = true;
        ids.push(column.id);
    }
    Ok(ids)
}

/// The ids of the shard key: a part of the primary key, all of it by default.
pub(super) fn shard_columns(
    columns: &[Column],
    key: &[u32],
    named: Option<&[Ident]>,
) -> Result<Vec<u32>> {
    let Some(named) = named else { return Ok(key.to_vec()) };
    let mut ids = Vec::with_capacity(named.len());
    for ident in named {
        let name = fold(ident);
        let Some(column) = columns.iter().find(|c| c.name == name) else {
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" named in key does not exist"),
            ));
        };
        if !key.contains(&column.id) {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column \"{name}\" of the shard key is not in the primary key"),
            )
            .hint("a shard key is a part of the primary key, so that one partition can check it"));
        }
        ids.push(column.id);
    }
    Ok(ids)
}
