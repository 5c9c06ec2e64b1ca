//! What the target of a link asks its source: the [`Peer`] trait, with a gRPC twin
//! ([`crate::grpc`]) and an in-memory twin ([`crate::memory`]). A peer is a logged-in session: it is
//! made by a [`Connect`], and of no use any more after its first failed call.

mod compare;
pub(crate) mod content;
mod invite;
mod verify;
#[doc(hidden)]
pub mod wire;

pub use compare::{CompareRequest, Compared, ComparedPartition};
pub use content::{Content, ContentRange, ContentRequest, ContentRow, ContentStep};
pub use invite::{Invitation, InvitationStep, Invited};
pub use verify::{Verified, VerifyRequest};

use async_trait::async_trait;
use base::{ClusterId, Epoch, EpochHistory, LineId, Lsn, Result, Timestamp};
use bytes::Bytes;
use format::Manifest;
use format::vault::DivergedPart;
use futures::stream::BoxStream;
use meta::scram::Verifier;
use meta::{DatabaseState, Source};
use std::fmt::Debug;
use std::sync::Arc;

/// The version of everything that travels on a link, frames included. 2: owners, grants and roles
/// among the rows of the catalog.
pub const FORMAT_VERSION: u32 = 2;
/// The oldest version that a target here reads: its source may be that old.
pub const OLDEST_FORMAT: u32 = 1;

/// What a target wants of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A first copy: the target has nothing of this line.
    Copy,
    /// Go on following.
    Follow,
    /// Come back: the target was a primary of the line itself.
    Differential,
}

/// The first question.
#[derive(Clone, Debug, PartialEq)]
pub struct HelloRequest {
    /// The source's database.
    pub database: String,
    /// The line of what the target has; `None` for a first copy.
    pub line: Option<LineId>,
    /// The target's cluster.
    pub cluster: ClusterId,
    /// Its name, for people.
    pub cluster_name: String,
    /// The slot's name, unique among the targets of the source's database.
    pub slot: String,
    /// The highest promotion epoch that the target knows of.
    pub promotion_epoch: Epoch,
    /// The version that the target needs its source to have at least.
    pub format_version: u32,
    /// What it wants.
    pub mode: Mode,
    /// Owners, grants and roles of what it has are not those of the line.
    pub own_rights: bool,
}

/// The source's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// The line of the source's database.
    pub line: LineId,
    /// How many partitions it has.
    pub partitions: u16,
    /// The source's cluster.
    pub cluster: ClusterId,
    /// The source's promotion epoch.
    pub promotion_epoch: Epoch,
    /// Its role; always primary at present.
    pub state: DatabaseState,
    /// The source's [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The source's present.
    pub now: Timestamp,
    /// The target gets no owners, grants and roles: those it has are its own.
    pub own_rights: bool,
}

/// Asks for the log of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeRequest {
    /// The source's database.
    pub database: String,
    /// Whose positions move with the acknowledgements.
    pub slot: String,
    /// Which partition.
    pub partition: u16,
    /// The last position the target has; [`Lsn::ZERO`] for nothing.
    pub end: Lsn,
    /// Who wrote it.
    pub history: EpochHistory,
    /// As in [`HelloRequest::promotion_epoch`].
    pub promotion_epoch: Epoch,
    /// As it was told by [`Hello::own_rights`].
    pub own_rights: bool,
}

/// How the target gets on.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The log follows, from `end + 1`.
    Continue {
        /// The lowest cut of epochs that began after `end`: a former primary's commits above it
        /// are void although the source's log has them too.
        cut: Option<Timestamp>,
    },
    /// The target went on alone: take out what is after `common` or above `cut`, then ask again.
    RewindTo {
        /// The last position both have.
        common: Lsn,
        /// Everything committed above it is void.
        cut: Timestamp,
    },
    /// The log does not reach back to `end`: copy this base, then ask again.
    NeedBase(Box<BaseOffer>),
}

/// A base that can be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseOffer {
    /// Names it in [`Fetch`].
    pub pin: u64,
    /// Its files.
    pub manifest: Manifest,
    /// Why the log is not enough.
    pub reason: String,
    /// What a rewind would have had to take out, if that is still known: it must be saved before
    /// the copy replaces it.
    pub diverged: Option<(Lsn, Timestamp)>,
    /// What the target has shares no common point with this.
    pub unrelated: bool,
}

/// Frames and the source's figures. Without frames it is a sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameBatch {
    /// As made by [`format::frame::encode_batch`]; empty for a sign of life.
    pub bytes: Bytes,
    /// The last durable position of the source's partition.
    pub source_end: Lsn,
    /// The source's present.
    pub source_now: Timestamp,
    /// The newest commit in the source's partition.
    pub last_commit: Timestamp,
    /// True if the source takes no writes: what is here is all there is.
    pub gated: bool,
    /// A client of the source waits until a standby has this: it wants an [`Ack`] at once.
    pub awaited: bool,
}

/// A granted subscription.
pub struct Subscription {
    /// How to go on.
    pub answer: Answer,
    /// The frames, after [`Answer::Continue`]; empty otherwise.
    pub frames: BoxStream<'static, Result<FrameBatch>>,
}

impl Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// A target's progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// The source's database.
    pub database: String,
    /// The slot.
    pub slot: String,
    /// Per partition, the last durable position.
    pub durable: Vec<Lsn>,
    /// The target's durable replicated time.
    pub replicated: Timestamp,
    /// As in [`HelloRequest::promotion_epoch`].
    pub promotion_epoch: Epoch,
    /// It could be promoted now, with everything up to [`Ack::replicated`].
    pub promotable: bool,
}

/// The source's answer to an [`Ack`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// An operator at the source wants this target to take over.
    pub handover_wanted: bool,
    /// The handover with this target that the source is bound by; 0 for none. A target that has
    /// no such one open says so ([`HandoverStep::Abort`]): it will never take over by it.
    pub handover_bound: u64,
    /// The replication group that the database is in; empty if it is in none.
    pub group: String,
    /// If the target is to move on in cycles: the consistent point of the last one that it has
    /// completed. [`Timestamp::ZERO`]: it may show all that it has.
    pub show: Timestamp,
}

/// A step of a planned handover, told by the target that takes over. See [`crate::handover`].
#[derive(Clone, Debug, PartialEq)]
pub struct HandoverRequest {
    /// The source's database.
    pub database: String,
    /// Which handover. A target's ids grow.
    pub id: u64,
    /// The target's cluster.
    pub cluster: ClusterId,
    /// Its name, for people.
    pub cluster_name: String,
    /// As in [`HelloRequest::promotion_epoch`].
    pub promotion_epoch: Epoch,
    /// What is to be done.
    pub step: HandoverStep,
}

/// The steps, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum HandoverStep {
    /// Take no more writes; running ones are given this time to end.
    Gate {
        /// In milliseconds.
        limit_ms: u64,
    },
    /// This target will never take over by this handover: take writes again.
    Abort {
        /// Why, for people.
        reason: String,
    },
    /// It has taken over: follow it.
    Done {
        /// Where it is, without user and password.
        address: (String, u16),
        /// Its database.
        database: String,
        /// What happened.
        receipt: Receipt,
    },
}

/// What a handover came to; the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which handover.
    pub id: u64,
    /// The cluster that was the primary.
    pub from: String,
    /// The cluster that is.
    pub to: String,
    /// The new epoch.
    pub epoch: Epoch,
    /// Everything up to here was handed over; nothing was committed above it.
    pub cut: Timestamp,
    /// Per partition, the last position that both sides have.
    pub positions: Vec<Lsn>,
    /// From the moment the gate was asked for to the first possible write, in milliseconds, by
    /// the clock of the new primary.
    pub without_writes_ms: u64,
}

/// The source's answer to a [`HandoverRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct HandoverAnswer {
    /// The source's cluster name.
    pub cluster_name: String,
    /// After [`HandoverStep::Gate`]: everything there is, and will be.
    pub positions: Positions,
    /// What checks the source's login at the target, later.
    pub verifier: Option<Verifier>,
}

/// How far a source's database is.
#[derive(Clone, Debug, PartialEq)]
pub struct Positions {
    /// True if it takes no writes: what it has is all there will be.
    pub gated: bool,
    /// Per partition, the last position and the newest commit.
    pub partitions: Vec<(Lsn, Timestamp)>,
}

/// Asks for a piece of a file of a base.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// From [`BaseOffer::pin`].
    pub pin: u64,
    /// The file.
    pub file: String,
    /// From where.
    pub offset: u64,
    /// How much at most.
    pub len: u32,
}

/// Saves what the target is about to take out.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveDiverged {
    /// The source's database.
    pub database: String,
    /// The parts.
    pub parts: Vec<DivergedPart>,
    /// With the last call: the epochs whose writer has now told everything, so that incomplete
    /// parts of these epochs that were not confirmed never committed.
    pub settled: Vec<Epoch>,
}

/// A source, as its target sees it. Every error ends the session.
#[async_trait]
pub trait Peer: Send + Sync + Debug {
    /// Introduces the target; the source makes or renews its slot.
    async fn hello(&self, request: HelloRequest) -> Result<Hello>;
    /// Asks for the log of a partition.
    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription>;
    /// Tells the source what it need not keep any more.
    async fn ack(&self, ack: Ack) -> Result<Acked>;
    /// A step of a planned handover. Safe to repeat.
    async fn handover(&self, request: HandoverRequest) -> Result<HandoverAnswer>;
    /// How far a database is at this moment.
    async fn positions(&self, database: &str) -> Result<Positions>;
    /// How what the asker has compares with what the source has. Changes nothing.
    async fn compare(&self, request: CompareRequest) -> Result<Compared>;
    /// Fingerprints of what the source has in key ranges at one moment. Changes nothing.
    async fn verify(&self, request: VerifyRequest) -> Result<Verified>;
    /// Asks another cluster to follow a database of the asker, who has logged in there as it would
    /// at a source. Safe to repeat.
    async fn invite(&self, invitation: Invitation) -> Result<Invited>;
    /// The names of the databases that can be followed: primaries that are no branches.
    async fn databases(&self) -> Result<Vec<String>>;
    /// The difference between what the source has at one moment and what the target has.
    async fn content(&self, request: ContentRequest) -> Result<Content>;
    /// A piece of a base's file; it may be shorter than asked for, and is empty only at the file's
    /// end.
    async fn fetch(&self, fetch: Fetch) -> Result<Bytes>;
    /// Saves diverged parts in the source's vault; durable when it returns. Safe to repeat.
    async fn save_diverged(&self, request: SaveDiverged) -> Result<()>;
}

/// Opens sessions with sources.
#[async_trait]
pub trait Connect: Send + Sync + Debug {
    /// Connects and logs in.
    async fn connect(&self, source: &Source) -> Result<Arc<dyn Peer>>;
    /// Where other clusters find this one; `None` if that is not known.
    fn address(&self) -> Option<(String, u16)>;
}
