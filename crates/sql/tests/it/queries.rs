//! What SELECT shows.

use crate::harness::World;

async fn sample() -> (World, crate::harness::Session) {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2), qty int);
         INSERT INTO items VALUES (1, 'apple', 0.50, 10), (2, 'pear', 0.75, 0),
           (3, 'plum', NULL, 5), (4, 'fig', 2.00, NULL)",
    )
    .await
    .expect("sample data");
    (world, s)
}

#[tokio::test]
async fn rows_come_back_as_they_were_put_in() {
    let (_world, mut s) = sample().await;
    assert_eq!(
        s.rows("SELECT * FROM items ORDER BY id").await,
        ["1|apple|0.50|10", "2|pear|0.75|0", "3|plum|NULL|5", "4|fig|2.00|NULL"]
    );
}

#[tokio::test]
async fn nulls_sort_as_the_greatest() {
    let (_world, mut s) = sample().await;
    assert_eq!(s.rows("SELECT id FROM items ORDER BY qty").await, ["2", "3", "1", "4"]);
    assert_eq!(s.rows("SELECT id FROM items ORDER BY qty DESC").await, ["4", "1", "3", "2"]);
}

#[tokio::test]
async fn joins_aggregates_windows_and_ctes_work() {
    let (_world, mut s) = sample().await;
    assert_eq!(s.rows("SELECT count(*), sum(qty), max(price) FROM items").await, ["4|15|2.00"]);
    assert_eq!(s.rows("SELECT count(*) FROM items WHERE id BETWEEN 2 AND 3").await, ["2"]);
    assert_eq!(
        s.rows(
            "WITH cheap AS (SELECT id, name FROM items WHERE price < 1) SELECT a.name, b.name \
             FROM cheap a JOIN cheap b ON a.id < b.id"
        )
        .await,
        ["apple|pear"]
    );
    assert_eq!(
        s.rows("SELECT id, row_number() OVER (ORDER BY name DESC) FROM items ORDER BY id").await,
        ["1|4", "2|2", "3|1", "4|3"]
    );
    assert_eq!(
        s.rows("SELECT name FROM items WHERE qty > (SELECT avg(qty) FROM items) ORDER BY 1").await,
        ["apple"]
    );
    assert_eq!(s.rows("SELECT i FROM generate_series(1, 3) AS g(i)").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_series_in_the_select_list_gives_rows() {
    let (_world, mut s) = sample().await;
    for (sql, rows) in [
        ("SELECT generate_series(1, 3)", vec!["1", "2", "3"]),
        ("SELECT generate_series(5, 1, -2) * 10, 'x'", vec!["50|x", "30|x", "10|x"]),
        ("SELECT generate_series(3, 1)", vec![]),
        ("SELECT count(*) FROM (SELECT generate_series(1, 3000000)) AS s", vec!["3000000"]),
        ("SELECT s.generate_series + 1 FROM (SELECT generate_series(1, 2)) AS s", vec!["2", "3"]),
        (
            "SELECT id, generate_series(1, id) AS n FROM items WHERE id < 3 ORDER BY id, n",
            vec!["1|1", "2|1", "2|2"],
        ),
        ("SELECT generate_series(1, 2), generate_series(1, 3)", vec!["1|1", "2|2", "NULL|3"]),
        (
            "SELECT id FROM items WHERE id IN (SELECT generate_series(2, 3)) ORDER BY 1",
            vec!["2", "3"],
        ),
        ("WITH s AS (SELECT generate_series(1, 4) AS n) SELECT sum(n) FROM s", vec!["10"]),
        ("SELECT generate_series(1, 2) UNION ALL SELECT 7 ORDER BY 1", vec!["1", "2", "7"]),
    ] {
        assert_eq!(s.rows(sql).await, rows, "{sql}");
    }
    let shown = s.run("SELECT generate_series(1, 2), 1 AS one").await.expect("rows");
    assert_eq!(shown.columns, ["generate_series", "one"]);
    s.run("INSERT INTO items SELECT generate_series(11, 13), 'more'").await.expect("inserts");
    assert_eq!(s.rows("SELECT count(*) FROM items WHERE name = 'more'").await, ["3"]);
}

#[tokio::test]
async fn result_columns_are_named_as_postgres_names_them() {
    let (_world, mut s) = sample().await;
    let shown = s
        .run("SELECT id, id + 1, count(*) over (), upper(name) AS big, qty::text, items.* FROM items LIMIT 1")
        .await
        .expect("rows");
    assert_eq!(
        shown.columns,
        ["id", "?column?", "count", "big", "qty", "id", "name", "price", "qty"]
    );
    assert_eq!(shown.tag, "SELECT 1");
}

#[tokio::test]
async fn quoted_literals_take_the_type_they_are_compared_with() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (id uuid PRIMARY KEY, d date, c char(5), n int);
         INSERT INTO t VALUES ('550E8400-E29B-41D4-A716-446655440000', '2024-02-29', 'ab', 7)",
    )
    .await
    .expect("data");
    for condition in [
        "id = '550E8400-e29b-41d4-a716-446655440000'",
        "d = '2024-02-29'",
        "d > '2024-01-01' AND d < '2024-12-31'",
        "c = 'ab'",
        "n = '7'",
        "n < '10'",
    ] {
        let sql = format!("SELECT n FROM t WHERE {condition}");
        assert_eq!(s.rows(&sql).await, ["7"], "{condition}");
    }
    assert_eq!(s.fails("SELECT n FROM t WHERE id = 'x'").await.0, "22P02");
    assert_eq!(s.fails("SELECT n FROM t WHERE n = 'x'").await.0, "22P02");
}

#[tokio::test]
async fn errors_carry_their_sqlstate() {
    let (_world, mut s) = sample().await;
    for (sql, state) in [
        ("SELECT nope FROM items", "42703"),
        ("SELECT items.nope FROM items", "42703"),
        ("SELECT x.id FROM items", "42P01"),
        ("SELECT * FROM nope", "42P01"),
        ("SELECT nope(1)", "42883"),
        ("SELECT 1/0", "22012"),
        ("SELECT id/0 FROM items", "22012"),
        ("SELECT a.id FROM items a, items b WHERE id = 1", "42702"),
        ("SELECT name, count(*) FROM items", "42803"),
        ("SELECT (SELECT id FROM items)", "21000"),
        ("SELECT 1 FROM items WHERE id = 1 +", "42601"),
        ("SELECT CAST('x' AS int)", "22P02"),
    ] {
        let (got, message) = s.fails(sql).await;
        assert_eq!(got, state, "{sql}: {message}");
    }
    assert_eq!(s.fails("SELECT * FROM nope").await.1, "relation \"nope\" does not exist");
}

#[tokio::test]
async fn session_functions_tell_about_the_session() {
    let world = World::new().await;
    let mut s = world.session();
    assert_eq!(
        s.rows("SELECT current_database(), current_schema(), current_user, pg_backend_pid()").await,
        ["test|public|root|7"]
    );
    assert_eq!(
        s.rows("SELECT now() = current_timestamp, now()::date = current_date").await,
        ["t|t"]
    );
    s.begin();
    let first = s.rows("SELECT now()").await;
    assert_eq!(s.rows("SELECT now()").await, first);
    s.rollback().await;
}

#[tokio::test]
async fn parameters_take_their_types_from_where_they_stand() {
    let (_world, mut s) = sample().await;
    use base::Value;
    let shown = s
        .with(
            "SELECT name FROM items WHERE qty > $1 ORDER BY id LIMIT $2",
            &[Value::Int(4), Value::Int(1)],
        )
        .await
        .expect("rows");
    assert_eq!(shown.rows, ["apple"]);
    let shown = s
        .with("SELECT $1, $2::int + 1", &[Value::Text("hi".into()), Value::Int(1)])
        .await
        .expect("rows");
    assert_eq!(shown.rows, ["hi|2"]);
}

#[tokio::test]
async fn explain_shows_a_plan_with_the_scan_in_it() {
    let (_world, mut s) = sample().await;
    let plan = s.rows("EXPLAIN SELECT * FROM items WHERE id = 3 AND qty > 1").await.join("\n");
    assert!(plan.contains("ScanExec: table=items") && plan.contains("keys=range"), "{plan}");
    assert!(plan.contains("partition="), "{plan}");
}

#[tokio::test]
async fn odd_types_are_shown_as_text() {
    let world = World::new().await;
    let mut s = world.session();
    assert_eq!(
        s.rows(
            "SELECT ARRAY[1, NULL, 3], ARRAY['a', 'b c', 'd\"'], interval '1 year 2 days 3 hours 4 minutes 5 seconds'"
        )
        .await,
        ["{1,NULL,3}|{a,\"b c\",\"d\\\"\"}|1 year 2 days 03:04:05"]
    );
    assert_eq!(s.rows("SELECT mod(7, 3), mod(-7, 3), mod(7.5, 2)").await, ["1|-1|1.5"]);
    assert_eq!(s.fails("SELECT mod(7, 0)").await.0, "22012");
}

#[tokio::test]
async fn a_query_that_is_executed_again_means_the_same() {
    let (_world, mut s) = sample().await;
    use base::Value;
    for sql in [
        "SELECT id, qty + $1 FROM items WHERE id > $2 ORDER BY id LIMIT 2",
        "SELECT count(*), sum(qty) FROM items WHERE id BETWEEN $1 AND $2",
        "SELECT a.id FROM items a JOIN items b ON a.id = b.id + $1 WHERE b.id >= $2 ORDER BY 1",
        "SELECT id FROM items WHERE qty > (SELECT min(qty) + $1 FROM items) AND id <> $2 ORDER BY 1",
        "SELECT id FROM items WHERE name IN (SELECT name FROM items WHERE id = $1) OR id = $2 ORDER BY 1",
        "SELECT id FROM items ORDER BY id LIMIT $1 OFFSET $2",
        "SELECT id, now() IS NULL, $1, $2 FROM items ORDER BY id LIMIT 1",
    ] {
        s.begin();
        let prepared = s.prepare(sql).await;
        for (a, b) in [(1, 2), (2, 1), (1, 1), (0, 3), (1, 2)] {
            let value = |ty, v: i64| match ty {
                base::SqlType::Text => Value::Text(v.to_string().into()),
                _ => Value::Int(v),
            };
            let values = [value(prepared.params[0], a), value(prepared.params[1], b)];
            let again = crate::harness::show(s.execute(&prepared, &values).await.expect(sql)).await;
            let fresh = s.prepare(sql).await;
            let once = crate::harness::show(s.execute(&fresh, &values).await.expect(sql)).await;
            assert_eq!(again.expect(sql), once.expect(sql), "{sql} {a} {b}");
        }
        s.rollback().await;
    }
}
