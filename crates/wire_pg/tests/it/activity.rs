//! What sessions see of each other.

use crate::server::{Server, rows, run};

const ALL: &str = "SELECT state, query FROM pg_stat_activity WHERE usename = 'bob'";

#[tokio::test]
async fn sessions_are_seen_with_what_they_do_and_without_passwords() {
    let server = Server::start().await;
    let root = server.client().await;
    run(&root, "CREATE USER bob PASSWORD 'pw'").await;
    assert!(rows(&root, ALL).await.is_empty());
    let mut config = server.config();
    config.user("bob").password("pw").dbname("test").application_name("till");
    let bob = server.connect(&config).await.expect("connects");
    run(&bob, "BEGIN").await;
    run(&bob, "SELECT 1 AS one").await;
    assert_eq!(rows(&root, ALL).await, ["idle in transaction|SELECT 1 AS one"]);
    let told = "SELECT datname, application_name FROM pg_stat_activity WHERE usename = 'bob'";
    assert_eq!(rows(&root, told).await, ["test|till"]);
    run(&bob, "ROLLBACK").await;
    bob.query("SELECT $1::int + 1", &[&1_i32]).await.expect("a number");
    assert_eq!(rows(&root, ALL).await, ["idle|SELECT $1::int + 1"]);

    let own = "SELECT state, query FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(rows(&root, own).await, [format!("active|{own}")]);
    run(&root, "ALTER USER bob PASSWORD 'secret'").await;
    let others = "SELECT query FROM pg_stat_activity WHERE usename = 'root'";
    assert_eq!(rows(&bob, others).await, ["<insufficient privilege>"]);
    let second = server.client().await;
    assert_eq!(
        rows(&second, &format!("{others} AND state = 'idle'")).await,
        ["ALTER USER <hidden>"]
    );

    drop(bob);
    let gone = async {
        while !rows(&root, ALL).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.expect("it has left");
}
