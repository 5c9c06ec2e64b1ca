//! INSERT, UPDATE, DELETE.

use crate::harness::{Session, World};

async fn table(ddl: &str) -> (World, Session) {
    let world = World::new().await;
    let mut s = world.session();
    s.run(ddl).await.expect("a table");
    (world, s)
}

#[tokio::test]
async fn insert_fills_defaults_and_checks_nulls() {
    let (_w, mut s) =
        table("CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x' || 'y', b int NOT NULL)")
            .await;
    assert_eq!(s.tag("INSERT INTO t (id, b) VALUES (1, 2), (2, 3)").await, "INSERT 0 2");
    assert_eq!(s.tag("INSERT INTO t VALUES (3, DEFAULT, 4), (4, NULL, 5)").await, "INSERT 0 2");
    assert_eq!(
        s.rows("SELECT * FROM t ORDER BY id").await,
        ["1|xy|2", "2|xy|3", "3|xy|4", "4|NULL|5"]
    );
    assert_eq!(
        s.fails("INSERT INTO t (id) VALUES (9)").await,
        (
            "23502",
            "null value in column \"b\" of relation \"t\" violates not-null constraint".into()
        )
    );
    assert_eq!(s.fails("INSERT INTO t (a, b) VALUES ('q', 1)").await.0, "23502");
    assert_eq!(s.fails("INSERT INTO t (id, nope) VALUES (9, 1)").await.0, "42703");
    assert_eq!(s.fails("INSERT INTO t (id, id) VALUES (9, 1)").await.0, "42701");
    assert_eq!(s.fails("INSERT INTO t VALUES (9, 'a', 1, 2)").await.0, "42601");
    assert_eq!(s.fails("INSERT INTO t (id, b) VALUES (9)").await.0, "42601");
    assert_eq!(s.fails("INSERT INTO nope VALUES (9)").await.0, "42P01");
}

#[tokio::test]
async fn a_key_can_be_taken_only_once() {
    let (_w, mut s) = table("CREATE TABLE t (a int, b text, PRIMARY KEY (b, a))").await;
    s.run("INSERT INTO t VALUES (1, 'x')").await.expect("new");
    s.run("INSERT INTO t VALUES (1, 'y'), (2, 'x')").await.expect("new");
    let e = s.run("INSERT INTO t VALUES (1, 'x')").await.expect_err("taken");
    assert_eq!(e.state.0, "23505");
    assert_eq!(e.message, "duplicate key value violates unique constraint \"t_pkey\"");
    assert_eq!(e.detail.as_deref(), Some("Key (b, a)=(x, 1) already exists."));
    assert_eq!(s.fails("INSERT INTO t VALUES (7, 'z'), (7, 'z')").await.0, "23505");
    assert_eq!(s.rows("SELECT count(*) FROM t").await, ["3"]);
}

#[tokio::test]
async fn on_conflict_skips_or_updates() {
    let (_w, mut s) = table("CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0)").await;
    s.run("INSERT INTO t VALUES (1, 10)").await.expect("new");
    assert_eq!(
        s.tag("INSERT INTO t VALUES (1, 5), (2, 5) ON CONFLICT DO NOTHING").await,
        "INSERT 0 1"
    );
    assert_eq!(
        s.rows(
            "INSERT INTO t VALUES (1, 5), (3, 5) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n \
             RETURNING id, n"
        )
        .await,
        ["1|15", "3|5"]
    );
    assert_eq!(
        s.tag("INSERT INTO t VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = 0 WHERE t.n < 0")
            .await,
        "INSERT 0 0"
    );
    assert_eq!(
        s.fails("INSERT INTO t VALUES (9, 1), (9, 2) ON CONFLICT (id) DO UPDATE SET n = 1").await.0,
        "21000"
    );
    assert_eq!(s.fails("INSERT INTO t VALUES (9, 1) ON CONFLICT (n) DO NOTHING").await.0, "42P10");
}

#[tokio::test]
async fn insert_select_copies_and_casts() {
    let (_w, mut s) = table(
        "CREATE TABLE a (id int PRIMARY KEY, v numeric(6,2)); CREATE TABLE b (id bigint, v text)",
    )
    .await;
    s.run("INSERT INTO a SELECT i, i / 4.0 FROM generate_series(1, 100) AS g(i)")
        .await
        .expect("rows");
    assert_eq!(s.tag("INSERT INTO b SELECT id, v FROM a WHERE id <= 3").await, "INSERT 0 3");
    assert_eq!(s.rows("SELECT * FROM b ORDER BY id").await, ["1|0.25", "2|0.50", "3|0.75"]);
    s.run("INSERT INTO a SELECT id + 1000, v FROM a").await.expect("reads only what was there");
    assert_eq!(s.rows("SELECT count(*) FROM a").await, ["200"]);
    s.run("INSERT INTO a (id) VALUES ((SELECT max(id) + 1 FROM a))").await.expect("a subquery");
    assert_eq!(s.rows("SELECT max(id) FROM a").await, ["1101"]);
}

#[tokio::test]
async fn update_computes_from_the_row_and_from_others() {
    let (_w, mut s) = table(
        "CREATE TABLE t (id int PRIMARY KEY, n int, s text); CREATE TABLE f (id int PRIMARY KEY, m int);
         INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 10) AS g(i);
         INSERT INTO f VALUES (3, 300), (4, 400)",
    )
    .await;
    assert_eq!(s.tag("UPDATE t SET n = n * 10, s = s || id WHERE id > 8").await, "UPDATE 2");
    assert_eq!(s.tag("UPDATE t AS x SET n = f.m FROM f WHERE f.id = x.id").await, "UPDATE 2");
    assert_eq!(
        s.tag("UPDATE t SET n = (SELECT max(m) FROM f) WHERE id IN (SELECT id - 2 FROM f)").await,
        "UPDATE 2"
    );
    assert_eq!(
        s.rows("SELECT id, n, s FROM t ORDER BY id").await,
        [
            "1|400|x",
            "2|400|x",
            "3|300|x",
            "4|400|x",
            "5|5|x",
            "6|6|x",
            "7|7|x",
            "8|8|x",
            "9|90|x9",
            "10|100|x10"
        ]
    );
    assert_eq!(s.tag("UPDATE t SET n = 1 WHERE false").await, "UPDATE 0");
    assert_eq!(s.tag("UPDATE t SET n = DEFAULT WHERE id = 1").await, "UPDATE 1");
    assert_eq!(s.rows("UPDATE t SET n = 5 WHERE n IS NULL RETURNING id, n + 1").await, ["1|6"]);
    assert_eq!(s.fails("UPDATE t SET nope = 1").await.0, "42703");
    assert_eq!(s.fails("UPDATE t SET n = 1, n = 2").await.0, "42601");
    assert_eq!(s.fails("UPDATE t SET id = NULL WHERE id = 1").await.0, "23502");
}

#[tokio::test]
async fn the_primary_key_can_change() {
    let (_w, mut s) = table(
        "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
    )
    .await;
    assert_eq!(s.tag("UPDATE t SET id = id + 1").await, "UPDATE 3");
    assert_eq!(s.rows("SELECT id, n FROM t ORDER BY id").await, ["2|1", "3|2", "4|3"]);
    assert_eq!(s.fails("UPDATE t SET id = 2 WHERE id = 3").await.0, "23505");
    assert_eq!(s.tag("UPDATE t SET id = 30 WHERE id = 3").await, "UPDATE 1");
    assert_eq!(s.rows("SELECT id FROM t ORDER BY id").await, ["2", "4", "30"]);
}

#[tokio::test]
async fn delete_never_takes_more_than_its_condition_says() {
    let (_w, mut s) = table(
        "CREATE TABLE t (id int PRIMARY KEY, k int); CREATE TABLE f (k int PRIMARY KEY);
         INSERT INTO t SELECT i, i FROM generate_series(1, 20) AS g(i); INSERT INTO f VALUES (3), (4)",
    )
    .await;
    for (condition, tag) in [
        ("false", "DELETE 0"),
        ("1 = 0", "DELETE 0"),
        ("id IS NULL", "DELETE 0"),
        ("id = 1 AND id = 2", "DELETE 0"),
        ("id IN (SELECT k FROM f)", "DELETE 2"),
        ("EXISTS (SELECT 1 FROM f WHERE f.k + 2 = t.id)", "DELETE 2"),
        ("id = 7 OR k IN (SELECT k + 4 FROM f)", "DELETE 2"),
        ("id = 10 AND k IN (SELECT 11)", "DELETE 0"),
        ("k > (SELECT max(k) FROM t) - 2", "DELETE 2"),
    ] {
        let sql = format!("DELETE FROM t WHERE {condition}");
        assert_eq!(s.tag(&sql).await, tag, "{condition}");
    }
    assert_eq!(s.tag("DELETE FROM t USING f WHERE t.id = f.k * 3").await, "DELETE 2");
    assert_eq!(s.rows("DELETE FROM t WHERE id < 3 RETURNING *").await, ["1|1", "2|2"]);
    assert_eq!(
        s.rows("SELECT id FROM t ORDER BY id").await,
        ["10", "11", "13", "14", "15", "16", "17", "18"]
    );
    assert_eq!(s.tag("DELETE FROM t").await, "DELETE 8");
}

#[tokio::test]
async fn tables_without_a_key_hold_equal_rows() {
    let (_w, mut s) = table("CREATE TABLE t (a int, b text)").await;
    s.run("INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)").await.expect("rows");
    assert_eq!(s.rows("SELECT * FROM t ORDER BY a, b").await, ["1|x", "1|x", "2|NULL"]);
    assert_eq!(s.tag("UPDATE t SET b = 'y' WHERE a = 1").await, "UPDATE 2");
    assert_eq!(s.tag("DELETE FROM t WHERE a = 1").await, "DELETE 2");
    assert_eq!(s.rows("SELECT a FROM t").await, ["2"]);
}

#[tokio::test]
async fn a_transaction_sees_its_own_changes_and_can_undo_them() {
    let (world, mut s) = table("CREATE TABLE t (id int PRIMARY KEY, n int)").await;
    s.begin();
    s.run("INSERT INTO t VALUES (1, 1), (2, 2)").await.expect("rows");
    s.run("UPDATE t SET n = n + 1 WHERE id = 1").await.expect("a change");
    s.run("DELETE FROM t WHERE id = 2").await.expect("a change");
    assert_eq!(s.rows("SELECT * FROM t").await, ["1|2"]);
    s.run("INSERT INTO t VALUES (2, 9)").await.expect("the deleted key is free");
    assert_eq!(s.fails("INSERT INTO t VALUES (2, 9)").await.0, "23505");
    assert_eq!(world.session().rows("SELECT * FROM t").await, Vec::<String>::new());
    s.txn().savepoint("a");
    s.run("UPDATE t SET n = 100").await.expect("a change");
    s.txn().rollback_to("a").expect("the savepoint");
    s.commit().await.expect("a commit");
    assert_eq!(s.rows("SELECT * FROM t ORDER BY id").await, ["1|2", "2|9"]);
}
