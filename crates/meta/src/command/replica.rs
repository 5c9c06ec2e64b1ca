//! Everything that can be done to remote servers, replicas, and what else a source says of those
//! that copy it.

use super::Command;
use crate::replica::{Cycle, RemoteServer, Replica, ReplicaOptions, Wanted};
use base::{ClusterId, DatabaseId};
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReplicaCommand {
    /// Notes what this cluster logs in with at another one, as [`peer_user`](crate::peer_user).
    PutLogin {
        /// The other cluster.
        cluster: ClusterId,
        /// The password there.
        password: String,
    },
    /// Makes a remote server, or changes one.
    PutRemoteServer {
        /// Its name.
        name: String,
        /// What it is; its id is given here.
        server: RemoteServer,
        /// True to change one that exists.
        replace: bool,
    },
    /// Forgets a remote server; an error while a replica leads there.
    DropRemoteServer {
        /// Which.
        name: String,
    },
    /// Adds a replica to a database.
    AddReplica {
        /// Which database.
        database: DatabaseId,
        /// The replica's name.
        name: String,
        /// What it is; its id is given here.
        replica: Replica,
        /// Who ordered it.
        by: Option<String>,
    },
    /// Forgets a replica, and what the log keeps for it.
    DropReplica {
        /// Which database.
        database: DatabaseId,
        /// The replica's name.
        name: String,
        /// When.
        at_ms: u64,
        /// Who ordered it.
        by: Option<String>,
    },
    /// Says what a replica is to do.
    SetReplica {
        /// Which database.
        database: DatabaseId,
        /// The replica's name.
        name: String,
        /// What it is to do.
        wanted: Wanted,
        /// The cluster at its remote server; as before if absent.
        target: Option<ClusterId>,
        /// When.
        at_ms: u64,
        /// Who ordered it.
        by: Option<String>,
    },
    /// Changes a replica's options.
    AlterReplica {
        /// Which database.
        database: DatabaseId,
        /// The replica's name.
        name: String,
        /// All of them.
        options: ReplicaOptions,
    },
    /// Notes a cycle that has ended.
    NoteCycle {
        /// Which database.
        database: DatabaseId,
        /// The replica's name.
        name: String,
        /// How it went; its id is given here.
        cycle: Cycle,
    },
    /// Says how much may be sent to each target of a database in a second.
    SetBandwidth {
        /// Which.
        database: DatabaseId,
        /// As much as can be if absent.
        bytes_per_second: Option<u64>,
        /// When.
        at_ms: u64,
    },
    /// Says whether owners, grants and roles of a database are of this cluster alone.
    SetOwnRights {
        /// Which.
        database: DatabaseId,
        /// They are.
        own: bool,
        /// When.
        at_ms: u64,
    },
    /// Says whether a database lets nobody read while it is a standby.
    SetHidden {
        /// Which.
        database: DatabaseId,
        /// It does.
        hidden: bool,
        /// When.
        at_ms: u64,
        /// Who ordered it.
        by: Option<String>,
    },
}

impl From<ReplicaCommand> for Command {
    fn from(command: ReplicaCommand) -> Command {
        Command::Replicas(command)
    }
}
