//! Replication between clusters: links, promotion at one cut, coming back by difference, and the
//! vault of what only one side had.
//!
//! ```text
//!   target cluster                                        source cluster
//!   Links ─ Link (task) ─ Core (pure)                     Replication
//!     │        ├─ pump p0 ◀──── frames, as stored ───────── stream p0 ◀─ log
//!     │        ├─ pump p1 ◀──── (Peer: gRPC or memory) ──── stream p1 ◀─ log
//!     │        └─ reporter ───── ack(durable, time) ──────▶ slot: what the log must keep
//!     └─ Vault ────────────────── save_diverged ──────────▶ Vault
//! ```
//!
//! # The protocol
//! 1. **Greeting.** The target logs in (SCRAM) and says what it has: line, promotion epoch. The
//!    source refuses what can not work, and closes itself for writes if the target knows a higher
//!    promotion epoch than its own. It makes a slot, so that its log stays.
//! 2. **Question per partition**: `(end, epoch history)`. The source finds the common point and
//!    answers [`Continue`](peer::Answer::Continue), [`RewindTo`](peer::Answer::RewindTo) or
//!    [`NeedBase`](peer::Answer::NeedBase).
//! 3. **Following.** Durable frames stream in, are appended and applied blind, and acknowledged once
//!    durable here. When the replicated time (minimum of the partitions' closed timestamps) has
//!    passed the moment of greeting, the target is a standby and readable.
//! 4. **Copy.** A base's chunks are fetched, checked, installed; then 2 again, from the base on.
//! 5. **Coming back.** The role `Rewinding` is durable first. What lies after the common point, or
//!    above the cut of the other side's promotion, is saved in the vault here *and* at the source;
//!    when both are durable it is taken out, then 2 again. Only the difference travels.
//! 6. **Promotion**: see [`Links::stop`] and [`Links::failover`]. **Planned handover**: see
//!    [`handover`].
//! 7. **Verification**: see [`Links::verify`].
//! 8. **Replicas**: the source declares who is to follow it, and calls them: see [`replicas`].
//!
//! # Invariants
//! * A target acknowledges only what is durable; a source keeps what no live slot has acknowledged.
//! * Nothing is taken out of a database before both vaults have it, once, durably.
//! * A target shows only consistent cuts: its role says so, and its replicated time.
//! * A message from a lower promotion epoch is refused by whoever knows better.
//!
//! # On a crash
//! Links are rows of the metadata: after a restart each begins again at 1. Frames received twice are
//! skipped; a half-copied base goes on with the next file; a rewind begins again and finds its parts
//! in the vaults already; a promotion has happened or has not, by one metadata record.
//!
//! # What it does not do (yet)
//! Comparing contents when the log is gone (it makes a full copy and says why), more than one target
//! in a chain.

mod auth;
mod diverged;
mod fingerprint;
pub mod grpc;
pub mod handover;
mod json;
mod link;
mod links;
pub mod memory;
pub mod peer;
pub mod replicas;
mod source;
mod vault;
mod vaults;

pub use handover::Switchover;
pub use link::{LinkStatus, PartitionLag};
pub use links::{
    Difference, Explained, ExplainedKind, Failover, FailoverRequest, Links, Loss, Promoted,
    ReplicateRequest, Verb, Verification, VerifiedTable,
};
pub use peer::Receipt;
pub use replicas::{AddReplica, OpenCycle, ReplicaStatus};
pub use source::{Replication, SlotStatus};
pub use vault::{DivergedTransaction, Vault};
