//! All of a database as one reader sees it.

use crate::bank::begin;
use crate::dice::Pauses;
use crate::invariants::consistent_cut;
use crate::locals::NOTES;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use base::{Epoch, Error, Result, StorageId, TableDescriptor, Timestamp, Value};
use format::ColumnLayout;
use futures::TryStreamExt;
use meta::DatabaseState;
use state::ScanSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::{Database, Isolation, Transaction, TxnOptions};

/// A row: its commit timestamp, and its values by column name.
pub type PictureRow = (Timestamp, BTreeMap<String, Value>);

/// What one transaction read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The snapshot.
    pub at: Timestamp,
    /// The promotion epoch when it was read.
    pub epoch: Epoch,
    /// True if the database was a primary all the while.
    pub primary: bool,
    /// True if that was the epoch all the while.
    pub same_epoch: bool,
    /// What a ready index had too much or too little.
    pub wrong_index: Option<String>,
    /// By table name and partition and key. The catalog is `(catalog)`.
    pub rows: BTreeMap<(String, u16, Vec<u8>), PictureRow>,
}

impl Picture {
    /// The rows of one table.
    pub fn table(&self, name: &str) -> impl Iterator<Item = &PictureRow> {
        self.rows.iter().filter(move |((table, ..), _)| table == name).map(|(_, row)| row)
    }

    /// What all clusters have: not the rows of tables that are not replicated.
    pub fn shared(&self) -> impl Iterator<Item = (&(String, u16, Vec<u8>), &PictureRow)> {
        self.rows.iter().filter(|((table, ..), _)| table != NOTES)
    }

    /// The ids of all transfers.
    pub fn transfers(&self) -> Vec<i64> {
        self.table("transfers").filter_map(|(_, row)| int(row, "id")).collect()
    }
}

/// An integer of a row.
pub fn int(row: &BTreeMap<String, Value>, column: &str) -> Option<i64> {
    match row.get(column) {
        Some(Value::Int(value)) => Some(*value),
        _ => None,
    }
}

/// Reads everything in one transaction, with pauses between the scans. Compares indexes with their
/// tables if that is wanted.
pub async fn read(database: &Arc<Database>, pauses: &Pauses, indexes: bool) -> Result<Picture> {
    read_as_of(database, None, pauses, indexes).await
}

/// As [`read`], of a time of the past.
pub async fn read_as_of(
    database: &Arc<Database>,
    past: Option<Timestamp>,
    pauses: &Pauses,
    indexes: bool,
) -> Result<Picture> {
    let options = TxnOptions { isolation: Isolation::RepeatableRead, read_only: true };
    let (epoch, state) = (database.promotion_epoch(), database.state());
    let mut txn = match past {
        None => begin(database, options).await?,
        Some(ts) => {
            let mut txn = database.begin(options);
            txn.read_as_of(ts)?;
            txn
        }
    };
    let catalog = txn.catalog().await?;
    let mut picture = Picture { at: txn.read_ts(), epoch, ..Picture::default() };
    scan(&txn, "(catalog)", StorageId::CATALOG, &catalog_columns(), &mut picture, pauses).await?;
    for table in catalog.tables.values() {
        pauses.take().await;
        scan(&txn, &table.name, table.storage, &columns(table), &mut picture, pauses).await?;
        for index in table.indexes.iter().filter(|i| i.ready && indexes) {
            pauses.take().await;
            let wrong = txn.view()?.audit_index(table, index).await?;
            picture.wrong_index = picture.wrong_index.or(wrong);
        }
    }
    let now = (database.promotion_epoch(), database.state());
    picture.same_epoch = now.0 == epoch;
    picture.primary = (epoch, state) == now && state == DatabaseState::Primary;
    Ok(picture)
}

fn catalog_columns() -> Vec<(String, ColumnLayout)> {
    let named = |layout: ColumnLayout| (format!("column {}", layout.id), layout);
    format::catalog::layout().into_iter().map(named).collect()
}

fn columns(table: &TableDescriptor) -> Vec<(String, ColumnLayout)> {
    let columns = table.columns.iter();
    columns
        .map(|c| {
            let layout = ColumnLayout { id: c.id, ty: c.ty, missing: c.missing.clone() };
            (c.name.clone(), layout)
        })
        .collect()
}

async fn scan(
    txn: &Transaction,
    table: &str,
    storage: StorageId,
    columns: &[(String, ColumnLayout)],
    picture: &mut Picture,
    pauses: &Pauses,
) -> Result<()> {
    let (start, end) = format::key::range(storage);
    let partitions = txn.database().partitions().len() as u16;
    let partitions = if storage == StorageId::CATALOG { 1 } else { partitions };
    for partition in 0..partitions {
        let spec = ScanSpec {
            storage,
            start: start.clone(),
            end: end.clone(),
            ts: Timestamp::ZERO,
            columns: columns.iter().map(|(_, layout)| layout.clone()).collect(),
            with_key: true,
            batch_rows: 100,
            limit: None,
        };
        let stream = txn.view()?.scan(partition, spec).await?;
        pauses.take().await;
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        for batch in &batches {
            add(table, partition, columns, batch, picture)?;
        }
    }
    Ok(())
}

fn add(
    table: &str,
    partition: u16,
    columns: &[(String, ColumnLayout)],
    batch: &RecordBatch,
    picture: &mut Picture,
) -> Result<()> {
    let keys = batch.column(0).as_binary_opt::<i32>();
    let stamps = batch.column(1).as_primitive_opt::<UInt64Type>();
    let (Some(keys), Some(stamps)) = (keys, stamps) else {
        return Err(Error::internal("a scan with keys has other columns than expected"));
    };
    for i in 0..batch.num_rows() {
        let values = columns.iter().enumerate().map(|(c, (name, layout))| {
            (name.clone(), state::value_at(batch.column(c + 2).as_ref(), i, layout.ty))
        });
        let row = (Timestamp(stamps.value(i)), values.collect());
        let at = (table.to_owned(), partition, keys.value(i).to_vec());
        if picture.rows.insert(at, row).is_some() {
            return Err(Error::internal(format!("{}: {table}", consistent_cut::TWICE)));
        }
    }
    Ok(())
}
