//! Rows of one partition by way of an index: entries first, then their rows.
//!
//! Nobody counts values, so a plan cannot know how many rows a range of entries stands for. If there
//! turn out to be so many that going through the table is cheaper, that is done instead: the filters
//! run again above either way.

use super::index::IndexBounds;
use crate::change::lost_row;
use crate::shape::Shape;
use ::arrow::array::{Array, AsArray, RecordBatch};
use base::{Error, Result, StorageId};
use bytes::Bytes;
use format::index::{Entries, layout};
use futures::{StreamExt, TryStreamExt};
use partition::RowStream;
use state::ScanSpec;
use txn::ReadView;

/// Rows fetched at a time.
const FETCH_ROWS: usize = 1024;
/// So many rows are always fetched one by one.
const FETCH_MIN: u64 = 4096;
/// To fetch a row costs about as much as to pass so many in a scan.
const SCAN_FACTOR: u64 = 50;

/// The rows of a partition that the entries within bounds stand for; `whole` is the scan that finds
/// them without the index.
pub async fn fetch(
    view: ReadView,
    partition: u16,
    shape: &Shape,
    bounds: &IndexBounds,
    whole: ScanSpec,
) -> Result<RowStream> {
    let index = &shape.indexes[bounds.at].index;
    let stored = view.estimated_rows(partition, shape.table.storage).await?;
    let most = FETCH_MIN.max(stored / SCAN_FACTOR);
    let mut keys: Vec<Bytes> = Vec::new();
    let entries = Entries::of(&shape.table, index);
    for (start, end) in &bounds.ranges {
        let spec = entries_of(index.storage, start.clone(), end.clone());
        let mut batches = view.scan(partition, spec).await?;
        while let Some(batch) = batches.try_next().await? {
            row_keys(&entries, &batch, &mut keys)?;
            if keys.len() as u64 > most {
                return view.scan(partition, whole).await;
            }
        }
    }
    // In the order of the table: rows that lie together are read together.
    keys.sort_unstable();
    let chunks: Vec<Vec<Bytes>> = keys.chunks(FETCH_ROWS).map(<[Bytes]>::to_vec).collect();
    let (columns, name) = (whole.columns, index.name.clone());
    let rows = futures::stream::iter(chunks).then(move |keys| {
        let (view, columns, name) = (view.clone(), columns.clone(), name.clone());
        async move {
            let found = view.get(partition, keys).await?;
            let rows: Option<Vec<Bytes>> = found.into_iter().map(|row| Some(row?.row)).collect();
            let rows = rows.ok_or_else(|| lost_row(&name))?;
            state::rows_to_batch(&columns, rows.iter().map(|row| row.as_ref()))
        }
    });
    Ok(rows.boxed())
}

/// A scan of entries.
pub fn entries_of(storage: StorageId, start: Bytes, end: Bytes) -> ScanSpec {
    ScanSpec {
        storage,
        start,
        end,
        ts: base::Timestamp::ZERO,
        columns: layout(),
        with_key: true,
        batch_rows: FETCH_ROWS,
        limit: None,
    }
}

/// Adds the keys of the rows that a batch of entries stands for.
pub fn row_keys(entries: &Entries, batch: &RecordBatch, keys: &mut Vec<Bytes>) -> Result<()> {
    let (found, suffixes) = (batch.column(0).as_binary_opt::<i32>(), batch.column(2));
    let (Some(found), Some(suffixes)) = (found, suffixes.as_binary_opt::<i32>()) else {
        return Err(Error::internal("entries of an index have other columns than expected"));
    };
    for at in 0..found.len() {
        let suffix = suffixes.is_valid(at).then(|| suffixes.value(at));
        keys.push(entries.row_key(found.value(at), suffix)?);
    }
    Ok(())
}
