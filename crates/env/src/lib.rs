//! The outside world as traits, each with a real and a simulated twin: clock, randomness, disk
//! and tasks. Every other room gets an [`Env`] as the first argument of its constructors and
//! touches time, chance, files and threads only through it (clippy's `disallowed_methods` says so).
//!
//! ```text
//!            Env { clock, rng, disk, tasks }
//!   real ────┤                                real::env()  one per process
//!   sim  ────┘                                sim::World   one per simulated node, one seed for all
//! ```
//!
//! The network has no trait here: what crosses clusters is the `dr` room's `Peer` trait, which has a
//! gRPC twin and an in-memory twin of its own.
//!
//! # What a disk promises
//! * [`DiskFile::write_at`] reaches the disk for sure only after [`DiskFile::sync`]; a crash before
//!   that may keep all, some or none of it, page by page.
//! * A created, linked, renamed or removed name is safe only after [`Disk::sync_dir`] of its folder.
//! * A failed sync must stop the process: the kernel may have dropped the data.

mod disk;
pub mod real;
pub mod sim;
mod tasks;
mod world;

pub use disk::{Disk, DiskFile, DiskLock};
pub use tasks::{TaskHandle, Tasks};
pub use world::{Clock, Env, Rng};
