//! Who may do what with tables, sequences, the schema and databases.

use crate::harness::{Session, World, show};
use base::Value;

/// Root's things, and a user without any right.
async fn world() -> (World, Session, Session) {
    let world = World::new().await;
    let mut root = world.session();
    root.run(
        "CREATE TABLE t (id int PRIMARY KEY, n int, UNIQUE (id, n));
         CREATE TABLE u (id serial PRIMARY KEY, note text);
         CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
         CREATE SEQUENCE s;
         INSERT INTO t VALUES (1, 10), (2, 20);
         CREATE USER bob",
    )
    .await
    .expect("root may");
    let bob = world.session_of("bob");
    (world, root, bob)
}

/// `(what bob runs, what has to be granted so that it works, one at a time)`.
const STATEMENTS: &[(&str, &[&str])] = &[
    ("SELECT * FROM t", &["SELECT ON t"]),
    ("SELECT n FROM t WHERE id = 1", &["SELECT ON t"]),
    ("SELECT count(*) FROM (SELECT 1 FROM t) AS x", &["SELECT ON t"]),
    ("WITH x AS (SELECT id FROM t) SELECT * FROM x, u", &["SELECT ON t", "SELECT ON u"]),
    ("SELECT (SELECT max(n) FROM t)", &["SELECT ON t"]),
    ("SELECT 1 WHERE EXISTS (SELECT 1 FROM t)", &["SELECT ON t"]),
    ("SELECT note FROM u UNION ALL SELECT 'x' FROM t", &["SELECT ON u", "SELECT ON t"]),
    ("EXPLAIN SELECT * FROM t", &["SELECT ON t"]),
    ("EXPLAIN UPDATE t SET n = 1", &["UPDATE ON t"]),
    ("SELECT n FROM t WHERE id = 1 FOR UPDATE", &["UPDATE ON t", "SELECT ON t"]),
    ("SELECT n FROM t WHERE n > 1 FOR SHARE", &["UPDATE ON t", "SELECT ON t"]),
    ("SELECT n FROM t WHERE n > 1 FOR UPDATE SKIP LOCKED", &["UPDATE ON t", "SELECT ON t"]),
    ("INSERT INTO t VALUES (3, 30)", &["INSERT ON t"]),
    ("INSERT INTO t VALUES (4, 40) RETURNING id", &["INSERT ON t", "SELECT ON t"]),
    ("INSERT INTO t SELECT id + 100, 1 FROM u", &["INSERT ON t", "SELECT ON u"]),
    ("INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING", &["INSERT ON t"]),
    (
        "INSERT INTO t VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
        &["INSERT ON t", "UPDATE ON t", "SELECT ON t"],
    ),
    ("UPDATE t SET n = 5", &["UPDATE ON t"]),
    ("UPDATE t SET n = DEFAULT", &["UPDATE ON t"]),
    ("UPDATE t SET n = n + 1", &["UPDATE ON t", "SELECT ON t"]),
    ("UPDATE t SET n = 5 WHERE id = 1", &["UPDATE ON t", "SELECT ON t"]),
    ("UPDATE t SET n = 5 WHERE n = 77", &["UPDATE ON t", "SELECT ON t"]),
    ("UPDATE t SET n = 5 RETURNING n", &["UPDATE ON t", "SELECT ON t"]),
    ("UPDATE t SET n = 5 FROM u WHERE t.id = u.id", &["UPDATE ON t", "SELECT ON t", "SELECT ON u"]),
    ("DELETE FROM t WHERE id = 77", &["DELETE ON t", "SELECT ON t"]),
    ("DELETE FROM t WHERE n = 77", &["DELETE ON t", "SELECT ON t"]),
    ("DELETE FROM t", &["DELETE ON t"]),
    ("TRUNCATE t", &["TRUNCATE ON t"]),
    ("SELECT nextval('s')", &["USAGE ON SEQUENCE s"]),
    ("SELECT setval('s', 9)", &["UPDATE ON SEQUENCE s"]),
    ("SELECT last_value FROM s", &["SELECT ON SEQUENCE s"]),
    ("INSERT INTO u (note) VALUES ('x')", &["INSERT ON u", "USAGE ON SEQUENCE u_id_seq"]),
    ("INSERT INTO i (note) VALUES ('x')", &["INSERT ON i"]),
    ("CREATE TABLE mine (id int)", &["CREATE ON SCHEMA public"]),
    ("CREATE SEQUENCE mine", &["CREATE ON SCHEMA public"]),
    ("CREATE TABLE mine AS SELECT n FROM t", &["CREATE ON SCHEMA public", "SELECT ON t"]),
];

#[tokio::test]
async fn every_statement_takes_its_privileges_and_no_others() {
    let (_world, mut root, mut bob) = world().await;
    for (sql, grants) in STATEMENTS {
        for missing in 0..grants.len() {
            for (i, grant) in grants.iter().enumerate() {
                let verb = if i == missing { "REVOKE" } else { "GRANT" };
                let to = if i == missing { "FROM" } else { "TO" };
                root.run(&format!("{verb} {grant} {to} bob")).await.expect(grant);
            }
            let (state, message) = bob.fails(sql).await;
            assert_eq!(state, "42501", "{sql} without {}: {message}", grants[missing]);
            assert!(message.starts_with("permission denied for "), "{sql}: {message}");
        }
        for grant in *grants {
            root.run(&format!("GRANT {grant} TO bob")).await.expect(grant);
        }
        bob.begin();
        if let Err(e) = bob.run(sql).await {
            panic!("{sql} with {grants:?}: {e:?}");
        }
        bob.rollback().await;
        for grant in *grants {
            root.run(&format!("REVOKE {grant} FROM bob")).await.expect(grant);
        }
    }
}

#[tokio::test]
async fn what_is_ones_own_is_changed_by_nobody_else() {
    let (_world, mut root, mut bob) = world().await;
    root.run("GRANT ALL ON t TO bob; GRANT ALL ON SEQUENCE s TO bob").await.expect("granted");
    for sql in [
        "ALTER TABLE t ADD COLUMN x int",
        "ALTER TABLE t RENAME TO tt",
        "ALTER TABLE t OWNER TO bob",
        "ALTER TABLE t ADD CONSTRAINT k UNIQUE (id)",
        "DROP TABLE t",
        "CREATE INDEX ON t (n)",
        "REINDEX TABLE t",
    ] {
        assert_eq!(bob.fails(sql).await, ("42501", "must be owner of table t".into()), "{sql}");
    }
    let of_index = ("42501", "must be owner of index t_id_n_key".to_string());
    assert_eq!(bob.fails("ALTER INDEX t_id_n_key RENAME TO k").await, of_index);
    for sql in ["ALTER SEQUENCE s RESTART", "DROP SEQUENCE s"] {
        assert_eq!(bob.fails(sql).await, ("42501", "must be owner of sequence s".into()), "{sql}");
    }
    root.run("GRANT CREATE ON SCHEMA public TO bob").await.expect("granted");
    bob.run(
        "CREATE TABLE mine (id serial PRIMARY KEY, n int); CREATE INDEX ON mine (n);
         ALTER TABLE mine ADD COLUMN x int; INSERT INTO mine (n) VALUES (1); TRUNCATE mine;
         REINDEX TABLE mine; DROP INDEX mine_n_idx; DROP TABLE mine",
    )
    .await
    .expect("his own");
}

#[tokio::test]
async fn a_cached_plan_does_not_outlive_a_privilege() {
    let (_world, mut root, mut bob) = world().await;
    root.run("GRANT SELECT, UPDATE ON t TO bob").await.expect("granted");
    bob.begin();
    let point = bob.prepare("SELECT n FROM t WHERE id = $1").await;
    let planned = bob.prepare("SELECT sum(n) FROM t").await;
    let lifted = bob.lift("UPDATE t SET n = 3 WHERE id = 1").await;
    let (lifted, values) = lifted.expect("of the fast kind");
    let one = [Value::Int(1)];
    assert!(show(bob.execute(&point, &one).await.expect("may")).await.is_ok());
    assert!(show(bob.execute(&planned, &[]).await.expect("may")).await.is_ok());
    assert!(bob.execute(&lifted, &values).await.is_ok());
    bob.rollback().await;
    root.run("REVOKE SELECT, UPDATE ON t FROM bob").await.expect("revoked");
    bob.begin();
    for (prepared, values) in [(&point, &one[..]), (&planned, &[]), (&lifted, &values)] {
        let error = bob.execute(prepared, values).await.err().expect("must not");
        assert_eq!(error.message, "permission denied for table t");
    }
    bob.rollback().await;
}

#[tokio::test]
async fn the_past_is_read_with_the_rights_of_now() {
    let (_world, mut root, mut bob) = world().await;
    root.run("GRANT SELECT ON t TO bob").await.expect("granted");
    let then = root.rows("SELECT hybrid_time()").await.remove(0);
    let past = format!("SELECT count(*) FROM t AS OF SYSTEM TIME {then}");
    assert_eq!(bob.rows(&past).await, ["2"]);
    bob.begin_with(txn::Isolation::RepeatableRead);
    assert_eq!(bob.rows("SELECT count(*) FROM t").await, ["2"]);
    root.run("REVOKE SELECT ON t FROM bob").await.expect("revoked");
    assert_eq!(bob.fails("SELECT count(*) FROM t").await.0, "42501");
    bob.rollback().await;
    assert_eq!(bob.fails(&past).await.0, "42501");
}

#[tokio::test]
async fn grants_are_transactional_and_passed_on_only_with_the_option() {
    let (world, mut root, mut bob) = world().await;
    root.run("CREATE USER eve").await.expect("a user");
    let mut eve = world.session_of("eve");
    root.begin();
    root.run("GRANT SELECT ON t TO bob WITH GRANT OPTION").await.expect("granted");
    root.rollback().await;
    assert_eq!(bob.fails("SELECT * FROM t").await.0, "42501");
    root.run("GRANT SELECT ON t TO bob").await.expect("granted");
    assert_eq!(bob.fails("GRANT SELECT ON t TO eve").await.0, "42501");
    root.run("GRANT SELECT ON t TO bob WITH GRANT OPTION").await.expect("granted");
    bob.run("GRANT SELECT ON t TO eve").await.expect("passed on");
    assert_eq!(eve.rows("SELECT count(*) FROM t").await, ["2"]);
    let (state, message) = root.fails("REVOKE SELECT ON t FROM bob").await;
    assert_eq!((state, message.as_str()), ("2BP01", "dependent privileges exist"));
    root.run("REVOKE GRANT OPTION FOR SELECT ON t FROM bob CASCADE").await.expect("revoked");
    assert_eq!(eve.fails("SELECT * FROM t").await.0, "42501");
    assert_eq!(bob.rows("SELECT count(*) FROM t").await, ["2"]);
    for (sql, state) in [
        ("GRANT CONNECT ON t TO bob", "0LP01"),
        ("GRANT SELECT ON t TO nobody", "42704"),
        ("GRANT SELECT ON nothing TO bob", "42P01"),
        ("GRANT USAGE ON SCHEMA other TO bob", "3F000"),
        ("GRANT SELECT ON t TO PUBLIC WITH GRANT OPTION", "0LP01"),
    ] {
        assert_eq!(root.fails(sql).await.0, state, "{sql}");
    }
}

#[tokio::test]
async fn members_and_everybody_have_what_was_granted_to_the_group() {
    let (world, mut root, mut bob) = world().await;
    root.run("CREATE ROLE readers; CREATE ROLE staff IN ROLE readers; GRANT staff TO bob")
        .await
        .expect("roles");
    root.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO readers").await.expect("granted");
    assert_eq!(bob.rows("SELECT count(*) FROM t").await, ["2"]);
    root.run("REVOKE staff FROM bob").await.expect("revoked");
    assert_eq!(bob.fails("SELECT * FROM t").await.0, "42501");
    root.run("GRANT SELECT ON t TO PUBLIC").await.expect("granted");
    assert_eq!(bob.rows("SELECT count(*) FROM t").await, ["2"]);
    // A table of a group is its members' own.
    root.run("GRANT staff TO bob; ALTER TABLE t OWNER TO staff").await.expect("given");
    bob.run("ALTER TABLE t ADD COLUMN x int").await.expect("his group's");
    root.run("CREATE USER shy NOINHERIT IN ROLE staff").await.expect("a user");
    let mut shy = world.session_of("shy");
    assert_eq!(shy.fails("ALTER TABLE t DROP COLUMN x").await.0, "42501");
}

#[tokio::test]
async fn databases_are_made_and_dropped_by_those_who_may() {
    let (world, mut root, mut bob) = world().await;
    assert_eq!(
        bob.fails("CREATE DATABASE d").await,
        ("42501", "permission denied to create database".into())
    );
    root.run("ALTER ROLE bob CREATEDB; CREATE USER eve CREATEDB").await.expect("altered");
    bob.run("CREATE DATABASE d PARTITIONS 1").await.expect("may");
    let mut eve = world.session_of("eve");
    assert_eq!(eve.fails("DROP DATABASE d").await, ("42501", "must be owner of database d".into()));
    assert_eq!(eve.fails("ALTER DATABASE d SET version_retention = '1 h'").await.0, "42501");
    assert_eq!(eve.fails("GRANT CONNECT ON DATABASE d TO eve").await.0, "42501");
    bob.run("ALTER DATABASE d SET version_retention = '1 h'").await.expect("his own");
    bob.run("REVOKE CONNECT ON DATABASE d FROM PUBLIC").await.expect("his own");
    assert_eq!(
        root.rows("SELECT datname, datacl FROM pg_database WHERE datname = 'd'").await,
        ["d|{=T/bob,bob=CTc/bob}"]
    );
    let asked = "SELECT has_database_privilege('eve', 'd', 'CONNECT'), \
                 has_database_privilege('bob', 'd', 'CONNECT')";
    assert_eq!(root.rows(asked).await, ["f|t"]);
    root.run("ALTER DATABASE d OWNER TO eve").await.expect("given");
    eve.run("DROP DATABASE d").await.expect("hers now");
}

#[tokio::test]
async fn a_schema_that_is_closed_shows_nothing() {
    let (_world, mut root, mut bob) = world().await;
    root.run("GRANT SELECT ON t TO bob; GRANT USAGE ON SEQUENCE s TO bob").await.expect("granted");
    root.run("REVOKE USAGE ON SCHEMA public FROM PUBLIC").await.expect("revoked");
    let denied = ("42501", "permission denied for schema public".to_string());
    assert_eq!(bob.fails("SELECT * FROM t").await, denied);
    assert_eq!(bob.fails("SELECT nextval('s')").await, denied);
    assert_eq!(bob.rows("SELECT 1").await, ["1"]);
    root.run("GRANT USAGE ON SCHEMA public TO bob").await.expect("granted");
    assert_eq!(bob.rows("SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn what_is_only_for_superusers() {
    let (_world, _root, mut bob) = world().await;
    for sql in [
        "CHECKPOINT",
        "FLUSH TABLES WITH READ ONLY",
        "UNLOCK TABLES",
        "SET DATABASE test READ ONLY REASON 'x'",
        "FAILOVER DATABASE test WITH DATA LOSS",
        "SWITCHOVER DATABASE test TO west",
        "REPLICATE DATABASE x FROM root@127.0.0.1/x",
        "VERIFY DATABASE test",
        "SET GLOBAL jit = on",
    ] {
        assert_eq!(bob.fails(sql).await.0, "42501", "{sql}");
    }
}

#[tokio::test]
async fn rights_are_kept_over_a_restart_and_go_with_their_table() {
    let (world, mut root, bob) = world().await;
    root.run("GRANT SELECT ON t TO bob").await.expect("granted");
    drop((root, bob));
    let world = world.reopen().await;
    let (mut root, mut bob) = (world.session(), world.session_of("bob"));
    assert_eq!(bob.rows("SELECT count(*) FROM t").await, ["2"]);
    root.run("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY)").await.expect("anew");
    assert_eq!(bob.fails("SELECT * FROM t").await.0, "42501");
    assert_eq!(root.rows("SELECT relacl FROM pg_class WHERE oid = 't'::regclass").await, ["NULL"]);
}
