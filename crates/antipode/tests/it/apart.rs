//! Replicas that leave something out, in SQL: tables (`EXCLUDE`), users and grants (`SECURITY_MODE`).

use crate::BINARY;
use std::time::Duration;
use testkit::{PASSWORD, Server, error_of, eventually, one, rows, script, try_rows};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_leaves_out_stays_here() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let west = Server::start(BINARY, 1, "ybwest", dir.path());
    let east = Server::start(BINARY, 2, "ybeast", dir.path());
    west.admin("CREATE USER app PASSWORD 'app'").await;
    west.admin("CREATE DATABASE shop PARTITIONS 2").await;
    let shop = west.connect("shop").await;
    let tables = [
        "CREATE TABLE notes (id bigint PRIMARY KEY)",
        "CREATE TABLE items (id bigint PRIMARY KEY)",
        "INSERT INTO notes VALUES (1), (2)",
        "INSERT INTO items VALUES (1), (2), (3)",
        "GRANT SELECT ON items TO app",
    ];
    script(&shop, &tables).await;
    let (port, password) = (east.port(), PASSWORD.replace('\'', "''"));
    let server = format!(
        "create remote server e with (host '127.0.0.1', port {port}, user root, password '{password}')"
    );
    west.admin(&server).await;
    let add = |name: &str, with: &str| {
        format!("alter database shop add replica {name} to e with ({with})")
    };
    for (list, state) in [("missing", "42P01"), ("tmp.notes", "3F000"), ("public", "22023")] {
        let sql = add("r", &format!("exclude '{list}'"));
        assert_eq!(west.admin_error(&sql).await.0, state, "{sql}");
    }
    assert!(rows(&shop, "SELECT * FROM sys.replica").await.is_empty(), "none is declared");
    west.admin(&add("r", "exclude 'public.notes', security_mode 'none'")).await;
    let shown = rows(&shop, "SELECT exclude, security_mode FROM sys.replica").await;
    assert_eq!(shown, [["notes", "NONE"]]);
    assert_eq!(one(&shop, "SELECT count(*) FROM notes").await, "2", "its rows are here");
    for sql in ["DR TABLE notes", "DR TABLE *"] {
        assert_eq!(error_of(&shop, sql).await.0, "55000", "{sql}");
    }
    west.admin("alter database shop alter replica r start").await;
    eventually("east has it", LIMIT, async || {
        let Ok(client) = testkit::connect(port, "root", PASSWORD, "shop").await else {
            return false;
        };
        let count = try_rows(&client, "SELECT count(*) FROM items").await;
        count.is_ok_and(|rows| rows == [["3"]])
    })
    .await;
    let there = east.connect("shop").await;
    assert_eq!(error_of(&there, "SELECT * FROM notes").await.0, "55000");
    // What is made anew under that name stays here, too; nothing else does.
    let anew = [
        "DROP TABLE notes",
        "CREATE TABLE notes (id bigint PRIMARY KEY)",
        "CREATE TABLE more (id bigint)",
    ];
    script(&shop, &anew).await;
    let kinds = "SELECT table_name, is_replicated FROM information_schema.dr_tables ORDER BY 1";
    assert_eq!(rows(&shop, kinds).await, [["items", "t"], ["more", "t"], ["notes", "f"]]);
    // What others get already is not taken away from them.
    let (state, message) = west.admin_error(&add("q", "alias 'shop2', exclude 'items'")).await;
    assert_eq!(state, "55000", "{message}");
    assert_eq!(one(&there, "SELECT count(*) FROM items").await, "3");
    // Nobody there was granted anything.
    let granted = "SELECT count(*) FROM information_schema.table_privileges WHERE grantee = 'app'";
    assert_eq!((one(&shop, granted).await, one(&there, granted).await), ("1".into(), "0".into()));
    let own = "SELECT own_rights FROM sys.database WHERE name = 'shop'";
    assert_eq!((one(&shop, own).await, one(&there, own).await), ("f".into(), "t".into()));
    // The list ends, and the table is replicated when somebody says so.
    west.admin("alter database shop alter replica r with (exclude '')").await;
    script(&shop, &["DR TABLE notes", "INSERT INTO notes VALUES (7)"]).await;
    eventually("it comes", LIMIT, async || {
        try_rows(&there, "SELECT * FROM notes").await.is_ok_and(|rows| rows == [["7"]])
    })
    .await;
}
