//! `ADD PRIMARY KEY`: every row moves to a new key space, at its new key.

use super::columns::take_key;
use super::create::database_of;
use crate::change::{Run, put_new};
use crate::shape::Shape;
use base::{Error, Result, SqlState, TableDescriptor, Value};
use format::ColumnLayout;
use futures::TryStreamExt;
use state::ScanSpec;
use std::sync::Arc;

/// Gives the table a primary key.
///
/// # Errors
/// 23502 and 23505 if the rows do not allow it, 42P16 if it has one already.
pub async fn add(run: &mut Run<'_>, table: &mut TableDescriptor, names: &[String]) -> Result<()> {
    if !table.has_hidden_key() {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("multiple primary keys for table \"{}\" are not allowed", table.name),
        ));
    }
    let (_, partitions) = database_of(run);
    let old = Shape::new(Arc::new(table.clone()), partitions);
    let mut changed = table.clone();
    changed.primary_key = take_key(&mut changed.columns, names)?;
    changed.shard_key = changed.primary_key.clone();
    changed.columns.retain(|c| !c.hidden);
    let visible: Vec<usize> = old.visible().map(|(i, _)| i).collect();
    rewrite(run, &old, visible, &mut changed, table.storage.is_local()).await?;
    *table = changed;
    Ok(())
}

/// Gives a table new key spaces, replicated or not, and writes all rows and entries there again.
/// `columns` are the positions in `old` of the new descriptor's columns.
pub(super) async fn rewrite(
    run: &mut Run<'_>,
    old: &Shape,
    columns: Vec<usize>,
    changed: &mut TableDescriptor,
    local: bool,
) -> Result<()> {
    let (_, partitions) = database_of(run);
    changed.storage = run.txn.next_storage_id().await?.with_local(local);
    for index in &mut changed.indexes {
        index.storage = run.txn.next_index_storage_id(changed.storage).await?;
    }
    // The indexes are filled when all rows are there.
    let bare = TableDescriptor { indexes: Vec::new(), ..changed.clone() };
    let new = Shape::new(Arc::new(bare), partitions);
    for partition in 0..partitions {
        let view = run.txn.fresh_view().await?;
        let mut batches = view.scan(partition, spec(old, columns.clone())).await?;
        drop(view);
        while let Some(batch) = batches.try_next().await? {
            let rows = (0..batch.num_rows()).map(|row| {
                let cells = batch.columns().iter().zip(new.columns());
                cells.map(|(array, c)| state::value_at(array.as_ref(), row, c.ty)).collect()
            });
            put(run, &new, rows.collect()).await?;
        }
    }
    for index in changed.indexes.clone() {
        super::index::fill(run, changed, &index).await?;
    }
    Ok(())
}

async fn put(run: &mut Run<'_>, shape: &Shape, rows: Vec<Vec<Value>>) -> Result<()> {
    for i in &shape.key {
        if rows.iter().any(|row| row[*i].is_null()) {
            let column = &shape.columns()[*i];
            return Err(Error::new(
                SqlState::NOT_NULL_VIOLATION,
                format!(
                    "column \"{}\" of relation \"{}\" contains null values",
                    column.name, shape.table.name
                ),
            ));
        }
    }
    // The key space is new: only this transaction's own rows can be there.
    put_new(run, shape, &rows, None).await.map_err(|refusal| match refusal.row {
        Some(at) => duplicated(shape, &rows[at]),
        None => *refusal.error,
    })
}

fn duplicated(shape: &Shape, row: &[Value]) -> Error {
    let mut e = Error::new(
        SqlState::UNIQUE_VIOLATION,
        format!("could not create unique index \"{}_pkey\"", shape.table.name),
    );
    e.detail =
        shape.duplicate(row).detail.as_ref().map(|d| d.replace("already exists", "is duplicated"));
    e
}

fn spec(shape: &Shape, columns: Vec<usize>) -> ScanSpec {
    let (start, end) = format::key::range(shape.table.storage);
    ScanSpec {
        storage: shape.table.storage,
        start,
        end,
        ts: base::Timestamp::MAX,
        columns: columns.iter().map(|i| ColumnLayout::from(&shape.columns()[*i])).collect(),
        with_key: false,
        batch_rows: 4096,
        limit: None,
    }
}

/// True if the table has no rows.
pub async fn is_empty(run: &mut Run<'_>, table: &TableDescriptor) -> Result<bool> {
    let (_, partitions) = database_of(run);
    let shape = Shape::new(Arc::new(table.clone()), partitions);
    for partition in 0..partitions {
        let view = run.txn.fresh_view().await?;
        let mut batches = view.scan(partition, spec(&shape, shape.key.clone())).await?;
        while let Some(batch) = batches.try_next().await? {
            if batch.num_rows() > 0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// True if a row has NULL in this column.
pub async fn has_null(run: &mut Run<'_>, table: &TableDescriptor, column: &str) -> Result<bool> {
    let (_, partitions) = database_of(run);
    let shape = Shape::new(Arc::new(table.clone()), partitions);
    let position = shape.position(column)?;
    for partition in 0..partitions {
        let view = run.txn.fresh_view().await?;
        let mut batches = view.scan(partition, spec(&shape, vec![position])).await?;
        while let Some(batch) = batches.try_next().await? {
            if batch.column(0).null_count() > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
