//! What the metadata consists of. Plain data: who may change it and how is in [`crate::apply()`].

use crate::address::AddressRule;
use crate::replica::{RemoteServer, Replica};
use crate::roles::{DroppedRole, Membership, User};
use crate::scram::Verifier;
use base::{ClusterId, DatabaseId, Epoch, LineId, LogId, Lsn, NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many [`HistoryRow`]s are kept; the oldest go first.
pub const HISTORY_ROWS: usize = 2_000;
/// How many of them may be about links that come and go, so that a bad line does not push out what
/// an operator looks for after a year.
pub const LINK_ROWS: usize = 500;

/// All metadata of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Number of commands applied so far; a command's number in the log is this plus one.
    pub applied: u64,
    /// Who we are.
    pub cluster: Cluster,
    /// The id that the next database gets.
    pub next_database: u32,
    /// The id that the next partition log gets. Never reused.
    pub next_log: u32,
    /// No timestamp above this was ever given out; after a restart the oracle begins above it.
    pub oracle_bound: Timestamp,
    /// By name.
    pub users: BTreeMap<String, User>,
    /// By local id.
    pub databases: BTreeMap<DatabaseId, Database>,
    /// What other clusters log in with to follow a database they have handed over to this one, as
    /// user [`peer_user`].
    #[serde(default)]
    pub peers: BTreeMap<ClusterId, Verifier>,
    /// The passwords of this cluster's own logins, as user [`peer_user`], at other clusters. One for
    /// each: every link to it, of whichever database, logs in with the same.
    #[serde(default)]
    pub logins: BTreeMap<ClusterId, String>,
    /// Other clusters that replicas lead to, by name.
    #[serde(default)]
    pub remote_servers: BTreeMap<String, RemoteServer>,
    /// The number of the last remote server or replica that was made.
    #[serde(default)]
    pub last_object: u32,
    /// Who is a member of which role.
    #[serde(default)]
    pub memberships: Vec<Membership>,
    /// Roles that were dropped, oldest first, at most [`DROPPED_ROLES`](crate::DROPPED_ROLES).
    #[serde(default)]
    pub dropped_roles: Vec<DroppedRole>,
    /// When roles or memberships changed last.
    #[serde(default)]
    pub roles_changed: Timestamp,
    /// Settings that new sessions of all databases begin with.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Which databases were made here because this cluster follows another one with all that it
    /// has, by name; also those that were promoted or dropped since.
    #[serde(default)]
    pub attached: BTreeMap<String, DatabaseId>,
    /// From where who may connect, by name.
    #[serde(default)]
    pub address_rules: BTreeMap<String, AddressRule>,
    /// What happened to databases, oldest first, at most [`HISTORY_ROWS`].
    pub history: Vec<HistoryRow>,
    /// How many events were noted since the folder was made: the newest one's [`HistoryRow::id`].
    #[serde(default)]
    pub events: u64,
}

/// The cluster's identity, fixed when the data folder is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// 0 to 127; clusters that replicate with each other differ in it.
    pub id: ClusterId,
    /// The name shown to users, for instance `east`.
    pub name: String,
    /// This node.
    pub node: NodeId,
    /// Random; makes the salts of users that do not exist (hex).
    pub secret: String,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// After its log record is on disk.
    #[default]
    Sync,
    /// As soon as it is ordered; a crash may lose the last moments.
    Async,
}

/// A database's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DatabaseState {
    /// Takes writes (unless gated).
    Primary,
    /// Follows its link; readable at its replicated time.
    Standby,
    /// Its first full copy is not complete; not readable.
    Copying,
    /// Was a primary, has begun to give up what its new source does not have; not readable.
    Rewinding {
        /// When the rewind was ordered.
        since_ms: u64,
    },
    /// Being removed; a restart completes the removal.
    Dropping,
    /// Being made out of another database; a restart removes it.
    Branching,
}

impl DatabaseState {
    /// True for the states in which the database follows a link.
    pub fn is_target(self) -> bool {
        matches!(
            self,
            DatabaseState::Standby | DatabaseState::Copying | DatabaseState::Rewinding { .. }
        )
    }

    /// The state in one lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            DatabaseState::Primary => "primary",
            DatabaseState::Standby => "standby",
            DatabaseState::Copying => "copying",
            DatabaseState::Rewinding { .. } => "rewinding",
            DatabaseState::Dropping => "dropping",
            DatabaseState::Branching => "branching",
        }
    }
}

/// One database of this cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Local identity.
    pub id: DatabaseId,
    /// Unique in the cluster.
    pub name: String,
    /// The line of history it belongs to, shared with its standbys and former primaries.
    pub line: LineId,
    /// The log of each partition, in partition order.
    pub partitions: Vec<LogId>,
    /// When commits are acknowledged.
    pub durability: Durability,
    /// Its role.
    pub state: DatabaseState,
    /// The highest promotion epoch known of its line.
    pub promotion_epoch: Epoch,
    /// The last promotion made here; the engine completes it when it opens the database.
    pub promotion: Option<Promotion>,
    /// Why writes are refused, if they are.
    pub gate: Option<Gate>,
    /// Where it replicates from.
    pub link: Option<Link>,
    /// Who replicates from it, by slot name.
    pub slots: BTreeMap<String, Slot>,
    /// A planned handover that is not over yet.
    #[serde(default)]
    pub handover: Option<Handover>,
    /// For how long old row versions stay readable, if it is not the node's setting.
    #[serde(default)]
    pub version_retention_ms: Option<u64>,
    /// How old the oldest commit without a copy on a standby may be. Of this cluster only: a
    /// standby that is promoted does not stop writing for want of a standby of its own.
    #[serde(default)]
    pub max_lag: Option<MaxLag>,
    /// The replication group it is in: its databases are promoted together, at one cut.
    #[serde(default)]
    pub group: Option<String>,
    /// The copies it is to have at remote servers, by name.
    #[serde(default)]
    pub replicas: BTreeMap<String, Replica>,
    /// How much may be sent to each target in a second, if its replica does not say.
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// As a standby it lets nobody read.
    #[serde(default)]
    pub hidden: bool,
    /// What it was made out of, if it is a branch.
    #[serde(default)]
    pub branch: Option<Branch>,
    /// The last drill.
    #[serde(default)]
    pub last_drill: Option<Drill>,
    /// The last drill in which everything was right.
    #[serde(default)]
    pub last_proven: Option<Drill>,
    /// The logs of partitions that are being made to take the place of [`Database::partitions`].
    #[serde(default)]
    pub incoming: Vec<LogId>,
    /// It was promoted, and the roles that came with it are still to be taken over.
    #[serde(default)]
    pub adopting: bool,
    /// Owners, grants and roles of it are of this cluster alone: it follows a source that keeps its
    /// own, or has done so before it was promoted.
    #[serde(default)]
    pub own_rights: bool,
}

/// A limit of what a lost region may take with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxLag {
    /// Milliseconds.
    pub ms: u64,
    /// New writers wait while it is exceeded; otherwise it is only told.
    pub blocks: bool,
}

/// Where a branch comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// The database it was made out of.
    pub of: DatabaseId,
    /// Its name then.
    pub name: String,
    /// The consistent point that it began with.
    pub cut: Timestamp,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a branch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Whoever made it says.
    Own,
    /// A drill: it goes when that is over, and does not outlive the process.
    Drill,
    /// It shows what another region never saw, and is never written.
    Diverged,
}

/// What a drill came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// When it was over.
    pub at_ms: u64,
    /// The consistent point that was tried.
    pub cut: Timestamp,
    /// True if every check was.
    pub passed: bool,
    /// How long it took until something could be written, in milliseconds.
    pub writable_ms: u64,
    /// For people.
    pub detail: String,
}

impl Database {
    /// True for what does not outlive the process: a branch that is not complete, or that of a drill.
    pub fn is_passing(&self) -> bool {
        let drill = self.branch.as_ref().is_some_and(|b| b.purpose == Purpose::Drill);
        self.state == DatabaseState::Branching || drill
    }

    /// True if the target that owns a slot gets no owners, grants and roles: its replica says so, or
    /// there is none and they were kept apart before.
    pub fn keeps_rights(&self, slot: &str) -> bool {
        let mut replicas = self.replicas.values();
        let replica = replicas.find(|r| r.slot().as_deref() == Some(slot));
        replica.map_or(self.own_rights, |r| r.options.own_rights)
    }

    /// True if a standby that was not given up could have been promoted since the last promotion.
    pub fn is_followed(&self) -> bool {
        self.promotable_slots().next().is_some()
    }

    /// The names of the slots, not given up, whose targets could have been promoted since the last
    /// promotion.
    pub fn promotable_slots(&self) -> impl Iterator<Item = &String> {
        let live = |slot: &Slot| slot.dropped.is_none() && self.can_promote(slot);
        self.slots.iter().filter(move |(_, slot)| live(slot)).map(|(name, _)| name)
    }

    /// True if the target that owns a slot could have been promoted since the last promotion.
    pub fn can_promote(&self, slot: &Slot) -> bool {
        slot.replicated > self.promotion.as_ref().map_or(Timestamp::ZERO, |p| p.cut)
    }

    /// The lowest log position of `partition` that some slot still needs; `None` if no slot does.
    pub fn slot_floor(&self, partition: usize) -> Option<Lsn> {
        let live = self.slots.values().filter(|s| s.dropped.is_none());
        live.map(|s| s.acked.get(partition).copied().unwrap_or(Lsn::ZERO).next()).min()
    }

    /// The oldest replicated time of a live slot: a manifest at or below it must be kept, because
    /// the slot's owner may be promoted there and this database come back to it.
    pub fn slot_time(&self) -> Option<Timestamp> {
        self.slots.values().filter(|s| s.dropped.is_none()).map(|s| s.replicated).min()
    }
}

/// A promotion that is decided. Its records are then written to every partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    /// Everything committed above it is void.
    pub cut: Timestamp,
    /// The new writer's epoch.
    pub epoch: Epoch,
    /// Why and by whom.
    pub reason: String,
    /// When it was decided.
    pub at_ms: u64,
    /// The source it followed until then, while that is still to be told that it is none any more.
    #[serde(default)]
    pub former: Option<Source>,
}

/// A durable read-only state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Shown to those who are refused.
    pub reason: String,
    /// The user, or the part of the system, that closed it.
    pub owner: String,
    /// Since when.
    pub at_ms: u64,
    /// When it opens by itself.
    #[serde(default)]
    pub expires_ms: Option<u64>,
    /// New writers wait until it opens, instead of being refused.
    #[serde(default)]
    pub queues: bool,
}

/// A planned handover between two clusters, from the moment one of them is bound by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    /// Drawn by the cluster that takes over; the same on both sides.
    pub id: u64,
    /// The other cluster.
    pub peer: ClusterId,
    /// Its name, for people.
    pub peer_name: String,
    /// When it began here.
    pub at_ms: u64,
    /// Which part this cluster has in it.
    pub side: HandoverSide,
}

/// The two parts in a [`Handover`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HandoverSide {
    /// The primary: gated until the other cluster has taken over or has given up.
    Giving {
        /// What it will log in with at the other cluster, to follow it.
        password: String,
        /// The gate it had before, which a handover that is given up leaves in place.
        gate: Option<Gate>,
    },
    /// The new primary, until the former one knows.
    Taken {
        /// Where the former primary is.
        former: Source,
    },
}

/// The user that a cluster logs in as to follow a database it has handed over.
pub fn peer_user(cluster: ClusterId) -> String {
    format!("{PEER_PREFIX}{cluster}")
}

/// The cluster that logs in under this name, if [`peer_user`] made it.
pub fn peer_of(user: &str) -> Option<ClusterId> {
    user.strip_prefix(PEER_PREFIX)?.parse().ok().map(ClusterId)
}

/// Names that begin so belong to clusters; no user can be made with one.
pub(crate) const PEER_PREFIX: &str = "cluster:";

/// Where a database replicates from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Host name or address; `https://` in front asks for TLS.
    pub host: String,
    /// Port.
    pub port: u16,
    /// A superuser of the source.
    pub user: String,
    /// Its password. Stored in clear, because the link has to log in again after every restart;
    /// the metadata folder is therefore as secret as the password.
    pub password: String,
    /// The database's name there.
    pub database: String,
}

/// The target's end of a replication relationship.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Where from.
    pub source: Source,
    /// The source's cluster, as it told.
    pub source_cluster: ClusterId,
    /// Stopped by the user for now.
    pub paused: bool,
    /// Made `WITH FORCE DIFFERENTIAL`: may give up what the source does not have.
    pub differential: bool,
    /// Why it does not run, as last seen.
    pub last_error: Option<String>,
    /// When the link was made.
    pub since_ms: u64,
    /// The last time that everything here was compared with the source.
    #[serde(default)]
    pub verified: Option<Verified>,
}

/// What a comparison of all contents with the source came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// When it was complete.
    pub at_ms: u64,
    /// The moment of which the contents were; the first one, if they were compared bit by bit.
    pub cut: Timestamp,
    /// How many rows were compared.
    pub rows: u64,
    /// How many key ranges differed.
    pub differing: u64,
}

/// The source's end: how far a target has come, so that what it needs is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The target's cluster.
    pub target_cluster: ClusterId,
    /// The target's cluster name, for people.
    pub target_name: String,
    /// Per partition, the last position that is durable at the target.
    pub acked: Vec<Lsn>,
    /// The target's replicated time.
    pub replicated: Timestamp,
    /// When it was last heard of.
    pub last_seen_ms: u64,
    /// Set when the slot was given up (bounds of bytes or time): it keeps nothing any more.
    pub dropped: Option<String>,
}

/// One event of a database's life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Rises by one with every event of the cluster; given when it is noted.
    #[serde(default)]
    pub id: u64,
    /// When.
    pub at_ms: u64,
    /// The database's name then.
    pub database: String,
    /// One or two words: `create`, `promote`, `gate`, `link down` …
    pub kind: String,
    /// For people.
    pub detail: String,
    /// The promotion epoch of the database; if not given, the one known when it is noted.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// The consistent point that the event is about, if it is about one.
    #[serde(default)]
    pub cut: Option<Timestamp>,
    /// The user, the other cluster, or the part of the system that did it.
    #[serde(default)]
    pub who: Option<String>,
}

impl HistoryRow {
    /// An event of a database.
    pub fn new(
        at_ms: u64,
        database: impl Into<String>,
        kind: &str,
        detail: impl Into<String>,
    ) -> HistoryRow {
        let (database, kind, detail) = (database.into(), kind.to_owned(), detail.into());
        HistoryRow { at_ms, database, kind, detail, ..HistoryRow::default() }
    }

    /// Who did it.
    #[must_use]
    pub fn by(mut self, who: Option<String>) -> HistoryRow {
        self.who = who.filter(|w| !w.is_empty());
        self
    }

    /// In which epoch, at which cut.
    #[must_use]
    pub fn at(mut self, epoch: Epoch, cut: Timestamp) -> HistoryRow {
        (self.epoch, self.cut) = (Some(epoch), Some(cut));
        self
    }
}

impl State {
    /// An empty cluster.
    pub fn new(cluster: Cluster) -> State {
        State {
            applied: 0,
            cluster,
            next_database: 1,
            next_log: 1,
            oracle_bound: Timestamp::ZERO,
            users: BTreeMap::new(),
            databases: BTreeMap::new(),
            peers: BTreeMap::new(),
            logins: BTreeMap::new(),
            remote_servers: BTreeMap::new(),
            last_object: 0,
            memberships: Vec::new(),
            dropped_roles: Vec::new(),
            roles_changed: Timestamp::ZERO,
            settings: BTreeMap::new(),
            attached: BTreeMap::new(),
            address_rules: BTreeMap::new(),
            history: Vec::new(),
            events: 0,
        }
    }

    /// The database of this name.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.values().find(|d| d.name == name)
    }
}
