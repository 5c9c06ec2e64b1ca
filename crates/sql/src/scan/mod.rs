//! Tables as DataFusion sees them.
//!
//! ```text
//!   logical plan ─▶ Table::scan ─▶ ScanExec      which columns, which keys, which partitions
//!                                     │ execute: the snapshot comes with the task, not the plan
//!                                     ▼
//!                   ReadView::scan(partition, spec) ─▶ batches
//!                   an index bounds the rows better: its entries ─▶ ReadView::get ─▶ batches
//! ```
//!
//! A plan never holds a snapshot: [`Snapshot`] travels in the task's configuration, so one plan can
//! be executed at many snapshots.

mod bounds;
mod estimate;
mod exec;
mod fetch;
mod index;
mod table;

pub use bounds::Bounds;
pub use exec::Snapshot;
pub use fetch::fetch;
pub use index::IndexBounds;
pub use table::Table;
