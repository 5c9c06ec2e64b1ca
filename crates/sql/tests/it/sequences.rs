//! Sequences: defined, drawn from, altered, dropped.

use crate::harness::World;
use base::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn values_come_one_after_the_other() {
    let world = World::new().await;
    let mut s = world.session();
    assert_eq!(s.tag("CREATE SEQUENCE s").await, "CREATE SEQUENCE");
    assert_eq!(s.rows("SELECT * FROM s").await, ["1|0|f"]);
    assert_eq!(
        s.fails("SELECT currval('s')").await,
        ("55000", "currval of sequence \"s\" is not yet defined in this session".into())
    );
    assert_eq!(
        s.fails("SELECT lastval()").await,
        ("55000", "lastval is not yet defined in this session".into())
    );
    assert_eq!(s.rows("SELECT nextval('s')").await, ["1"]);
    assert_eq!(s.rows("SELECT nextval('public.s'::regclass)").await, ["2"]);
    assert_eq!(s.rows("SELECT nextval('S'), currval('s'), lastval()").await, ["3|3|3"]);
    assert_eq!(s.rows("SELECT nextval('s') + 10, 'n' || nextval('s')").await, ["14|n5"]);
    assert_eq!(s.rows("SELECT last_value, is_called FROM s").await, ["5|t"]);
    assert_eq!(s.rows("SELECT currval('s')").await, ["5"]);
    let mut other = world.session();
    assert_eq!(other.fails("SELECT currval('s')").await.0, "55000");
    assert_eq!(other.rows("SELECT nextval('s')").await, ["6"]);
    assert_eq!(s.rows("SELECT currval('s')").await, ["5"]);
    assert_eq!(s.fails("SELECT nextval('nope')").await.0, "42P01");
    assert_eq!(s.rows("SELECT nextval(NULL)").await, ["NULL"]);
    let named = Value::Text("s".into());
    assert_eq!(s.with("SELECT nextval($1)", &[named]).await.expect("a value").rows, ["7"]);
}

#[tokio::test]
async fn every_row_gets_its_own_value() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE SEQUENCE s; CREATE TABLE t (a bigint PRIMARY KEY, b text)").await.expect("made");
    assert_eq!(
        s.rows("SELECT nextval('s'), i FROM generate_series(1, 3) AS g(i)").await,
        ["1|1", "2|2", "3|3"]
    );
    s.run("INSERT INTO t VALUES (nextval('s'), 'a'), (nextval('s'), 'b')").await.expect("rows");
    assert_eq!(s.rows("SELECT * FROM t ORDER BY a").await, ["4|a", "5|b"]);
    s.run("INSERT INTO t SELECT nextval('s'), 'c' FROM generate_series(1, 3)").await.expect("rows");
    assert_eq!(s.rows("SELECT a FROM t ORDER BY a").await, ["4", "5", "6", "7", "8"]);
    s.run("UPDATE t SET a = nextval('s') WHERE a = 4").await.expect("one row by its key");
    s.run("UPDATE t SET a = nextval('s') WHERE b = 'c'").await.expect("several rows");
    let all = s.rows("SELECT a FROM t").await;
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(s.rows("SELECT min(a), max(a) FROM t").await, ["5|12"]);
    s.run("INSERT INTO t VALUES (currval('s') + 100, 'd')").await.expect("currval is a value");
    assert_eq!(s.rows("SELECT a FROM t WHERE b = 'd'").await, ["112"]);
    assert_eq!(s.fails("UPDATE t SET b = 'x' RETURNING nextval('s')").await.0, "0A000");
    let twice = "WITH n AS (SELECT nextval('s') AS v) SELECT v = v FROM n";
    assert_eq!(s.rows(twice).await, ["t"]);
    assert_eq!(s.rows("SELECT nextval('s')").await, ["14"]);
    assert_eq!(s.rows("SELECT count(*) FROM t WHERE nextval('s') > 0").await, ["6"]);
    assert_eq!(s.rows("SELECT nextval('s') FROM t LIMIT 1").await.len(), 1);
}

#[tokio::test]
async fn a_default_takes_values_of_a_sequence() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE SEQUENCE s START 10 INCREMENT BY 5").await.expect("s");
    assert_eq!(s.fails("CREATE TABLE t (a int DEFAULT nextval('nope'))").await.0, "42P01");
    s.run("CREATE TABLE t (a int DEFAULT nextval('s') PRIMARY KEY, b text)").await.expect("t");
    for text in ["INSERT INTO t (b) VALUES ('x')", "INSERT INTO t VALUES (DEFAULT, 'y')"] {
        s.run(text).await.expect("a row");
    }
    s.run("INSERT INTO t (b) VALUES ('p'), ('q')").await.expect("two rows");
    s.run("INSERT INTO t (b) SELECT 'r' FROM generate_series(1, 2)").await.expect("two rows");
    let given = s.rows("INSERT INTO t (b) VALUES ('z') RETURNING a").await;
    assert_eq!(given, ["40"]);
    s.run("INSERT INTO t VALUES (1, 'own'), (DEFAULT, 'd')").await.expect("own and drawn");
    assert_eq!(
        s.rows("SELECT a FROM t ORDER BY a").await,
        ["1", "10", "15", "20", "25", "30", "35", "40", "45"]
    );
    s.run("UPDATE t SET a = DEFAULT WHERE a = 1").await.expect("a default");
    assert_eq!(s.rows("SELECT max(a) FROM t").await, ["50"]);
    assert_eq!(s.fails("DROP SEQUENCE s").await.0, "2BP01");
    assert_eq!(s.tag("DROP SEQUENCE s CASCADE").await, "DROP SEQUENCE");
    assert_eq!(s.fails("INSERT INTO t (b) VALUES ('x')").await.0, "23502");
}

#[tokio::test]
async fn bounds_and_cycles() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE SEQUENCE up MINVALUE 1 MAXVALUE 3").await.expect("up");
    s.run("SELECT nextval('up') FROM generate_series(1, 3)").await.expect("three values");
    assert_eq!(
        s.fails("SELECT nextval('up')").await,
        ("2200H", "nextval: reached maximum value of sequence \"up\" (3)".into())
    );
    s.run("CREATE SEQUENCE ring INCREMENT -1 MINVALUE 1 MAXVALUE 3 CYCLE").await.expect("ring");
    assert_eq!(
        s.rows("SELECT nextval('ring') FROM generate_series(1, 5)").await,
        ["3", "2", "1", "3", "2"]
    );
    s.run("CREATE SEQUENCE down AS smallint INCREMENT -100 NO MAXVALUE").await.expect("down");
    assert_eq!(s.rows("SELECT nextval('down'), nextval('down')").await, ["-1|-101"]);
    for (sql, state) in [
        ("CREATE SEQUENCE x INCREMENT 0", "22023"),
        ("CREATE SEQUENCE x MINVALUE 5 MAXVALUE 5", "22023"),
        ("CREATE SEQUENCE x AS smallint MAXVALUE 40000", "22023"),
        ("CREATE SEQUENCE x START 0", "22023"),
        ("CREATE SEQUENCE x CACHE 0", "22023"),
        ("CREATE SEQUENCE x AS text", "22023"),
        ("CREATE SEQUENCE x START 1 START 2", "42601"),
        ("CREATE SEQUENCE x RESTART", "42601"),
        ("CREATE SEQUENCE x OWNED BY nope.a", "42P01"),
        ("CREATE TEMP SEQUENCE x", "0A000"),
        ("CREATE SEQUENCE up", "42P07"),
        ("CREATE TABLE up (a int)", "42P07"),
        ("ALTER SEQUENCE nope RESTART", "42P01"),
        ("ALTER SEQUENCE up MAXVALUE 2", "22023"),
        ("ALTER SEQUENCE up", "42601"),
        ("DROP SEQUENCE nope", "42P01"),
        ("DROP TABLE up", "42809"),
        ("INSERT INTO up VALUES (1)", "42809"),
        ("SELECT setval('up', 4)", "22003"),
    ] {
        let (got, message) = s.fails(sql).await;
        assert_eq!(got, state, "{sql}: {message}");
    }
    s.run("CREATE TABLE t (a int)").await.expect("t");
    assert_eq!(s.fails("DROP SEQUENCE t").await.0, "42809");
    assert_eq!(s.fails("SELECT nextval('t')").await.0, "42809");
    assert_eq!(s.tag("CREATE SEQUENCE IF NOT EXISTS up").await, "CREATE SEQUENCE");
    assert_eq!(s.tag("DROP SEQUENCE IF EXISTS up, nope").await, "DROP SEQUENCE");
}

#[tokio::test]
async fn a_sequence_can_be_set_and_restarted() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE SEQUENCE s; CREATE TABLE t (a int)").await.expect("made");
    s.run("INSERT INTO t VALUES (40), (41)").await.expect("rows");
    assert_eq!(s.rows("SELECT setval('s', 20)").await, ["20"]);
    assert_eq!(s.rows("SELECT currval('s'), nextval('s')").await, ["20|21"]);
    assert_eq!(s.rows("SELECT setval('s', 30, false)").await, ["30"]);
    assert_eq!(s.rows("SELECT * FROM s").await, ["30|0|f"]);
    assert_eq!(s.rows("SELECT nextval('s')").await, ["30"]);
    assert_eq!(s.rows("SELECT setval('s', (SELECT max(a) FROM t))").await, ["41"]);
    assert_eq!(s.rows("SELECT nextval('s')").await, ["42"]);
    assert_eq!(s.rows("SELECT setval('s', coalesce(max(a), 1)) FROM t").await, ["41"]);
    assert_eq!(s.rows("SELECT nextval('s')").await, ["42"]);
    assert_eq!(s.tag("ALTER SEQUENCE s RESTART WITH 7").await, "ALTER SEQUENCE");
    assert_eq!(s.rows("SELECT nextval('s')").await, ["7"]);
    s.run("ALTER SEQUENCE s INCREMENT BY 10 START 3").await.expect("altered");
    assert_eq!(s.rows("SELECT nextval('s')").await, ["17"]);
    s.run("ALTER SEQUENCE s RESTART").await.expect("altered");
    assert_eq!(s.rows("SELECT nextval('s')").await, ["3"]);
    s.begin();
    s.run("ALTER SEQUENCE s RESTART WITH 1000").await.expect("altered");
    assert_eq!(s.rows("SELECT nextval('s')").await, ["1000"]);
    s.rollback().await;
    assert_eq!(s.rows("SELECT nextval('s')").await, ["13"]);
    s.run("ALTER SEQUENCE s RENAME TO r").await.expect("renamed");
    assert_eq!(s.rows("SELECT nextval('r')").await, ["23"]);
    assert_eq!(s.fails("SELECT nextval('s')").await.0, "42P01");
}

#[tokio::test]
async fn values_are_not_undone_and_block_nobody() {
    let world = World::new().await;
    let (mut a, mut b) = (world.session(), world.session());
    a.run("CREATE SEQUENCE s").await.expect("s");
    a.begin();
    assert_eq!(a.rows("SELECT nextval('s')").await, ["1"]);
    b.begin();
    assert_eq!(b.rows("SELECT nextval('s')").await, ["2"]);
    a.rollback().await;
    b.commit().await.expect("a commit");
    assert_eq!(a.rows("SELECT nextval('s')").await, ["3"]);
    a.begin();
    a.run("CREATE SEQUENCE mine").await.expect("mine");
    assert_eq!(a.rows("SELECT nextval('mine'), nextval('mine')").await, ["1|2"]);
    assert_eq!(a.rows("SELECT last_value, is_called FROM mine").await, ["2|t"]);
    assert_eq!(b.fails("SELECT nextval('mine')").await.0, "42P01");
    a.commit().await.expect("a commit");
    assert_eq!(b.rows("SELECT nextval('mine')").await, ["3"]);
    a.begin();
    a.run("DROP SEQUENCE mine").await.expect("dropped");
    assert_eq!(a.fails("SELECT nextval('mine')").await.0, "42P01");
    a.rollback().await;
    assert_eq!(b.rows("SELECT nextval('mine')").await, ["4"]);
}

#[tokio::test]
async fn a_prepared_insert_notices_another_sequence_of_the_same_name() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE SEQUENCE s; CREATE TABLE t (a bigint PRIMARY KEY, b int)").await.expect("made");
    s.begin();
    let insert = s.prepare("INSERT INTO t VALUES (nextval('s'), $1)").await;
    s.execute(&insert, &[Value::Int(1)]).await.map(drop).expect("a row");
    s.commit().await.expect("a commit");
    s.run("DROP SEQUENCE s; CREATE SEQUENCE s START 50").await.expect("made anew");
    s.begin();
    s.execute(&insert, &[Value::Int(2)]).await.map(drop).expect("a row");
    let (lifted, values) =
        s.lift("INSERT INTO t VALUES (nextval('s'), 3)").await.expect("a fast insert");
    s.execute(&lifted, &values).await.map(drop).expect("a row");
    s.commit().await.expect("a commit");
    assert_eq!(s.rows("SELECT a FROM t ORDER BY a").await, ["1", "50", "51"]);
}

#[tokio::test]
async fn sessions_that_insert_at_once_get_different_values() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE SEQUENCE s; CREATE TABLE t (a bigint DEFAULT nextval('s') PRIMARY KEY, b int)")
        .await
        .expect("made");
    let sessions = (0..4).map(|n| {
        let mut session = world.session();
        async move {
            let mut last = 0;
            for _ in 0..50 {
                let insert = format!("INSERT INTO t (b) VALUES ({n}), ({n}) RETURNING a");
                for a in session.rows(&insert).await {
                    let a: i64 = a.parse().expect("a number");
                    assert!(a > last, "{a} after {last}");
                    last = a;
                }
            }
        }
    });
    futures::future::join_all(sessions).await;
    assert_eq!(s.rows("SELECT count(*), count(DISTINCT a) FROM t").await, ["400|400"]);
}
