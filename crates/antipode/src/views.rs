//! What `SHOW REPLICATION STATUS` and `SHOW DATABASES EXTENDED` tell, for the commands that print
//! or wait for it.

use crate::client::{self, Answer};
use tokio_postgres::Client;

/// One end of a replication relationship, as one side sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The database here.
    pub database: String,
    /// True if the database here is the standby of this link.
    pub is_target: bool,
    /// The other cluster.
    pub peer: String,
    /// In a word: `streaming`, `copying` …
    pub state: String,
    /// Rows changed in the source that the standby does not have yet (an estimate from what came
    /// before; log records where there is none), if known.
    pub lag_rows: Option<u64>,
    /// The same as bytes of log.
    pub lag_bytes: Option<u64>,
    /// How old the newest consistent state of the standby is.
    pub lag_ms: Option<u64>,
    /// Bytes that came over the wire since the process started.
    pub shipped_bytes: Option<u64>,
    /// Why it does not run.
    pub error: Option<String>,
}

/// One database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// `primary`, `standby` …
    pub role: String,
    /// How many partitions.
    pub partitions: u64,
    /// Bytes of its chunks and its log here.
    pub bytes: u64,
    /// Why writes are refused, if they are.
    pub gate: Option<String>,
}

/// All links of a node.
pub async fn links(client: &Client) -> Result<Vec<Link>, tokio_postgres::Error> {
    let answer = client::ask(client, "SHOW REPLICATION STATUS").await?;
    let mut found: Vec<Link> = Vec::new();
    for row in 0..answer.rows.len() {
        // Rows of single partitions stand beside that of the link as a whole.
        if answer.field(row, "partition_id").is_none() {
            found.push(link(&answer, row));
        }
    }
    Ok(found)
}

/// All databases of a node.
pub async fn databases(client: &Client) -> Result<Vec<Database>, tokio_postgres::Error> {
    let answer = client::ask(client, "SHOW DATABASES EXTENDED").await?;
    Ok((0..answer.rows.len()).map(|row| database(&answer, row)).collect())
}

fn link(answer: &Answer, row: usize) -> Link {
    let text = |column| answer.field(row, column).filter(|v| !v.is_empty()).map(str::to_string);
    let number = |column| answer.field(row, column).and_then(|v| v.parse().ok());
    Link {
        database: text("database_name").unwrap_or_default(),
        is_target: text("role").is_some_and(|role| role == "target"),
        peer: text("peer").unwrap_or_default(),
        state: text("state").unwrap_or_default(),
        lag_rows: number("lag_rows").or_else(|| number("lag_records")),
        lag_bytes: number("lag_bytes"),
        lag_ms: number("lag_ms"),
        shipped_bytes: number("bytes_received"),
        error: text("last_error"),
    }
}

fn database(answer: &Answer, row: usize) -> Database {
    let text = |column| answer.field(row, column).filter(|v| !v.is_empty()).map(str::to_string);
    let number = |column| answer.field(row, column).and_then(|v| v.parse().ok());
    Database {
        name: text("database").unwrap_or_default(),
        role: text("role").unwrap_or_default(),
        partitions: number("partitions").unwrap_or_default(),
        bytes: number("bytes").unwrap_or_default(),
        gate: text("read only"),
    }
}
