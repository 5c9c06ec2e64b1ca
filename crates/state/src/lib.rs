//! A partition's rows: chunks on disk, the newer versions in memory, reads at a timestamp.
//!
//! ```text
//!   apply(ts, lsn, ops) ──► delta: key → versions, newest first        (memory)
//!                             │ spill(at): versions ≤ at
//!                             ▼
//!   manifest-<seq> ──► chunk-<seq>-<n>.parquet …  sorted by _key       (disk)
//!
//!   get(key, ts)   delta, else chunk → row group → binary search       ┐ decoded columns in
//!   scan(spec)     row groups the delta does not touch pass as columns ┘ the shared PageCache
//! ```
//!
//! # Steps of a restart
//! [`State::open`] reads the newest manifest; the caller replays the log from its `replay_from` with
//! [`State::apply`], which leaves out what the chunks hold already.
//!
//! # Invariants
//! * A manifest's chunks hold, for every key, the newest version at or below its `ts`, and nothing
//!   above. Chunks of one key space ascend by key and do not overlap.
//! * Files never change under their name. A manifest is written after everything it names is
//!   durable, and removed for sure before anything it names is removed.
//! * A reader keeps the manifest and the generations of the delta it began with alive; a spill
//!   changes neither. It may read at any timestamp from the manifest's on (the caller sees to it
//!   that `spill.at` stays at or below every reader's timestamp; older reads are refused).
//! * A damaged file is an error that names it. Nothing is ever skipped.
//!
//! # Crash
//! At any point of a spill the folder holds a complete newest manifest, the old or the new one, and
//! perhaps files no manifest names; [`State::open`] removes those.

mod cache;
mod chunk;
mod columns;
mod delta;
mod files;
mod footer;
mod merge;
mod pin;
mod plan;
mod project;
mod ranges;
mod rows;
mod scan;
mod settings;
mod spill;
mod store;
mod view;
mod walk;
mod write;

pub use cache::PageCache;
pub use columns::{KEY_COLUMN, TS_COLUMN, arrow_type, cell_at, column_name, schema, value_at};
pub use delta::Version;
pub use pin::BasePin;
pub use rows::rows_to_batch;
pub use scan::{Scan, ScanSpec};
pub use settings::Settings;
pub use spill::SpillRequest;
pub use store::{State, Stats};
