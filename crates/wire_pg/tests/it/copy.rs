//! COPY through a driver.

use crate::server::{Server, code, rows, run, shown};
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, TryStreamExt, pin_mut};
use tokio_postgres::{Client, Error};

async fn copy_in(client: &Client, sql: &str, data: &str) -> Result<u64, Error> {
    let sink = client.copy_in::<_, Bytes>(sql).await?;
    pin_mut!(sink);
    // In small pieces, cut anywhere.
    for piece in data.as_bytes().chunks(7) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}

async fn copy_out(client: &Client, sql: &str) -> String {
    let stream = client.copy_out(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", shown(&e)));
    let data: BytesMut = stream.try_collect().await.expect("data");
    String::from_utf8(data.to_vec()).expect("text")
}

#[tokio::test]
async fn text_and_csv_in_and_out() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key, name text, d numeric(8,2) default 1.5)")
        .await;
    let n = copy_in(&client, "copy t from stdin", "1\ta\\tb\t2.50\n2\t\\N\t\\N\n").await;
    assert_eq!(n.expect("copies"), 2);
    let csv = "name,id\n\"x, \"\"y\"\"\",3\n,4\n";
    let n = copy_in(&client, "copy t (name, id) from stdin with (format csv, header)", csv).await;
    assert_eq!(n.expect("copies"), 2);
    assert_eq!(
        copy_out(&client, "copy (select * from t order by id) to stdout").await,
        "1\ta\\tb\t2.50\n2\t\\N\t\\N\n3\tx, \"y\"\t1.50\n4\t\\N\t1.50\n"
    );
    assert_eq!(
        copy_out(&client, "copy (select id, name from t order by id) to stdout with csv header")
            .await,
        "id,name\n1,a\tb\n2,\n3,\"x, \"\"y\"\"\"\n4,\n"
    );
    assert_eq!(copy_out(&client, "copy t (id) to stdout").await.lines().count(), 4);
}

#[tokio::test]
async fn every_mistake_names_its_place() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key, name varchar(3) not null)").await;
    for (data, state, place) in [
        ("1\ta\n2\n", "22P04", "COPY t, line 2: \"2\""),
        ("1\ta\tb\n", "22P04", "COPY t, line 1: \"1\ta\tb\""),
        ("1\ta\nx\tb\n", "22P02", "COPY t, line 2, column id: \"x\""),
        ("1\tabcd\n", "22001", "COPY t, line 1, column name: \"abcd\""),
        ("99999999999\ta\n", "22003", "COPY t, line 1, column id"),
    ] {
        let error = copy_in(&client, "copy t from stdin", data).await.expect_err(data);
        assert_eq!(code(&error), state, "{data:?}");
        let detail = error.as_db_error().and_then(|e| e.detail()).unwrap_or("").to_string();
        assert!(detail.contains(place), "{data:?}: {detail}");
    }
    let error = copy_in(&client, "copy t from stdin", "1\t\\N\n").await.expect_err("null");
    assert_eq!(code(&error), "23502");
    let error = copy_in(&client, "copy t from stdin", "1\ta\n1\tb\n").await.expect_err("twice");
    assert_eq!(code(&error), "23505");
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
    // Last, because the driver sends a second Sync then and loses count.
    let error = client.copy_in::<_, Bytes>("copy nonsense from stdin").await.err().expect("none");
    assert_eq!(code(&error), "42P01");
}

#[tokio::test]
async fn copy_inside_a_transaction_with_truncate_as_pgbench_does() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table a (id int not null, filler char(10)) with (fillfactor=100)").await;
    run(&client, "insert into a values (77, 'x'); begin; truncate a").await;
    let mut data = String::new();
    for i in 1..=20_000 {
        data.push_str(&format!("{i}\t\n"));
    }
    let n = copy_in(&client, "copy a from stdin with (freeze on)", &data).await;
    assert_eq!(n.unwrap_or_else(|e| panic!("{}", shown(&e))), 20_000);
    run(&client, "commit; alter table a add primary key (id)").await;
    assert_eq!(rows(&client, "select count(*), min(id), max(id) from a").await, ["20000|1|20000"]);
    assert_eq!(copy_out(&client, "copy a to stdout").await.lines().count(), 20_000);
}

#[tokio::test]
async fn an_abandoned_copy_leaves_nothing() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key)").await;
    {
        let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.expect("starts");
        pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\n2\n")).await.expect("sends");
    }
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
}
