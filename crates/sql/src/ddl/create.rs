//! CREATE TABLE.

use super::check_default;
use crate::change::{InsertPlan, Run, Scope, Source, fold, insert};
use crate::plan::{Names, plan_statement};
use crate::shape::Shape;
use crate::types::{sql_type, sql_type_of};
use base::{Catalog, Column, Error, Result, SqlState, SqlType, TableDescriptor, Value};
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, Expr, Ident, IndexColumn, Query, Statement,
    TableConstraint,
};
use std::sync::Arc;

/// Name of the hidden key of tables without a primary key.
const HIDDEN: &str = "_row_id";

/// What the column list says.
#[derive(Default)]
struct Draft {
    columns: Vec<Column>,
    key: Option<Vec<String>>,
}

/// Creates a table; `false` if it exists and `IF NOT EXISTS` was said.
pub async fn create(
    run: &mut Run<'_>,
    ast: &CreateTable,
    shard_key: Option<&[Ident]>,
) -> Result<bool> {
    refuse(ast)?;
    let mut draft = Draft::default();
    let catalog = run.txn.catalog().await?;
    for (i, def) in ast.columns.iter().enumerate() {
        draft.add(run, &catalog, def, i as u32 + 1)?;
    }
    for constraint in &ast.constraints {
        draft.constrain(constraint)?;
    }
    finish(run, ast, draft, shard_key).await.map(|t| t.is_some())
}

/// `CREATE TABLE t AS query`: the number of rows, `None` if the table existed already.
pub async fn create_as(
    run: &mut Run<'_>,
    ast: &CreateTable,
    shard_key: Option<&[Ident]>,
    query: &Query,
) -> Result<Option<u64>> {
    refuse(ast)?;
    let catalog = run.txn.catalog().await?;
    let (database, partitions) = database_of(run);
    let names = Names::new(run.runtime, &catalog, &database, partitions);
    let statement = Statement::Query(Box::new(query.clone()));
    let plan = plan_statement(&names, statement, &mut [])?;
    let fields = plan.schema().fields();
    let given = crate::change::output_names(&query.body, fields.len());
    let mut draft = Draft::default();
    for (i, field) in fields.iter().enumerate() {
        let name = match ast.columns.get(i) {
            Some(def) => fold(&def.name),
            None => given.get(i).cloned().flatten().unwrap_or_else(|| field.name().clone()),
        };
        draft.put(column(i as u32 + 1, name, sql_type_of(field)))?;
    }
    let Some(table) = finish(run, ast, draft, shard_key).await? else { return Ok(None) };
    let shape = Arc::new(Shape::new(Arc::new(table), partitions));
    let mut scope = Scope {
        runtime: run.runtime,
        names: &names,
        catalog: &catalog,
        partitions,
        types: Vec::new(),
    };
    let mut target = InsertPlan::for_rows(&mut scope, shape, &[])?;
    target.source = Source::Query(Box::new(plan));
    Ok(Some(insert(run, &target).await?.count))
}

pub(super) fn database_of(run: &Run<'_>) -> (String, u16) {
    let database = run.txn.database();
    (database.name().to_owned(), database.partitions().len() as u16)
}

fn refuse(ast: &CreateTable) -> Result<()> {
    let what = if ast.temporary {
        "CREATE TEMPORARY TABLE"
    } else if ast.external {
        "CREATE EXTERNAL TABLE"
    } else if ast.or_replace {
        "CREATE OR REPLACE TABLE"
    } else if ast.like.is_some() {
        "CREATE TABLE … LIKE"
    } else if ast.partition_by.is_some() || ast.partition_of.is_some() {
        return Err(Error::unsupported("PARTITION BY")
            .hint("rows are spread over the database's partitions by their SHARD KEY"));
    } else if ast.inherits.is_some() {
        "INHERITS"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}

/// A nullable column.
pub(super) fn column(id: u32, name: String, ty: SqlType) -> Column {
    Column { id, name, ty, not_null: false, default: None, missing: Value::Null, hidden: false }
}

impl Draft {
    fn put(&mut self, column: Column) -> Result<()> {
        if self.columns.iter().any(|c| c.name == column.name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
        self.columns.push(column);
        Ok(())
    }

    fn add(&mut self, run: &Run<'_>, catalog: &Catalog, def: &ColumnDef, id: u32) -> Result<()> {
        let (column, key) = column_of(run, catalog, def, id)?;
        if key {
            self.set_key(vec![column.name.clone()])?;
        }
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

    fn constrain(&mut self, constraint: &TableConstraint) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => self.set_key(key_names(&key.columns)?),
            TableConstraint::Unique(_) => {
                Err(Error::unsupported("UNIQUE").hint("only the primary key is unique so far"))
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

/// A column as defined, and whether it is the primary key.
pub(super) fn column_of(
    run: &Run<'_>,
    catalog: &Catalog,
    def: &ColumnDef,
    id: u32,
) -> Result<(Column, bool)> {
    let mut made = column(id, fold(&def.name), sql_type(&def.data_type)?);
    let mut key = false;
    for option in &def.options {
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => made.not_null = true,
            ColumnOption::Default(e) => {
                let text = e.to_string();
                check_default(run, catalog, &text, made.ty, &made.name)?;
                made.default = Some(text);
            }
            ColumnOption::PrimaryKey(_) => key = true,
            ColumnOption::Unique(_) => {
                return Err(
                    Error::unsupported("UNIQUE").hint("only the primary key is unique so far")
                );
            }
            ColumnOption::ForeignKey(_) => return Err(Error::unsupported("REFERENCES")),
            ColumnOption::Check(_) => return Err(Error::unsupported("CHECK")),
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
                return Err(Error::unsupported("a generated column"));
            }
            ColumnOption::Comment(_) | ColumnOption::Collation(_) => {}
            other => return Err(Error::unsupported(format!("column option {other}"))),
        }
    }
    Ok((made, key))
}

async fn finish(
    run: &mut Run<'_>,
    ast: &CreateTable,
    mut draft: Draft,
    shard_key: Option<&[Ident]>,
) -> Result<Option<TableDescriptor>> {
    let (schema, name) = crate::change::schema_and_name(&ast.name)?;
    let schema = schema.unwrap_or_else(|| "public".into());
    if schema != "public" {
        return Err(Error::new(
            SqlState::INVALID_SCHEMA_NAME,
            format!("schema \"{schema}\" does not exist"),
        )
        .hint("tables live in the schema public"));
    }
    run.txn.begin_ddl().await?;
    if run.txn.catalog().await?.table(&schema, &name).is_some() {
        if ast.if_not_exists {
            return Ok(None);
        }
        return Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        ));
    }
    let next = draft.columns.len() as u32 + 1;
    let primary_key = match &draft.key {
        Some(names) => take_key(&mut draft.columns, names)?,
        None => {
            let mut hidden = column(next, HIDDEN.into(), SqlType::BigInt);
            hidden.hidden = true;
            hidden.not_null = true;
            draft.columns.push(hidden);
            vec![next]
        }
    };
    let shard_key = shard_columns(&draft.columns, &primary_key, shard_key)?;
    let table = TableDescriptor {
        id: run.txn.next_table_id().await?,
        schema,
        name,
        storage: run.txn.next_storage_id().await?,
        columns: draft.columns,
        primary_key,
        shard_key,
        next_column_id: next + 1,
        version: 1,
    };
    run.txn.put_table(&table).await?;
    Ok(Some(table))
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
fn shard_columns(columns: &[Column], key: &[u32], named: Option<&[Ident]>) -> Result<Vec<u32>> {
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
