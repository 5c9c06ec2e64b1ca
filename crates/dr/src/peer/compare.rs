//! How two databases of one line relate, asked without changing anything.

use base::{ClusterId, Epoch, EpochHistory, LineId, Lsn, Timestamp};

/// Asks a source how a database compares with its own.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareRequest {
    /// The source's database.
    pub database: String,
    /// What the asker has of each partition: its last position, and who wrote it. Empty if it has
    /// nothing.
    pub partitions: Vec<(Lsn, EpochHistory)>,
}

/// The source's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The line of its database.
    pub line: LineId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub cluster_name: String,
    /// Its promotion epoch.
    pub promotion_epoch: Epoch,
    /// True if it takes no writes.
    pub gated: bool,
    /// By partition.
    pub partitions: Vec<ComparedPartition>,
}

/// One partition of the source's database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparedPartition {
    /// Its last durable position.
    pub end: Lsn,
    /// The last position that both have; 0 for none.
    pub common: Lsn,
    /// Everything that the asker has committed above it is void; `None`: nothing is.
    pub cut: Option<Timestamp>,
    /// True if the source's log still reaches back to the common position.
    pub logged: bool,
    /// Bytes of its rows, chunks and memory together.
    pub bytes: u64,
}
