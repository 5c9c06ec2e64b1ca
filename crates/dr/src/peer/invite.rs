//! What a source that has a replica asks of the cluster that is to hold it.

use base::{ClusterId, Epoch, LineId};
use meta::Durability;
use meta::scram::Verifier;

/// Asks a cluster to follow a database of the asker.
#[derive(Clone, Debug, PartialEq)]
pub struct Invitation {
    /// What the database is to be called there.
    pub database: String,
    /// Where the asker is found, without user and password.
    pub address: (String, u16),
    /// Its database.
    pub source_database: String,
    /// The line of that.
    pub line: LineId,
    /// The asker's cluster.
    pub cluster: ClusterId,
    /// Its name, for people.
    pub cluster_name: String,
    /// The asker's promotion epoch.
    pub promotion_epoch: Epoch,
    /// When commits are to be acknowledged should the copy be promoted.
    pub durability: Durability,
    /// What is asked.
    pub step: InvitationStep,
}

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationStep {
    /// Whether it can follow, and what checks its login at the asker. Makes no database.
    Ask,
    /// Follow: a full copy if it has nothing, by difference if it is a former primary.
    Follow {
        /// Also if its operator has stopped that for now.
        resume: bool,
        /// Also if there is no such database. Otherwise, and if it was there before, somebody has
        /// dropped it.
        make: bool,
    },
    /// The replica is gone: follow no more. What is there stays.
    Leave,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Invited {
    /// The answering cluster.
    pub cluster: ClusterId,
    /// Its name, for people.
    pub cluster_name: String,
    /// What checks its login at the asker.
    pub verifier: Option<Verifier>,
    /// The promotion epoch of the database there, if it is of the same line.
    pub promotion_epoch: Epoch,
    /// It follows the asker.
    pub follows: bool,
    /// Its operator has stopped that for now.
    pub paused: bool,
}
