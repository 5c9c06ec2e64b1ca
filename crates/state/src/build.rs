//! Making a base from rows that come in key order, in a folder of its own.

use crate::Settings;
use crate::columns::{cell_at, file_schema};
use crate::files::{sync, write_manifest};
use crate::rows::RowsBuilder;
use crate::write::{ChunkWriter, Namer};
use arrow::array::RecordBatch;
use base::{Error, Result, StorageId, Timestamp};
use bytes::Bytes;
use env::{Disk, Env};
use format::row::Writer;
use format::{ColumnLayout, Manifest, TableChunks};
use std::path::PathBuf;
use std::sync::Arc;

/// The number of a built base's files and of its manifest.
const SEQ: u64 = 1;

/// Builds the base of a partition. Nothing counts before [`BaseBuilder::finish`] has returned; what a
/// crash leaves is thrown away by the next [`BaseBuilder::begin`].
#[derive(Clone, Debug)]
pub struct BaseBuilder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    settings: Settings,
    namer: Namer,
}

/// Takes the rows of one key space.
pub struct TableBuilder {
    storage: StorageId,
    columns: Vec<ColumnLayout>,
    out: ChunkWriter,
}

impl BaseBuilder {
    /// Begins in a folder, which is emptied.
    pub fn begin(env: &Env, dir: PathBuf, settings: Settings) -> Result<BaseBuilder> {
        let io = |e| Error::io(format!("making {}", dir.display()), &e);
        env.disk.remove_dir(&dir).map_err(io)?;
        env.disk.create_dir(&dir).map_err(io)?;
        let namer = Namer::new(&dir, SEQ);
        Ok(BaseBuilder { disk: env.disk.clone(), dir, settings, namer })
    }

    /// Begins a key space; `columns` ascend by id.
    pub fn table(&self, storage: StorageId, columns: Vec<ColumnLayout>) -> TableBuilder {
        let schema = file_schema(&columns, false);
        let out = ChunkWriter::new(&self.disk, &self.settings, &self.namer, schema);
        TableBuilder { storage, columns, out }
    }

    /// Writes the manifest: the folder is a partition's then, durably. `header` tells all but the
    /// tables, each of which is given once.
    pub fn finish(self, header: Manifest, mut tables: Vec<TableChunks>) -> Result<()> {
        tables.retain(|t| t.files().next().is_some());
        tables.sort_by_key(|t| t.storage);
        sync(&self.dir, &self.disk)?;
        write_manifest(&self.dir, &self.disk, &Manifest { seq: SEQ, tables, ..header })
    }
}

impl TableBuilder {
    /// Appends rows, with keys and timestamps, whose keys are above all before.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.out.write(batch)
    }

    /// Ends the key space.
    pub fn finish(self) -> Result<TableChunks> {
        let chunks = self.out.finish()?;
        Ok(TableChunks { columns: self.columns, chunks, ..TableChunks::new(self.storage) })
    }
}

/// A batch as a scan with keys gives it, from stored rows.
pub fn keyed_batch<'a>(
    columns: &[ColumnLayout],
    rows: impl Iterator<Item = (&'a [u8], Timestamp, &'a [u8])>,
) -> Result<RecordBatch> {
    let mut builder = RowsBuilder::new(columns, true, rows.size_hint().0);
    for (key, ts, row) in rows {
        builder.push(key, ts, row)?;
    }
    builder.finish()
}

/// One row of a batch of a scan with keys, as it is stored; `columns` ascend by id.
pub fn stored_row(columns: &[ColumnLayout], batch: &RecordBatch, at: usize) -> Result<Bytes> {
    let mut row = Writer::with_capacity(16 + 12 * columns.len());
    for (column, array) in columns.iter().zip(batch.columns().iter().skip(2)) {
        row.push(column.id, cell_at(array, at)?);
    }
    Ok(row.finish())
}
