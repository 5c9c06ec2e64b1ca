//! The flags of `antipode demo`.

use clap::{Args, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Seconds of traffic, over all acts
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(3..=3600))]
    pub seconds: u64,
    /// Clients that run transfers at the same time
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=1000))]
    pub clients: u32,
    /// Accounts to load
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(2..=1_000_000_000))]
    pub rows: u64,
    /// Partitions of the database
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=256))]
    pub partitions: u32,
    /// Folder for both regions [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the folder when all is done
    #[arg(long)]
    pub keep: bool,
    /// Port of east; west gets the next one [default: free ones]
    #[arg(long, value_name = "PORT", value_parser = value_parser!(u16).range(1..=65534))]
    pub port_base: Option<u16>,
}

impl DemoArgs {
    /// A share of the traffic's time.
    pub fn share(&self, of_hundred: u32) -> Duration {
        Duration::from_secs(self.seconds) * of_hundred / 100
    }
}
