//! Who gets in, and what a session begins with.

use crate::server::{Server, code, rows, run, state};
use tokio_postgres::{Client, Error};

async fn log_in(server: &Server, user: &str, database: &str) -> Result<Client, Error> {
    let mut config = server.config();
    config.user(user).password("pw").dbname(database);
    server.connect(&config).await
}

#[tokio::test]
async fn only_roles_that_may_log_in_and_connect_get_a_session() {
    let server = Server::start().await;
    let root = server.client().await;
    run(&root, "CREATE ROLE group_ PASSWORD 'pw'").await;
    run(&root, "CREATE USER bob PASSWORD 'pw'").await;
    let error = log_in(&server, "group_", "test").await.expect_err("no login");
    assert_eq!(code(&error), "28000");
    let db = error.as_db_error().expect("from the server");
    assert_eq!(db.message(), "role \"group_\" is not permitted to log in");
    let bob = log_in(&server, "bob", "test").await.expect("may connect");
    assert_eq!(rows(&bob, "SELECT current_user").await, ["bob"]);
    run(&root, "REVOKE CONNECT ON DATABASE test FROM PUBLIC").await;
    let error = log_in(&server, "bob", "test").await.expect_err("may not connect");
    assert_eq!(code(&error), "42501");
    let db = error.as_db_error().expect("from the server");
    assert_eq!(db.message(), "permission denied for database test");
    run(&root, "GRANT CONNECT ON DATABASE test TO group_").await;
    run(&root, "GRANT group_ TO bob").await;
    log_in(&server, "bob", "test").await.expect("by his group");
    run(&root, "ALTER ROLE bob NOLOGIN").await;
    assert_eq!(code(&log_in(&server, "bob", "test").await.expect_err("shut out")), "28000");
    assert_eq!(state(&root, "ALTER ROLE root NOLOGIN").await, "55006");
}

#[tokio::test]
async fn grants_work_in_blocks_and_role_statements_do_not() {
    let server = Server::start().await;
    let root = server.client().await;
    run(&root, "CREATE TABLE t (id int PRIMARY KEY); CREATE USER bob PASSWORD 'pw'").await;
    let bob = log_in(&server, "bob", "test").await.expect("connects");
    run(&root, "BEGIN; GRANT SELECT ON t TO bob; ROLLBACK").await;
    assert_eq!(state(&bob, "SELECT * FROM t").await, "42501");
    run(&root, "BEGIN; GRANT SELECT ON t TO bob; COMMIT").await;
    assert!(rows(&bob, "SELECT * FROM t").await.is_empty());
    // Also what is prepared asks again.
    let prepared = bob.prepare("SELECT id FROM t WHERE id = $1").await.expect("prepared");
    assert!(bob.query(&prepared, &[&1_i32]).await.expect("may").is_empty());
    run(&root, "REVOKE SELECT ON t FROM bob").await;
    let error = bob.query(&prepared, &[&1_i32]).await.expect_err("may not");
    assert_eq!(code(&error), "42501");
    assert_eq!(state(&root, "BEGIN; CREATE ROLE r; COMMIT").await, "25001");
    run(&root, "ROLLBACK").await;
    for sql in ["COPY t TO STDOUT", "COPY t FROM STDIN"] {
        let error = bob.batch_execute(sql).await.expect_err("may not");
        assert_eq!(code(&error), "42501", "{sql}");
    }
}

#[tokio::test]
async fn sessions_begin_with_what_was_set_for_them_the_closest_winning() {
    let server = Server::start().await;
    let root = server.client().await;
    run(&root, "CREATE USER bob PASSWORD 'pw'").await;
    let shown = async |name: &str| {
        let bob = log_in(&server, "bob", "test").await.expect("connects");
        rows(&bob, &format!("SHOW {name}")).await.remove(0)
    };
    assert_eq!(shown("lock_timeout").await, "0");
    run(&root, "SET GLOBAL lock_timeout = '1000'").await;
    assert_eq!(shown("lock_timeout").await, "1s");
    assert_eq!(rows(&root, "SHOW GLOBAL").await, ["lock_timeout|1s"]);
    assert_eq!(rows(&root, "SHOW GLOBAL jit").await, ["jit|off"]);
    run(&root, "ALTER DATABASE test SET lock_timeout TO '2s'").await;
    assert_eq!(shown("lock_timeout").await, "2s");
    run(&root, "ALTER ROLE bob SET lock_timeout = '3s'").await;
    assert_eq!(shown("lock_timeout").await, "3s");
    run(&root, "ALTER ROLE bob IN DATABASE test SET lock_timeout = '4s'").await;
    assert_eq!(shown("lock_timeout").await, "4s");
    let mut config = server.config();
    config.user("bob").password("pw").options("-c lock_timeout=5s");
    let bob = server.connect(&config).await.expect("connects");
    assert_eq!(rows(&bob, "SHOW lock_timeout").await, ["5s"]);
    run(&bob, "SET lock_timeout = '6s'").await;
    assert_eq!(rows(&bob, "SHOW lock_timeout").await, ["6s"]);
    run(&bob, "RESET lock_timeout").await;
    assert_eq!(rows(&bob, "SHOW lock_timeout").await, ["5s"]);
    let all =
        "SELECT setdatabase > 0, setrole > 0, setconfig FROM pg_db_role_setting ORDER BY 1, 2";
    assert_eq!(
        rows(&root, all).await,
        [
            "f|f|{lock_timeout=1s}",
            "f|t|{lock_timeout=3s}",
            "t|f|{lock_timeout=2s}",
            "t|t|{lock_timeout=4s}"
        ]
    );
    run(&root, "ALTER ROLE bob IN DATABASE test RESET ALL").await;
    run(&root, "ALTER ROLE bob RESET lock_timeout").await;
    assert_eq!(shown("lock_timeout").await, "2s");
    run(&root, "ALTER DATABASE test RESET ALL").await;
    run(&root, "ALTER SYSTEM RESET lock_timeout").await;
    assert_eq!(shown("lock_timeout").await, "0");
    for (sql, wanted) in [
        ("SET GLOBAL nonsense = 1", "42704"),
        ("SET GLOBAL jit = perhaps", "22023"),
        ("SET GLOBAL server_version = '9'", "55P02"),
    ] {
        assert_eq!(state(&root, sql).await, wanted, "{sql}");
    }
    assert_eq!(state(&bob, "SET GLOBAL jit = on").await, "42501");
    run(&bob, "ALTER ROLE bob SET jit = on").await;
    assert_eq!(shown("jit").await, "on");
}

#[tokio::test]
async fn address_rules_let_in_keep_out_and_do_not_shut_out_their_maker_unseen() {
    let server = Server::start().await;
    let root = server.client().await;
    run(&root, "CREATE USER bob PASSWORD 'pw'; CREATE ROLE staff; GRANT staff TO bob").await;
    run(&root, "CREATE ADDRESS RULE away FOR staff FROM '127.0.0.0/8' DENY").await;
    let error = log_in(&server, "bob", "test").await.expect_err("kept out");
    assert_eq!(code(&error), "28000");
    let db = error.as_db_error().expect("from the server");
    assert_eq!(db.detail(), Some("Address rule \"away\" keeps it out."));
    run(
        &root,
        "CREATE ADDRESS RULE here FOR bob ON DATABASE test FROM '127.0.0.1' ALLOW PRIORITY 9",
    )
    .await;
    log_in(&server, "bob", "test").await.expect("let in");
    run(&root, "DROP ADDRESS RULE away; DROP ADDRESS RULE here").await;
    run(&root, "CREATE ADDRESS RULE office FOR bob FROM '10.0.0.0/8' ALLOW").await;
    let error = log_in(&server, "bob", "test").await.expect_err("not listed");
    assert_eq!(code(&error), "28000");
    for sql in [
        "CREATE ADDRESS RULE r FOR ALL FROM '0.0.0.0/0' DENY",
        "CREATE ADDRESS RULE r FOR root FROM '10.0.0.0/8' ALLOW",
    ] {
        assert_eq!(state(&root, sql).await, "55006", "{sql}");
    }
    run(&root, "CREATE ADDRESS RULE r FOR root FROM '10.0.0.0/8' ALLOW FORCE").await;
    let refused = server.connect(&server.config()).await.expect_err("shut out, as ordered");
    assert_eq!(code(&refused), "28000");
    let shown = "SELECT rule_name, role_name, database_name, network, action, priority \
                 FROM information_schema.address_rules ORDER BY 1";
    assert_eq!(
        rows(&root, shown).await,
        ["office|bob|∅|10.0.0.0/8|ALLOW|0", "r|root|∅|10.0.0.0/8|ALLOW|0"]
    );
    run(&root, "DROP ADDRESS RULE r").await;
    server.client().await;
    for (sql, wanted) in [
        ("CREATE ADDRESS RULE office FOR ALL FROM '10.0.0.0/8' ALLOW FORCE", "42710"),
        ("CREATE ADDRESS RULE x FOR ALL FROM '10.0.0.1/8' ALLOW", "22P02"),
        ("CREATE ADDRESS RULE x FOR nobody FROM '10.0.0.0/8' ALLOW", "42704"),
        ("CREATE ADDRESS RULE x FOR ALL ON DATABASE y FROM '10.0.0.0/8' ALLOW", "3D000"),
        ("DROP ADDRESS RULE x", "42704"),
    ] {
        assert_eq!(state(&root, sql).await, wanted, "{sql}");
    }
}
