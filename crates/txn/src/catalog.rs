//! The schema: read at a snapshot with a cache, and changed inside transactions.

use crate::database::Database;
use crate::transaction::{Isolation, Transaction};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use base::{
    Catalog, Error, Result, Row, Securable, SqlState, StorageId, TableDescriptor, TableId,
    Timestamp, Value,
};
use bytes::Bytes;
use format::access::{self, Fact};
use format::catalog::{self, Counters};
use futures::TryStreamExt;
use partition::{LockMode, LockWait};
use state::ScanSpec;
use std::sync::Arc;

/// How many catalogs of the past stay cached per database.
const CACHED: usize = 8;

impl Database {
    /// The tables at a timestamp that the caller keeps from being merged away: by a snapshot, or by
    /// being the one who merges. Also of a copy that is not complete yet.
    pub async fn catalog(&self, ts: Timestamp) -> Result<Arc<Catalog>> {
        let handle = self.partition(0)?;
        let stamp = handle.catalog_stamp(ts).await?;
        if let Some(catalog) = self.catalogs.lock().get(&stamp) {
            return Ok(catalog.clone());
        }
        let batches: Vec<RecordBatch> = handle.scan(catalog_scan(ts)).await?.try_collect().await?;
        let catalog = Arc::new(decode(stamp, &batches)?);
        let mut cached = self.catalogs.lock();
        cached.insert(stamp, catalog.clone());
        while cached.len() > CACHED {
            cached.pop_first();
        }
        Ok(catalog)
    }
}

impl Database {
    /// Every version of every table that became known after `ts`, in the order of time. The caller
    /// keeps versions above `ts` from being merged away.
    pub(crate) async fn tables_since(&self, ts: Timestamp) -> Result<Vec<TableDescriptor>> {
        let mut versions = self.partition(0)?.catalog_versions(ts).await?;
        versions.sort_by_key(|v| v.ts);
        let mut tables = Vec::with_capacity(versions.len());
        for bytes in versions.into_iter().filter_map(|v| v.row) {
            let row = format::row::decode(&bytes)?;
            let other = catalog::is_counters(&row) || access::is_fact(&row);
            if !other && !format::sequence::is_descriptor(&row) {
                tables.push(catalog::decode(&row)?);
            }
        }
        Ok(tables)
    }
}

fn catalog_scan(ts: Timestamp) -> ScanSpec {
    let (start, end) = format::key::range(StorageId::CATALOG);
    ScanSpec {
        storage: StorageId::CATALOG,
        start,
        end,
        ts,
        columns: catalog::layout(),
        with_key: false,
        batch_rows: 1024,
        limit: None,
    }
}

fn decode(stamp: Timestamp, batches: &[RecordBatch]) -> Result<Catalog> {
    let mut all = Catalog { stamp, ..Catalog::default() };
    for batch in batches {
        let ids = batch.column(0).as_primitive_opt::<Int64Type>();
        let names = batch.column(1).as_string_opt::<i32>();
        let blobs = batch.column(2).as_binary_opt::<i32>();
        let (Some(ids), Some(names), Some(blobs)) = (ids, names, blobs) else {
            return Err(Error::internal("catalog rows have other columns than expected"));
        };
        for i in 0..batch.num_rows() {
            let row: Row = vec![
                (1, Value::Int(ids.value(i))),
                (2, Value::Text(names.value(i).into())),
                (3, Value::Bytes(Bytes::copy_from_slice(blobs.value(i)))),
            ];
            if catalog::is_counters(&row) {
                continue;
            }
            if access::is_fact(&row) {
                learn(&mut all, Fact::decode(&row)?);
            } else if format::sequence::is_descriptor(&row) {
                let sequence = format::sequence::decode(&row)?;
                all.sequences.insert(sequence.id, Arc::new(sequence));
            } else {
                let table = catalog::decode(&row)?;
                all.tables.insert(table.id, Arc::new(table));
            }
        }
    }
    // Where owners and grants are not those of the primary, they stay behind when it drops a table.
    let Catalog { tables, sequences, access, .. } = &mut all;
    access.retain(|of, _| match of {
        Securable::Relation(id) => tables.contains_key(id) || sequences.contains_key(id),
        Securable::Schema | Securable::Database => true,
    });
    Ok(all)
}

fn learn(all: &mut Catalog, fact: Fact) {
    match fact {
        Fact::Access(of, access) => drop(all.access.insert(of, Arc::new(access))),
        Fact::Defaults(defaults) => all.defaults = Arc::new(defaults),
        Fact::Principals(bytes) => all.principals = Some(bytes.as_ref().into()),
    }
}

impl Transaction {
    /// The tables at the statement's snapshot, with own changes.
    pub async fn catalog(&mut self) -> Result<Arc<Catalog>> {
        let (ts, changes) = (self.current()?.ts(), self.writes.schema_changes());
        if let Some((at, seen, catalog)) = &self.catalog
            && (*at, *seen) == (ts, changes)
        {
            return Ok(catalog.clone());
        }
        let catalog = if changes == 0 {
            self.database.catalog(ts).await?
        } else {
            let batches: Vec<RecordBatch> =
                self.view()?.scan(0, catalog_scan(ts)).await?.try_collect().await?;
            Arc::new(decode(ts, &batches)?)
        };
        self.catalog = Some((ts, changes, catalog.clone()));
        Ok(catalog)
    }

    /// Locks a table's descriptor: shared to use the table, exclusively to change it. `true` if the
    /// table changed after the snapshot: the statement must begin again.
    pub async fn lock_table(
        &mut self,
        table: TableId,
        mode: LockMode,
        wait: LockWait,
    ) -> Result<bool> {
        let key = catalog::key(table);
        self.lock(&[(0, key.clone())], mode, wait).await?;
        self.tables.insert(table);
        if self.writes.get(0, &key).is_some() {
            return Ok(false);
        }
        let newest = self.database.partition(0)?.latest(vec![key]).await?;
        let changed = match newest.first() {
            Some(Some(row)) => row.ts > self.read_ts(),
            // Created by this transaction and rolled back to a savepoint, or dropped by another.
            _ => true,
        };
        if changed && self.options.isolation != Isolation::ReadCommitted {
            return Err(Error::new(
                SqlState::SERIALIZATION_FAILURE,
                "could not serialize access due to a concurrent schema change",
            )
            .hint("run the transaction again"));
        }
        Ok(changed)
    }

    /// One schema change at a time per database; sees all earlier ones.
    pub async fn begin_ddl(&mut self) -> Result<()> {
        self.begin_writing().await?;
        if self.ddl {
            return Ok(());
        }
        let key = (0, catalog::counters_key());
        self.lock(&[key], LockMode::Exclusive, LockWait::Block(None)).await?;
        self.ddl = true;
        if self.options.isolation == Isolation::ReadCommitted {
            self.start_statement().await?;
        }
        Ok(())
    }

    /// Adds or changes a table.
    ///
    /// # Errors
    /// 42P07 if another table or a sequence has the name.
    pub async fn put_table(&mut self, table: &TableDescriptor) -> Result<()> {
        self.begin_ddl().await?;
        self.check_name(&table.schema, &table.name, table.id).await?;
        let row = format::row::encode(&catalog::encode(table));
        self.put_descriptor(table.id, Some(row)).await
    }

    /// Checks that no other table or sequence has a name.
    pub(crate) async fn check_name(&mut self, schema: &str, name: &str, id: TableId) -> Result<()> {
        let catalog = self.catalog().await?;
        let table = catalog.table(schema, name).map(|t| t.id);
        let sequence = catalog.sequence(schema, name).map(|s| s.id);
        let index = catalog.index(schema, name).map(|(_, i)| i.id);
        if table.or(sequence).or(index).is_some_and(|other| other != id) {
            return Err(Error::new(
                SqlState::DUPLICATE_TABLE,
                format!("relation \"{name}\" already exists"),
            ));
        }
        Ok(())
    }

    /// Removes a table. Its rows go when chunks are next written.
    pub async fn drop_table(&mut self, table: TableId) -> Result<()> {
        self.begin_ddl().await?;
        self.put_descriptor(table, None).await?;
        self.forget_access(table).await
    }

    pub(crate) async fn put_descriptor(
        &mut self,
        table: TableId,
        row: Option<Bytes>,
    ) -> Result<()> {
        let key = catalog::key(table);
        let wanted = [(0, key.clone())];
        self.lock(&wanted, LockMode::Exclusive, LockWait::Block(None)).await?;
        self.latest(&wanted).await?;
        self.write(0, key, row)
    }

    /// An identity for a new table or sequence.
    pub async fn next_table_id(&mut self) -> Result<TableId> {
        let counters = self.count(|c| c.next_table += 1).await?;
        Ok(TableId(counters.next_table))
    }

    /// A key space for a new table, or for the rows of a truncated one.
    pub async fn next_storage_id(&mut self) -> Result<StorageId> {
        let counters = self.count(|c| c.next_storage += 1).await?;
        Ok(StorageId(counters.next_storage))
    }

    /// A key space for a table that is made: it stays in this cluster if replicated tables are
    /// chosen.
    pub async fn next_table_storage_id(&mut self) -> Result<StorageId> {
        let counters = self.count(|c| c.next_storage += 1).await?;
        Ok(StorageId(counters.next_storage).with_local(counters.chosen_only))
    }

    /// A key space for an index of a table with this one.
    pub async fn next_index_storage_id(&mut self, table: StorageId) -> Result<StorageId> {
        Ok(self.next_storage_id().await?.with_local(table.is_local()).of_index())
    }

    /// From now on tables that are made are replicated only if somebody says so, or all are again.
    /// True if that is news.
    pub async fn choose_tables(&mut self, chosen_only: bool) -> Result<bool> {
        let before = self.count(|c| c.chosen_only = chosen_only).await?;
        Ok(before.chosen_only != chosen_only)
    }

    async fn count(&mut self, advance: impl FnOnce(&mut Counters)) -> Result<Counters> {
        self.begin_ddl().await?;
        let key = catalog::counters_key();
        let found = self.latest(&[(0, key.clone())]).await?;
        let before = match found.into_iter().next().flatten() {
            Some(row) => Counters::decode(&format::row::decode(&row.row)?)?,
            None => Counters::default(),
        };
        let mut after = before;
        advance(&mut after);
        self.write(0, key, Some(format::row::encode(&after.encode())))?;
        Ok(before)
    }
}
