//! The rows of one key range in memory, by key, each with a hash of all that makes a version: key,
//! commit timestamp, and the row as it is stored. Unlike [`super::sums`] this is about versions: what
//! goes into a base.

use super::{Contents, Place, Sum, visit};
use arrow::array::{Array, AsArray, BinaryArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use base::{Error, Result, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use xxhash_rust::xxh3::Xxh3;

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: Bytes,
    pub ts: Timestamp,
    pub hash: u64,
    /// Which batch, and which row of it.
    pub at: (usize, usize),
}

/// The rows of a range.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub batches: Vec<RecordBatch>,
    /// By ascending key.
    pub rows: Vec<Entry>,
}

impl Loaded {
    /// The fingerprint of all of it.
    pub fn sum(&self) -> Sum {
        self.sums(&[])[0]
    }

    /// The fingerprints of the parts into which keys cut it.
    pub fn sums(&self, cuts: &[Bytes]) -> Vec<Sum> {
        let mut all = vec![Sum::default(); cuts.len() + 1];
        let mut part = 0;
        for row in &self.rows {
            while cuts.get(part).is_some_and(|cut| *cut <= row.key) {
                part += 1;
            }
            all[part].add(row.hash);
        }
        all
    }

    /// Keys that cut it into parts of so many rows.
    pub fn cuts(&self, rows: usize) -> Vec<Bytes> {
        self.rows.iter().step_by(rows.max(1)).skip(1).map(|row| row.key.clone()).collect()
    }

    /// The rows in a half-open range.
    pub fn within(&self, start: &[u8], end: &[u8]) -> &[Entry] {
        let from = self.rows.partition_point(|row| *row.key < *start);
        let to = self.rows.partition_point(|row| *row.key < *end);
        self.rows.get(from..to).unwrap_or_default()
    }

    /// The row of a key.
    pub fn find(&self, key: &[u8]) -> Option<&Entry> {
        let at = self.rows.binary_search_by(|row| (*row.key).cmp(key)).ok()?;
        self.rows.get(at)
    }
}

/// Reads a range into memory.
pub(crate) async fn load(
    contents: &Contents,
    place: &Place,
    columns: &[ColumnLayout],
) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    visit(contents, place, columns, |keys, batch| {
        let number = loaded.batches.len();
        versions(keys, batch, columns, |at, ts, hash, _| {
            let key = Bytes::copy_from_slice(keys.value(at));
            loaded.rows.push(Entry { key, ts, hash, at: (number, at) });
        })?;
        loaded.batches.push(batch.clone());
        Ok(())
    })
    .await?;
    loaded.rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(loaded)
}

/// Calls `see` for every row of a batch: its place, timestamp, hash, and bytes as stored.
pub(crate) fn versions(
    keys: &BinaryArray,
    batch: &RecordBatch,
    columns: &[ColumnLayout],
    mut see: impl FnMut(usize, Timestamp, u64, Bytes),
) -> Result<()> {
    let stamps = batch.columns().get(1).and_then(|c| c.as_primitive_opt::<UInt64Type>());
    let stamps = stamps.ok_or_else(|| Error::internal("a scan with keys has no timestamps"))?;
    for at in 0..keys.len() {
        let row = state::stored_row(columns, batch, at)?;
        let (key, ts) = (keys.value(at), stamps.value(at));
        let mut hash = Xxh3::new();
        hash.update(&(key.len() as u64).to_le_bytes());
        hash.update(key);
        hash.update(&ts.to_le_bytes());
        hash.update(&row);
        see(at, Timestamp(ts), hash.digest(), row);
    }
    Ok(())
}
