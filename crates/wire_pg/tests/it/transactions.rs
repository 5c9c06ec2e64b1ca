//! Transaction blocks as clients see them.

use crate::raw::{Raw, message};
use crate::server::{Server, rows, run, state};
use std::time::Duration;

#[tokio::test]
async fn blocks_commit_roll_back_and_fail() {
    let server = Server::start().await;
    let (a, b) = (server.client().await, server.client().await);
    run(&a, "create table t (id int primary key, v int)").await;
    run(&a, "begin; insert into t values (1, 10)").await;
    assert_eq!(rows(&b, "select * from t").await, Vec::<String>::new());
    run(&a, "end").await;
    assert_eq!(rows(&b, "select * from t").await, ["1|10"]);
    run(&a, "begin; update t set v = 11 where id = 1; rollback").await;
    assert_eq!(rows(&b, "select v from t").await, ["10"]);
    run(&a, "begin; insert into t values (2, 20)").await;
    assert_eq!(state(&a, "select 1/0").await, "22012");
    assert_eq!(state(&a, "select 1").await, "25P02");
    run(&a, "commit").await;
    assert_eq!(rows(&b, "select count(*) from t").await, ["1"]);
}

#[tokio::test]
async fn a_script_is_one_transaction() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key)").await;
    let script = "insert into t values (1); insert into t values (2); insert into t values (1)";
    assert_eq!(state(&client, script).await, "23505");
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
    run(&client, "insert into t values (1); begin; insert into t values (2); rollback").await;
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
    run(&client, "insert into t values (1); commit; insert into t values (2)").await;
    assert_eq!(rows(&client, "select count(*) from t").await, ["2"]);
}

#[tokio::test]
async fn savepoints_come_back_from_errors() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key)").await;
    assert_eq!(state(&client, "savepoint a").await, "25P01");
    run(&client, "begin; insert into t values (1); savepoint a; insert into t values (2)").await;
    assert_eq!(state(&client, "insert into t values (1)").await, "23505");
    assert_eq!(state(&client, "select 1").await, "25P02");
    run(&client, "rollback to savepoint a; insert into t values (3); release a").await;
    assert_eq!(state(&client, "rollback to a").await, "3B001");
    run(&client, "rollback").await;
    run(&client, "begin; insert into t values (1); savepoint a; insert into t values (2)").await;
    run(&client, "rollback to a; insert into t values (3); commit").await;
    assert_eq!(rows(&client, "select id from t order by id").await, ["1", "3"]);
}

#[tokio::test]
async fn read_only_and_serialization() {
    let server = Server::start().await;
    let (a, b) = (server.client().await, server.client().await);
    run(&a, "create table t (id int primary key, v int); insert into t values (1, 1)").await;
    assert_eq!(state(&a, "begin read only; update t set v = 2").await, "25006");
    run(&a, "rollback; begin isolation level repeatable read").await;
    assert_eq!(rows(&a, "select v from t").await, ["1"]);
    assert_eq!(state(&a, "set transaction isolation level read committed").await, "25001");
    run(&a, "rollback; begin isolation level repeatable read; select v from t").await;
    run(&b, "update t set v = 5").await;
    assert_eq!(state(&a, "update t set v = v + 1 where id = 1").await, "40001");
    run(&a, "rollback; set default_transaction_read_only = on").await;
    assert_eq!(state(&a, "update t set v = 2").await, "25006");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_locks() {
    let server = Server::start().await;
    let a = server.client().await;
    run(&a, "create table t (id int primary key, v int); insert into t values (1, 1)").await;
    let b = server.client().await;
    run(&b, "begin; update t set v = 2 where id = 1").await;
    run(&a, "set lock_timeout = 100").await;
    assert_eq!(state(&a, "update t set v = 3 where id = 1").await, "55P03");
    drop(b);
    run(&a, "set lock_timeout = '20s'; update t set v = 4 where id = 1").await;
    assert_eq!(rows(&a, "select v from t").await, ["4"]);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_its_statement() {
    let server = Server::start().await;
    let mut raw = Raw::ready(&server).await;
    raw.send(&message(b'Q', b"select count(*) from generate_series(1, 4000000000)\0")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.front.connections(), 1);
    drop(raw);
    for _ in 0..500 {
        if server.front.connections() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the session is still there");
}
