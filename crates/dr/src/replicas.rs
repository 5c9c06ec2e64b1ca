//! Replication as its source declares it: replicas of a database at remote servers.
//!
//! ```text
//!  source (has the replica)                                   target (remote server)
//!   START  1 ─────────────── invite: can you? ───────────────▶ its login's verifier, or why not
//!          2 metadata: RUNNING, and the target's login
//!          3 ─────────────── invite: follow ─────────────────▶ makes the database and its link
//!                                                              (or the former primary comes back)
//!   from then on a link like any other: the target pulls
//! ```
//!
//! What a replica is to do is in the metadata ([`meta::Wanted`]), and a task compares it with what
//! there is: while a running replica's target is not heard of it is invited again. That is also how a
//! former primary comes back after a [promotion](crate::Links::promote_replica) with data loss: that
//! and the replica's start are one record of the metadata.
//!
//! # Invariants
//! * A replica runs only while its database is the primary here; whoever becomes a target stops
//!   all of its replicas with the same record.
//! * Pausing and the limits of what is sent are the source's alone: the target stays connected, and
//!   is sent nothing, or so much.
//! * A target in cycles shows the consistent point of its last one; it receives all the time, and is
//!   promoted with everything it has.
//!
//! # On a crash
//! * before 2, on either side: nothing has happened but that a login exists;
//! * after 2: the task of a restarted source invites again, both steps, which change nothing twice;
//! * of the target in 3: the database and its link are one record.

pub(crate) mod core;
mod drive;
mod explain;
mod invite;
mod verbs;

pub(crate) use drive::Replicas;
pub use drive::{OpenCycle, ReplicaStatus};
pub use verbs::AddReplica;
