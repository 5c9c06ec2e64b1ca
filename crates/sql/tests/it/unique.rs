//! UNIQUE: constraints and indexes, alone and among others.
#![expect(clippy::disallowed_methods, reason = "sessions of a test run beside each other")]

use crate::harness::{Session, World};
use crate::indexes::audit;
use base::Result;
use std::time::Duration;

const TABLE: &str = "CREATE TABLE t (k int, id int, code text, n int, PRIMARY KEY (k, id), \
                     SHARD KEY (k), UNIQUE (k, code))";

async fn world() -> (World, Session) {
    let world = World::new().await;
    let mut s = world.session();
    s.run(TABLE).await.expect("a table");
    s.run("INSERT INTO t VALUES (1, 1, 'a', 1), (1, 2, 'b', 1), (2, 1, 'a', 1)")
        .await
        .expect("rows");
    (world, s)
}

#[tokio::test]
async fn the_same_values_twice_are_refused() {
    let (world, mut s) = world().await;
    let error = s.run("INSERT INTO t VALUES (1, 3, 'a', 0)").await.expect_err("twice");
    assert_eq!(error.state.0, "23505");
    assert_eq!(error.message, "duplicate key value violates unique constraint \"t_k_code_key\"");
    assert_eq!(error.detail.as_deref(), Some("Key (k, code)=(1, a) already exists."));
    for sql in [
        "UPDATE t SET code = 'a' WHERE id = 2",
        "UPDATE t SET code = 'z'",
        "UPDATE t SET k = 1 WHERE k = 2",
        "INSERT INTO t VALUES (3, 1, 'x', 0), (3, 2, 'x', 0)",
        "INSERT INTO t SELECT 4, i, 'x', 0 FROM generate_series(1, 2) AS g(i)",
    ] {
        assert_eq!(s.fails(sql).await.0, "23505", "{sql}");
        audit(&world).await;
    }
    for sql in [
        "INSERT INTO t VALUES (1, 5, NULL, 0), (1, 6, NULL, 0)",
        "UPDATE t SET code = CASE code WHEN 'a' THEN 'b' ELSE 'a' END WHERE k = 1 AND id < 3",
        "UPDATE t SET id = 10 WHERE k = 1 AND id = 1",
        "DELETE FROM t WHERE k = 1 AND id = 10; INSERT INTO t VALUES (1, 11, 'b', 0)",
        "UPDATE t SET n = n + 1",
        "UPDATE t SET code = NULL WHERE id = 2; INSERT INTO t VALUES (1, 20, 'a', 0)",
    ] {
        s.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        audit(&world).await;
    }
    let rows = "SELECT k, id, code FROM t WHERE code IS NOT NULL ORDER BY 1, 2";
    assert_eq!(s.rows(rows).await, ["1|11|b", "1|20|a", "2|1|a"]);
}

#[tokio::test]
async fn without_the_shard_key_there_is_a_clear_error() {
    let world = World::new().await;
    let mut s = world.session();
    let sql = "CREATE TABLE u (id int PRIMARY KEY, mail text UNIQUE)";
    let error = s.run(sql).await.expect_err("not supported");
    assert_eq!(error.state.0, "0A000");
    assert!(error.message.contains("UNIQUE on table \"u\" without its shard key"), "{error:?}");
    assert!(error.detail.as_ref().expect("a detail").contains("the shard key (id)"));
    assert!(error.hint.as_ref().expect("a hint").contains("SHARD KEY"));
    s.run("CREATE TABLE u (a int, b int)").await.expect("no key");
    assert_eq!(s.fails("CREATE UNIQUE INDEX ON u (a)").await.0, "0A000");
    s.run("CREATE TABLE v (id int PRIMARY KEY UNIQUE, b int, UNIQUE (b, id))").await.expect("keys");
    s.run("INSERT INTO v VALUES (1, 1)").await.expect("a row");
    assert_eq!(s.fails("INSERT INTO v VALUES (1, 2)").await.0, "23505");
    audit(&world).await;
}

#[tokio::test]
async fn constraints_and_unique_indexes_come_and_go() {
    let (world, mut s) = world().await;
    s.run("INSERT INTO t VALUES (1, 3, 'c', 1)").await.expect("a row");
    let error = s.run("CREATE UNIQUE INDEX by_n ON t (k, n)").await.expect_err("duplicates");
    assert_eq!(
        (error.state.0, error.message.as_str()),
        ("23505", "could not create unique index \"by_n\"")
    );
    assert_eq!(error.detail.as_deref(), Some("Key (k, n)=(1, 1) is duplicated."));
    assert_eq!(s.fails("ALTER TABLE t ADD CONSTRAINT by_n UNIQUE (k, n)").await.0, "23505");
    s.begin();
    assert_eq!(s.fails("CREATE UNIQUE INDEX by_n ON t (k, n)").await.0, "23505");
    s.rollback().await;
    s.run("UPDATE t SET n = id").await.expect("now they differ");
    s.run("ALTER TABLE t ADD CONSTRAINT by_n UNIQUE (k, n)").await.expect("a constraint");
    assert_eq!(s.fails("INSERT INTO t VALUES (1, 9, 'q', 2)").await.0, "23505");
    let (state, message) = s.fails("DROP INDEX by_n").await;
    assert_eq!(state, "2BP01");
    assert!(message.contains("constraint by_n on table t requires it"), "{message}");
    s.run("ALTER TABLE t DROP CONSTRAINT by_n").await.expect("dropped");
    assert_eq!(s.fails("ALTER TABLE t DROP CONSTRAINT by_n").await.0, "42704");
    s.run("INSERT INTO t VALUES (1, 9, 'q', 2)").await.expect("no constraint any more");
    s.run("ALTER TABLE t ADD COLUMN m int; CREATE UNIQUE INDEX ON t (k, m)").await.expect("nulls");
    audit(&world).await;
}

#[tokio::test]
async fn on_conflict_knows_unique_indexes() {
    let (world, mut s) = world().await;
    for (sql, tag) in [
        ("INSERT INTO t VALUES (1, 9, 'a', 7) ON CONFLICT DO NOTHING", "INSERT 0 0"),
        ("INSERT INTO t VALUES (1, 9, 'a', 7) ON CONFLICT (code, k) DO NOTHING", "INSERT 0 0"),
        (
            "INSERT INTO t VALUES (1, 9, 'a', 7), (1, 8, 'new', 7) \
             ON CONFLICT (k, code) DO UPDATE SET n = excluded.n + t.n",
            "INSERT 0 2",
        ),
        (
            "INSERT INTO t VALUES (1, 30, 'b', 7) \
             ON CONFLICT ON CONSTRAINT t_k_code_key DO UPDATE SET code = 'bb'",
            "INSERT 0 1",
        ),
        (
            "INSERT INTO t VALUES (1, 31, 'bb', 7), (1, 32, 'cc', 7) \
             ON CONFLICT (k, code) DO UPDATE SET code = 'dd'",
            "INSERT 0 2",
        ),
        ("INSERT INTO t VALUES (1, 1, 'zz', 7) ON CONFLICT (k, id) DO NOTHING", "INSERT 0 0"),
    ] {
        assert_eq!(s.tag(sql).await, tag, "{sql}");
        audit(&world).await;
    }
    assert_eq!(
        s.rows("SELECT * FROM t ORDER BY k, id").await,
        ["1|1|a|8", "1|2|dd|1", "1|8|new|7", "1|32|cc|7", "2|1|a|1"]
    );
    for (sql, state) in [
        ("INSERT INTO t VALUES (1, 1, 'q', 7) ON CONFLICT (k, code) DO NOTHING", "23505"),
        ("INSERT INTO t VALUES (1, 40, 'a', 7) ON CONFLICT (k, id) DO NOTHING", "23505"),
        (
            "INSERT INTO t VALUES (1, 41, 'e', 1), (1, 42, 'e', 1) \
             ON CONFLICT (k, code) DO UPDATE SET n = 0",
            "21000",
        ),
        (
            "INSERT INTO t VALUES (1, 41, 'a', 1) ON CONFLICT (k, code) DO UPDATE SET code = 'dd'",
            "23505",
        ),
        (
            "INSERT INTO t VALUES (1, 41, 'dd', 1), (1, 43, 'f', 1) \
             ON CONFLICT (k, code) DO UPDATE SET code = 'f'",
            "21000",
        ),
        ("INSERT INTO t VALUES (1, 1, 'q', 7) ON CONFLICT (n) DO NOTHING", "42P10"),
        ("INSERT INTO t VALUES (1, 1, 'q', 7) ON CONFLICT ON CONSTRAINT no DO NOTHING", "42704"),
    ] {
        let (got, message) = s.fails(sql).await;
        assert_eq!(got, state, "{sql}: {message}");
        audit(&world).await;
    }
}

/// Starts a statement of another session and gives it time to run into a lock.
async fn beside(
    mut other: Session,
    sql: &'static str,
) -> tokio::task::JoinHandle<(Session, Result<crate::harness::Shown>)> {
    let task = tokio::spawn(async move {
        let done = other.run(sql).await;
        (other, done)
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    task
}

#[tokio::test]
async fn the_second_of_two_waits_and_then_fails_or_goes_on() {
    let (world, mut s) = world().await;
    let insert = "INSERT INTO t VALUES (1, 9, 'x', 0)";
    for commits in [false, true] {
        s.begin();
        s.run("INSERT INTO t VALUES (1, 8, 'x', 0)").await.expect("the first");
        let task = beside(world.session(), insert).await;
        assert!(!task.is_finished(), "the second one must wait");
        if commits {
            s.commit().await.expect("a commit");
        } else {
            s.rollback().await;
        }
        let (mut other, done) = task.await.expect("no panic");
        assert_eq!(done.is_err(), commits, "{done:?}");
        audit(&world).await;
        other.run("DELETE FROM t WHERE code = 'x'").await.expect("none left");
    }
    // One who gives values up may come back to them.
    for commits in [false, true] {
        s.begin();
        s.run("DELETE FROM t WHERE k = 1 AND code = 'a'").await.expect("a row less");
        let task = beside(world.session(), "INSERT INTO t VALUES (1, 10, 'a', 0)").await;
        assert!(!task.is_finished(), "it is not sure yet that the value is free");
        if commits {
            s.commit().await.expect("a commit");
        } else {
            s.rollback().await;
        }
        let (_, done) = task.await.expect("no panic");
        assert_eq!(done.is_ok(), commits, "{done:?}");
        audit(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn upserts_of_one_value_all_count() {
    let (world, mut s) = world().await;
    let mut tasks = Vec::new();
    for id in 100..120 {
        let mut other = world.session();
        tasks.push(tokio::spawn(async move {
            let sql = format!(
                "INSERT INTO t VALUES (7, {id}, 'hot', 1) \
                 ON CONFLICT (k, code) DO UPDATE SET n = t.n + 1"
            );
            other.run(&sql).await
        }));
    }
    for task in tasks {
        task.await.expect("no panic").expect("an upsert");
    }
    assert_eq!(s.rows("SELECT n FROM t WHERE k = 7").await, ["20"]);
    audit(&world).await;
}
