//! `antipode sql` and `antipode status` as a user runs them.

use crate::BINARY;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use testkit::{PASSWORD, Pair, Server, eventually};

fn antipode(server: &Server, arguments: &[&str], input: Option<&str>) -> Output {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .args(["--port", &server.port().to_string()])
        .env("PGPASSWORD", PASSWORD)
        .env_remove("PGHOST")
        .env_remove("PGUSER")
        .env_remove("PGDATABASE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_runs_statements_from_a_flag_and_from_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d").await;
    let script = "CREATE TABLE t (id int PRIMARY KEY, v text);\n\
                  INSERT INTO t VALUES (1, 'a;b'), (2, NULL); -- two\n\
                  SELECT * FROM t ORDER BY id";
    let output = antipode(&server, &["sql", "-d", "d"], Some(script));
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(out.contains("a;b") && out.contains("NULL") && out.contains("(2 rows)"), "{out}");

    let output = antipode(&server, &["sql", "-d", "d", "--plain", "-c", "SELECT id FROM t"], None);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);

    let output = antipode(&server, &["sql", "-d", "d", "-c", "SELECT *\n  FRO t"], None);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("42601") && err.contains('^'), "{err}");

    let output = antipode(&server, &["sql", "-d", "nowhere", "-c", "SELECT 1"], None);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("3D000") && err.trim().lines().count() == 1, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_whether_all_is_protected() {
    let pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 2").await;
    let output = antipode(&pair.east, &["status"], None);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("NO: no standby"), "{out}");

    pair.west.follow(&pair.east, "d").await;
    for server in [&pair.east, &pair.west] {
        eventually("status is well", std::time::Duration::from_secs(20), async || {
            antipode(server, &["status", "--json"], None).status.success()
        })
        .await;
        let output = antipode(server, &["status", "--json"], None);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(out.contains("\"protected\": true") && out.contains("\"d\""), "{out}");
    }
}
