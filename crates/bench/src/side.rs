//! One of the systems that are compared.

use std::path::PathBuf;

/// `Result` with an error that is told to the user as it is.
pub type Result<T> = std::result::Result<T, String>;

/// Where pgbench connects.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// On 127.0.0.1.
    pub port: u16,
    /// A superuser.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database of pgbench's tables.
    pub database: String,
}

impl Endpoint {
    /// A connection.
    pub async fn connect(&self) -> Result<tokio_postgres::Client> {
        testkit::connect(self.port, &self.user, &self.password, &self.database)
            .await
            .map_err(|e| format!("connect to port {}: {e:?}", self.port))
    }
}

/// A primary and, when asked for, a standby.
pub trait Side {
    /// Name and version.
    fn name(&self) -> String;
    /// The primary.
    fn endpoint(&self) -> Endpoint;
    /// Ends the primary's processes at once, as a crash does.
    fn crash(&mut self) -> Result<()>;
    /// Starts the primary again; it may not serve yet when this returns.
    fn restart(&mut self) -> Result<()>;
    /// The most bytes of memory that the primary took, if that is one process.
    fn peak_memory(&self) -> Option<u64> {
        None
    }
    /// Where rows are stored, without the log.
    fn stored(&self) -> PathBuf;
    /// Makes the standby, if there is none yet, and tells where it is.
    fn add_standby(&mut self) -> Result<Endpoint>;
    /// Stops the standby's process.
    fn stop_standby(&mut self) -> Result<()>;
    /// Starts it again.
    fn start_standby(&mut self) -> Result<()>;
    /// Where the standby is.
    fn standby(&self) -> Result<Endpoint>;
    /// The standby hears nothing more from the primary; both run on.
    fn cut_link(&mut self) -> Result<()>;
    /// The primary is gone: the standby takes its place with what it has.
    fn promote(&mut self) -> Result<()>;
    /// The primary of before [`Side::promote`] comes back by difference, as the standby.
    fn come_back(&mut self) -> Result<()>;
    /// Primary and standby change places, and nothing is lost.
    fn hand_over(&mut self) -> Result<()>;
}

/// Bytes of a line of `/proc/<pid>/status`.
pub fn status_bytes(pid: u32, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    let kib: u64 = value.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}
