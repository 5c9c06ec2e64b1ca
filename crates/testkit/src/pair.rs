//! Two servers, as in two regions.

use crate::sql;
use crate::wait::eventually;
use crate::{PASSWORD, Server};
use std::time::Duration;

/// `east` (cluster 1) and `west` (cluster 2) in one temporary folder.
#[derive(Debug)]
pub struct Pair {
    /// The first primary.
    pub east: Server,
    /// The first standby.
    pub west: Server,
    /// Removed when dropped, after the servers.
    pub dir: tempfile::TempDir,
}

impl Pair {
    /// Starts both.
    pub fn start(binary: &str) -> Pair {
        Pair::start_with(binary, &[])
    }

    /// Starts both with more flags.
    pub fn start_with(binary: &str, more: &[&str]) -> Pair {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let east = Server::start_with(binary, 1, "east", dir.path(), more);
        let west = Server::start_with(binary, 2, "west", dir.path(), more);
        Pair { east, west, dir }
    }
}

impl Server {
    /// Runs a statement about a database as a whole.
    pub async fn admin(&self, sql: &str) {
        let client = self.connect("antipode").await;
        if let Err(e) = client.batch_execute(sql).await {
            panic!("{sql}: {e:?}\n{}", self.log_tail());
        }
    }

    /// SQLSTATE and message of such a statement when it must fail.
    pub async fn admin_error(&self, sql: &str) -> (String, String) {
        sql::error_of(&self.connect("antipode").await, sql).await
    }

    /// Makes a database here that follows one of another server.
    pub async fn follow(&self, source: &Server, database: &str) {
        self.admin(&format!("REPLICATE DATABASE {database} FROM {}", source.source(database)))
            .await;
    }

    /// Comes back to a source by difference.
    pub async fn come_back_to(&self, source: &Server, database: &str) {
        let from = source.source(database);
        let sql = format!("REPLICATE DATABASE {database} WITH FORCE DIFFERENTIAL FROM {from}");
        self.admin(&sql).await;
    }

    /// Waits until a query gives the same answer here as on another server.
    pub async fn agrees_with(&self, other: &Server, database: &str, query: &str) {
        let wish = format!("{query} is the same on both sides");
        eventually(&wish, Duration::from_secs(60), async || {
            let Ok(here) = sql::connect(self.port(), "root", PASSWORD, database).await else {
                return false;
            };
            let there = other.connect(database).await;
            let mine = sql::try_rows(&here, query).await;
            let theirs = sql::try_rows(&there, query).await;
            matches!((mine, theirs), (Ok(mine), Ok(theirs)) if mine == theirs)
        })
        .await;
    }
}
