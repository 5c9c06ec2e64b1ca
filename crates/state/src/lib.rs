//! A partition's rows: chunks on disk, the newer versions in memory, reads at a timestamp.
//!
//! ```text
//!   apply(ts, lsn, ops) ──► delta: key → versions, newest first            (memory)
//!   apply_blocks(…)           and blocks of new rows as they came
//!                             │ spill(at): versions ≤ at that may be asked for
//!                             ▼
//!   manifest-<seq> ──► run (t3, at]     chunk-<seq>-<n>.parquet …          (disk)
//!                      run (t2, t3]     sorted by _key, then newest first
//!                         │ merge: neighbouring runs into one, runs old enough into the base
//!                         ▼
//!                      base             one version per key, no deletions
//!
//!   get(key, ts)   delta, else run after run from the newest, else base:   ┐ decoded columns in
//!                  a page (64 KiB, at most 1,024 rows) at a time           │ the shared PageCache
//!   scan(spec)     row groups nothing newer touches pass as columns,       ┘
//!                  stretches of blocks in the delta as they stand
//! ```
//!
//! [`State::branch`] makes the beginning of another partition of this one, by giving its files a second
//! name each.
//!
//! # Steps of a restart
//! [`State::open`] reads the newest manifest; the caller replays the log from its `replay_from` with
//! [`State::apply`] and [`State::apply_blocks`], which leave out what the chunks hold already.
//!
//! # Invariants
//! * Blocks of one generation of the delta do not overlap, and hold neither deletions nor two versions
//!   of a key; what overlaps goes into the map row by row. A key may have versions in both.
//! * The layers of a key space (base, runs, delta) follow each other in time without overlap: a
//!   version in a newer layer is newer than all versions of its key in older ones.
//! * A read at a timestamp from the manifest's `horizon` on finds all it needs; older ones are
//!   refused. Versions go only in spills and merges, and only those that the horizon given to them
//!   allows. A merge changes nothing that a permitted read can see, at any timestamp.
//! * Chunks of one layer ascend by key and do not overlap; all versions of a key are in one of them.
//! * Files never change under their name, and each name is one folder's to remove. A manifest is written after everything it names is
//!   durable, and removed for sure before anything it names is removed.
//! * A reader keeps the layers and the generations of the delta it began with alive; spills and
//!   merges change neither.
//! * A key space has at most `runs_max` runs: a spill that finds so many merges first. A merge holds
//!   one row group of each layer it merges, never a whole run.
//! * A damaged file is an error that names it. Nothing is ever skipped.
//!
//! # Crash
//! At any point of a spill or merge the folder holds a complete newest manifest, the old or the new
//! one, and perhaps files no manifest names; [`State::open`] removes those, once all that was removed
//! before is so for sure.

mod branch;
mod build;
mod cache;
mod chunk;
mod columns;
mod delta;
mod files;
mod footer;
mod layer;
mod merge;
mod merging;
mod pin;
mod plan;
mod point;
mod project;
mod ranges;
mod rewrite;
mod rows;
mod scan;
mod settings;
mod shadow;
mod spill;
mod stats;
mod store;
mod sweep;
mod tiers;
mod versions;
mod view;
mod walk;
mod write;

pub use branch::BranchRequest;
pub use build::{BaseBuilder, TableBuilder, keyed_batch, stored_row};
pub use cache::{CacheStats, PageCache};
pub use columns::{KEY_COLUMN, TS_COLUMN, arrow_type, cell_at, column_name, schema, value_at};
pub use delta::Version;
pub use pin::BasePin;
pub use rows::rows_to_batch;
pub use scan::{Scan, ScanSpec};
pub use settings::Settings;
pub use spill::SpillRequest;
pub use stats::Stats;
pub use store::State;
