//! Writing chunk files: sorted rows in, files of about the wanted size out.

use crate::Settings;
use crate::columns::{DELETED_COLUMN, KEY_COLUMN, TS_COLUMN};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use base::{Error, Result};
use bytes::Bytes;
use env::{Disk, DiskFile};
use format::ChunkMeta;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives places to the files of one spill, merge, base or branch. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Namer {
    dir: Arc<Path>,
    seq: u64,
    count: Arc<AtomicU64>,
}

impl Namer {
    pub(crate) fn new(dir: &Path, seq: u64) -> Namer {
        Namer { dir: dir.into(), seq, count: Arc::default() }
    }

    /// How many names it has given.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn next(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        format!("chunk-{}-{number}.parquet", self.seq)
    }
}

/// Writes a stretch of sorted rows into as many chunks as it takes. Files are cut between keys, so
/// that their ranges do not overlap.
pub(crate) struct ChunkWriter {
    disk: Arc<dyn Disk>,
    settings: Settings,
    namer: Namer,
    schema: SchemaRef,
    current: Option<Current>,
    done: Vec<ChunkMeta>,
}

struct Current {
    file: String,
    writer: ArrowWriter<FileSink>,
    min_key: Bytes,
    max_key: Bytes,
    rows: u64,
    mixed: bool,
    /// Large enough: ends at the next key.
    full: bool,
}

impl ChunkWriter {
    pub(crate) fn new(
        disk: &Arc<dyn Disk>,
        settings: &Settings,
        namer: &Namer,
        schema: SchemaRef,
    ) -> ChunkWriter {
        ChunkWriter {
            disk: disk.clone(),
            settings: settings.clone(),
            namer: namer.clone(),
            schema,
            current: None,
            done: Vec::new(),
        }
    }

    /// Appends rows; their keys are above all before, or the last one's with an older version.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let step = self.settings.row_group_rows.max(1);
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = step.min(batch.num_rows() - from);
            self.write_slice(batch.slice(from, rows))?;
            from += rows;
        }
        Ok(())
    }

    fn write_slice(&mut self, mut batch: RecordBatch) -> Result<()> {
        if let Some(current) = self.current.as_mut().filter(|c| c.full) {
            let keys = batch.column(0).as_binary::<i32>();
            let rest = (0..keys.len()).take_while(|i| *keys.value(*i) == *current.max_key).count();
            if rest > 0 {
                current.add(&batch.slice(0, rest))?;
                batch = batch.slice(rest, batch.num_rows() - rest);
            }
            if batch.num_rows() == 0 {
                return Ok(());
            }
            self.cut()?;
        }
        if self.current.is_none() {
            self.current = Some(self.begin(&batch)?);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        current.add(&batch)?;
        let size = current.writer.bytes_written() + current.writer.in_progress_size();
        current.full = size >= self.settings.chunk_bytes;
        Ok(())
    }

    /// Begins a file whose rows are about as wide as these, which will be its first.
    fn begin(&mut self, first: &RecordBatch) -> Result<Current> {
        let min_key = Bytes::copy_from_slice(first.column(0).as_binary::<i32>().value(0));
        let file = self.namer.next();
        let path = self.namer.dir.join(format!("{file}.tmp"));
        let out = self
            .disk
            .create(&path)
            .map_err(|e| Error::io(format!("creating {}", path.display()), &e))?;
        let properties = properties(&self.settings, page_rows(&self.settings, first));
        let writer =
            ArrowWriter::try_new(FileSink::new(out), self.schema.clone(), Some(properties))
                .map_err(|e| failed(&file, e))?;
        Ok(Current {
            file,
            writer,
            max_key: min_key.clone(),
            min_key,
            rows: 0,
            mixed: false,
            full: false,
        })
    }

    /// Ends the current file: it is complete and durable under its name afterwards, except for the
    /// sync of the folder, which the manifest's writer does once for all.
    fn cut(&mut self) -> Result<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let file = current.file;
        let sink = current.writer.into_inner().map_err(|e| failed(&file, e))?;
        let io = |e| Error::io(format!("writing chunk {file}"), &e);
        let (bytes, crc32c) = sink.finish().map_err(io)?;
        let dir = &self.namer.dir;
        self.disk.rename(&dir.join(format!("{file}.tmp")), &dir.join(&file)).map_err(io)?;
        self.done.push(ChunkMeta {
            file,
            min_key: current.min_key,
            max_key: current.max_key,
            rows: current.rows,
            bytes,
            crc32c,
            mixed: current.mixed,
        });
        Ok(())
    }

    /// Ends the run and tells what was written.
    pub(crate) fn finish(mut self) -> Result<Vec<ChunkMeta>> {
        self.cut()?;
        Ok(self.done)
    }
}

impl Current {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = batch.column(0).as_binary::<i32>();
        let deleted = batch.column_by_name(DELETED_COLUMN).and_then(|c| c.as_boolean_opt());
        self.mixed |= deleted.is_some_and(|d| d.true_count() > 0)
            || (self.rows > 0 && keys.value(0) == &*self.max_key)
            || (1..keys.len()).any(|i| keys.value(i) == keys.value(i - 1));
        self.writer.write(batch).map_err(|e| failed(&self.file, e))?;
        self.max_key = Bytes::copy_from_slice(keys.value(keys.len() - 1));
        self.rows += batch.num_rows() as u64;
        Ok(())
    }
}

fn failed(file: &str, e: parquet::errors::ParquetError) -> Error {
    use parquet::errors::ParquetError;
    if let ParquetError::External(inner) = &e
        && let Some(io) = inner.downcast_ref::<io::Error>()
    {
        return Error::io(format!("writing chunk {file}"), io);
    }
    Error::internal(format!("writing chunk {file}: {e}"))
}

/// How many rows of this width make a page: a point read decodes a page of every column.
fn page_rows(settings: &Settings, batch: &RecordBatch) -> usize {
    let sizes = batch.columns().iter().map(|c| c.to_data().get_slice_memory_size());
    // A column whose size cannot be told is as narrow as can be.
    let bytes: usize = sizes.map(|size| size.unwrap_or_default()).sum();
    let wide = settings.page_bytes.saturating_mul(batch.num_rows()) / bytes.max(1);
    wide.clamp(PAGE_ROWS_MIN.min(settings.page_rows), settings.page_rows.max(1))
}

/// With fewer rows in a page its place in the index would be a good part of it.
const PAGE_ROWS_MIN: usize = 16;

fn properties(settings: &Settings, page_rows: usize) -> WriterProperties {
    let column = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    WriterProperties::builder()
        .set_created_by(concat!("antipode ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::LZ4_RAW)
        // Dictionary pages make reads of single rows many times slower.
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(settings.row_group_rows.max(1)))
        .set_max_row_group_bytes(Some(settings.row_group_bytes.max(1)))
        .set_data_page_row_count_limit(page_rows)
        // Only between two batches of these is a page ended.
        .set_write_batch_size(page_rows.min(1024))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(column(KEY_COLUMN), EnabledStatistics::Page)
        .set_column_statistics_enabled(column(TS_COLUMN), EnabledStatistics::Page)
        // Row groups and pages are found by their exact first and last keys.
        .set_statistics_truncate_length(None)
        .set_column_index_truncate_length(None)
        .build()
}

/// Buffers writes into a file and keeps its checksum.
struct FileSink {
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    offset: u64,
    crc: u32,
}

const BUFFER: usize = 256 << 10;

impl FileSink {
    fn new(file: Arc<dyn DiskFile>) -> FileSink {
        FileSink { file, buffer: Vec::with_capacity(BUFFER), offset: 0, crc: 0 }
    }

    fn drain(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.offset)?;
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer);
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file durable; gives its length and checksum.
    fn finish(mut self) -> io::Result<(u64, u32)> {
        self.drain()?;
        self.file.sync()?;
        Ok((self.offset, self.crc))
    }
}

impl Write for FileSink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= BUFFER {
            self.drain()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
