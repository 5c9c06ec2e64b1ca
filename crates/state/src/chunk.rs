//! Reading one chunk file.
//!
//! The first use of a chunk reads the whole file and compares its checksum with the manifest's; a
//! difference is an error that names the file, always. After that only the wanted columns of the
//! wanted row groups are read, and kept decoded in the [`PageCache`].

use crate::cache::{Fill, PageCache, PageKey};
use crate::columns::cell_at;
use crate::delta::Version;
use crate::footer::{KEY, Opened, TS};
use crate::ranges::Ranges;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::datatypes::UInt64Type;
use base::{Error, Lsn, Result, Timestamp};
use bytes::Bytes;
use env::Disk;
use format::{ChunkMeta, row};
use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::path::PathBuf;
use std::sync::Arc;

/// A chunk of some manifest.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) meta: ChunkMeta,
    path: PathBuf,
    id: u64,
    disk: Arc<dyn Disk>,
    cache: Arc<PageCache>,
    opened: Mutex<Option<Arc<Opened>>>,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.cache.forget(self.id);
    }
}

impl Chunk {
    pub(crate) fn new(
        meta: ChunkMeta,
        path: PathBuf,
        disk: Arc<dyn Disk>,
        cache: Arc<PageCache>,
    ) -> Chunk {
        let id = cache.new_chunk();
        Chunk { meta, path, id, disk, cache, opened: Mutex::new(None) }
    }

    fn corrupt(&self, why: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("chunk {} is damaged: {why}", self.path.display())).hint(
            "the file changed after it was written; restore this partition from its standby \
             or from a backup",
        )
    }

    /// Checks the file if it is used for the first time.
    pub(crate) fn open(&self) -> Result<Arc<Opened>> {
        let mut opened = self.opened.lock();
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let bytes = self
            .disk
            .read(&self.path)
            .map_err(|e| Error::io(format!("reading chunk {}", self.path.display()), &e))?;
        if bytes.len() as u64 != self.meta.bytes {
            return Err(self.corrupt(format_args!(
                "it has {} bytes, the manifest says {}",
                bytes.len(),
                self.meta.bytes
            )));
        }
        if crc32c::crc32c(&bytes) != self.meta.crc32c {
            return Err(self.corrupt("its checksum is not the one in the manifest"));
        }
        let new = Arc::new(Opened::read(bytes).map_err(|why| self.corrupt(why))?);
        *opened = Some(new.clone());
        Ok(new)
    }

    /// Some columns (positions in the file) of one row group, from the cache or the disk.
    pub(crate) fn columns(
        &self,
        opened: &Opened,
        group: usize,
        positions: &[usize],
        fill: Fill,
    ) -> Result<Vec<ArrayRef>> {
        let key =
            |column: usize| PageKey { chunk: self.id, group: group as u32, column: column as u32 };
        let mut found: Vec<Option<ArrayRef>> =
            positions.iter().map(|p| self.cache.get(key(*p))).collect();
        let mut absent: Vec<usize> = positions
            .iter()
            .zip(&found)
            .filter_map(|(p, array)| array.is_none().then_some(*p))
            .collect();
        if !absent.is_empty() {
            absent.sort_unstable();
            absent.dedup();
            let batch = self.read(opened, group, &absent)?;
            for (position, array) in absent.iter().zip(batch.columns()) {
                self.cache.put(key(*position), array, fill);
                for (slot, p) in found.iter_mut().zip(positions) {
                    if p == position {
                        *slot = Some(array.clone());
                    }
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Reads and decodes columns (ascending positions) of one row group.
    fn read(&self, opened: &Opened, group: usize, positions: &[usize]) -> Result<RecordBatch> {
        let io = |e| Error::io(format!("reading chunk {}", self.path.display()), &e);
        let file = self.disk.open(&self.path).map_err(io)?;
        let meta = opened.metadata.metadata().row_group(group);
        let mut parts: Vec<(u64, u64)> = Vec::with_capacity(positions.len());
        for position in positions {
            let (start, len) = meta.column(*position).byte_range();
            match parts.last_mut() {
                Some((s, l)) if *s + *l == start => *l += len,
                _ => parts.push((start, len)),
            }
        }
        let mut ranges = Ranges { len: self.meta.bytes, parts: Vec::with_capacity(parts.len()) };
        for (start, len) in parts {
            let mut bytes = vec![0; len as usize];
            file.read_at(&mut bytes, start).map_err(io)?;
            ranges.parts.push((start, bytes.into()));
        }
        let rows = opened.groups[group].rows;
        let mask =
            ProjectionMask::leaves(opened.metadata.parquet_schema(), positions.iter().copied());
        let mut reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(ranges, opened.metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(mask)
                .with_batch_size(rows.max(1))
                .build()
                .map_err(|e| self.corrupt(e))?;
        match reader.next() {
            Some(Ok(batch)) if batch.num_rows() == rows => Ok(batch),
            Some(Err(e)) => Err(self.corrupt(e)),
            _ => Err(self.corrupt("a row group has not the rows it says")),
        }
    }

    /// The keys of one row group.
    pub(crate) fn keys(&self, opened: &Opened, group: usize, fill: Fill) -> Result<BinaryArray> {
        let columns = self.columns(opened, group, &[KEY], fill)?;
        match columns.first().and_then(|c| c.as_binary_opt::<i32>()) {
            Some(keys) if keys.null_count() == 0 => Ok(keys.clone()),
            _ => Err(self.corrupt("its keys are not bytes")),
        }
    }

    /// The commit timestamps of one row group.
    pub(crate) fn stamps(&self, opened: &Opened, group: usize, fill: Fill) -> Result<UInt64Array> {
        let columns = self.columns(opened, group, &[TS], fill)?;
        let stamps = columns.first().and_then(|c| c.as_primitive_opt::<UInt64Type>());
        stamps.cloned().ok_or_else(|| self.corrupt("its timestamps are not numbers"))
    }

    /// Which rows of one row group are deletions; `None` if none is.
    pub(crate) fn deleted(
        &self,
        opened: &Opened,
        group: usize,
        fill: Fill,
    ) -> Result<Option<BooleanArray>> {
        let Some(position) = opened.deleted.filter(|_| self.meta.mixed) else { return Ok(None) };
        let columns = self.columns(opened, group, &[position], fill)?;
        match columns.first().and_then(|c| c.as_boolean_opt()) {
            Some(deleted) if deleted.null_count() == 0 => Ok(Some(deleted.clone())),
            _ => Err(self.corrupt("it does not tell deletions apart")),
        }
    }

    /// The newest version of a key at or below `ts`, if the chunk has one.
    pub(crate) fn get(&self, key: &[u8], ts: Timestamp) -> Result<Option<Version>> {
        let opened = self.open()?;
        let mut group = opened.first_group(key);
        while let Some(g) = opened.groups.get(group).filter(|g| *g.first <= *key) {
            if g.oldest <= ts {
                let keys = self.keys(&opened, group, Fill::Evict)?;
                let first = lower_bound(&keys, key);
                let count = (first..keys.len()).take_while(|i| keys.value(*i) == key).count();
                if count > 0 {
                    let stamps = self.stamps(&opened, group, Fill::Evict)?;
                    let mut versions = first..first + count;
                    if let Some(at) = versions.find(|i| stamps.value(*i) <= ts.0) {
                        let ts = Timestamp(stamps.value(at));
                        let row = self.row(&opened, group, at)?;
                        return Ok(Some(Version { ts, lsn: Lsn::ZERO, row }));
                    }
                }
                if first + count < keys.len() {
                    return Ok(None);
                }
            }
            group += 1;
        }
        Ok(None)
    }

    /// The row in one place; `None` if it is a deletion.
    fn row(&self, opened: &Opened, group: usize, at: usize) -> Result<Option<Bytes>> {
        if self.deleted(opened, group, Fill::Evict)?.is_some_and(|d| d.value(at)) {
            return Ok(None);
        }
        let positions: Vec<usize> = opened.columns.iter().map(|c| c.1).collect();
        let values = self.columns(opened, group, &positions, Fill::Evict)?;
        let mut row = row::Writer::with_capacity(16 + 12 * values.len());
        for ((id, _), array) in opened.columns.iter().zip(&values) {
            row.push(*id, cell_at(array, at)?);
        }
        Ok(Some(row.finish()))
    }
}

/// The first position whose key is not below `key`.
pub(crate) fn lower_bound(keys: &BinaryArray, key: &[u8]) -> usize {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let mid = low + (high - low) / 2;
        if keys.value(mid) < key {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    low
}
