//! Reading one chunk file.
//!
//! The first use of a chunk reads the whole file and compares its checksum with the manifest's; a
//! difference is an error that names the file, always. After that only the wanted columns of the
//! wanted row groups or pages are read, and kept decoded in the [`PageCache`], as is what the end of
//! the file tells of them.

use crate::cache::{Fill, PageCache, PageKey};
use crate::footer::{FOOT, KEY, Opened, Part, TS, metadata_len, tail};
use crate::ranges::Ranges;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::datatypes::UInt64Type;
use base::{Error, Result};
use env::{Disk, DiskFile};
use format::ChunkMeta;
use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelector};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// A chunk of some manifest.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) meta: ChunkMeta,
    path: PathBuf,
    id: u64,
    disk: Arc<dyn Disk>,
    cache: Arc<PageCache>,
    known: Mutex<Known>,
}

/// What a chunk knows of itself besides its place.
#[derive(Debug, Default)]
struct Known {
    /// Where in the file the indexes begin, once the file was found to be what the manifest says.
    tail: Option<u64>,
    /// The cache keeps it alive, and whoever uses it.
    opened: Weak<Opened>,
}

/// How much of a file is checked at a time.
const PIECE_BYTES: u64 = 1 << 20;

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
        Chunk { meta, path, id, disk, cache, known: Mutex::default() }
    }

    fn corrupt(&self, why: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("chunk {} is damaged: {why}", self.path.display())).hint(
            "the file changed after it was written; restore this partition from its standby \
             or from a backup",
        )
    }

    /// What is known of the chunk, read if it is not in memory. Checks the file if it is used for
    /// the first time.
    pub(crate) fn open(&self) -> Result<Arc<Opened>> {
        let mut known = self.known.lock();
        if let Some(opened) = known.opened.upgrade() {
            opened.used.store(true, Ordering::Relaxed);
            return Ok(opened);
        }
        let tail = match known.tail {
            Some(tail) => tail,
            None => self.check()?,
        };
        let file = self.disk.open(&self.path).map_err(|e| self.io(&e))?;
        let part = (tail, self.bytes(&*file, tail, self.meta.bytes)?.into());
        let end = Ranges { len: self.meta.bytes, parts: vec![part] };
        let opened = Arc::new(Opened::read(&end).map_err(|why| self.corrupt(why))?);
        *known = Known { tail: Some(tail), opened: Arc::downgrade(&opened) };
        self.cache.put_index(self.id, &opened);
        Ok(opened)
    }

    /// Compares the whole file with the manifest, a piece at a time; where its tail begins.
    fn check(&self) -> Result<u64> {
        let file = self.disk.open(&self.path).map_err(|e| self.io(&e))?;
        let (len, wanted) = (file.len().map_err(|e| self.io(&e))?, self.meta.bytes);
        if len != wanted {
            return Err(
                self.corrupt(format_args!("it has {len} bytes, the manifest says {wanted}"))
            );
        }
        let (mut crc, mut at) = (0, 0);
        while at < len {
            let end = len.min(at + PIECE_BYTES);
            crc = crc32c::crc32c_append(crc, &self.bytes(&*file, at, end)?);
            at = end;
        }
        if crc != self.meta.crc32c {
            return Err(self.corrupt("its checksum is not the one in the manifest"));
        }
        let foot = self.bytes(&*file, len.saturating_sub(FOOT as u64), len)?;
        let foot = foot.try_into().map_err(|_| self.corrupt("it is too short"))?;
        let metadata = metadata_len(foot).map_err(|why| self.corrupt(why))?;
        let start = len.checked_sub(metadata).ok_or_else(|| self.corrupt("it is too short"))?;
        tail(&self.bytes(&*file, start, len)?, len).map_err(|why| self.corrupt(why))
    }

    fn io(&self, e: &std::io::Error) -> Error {
        Error::io(format!("reading chunk {}", self.path.display()), e)
    }

    fn bytes(&self, file: &dyn DiskFile, from: u64, to: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (to - from) as usize];
        file.read_at(&mut bytes, from).map_err(|e| self.io(&e))?;
        Ok(bytes)
    }

    /// Some columns (positions in the file) of one part, from the cache or the disk.
    pub(crate) fn columns(
        &self,
        opened: &Opened,
        part: Part,
        positions: &[usize],
        fill: Fill,
    ) -> Result<Vec<ArrayRef>> {
        let mut found = self.cached(opened, part, positions);
        let mut absent: Vec<usize> = positions
            .iter()
            .zip(&found)
            .filter_map(|(p, array)| array.is_none().then_some(*p))
            .collect();
        self.cache.note(positions.len() - absent.len(), absent.len());
        if !absent.is_empty() {
            absent.sort_unstable();
            absent.dedup();
            let batch = self.read(opened, part, &absent)?;
            for (position, array) in absent.iter().zip(batch.columns()) {
                self.cache.put(self.key(part, *position), array, fill);
                for (slot, p) in found.iter_mut().zip(positions) {
                    if p == position {
                        *slot = Some(array.clone());
                    }
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn key(&self, part: Part, column: usize) -> PageKey {
        let page = part.page.map_or(PageKey::WHOLE, |p| p as u32);
        PageKey { chunk: self.id, group: part.group as u32, page, column: column as u32 }
    }

    /// What the cache has. A page is also found in its row group, which a scan may have left there:
    /// then it is there with all columns, most likely, and is asked for first.
    fn cached(&self, opened: &Opened, part: Part, positions: &[usize]) -> Vec<Option<ArrayRef>> {
        let rows = opened.rows(part);
        let own = |column: usize| self.cache.get(self.key(part, column));
        let whole = |column: usize| {
            let group = self.cache.get(self.key(Part::group(part.group), column))?;
            Some(group.slice(rows.start, rows.len()))
        };
        let mut in_group = false;
        let mut get = |column: usize| {
            if part.page.is_none() {
                return own(column);
            }
            let found = if in_group { whole(column) } else { own(column) };
            found.or_else(|| {
                in_group = !in_group;
                if in_group { whole(column) } else { own(column) }
            })
        };
        positions.iter().map(|p| get(*p)).collect()
    }

    /// Reads and decodes columns (ascending positions) of one part.
    fn read(&self, opened: &Opened, part: Part, positions: &[usize]) -> Result<RecordBatch> {
        let file = self.disk.open(&self.path).map_err(|e| self.io(&e))?;
        let mut ranges =
            Ranges { len: self.meta.bytes, parts: Vec::with_capacity(positions.len()) };
        for (start, len) in byte_ranges(opened, part, positions) {
            let bytes = self.bytes(&*file, start, start + len)?;
            ranges.parts.push((start, bytes.into()));
        }
        let rows = opened.rows(part);
        let mask =
            ProjectionMask::leaves(opened.metadata.parquet_schema(), positions.iter().copied());
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(ranges, opened.metadata.clone())
                .with_row_groups(vec![part.group])
                .with_projection(mask)
                .with_batch_size(rows.len().max(1));
        if part.page.is_some() {
            let skip = RowSelector::skip(rows.start);
            builder =
                builder.with_row_selection(vec![skip, RowSelector::select(rows.len())].into());
        }
        match builder.build().map_err(|e| self.corrupt(e))?.next() {
            Some(Ok(batch)) if batch.num_rows() == rows.len() => Ok(batch),
            Some(Err(e)) => Err(self.corrupt(e)),
            _ => Err(self.corrupt("a row group has not the rows it says")),
        }
    }

    /// The keys of one part.
    pub(crate) fn keys(&self, opened: &Opened, part: Part, fill: Fill) -> Result<BinaryArray> {
        let columns = self.columns(opened, part, &[KEY], fill)?;
        match columns.first().and_then(|c| c.as_binary_opt::<i32>()) {
            Some(keys) if keys.null_count() == 0 => Ok(keys.clone()),
            _ => Err(self.corrupt("its keys are not bytes")),
        }
    }

    /// The commit timestamps of one part.
    pub(crate) fn stamps(&self, opened: &Opened, part: Part, fill: Fill) -> Result<UInt64Array> {
        self.as_stamps(self.columns(opened, part, &[TS], fill)?.first())
    }

    pub(crate) fn as_stamps(&self, column: Option<&ArrayRef>) -> Result<UInt64Array> {
        let stamps = column.and_then(|c| c.as_primitive_opt::<UInt64Type>());
        stamps.cloned().ok_or_else(|| self.corrupt("its timestamps are not numbers"))
    }

    /// Which rows of one part are deletions; `None` if none is.
    pub(crate) fn deleted(
        &self,
        opened: &Opened,
        part: Part,
        fill: Fill,
    ) -> Result<Option<BooleanArray>> {
        let Some(position) = opened.deleted.filter(|_| self.meta.mixed) else { return Ok(None) };
        self.as_deleted(self.columns(opened, part, &[position], fill)?.first()).map(Some)
    }

    pub(crate) fn as_deleted(&self, column: Option<&ArrayRef>) -> Result<BooleanArray> {
        match column.and_then(|c| c.as_boolean_opt()) {
            Some(deleted) if deleted.null_count() == 0 => Ok(deleted.clone()),
            _ => Err(self.corrupt("it does not tell deletions apart")),
        }
    }
}

/// Where in the file the columns of a part are, with neighbours as one.
fn byte_ranges(opened: &Opened, part: Part, positions: &[usize]) -> Vec<(u64, u64)> {
    let rows = opened.rows(part);
    let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(positions.len());
    let mut add = |start: u64, len: u64| match ranges.last_mut() {
        Some((s, l)) if *s + *l == start => *l += len,
        _ => ranges.push((start, len)),
    };
    for position in positions {
        let pages = opened.locations(part.group, *position);
        if part.page.is_none() || pages.is_empty() {
            let meta = opened.metadata.metadata().row_group(part.group);
            let (start, len) = meta.column(*position).byte_range();
            add(start, len);
            continue;
        }
        let first = pages.partition_point(|p| p.first_row_index <= rows.start as i64) - 1;
        for page in pages[first..].iter().take_while(|p| p.first_row_index < rows.end as i64) {
            add(page.offset as u64, page.compressed_page_size as u64);
        }
    }
    ranges
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
