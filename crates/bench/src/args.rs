//! Flags.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Kinds of measurements.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// pgbench's scripts without a standby
    Oltp,
    /// Bulk load, scans, a hot row, restart after a crash, space on disk
    Engine,
    /// Replication and catching up
    Standby,
    /// Full copy, catch-up, switchover, failover and failback by difference
    Recovery,
    /// A table five times as large as the memory: reads and updates of single rows
    Large,
    /// Aggregates, a sort and a join over many rows
    Scan,
    /// The start after a crash, with much in the log
    Restart,
}

/// Runs PostgreSQL and Antipode side by side with pgbench and prints both and their ratio.
#[derive(Parser, Clone, Debug)]
#[command(name = "antipode-bench", version)]
pub struct Args {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "oltp,engine,standby")]
    pub only: Vec<Suite>,
    /// Rows of the table that is loaded, scanned and recovered
    #[arg(long, default_value_t = 1_000_000)]
    pub rows: u64,
    /// MiB of memory for `large`: Antipode's `memory-limit`, PostgreSQL's `shared_buffers`
    #[arg(long, default_value_t = 256)]
    pub memory_mib: u64,
    /// Rows of the table of `scan`
    #[arg(long, default_value_t = 10_000_000)]
    pub scan_rows: u64,
    /// MiB of changes before the crash of `restart`
    #[arg(long, default_value_t = 1024)]
    pub change_mib: u64,
    /// Scale of pgbench: 100,000 accounts each
    #[arg(long, default_value_t = 10)]
    pub scale: u32,
    /// Seconds of each run
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// Runs of each kind; the median counts
    #[arg(long, default_value_t = 3)]
    pub runs: u32,
    /// Size of the database that is copied and comes back (recovery)
    #[arg(long, default_value_t = 1_000)]
    pub megabytes: u64,
    /// Changes that a stopped standby misses, in megabytes (recovery)
    #[arg(long, value_delimiter = ',', default_value = "500")]
    pub catch_up: Vec<u64>,
    /// Changes since the failover when the old primary comes back, in megabytes (recovery)
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    pub changes: Vec<u64>,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    pub clients: Vec<u32>,
    /// Partitions of Antipode's database
    #[arg(long, default_value_t = 4)]
    pub partitions: u16,
    /// The antipode program [default: beside this one]
    #[arg(long, value_name = "FILE")]
    pub antipode: Option<PathBuf>,
    /// Folder with PostgreSQL's programs [default: where bench/peer/pg.sh puts them]
    #[arg(long, value_name = "DIR")]
    pub postgres: Option<PathBuf>,
    /// Where to make data folders [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl Args {
    /// A fresh folder that goes away by itself.
    pub fn folder(&self) -> Result<tempfile::TempDir, String> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("antipode-bench-");
        let made = match &self.dir {
            Some(dir) => builder.tempdir_in(dir),
            None => builder.tempdir(),
        };
        made.map_err(|e| format!("cannot make a temporary folder: {e}"))
    }
}
