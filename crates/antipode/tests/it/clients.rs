//! PostgreSQL's shell and libraries against a real server.

use crate::BINARY;
use std::io::Write;
use testkit::{Server, error_of, one, psql, rows, script};

#[tokio::test(flavor = "multi_thread")]
async fn psql_runs_statements_copies_and_tells_errors() {
    let Some(psql) = psql("psql_runs_statements_copies_and_tells_errors") else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 3").await;
    let plain = ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"];
    let run = |more: &[&str]| psql.run(&server, "d", &[&plain, more].concat());

    assert_eq!(run(&["-c", "SELECT 1"]).expect_fine("SELECT 1").trim(), "1");

    let csv = dir.path().join("t.csv");
    let mut file = std::fs::File::create(&csv).unwrap();
    for i in 0..500 {
        writeln!(file, "{i},\"name, {i}\",{}.25,2024-02-{:02}", i * 3, 1 + i % 28).unwrap();
    }
    let create = "CREATE TABLE t (id int PRIMARY KEY, name text, price numeric(10,2), day date)";
    run(&["-c", create]).expect_fine("CREATE TABLE");
    let copy = format!("\\copy t FROM '{}' WITH (FORMAT csv)", csv.display());
    assert!(run(&["-c", &copy]).expect_fine("\\copy").contains("500"));
    let sum = "SELECT count(*), sum(price), min(name), max(day) FROM t";
    let answer = run(&["-c", sum]).expect_fine(sum);
    assert_eq!(answer.trim(), "500|374375.00|name, 0|2024-02-28");

    let back = dir.path().join("back.csv");
    let copy = format!("\\copy (SELECT * FROM t ORDER BY id) TO '{}' (FORMAT csv)", back.display());
    run(&["-c", &copy]).expect_fine("\\copy to");
    assert_eq!(std::fs::read(&csv).unwrap(), std::fs::read(&back).unwrap());

    let wrong = run(&["-c", "SELECT nothing FROM t"]);
    assert!(!wrong.fine && wrong.err.contains("nothing"), "{wrong:?}");
    let syntax = run(&["-v", "VERBOSITY=verbose", "-c", "SELECT * FRO t"]);
    assert!(syntax.err.contains("42601"), "{}", syntax.err);
    assert!(syntax.err.contains("LINE 1"), "an error points at its place: {}", syntax.err);
    let described = run(&["-c", "\\d t"]);
    assert!(described.fine || described.err.contains("not supported"), "{described:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_have_their_status_and_roll_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 4").await;
    let mut client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, v text)"]).await;

    let transaction = client.transaction().await.unwrap();
    for id in 0..20_i64 {
        let insert = "INSERT INTO t VALUES ($1, $2)";
        transaction.execute(insert, &[&id, &format!("v{id}")]).await.unwrap();
    }
    transaction.rollback().await.unwrap();
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "0");

    let transaction = client.transaction().await.unwrap();
    for id in 0..20_i64 {
        let insert = "INSERT INTO t VALUES ($1, $2)";
        transaction.execute(insert, &[&id, &format!("v{id}")]).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let row = client.query_one("SELECT count(*), max(v) FROM t", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (20, "v9"));

    script(&client, &["BEGIN", "INSERT INTO t VALUES (100, 'x')"]).await;
    assert_eq!(error_of(&client, "INSERT INTO t VALUES (1, 'twice')").await.0, "23505");
    assert_eq!(error_of(&client, "SELECT 1").await.0, "25P02");
    script(&client, &["ROLLBACK"]).await;
    assert_eq!(rows(&client, "SELECT id FROM t WHERE id >= 100").await, Vec::<Vec<String>>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_query_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d").await;
    let client = server.connect("d").await;
    let cancel = client.cancel_token();
    let query = tokio::spawn(async move {
        let endless = "SELECT count(*) FROM generate_series(1, 1000000000000)";
        client.simple_query(endless).await.map(|_| ())
    });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), query).await;
    let e = ended.expect("the query ends").unwrap().unwrap_err();
    assert_eq!(e.code().map(|c| c.code()), Some("57014"), "{e:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_shows_sequences() {
    let Some(psql) = psql("psql_shows_sequences") else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 3").await;
    let run = |command: &str| psql.run(&server, "d", &["-X", "-A", "-c", command]);
    let create = "CREATE TABLE t (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)";
    run(create).expect_fine(create);
    run("CREATE SEQUENCE s START 5").expect_fine("CREATE SEQUENCE");
    assert!(run("SELECT nextval('s'), lastval()").expect_fine("nextval").contains("5|5"));
    let listed = run("\\ds").expect_fine("\\ds");
    for name in ["public|s|sequence|root", "public|t_id_seq|sequence|root"] {
        assert!(listed.contains(name), "{listed}");
    }
    let all = run("\\d").expect_fine("\\d");
    assert!(all.contains("t_n_seq|sequence") && all.contains("t|table"), "{all}");
    let described = run("\\d t_id_seq").expect_fine("\\d of a sequence");
    assert!(described.contains("integer|1|1|2147483647|1|no|1"), "{described}");
    assert!(described.contains("Owned by: public.t.id"), "{described}");
    let described = run("\\d t").expect_fine("\\d of a table");
    assert!(described.contains("nextval('t_id_seq'::regclass)"), "{described}");
    assert!(described.contains("generated always as identity"), "{described}");
}
