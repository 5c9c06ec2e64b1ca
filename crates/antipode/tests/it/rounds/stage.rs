//! Two clusters, the lines between them, and where the clients go.

use super::ledger::Ledger;
use crate::BINARY;
use crate::pgbench::initialise;
use parking_lot::Mutex;
use std::sync::Arc;
use testkit::{Cable, Line, PASSWORD, Server, Tool, connect};
use tokio_postgres::Client;

/// Where the clients go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Route {
    /// The side that serves; nobody does while there is none.
    pub to: Option<usize>,
    /// A side that some clients cling to, because they do not know better.
    pub stale: Option<usize>,
}

/// One cluster.
pub struct Side {
    /// `east` or `west`.
    pub name: &'static str,
    /// Its process.
    pub server: Server,
    /// How the other cluster reaches it.
    pub link: Cable,
    /// How clients reach it.
    pub door: Arc<Cable>,
}

/// Everything.
pub struct Stage {
    /// East and west.
    pub sides: [Side; 2],
    /// The one that is, or is to be, the primary.
    pub primary: usize,
    /// What the witnesses know.
    pub ledger: Arc<Ledger>,
    /// Where the clients go.
    pub route: Arc<Mutex<Route>>,
    /// Rows of `pgbench_history` at the last audit.
    pub history: u64,
    /// Removed last.
    _dir: tempfile::TempDir,
}

const TABLES: [&str; 3] = [
    "CREATE TABLE journal (id bigint PRIMARY KEY, client bigint NOT NULL, kind bigint NOT NULL)",
    "CREATE TABLE tally (client bigint PRIMARY KEY, n bigint NOT NULL)",
    "CREATE TABLE bulk (id bigint, g bigint, note text, PRIMARY KEY (id, g))",
];

impl Side {
    async fn start(id: u8, name: &'static str, dir: &std::path::Path) -> Side {
        let (link, door) = (Cable::new().await, Arc::new(Cable::new().await));
        let advertise = format!("127.0.0.1:{}", link.port());
        let flags = ["--advertise", &advertise, "--memory-limit", "256MiB"];
        let server = Server::start_with(BINARY, id, name, dir, &flags);
        link.lead_to(server.port());
        door.lead_to(server.port());
        Side { name, server, link, door }
    }

    /// What the other side writes after `FROM`.
    pub fn source(&self) -> String {
        format!("root:'{}'@127.0.0.1:{}/d", PASSWORD.replace('\'', "''"), self.link.port())
    }

    /// A connection of the operator, who sits beside the machine.
    pub async fn connect(&self, database: &str) -> Result<Client, String> {
        let client = connect(self.server.port(), "root", PASSWORD, database).await;
        client.map_err(|e| format!("connect to {}: {e:?}", self.name))
    }

    /// A statement about the database as a whole.
    pub async fn admin(&self, sql: &str) -> Result<(), String> {
        let done = self.connect("antipode").await?.batch_execute(sql).await;
        done.map_err(|e| format!("{sql} in {}: {}", self.name, told(&e)))
    }
}

/// An error in one line.
pub fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let detail = db.detail().unwrap_or_default();
            format!("{} {} {detail}", db.code().code(), db.message())
        }
        None => format!("{error:?}"),
    }
}

impl Stage {
    /// A database in east that west follows, with the tables of pgbench and of the witnesses.
    pub async fn start(pgbench: &Tool) -> Stage {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let east = Side::start(1, "east", dir.path()).await;
        let west = Side::start(2, "west", dir.path()).await;
        east.server.admin("CREATE DATABASE d PARTITIONS 4").await;
        initialise(pgbench, &east.server, "1");
        let client = east.server.connect("d").await;
        testkit::script(&client, &TABLES).await;
        let fill = "INSERT INTO tally SELECT g, 0 FROM generate_series(0, 15) AS s(g)";
        testkit::script(&client, &[fill]).await;
        west.server.admin(&format!("REPLICATE DATABASE d FROM {}", east.source())).await;
        let mut stage = Stage {
            sides: [east, west],
            primary: 0,
            ledger: Arc::default(),
            route: Arc::new(Mutex::new(Route { to: Some(0), stale: None })),
            history: 0,
            _dir: dir,
        };
        stage.settle().await;
        stage
    }

    /// The side that is not the primary.
    pub fn standby(&self) -> usize {
        1 - self.primary
    }

    /// Sends the clients elsewhere.
    pub fn send(&self, to: Option<usize>, stale: Option<usize>) {
        *self.route.lock() = Route { to, stale };
    }

    /// Another side serves from now on.
    pub fn serve(&mut self, side: usize) {
        self.primary = side;
        self.send(Some(side), None);
    }

    /// Cuts or opens what is between the clusters.
    pub fn set_link(&self, line: Line) {
        for side in &self.sides {
            side.link.set(line);
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self, side: usize) {
        self.sides[side].server.kill();
    }

    /// Starts what was killed.
    pub fn run(&mut self, side: usize) {
        if self.sides[side].server.pid().is_none() {
            self.sides[side].server.run();
        }
    }
}
