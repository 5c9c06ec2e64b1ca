//! Giving every row of a table its entry.

use super::EntryMove;
use super::build::{find, gone};
use crate::database::Database;
use crate::transaction::{Transaction, TxnOptions};
use crate::view::ReadView;
use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use base::{Error, IndexDescriptor, Result, StorageId, TableDescriptor, TableId};
use bytes::Bytes;
use format::ColumnLayout;
use format::index::{Entry, entry, entry_of};
use futures::TryStreamExt;
use partition::{LockMode, LockWait};
use state::ScanSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows whose entries are written at a time: they are locked meanwhile, for one commit.
const BATCH_ROWS: usize = 1024;

/// Two rows have the same values in an index that is to be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// One of them, as it is stored.
    pub row: Bytes,
}

/// What became of some rows.
enum Filled {
    /// These were held by others: the row, and the key that was not free.
    Left(Vec<(Bytes, Bytes)>),
    /// The table has its rows elsewhere by now, all of them with entries.
    Moved,
    Twice(Duplicate),
}

impl Transaction {
    /// Gives every row of a table that this transaction has locked an entry in a new index, which
    /// nobody else can see. `Some` if the rows do not allow it to be unique.
    pub async fn fill_index(
        &mut self,
        table: &TableDescriptor,
        index: &IndexDescriptor,
    ) -> Result<Option<Duplicate>> {
        for partition in 0..self.database.partitions().len() as u16 {
            let view = self.fresh_view().await?;
            let spec = rows_of(table.storage, layouts(table, index));
            let mut batches = view.scan(partition, spec).await?;
            // The view shares the write set, which is about to grow.
            drop(view);
            while let Some(batch) = batches.try_next().await? {
                let moves = entries(table, index, partition, &batch)?;
                let Some(twice) = self.move_entries(&moves, None).await? else { continue };
                let key = Bytes::copy_from_slice(keys(&batch)?.value(twice));
                let row = self.latest(&[(partition, key)]).await?.pop().flatten();
                return Ok(Some(Duplicate { row: row.map(|r| r.row).unwrap_or_default() }));
            }
        }
        Ok(None)
    }
}

/// The columns an index is about.
fn layouts(table: &TableDescriptor, index: &IndexDescriptor) -> Vec<ColumnLayout> {
    let column = |c: &base::IndexColumn| table.column(c.column).map(ColumnLayout::from);
    index.columns.iter().filter_map(column).collect()
}

/// A scan of a whole key space, with keys.
pub(super) fn rows_of(storage: StorageId, columns: Vec<ColumnLayout>) -> ScanSpec {
    let (start, end) = format::key::range(storage);
    ScanSpec {
        storage,
        start,
        end,
        ts: base::Timestamp::MAX,
        columns,
        with_key: true,
        batch_rows: BATCH_ROWS,
        limit: None,
    }
}

/// The keys of a scan's batch.
pub(super) fn keys(batch: &RecordBatch) -> Result<&arrow::array::BinaryArray> {
    let keys = batch.column(0).as_binary_opt::<i32>();
    keys.ok_or_else(|| Error::internal("a scan with keys has no key column"))
}

/// The entries of a batch of rows.
fn entries(
    table: &TableDescriptor,
    index: &IndexDescriptor,
    partition: u16,
    batch: &RecordBatch,
) -> Result<Vec<EntryMove>> {
    let columns = layouts(table, index);
    let keys = keys(batch)?;
    let mut moves = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let arrays = batch.columns()[2..].iter().zip(&columns);
        let values: Vec<_> =
            arrays.map(|(array, c)| state::value_at(array.as_ref(), row, c.ty)).collect();
        let new = entry(index, &values, keys.value(row))?;
        moves.push(EntryMove { old: None, new: Some((partition, new)) });
    }
    Ok(moves)
}

impl Database {
    /// Gives every row of a table its entry in an index that the catalog has and that is not ready
    /// yet, while others write. Safe to repeat. `Some` if the rows do not allow it to be unique.
    ///
    /// # Errors
    /// 42704 if the index is dropped meanwhile, and whatever keeps from writing.
    pub async fn fill_index(
        self: &Arc<Self>,
        table: TableId,
        index: TableId,
    ) -> Result<Option<Duplicate>> {
        for partition in 0..self.partitions().len() as u16 {
            if let Some(twice) = self.fill_partition(table, index, partition).await? {
                return Ok(Some(twice));
            }
        }
        Ok(None)
    }

    async fn fill_partition(
        self: &Arc<Self>,
        table: TableId,
        index: TableId,
        partition: u16,
    ) -> Result<Option<Duplicate>> {
        let snapshot = self.snapshot()?;
        let catalog = self.catalog(snapshot.ts()).await?;
        let (found, _) = find(&catalog, table, index).ok_or_else(|| gone("index"))?;
        let (database, writes) = (self.clone(), Arc::default());
        let view = ReadView { database, snapshot, writes, reads: None };
        let mut batches = view.scan(partition, rows_of(found.storage, Vec::new())).await?;
        while let Some(batch) = batches.try_next().await? {
            let rows: Vec<Bytes> =
                keys(&batch)?.iter().flatten().map(Bytes::copy_from_slice).collect();
            let mut left = match self.fill_rows(table, index, partition, rows).await? {
                Filled::Left(left) => left,
                Filled::Moved => return Ok(None),
                Filled::Twice(twice) => return Ok(Some(twice)),
            };
            while let Some((row, blocker)) = left.pop() {
                self.await_free(partition, blocker).await?;
                match self.fill_rows(table, index, partition, vec![row]).await? {
                    Filled::Left(again) => left.extend(again),
                    Filled::Moved => return Ok(None),
                    Filled::Twice(twice) => return Ok(Some(twice)),
                }
            }
        }
        Ok(None)
    }

    /// Waits for who holds a lock, holding none.
    async fn await_free(self: &Arc<Self>, partition: u16, key: Bytes) -> Result<()> {
        let mut txn = self.begin(TxnOptions::default());
        let wait = LockWait::Block(None);
        let free = txn.lock(&[(partition, key)], LockMode::Exclusive, wait).await;
        txn.rollback().await;
        free.map(drop)
    }

    /// Writes the entries of those of the rows that nobody holds.
    async fn fill_rows(
        self: &Arc<Self>,
        table: TableId,
        index: TableId,
        partition: u16,
        rows: Vec<Bytes>,
    ) -> Result<Filled> {
        let mut txn = self.begin(TxnOptions::default());
        txn.start_statement().await?;
        // The first lock: to wait for it holds nobody up.
        while txn.lock_table(table, LockMode::Shared, LockWait::Block(None)).await? {
            txn.start_statement().await?;
            if !txn.catalog().await?.tables.contains_key(&table) {
                return Err(gone("table"));
            }
        }
        let catalog = txn.catalog().await?;
        let (table, index) = find(&catalog, table, index).ok_or_else(|| gone("index"))?;
        if rows.first().is_some_and(|key| format::key::storage_of(key) != table.storage) {
            return Ok(Filled::Moved);
        }
        let filled = txn.fill(&table, &index, partition, rows).await?;
        match filled {
            Filled::Left(_) => txn.commit().await.map(|_| filled),
            _ => Ok(filled),
        }
    }
}

impl Transaction {
    async fn fill(
        &mut self,
        table: &TableDescriptor,
        index: &IndexDescriptor,
        partition: u16,
        rows: Vec<Bytes>,
    ) -> Result<Filled> {
        let (rows, mut left) = self.take_free(partition, rows, LockMode::Shared).await?;
        let found = self.latest(&rows).await?;
        // A row that was deleted since the scan needs no entry.
        let mut wanted: BTreeMap<Bytes, (Bytes, Bytes, Entry)> = BTreeMap::new();
        for ((_, key), row) in rows.into_iter().zip(found) {
            let Some(row) = row else { continue };
            let entry = entry_of(table, index, &key, &row.row)?;
            if !entry.contested {
                self.write_entry(partition, entry.key, Some(entry.row))?;
            } else if wanted.insert(entry.key.clone(), (key, row.row.clone(), entry)).is_some() {
                return Ok(Filled::Twice(Duplicate { row: row.row }));
            }
        }
        let places = wanted.keys().cloned().collect();
        let (places, held) = self.take_free(partition, places, LockMode::Exclusive).await?;
        let blocked =
            held.into_iter().filter_map(|(_, entry)| Some((wanted.get(&entry)?.0.clone(), entry)));
        left.extend(blocked);
        let there = self.latest(&places).await?;
        for ((_, place), there) in places.into_iter().zip(there) {
            let Some((_, row, entry)) = wanted.remove(&place) else { continue };
            match there {
                Some(there) if there.row == entry.row => {}
                Some(_) => return Ok(Filled::Twice(Duplicate { row })),
                None => self.write(partition, entry.key, Some(entry.row))?,
            }
        }
        Ok(Filled::Left(left))
    }

    /// Locks those keys that nobody holds: these, and the others (twice).
    async fn take_free(
        &mut self,
        partition: u16,
        keys: Vec<Bytes>,
        mode: LockMode,
    ) -> Result<(Vec<(u16, Bytes)>, Vec<(Bytes, Bytes)>)> {
        let places: Vec<(u16, Bytes)> = keys.into_iter().map(|key| (partition, key)).collect();
        let answers = self.lock(&places, mode, LockWait::SkipLocked).await?;
        let (mut taken, mut held) = (Vec::with_capacity(places.len()), Vec::new());
        for (place, got) in places.into_iter().zip(answers) {
            match got {
                true => taken.push(place),
                false => held.push((place.1.clone(), place.1)),
            }
        }
        Ok((taken, held))
    }
}
