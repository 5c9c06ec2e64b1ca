//! System tables and SHOW through the whole path.

use crate::harness::World;

#[tokio::test]
async fn system_tables_answer_at_the_statement() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE things (id int PRIMARY KEY, note varchar(20) NOT NULL)").await.expect("t");
    assert_eq!(
        s.rows(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE \
             table_name = 'things' ORDER BY ordinal_position"
        )
        .await,
        ["id|integer|NO", "note|character varying|NO"]
    );
    assert_eq!(s.rows("SHOW TABLES").await, ["things"]);
    assert_eq!(s.rows("SHOW DATABASES").await, ["test"]);
    assert_eq!(
        s.rows("SELECT relname FROM pg_class WHERE oid = 'things'::regclass").await,
        ["things"]
    );
    assert_eq!(
        s.rows(
            "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
             c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"
        )
        .await,
        ["things"]
    );
    assert_eq!(s.fails("DELETE FROM pg_catalog.pg_class").await.0, "42501");
}

#[tokio::test]
async fn a_prepared_question_is_answered_anew() {
    let world = World::new().await;
    let mut s = world.session();
    let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    s.begin();
    let prepared = s.prepare(sql).await;
    let shown = crate::harness::show(s.execute(&prepared, &[]).await.expect("rows")).await;
    assert_eq!(shown.expect("rows").rows, ["0"]);
    s.run("CREATE TABLE a (id int)").await.expect("a table");
    let shown = crate::harness::show(s.execute(&prepared, &[]).await.expect("rows")).await;
    assert_eq!(shown.expect("rows").rows, ["1"]);
    s.rollback().await;
}

#[tokio::test]
async fn a_prepared_statement_follows_the_schema_or_says_why_not() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 2)")
        .await
        .expect("t");
    s.begin();
    let all = s.prepare("SELECT * FROM t").await;
    let some = s.prepare("UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n").await;
    s.run("ALTER TABLE t ADD COLUMN x text").await.expect("a column");
    let shown = crate::harness::show(s.execute(&some, &[]).await.expect("rows")).await;
    assert_eq!(shown.expect("rows").rows, ["3"]);
    let e = s.execute(&all, &[]).await.err().expect("another result");
    assert_eq!(e.message, "cached plan must not change result type");
    s.rollback().await;
}
