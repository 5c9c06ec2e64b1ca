//! Replication as its source declares it: remote servers, replicas of a database, and what their
//! cycles came to.

use base::{ClusterId, Timestamp};
use serde::{Deserialize, Serialize};

/// How many finished [`Cycle`]s of a replica are kept; the oldest go first.
pub const CYCLES_MAX: usize = 200;

/// Another cluster, as `CREATE REMOTE SERVER` names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemoteServer {
    /// Given when it is made, never twice.
    pub id: u32,
    /// Host name or address; `https://` in front asks for TLS.
    pub host: String,
    /// Port.
    pub port: u16,
    /// A superuser there; without one, the login of this cluster there, if it has one already.
    pub user: Option<String>,
    /// Its password, in clear as in [`Source::password`](crate::Source::password).
    pub password: Option<String>,
}

/// What a replica is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// Nothing: it is only declared, or its database follows another one now.
    #[default]
    NotStarted,
    /// The target follows.
    Running,
    /// The target is there, and is sent nothing.
    Paused,
}

impl Wanted {
    /// As views show it.
    pub fn name(self) -> &'static str {
        match self {
            Wanted::NotStarted => "NOT_STARTED",
            Wanted::Running => "RUNNING",
            Wanted::Paused => "PAUSED",
        }
    }
}

/// What can be said of a replica.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaOptions {
    /// The database's name at the remote server.
    pub alias: String,
    /// How often the target moves on to a new consistent point; 0: all the time.
    pub frequency_ms: u64,
    /// How much may be sent in a second.
    pub bytes_per_second: Option<u64>,
    /// The replica there that leads back here, for people.
    pub reverse: Option<String>,
    /// Users, roles, owners, grants and address rules do not go there: the target has its own.
    #[serde(default)]
    pub own_rights: bool,
    /// Tables of its database that stay here, by name, as it was declared. They are replicated to nobody.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// A copy of a database that its cluster wants to have at a remote server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// Given when it is added, never twice.
    pub id: u32,
    /// The [`RemoteServer`]'s name.
    pub server: String,
    /// What was said of it.
    pub options: ReplicaOptions,
    /// What it is to do.
    pub wanted: Wanted,
    /// The cluster at the remote server, once it is known.
    pub target: Option<ClusterId>,
    /// The number of its last finished cycle.
    #[serde(default)]
    pub last_cycle: u64,
    /// The newest finished cycles, oldest first.
    #[serde(default)]
    pub cycles: Vec<Cycle>,
    /// When it was added.
    pub since_ms: u64,
}

impl Replica {
    /// The name of the target's slot here, once its cluster is known.
    pub fn slot(&self) -> Option<String> {
        self.target.map(|cluster| format!("{cluster}/{}", self.options.alias))
    }

    /// The consistent point of the last cycle that was completed.
    pub fn last_cut(&self) -> Option<Timestamp> {
        self.cycles.iter().rev().find(|c| c.state == CycleState::Done).map(|c| c.cut)
    }
}

/// How a cycle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CycleState {
    /// The target has everything up to its cut.
    Done,
    /// Broken off by a pause.
    Paused,
    /// Broken off because the database is no longer the primary here, or its replica was changed.
    Ended,
}

impl CycleState {
    /// As views show it.
    pub fn name(self) -> &'static str {
        match self {
            CycleState::Done => "DONE",
            CycleState::Paused => "PAUSED",
            CycleState::Ended => "ENDED",
        }
    }
}

/// One finished cycle of a replica; of a replica without cycles, the time from one start to the
/// next pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cycle {
    /// Counts the replica's cycles; given when it is noted.
    pub id: u64,
    /// When it began.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// How.
    pub state: CycleState,
    /// What went wrong in it last.
    pub error: Option<String>,
    /// Bytes sent in it.
    pub sent_bytes: u64,
    /// The consistent point it was to bring the target to.
    pub cut: Timestamp,
}
