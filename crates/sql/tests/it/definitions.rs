//! Tables made, altered and dropped.

use crate::harness::World;

#[tokio::test]
async fn tables_come_and_go() {
    let world = World::new().await;
    let mut s = world.session();
    assert_eq!(s.tag("CREATE TABLE a (id int PRIMARY KEY)").await, "CREATE TABLE");
    assert_eq!(s.tag("CREATE TABLE IF NOT EXISTS a (x int)").await, "CREATE TABLE");
    assert_eq!(s.fails("CREATE TABLE a (x int)").await.0, "42P07");
    s.run("CREATE TABLE b (x int)").await.expect("a table");
    assert_eq!(s.tag("DROP TABLE IF EXISTS a, b, c").await, "DROP TABLE");
    assert_eq!(s.fails("DROP TABLE a").await, ("42P01", "table \"a\" does not exist".into()));
    assert_eq!(s.fails("SELECT * FROM a").await.0, "42P01");
}

#[tokio::test]
async fn bad_definitions_are_refused() {
    let world = World::new().await;
    let mut s = world.session();
    for (sql, state) in [
        ("CREATE TABLE t (a int, a int)", "42701"),
        ("CREATE TABLE t (a int PRIMARY KEY, b int PRIMARY KEY)", "42P16"),
        ("CREATE TABLE t (a int, PRIMARY KEY (b))", "42703"),
        ("CREATE TABLE t (a nope)", "42704"),
        ("CREATE TABLE t (a int UNIQUE)", "0A000"),
        ("CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE)", "0A000"),
        ("CREATE TABLE t (a int PRIMARY KEY, UNIQUE (a, c))", "42703"),
        ("CREATE TABLE t (a int REFERENCES b)", "0A000"),
        ("CREATE TABLE t (a int CHECK (a > 0))", "0A000"),
        ("CREATE TABLE t (a int DEFAULT 'x')", "22P02"),
        ("CREATE TABLE t (a int DEFAULT b)", "42703"),
        ("CREATE TABLE t (a int, b int, PRIMARY KEY (a), SHARD KEY (b))", "42P16"),
        ("CREATE TABLE nope.t (a int)", "3F000"),
        ("CREATE TABLE t (a numeric(50,2))", "22023"),
    ] {
        let (got, message) = s.fails(sql).await;
        assert_eq!(got, state, "{sql}: {message}");
    }
}

#[tokio::test]
async fn create_table_as_takes_columns_and_rows() {
    let world = World::new().await;
    let mut s = world.session();
    assert_eq!(
        s.tag("CREATE TABLE t AS SELECT i AS n, 'x' AS s FROM generate_series(1, 5) AS g(i)").await,
        "SELECT 5"
    );
    assert_eq!(s.rows("SELECT sum(n), max(s) FROM t").await, ["15|x"]);
}

#[tokio::test]
async fn columns_can_be_added_and_dropped() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')")
        .await
        .expect("t");
    assert_eq!(s.tag("ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 7").await, "ALTER TABLE");
    s.run("ALTER TABLE t ADD c text").await.expect("a nullable column");
    assert_eq!(s.fails("ALTER TABLE t ADD d int NOT NULL").await.0, "23502");
    assert_eq!(s.fails("ALTER TABLE t ADD a int").await.0, "42701");
    s.run("INSERT INTO t (id) VALUES (2)").await.expect("a row");
    assert_eq!(s.rows("SELECT * FROM t ORDER BY id").await, ["1|x|7|NULL", "2|NULL|7|NULL"]);
    s.run("ALTER TABLE t DROP COLUMN a").await.expect("dropped");
    assert_eq!(s.rows("SELECT * FROM t ORDER BY id").await, ["1|7|NULL", "2|7|NULL"]);
    s.run("ALTER TABLE t ADD a int").await.expect("added anew");
    assert_eq!(s.rows("SELECT a FROM t").await, ["NULL", "NULL"]);
    s.run("ALTER TABLE t RENAME COLUMN b TO bb").await.expect("renamed");
    s.run("ALTER TABLE t RENAME TO u").await.expect("renamed");
    assert_eq!(s.rows("SELECT bb FROM u WHERE id = 1").await, ["7"]);
    assert_eq!(s.fails("ALTER TABLE u DROP COLUMN id").await.0, "0A000");
    assert_eq!(s.fails("ALTER TABLE u DROP COLUMN nope").await.0, "42703");
}

#[tokio::test]
async fn a_primary_key_can_be_added_to_rows_that_allow_it() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
        .await
        .expect("t");
    assert_eq!(s.tag("ALTER TABLE t ADD PRIMARY KEY (a)").await, "ALTER TABLE");
    assert_eq!(s.rows("SELECT * FROM t ORDER BY a").await, ["1|x", "2|y"]);
    assert_eq!(s.fails("INSERT INTO t VALUES (1, 'z')").await.0, "23505");
    assert_eq!(s.fails("ALTER TABLE t ADD PRIMARY KEY (b)").await.0, "42P16");
    s.run("CREATE TABLE u (a int); INSERT INTO u VALUES (1), (1)").await.expect("u");
    assert_eq!(s.fails("ALTER TABLE u ADD PRIMARY KEY (a)").await.0, "23505");
    s.run("CREATE TABLE v (a int); INSERT INTO v VALUES (1), (NULL)").await.expect("v");
    assert_eq!(s.fails("ALTER TABLE v ADD PRIMARY KEY (a)").await.0, "23502");
}

#[tokio::test]
async fn truncate_in_a_transaction_can_be_undone() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1), (2)").await.expect("t");
    s.begin();
    assert_eq!(s.tag("TRUNCATE t").await, "TRUNCATE TABLE");
    assert_eq!(s.rows("SELECT count(*) FROM t").await, ["0"]);
    s.run("INSERT INTO t VALUES (1), (5)").await.expect("rows");
    assert_eq!(s.fails("INSERT INTO t VALUES (5)").await.0, "23505");
    assert_eq!(world.session().rows("SELECT a FROM t ORDER BY a").await, ["1", "2"]);
    s.rollback().await;
    assert_eq!(s.rows("SELECT a FROM t ORDER BY a").await, ["1", "2"]);
    s.begin();
    s.run("TRUNCATE TABLE t; INSERT INTO t VALUES (9)").await.expect("rows");
    s.commit().await.expect("a commit");
    assert_eq!(s.rows("SELECT a FROM t").await, ["9"]);
}

#[tokio::test]
async fn schema_changes_belong_to_their_transaction() {
    let world = World::new().await;
    let mut s = world.session();
    s.begin();
    s.run("CREATE TABLE t (a int PRIMARY KEY, b int)").await.expect("t");
    s.run("INSERT INTO t VALUES (1, 2)").await.expect("a row");
    s.run("ALTER TABLE t ADD COLUMN c int DEFAULT 3").await.expect("a column");
    assert_eq!(s.rows("SELECT * FROM t").await, ["1|2|3"]);
    assert_eq!(world.session().fails("SELECT * FROM t").await.0, "42P01");
    s.commit().await.expect("a commit");
    assert_eq!(world.session().rows("SELECT * FROM t").await, ["1|2|3"]);
}
