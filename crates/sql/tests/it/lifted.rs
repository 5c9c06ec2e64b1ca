//! Simple-protocol texts whose literals are lifted out.

use crate::harness::{Session, World, show};

async fn lifted(s: &mut Session, sql: &str) -> Option<Vec<String>> {
    s.begin();
    let prepared = s.lift(sql).await;
    let result = match prepared {
        Some((prepared, values)) => {
            let outcome = s.execute(&prepared, &values).await.expect("an outcome");
            let shown = show(outcome).await.expect("rows");
            Some(if shown.rows.is_empty() { vec![shown.tag] } else { shown.rows })
        }
        None => None,
    };
    s.commit().await.expect("a commit");
    result
}

#[tokio::test]
async fn statements_about_one_row_are_lifted() {
    let world = World::new().await;
    let mut s = world.session();
    s.run("CREATE TABLE t (id int PRIMARY KEY, n int, s text); INSERT INTO t VALUES (1, 1, 'a')")
        .await
        .expect("t");
    let one = |s: &str| Some(vec![s.to_owned()]);
    for _ in 0..2 {
        assert_eq!(lifted(&mut s, "UPDATE t SET n = n + 5 WHERE id = 1;").await, one("UPDATE 1"));
    }
    assert_eq!(lifted(&mut s, "SELECT n FROM t WHERE id = 1").await, one("11"));
    assert_eq!(
        lifted(&mut s, "UPDATE t SET n = n + -1, s = 'it''s' WHERE id = 1").await,
        one("UPDATE 1")
    );
    assert_eq!(lifted(&mut s, "SELECT s, n FROM t WHERE id = 1").await, one("it's|10"));
    assert_eq!(
        lifted(&mut s, "INSERT INTO t (id, n, s) VALUES (2, 3, 'x'), (3, 4, NULL)").await,
        one("INSERT 0 2")
    );
    assert_eq!(lifted(&mut s, "DELETE FROM t WHERE id = 2").await, one("DELETE 1"));
    assert_eq!(lifted(&mut s, "SELECT count(*) FROM t WHERE n > 1").await, None);
}

#[test]
fn literals_are_found_and_nothing_else() {
    let text = |sql| sql::normalise(sql).map(|(text, literals)| (text, literals.len()));
    assert_eq!(
        text("SELECT a1 FROM t2 WHERE x=1"),
        Some(("SELECT a1 FROM t2 WHERE x=$1".into(), 1))
    );
    assert_eq!(text("SELECT 'a''b', 12"), Some(("SELECT $1, $2".into(), 2)));
    assert_eq!(text("SELECT \"c 1\" + 1.50"), None);
    assert_eq!(text("SELECT 1.50, 2"), Some(("SELECT 1.50, $1".into(), 1)));
    for sql in [
        "SELECT $1",
        "SELECT 1 -- x",
        "SELECT 1 /* x */",
        "SELECT 1; SELECT 2",
        "SELECT E'x\\n'",
        "SELECT a",
    ] {
        assert_eq!(text(sql), None, "{sql}");
    }
}

#[tokio::test]
async fn a_lifted_statement_follows_the_schema() {
    let world = World::new().await;
    let mut s = world.session();
    let one = |s: &str| Some(vec![s.to_owned()]);
    assert_eq!(lifted(&mut s, "SELECT * FROM t WHERE id = 1").await, None);
    s.run("CREATE TABLE t (id int PRIMARY KEY, n text); INSERT INTO t VALUES (1, '5')")
        .await
        .expect("t");
    assert_eq!(lifted(&mut s, "SELECT * FROM t WHERE id = 1 AND n = '5'").await, one("1|5"));
    s.run("ALTER TABLE t ADD x int DEFAULT 7").await.expect("a column");
    assert_eq!(lifted(&mut s, "SELECT * FROM t WHERE id = 1 AND n = '5'").await, one("1|5|7"));
    s.run("ALTER TABLE t DROP COLUMN n; ALTER TABLE t ADD n int DEFAULT 5").await.expect("a type");
    assert_eq!(lifted(&mut s, "SELECT * FROM t WHERE id = 1 AND n = '5'").await, one("1|7|5"));
}
