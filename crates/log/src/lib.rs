//! The node's physical log: one file stream that holds the logs of all its partitions.
//!
//! ```text
//!  append ─► pending bytes ─► writer: write_at ─► fdatasync ─► durable positions ─► waiters wake
//!    │           (memory)        one thread, everything pending in one go (group commit)
//!    └─► index: per partition log, lsn ─► (segment, offset, length)
//!
//!  segments   7 ▓▓▓▓▓▓   8 ▓▓▓▓▓▓   9 ▓▓▓▒····   10 ······     ▓ durable  ▒ pending  · zeros
//!             oldest                tail         spare         made ahead by a thread of its own
//! ```
//!
//! # Steps of an append
//! 1. The caller asks [`Log::admit`] for room: it waits for the queue, and for space made ahead, or
//!    learns that the disk is full. Whatever was admitted fits.
//! 2. [`Log::append`] (no I/O, no await) checks that positions are dense and epochs do not go back,
//!    gives each frame its place and puts its bytes into the pending write.
//! 3. The writer takes all that is pending (a large write ends at
//!    [`LogSettings::write_bytes`]), writes it at its place with one call, syncs once, moves
//!    the durable positions and wakes the waiters of [`Log::wait_durable`].
//!
//! # Invariants
//! * A write is confined to one segment, and begins only after the one before it was synced. Its
//!   first frame carries [`format::frame::STARTS_WRITE`]: finding that flag proves that all before
//!   it had been safe.
//! * A segment is left only behind an end mark, and the next one is written only after the end mark
//!   was synced.
//! * Segment numbers are dense; files go oldest first, each durably before the next.
//! * Every frame's checksum is seeded from its segment file's present life: recycled files never
//!   revive frames.
//! * For one position of a partition log, the frame that stands later in physical order wins; it
//!   has a higher epoch.
//!
//! # After a crash
//! [`Log::open`] reads all segments in order up to the first place that is no valid frame. If
//! behind it, in that segment or a later one, a frame is found that proves that this place had
//! been safe, the log is corrupt, and the error names file and offset. Otherwise it is the end of
//! the last write, which nobody was told to be durable: leftovers of that write are wiped, so that
//! they can not become valid again, and the log goes on from there. What was found is synced before
//! anybody reads it: after a mere kill it may be in memory only.
//!
//! A failed write or sync ends the log: the kernel may have dropped the data, so nothing can be
//! promised any more ([`LogSettings::on_fatal`] stops the process).
//!
//! # What it does not do
//! It does not know what records mean, keeps no copy of them in memory, and does not decide what
//! may be trimmed.

mod handle;
mod index;
mod read;
mod recover;
mod scan;
mod segment;
mod settings;
mod shared;
mod spares;
mod tail;
mod writer;

pub use handle::{Admission, Log, LogSize};
pub use settings::{LogSettings, OnFatal};
