//! Everything that is persisted or sent between nodes, as bytes: one file per family, each with
//! its version and a fixture that pins the bytes of version 1.
//!
//! ```text
//!   key       storage id │ memcomparable primary key        order of bytes = order of SQL
//!   index     index columns │ the rest of the row's key      entries of secondary indexes
//!   row       column id, tag, payload …                     values without names
//!   block     many new rows in one piece, as a record holds them: from bulk load to log and delta
//!   record    what a log frame's payload says               Txn Stage Prepare Decide Closed …
//!   frame     lsn, epoch, kind, payload                     on disk and on links
//!   catalog   a table descriptor as a row of StorageId 1
//!   access    owners, grants, roles as rows there
//!   sequence  a sequence's descriptor there, and where it stands as a row of StorageId 2
//!   decision  what was decided about a diverged transaction, as a row of StorageId 3
//!   manifest  which chunk files hold a partition at a time
//!   vault     what a rewind took out
//! ```
//!
//! # Rules
//! * A decoder never panics and never allocates more than its input justifies, whatever the
//!   bytes; what it does not understand is [`base::Error::corrupt`].
//! * Hot families (key, row, record, frame) are written by hand with varints and begin with a
//!   version byte where they are not keys. Slow ones (catalog, manifest, vault) are protocol
//!   buffers, which may gain fields, inside an [`envelope`] of magic, version and checksum.
//! * Keys, row bytes and the shard function are for ever: data on disk and on other clusters is
//!   placed by them. A change needs a new version next to the old one, and a fixture of both.

pub mod access;
pub mod block;
pub mod catalog;
pub mod codec;
pub mod decision;
pub mod envelope;
pub mod frame;
pub mod index;
pub mod key;
mod layout;
pub mod manifest;
mod op;
pub mod record;
pub mod row;
pub mod sequence;
pub mod stage;
pub mod vault;

pub use block::Block;
pub use frame::Frame;
pub use layout::ColumnLayout;
pub use manifest::{ChunkMeta, Manifest, Run, TableChunks};
pub use op::Op;
pub use record::Record;
pub use vault::{DivergedPart, DivergedRow};
