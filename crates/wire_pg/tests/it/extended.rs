//! The extended protocol through a driver.

use crate::server::{Server, code, rows, run};
use futures::{StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::types::Type;

#[tokio::test]
async fn parameters_results_and_their_types() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id bigint primary key, name varchar(20), v float8)").await;
    let insert = client.prepare("insert into t values ($1, $2, $3)").await.expect("prepares");
    assert_eq!(insert.params(), [Type::INT8, Type::VARCHAR, Type::FLOAT8]);
    for i in 0..3_i64 {
        let name = (i != 1).then(|| format!("n{i}"));
        let n = client.execute(&insert, &[&i, &name, &(i as f64 / 2.0)]).await.expect("inserts");
        assert_eq!(n, 1);
    }
    let select = client.prepare("select id, name, v from t where id >= $1 order by id").await;
    let select = select.expect("prepares");
    let columns: Vec<_> = select.columns().iter().map(|c| (c.name(), c.type_().clone())).collect();
    assert_eq!(columns, [("id", Type::INT8), ("name", Type::VARCHAR), ("v", Type::FLOAT8)]);
    let found = client.query(&select, &[&1_i64]).await.expect("selects");
    let got: Vec<(i64, Option<String>, f64)> =
        found.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    assert_eq!(got, [(1, None, 0.5), (2, Some("n2".into()), 1.0)]);
}

#[tokio::test]
async fn errors_leave_the_connection_usable() {
    let server = Server::start().await;
    let client = server.client().await;
    let error = client.prepare("select * from nonsense").await.expect_err("no table");
    assert_eq!(code(&error), "42P01");
    let position = error.as_db_error().and_then(|e| e.position());
    assert_eq!(position, Some(&tokio_postgres::error::ErrorPosition::Original(15)));
    let divide = client.prepare_typed("select 1::int / $1", &[Type::INT4]).await.expect("prepares");
    let error = client.query(&divide, &[&0_i32]).await.expect_err("division by zero");
    assert_eq!(code(&error), "22012");
    let one = client.query_one(&divide, &[&1_i32]).await.expect("fine");
    assert_eq!(one.get::<_, i32>(0), 1);
    let error = client.execute("select 1; select 2", &[]).await.expect_err("two statements");
    assert_eq!(code(&error), "42601");
}

#[tokio::test]
async fn transactions_and_portals_of_a_driver() {
    let server = Server::start().await;
    let mut client = server.client().await;
    run(&client, "create table t (id int primary key)").await;
    let txn = client.transaction().await.expect("begins");
    txn.execute("insert into t select * from generate_series(1, 10)", &[]).await.expect("inserts");
    let statement = txn.prepare("select id from t order by id").await.expect("prepares");
    let portal = txn.bind(&statement, &[]).await.expect("binds");
    let mut all = Vec::new();
    loop {
        let some = txn.query_portal(&portal, 4).await.expect("fetches");
        if some.is_empty() {
            break;
        }
        all.extend(some.iter().map(|r| r.get::<_, i32>(0)));
    }
    assert_eq!(all, (1..=10).collect::<Vec<_>>());
    txn.rollback().await.expect("rolls back");
    assert_eq!(rows(&client, "select count(*) from t").await, ["0"]);
}

#[tokio::test]
async fn pipelined_statements_answer_in_order() {
    let server = Server::start().await;
    let client = server.client().await;
    let select = client.prepare_typed("select $1", &[Type::INT4]).await.expect("prepares");
    let answers = futures::stream::iter(0..200_i32)
        .map(|i| {
            let (client, select) = (&client, &select);
            async move {
                let row = client.query_one(select, &[&i]).await.expect("answers");
                row.get::<_, i32>(0)
            }
        })
        .buffered(50)
        .collect::<Vec<_>>()
        .await;
    assert_eq!(answers, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn rows_stream_one_by_one() {
    let server = Server::start().await;
    let client = server.client().await;
    let none: [i32; 0] = [];
    let stream =
        client.query_raw("select * from generate_series(1, 30000)", none).await.expect("starts");
    pin_mut!(stream);
    let mut sum = 0_i64;
    while let Some(row) = stream.try_next().await.expect("a row") {
        sum += row.get::<_, i64>(0);
    }
    assert_eq!(sum, 30_000 * 30_001 / 2);
}

#[tokio::test]
async fn statements_survive_schema_changes_or_say_so() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (id int primary key); insert into t values (1)").await;
    let count = client.prepare("select count(*) from t").await.expect("prepares");
    let all = client.prepare("select * from t").await.expect("prepares");
    run(&client, "alter table t add column b int").await;
    assert_eq!(client.query_one(&count, &[]).await.expect("counts").get::<_, i64>(0), 1);
    let error = client.query(&all, &[]).await.expect_err("another shape");
    assert_eq!(code(&error), "0A000");
    assert_eq!(client.query("select * from t", &[]).await.expect("anew")[0].len(), 2);
}

#[tokio::test]
async fn session_commands_work_in_the_extended_protocol() {
    let server = Server::start().await;
    let client = server.client().await;
    client.execute("set work_mem = '1MB'", &[]).await.expect("sets");
    let shown = client.query_one("show work_mem", &[]).await.expect("shows");
    assert_eq!(shown.get::<_, String>(0), "1MB");
    client.execute("begin", &[]).await.expect("begins");
    client.execute("create table t (a int)", &[]).await.expect("creates");
    client.execute("rollback", &[]).await.expect("rolls back");
    let error = client.query("select * from t", &[]).await.expect_err("gone");
    assert_eq!(code(&error), "42P01");
}
