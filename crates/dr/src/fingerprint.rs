//! Fingerprints of what a key range holds at one moment: how many rows, and the sum of their hashes.
//! The sum does not depend on the order of rows, so it is the same whatever lies in chunks and what
//! in memory, and over any partition of a range.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch};
use arrow::row::{RowConverter, SortField};
use base::{Catalog, Error, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use futures::TryStreamExt;
use partition::PartitionHandle;
use state::ScanSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The most keys that are looked at to find out how a range can be cut.
const SAMPLE_MAX: usize = 4_096;
/// A range is cut into so many at most.
const RANGES_MAX: usize = 256;

/// A key range's fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many rows.
    pub rows: u64,
    /// The sum of their hashes.
    pub hash: u64,
}

/// A key range of one partition at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub at: Timestamp,
    pub storage: StorageId,
    /// The first key, and the one above the last.
    pub start: Bytes,
    pub end: Bytes,
}

/// The columns of everything that has rows, by key space; those of the database itself first.
pub(crate) fn layouts(catalog: &Catalog) -> BTreeMap<StorageId, Vec<ColumnLayout>> {
    let own = [
        (StorageId::CATALOG, format::catalog::layout()),
        (StorageId::SEQUENCES, format::sequence::layout()),
        (StorageId::DECISIONS, format::decision::layout()),
    ];
    let tables = catalog.tables.values();
    let tables = tables.map(|t| (t.storage, t.columns.iter().map(ColumnLayout::from).collect()));
    own.into_iter().chain(tables).collect()
}

async fn visit(
    handle: &Arc<dyn PartitionHandle>,
    place: &Place,
    columns: Vec<ColumnLayout>,
    mut see: impl FnMut(&BinaryArray, &RecordBatch) -> Result<()>,
) -> Result<()> {
    let spec = ScanSpec {
        storage: place.storage,
        start: place.start.clone(),
        end: place.end.clone(),
        ts: place.at,
        columns,
        with_key: true,
        batch_rows: 4_096,
        limit: None,
    };
    let mut batches = handle.scan(spec).await?;
    while let Some(batch) = batches.try_next().await? {
        let keys = batch.column(0).as_binary_opt::<i32>();
        see(keys.ok_or_else(|| Error::internal("a scan with keys has no key column"))?, &batch)?;
    }
    Ok(())
}

/// Keys that cut a range into parts of about the same size; none if it is small.
pub(crate) async fn cuts(handle: &Arc<dyn PartitionHandle>, place: &Place) -> Result<Vec<Bytes>> {
    let (mut sample, mut one_in, mut rows) = (Vec::new(), 1_u64, 0_usize);
    visit(handle, place, Vec::new(), |keys, _| {
        rows += keys.len();
        for key in keys.iter().flatten() {
            let chance = xxh3_64(key);
            if chance.is_multiple_of(one_in) {
                sample.push((chance, Bytes::copy_from_slice(key)));
            }
        }
        while sample.len() > SAMPLE_MAX {
            one_in *= 2;
            sample.retain(|(chance, _)| chance.is_multiple_of(one_in));
        }
        Ok(())
    })
    .await?;
    let ranges = (rows / 1_024).clamp(1, RANGES_MAX);
    let mut keys: Vec<Bytes> = sample.into_iter().map(|(_, key)| key).collect();
    keys.sort_unstable();
    let step = keys.len().div_ceil(ranges).max(1);
    Ok(keys.into_iter().step_by(step).skip(1).collect())
}

/// Calls `see` for each row with its key and hash.
async fn hashes(
    handle: &Arc<dyn PartitionHandle>,
    place: &Place,
    columns: &[ColumnLayout],
    mut see: impl FnMut(&[u8], u64),
) -> Result<()> {
    let failed = |e| Error::internal(format!("fingerprints: {e}"));
    let mut converter: Option<RowConverter> = None;
    visit(handle, place, columns.to_vec(), |keys, batch| {
        // Behind the key and the version's time.
        let values: Vec<ArrayRef> = batch.columns().iter().skip(2).cloned().collect();
        let rows = match &mut converter {
            Some(converter) => converter.convert_columns(&values),
            none => {
                let fields = values.iter().map(|v| SortField::new(v.data_type().clone()));
                let new = RowConverter::new(fields.collect()).map_err(failed)?;
                none.insert(new).convert_columns(&values)
            }
        };
        let rows = rows.map_err(failed)?;
        for (i, key) in keys.iter().enumerate() {
            let key = key.unwrap_or_default();
            let mut hash = Xxh3::new();
            hash.update(&(key.len() as u64).to_le_bytes());
            hash.update(key);
            hash.update(rows.row(i).as_ref());
            see(key, hash.digest());
        }
        Ok(())
    })
    .await
}

/// The fingerprints of the parts into which `cuts` divide a range: a key belongs to the part that
/// begins at or below it.
pub(crate) async fn sums(
    handle: &Arc<dyn PartitionHandle>,
    place: &Place,
    columns: &[ColumnLayout],
    cuts: &[Bytes],
) -> Result<Vec<Sum>> {
    let mut all = vec![Sum::default(); cuts.len() + 1];
    hashes(handle, place, columns, |key, hash| {
        let part = cuts.partition_point(|cut| cut.as_ref() <= key);
        if let Some(sum) = all.get_mut(part) {
            sum.rows += 1;
            sum.hash = sum.hash.wrapping_add(hash);
        }
    })
    .await?;
    Ok(all)
}

/// The rows of a range with their hashes; `limit` of them at most.
pub(crate) async fn rows(
    handle: &Arc<dyn PartitionHandle>,
    place: &Place,
    columns: &[ColumnLayout],
    limit: usize,
) -> Result<BTreeMap<Bytes, u64>> {
    let mut all = BTreeMap::new();
    hashes(handle, place, columns, |key, hash| {
        if all.len() < limit {
            all.insert(Bytes::copy_from_slice(key), hash);
        }
    })
    .await?;
    Ok(all)
}
