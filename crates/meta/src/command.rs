//! Everything that can be done to the metadata. Times and random values are in the command, never
//! drawn while applying, so that every replica of the state machine reaches the same state.

mod replica;

pub use replica::ReplicaCommand;

use crate::address::AddressRule;
use crate::roles::{Membership, Principals, RoleChange, User};
use crate::scram::Verifier;
use crate::state::{
    Branch, DatabaseState, Drill, Durability, Gate, Handover, HistoryRow, Link, MaxLag, Slot,
    Source, Verified,
};
use base::{ClusterId, DatabaseId, Epoch, LineId, LogId, Lsn, Timestamp};
use serde::{Deserialize, Serialize};

/// One change of the metadata, all or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A new user; an error if the name is taken.
    CreateUser {
        /// Its name.
        name: String,
        /// From its password.
        verifier: Verifier,
        /// May do everything.
        superuser: bool,
    },
    /// Changes what is given.
    AlterUser {
        /// Who.
        name: String,
        /// From the new password.
        verifier: Option<Verifier>,
        /// New right.
        superuser: Option<bool>,
    },
    /// Removes a user; the last superuser stays.
    DropUser {
        /// Who.
        name: String,
        /// When; 0 in commands of early versions.
        #[serde(default)]
        at: Timestamp,
    },
    /// A new database, primary or (with a link) target. Answers [`Response::Database`].
    CreateDatabase(NewDatabase),
    /// Forgets a database. Its files must be gone.
    DropDatabase {
        /// Which.
        database: DatabaseId,
        /// When.
        at_ms: u64,
    },
    /// Gives a database new, empty logs for a full copy. Answers [`Response::Database`]; the old
    /// logs are the caller's to remove.
    FreshPartitions {
        /// Which.
        database: DatabaseId,
        /// How many partitions.
        partitions: u16,
        /// The line of what will be copied.
        line: LineId,
    },
    /// Changes the role outside of a promotion.
    SetDatabaseState {
        /// Which.
        database: DatabaseId,
        /// The new role.
        state: DatabaseState,
    },
    /// Sets for how long old row versions stay readable; `None`: as the node's setting says.
    SetVersionRetention {
        /// Which.
        database: DatabaseId,
        /// How long.
        ms: Option<u64>,
        /// When.
        at_ms: u64,
    },
    /// Sets or removes the limit of what a lost region may take with it.
    SetMaxLag {
        /// Which.
        database: DatabaseId,
        /// The limit.
        limit: Option<MaxLag>,
        /// When.
        at_ms: u64,
        /// Who.
        by: Option<String>,
    },
    /// Puts databases into a replication group, or takes them out of theirs.
    SetGroup {
        /// Which.
        databases: Vec<DatabaseId>,
        /// The group.
        group: Option<String>,
        /// When.
        at_ms: u64,
        /// Who.
        by: Option<String>,
    },
    /// Notes a higher promotion epoch of the line, learnt from another cluster.
    RaiseEpoch {
        /// Which.
        database: DatabaseId,
        /// The epoch; a lower one than known changes nothing.
        epoch: Epoch,
        /// When; 0 in commands of early versions.
        #[serde(default)]
        at_ms: u64,
    },
    /// The commit point of a promotion: the database becomes primary, its link is removed, and
    /// a slot keeps the log from the fork on for the former source.
    Promote {
        /// Which.
        database: DatabaseId,
        /// Everything committed above it is void.
        cut: Timestamp,
        /// The new writer.
        epoch: Epoch,
        /// Why and by whom.
        reason: String,
        /// When.
        at_ms: u64,
        /// A slot for the former source, so that it can come back by difference.
        keep: Option<(String, Slot)>,
        /// Who ordered it.
        #[serde(default)]
        by: Option<String>,
        /// The source it followed, if it is to be told.
        #[serde(default)]
        former: Option<Source>,
    },
    /// The former source has heard of the promotion, or need not any more.
    FormerHeard {
        /// Which.
        database: DatabaseId,
        /// The epoch of the promotion; of no meaning after a later one.
        epoch: Epoch,
    },
    /// Closes a database for writes.
    SetGate {
        /// Which.
        database: DatabaseId,
        /// Why.
        gate: Gate,
    },
    /// Opens it again; fine if it was open.
    ClearGate {
        /// Which.
        database: DatabaseId,
        /// When.
        at_ms: u64,
        /// Who.
        #[serde(default)]
        by: Option<String>,
    },
    /// Opens it again if its gate has expired by now; changes nothing otherwise.
    ExpireGate {
        /// Which.
        database: DatabaseId,
        /// Now.
        at_ms: u64,
    },
    /// Begins a part in a planned handover; an error while one with another cluster, or a later
    /// one, is under way.
    PutHandover {
        /// Which.
        database: DatabaseId,
        /// The part.
        handover: Handover,
    },
    /// The handover of this id is over, however it went; fine if it is not under way.
    EndHandover {
        /// Which.
        database: DatabaseId,
        /// Which handover.
        id: u64,
    },
    /// Lets another cluster log in as [`peer_user`](crate::peer_user).
    PutPeer {
        /// Which.
        cluster: ClusterId,
        /// From its password.
        verifier: Verifier,
    },
    /// Makes an existing database the target of a link, in the given role, at once.
    PutLink {
        /// Which.
        database: DatabaseId,
        /// Where from.
        link: Link,
        /// The role it takes.
        state: DatabaseState,
        /// Who ordered it.
        #[serde(default)]
        by: Option<String>,
    },
    /// Removes the link and nothing else.
    RemoveLink {
        /// Which.
        database: DatabaseId,
    },
    /// Stops or continues a link.
    PauseLink {
        /// Which.
        database: DatabaseId,
        /// True to stop.
        paused: bool,
        /// When; 0 in commands of early versions.
        #[serde(default)]
        at_ms: u64,
        /// Who ordered it.
        #[serde(default)]
        by: Option<String>,
    },
    /// Notes why a link does not run (or that it runs again).
    LinkError {
        /// Which.
        database: DatabaseId,
        /// The reason.
        error: Option<String>,
        /// When; 0 in commands of early versions.
        #[serde(default)]
        at_ms: u64,
    },
    /// Makes or replaces a slot.
    PutSlot {
        /// Which database it reads.
        database: DatabaseId,
        /// The slot's name.
        name: String,
        /// Its content.
        slot: Slot,
    },
    /// A target's progress. Positions never go back; an unknown or given-up slot is an error.
    AckSlot {
        /// Which database it reads.
        database: DatabaseId,
        /// The slot's name.
        name: String,
        /// Per partition.
        acked: Vec<Lsn>,
        /// The target's replicated time.
        replicated: Timestamp,
        /// When.
        at_ms: u64,
    },
    /// Gives a slot up (with a reason, it stays visible) or removes it (without).
    DropSlot {
        /// Which database it reads.
        database: DatabaseId,
        /// The slot's name.
        name: String,
        /// Why it is given up.
        reason: Option<String>,
        /// When.
        at_ms: u64,
    },
    /// Forgets a cluster that follows a database, or was to: its slots, given up or not, a handover
    /// to it whose end it has not heard of, and that replicas are to run there.
    ForgetPartner {
        /// Which database.
        database: DatabaseId,
        /// The cluster.
        cluster: ClusterId,
        /// What is given up by it, for people.
        detail: String,
        /// When.
        at_ms: u64,
        /// Who ordered it.
        by: Option<String>,
    },
    /// Reserves timestamps up to here. Never goes back.
    OracleBound(Timestamp),
    /// Adds an event.
    History(HistoryRow),
    /// A new role; an error if the name is taken.
    CreateRole {
        /// Its name.
        name: String,
        /// What it is.
        role: User,
    },
    /// Changes what is given.
    AlterRole {
        /// Who.
        name: String,
        /// How.
        change: RoleChange,
    },
    /// Gives a role another name. Where it has grants they are the caller's to rename.
    RenameRole {
        /// Who.
        name: String,
        /// Must be free.
        to: String,
        /// When.
        at: Timestamp,
    },
    /// Makes a role a member of another one, or changes how it is; an error if that makes a circle.
    GrantRole(Membership),
    /// Ends a membership; fine if there is none.
    RevokeRole {
        /// The group.
        role: String,
        /// The member.
        member: String,
        /// Only its right to make others members.
        admin_only: bool,
        /// When.
        at: Timestamp,
    },
    /// Sets what sessions of a role begin with; `None` takes it back.
    SetRoleSetting {
        /// Who.
        name: String,
        /// The setting; all of them if not given.
        setting: Option<String>,
        /// Its value.
        value: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Sets what all sessions begin with; `None` takes it back.
    SetGlobal {
        /// The setting; all of them if not given.
        setting: Option<String>,
        /// Its value.
        value: Option<String>,
    },
    /// A new address rule; an error if the name is taken.
    CreateAddressRule(AddressRule),
    /// Removes an address rule.
    DropAddressRule {
        /// Which.
        name: String,
        /// When.
        at: Timestamp,
    },
    /// Takes over the roles that came with a promoted database: those that are not here are made,
    /// those that are the same and were changed there later are changed, all others stay as they
    /// are. What was done is noted.
    AdoptRoles {
        /// The database they came with.
        database: DatabaseId,
        /// What it carried.
        principals: Principals,
        /// When.
        at_ms: u64,
    },
    /// Several commands, all or none. Answers with the last one's response.
    Batch(Vec<Command>),
    /// About remote servers and replicas.
    Replicas(ReplicaCommand),
    /// The commit point of a branch: it is a primary from here on.
    FinishBranch {
        /// Which.
        database: DatabaseId,
        /// Why it takes no writes, if it is to take none.
        gate: Option<Gate>,
        /// When.
        at_ms: u64,
        /// Who ordered it.
        by: Option<String>,
    },
    /// Notes what a drill came to.
    Drilled {
        /// The database that was tried.
        database: DatabaseId,
        /// The outcome.
        drill: Drill,
        /// Who ordered it.
        by: Option<String>,
    },
    /// Gives a target new logs beside its own, for partitions that are made from what it has and from
    /// what its source sends. Answers [`Response::Database`]; earlier ones of the kind are the caller's
    /// to remove.
    PrepareIncoming {
        /// Which.
        database: DatabaseId,
    },
    /// The new partitions are complete: they take the place of the old ones, which are the caller's to
    /// remove.
    TakeIncoming {
        /// Which.
        database: DatabaseId,
        /// The role it takes.
        state: DatabaseState,
    },
    /// Notes that a target was compared with its source.
    LinkVerified {
        /// Which.
        database: DatabaseId,
        /// The outcome.
        verified: Verified,
    },
}

/// The content of [`Command::CreateDatabase`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDatabase {
    /// Must be free.
    pub name: String,
    /// Random for a new primary, the source's for a target.
    pub line: LineId,
    /// How many.
    pub partitions: u16,
    /// When commits are acknowledged.
    pub durability: Durability,
    /// [`DatabaseState::Primary`], [`DatabaseState::Copying`] or [`DatabaseState::Branching`].
    pub state: DatabaseState,
    /// The first writer's epoch, or the source's promotion epoch.
    pub epoch: Epoch,
    /// For a target.
    pub link: Option<Link>,
    /// When.
    pub at_ms: u64,
    /// Who.
    #[serde(default)]
    pub by: Option<String>,
    /// For a branch.
    #[serde(default)]
    pub branch: Option<Branch>,
    /// It is noted in [`State::attached`](crate::State::attached).
    #[serde(default)]
    pub attached: bool,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// Nothing to say.
    Done,
    /// The identity and logs given to a database.
    Database {
        /// Its id.
        id: DatabaseId,
        /// Its partitions' logs.
        logs: Vec<LogId>,
    },
}
