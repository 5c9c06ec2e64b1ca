//! `DR TABLE`: which tables other clusters have.

use crate::harness::{Session, World};

/// The tables with whether they are replicated.
async fn chosen(s: &mut Session) -> Vec<String> {
    s.rows("SELECT table_name, is_replicated FROM information_schema.dr_tables ORDER BY 1").await
}

fn notices(s: &Session) -> Vec<String> {
    s.executor.take_notices().into_iter().map(|n| n.into_report().message).collect()
}

const TABLES: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE INDEX a_v ON a (v);
    CREATE TABLE b (n int, v text); CREATE TABLE c (id int PRIMARY KEY);
    INSERT INTO a SELECT g, CAST(g % 7 AS text) FROM generate_series(1, 500) AS s(g);
    INSERT INTO b VALUES (1, 'x'), (1, 'x'), (2, 'y')";

#[tokio::test]
async fn the_first_choice_leaves_out_all_others_and_keeps_every_row() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(TABLES).await.expect("tables");
    assert_eq!(chosen(&mut s).await, ["a|t", "b|t", "c|t"]);
    assert_eq!(s.tag("DR TABLE a").await, "DR TABLE");
    let told = notices(&s);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("\"a\" is replicated") && told[0].contains("b, c"), "{told:?}");
    assert_eq!(chosen(&mut s).await, ["a|t", "b|f", "c|f"]);
    assert_eq!(s.rows("SELECT n, v FROM b ORDER BY 1").await, ["1|x", "1|x", "2|y"]);

    s.run("CREATE TABLE d (id int PRIMARY KEY)").await.expect("a table");
    assert!(notices(&s)[0].contains("DR TABLE d"), "it says so");
    assert_eq!(chosen(&mut s).await[3], "d|f");
    s.run("DR TABLE d").await.expect("chooses");
    assert!(notices(&s).is_empty(), "nothing else changes");
    assert_eq!(chosen(&mut s).await, ["a|t", "b|f", "c|f", "d|t"]);

    // And back: with its rows, and an index that has all entries.
    s.run("DR TABLE a DISABLE").await.expect("leaves it out");
    assert_eq!(chosen(&mut s).await[0], "a|f");
    assert_eq!(s.rows("SELECT count(*), sum(id) FROM a WHERE v = '3'").await, ["72|18108"]);
    assert_eq!(s.rows("SELECT count(*), sum(id) FROM a").await, ["500|125250"]);
    s.run("DR TABLE *").await.expect("all");
    assert_eq!(chosen(&mut s).await, ["a|t", "b|t", "c|t", "d|t"]);
    assert_eq!(s.rows("SELECT count(*) FROM a WHERE v = '3'").await, ["72"]);
    s.run("CREATE TABLE e (id int PRIMARY KEY)").await.expect("a table");
    assert_eq!(chosen(&mut s).await[4], "e|t");
}

#[tokio::test]
async fn a_single_table_is_left_out_while_all_others_are_replicated() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(TABLES).await.expect("tables");
    s.run("DR TABLE b DISABLE").await.expect("leaves it out");
    s.run("CREATE TABLE d (id int PRIMARY KEY)").await.expect("a table");
    assert_eq!(chosen(&mut s).await, ["a|t", "b|f", "c|t", "d|t"]);
    s.run("DR TABLE b DISABLE").await.expect("is so already");
    assert!(notices(&s)[0].contains("is not replicated"));
    assert_eq!(s.rows("SELECT count(*) FROM b").await, ["3"]);
}

#[tokio::test]
async fn what_a_table_becomes_is_as_local_as_it_was() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(TABLES).await.expect("tables");
    s.run("DR TABLE c").await.expect("chooses");
    for sql in [
        "TRUNCATE a",
        "CREATE INDEX b_n ON b (n)",
        "ALTER TABLE b ADD COLUMN w int",
        "DELETE FROM b WHERE n = 1",
        "ALTER TABLE b ADD PRIMARY KEY (n)",
        "REINDEX TABLE b",
    ] {
        s.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    assert_eq!(chosen(&mut s).await, ["a|f", "b|f", "c|t"]);
    let database = world.engine.database("test").expect("there");
    let catalog = database.newest_catalog().await.expect("readable");
    for table in catalog.tables.values() {
        for index in &table.indexes {
            assert_eq!(index.storage.is_local(), table.storage.is_local(), "{}", index.name);
            assert!(index.storage.is_index());
        }
    }
    assert_eq!(s.rows("SELECT n, v, w FROM b WHERE n = 2").await, ["2|y|NULL"]);
    // Over a restart, in chunks and in the log.
    s.run("CHECKPOINT").await.expect("writes chunks");
    s.run("INSERT INTO b VALUES (3, 'z', 4); INSERT INTO a VALUES (1, 'one')").await.expect("rows");
    drop((database, s));
    let world = world.reopen().await;
    let mut s = world.session();
    assert_eq!(chosen(&mut s).await, ["a|f", "b|f", "c|t"]);
    assert_eq!(s.rows("SELECT n FROM b WHERE n > 0 ORDER BY 1").await, ["2", "3"]);
    assert_eq!(s.rows("SELECT id FROM a WHERE v = 'one'").await, ["1"]);
    s.run("CREATE TABLE d (id int PRIMARY KEY)").await.expect("a table");
    assert_eq!(chosen(&mut s).await[3], "d|f", "the choice is remembered");
}

#[tokio::test]
async fn a_choice_is_transactional_and_for_superusers() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(TABLES).await.expect("tables");
    s.begin();
    s.run("DR TABLE c").await.expect("chooses");
    s.run("INSERT INTO c VALUES (1)").await.expect("a row");
    assert_eq!(chosen(&mut s).await, ["a|f", "b|f", "c|t"]);
    s.rollback().await;
    assert_eq!(chosen(&mut s).await, ["a|t", "b|t", "c|t"]);
    s.run("CREATE TABLE d (id int PRIMARY KEY)").await.expect("a table");
    assert_eq!(chosen(&mut s).await[3], "d|t");
    assert_eq!(s.fails("DR TABLE nowhere").await.0, "42P01");
    s.run("CREATE USER bob PASSWORD 'bob'; GRANT ALL ON a TO bob").await.expect("a user");
    let mut bob = world.session_of("bob");
    assert_eq!(bob.fails("DR TABLE a DISABLE").await.0, "42501");
}
