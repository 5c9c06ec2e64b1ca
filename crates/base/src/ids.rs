//! Identities. Each is its own type so that no signature takes two bare integers.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// One region's cluster, 0 to 127. Two clusters that replicate must differ in it.
    ClusterId(u8)
);
id!(
    /// One process of a cluster.
    NodeId(u16)
);
id!(
    /// One database on this cluster. Local: the two ends of a link number their databases
    /// independently; what they share is the [`LineId`].
    DatabaseId(u32)
);
id!(
    /// One partition log of this node's physical log. Local, never reused, so that a database
    /// that is dropped and copied anew never meets its old frames.
    LogId(u32)
);
id!(
    /// A table, a sequence or an index as its user knows it; survives `TRUNCATE` and
    /// `ADD PRIMARY KEY`.
    TableId(u32)
);
id!(
    /// The key space that holds a table's rows. `TRUNCATE` and `ADD PRIMARY KEY` give a table a
    /// new one. [`StorageId::CATALOG`] holds the database's own catalog, in partition 0.
    StorageId(u32)
);

impl StorageId {
    /// The key space of table descriptors, in partition 0 of every database.
    pub const CATALOG: StorageId = StorageId(1);
    /// The key space of where sequences stand, in partition 0 of every database.
    pub const SEQUENCES: StorageId = StorageId(2);
    /// The key space of decisions about diverged transactions, in partition 0 of every database.
    pub const DECISIONS: StorageId = StorageId(3);
    /// The first key space a user's table can have.
    pub const FIRST_USER: StorageId = StorageId(100);
    /// Set in the key spaces of indexes, so that a key tells by itself what it is.
    const INDEX: u32 = 1 << 31;
    /// Set in the key spaces of tables that are not replicated, and of their indexes, for the same
    /// reason: whoever sends something needs no catalog to leave it out.
    const LOCAL: u32 = 1 << 30;

    /// The key space of an index, from a number that no other key space has.
    #[must_use]
    pub fn of_index(self) -> StorageId {
        StorageId(self.0 | Self::INDEX)
    }

    /// The key space with this number of a table that is not replicated to other clusters, or is.
    #[must_use]
    pub fn with_local(self, local: bool) -> StorageId {
        StorageId(if local { self.0 | Self::LOCAL } else { self.0 & !Self::LOCAL })
    }

    /// True for what stays in its cluster: rows and entries of a table that is not replicated.
    pub fn is_local(self) -> bool {
        self.0 & Self::LOCAL != 0
    }

    /// True for the key space of an index: its rows are entries that no user has written.
    pub fn is_index(self) -> bool {
        self.0 & Self::INDEX != 0
    }
}

/// A line of history: what a database and all its standbys, former primaries and branches share.
/// Drawn at random by `CREATE DATABASE`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LineId(pub u128);

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A transaction, unique over all clusters and restarts: a random node incarnation (high 64 bits)
/// and a counter (low 64 bits).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TxnId(pub u128);

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", (self.0 >> 64) as u64, self.0 as u64)
    }
}
