//! How an engine is set up.

use crate::database::DatabaseSettings;
use log::LogSettings;
use meta::Bootstrap;
use partition::{Partition, PartitionHandle};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What stands between transactions and the partitions of this node: a simulation puts the delays of
/// a network there.
#[derive(Clone)]
pub struct Between(pub Arc<dyn Fn(Arc<Partition>) -> Arc<dyn PartitionHandle> + Send + Sync>);

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Between")
    }
}

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The data folder; locked while the engine lives.
    pub dir: PathBuf,
    /// Who this cluster is, and the first user of a new folder.
    pub bootstrap: Bootstrap,
    /// Bytes of row versions in memory, over all partitions, before they are written to chunks.
    pub delta_bytes: usize,
    /// Bytes of decoded chunk pages kept in memory.
    pub cache_bytes: usize,
    /// Bytes one transaction may write.
    pub transaction_limit: usize,
    /// For how long old row versions stay readable where a database does not say it itself.
    pub version_retention: Duration,
    /// Bytes of log kept even if nobody is known to need them.
    pub log_retention_bytes: u64,
    /// Bytes of log beyond which slots are given up, so that a dead standby never fills the disk.
    pub slot_bytes_max: u64,
    /// How often a busy partition promises a closed timestamp: the lag of a standby's reads.
    pub closed_interval: Duration,
    /// How often an idle one does while somebody follows it.
    pub idle_interval: Duration,
    /// After a restart, a primary that somebody follows takes no writes until a follower has shown
    /// that nobody was promoted meanwhile (or an operator opens it).
    pub restart_check: bool,
    /// The physical log.
    pub log: LogSettings,
    /// Chunks.
    pub state: state::Settings,
    /// What partitions are reached through; directly if `None`.
    pub between: Option<Between>,
}

impl EngineSettings {
    pub(crate) fn of_databases(&self) -> DatabaseSettings {
        DatabaseSettings {
            transaction_limit: self.transaction_limit,
            version_retention: self.version_retention,
        }
    }

    /// Usual settings for a data folder.
    pub fn new(dir: PathBuf, bootstrap: Bootstrap) -> EngineSettings {
        EngineSettings {
            dir,
            bootstrap,
            delta_bytes: 256 << 20,
            cache_bytes: 256 << 20,
            transaction_limit: 2 << 30,
            version_retention: Duration::from_secs(600),
            log_retention_bytes: 1 << 30,
            slot_bytes_max: 16 << 30,
            closed_interval: Duration::from_millis(20),
            idle_interval: Duration::from_millis(500),
            restart_check: true,
            log: LogSettings::default(),
            state: state::Settings::default(),
            between: None,
        }
    }
}
