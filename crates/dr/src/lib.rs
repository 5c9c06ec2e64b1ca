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
//! 4. **Copy.** A base's chunks are fetched, checked, installed; then 2 again, from the base on. A new
//!    target gets them also if all of the log is there, but is longer.
//! 5. **Coming back.** The role `Rewinding` is durable first. What lies after the common point, or
//!    above the cut of the other side's promotion, is saved in the vault here *and* at the source;
//!    when both are durable it is taken out, then 2 again. Only the difference travels.
//!    Whoever follows another source takes the same way when it is attached to a new one, and a standby
//!    that has something above a cut it did not see, although its log leads on. The source's epoch is
//!    taken on when what is shown here is of its line, not before.
//! 6. **Coming back by content**, where the log is gone (`link::rebuild`). New partitions are made of
//!    what is here and of the rows that differ, as of one moment that the source pins; then 2 again.
//! 7. **Promotion**: see [`Links::stop`] and [`Links::failover`]. **Planned handover**: see
//!    [`handover`].
//!    Databases of a replication group do both together: see [`Links::group`].
//! 8. **Verification**: see [`Links::verify`]; in the background, a few ranges at a time.
//! 9. **Replicas**: the source declares who is to follow it, and calls them: see [`replicas`].
//! 10. **What a lost primary had**: see [`Links::open_diverged`].
//! 11. **Forgetting** who is gone: see [`Links::reset`].
//! 12. **A cluster that follows another one** with all that it has, or takes no links: see
//!     [`ClusterRole`].
//! 13. **Roles** of the source's cluster lie among the rows of its database, kept up to date by the source;
//!     a promotion takes over those that are missing: see
//!     [`Engine::adopt_roles`](txn::Engine::adopt_roles).
//! 14. **Tables that are not replicated** are left out of frames, bases, comparisons and what is told
//!     of diverged transactions; their key spaces say so ([`StorageId::is_local`](base::StorageId::is_local)).
//!     A record keeps its position, whatever is left of it.
//! 15. **Owners, grants and roles** are left out in the same way for a target that has its own. The source
//!     says so when it is greeted, by the target's replica; the target notes it before anything comes, and
//!     says it again with each subscription, which the source refuses if it is otherwise by now.
//!
//! # Invariants
//! * A target acknowledges only what is durable; a source keeps what no live slot has acknowledged.
//! * Nothing is taken out of a database before both vaults have it, once, durably; of tables that are
//!   not replicated, the own one; of what was received and is not known to have committed, the source's,
//!   which hears of it when its writer comes back. Once also where one cluster tells it by its log and
//!   another one by its contents: what the log tells stays.
//! * A target shows only consistent cuts: its role says so, and its replicated time.
//! * The databases of a group are promoted by one metadata record, at one cut; none without the others.
//!   One becomes a standby only when there is such a cut; what is ahead waits for what is behind.
//! * A message from a lower promotion epoch is refused by whoever knows better.
//! * A primary that restarts takes no writes before all targets that could have been promoted have shown
//!   that they know of no later promotion.
//!
//! # On a crash
//! Links are rows of the metadata: after a restart each begins again at 1. Frames received twice are
//! skipped; a half-copied base goes on with the next file; a rewind begins again and finds its parts
//! in the vaults already; a comparison of contents begins again, with the old partitions as they were;
//! new partitions have taken the old ones' place or have not, and a promotion has happened or has not,
//! by one metadata record.
//!
//! # What it does not do
//! Chains: a database that follows another one is nobody's source.

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
mod role;
mod source;
mod vault;
mod vaults;

pub use handover::Switchover;
pub use link::{LinkStatus, PartitionLag};
pub use links::{
    Difference, Explained, ExplainedKind, Failover, FailoverRequest, Forgotten, GroupRequest,
    Grouped, Links, Loss, OpenedDiverged, Partner, Promoted, ReplicateRequest, ResetRequest, Verb,
    Verification, VerifiedTable,
};
pub use peer::Receipt;
pub use replicas::{AddReplica, OpenCycle, ReplicaStatus};
pub use role::{ClusterRole, RoleStatus};
pub use source::{Producer, ProducerMode, ProducerPartition, Replication, SlotStatus};
pub use vault::{DivergedTransaction, Vault};
