//! A server in the test's process.

use base::{ClusterId, NodeId};
use meta::{Bootstrap, Durability};
use session::{Front, FrontSettings};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};
use txn::{Engine, EngineSettings};

pub const PASSWORD: &str = "secret, with = and ,";

pub struct Server {
    pub front: Arc<Front>,
    pub engine: Arc<Engine>,
    pub address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Server {
        Server::with(FrontSettings::default(), None).await
    }

    pub async fn with(settings: FrontSettings, tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let bootstrap = Bootstrap {
            cluster_id: ClusterId(1),
            name: "test".into(),
            node: NodeId(1),
            superuser: "root".into(),
            password: PASSWORD.into(),
        };
        let settings_of = EngineSettings::new(dir.path().to_owned(), bootstrap);
        let engine = Engine::open(env::real::env(), settings_of).await.expect("an engine");
        engine.create_database("test", 4, Durability::Async).await.expect("a database");
        let links = dr::Links::open_grpc(engine.clone(), dr::grpc::GrpcSettings::default())
            .await
            .expect("links");
        let runtime = sql::Runtime::new(&sql::RuntimeSettings::default()).expect("a runtime");
        let front = Front::new(engine.clone(), links, runtime, settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let door = front.clone();
        tokio::spawn(async move {
            while let Ok((socket, peer)) = listener.accept().await {
                tokio::spawn(wire_pg::serve_connection(door.clone(), socket, tls.clone(), peer));
            }
        });
        Server { front, engine, address, _dir: dir }
    }

    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.address.port()).user("root").password(PASSWORD);
        config.dbname("test");
        config
    }

    pub async fn client(&self) -> Client {
        self.connect(&self.config()).await.expect("connects")
    }

    pub async fn connect(&self, config: &Config) -> Result<Client, Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(client)
    }
}

/// The rows of a simple query, fields separated by `|`, NULL as `∅`.
pub async fn rows(client: &Client, sql: &str) -> Vec<String> {
    try_rows(client, sql).await.unwrap_or_else(|e| panic!("{sql}: {}", shown(&e)))
}

pub async fn try_rows(client: &Client, sql: &str) -> Result<Vec<String>, Error> {
    let messages = client.simple_query(sql).await?;
    Ok(messages
        .iter()
        .filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len()).map(|i| row.get(i).unwrap_or("∅")).collect::<Vec<_>>().join("|"),
            ),
            _ => None,
        })
        .collect())
}

/// Runs statements that must succeed.
pub async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", shown(&e)));
}

pub fn shown(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {} {:?}", db.code().code(), db.message(), db.detail()),
        None => error.to_string(),
    }
}

/// SQLSTATE of a failed query.
pub async fn state(client: &Client, sql: &str) -> String {
    match try_rows(client, sql).await {
        Ok(rows) => panic!("{sql} succeeded: {rows:?}"),
        Err(error) => code(&error),
    }
}

pub fn code(error: &Error) -> String {
    error.code().map_or_else(|| error.to_string(), |c| c.code().to_string())
}
