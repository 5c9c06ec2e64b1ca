//! A transaction's view of the data: its snapshot and its own writes so far.

use crate::database::Database;
use crate::serial::ReadLog;
use crate::snapshot::Snapshot;
use crate::writes::WriteSet;
use arrow::array::{Array, ArrayRef, BinaryArray, BooleanArray, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use base::{Error, Result, StorageId, Timestamp};
use bytes::Bytes;
use futures::StreamExt;
use partition::{RowStream, VersionedRow};
use state::ScanSpec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads for query plans: cheap to clone, lives on its own, and keeps the versions of its snapshot
/// from being merged away.
#[derive(Clone, Debug)]
pub struct ReadView {
    pub(crate) database: Arc<Database>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) writes: Arc<WriteSet>,
    /// Where reads are recorded, under SERIALIZABLE.
    pub(crate) reads: Option<Arc<ReadLog>>,
}

impl ReadView {
    /// The snapshot's timestamp.
    pub fn read_ts(&self) -> Timestamp {
        self.snapshot.ts()
    }

    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Rows of one partition, in the order of `keys`.
    pub async fn get(&self, partition: u16, keys: Vec<Bytes>) -> Result<Vec<Option<VersionedRow>>> {
        if let Some(reads) = &self.reads {
            reads.keys(partition, &keys);
        }
        let handle = self.database.partition(partition)?;
        let rows = handle.get(self.read_ts(), keys.clone()).await;
        // First: a read that met files of a history that is gone fails in ways that mean nothing.
        self.snapshot.check()?;
        let mut rows = rows?;
        for (key, row) in keys.iter().zip(&mut rows) {
            if let Some(pending) = self.writes.get(partition, key) {
                let ts = row.as_ref().map_or(Timestamp::ZERO, |r| r.ts);
                *row =
                    pending.row.map(|bytes| VersionedRow { ts, lsn: base::Lsn::ZERO, row: bytes });
            }
        }
        Ok(rows)
    }

    /// See [`partition::PartitionHandle::estimated_rows`].
    pub async fn estimated_rows(&self, partition: u16, storage: StorageId) -> Result<u64> {
        self.database.partition(partition)?.estimated_rows(storage).await
    }

    /// Rows of a key range of one partition; `spec.ts` is set to the snapshot's.
    pub async fn scan(&self, partition: u16, mut spec: ScanSpec) -> Result<RowStream> {
        spec.ts = self.read_ts();
        if let Some(reads) = &self.reads {
            reads.range(partition, &spec.start, &spec.end);
        }
        let handle = self.database.partition(partition)?;
        let own: Vec<(Bytes, Option<Bytes>)> = self
            .writes
            .range(partition, &spec.start, &spec.end)
            .into_iter()
            .map(|(k, p)| (k, p.row))
            .collect();
        let snapshot = self.snapshot.clone();
        let keep = move |batch: Result<RecordBatch>| snapshot.check().and(batch);
        if own.is_empty() {
            let rows = handle.scan(spec).await;
            self.snapshot.check()?;
            return Ok(rows?.map(keep).boxed());
        }
        let with_key = spec.with_key;
        let columns = spec.columns.clone();
        spec.with_key = true;
        // The limit would count rows that own deletions take out.
        spec.limit = None;
        let masked: BTreeSet<Bytes> = own.iter().map(|(k, _)| k.clone()).collect();
        let stored = handle.scan(spec).await;
        self.snapshot.check()?;
        let stored =
            stored?.map(move |batch| batch.and_then(|batch| without(&batch, &masked, with_key)));
        let added = own_batch(&columns, own, with_key)?;
        Ok(stored.chain(futures::stream::iter(added.map(Ok))).map(keep).boxed())
    }
}

/// A batch (with key columns) without the rows of some keys.
fn without(batch: &RecordBatch, keys: &BTreeSet<Bytes>, with_key: bool) -> Result<RecordBatch> {
    let column = batch
        .column(0)
        .as_any()
        .downcast_ref::<BinaryArray>()
        .ok_or_else(|| Error::internal("a scan with keys has no key column"))?;
    let mask: BooleanArray =
        (0..column.len()).map(|i| Some(!keys.contains(column.value(i)))).collect();
    let rows = filter_record_batch(batch, &mask)
        .map_err(|e| Error::internal(format!("filtering own rows: {e}")))?;
    if with_key {
        return Ok(rows);
    }
    let rest: Vec<usize> = (2..rows.num_columns()).collect();
    rows.project(&rest).map_err(|e| Error::internal(format!("dropping key columns: {e}")))
}

/// Own pending rows as a batch; `None` if they are all deletions.
fn own_batch(
    columns: &[format::ColumnLayout],
    own: Vec<(Bytes, Option<Bytes>)>,
    with_key: bool,
) -> Result<Option<RecordBatch>> {
    let rows: Vec<(Bytes, Bytes)> =
        own.into_iter().filter_map(|(key, row)| Some((key, row?))).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let body = state::rows_to_batch(columns, rows.iter().map(|(_, r)| r.as_ref()))?;
    if !with_key {
        return Ok(Some(body));
    }
    let keys = BinaryArray::from_iter_values(rows.iter().map(|(k, _)| k.as_ref()));
    let stamps = UInt64Array::from(vec![0; rows.len()]);
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(stamps)];
    arrays.extend(body.columns().iter().cloned());
    RecordBatch::try_new(state::schema(columns, true), arrays)
        .map(Some)
        .map_err(|e| Error::internal(format!("own rows as a batch: {e}")))
}
