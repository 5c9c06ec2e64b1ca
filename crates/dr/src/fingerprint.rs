//! Fingerprints of what a key range holds at one moment: how many rows, and the sum of their hashes.
//! The sum does not depend on the order of rows, so it is the same whatever lies in chunks and what
//! in memory, and over any partition of a range.

mod load;

pub(crate) use load::{Loaded, load, versions};

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch};
use arrow::row::{RowConverter, SortField};
use base::{Error, Result, StorageId, TableDescriptor, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use futures::{StreamExt, TryStreamExt};
use partition::{Partition, PartitionHandle, RowStream};
use state::{BasePin, ScanSpec};
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The most keys that are looked at to find out how a range can be cut.
const SAMPLE_MAX: usize = 4_096;

/// How `VERIFY` cuts a range.
pub(crate) const PARTS: Parts = Parts { rows: 1_024, max: 256 };

/// A key range's fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many rows.
    pub rows: u64,
    /// The sum of their hashes.
    pub hash: u64,
}

impl Sum {
    /// Adds a row.
    pub(crate) fn add(&mut self, hash: u64) {
        self.rows += 1;
        self.hash = self.hash.wrapping_add(hash);
    }
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

/// Into what a range is cut: parts of about so many rows, so many parts at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub rows: usize,
    pub max: usize,
}

/// Whose rows.
#[derive(Clone)]
pub(crate) enum Contents {
    /// What readers of a partition see at [`Place::at`].
    Readable(Arc<dyn PartitionHandle>),
    /// What a base has.
    Pinned(BasePin),
    /// The newest rows of a partition that need not be readable.
    Stored(Arc<Partition>),
}

impl Contents {
    async fn scan(&self, spec: ScanSpec) -> Result<RowStream> {
        Ok(match self {
            Contents::Readable(handle) => handle.scan(spec).await?,
            Contents::Pinned(base) => futures::stream::iter(base.scan(spec)?).boxed(),
            Contents::Stored(partition) => futures::stream::iter(partition.stored(spec)?).boxed(),
        })
    }
}

/// The columns of everything that has rows on both sides, by key space; those of the database itself
/// first. What is not replicated is of one side alone.
pub(crate) fn layouts<'a>(
    tables: impl Iterator<Item = &'a Arc<TableDescriptor>>,
) -> BTreeMap<StorageId, Vec<ColumnLayout>> {
    let mut all = BTreeMap::from([
        (StorageId::CATALOG, format::catalog::layout()),
        (StorageId::SEQUENCES, format::sequence::layout()),
        (StorageId::DECISIONS, format::decision::layout()),
    ]);
    add_layouts(tables.filter(|table| !table.storage.is_local()), &mut all);
    all
}

/// The range of a key space that both sides have: without owners, grants and roles where each has its
/// own.
pub(crate) fn shared_range(storage: StorageId, own_rights: bool) -> (Bytes, Bytes) {
    let (start, end) = format::key::range(storage);
    match own_rights && storage == StorageId::CATALOG {
        true => (format::access::range().1, end),
        false => (start, end),
    }
}

/// The columns of what is not replicated.
pub(crate) fn local_layouts<'a>(
    tables: impl Iterator<Item = &'a Arc<TableDescriptor>>,
) -> BTreeMap<StorageId, Vec<ColumnLayout>> {
    let mut all = BTreeMap::new();
    add_layouts(tables.filter(|table| table.storage.is_local()), &mut all);
    all
}

fn add_layouts<'a>(
    tables: impl Iterator<Item = &'a Arc<TableDescriptor>>,
    all: &mut BTreeMap<StorageId, Vec<ColumnLayout>>,
) {
    for table in tables {
        let mut columns: Vec<_> = table.columns.iter().map(ColumnLayout::from).collect();
        columns.sort_by_key(|c| c.id);
        all.insert(table.storage, columns);
        all.extend(table.indexes.iter().map(|i| (i.storage, format::index::layout())));
    }
}

/// The rows of a range, batch by batch: key, version's time, then the columns.
pub(crate) async fn visit(
    contents: &Contents,
    place: &Place,
    columns: &[ColumnLayout],
    mut see: impl FnMut(&BinaryArray, &RecordBatch) -> Result<()>,
) -> Result<()> {
    let spec = ScanSpec {
        storage: place.storage,
        start: place.start.clone(),
        end: place.end.clone(),
        ts: place.at,
        columns: columns.to_vec(),
        with_key: true,
        batch_rows: 4_096,
        limit: None,
    };
    let mut batches = contents.scan(spec).await?;
    while let Some(batch) = batches.try_next().await? {
        let keys = batch.column(0).as_binary_opt::<i32>();
        see(keys.ok_or_else(|| Error::internal("a scan with keys has no key column"))?, &batch)?;
    }
    Ok(())
}

/// Keys that cut a range into parts of about the same size; none if it is small.
pub(crate) async fn cuts(contents: &Contents, place: &Place, parts: Parts) -> Result<Vec<Bytes>> {
    let most = SAMPLE_MAX.max(parts.max * 16);
    let (mut sample, mut one_in, mut rows) = (Vec::new(), 1_u64, 0_usize);
    visit(contents, place, &[], |keys, _| {
        rows += keys.len();
        for key in keys.iter().flatten() {
            let chance = xxh3_64(key);
            if chance.is_multiple_of(one_in) {
                sample.push((chance, Bytes::copy_from_slice(key)));
            }
        }
        while sample.len() > most {
            one_in *= 2;
            sample.retain(|(chance, _)| chance.is_multiple_of(one_in));
        }
        Ok(())
    })
    .await?;
    let ranges = (rows / parts.rows.max(1)).clamp(1, parts.max);
    let mut keys: Vec<Bytes> = sample.into_iter().map(|(_, key)| key).collect();
    keys.sort_unstable();
    let step = keys.len().div_ceil(ranges).max(1);
    Ok(keys.into_iter().step_by(step).skip(1).collect())
}

/// The parts into which keys cut a range.
pub(crate) fn parts<'a>(
    range: (&'a Bytes, &'a Bytes),
    cuts: &'a [Bytes],
) -> impl Iterator<Item = (Bytes, Bytes)> + 'a {
    let starts = std::iter::once(range.0).chain(cuts);
    let ends = cuts.iter().chain(std::iter::once(range.1));
    starts.zip(ends).map(|(start, end)| (start.clone(), end.clone()))
}

/// Calls `see` for each row with its key and the hash of key and values.
async fn hashes(
    contents: &Contents,
    place: &Place,
    columns: &[ColumnLayout],
    mut see: impl FnMut(&[u8], u64),
) -> Result<()> {
    let failed = |e| Error::internal(format!("fingerprints: {e}"));
    let mut converter: Option<RowConverter> = None;
    visit(contents, place, columns, |keys, batch| {
        // Behind the key and the version's time.
        let values: Vec<ArrayRef> = batch.columns().iter().skip(2).cloned().collect();
        let rows = match &mut converter {
            _ if values.is_empty() => None,
            Some(converter) => Some(converter.convert_columns(&values).map_err(failed)?),
            none => {
                let fields = values.iter().map(|v| SortField::new(v.data_type().clone()));
                let new = RowConverter::new(fields.collect()).map_err(failed)?;
                Some(none.insert(new).convert_columns(&values).map_err(failed)?)
            }
        };
        for (i, key) in keys.iter().enumerate() {
            let key = key.unwrap_or_default();
            let mut hash = Xxh3::new();
            hash.update(&(key.len() as u64).to_le_bytes());
            hash.update(key);
            if let Some(rows) = &rows {
                hash.update(rows.row(i).as_ref());
            }
            see(key, hash.digest());
        }
        Ok(())
    })
    .await
}

/// The fingerprints of the parts into which `cuts` divide a range: a key belongs to the part that
/// begins at or below it.
pub(crate) async fn sums(
    contents: &Contents,
    place: &Place,
    columns: &[ColumnLayout],
    cuts: &[Bytes],
) -> Result<Vec<Sum>> {
    let mut all = vec![Sum::default(); cuts.len() + 1];
    hashes(contents, place, columns, |key, hash| {
        let part = cuts.partition_point(|cut| cut.as_ref() <= key);
        if let Some(sum) = all.get_mut(part) {
            sum.add(hash);
        }
    })
    .await?;
    Ok(all)
}

/// The rows of a range with their hashes; `limit` of them at most.
pub(crate) async fn rows(
    contents: &Contents,
    place: &Place,
    columns: &[ColumnLayout],
    limit: usize,
) -> Result<BTreeMap<Bytes, u64>> {
    let mut all = BTreeMap::new();
    hashes(contents, place, columns, |key, hash| {
        if all.len() < limit {
            all.insert(Bytes::copy_from_slice(key), hash);
        }
    })
    .await?;
    Ok(all)
}
