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
    /// Bytes of row versions in memory beyond which writers wait until some are written down.
    pub delta_limit: usize,
    /// Bytes that all running transactions together may have written.
    pub pending_limit: usize,
    /// Bytes of both together.
    pub row_limit: usize,
    /// Bytes of memory for the places of log records; beyond them the log is trimmed as if it were
    /// over its retention.
    pub log_index_bytes: usize,
    /// Bytes of decoded chunk pages and of indexes of chunks kept in memory.
    pub cache_bytes: usize,
    /// Bytes one transaction may write.
    pub transaction_limit: usize,
    /// For how long old row versions stay readable where a database does not say it itself.
    pub version_retention: Duration,
    /// Bytes of log kept even if nobody is known to need them.
    pub log_retention_bytes: u64,
    /// Bytes of log beyond which slots are given up, so that a dead standby never fills the disk.
    pub slot_bytes_max: u64,
    /// A target that was not heard of for so long, while this node was up, loses its slot; `None`:
    /// only bytes count.
    pub slot_age_max: Option<Duration>,
    /// How often a standby here compares all that it has with its source, by itself; `None`: never.
    pub verify_interval: Option<Duration>,
    /// How many bytes of chunks it reads for that in a second at most.
    pub verify_pace: u64,
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
            delta_limit: 512 << 20,
            pending_limit: 2 << 30,
            row_limit: usize::MAX,
            log_index_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            transaction_limit: 2 << 30,
            version_retention: Duration::from_secs(600),
            log_retention_bytes: 1 << 30,
            slot_bytes_max: 16 << 30,
            slot_age_max: None,
            verify_interval: None,
            verify_pace: 16 << 20,
            closed_interval: Duration::from_millis(20),
            idle_interval: Duration::from_millis(500),
            restart_check: true,
            log: LogSettings::default(),
            state: state::Settings::default(),
            between: None,
        }
    }
}
