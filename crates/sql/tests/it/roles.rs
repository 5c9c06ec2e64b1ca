//! Roles, memberships, owners, and how clients see them.

use crate::harness::World;

#[tokio::test]
async fn roles_have_attributes_and_are_listed() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE ROLE ops CREATEDB CREATEROLE; CREATE USER ann REPLICATION IN ROLE ops")
        .await
        .expect("roles");
    let sql = "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication \
               FROM pg_roles ORDER BY 1";
    assert_eq!(s.rows(sql).await, ["ann|f|f|f|t|t", "ops|f|t|t|f|f", "root|t|t|t|t|t"]);
    assert_eq!(s.rows("SELECT usename FROM pg_user ORDER BY 1").await, ["ann", "root"]);
    let members = "SELECT r.rolname, m.rolname, a.admin_option FROM pg_auth_members a \
                   JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member";
    assert_eq!(s.rows(members).await, ["ops|ann|f"]);
    s.run("GRANT ops TO ann WITH ADMIN OPTION").await.expect("granted");
    assert_eq!(s.rows(members).await, ["ops|ann|t"]);
    s.run("ALTER ROLE ann NOREPLICATION RENAME").await.expect_err("not a form");
    s.run("ALTER ROLE ann RENAME TO anna").await.expect("renamed");
    assert_eq!(s.rows(members).await, ["ops|anna|t"]);
    assert_eq!(s.rows("SELECT pg_has_role('anna', 'ops', 'MEMBER')").await, ["t"]);
    // What `\du` asks in psql 15.
    let du = "SELECT r.rolname, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m \
              JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid) WHERE m.member = r.oid) as memberof \
              FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1";
    assert_eq!(s.rows(du).await, ["anna|{ops}", "ops|{}", "root|{}"]);
}

#[tokio::test]
async fn memberships_make_no_circle() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE ROLE a; CREATE ROLE b; CREATE ROLE c; GRANT a TO b; GRANT b TO c")
        .await
        .expect("roles");
    assert_eq!(
        s.fails("GRANT c TO a").await,
        ("0LP01", "role \"c\" is a member of role \"a\"".into())
    );
    assert_eq!(s.fails("GRANT a TO a").await.0, "0LP01");
    s.run("REVOKE b FROM c; GRANT c TO a").await.expect("no circle any more");
}

#[tokio::test]
async fn a_role_that_has_something_is_not_dropped() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int); CREATE ROLE a; CREATE ROLE b; GRANT SELECT ON t TO a")
        .await
        .expect("granted");
    s.run("ALTER TABLE t OWNER TO b").await.expect("given");
    let e = s.run("DROP ROLE a").await.expect_err("it has a grant");
    assert_eq!(e.state.0, "2BP01");
    assert_eq!(e.message, "role \"a\" cannot be dropped because some objects depend on it");
    assert_eq!(e.detail.as_deref(), Some("privileges for table t"));
    let e = s.run("DROP ROLE b").await.expect_err("it owns a table");
    assert_eq!(e.detail.as_deref(), Some("owner of table t"));
    s.run("DROP OWNED BY a; DROP ROLE a; REASSIGN OWNED BY b TO root; DROP ROLE b")
        .await
        .expect("nothing is in the way");
    assert_eq!(s.fails("DROP ROLE root").await.0, "55006");
    assert_eq!(s.fails("DROP ROLE a").await.0, "42704");
    s.run("DROP ROLE IF EXISTS a").await.expect("gone");
}

#[tokio::test]
async fn a_renamed_role_keeps_what_it_has_everywhere() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE DATABASE other PARTITIONS 1; CREATE TABLE t (id int PRIMARY KEY)")
        .await
        .expect("t");
    s.run("CREATE USER ann; GRANT SELECT ON t TO ann; ALTER DATABASE other OWNER TO ann")
        .await
        .expect("granted");
    s.run("ALTER ROLE ann RENAME TO anna").await.expect("renamed");
    let mut anna = world.session_of("anna");
    assert_eq!(anna.rows("SELECT count(*) FROM t").await, ["0"]);
    anna.run("DROP DATABASE other").await.expect("hers");
    assert_eq!(
        s.rows("SELECT relacl FROM pg_class WHERE oid = 't'::regclass").await,
        ["{root=arwdDxt/root,anna=r/root}"]
    );
}

#[tokio::test]
async fn createrole_manages_all_roles_but_superusers() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE USER chief CREATEROLE; CREATE USER bob; CREATE USER boss SUPERUSER")
        .await
        .expect("users");
    let (mut chief, mut bob) = (world.session_of("chief"), world.session_of("bob"));
    assert_eq!(
        bob.fails("CREATE USER x").await,
        ("42501", "permission denied to create role".into())
    );
    bob.run("ALTER USER bob PASSWORD 'new'").await.expect("his own password");
    bob.run("ALTER USER current_user PASSWORD 'newer'").await.expect("his own password");
    assert_eq!(bob.fails("ALTER USER bob CREATEDB").await.0, "42501");
    chief
        .run("CREATE ROLE team; GRANT team TO bob; ALTER USER bob PASSWORD 'x'")
        .await
        .expect("may");
    for sql in [
        "CREATE USER x SUPERUSER",
        "ALTER USER bob REPLICATION",
        "ALTER USER bob CREATEDB",
        "ALTER USER boss PASSWORD 'x'",
        "DROP USER boss",
        "GRANT boss TO chief",
    ] {
        assert_eq!(chief.fails(sql).await.0, "42501", "{sql}");
    }
    s.run("GRANT team TO bob WITH ADMIN OPTION; CREATE USER eve").await.expect("granted");
    bob.run("GRANT team TO eve; REVOKE team FROM eve").await.expect("with the option");
    chief.run("DROP ROLE team").await.expect("may");
}

#[tokio::test]
async fn privileges_are_shown_as_clients_ask_for_them() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id serial PRIMARY KEY); CREATE ROLE a; GRANT SELECT, INSERT ON t TO a")
        .await
        .expect("granted");
    s.run("GRANT UPDATE ON t TO PUBLIC; GRANT USAGE ON SEQUENCE t_id_seq TO a WITH GRANT OPTION")
        .await
        .expect("granted");
    // What `\dp` asks in psql 15.
    let dp = "SELECT n.nspname as \"Schema\", c.relname as \"Name\", CASE c.relkind WHEN 'r' THEN \
              'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' \
              WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' END as \"Type\", \
              pg_catalog.array_to_string(c.relacl, E'\n') AS \"Access privileges\", \
              pg_catalog.array_to_string(ARRAY( SELECT attname || E':\n  ' || \
              pg_catalog.array_to_string(attacl, E'\n  ') FROM pg_catalog.pg_attribute a WHERE \
              attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL ), E'\n') AS \
              \"Column privileges\" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n \
              ON n.oid = c.relnamespace WHERE c.relkind IN ('r','v','m','S','f','p') AND n.nspname !~ \
              '^pg_' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2";
    let shown: Vec<String> =
        s.rows(dp).await.into_iter().filter(|r| r.starts_with("public")).collect();
    assert_eq!(
        shown,
        [
            "public|t|table|root=arwdDxt/root\na=ar/root\n=w/root|NULL",
            "public|t_id_seq|sequence|root=rwU/root\na=U*/root|NULL"
        ]
    );
    for (sql, expected) in [
        ("SELECT has_table_privilege('a', 't', 'SELECT, DELETE')", "t"),
        ("SELECT has_table_privilege('a', 't', 'DELETE')", "f"),
        ("SELECT has_table_privilege('a', 't'::regclass, 'SELECT WITH GRANT OPTION')", "f"),
        ("SELECT has_table_privilege('t', 'DELETE')", "t"),
        ("SELECT has_sequence_privilege('a', 't_id_seq', 'USAGE WITH GRANT OPTION')", "t"),
        ("SELECT has_schema_privilege('a', 'public', 'CREATE')", "f"),
        ("SELECT has_schema_privilege('a', 'public', 'USAGE')", "t"),
        ("SELECT has_database_privilege('a', 'test', 'CONNECT')", "t"),
        ("SELECT tableowner FROM pg_tables WHERE tablename = 't'", "root"),
        (
            "SELECT string_agg(privilege_type, ',') FROM information_schema.table_privileges \
             WHERE grantee = 'a'",
            "INSERT,SELECT",
        ),
    ] {
        assert_eq!(s.rows(sql).await, [expected], "{sql}");
    }
    assert_eq!(s.fails("SELECT has_table_privilege('x', 't', 'SELECT')").await.0, "42704");
    assert_eq!(
        s.rows("SHOW GRANTS FOR a").await,
        [
            "database|test|PUBLIC|TEMPORARY|f|root",
            "database|test|PUBLIC|CONNECT|f|root",
            "schema|public|PUBLIC|USAGE|f|root",
            "table|t|a|INSERT|f|root",
            "table|t|a|SELECT|f|root",
            "table|t|PUBLIC|UPDATE|f|root",
            "sequence|t_id_seq|a|USAGE|t|root",
        ]
    );
}
