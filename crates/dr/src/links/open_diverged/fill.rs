//! Writing what only a lost primary had into a branch that nobody can see yet.

use super::{OpenedDiverged, Stranded};
use base::{Catalog, IndexDescriptor, Result, StorageId, TableDescriptor, TableId};
use bytes::Bytes;
use format::index::{Entry, entry_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use txn::{Database, Transaction, TxnOptions};

/// So many rows are written by one transaction.
const ROWS_AT_ONCE: usize = 1_000;

/// Places of rows, with what a lost primary had there.
type Rows = BTreeMap<(u16, Bytes), Option<Bytes>>;

/// Writes what only the lost side had.
pub(super) async fn fill(database: &Arc<Database>, stranded: &Stranded) -> Result<OpenedDiverged> {
    let mut rows = Rows::new();
    // By commit time: the last one of a row counts.
    for part in stranded.transactions.iter().flat_map(|t| &t.parts) {
        for row in &part.rows {
            rows.insert((part.partition, row.raw_key.clone()), row.raw_new.clone());
        }
    }
    let before = catalog(database).await?;
    let is_schema = |key: &Bytes| format::key::storage_of(key) == StorageId::CATALOG;
    let (schema, data): (Rows, Rows) = rows.into_iter().partition(|((_, key), _)| is_schema(key));
    write(database, &schema, &BTreeMap::new(), false).await?;
    let after = catalog(database).await?;
    let indexes = invalidate(database, &before, &after).await?;
    let kept = unchanged(&before, &after);
    // Rows may have exchanged the values of a unique index.
    write(database, &data, &kept, true).await?;
    write(database, &data, &kept, false).await?;
    Ok(OpenedDiverged {
        cut: stranded.cut,
        transactions: stranded.transactions.len(),
        left_out: stranded.left_out,
        rows: schema.len() + data.len(),
        indexes,
    })
}

async fn begin(database: &Arc<Database>) -> Result<Transaction> {
    let mut txn = database.begin(TxnOptions::default());
    txn.start_statement().await?;
    Ok(txn)
}

async fn catalog(database: &Arc<Database>) -> Result<Arc<Catalog>> {
    begin(database).await?.catalog().await
}

/// The tables with indexes that are as they were at the fork, by key space.
fn unchanged(before: &Catalog, after: &Catalog) -> BTreeMap<StorageId, Arc<TableDescriptor>> {
    let same = |t: &&Arc<TableDescriptor>| before.tables.get(&t.id) == Some(t);
    let tables = after.tables.values().filter(same).filter(|t| !t.indexes.is_empty());
    tables.map(|t| (t.storage, t.clone())).collect()
}

/// Marks the indexes of tables that were changed as not valid; how many.
async fn invalidate(database: &Arc<Database>, before: &Catalog, after: &Catalog) -> Result<usize> {
    let changed: BTreeSet<TableId> = after
        .tables
        .values()
        .filter(|t| !t.indexes.is_empty() && before.tables.get(&t.id) != Some(*t))
        .map(|t| t.id)
        .collect();
    let mut count = 0;
    for id in changed {
        let Some(table) = after.tables.get(&id) else { continue };
        let mut table = table.as_ref().clone();
        count += table.indexes.len();
        table.indexes.iter_mut().for_each(|index| index.ready = false);
        let mut txn = begin(database).await?;
        txn.put_table(&table).await?;
        txn.commit().await?;
    }
    Ok(count)
}

/// Takes the old index entries of rows away (`clear`), or writes the rows with their new ones.
async fn write(
    database: &Arc<Database>,
    rows: &Rows,
    tables: &BTreeMap<StorageId, Arc<TableDescriptor>>,
    clear: bool,
) -> Result<()> {
    let all: Vec<_> = rows.iter().collect();
    for some in all.chunks(ROWS_AT_ONCE) {
        let mut txn = begin(database).await?;
        let places: Vec<(u16, Bytes)> = some.iter().map(|(place, _)| (*place).clone()).collect();
        let found = txn.latest(&places).await?;
        for (((partition, key), new), old) in some.iter().zip(found) {
            let table = tables.get(&format::key::storage_of(key));
            let indexes = table.into_iter().flat_map(|t| t.indexes.iter().map(move |i| (t, i)));
            let row = if clear { old.map(|row| row.row) } else { (*new).clone() };
            for (table, index) in indexes {
                let Some(Entry { key, row, .. }) = entry(table, index, key, row.as_ref())? else {
                    continue;
                };
                let row = Some(row).filter(|_| !clear);
                txn.write_entry(*partition, key, row)?;
            }
            if !clear {
                txn.write(*partition, key.clone(), (*new).clone())?;
            }
        }
        txn.commit().await?;
    }
    Ok(())
}

fn entry(
    table: &TableDescriptor,
    index: &IndexDescriptor,
    key: &Bytes,
    row: Option<&Bytes>,
) -> Result<Option<Entry>> {
    row.map(|row| entry_of(table, index, key, row)).transpose()
}
