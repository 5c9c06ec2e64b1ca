//! Secondary indexes: made, kept up, dropped.

use crate::harness::{Session, World};
use txn::TxnOptions;

/// Every ready index has exactly the entries of its table's rows.
pub async fn audit(world: &World) {
    let database = world.engine.database("test").expect("the database");
    let mut txn = database.begin(TxnOptions::default());
    txn.start_statement().await.expect("a statement");
    let catalog = txn.catalog().await.expect("a catalog");
    let view = txn.view().expect("a view");
    for table in catalog.tables.values() {
        for index in table.indexes.iter().filter(|i| i.ready) {
            assert_eq!(view.audit_index(table, index).await.expect("read"), None);
        }
    }
}

async fn filled() -> (World, Session) {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text);
         INSERT INTO t SELECT i, i % 10, 'b' || i % 7 FROM generate_series(1, 500) AS g(i)",
    )
    .await
    .expect("a table");
    (world, s)
}

#[tokio::test]
async fn an_index_follows_every_kind_of_write() {
    let (world, mut s) = filled().await;
    assert_eq!(s.tag("CREATE INDEX ON t (a)").await, "CREATE INDEX");
    assert_eq!(s.tag("CREATE INDEX by_b ON t (b DESC, a)").await, "CREATE INDEX");
    audit(&world).await;
    for sql in [
        "INSERT INTO t VALUES (1000, 3, 'x'), (1001, NULL, NULL)",
        "UPDATE t SET a = a + 1 WHERE id < 50",
        "UPDATE t SET a = 77 WHERE id = 3",
        "UPDATE t SET id = id + 5000 WHERE a = 4",
        "DELETE FROM t WHERE id = 9",
        "DELETE FROM t WHERE a = 5",
        "INSERT INTO t VALUES (1, 1, 'y') ON CONFLICT (id) DO UPDATE SET a = 99, b = excluded.b",
        "UPDATE t SET b = NULL WHERE a = 6",
        "ALTER TABLE t ADD COLUMN c int DEFAULT 4",
        "UPDATE t SET c = a",
    ] {
        s.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        audit(&world).await;
    }
    s.run("CREATE INDEX ON t (c NULLS FIRST, id)").await.expect("an index on an added column");
    audit(&world).await;
    s.run("TRUNCATE t").await.expect("empty");
    audit(&world).await;
    s.run("INSERT INTO t VALUES (1, 2, 'z', 3)").await.expect("a row");
    audit(&world).await;
}

#[tokio::test]
async fn own_changes_can_be_taken_back() {
    let (world, mut s) = filled().await;
    s.run("CREATE INDEX ON t (a)").await.expect("an index");
    s.begin();
    s.run("UPDATE t SET a = 1000; DELETE FROM t WHERE id < 100").await.expect("changes");
    s.txn().savepoint("p");
    s.run("INSERT INTO t VALUES (7000, 1, 'q')").await.expect("a row");
    s.txn().rollback_to("p").expect("back");
    s.commit().await.expect("a commit");
    audit(&world).await;
    s.begin();
    s.run("UPDATE t SET a = 2000").await.expect("changes");
    s.rollback().await;
    audit(&world).await;
    assert_eq!(s.rows("SELECT count(*), min(a), max(a) FROM t").await, ["401|1000|1000"]);
}

#[tokio::test]
async fn indexes_belong_to_their_transaction() {
    let (world, mut s) = filled().await;
    s.begin();
    s.run("CREATE TABLE u (id int PRIMARY KEY, a int); INSERT INTO u VALUES (1, 1), (2, 1)")
        .await
        .expect("a table");
    s.run("CREATE INDEX u_a ON u (a)").await.expect("an index of a new table");
    s.run("CREATE INDEX t_a ON t (a)").await.expect("an index of a table with rows");
    s.run("INSERT INTO u VALUES (3, 2); UPDATE t SET a = 5 WHERE id = 1").await.expect("writes");
    s.commit().await.expect("a commit");
    audit(&world).await;
    s.begin();
    s.run("DROP INDEX t_a; CREATE INDEX t_b ON t (b)").await.expect("changes");
    s.rollback().await;
    assert_eq!(s.fails("CREATE INDEX t_a ON t (a)").await.0, "42P07");
    s.run("CREATE INDEX t_b ON t (b)").await.expect("the name is free");
    audit(&world).await;
}

#[tokio::test]
async fn names_are_chosen_and_checked() {
    let (_world, mut s) = filled().await;
    for _ in 0..3 {
        s.run("CREATE INDEX ON t (a, b)").await.expect("an index");
    }
    let names = "SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1";
    let expected = ["t_a_b_idx", "t_a_b_idx1", "t_a_b_idx2", "t_pkey"];
    assert_eq!(s.rows(names).await, expected);
    assert_eq!(s.tag("CREATE INDEX IF NOT EXISTS t_a_b_idx ON t (a)").await, "CREATE INDEX");
    for (sql, state) in [
        ("CREATE INDEX t_a_b_idx ON t (a)", "42P07"),
        ("CREATE INDEX t ON t (a)", "42P07"),
        ("CREATE INDEX t_pkey ON t (a)", "42P07"),
        ("CREATE TABLE t_a_b_idx (x int)", "42P07"),
        ("CREATE SEQUENCE t_a_b_idx", "42P07"),
        ("CREATE INDEX ON t (nope)", "42703"),
        ("CREATE INDEX ON nope (a)", "42P01"),
        ("CREATE INDEX ON t (lower(b))", "0A000"),
        ("CREATE INDEX ON t (a) WHERE a > 1", "0A000"),
        ("CREATE INDEX ON t USING gin (a)", "0A000"),
        ("DROP INDEX nope", "42704"),
        ("DROP INDEX t", "42809"),
        ("DROP INDEX t_pkey", "2BP01"),
        ("DROP TABLE t_a_b_idx", "42P01"),
    ] {
        let (got, message) = s.fails(sql).await;
        assert_eq!(got, state, "{sql}: {message}");
    }
    assert_eq!(s.tag("DROP INDEX IF EXISTS nope, t_a_b_idx").await, "DROP INDEX");
    assert_eq!(s.rows(names).await, ["t_a_b_idx1", "t_a_b_idx2", "t_pkey"]);
    s.run("ALTER TABLE t DROP COLUMN b").await.expect("a column less");
    assert_eq!(s.rows(names).await, ["t_pkey"]);
}

#[tokio::test]
async fn values_that_are_too_long_are_refused() {
    let (world, mut s) = filled().await;
    s.run("CREATE INDEX t_b ON t (b)").await.expect("an index");
    let (state, message) = s.fails("UPDATE t SET b = repeat('x', 9000) WHERE id = 1").await;
    assert_eq!(state, "54000");
    assert!(message.contains("exceeds maximum 8191 for index \"t_b\""), "{message}");
    s.run("DROP INDEX t_b; UPDATE t SET b = repeat('x', 9000) WHERE id = 1").await.expect("long");
    assert_eq!(s.fails("CREATE INDEX t_b ON t (b)").await.0, "54000");
    let indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = 't_b'";
    assert_eq!(s.rows(indexes).await, ["0"]);
    audit(&world).await;
}

#[tokio::test]
async fn tables_without_a_primary_key_have_indexes_and_may_get_one() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (a int, b int);
         INSERT INTO t SELECT i, i % 3 FROM generate_series(1, 100) AS g(i);
         CREATE INDEX ON t (b)",
    )
    .await
    .expect("a table");
    s.run("UPDATE t SET b = 9 WHERE a < 10; DELETE FROM t WHERE a = 50").await.expect("writes");
    audit(&world).await;
    s.run("ALTER TABLE t ADD PRIMARY KEY (a)").await.expect("a key");
    audit(&world).await;
    s.run("UPDATE t SET b = 8 WHERE a = 1").await.expect("a write");
    audit(&world).await;
}

/// The scan that a query would make.
async fn scan_of(s: &mut Session, sql: &str) -> String {
    let plan = s.rows(&format!("EXPLAIN {sql}")).await;
    let scan = plan.iter().find(|line| line.contains("ScanExec")).expect("a scan");
    scan.trim().to_owned()
}

#[tokio::test]
async fn the_planner_takes_the_index_that_bounds_best() {
    let (_world, mut s) = filled().await;
    s.run("CREATE INDEX by_a ON t (a, b DESC); CREATE INDEX by_b ON t (b)").await.expect("indexes");
    for (condition, index, bounds) in [
        ("a = 3", "by_a", "equal=[a]"),
        ("a = 3 AND b > 'b2'", "by_a", "equal=[a], range=[b]"),
        ("a = 3 AND b = 'b2'", "by_a", "equal=[a, b]"),
        ("b = 'b2'", "by_b", "equal=[b]"),
        ("a BETWEEN 2 AND 4", "by_a", "equal=[], range=[a]"),
        ("a IN (2, 5, 7)", "by_a", "equal=[], values of a=3"),
    ] {
        let scan = scan_of(&mut s, &format!("SELECT id FROM t WHERE {condition}")).await;
        let begins = format!("IndexScanExec: table=t, index={index}, ");
        let ends = format!(", partitions=4, {bounds}");
        assert!(scan.starts_with(&begins) && scan.ends_with(&ends), "{condition}: {scan}");
    }
    for condition in ["id = 5 AND a = 3", "a + 1 = 3", "id > 3 OR a = 3"] {
        let scan = scan_of(&mut s, &format!("SELECT id FROM t WHERE {condition}")).await;
        assert!(scan.starts_with("ScanExec: table=t"), "{condition}: {scan}");
    }
    let scan = scan_of(&mut s, "UPDATE t SET b = 'x' WHERE a = 3").await;
    assert!(scan.starts_with("IndexScanExec: table=t, index=by_a"), "{scan}");
    s.run("DROP INDEX by_a, by_b").await.expect("none");
    assert!(scan_of(&mut s, "SELECT id FROM t WHERE a = 3").await.starts_with("ScanExec"));
}

#[tokio::test]
async fn queries_find_the_same_with_and_without_indexes() {
    let world = World::new().await;
    let mut s = world.session();
    let rows = "SELECT i, CASE WHEN i % 11 = 0 THEN NULL ELSE i % 23 - 5 END, \
                CASE WHEN i % 13 = 0 THEN NULL ELSE 'v' || i % 7 END, (i % 17) / 4.0 \
                FROM generate_series(1, 800) AS g(i)";
    for table in ["plain", "indexed"] {
        s.run(&format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, a int, b text, c numeric(6,2));
             INSERT INTO {table} {rows}"
        ))
        .await
        .expect("a table");
    }
    for columns in ["a", "b DESC, a", "c, b NULLS FIRST", "a DESC NULLS LAST, c", "c DESC"] {
        s.run(&format!("CREATE INDEX ON indexed ({columns})")).await.expect("an index");
    }
    for condition in [
        "a = 3",
        "a = -2 AND b = 'v3'",
        "a > 10",
        "a >= 10 AND a < 12",
        "a < -3",
        "a BETWEEN 0 AND 4 AND c > 2",
        "a IN (1, 3, 100)",
        "a = 1 OR a = 5",
        "a IS NULL",
        "a = 3 AND c IN (0.25, 1.5, 9)",
        "b = 'v1'",
        "b > 'v4'",
        "b <= 'v1' AND a <> 3",
        "b = 'v2' AND a > 3",
        "b IN ('v1', 'v2') AND a = 4",
        "c = 1.25",
        "c = 1.255",
        "c < 0.5",
        "c = 2 AND b IS NULL",
        "c = 2 AND b >= 'v3'",
        "a = 5000000000",
        "a > 5000000000",
        "a = 3.0",
        "NOT a > 3",
        "a = 4 AND id < 100",
        "a = NULL",
    ] {
        let query = |table: &str| format!("SELECT * FROM {table} WHERE {condition} ORDER BY id");
        let expected = s.rows(&query("plain")).await;
        assert_eq!(s.rows(&query("indexed")).await, expected, "{condition}");
        let count = |table: &str| format!("SELECT count(*) FROM {table} WHERE {condition}");
        assert_eq!(s.rows(&count("indexed")).await, [expected.len().to_string()], "{condition}");
    }
    // Own changes that are not committed yet are found too, and rows that left are not.
    s.begin();
    s.run("UPDATE indexed SET a = 1000 WHERE id = 7; DELETE FROM indexed WHERE id = 30")
        .await
        .expect("changes");
    assert_eq!(s.rows("SELECT id FROM indexed WHERE a = 1000").await, ["7"]);
    assert_eq!(s.rows("SELECT id FROM indexed WHERE a = 2 AND id IN (7, 30)").await, [""; 0]);
    s.rollback().await;
    assert_eq!(s.rows("SELECT id FROM indexed WHERE a = 1000").await, [""; 0]);
    audit(&world).await;
}

#[tokio::test]
async fn a_wide_range_is_scanned_and_means_the_same() {
    let world = World::with_partitions(1).await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (id int PRIMARY KEY, a int);
         INSERT INTO t SELECT i, i % 9000 FROM generate_series(1, 10000) AS g(i);
         CREATE INDEX ON t (a)",
    )
    .await
    .expect("a table");
    assert_eq!(s.rows("SELECT count(*), sum(a) FROM t WHERE a >= 10").await, ["9981|40995910"]);
    assert_eq!(s.rows("SELECT count(*) FROM t WHERE a < 10").await, ["19"]);
    audit(&world).await;
}
