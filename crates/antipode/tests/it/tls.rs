//! TLS on the one port: for clients that ask for it first, and for those that begin with it.

use crate::BINARY;
use testkit::{Pair, Server, psql, script};

/// A self-signed certificate for 127.0.0.1 as two files.
fn certificate(dir: &std::path::Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into(), "localhost".into()]);
    let made = made.unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert.display().to_string(), key.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_connects_with_tls_when_there_is_a_certificate() {
    let Some(psql) = psql("psql_connects_with_tls_when_there_is_a_certificate") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let flags = ["--tls-cert", &cert, "--tls-key", &key];
    let server = Server::start_with(BINARY, 1, "east", dir.path(), &flags);
    let verified = psql
        .command(&server, "antipode")
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &cert)
        .args(["-X", "-c", "\\conninfo", "-A", "-t", "-c", "SELECT 1"])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{verified:?}");
    assert!(out.contains("SSL connection"), "{out}");

    let plain = psql
        .command(&server, "antipode")
        .env("PGSSLMODE", "disable")
        .args(["-X", "-A", "-t", "-c", "SELECT 1"])
        .output()
        .unwrap();
    assert!(plain.status.success(), "clear text stays possible: {plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_tls_is_refused_and_a_wrong_one_is_a_clear_error() {
    let Some(psql) = psql("without_a_certificate_tls_is_refused") else { return };
    let pair = Pair::start(BINARY);
    let refused = psql
        .command(&pair.east, "antipode")
        .env("PGSSLMODE", "require")
        .args(["-X", "-c", "SELECT 1"])
        .output()
        .unwrap();
    assert!(!refused.status.success());

    let nonsense = pair.dir.path().join("nonsense.pem").display().to_string();
    std::fs::write(&nonsense, "nothing").unwrap();
    let data = pair.dir.path().join("third").display().to_string();
    let output = std::process::Command::new(BINARY)
        .args(["start", "--cluster-id", "3", "--listen", "127.0.0.1:0", "--data", &data])
        .args(["--tls-cert", &nonsense, "--tls-key", &nonsense, "--password", "x"])
        .env("ANTIPODE_LOG", "error")
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), err.trim().lines().count()), (Some(2), 1), "{err}");
    assert!(err.contains("nonsense.pem"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_an_https_source_is_encrypted_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let east = ["--tls-cert", &cert, "--tls-key", &key];
    let east = Server::start_with(BINARY, 1, "east", dir.path(), &east);
    let west = Server::start_with(BINARY, 2, "west", dir.path(), &["--tls-ca", &cert]);
    let stranger = Server::start(BINARY, 3, "stranger", dir.path());
    east.admin("CREATE DATABASE d PARTITIONS 2").await;
    script(
        &east.connect("d").await,
        &["CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)"],
    )
    .await;
    let from = east.source("d").replace("127.0.0.1", "'https://127.0.0.1'");
    let replicate = format!("REPLICATE DATABASE d FROM {from}");
    let (_, message) = stranger.admin_error(&replicate).await;
    assert!(!message.is_empty(), "an unknown authority is refused");
    west.admin(&replicate).await;
    west.agrees_with(&east, "d", "SELECT count(*), sum(id) FROM t").await;
}
