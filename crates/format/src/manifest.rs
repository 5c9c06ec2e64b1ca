//! A manifest: the immutable list of the chunk files that hold all rows of a partition up to one
//! timestamp, and where in the log to go on from there.
//!
//! ```text
//!   key space   base  [chunk][chunk] [chunk]      one version per key, no deletions
//!               run   (lo, hi]  [chunk]  [chunk]  all versions committed in between
//!               run   (hi, …]      [chunk]
//! ```
//!
//! Version 1 had neither runs nor a horizon: what it named was all base, and nothing older than its
//! timestamp could be read.

use crate::envelope;
use crate::layout::{ColumnLayout, LayoutProto};
use base::{Epoch, EpochHistory, Error, Lsn, Result, StorageId, Timestamp};
use bytes::Bytes;
use prost::Message;

const MAGIC: [u8; 4] = *b"APMF";
const VERSION: u8 = 2;

/// What a partition's chunks hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Goes up by one with every manifest of this copy of the partition; 0 for the empty one.
    pub seq: u64,
    /// All versions with a commit timestamp at or below this are in the chunks, none above it.
    pub ts: Timestamp,
    /// Reads at this timestamp and later are right: older versions than it needs may be gone.
    pub horizon: Timestamp,
    /// Replay the log from here.
    pub replay_from: Lsn,
    /// Who wrote the log up to there.
    pub history: EpochHistory,
    /// At which cuts these epochs began, as far as known: by ascending epoch. The log that says the
    /// same may be gone.
    pub cuts: Vec<(Epoch, Timestamp)>,
    /// By ascending storage id; key spaces without a row are absent.
    pub tables: Vec<TableChunks>,
}

/// One key space's chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct TableChunks {
    /// Which key space.
    pub storage: StorageId,
    /// The columns as of the newest chunk. Older chunks may have other columns.
    pub columns: Vec<ColumnLayout>,
    /// The base: ascending by key; their ranges do not overlap. One version of each key, the newest
    /// below the first run.
    pub chunks: Vec<ChunkMeta>,
    /// What was committed after the base: ascending in time.
    pub runs: Vec<Run>,
}

/// All versions of a key space that were committed in a stretch of time, and that anybody may
/// still ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Above this.
    pub lo: Timestamp,
    /// Up to this.
    pub hi: Timestamp,
    /// Ascending by key; their ranges do not overlap. Within a file the versions of a key descend
    /// in time, and some may be deletions.
    pub chunks: Vec<ChunkMeta>,
}

/// One immutable chunk file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// File name in the partition's folder.
    pub file: String,
    /// Its smallest key.
    pub min_key: Bytes,
    /// Its largest key.
    pub max_key: Bytes,
    /// Rows in it.
    pub rows: u64,
    /// The file's length.
    pub bytes: u64,
    /// Checksum of the whole file.
    pub crc32c: u32,
    /// True if it may hold deletions or several versions of a key; never in a base.
    pub mixed: bool,
}

impl TableChunks {
    /// A key space without files.
    pub fn new(storage: StorageId) -> TableChunks {
        TableChunks { storage, columns: Vec::new(), chunks: Vec::new(), runs: Vec::new() }
    }

    /// All its files.
    pub fn files(&self) -> impl Iterator<Item = &ChunkMeta> {
        self.chunks.iter().chain(self.runs.iter().flat_map(|r| &r.chunks))
    }
}

impl Run {
    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|c| c.bytes).sum()
    }
}

impl Manifest {
    /// The manifest of a partition that has none yet: nothing, replay everything.
    pub fn empty() -> Manifest {
        Manifest { replay_from: Lsn(1), ..Manifest::default() }
    }

    /// The chunks of a key space.
    pub fn table(&self, storage: StorageId) -> Option<&TableChunks> {
        let i = self.tables.binary_search_by_key(&storage, |t| t.storage).ok()?;
        self.tables.get(i)
    }

    /// All chunks of all key spaces, in bases and runs.
    pub fn chunks(&self) -> impl Iterator<Item = &ChunkMeta> {
        self.tables.iter().flat_map(TableChunks::files)
    }

    /// Its bytes, with magic, version and checksum.
    pub fn encode(&self) -> Bytes {
        envelope::seal(MAGIC, VERSION, &ManifestProto::from(self).encode_to_vec())
    }

    /// A manifest from its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Manifest> {
        let (version, payload) = envelope::open(MAGIC, VERSION, "manifest", bytes)?;
        let mut proto = ManifestProto::decode(payload)
            .map_err(|e| Error::corrupt(format!("corrupt manifest: {e}")))?;
        if version == 1 {
            proto.horizon = proto.ts;
        }
        proto.into_manifest()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ManifestProto {
    #[prost(uint64, tag = "1")]
    seq: u64,
    #[prost(uint64, tag = "2")]
    ts: u64,
    #[prost(uint64, tag = "3")]
    replay_from: u64,
    #[prost(message, repeated, tag = "4")]
    history: Vec<EpochProto>,
    #[prost(message, repeated, tag = "5")]
    tables: Vec<TableProto>,
    #[prost(uint64, tag = "6")]
    horizon: u64,
    #[prost(message, repeated, tag = "7")]
    cuts: Vec<CutProto>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CutProto {
    #[prost(fixed64, tag = "1")]
    epoch: u64,
    #[prost(fixed64, tag = "2")]
    cut: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct EpochProto {
    #[prost(fixed64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    first: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TableProto {
    #[prost(uint32, tag = "1")]
    storage: u32,
    #[prost(message, repeated, tag = "2")]
    columns: Vec<LayoutProto>,
    #[prost(message, repeated, tag = "3")]
    chunks: Vec<ChunkProto>,
    #[prost(message, repeated, tag = "4")]
    runs: Vec<RunProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunProto {
    #[prost(uint64, tag = "1")]
    lo: u64,
    #[prost(uint64, tag = "2")]
    hi: u64,
    #[prost(message, repeated, tag = "3")]
    chunks: Vec<ChunkProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChunkProto {
    #[prost(string, tag = "1")]
    file: String,
    #[prost(bytes = "bytes", tag = "2")]
    min_key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    max_key: Bytes,
    #[prost(uint64, tag = "4")]
    rows: u64,
    #[prost(uint64, tag = "5")]
    bytes: u64,
    #[prost(fixed32, tag = "6")]
    crc32c: u32,
    #[prost(bool, tag = "7")]
    mixed: bool,
}

impl From<&Manifest> for ManifestProto {
    fn from(m: &Manifest) -> ManifestProto {
        let history = m.history.0.iter();
        ManifestProto {
            seq: m.seq,
            ts: m.ts.0,
            replay_from: m.replay_from.0,
            history: history
                .map(|(epoch, first)| EpochProto { epoch: epoch.to_u64(), first: first.0 })
                .collect(),
            tables: m.tables.iter().map(TableProto::from).collect(),
            horizon: m.horizon.0,
            cuts: m
                .cuts
                .iter()
                .map(|(e, cut)| CutProto { epoch: e.to_u64(), cut: cut.0 })
                .collect(),
        }
    }
}

impl From<&TableChunks> for TableProto {
    fn from(t: &TableChunks) -> TableProto {
        TableProto {
            storage: t.storage.0,
            columns: t.columns.iter().map(LayoutProto::from).collect(),
            chunks: t.chunks.iter().map(ChunkProto::from).collect(),
            runs: t.runs.iter().map(RunProto::from).collect(),
        }
    }
}

impl From<&Run> for RunProto {
    fn from(r: &Run) -> RunProto {
        let chunks = r.chunks.iter().map(ChunkProto::from).collect();
        RunProto { lo: r.lo.0, hi: r.hi.0, chunks }
    }
}

impl From<&ChunkMeta> for ChunkProto {
    fn from(c: &ChunkMeta) -> ChunkProto {
        ChunkProto {
            file: c.file.clone(),
            min_key: c.min_key.clone(),
            max_key: c.max_key.clone(),
            rows: c.rows,
            bytes: c.bytes,
            crc32c: c.crc32c,
            mixed: c.mixed,
        }
    }
}

impl ManifestProto {
    fn into_manifest(self) -> Result<Manifest> {
        let mut tables = Vec::with_capacity(self.tables.len());
        for t in self.tables {
            tables.push(t.into_table(Timestamp(self.ts))?);
        }
        if self.horizon > self.ts {
            return Err(Error::corrupt("corrupt manifest: its horizon is in its future"));
        }
        if !tables.is_sorted_by(|a, b| a.storage < b.storage) {
            return Err(Error::corrupt("corrupt manifest: its tables are out of order"));
        }
        let (history, cuts) = (self.history.iter(), self.cuts.iter());
        Ok(Manifest {
            seq: self.seq,
            ts: Timestamp(self.ts),
            horizon: Timestamp(self.horizon),
            replay_from: Lsn(self.replay_from),
            history: EpochHistory(
                history.map(|e| (Epoch::from_u64(e.epoch), Lsn(e.first))).collect(),
            ),
            cuts: cuts.map(|c| (Epoch::from_u64(c.epoch), Timestamp(c.cut))).collect(),
            tables,
        })
    }
}

impl TableProto {
    fn into_table(self, newest: Timestamp) -> Result<TableChunks> {
        let columns: Result<Vec<_>> = self.columns.into_iter().map(LayoutProto::decode).collect();
        let chunks = chunks(self.chunks)?;
        let runs = self.runs.into_iter().map(RunProto::into_run).collect::<Result<Vec<_>>>()?;
        let pure = chunks.iter().all(|c| !c.mixed);
        let in_time = runs.is_sorted_by(|a, b| a.hi <= b.lo)
            && runs.iter().all(|r| r.lo < r.hi && r.hi <= newest && !r.chunks.is_empty());
        if !pure || !in_time {
            return Err(Error::corrupt("corrupt manifest: its runs make no sense"));
        }
        Ok(TableChunks { storage: StorageId(self.storage), columns: columns?, chunks, runs })
    }
}

impl RunProto {
    fn into_run(self) -> Result<Run> {
        let chunks = chunks(self.chunks)?;
        Ok(Run { lo: Timestamp(self.lo), hi: Timestamp(self.hi), chunks })
    }
}

fn chunks(protos: Vec<ChunkProto>) -> Result<Vec<ChunkMeta>> {
    let chunks: Vec<ChunkMeta> = protos.into_iter().map(ChunkProto::into_chunk).collect();
    let ordered = chunks.iter().all(|c| c.min_key <= c.max_key)
        && chunks.is_sorted_by(|a, b| a.max_key < b.min_key);
    // A name with a path in it would let a manifest from elsewhere write outside its folder.
    let named = chunks.iter().all(|c| {
        !c.file.is_empty() && !c.file.starts_with('.') && !c.file.contains(['/', '\\', '\0'])
    });
    if !ordered || !named {
        return Err(Error::corrupt("corrupt manifest: its chunks make no sense"));
    }
    Ok(chunks)
}

impl ChunkProto {
    fn into_chunk(self) -> ChunkMeta {
        ChunkMeta {
            file: self.file,
            min_key: self.min_key,
            max_key: self.max_key,
            rows: self.rows,
            bytes: self.bytes,
            crc32c: self.crc32c,
            mixed: self.mixed,
        }
    }
}
