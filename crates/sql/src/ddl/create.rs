//! CREATE TABLE.

use super::columns::{Draft, column, shard_columns, take_key};
use super::{identity, index};
use crate::change::{InsertPlan, Run, Scope, Source, fold, insert};
use crate::plan::{Names, plan_statement};
use crate::privilege::Object;
use crate::shape::Shape;
use crate::types::sql_type_of;
use base::{Error, Privileges, Result, SqlState, SqlType, StorageId, TableDescriptor};
use datafusion::sql::sqlparser::ast::{CreateTable, Ident, Query, Statement};
use std::sync::Arc;

/// Name of the hidden key of tables without a primary key.
const HIDDEN: &str = "_row_id";

/// Creates a table: its key space, `None` if it exists and `IF NOT EXISTS` was said.
pub async fn create(
    run: &mut Run<'_>,
    ast: &CreateTable,
    shard_key: Option<&[Ident]>,
) -> Result<Option<StorageId>> {
    refuse(ast)?;
    let mut draft = Draft::default();
    let catalog = run.txn.catalog().await?;
    for (i, def) in ast.columns.iter().enumerate() {
        draft.add(run, &catalog, def, i as u32 + 1)?;
    }
    for constraint in &ast.constraints {
        draft.constrain(constraint)?;
    }
    finish(run, ast, draft, shard_key).await.map(|t| t.map(|t| t.storage))
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
    let names =
        Names::new(run.runtime, &catalog, &database, partitions).counted(run.txn.database());
    let statement = Statement::Query(Box::new(query.clone()));
    let plan = plan_statement(&names, statement, &mut [])?;
    for table in names.used() {
        Object::table(&catalog, &table).need(run.by, Privileges::SELECT)?;
    }
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

async fn finish(
    run: &mut Run<'_>,
    ast: &CreateTable,
    mut draft: Draft,
    shard_key: Option<&[Ident]>,
) -> Result<Option<TableDescriptor>> {
    let (schema, name) = crate::change::schema_and_name(&ast.name)?;
    let schema = super::public(schema)?;
    run.txn.begin_ddl().await?;
    super::may_create(run).await?;
    let catalog = run.txn.catalog().await?;
    if catalog.has_relation(&schema, &name) {
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
    let mut table = TableDescriptor {
        id: run.txn.next_table_id().await?,
        schema,
        name,
        storage: run.txn.next_table_storage_id().await?,
        columns: draft.columns,
        primary_key,
        shard_key,
        indexes: Vec::new(),
        next_column_id: next + 1,
        version: 1,
    };
    for wanted in &draft.uniques {
        index::add(run, &mut table, wanted, true).await?;
    }
    identity::make(run, &mut table, draft.sequences).await?;
    run.txn.put_table(&table).await?;
    super::own(run, table.id).await?;
    Ok(Some(table))
}
