//! COPY of many rows: what is in the way of some of them, and what others see of it.

use crate::server::{Server, code, rows, run, shown};
use bytes::Bytes;
use futures::{SinkExt, pin_mut};
use std::fmt::Write;
use std::time::Duration;
use tokio_postgres::{Client, Error};

/// Lines `id \t row id` for some ids.
fn lines(ids: impl IntoIterator<Item = i64>) -> String {
    ids.into_iter().fold(String::new(), |mut text, id| {
        let _ = writeln!(text, "{id}\trow {id}");
        text
    })
}

async fn copy(client: &Client, data: &str) -> Result<u64, Error> {
    let sink = client.copy_in::<_, Bytes>("copy t from stdin").await?;
    pin_mut!(sink);
    for piece in data.as_bytes().chunks(50_000) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}

/// An error's code and where in the data it was.
fn told(error: &Error) -> (String, String) {
    let detail = error.as_db_error().and_then(|e| e.detail()).unwrap_or_default();
    (code(error), detail.lines().last().unwrap_or_default().to_string())
}

async fn table(server: &Server) -> Client {
    let client = server.client().await;
    run(&client, "create table t (id bigint primary key, name text not null)").await;
    client
}

async fn all(client: &Client) -> Vec<String> {
    rows(client, "select count(*), min(id), max(id), count(distinct name) from t").await
}

/// Waits until some statement waits for a lock.
async fn until_somebody_waits(server: &Server) {
    for _ in 0..3000 {
        if server.engine.lock_waits() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits");
}

#[tokio::test]
async fn many_rows_over_all_partitions_are_there_once() {
    let server = Server::start().await;
    let client = table(&server).await;
    assert_eq!(copy(&client, &lines(0..20_000)).await.expect("copies"), 20_000);
    assert_eq!(all(&client).await, ["20000|0|19999|20000"]);
    // Behind them, between them, and in no order.
    assert_eq!(copy(&client, &lines(20_000..30_000)).await.expect("copies"), 10_000);
    let mixed = (0..5_000).map(|n| 40_000 + n * 7_919 % 5_000);
    assert_eq!(copy(&client, &lines(mixed)).await.expect("copies"), 5_000);
    assert_eq!(copy(&client, &lines(-100..0)).await.expect("copies"), 100);
    assert_eq!(all(&client).await, ["35100|-100|44999|35100"]);
    assert_eq!(rows(&client, "select name from t where id = 44998").await, ["row 44998"]);
    run(&client, "checkpoint").await;
    assert_eq!(all(&client).await, ["35100|-100|44999|35100"]);
    assert_eq!(copy(&client, &lines(30_000..40_000)).await.expect("copies"), 10_000);
    assert_eq!(all(&client).await, ["45100|-100|44999|45100"]);
}

#[tokio::test]
async fn a_row_that_is_twice_in_the_data_is_named_with_its_line() {
    let server = Server::start().await;
    let client = table(&server).await;
    // In one batch, and in a later one.
    for again in [700, 9_000] {
        let data = lines((0..again).chain([123]).chain(again..10_000));
        let error = copy(&client, &data).await.expect_err("twice");
        let place = format!("COPY t, line {}: \"123\trow 123\"", again + 1);
        assert_eq!(told(&error), ("23505".into(), place));
        let message = error.as_db_error().expect("told").message().to_string();
        assert_eq!(message, "duplicate key value violates unique constraint \"t_pkey\"");
        assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
    }
}

#[tokio::test]
async fn a_row_that_is_there_already_is_named_with_its_line() {
    let server = Server::start().await;
    let client = table(&server).await;
    run(&client, "insert into t values (4500, 'old'), (6000, 'old')").await;
    for _ in 0..2 {
        let error = copy(&client, &lines(1..8_000)).await.expect_err("there");
        let place = "COPY t, line 4500: \"4500\trow 4500\"";
        assert_eq!(told(&error), ("23505".into(), place.into()));
        assert_eq!(rows(&client, "select name, count(*) from t group by name").await, ["old|2"]);
        // Once more, with the old rows in files.
        run(&client, "checkpoint").await;
    }
    run(&client, "delete from t").await;
    assert_eq!(copy(&client, &lines(1..8_000)).await.expect("free again"), 7_999);
    assert_eq!(all(&client).await, ["7999|1|7999|7999"]);
}

#[tokio::test]
async fn other_constraints_are_told_with_their_line() {
    let server = Server::start().await;
    let client = server.client().await;
    run(
        &client,
        "create table t (id bigint primary key, name text not null, unique (id, name)); \
         create index on t (name)",
    )
    .await;
    let data = lines(0..200).replace("150\trow 150", "150\t\\N");
    let error = copy(&client, &data).await.expect_err("null");
    assert_eq!(told(&error), ("23502".into(), "COPY t, line 151: \"150\t\\N\"".into()));
    assert_eq!(copy(&client, &lines(0..5_000)).await.expect("copies"), 5_000);
    assert_eq!(rows(&client, "select id from t where name = 'row 77'").await, ["77"]);
    assert_eq!(rows(&client, "select count(*) from t where name >= 'row 9'").await, ["111"]);
    assert_eq!(rows(&client, "delete from t where name = 'row 77' returning id").await, ["77"]);
    assert_eq!(rows(&client, "select id from t where name = 'row 77'").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_row_that_another_transaction_is_writing_is_waited_for() {
    let server = Server::start().await;
    let (client, other) = (table(&server).await, server.client().await);
    for (end, state) in [("rollback", None), ("commit", Some("23505"))] {
        run(&client, "delete from t").await;
        run(&other, "begin; insert into t values (3000, 'other')").await;
        let data = lines(1..6_000);
        let loading = copy(&client, &data);
        let ending = async {
            until_somebody_waits(&server).await;
            run(&other, end).await;
        };
        let (loaded, ()) = tokio::join!(loading, ending);
        match state {
            None => assert_eq!(loaded.expect("free"), 5_999),
            Some(state) => {
                let place = "COPY t, line 3000: \"3000\trow 3000\"";
                assert_eq!(told(&loaded.expect_err("taken")), (state.into(), place.into()));
                assert_eq!(rows(&client, "select name from t").await, ["other"]);
            }
        }
    }
}

#[tokio::test]
async fn others_wait_for_rows_that_are_being_loaded() {
    let server = Server::start().await;
    let (client, other) = (table(&server).await, server.client().await);
    run(&client, "begin").await;
    copy(&client, &lines(1..6_000)).await.expect("copies");
    assert_eq!(rows(&other, "select count(*) from t").await, ["0"]);
    run(&other, "set lock_timeout = '50ms'").await;
    let state = crate::server::state(&other, "insert into t values (3000, 'other')").await;
    assert_eq!(state, "55P03");
    run(&other, "insert into t values (6000, 'other')").await;
    run(&other, "set lock_timeout = 0").await;
    let (waiting, ()) = tokio::join!(
        crate::server::try_rows(&other, "insert into t values (3000, 'other')"),
        async {
            until_somebody_waits(&server).await;
            run(&client, "rollback").await;
        }
    );
    waiting.unwrap_or_else(|e| panic!("{}", shown(&e)));
    assert_eq!(rows(&client, "select id from t order by id").await, ["3000", "6000"]);
}

#[tokio::test]
async fn what_is_loaded_can_be_changed_and_taken_back_before_the_commit() {
    let server = Server::start().await;
    let client = table(&server).await;
    run(&client, "begin").await;
    copy(&client, &lines(1..3_000)).await.expect("copies");
    run(&client, "savepoint a").await;
    copy(&client, &lines(3_000..6_000)).await.expect("copies");
    run(&client, "update t set name = 'new' where id in (1000, 4000)").await;
    run(&client, "delete from t where id in (2000, 5000)").await;
    assert_eq!(all(&client).await, ["5997|1|5999|5996"]);
    let error = copy(&client, &lines(5_900..6_100)).await.expect_err("its own");
    let place = "COPY t, line 1: \"5900\trow 5900\"";
    assert_eq!(told(&error), ("23505".into(), place.into()));
    run(&client, "rollback to savepoint a").await;
    assert_eq!(all(&client).await, ["2999|1|2999|2999"]);
    run(&client, "delete from t where id = 17; update t set name = 'x' where id = 18").await;
    copy(&client, &lines((3_000..3_500).chain([17]))).await.expect("17 is free");
    run(&client, "commit").await;
    assert_eq!(all(&client).await, ["3499|1|3499|3499"]);
    let found = rows(&client, "select name from t where id in (17, 18, 1000, 2000) order by id");
    assert_eq!(found.await, ["row 17", "x", "row 1000", "row 2000"]);
}

#[tokio::test]
async fn a_row_that_went_after_the_snapshot_is_a_conflict() {
    let server = Server::start().await;
    let (client, other) = (table(&server).await, server.client().await);
    run(&client, "insert into t values (500, 'old')").await;
    for level in ["repeatable read", "serializable"] {
        run(&client, &format!("begin isolation level {level}")).await;
        assert_eq!(rows(&client, "select count(*) from t").await, ["1"]);
        run(&other, "delete from t").await;
        let error = copy(&client, &lines(1..1_000)).await.expect_err("changed");
        assert_eq!(code(&error), "40001", "{level}");
        run(&client, "rollback").await;
        run(&other, "insert into t values (500, 'old')").await;
    }
}

#[tokio::test]
async fn a_load_is_cancelled_in_the_middle_and_leaves_nothing() {
    let server = Server::start().await;
    let (client, other) = (table(&server).await, server.client().await);
    let token = client.cancel_token();
    {
        // Between two pieces of data.
        let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.expect("starts");
        pin_mut!(sink);
        sink.send(lines(0..10_000).into()).await.expect("sends");
        sink.flush().await.expect("sends");
        token.cancel_query(tokio_postgres::NoTls).await.expect("cancel request");
        let mut next = 10_000;
        let error = loop {
            let sent = sink.send(lines(next..next + 10_000).into()).await;
            next += 10_000;
            match sent {
                Ok(()) if next < 2_000_000 => tokio::time::sleep(Duration::from_millis(1)).await,
                Ok(()) => break sink.finish().await.expect_err("cancelled"),
                Err(error) => break error,
            }
        };
        assert!(error.is_closed() || code(&error) == "57014", "{}", shown(&error));
    }
    let client = server.client().await;
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
    // While it waits for a row.
    let token = client.cancel_token();
    run(&other, "begin; insert into t values (3000, 'other')").await;
    let data = lines(1..6_000);
    let (loaded, ()) = tokio::join!(copy(&client, &data), async {
        until_somebody_waits(&server).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("cancel request");
    });
    assert_eq!(code(&loaded.expect_err("cancelled")), "57014");
    run(&other, "rollback").await;
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
}

#[tokio::test]
async fn inserts_of_many_rows_take_the_same_way() {
    let server = Server::start().await;
    let client = table(&server).await;
    copy(&client, &lines(0..5_000)).await.expect("copies");
    run(&client, "create table u (id bigint primary key, name text)").await;
    run(&client, "insert into u select id + 1, name from t").await;
    assert_eq!(rows(&client, "select count(*), max(id) from u").await, ["5000|5000"]);
    let state = crate::server::state(&client, "insert into u select id, name from t").await;
    assert_eq!(state, "23505");
    assert_eq!(rows(&client, "select count(*), max(id) from u").await, ["5000|5000"]);
    let values: Vec<String> = (6_000..6_500).map(|id| format!("({id}, 'x')")).collect();
    let insert = format!("insert into u values {} returning id", values.join(", "));
    assert_eq!(rows(&client, &insert).await.len(), 500);
    let state = crate::server::state(&client, &insert).await;
    assert_eq!(state, "23505");
    let skip = format!("insert into u values {} on conflict do nothing", values.join(", "));
    run(&client, &skip).await;
    assert_eq!(rows(&client, "select count(*), max(id) from u").await, ["5500|6499"]);
}
