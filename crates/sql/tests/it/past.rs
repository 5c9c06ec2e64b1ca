//! Statements AS OF SYSTEM TIME.

use crate::harness::{Session, World};
use std::time::Duration;

async fn pause(ms: u64) {
    env::real::env().sleep(Duration::from_millis(ms)).await;
}

async fn now(s: &mut Session) -> String {
    // Nothing that commits later may share the time.
    pause(3).await;
    let time = s.rows("SELECT hybrid_time()").await.remove(0);
    pause(3).await;
    time
}

async fn history(s: &mut Session) -> [String; 4] {
    let before = now(s).await;
    s.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 10), (2, 20)")
        .await
        .expect("a table");
    let first = now(s).await;
    s.run("UPDATE t SET v = v + 1; DELETE FROM t WHERE id = 2").await.expect("changed");
    let second = now(s).await;
    s.run("ALTER TABLE t ADD COLUMN w text DEFAULT 'w'; ALTER TABLE t DROP COLUMN v")
        .await
        .expect("t");
    let third = now(s).await;
    s.run("DROP TABLE t").await.expect("dropped");
    [before, first, second, third]
}

#[tokio::test]
async fn a_statement_sees_rows_and_schema_of_its_time() {
    let world = World::new().await;
    let mut s = world.session();
    let [before, first, second, third] = history(&mut s).await;
    let at = |time: &str| format!("SELECT * FROM t AS OF SYSTEM TIME {time} ORDER BY id");
    assert_eq!(s.rows(&at(&first)).await, ["1|10", "2|20"]);
    assert_eq!(s.rows(&at(&format!("'{second}'"))).await, ["1|11"]);
    assert_eq!(s.rows(&at(&third)).await, ["1|w"]);
    assert_eq!(s.fails(&at(&before)).await.0, "42P01");
    assert_eq!(s.fails("SELECT * FROM t").await.0, "42P01");
    let point = format!("SELECT v FROM t AS OF SYSTEM TIME {first} WHERE id = 2");
    assert_eq!(s.rows(&point).await, ["20"]);
    assert_eq!(s.rows(&point).await, ["20"], "also the second time");
    let joined = format!(
        "WITH x AS (SELECT * FROM t AS OF SYSTEM TIME {first}) SELECT x.v, (SELECT max(v) FROM t) \
         FROM x JOIN t AS y AS OF SYSTEM TIME {first} ON x.id = y.id ORDER BY 1"
    );
    assert_eq!(s.rows(&joined).await, ["10|20", "20|20"]);
    let told = format!("SELECT hybrid_time() FROM t AS OF SYSTEM TIME {second}");
    assert_eq!(s.rows(&told).await, [second.as_str()]);
    let tables = "SELECT count(*) FROM information_schema.tables AS OF SYSTEM TIME";
    let here = format!("{tables} {first} WHERE table_name = 't'");
    assert_eq!(s.rows(&here).await, ["1"]);
    let plan = s.rows(&format!("EXPLAIN SELECT v FROM t AS OF SYSTEM TIME {first}")).await;
    assert!(!plan.is_empty());
}

#[tokio::test]
async fn times_are_told_in_several_ways() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await.expect("t");
    let time: u64 = now(&mut s).await.parse().expect("a number");
    s.run("INSERT INTO t VALUES (2)").await.expect("a row");
    let stamp = base::Timestamp(time).utc();
    // A text names the first instant of its millisecond, before which both rows are not there.
    let dotted = format!("{}.{}", time >> 16, time & 0xffff);
    for shown in [format!("'{dotted}'"), format!("timestamptz '{stamp}'"), format!("'{time}'")] {
        let sql = format!("SELECT count(*) FROM t AS OF SYSTEM TIME {shown}");
        assert_eq!(s.rows(&sql).await, ["1"], "{sql}");
    }
    for shown in ["'-0s'", "interval '-0.001 seconds'", "'-1us'"] {
        pause(3).await;
        let sql = format!("SELECT count(*) FROM t AS OF SYSTEM TIME {shown}");
        assert_eq!(s.rows(&sql).await, ["2"], "{sql}");
    }
    assert_eq!(s.fails("SELECT * FROM t AS OF SYSTEM TIME '-1 min 1 s'").await.0, "42P01");
    for (time, state) in [
        ("'10s'", "22023"),
        ("'2200-01-01'", "22023"),
        ("'soon'", "22007"),
        ("'-10 lightyears'", "22007"),
        ("''", "22007"),
        ("now()", "42601"),
        ("", "42601"),
    ] {
        let sql = format!("SELECT * FROM t AS OF SYSTEM TIME {time}");
        assert_eq!(s.fails(&sql).await.0, state, "{sql}");
    }
    let two = format!("SELECT * FROM t AS OF SYSTEM TIME {time}, t AS u AS OF SYSTEM TIME '-1s'");
    assert_eq!(s.fails(&two).await.0, "0A000");
}

#[tokio::test]
async fn nobody_writes_into_the_past() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY)").await.expect("t");
    let time = now(&mut s).await;
    for sql in [
        "INSERT INTO t SELECT id + 1 FROM t AS OF SYSTEM TIME",
        "DELETE FROM t AS OF SYSTEM TIME",
        "CREATE TABLE u AS SELECT * FROM t AS OF SYSTEM TIME",
        "SELECT * FROM t FOR UPDATE AS OF SYSTEM TIME",
        "EXPLAIN DELETE FROM t AS OF SYSTEM TIME",
    ] {
        assert_eq!(s.fails(&format!("{sql} {time}")).await.0, "25006", "{sql}");
    }
}

#[tokio::test]
async fn a_statement_of_the_past_leaves_its_transaction_alone() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await.expect("t");
    let time = now(&mut s).await;
    for isolation in [
        txn::Isolation::ReadCommitted,
        txn::Isolation::RepeatableRead,
        txn::Isolation::Serializable,
    ] {
        s.begin_with(isolation);
        s.run("INSERT INTO t VALUES (2); CREATE TABLE u (id int)").await.expect("own changes");
        let past = format!("SELECT count(*) FROM t AS OF SYSTEM TIME {time}");
        assert_eq!(s.rows(&past).await, ["1"], "own rows have no part in it");
        assert_eq!(s.rows("SELECT count(*) FROM t").await, ["2"]);
        s.run("INSERT INTO u SELECT id FROM t").await.expect("goes on");
        assert_eq!(s.rows("SELECT count(*) FROM u").await, ["2"]);
        s.rollback().await;
    }
}

#[tokio::test]
async fn what_is_prepared_runs_at_another_time_each_time() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)")
        .await
        .expect("t");
    pause(60).await;
    s.begin();
    let prepared = s.prepare("SELECT v FROM t AS OF SYSTEM TIME '-50ms' WHERE id = $1").await;
    s.rollback().await;
    let ask = async |s: &mut Session| {
        s.begin();
        let outcome = s.execute(&prepared, &[base::Value::Int(1)]).await.expect("runs");
        let rows = crate::harness::show(outcome).await.expect("rows").rows;
        s.rollback().await;
        rows
    };
    assert_eq!(ask(&mut s).await, ["1"]);
    s.run("UPDATE t SET v = 2").await.expect("changed");
    pause(60).await;
    assert_eq!(ask(&mut s).await, ["2"]);
}

#[tokio::test]
async fn retention_is_set_for_each_database_and_shown() {
    let world = World::new().await;
    let mut s = world.session();
    let shown = "SELECT version_retention_ms, is_default, newest_time IS NOT NULL \
                 FROM information_schema.version_windows WHERE database_name = 'test'";
    assert_eq!(s.rows(shown).await, ["600000|t|t"]);
    for (sql, ms) in [
        ("ALTER DATABASE test SET version_retention = '1 h'", "3600000|f|t"),
        ("ALTER DATABASE test SET version_retention TO '0'", "0|f|t"),
        ("ALTER DATABASE test RESET version_retention", "600000|t|t"),
    ] {
        assert_eq!(s.tag(sql).await, "ALTER DATABASE");
        assert_eq!(s.rows(shown).await, [ms], "{sql}");
    }
    for (sql, state) in [
        ("ALTER DATABASE test SET version_retention = 'long'", "22023"),
        ("ALTER DATABASE nope SET version_retention = '1 h'", "3D000"),
        ("ALTER DATABASE test CONNECTION LIMIT 5", "0A000"),
        ("ALTER DATABASE test OWNER TO ann", "42704"),
    ] {
        assert_eq!(s.fails(sql).await.0, state, "{sql}");
    }
}
