//! The same over real sockets.

use crate::world::{BANK, PARTITIONS, balances, fill, set, settings};
use base::{ClusterId, Epoch, SqlState};
use dr::grpc::{GrpcConnect, GrpcSettings};
use dr::peer::{Answer, Connect, FORMAT_VERSION, HelloRequest, Mode, SubscribeRequest};
use dr::{Links, ReplicateRequest};
use futures::StreamExt;
use meta::{Durability, Source};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use txn::Engine;

struct Node {
    engine: Arc<Engine>,
    links: Arc<Links>,
    port: u16,
    serving: JoinHandle<()>,
    _dir: TempDir,
}

async fn node(id: u8, name: &str) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(id, name);
    settings.dir = dir.path().to_owned();
    let engine = Engine::open(env::real::env(), settings).await.unwrap();
    let links = Links::open_grpc(engine.clone(), GrpcSettings::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tonic::transport::Server::builder().add_service(links.service());
    let serving = tokio::spawn(async move {
        let _ = server.serve_with_incoming(TcpListenerStream::new(listener)).await;
    });
    Node { engine, links, port, serving, _dir: dir }
}

fn source(port: u16, password: &str) -> Source {
    Source {
        host: "127.0.0.1".into(),
        port,
        user: "root".into(),
        password: password.into(),
        database: BANK.into(),
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greeting_question_and_stream() {
    let east = node(1, "east").await;
    east.engine.create_database(BANK, PARTITIONS, Durability::Sync).await.unwrap();
    let connect = GrpcConnect::new(env::real::env(), GrpcSettings::default());
    let e = connect.connect(&source(east.port, "guess")).await.unwrap_err();
    assert_eq!(e.state, SqlState::INVALID_PASSWORD);
    let e = connect.connect(&source(1, "secret")).await.unwrap_err();
    assert_eq!(e.state, SqlState::CONNECTION_FAILURE);

    let peer = connect.connect(&source(east.port, "secret")).await.unwrap();
    let hello = HelloRequest {
        database: BANK.into(),
        line: None,
        cluster: ClusterId(2),
        cluster_name: "west".into(),
        slot: "2/bank".into(),
        promotion_epoch: Epoch::default(),
        format_version: FORMAT_VERSION,
        mode: Mode::Copy,
        own_rights: false,
    };
    let mut unknown = hello.clone();
    unknown.database = "nothing".into();
    let e = peer.hello(unknown).await.unwrap_err();
    assert_eq!(e.state, SqlState::INVALID_CATALOG_NAME);
    assert_eq!(peer.hello(hello).await.unwrap().partitions, PARTITIONS);
    let request = SubscribeRequest {
        database: BANK.into(),
        slot: "2/bank".into(),
        partition: 1,
        end: base::Lsn::ZERO,
        history: base::EpochHistory::default(),
        promotion_epoch: Epoch::default(),
        own_rights: false,
    };
    let mut granted = peer.subscribe(request).await.unwrap();
    assert!(matches!(granted.answer, Answer::Continue { .. }));
    let batch = granted.frames.next().await.unwrap().unwrap();
    assert!(!format::frame::decode_batch(&batch.bytes).unwrap().is_empty());
    east.serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_promotion_and_way_back() {
    let (east, west) = (node(1, "east").await, node(2, "west").await);
    let east_bank = east.engine.create_database(BANK, PARTITIONS, Durability::Sync).await.unwrap();
    let table = crate::world::create_table(&east_bank, "accounts").await;
    fill(&east_bank, &table, 0..500).await;
    let request = |port, differential| ReplicateRequest {
        database: BANK.into(),
        differential,
        durability: None,
        user: "root".into(),
        password: Some("secret".into()),
        host: "127.0.0.1".into(),
        port: Some(port),
        source_database: None,
    };
    let idle = |links: &Arc<Links>| {
        let links = links.clone();
        move || {
            let status = links.status();
            status.iter().any(|s| s.state == "streaming" && s.lag_ms == Some(0))
        }
    };
    west.links.replicate(request(east.port, false), "test").await.unwrap();
    until("west follows", idle(&west.links)).await;
    let west_bank = west.engine.database(BANK).unwrap();
    assert_eq!(balances(&west_bank).await, balances(&east_bank).await);

    west.links.stop(BANK, "test").await.unwrap();
    set(&east_bank, &table, &[1, 2, 3], 7).await.unwrap();
    set(&west_bank, &table, &[4, 5, 6], 8).await.unwrap();
    east.links.replicate(request(west.port, true), "test").await.unwrap();
    until("east is back", idle(&east.links)).await;
    let east_bank = east.engine.database(BANK).unwrap();
    assert_eq!(balances(&east_bank).await, balances(&west_bank).await);
    for side in [&east, &west] {
        assert_eq!(side.links.diverged(BANK).unwrap().len(), 1);
    }
    for side in [&east, &west] {
        side.links.stop_all().await;
        side.engine.shutdown().await;
        side.serving.abort();
    }
}
