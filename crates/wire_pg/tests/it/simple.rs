//! The simple protocol, settings, cancelling.

use crate::server::{Server, code, rows, run, shown, state, try_rows};
use std::time::{Duration, Instant};

#[tokio::test]
async fn tables_rows_and_errors() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key, name text not null)").await;
    run(&client, "insert into t values (1, 'one'), (2, 'two')").await;
    assert_eq!(rows(&client, "select * from t order by id").await, ["1|one", "2|two"]);
    assert_eq!(state(&client, "insert into t values (1, 'again')").await, "23505");
    assert_eq!(state(&client, "insert into t values (3, null)").await, "23502");
    assert_eq!(state(&client, "select * from nonsense").await, "42P01");
    assert_eq!(state(&client, "select nonsense from t").await, "42703");
    assert_eq!(state(&client, "selekt 1").await, "42601");
}

#[tokio::test]
async fn positions_count_from_the_start_of_the_whole_text() {
    let server = Server::start().await;
    let client = server.client().await;
    let position = async |sql: &str| {
        let error = try_rows(&client, sql).await.expect_err("fails");
        match error.as_db_error().and_then(|e| e.position().cloned()) {
            Some(tokio_postgres::error::ErrorPosition::Original(at)) => Some(at),
            _ => None,
        }
    };
    assert_eq!(position("selekt 1").await, Some(1));
    assert_eq!(position("select 'é'; selekt 1").await, Some(13));
    assert_eq!(position("-- comment\n  commit now").await, Some(21));
    run(&client, "create table t (id int primary key, name text)").await;
    assert_eq!(position("select id, nam from t").await, Some(12));
    assert_eq!(position("select 'é'; select t.nam from t where id = 1").await, Some(20));
    assert_eq!(position("select id from t where id = 1 and nam = 'x'").await, Some(35));
    assert_eq!(position("select t from t, nonsense").await, Some(18));
    assert_eq!(position("select id from t a, t b").await, Some(8));
    assert_eq!(position("select id from t where b.id = 1").await, Some(24));
    assert_eq!(position("insert into t (id, nam) values (1, 'x')").await, Some(20));
    assert_eq!(position("update t set nam = 'x' where id = 1").await, Some(14));
    assert_eq!(position("select id, nofunction(id) from t").await, Some(12));
    assert_eq!(position("select id::notype from t").await, Some(12));
    assert_eq!(position("insert into t values ('1x', 'x')").await, Some(23));
}

#[tokio::test]
async fn a_syntax_error_anywhere_keeps_the_whole_script_from_running() {
    let server = Server::start().await;
    let client = server.client().await;
    assert_eq!(state(&client, "create table t (a int); selekt").await, "42601");
    assert_eq!(state(&client, "select * from t").await, "42P01");
}

#[tokio::test]
async fn settings_live_and_roll_back() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "set work_mem = '1MB'; begin; set work_mem = '2MB'; rollback").await;
    assert_eq!(rows(&client, "show work_mem").await, ["1MB"]);
    run(&client, "begin; set local work_mem = '3MB'; commit").await;
    assert_eq!(rows(&client, "show work_mem").await, ["1MB"]);
    run(&client, "begin isolation level repeatable read read only").await;
    assert_eq!(rows(&client, "show transaction isolation level").await, ["repeatable read"]);
    assert_eq!(rows(&client, "show transaction_read_only").await, ["on"]);
    run(&client, "commit; reset all").await;
    assert_eq!(rows(&client, "show work_mem").await, ["4MB"]);
    assert!(rows(&client, "show all").await.len() > 50);
    run(&client, "prepare p as select 1; discard all").await;
    assert_eq!(state(&client, "execute p").await, "26000");
}

#[tokio::test]
async fn prepare_execute_and_cursors_in_sql() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "prepare add (int, int) as select $1 + $2").await;
    assert_eq!(rows(&client, "execute add (2, 3 * 4)").await, ["14"]);
    assert_eq!(state(&client, "execute add (1)").await, "42601");
    assert_eq!(state(&client, "prepare add as select 1").await, "42P05");
    run(&client, "deallocate add").await;
    assert_eq!(state(&client, "execute add (2, 3)").await, "26000");
    run(&client, "begin; declare c cursor for select * from generate_series(1, 6)").await;
    assert_eq!(rows(&client, "fetch 2 from c").await, ["1", "2"]);
    assert_eq!(rows(&client, "fetch next in c").await, ["3"]);
    run(&client, "move 1 in c").await;
    assert_eq!(rows(&client, "fetch all from c").await, ["5", "6"]);
    assert_eq!(rows(&client, "fetch c").await, Vec::<String>::new());
    run(&client, "close c; commit").await;
    assert_eq!(state(&client, "fetch c").await, "34000");
}

#[tokio::test]
async fn cancel_and_timeouts_stop_a_statement_and_the_session_goes_on() {
    let server = Server::start().await;
    let client = server.client().await;
    let token = client.cancel_token();
    let long = "select count(*) from generate_series(1, 4000000000)";
    let started = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("cancel request");
    });
    assert_eq!(state(&client, long).await, "57014");
    assert_eq!(rows(&client, "select 1").await, ["1"]);
    run(&client, "set statement_timeout = 100").await;
    assert_eq!(state(&client, long).await, "57014");
    assert!(started.elapsed() < Duration::from_secs(20));
    run(&client, "reset statement_timeout").await;
    assert_eq!(rows(&client, "select 1").await, ["1"]);
}

#[tokio::test]
async fn a_large_result_streams() {
    let server = Server::start().await;
    let client = server.client().await;
    let all = rows(&client, "select i, 'row ' || i from generate_series(1, 50000) as g(i)").await;
    assert_eq!((all.len(), all[49_999].as_str()), (50_000, "50000|row 50000"));
}

#[tokio::test]
async fn statements_about_databases_stand_alone() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create database other partitions 2").await;
    assert_eq!(state(&client, "create database other").await, "42P04");
    assert_eq!(state(&client, "begin; create database third").await, "25001");
    run(&client, "rollback; create user u with password 'p'").await;
    let mut config = server.config();
    config.user("u").password("p").dbname("other");
    let other = server.connect(&config).await.expect("the new user");
    assert_eq!(rows(&other, "show is_superuser").await, ["off"]);
    let error = other.batch_execute("create database x").await.expect_err("not allowed");
    assert_eq!(code(&error), "42501", "{}", shown(&error));
}

#[tokio::test]
async fn a_gate_is_told_to_clients_and_refuses_writes() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key)").await;
    assert_eq!(rows(&client, "show default_transaction_read_only").await, ["off"]);
    run(&client, "flush tables on test with read only").await;
    assert_eq!(rows(&client, "show default_transaction_read_only").await, ["on"]);
    let mut config = server.config();
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    assert!(server.connect(&config).await.is_err());
    assert_eq!(state(&client, "insert into t values (1)").await, "25006");
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
    run(&client, "unlock tables; insert into t values (1)").await;
    assert!(server.connect(&config).await.is_ok());
}
