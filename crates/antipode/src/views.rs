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
    /// What it is a branch of, if it is one that follows nobody.
    pub branch_of: Option<String>,
}

/// How much the node holds of something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// `delta`, `cache`, `runs` …
    pub kind: String,
    /// `memory` or `disk`.
    pub medium: String,
    /// How much there is.
    pub bytes: Option<u64>,
    /// How much there may be.
    pub limit_bytes: Option<u64>,
    /// How often something was found in it.
    pub hits: Option<u64>,
    /// How often not.
    pub misses: Option<u64>,
}

/// Where a database's rows are, and what reading and writing them costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storage {
    /// Its name.
    pub database: String,
    /// In memory.
    pub delta_bytes: Option<u64>,
    /// In runs.
    pub run_bytes: Option<u64>,
    /// In bases.
    pub base_bytes: Option<u64>,
    /// The most runs a read looks through.
    pub deepest_runs: Option<u64>,
    /// Bytes written for each byte spilled.
    pub write_amplification: Option<f64>,
    /// Layers looked into for a key.
    pub layers_per_get: Option<f64>,
    /// Layers a scan goes through.
    pub layers_per_scan: Option<f64>,
}

/// The part that the cluster plays for others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// `none`, `master` or `replica`; a promoted replica is a master.
    pub role: String,
    /// What the settings say.
    pub configured: String,
    /// What a replica follows.
    pub source: Option<String>,
    /// Why it does not.
    pub error: Option<String>,
}

const STORAGE: &str = "SELECT database_name, sum(delta_bytes) AS delta_bytes, \
    sum(run_bytes) AS run_bytes, sum(base_bytes) AS base_bytes, max(deepest_runs) AS deepest_runs, \
    sum(spilled_bytes + merged_bytes)::float8 / nullif(sum(spilled_bytes), 0) \
        AS write_amplification, \
    sum(layers_per_get * gets) / nullif(sum(gets), 0) AS layers_per_get, \
    sum(layers_per_scan * scans) / nullif(sum(scans), 0) AS layers_per_scan \
    FROM information_schema.storage_status GROUP BY database_name";

/// What the node holds of each kind.
pub async fn engine(client: &Client) -> Result<Vec<Usage>, tokio_postgres::Error> {
    let sql = "SELECT * FROM information_schema.engine_status";
    let answer = client::ask(client, sql).await?;
    let usage = |row| Usage {
        kind: answer.field(row, "kind").unwrap_or_default().to_string(),
        medium: answer.field(row, "medium").unwrap_or_default().to_string(),
        bytes: number(&answer, row, "bytes"),
        limit_bytes: number(&answer, row, "limit_bytes"),
        hits: number(&answer, row, "hits"),
        misses: number(&answer, row, "misses"),
    };
    Ok((0..answer.rows.len()).map(usage).collect())
}

/// The figures of all databases.
pub async fn storage(client: &Client) -> Result<Vec<Storage>, tokio_postgres::Error> {
    let answer = client::ask(client, STORAGE).await?;
    let storage = |row| Storage {
        database: answer.field(row, "database_name").unwrap_or_default().to_string(),
        delta_bytes: number(&answer, row, "delta_bytes"),
        run_bytes: number(&answer, row, "run_bytes"),
        base_bytes: number(&answer, row, "base_bytes"),
        deepest_runs: number(&answer, row, "deepest_runs"),
        write_amplification: number(&answer, row, "write_amplification"),
        layers_per_get: number(&answer, row, "layers_per_get"),
        layers_per_scan: number(&answer, row, "layers_per_scan"),
    };
    Ok((0..answer.rows.len()).map(storage).collect())
}

fn number<T: std::str::FromStr>(answer: &Answer, row: usize, column: &str) -> Option<T> {
    answer.field(row, column).and_then(|v| v.parse().ok())
}

/// The part that the cluster of a node plays.
pub async fn role(client: &Client) -> Result<Role, tokio_postgres::Error> {
    let sql = "SELECT role, configured_role, source, last_error FROM information_schema.dr_role \
               ORDER BY last_error IS NULL";
    let answer = client::ask(client, sql).await?;
    let text = |column| answer.field(0, column).map(str::to_string);
    Ok(Role {
        role: text("role").unwrap_or_default(),
        configured: text("configured_role").unwrap_or_default(),
        source: text("source"),
        error: text("last_error"),
    })
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
        branch_of: text("source")
            .and_then(|source| source.strip_prefix("branch of ").map(str::to_owned)),
    }
}
