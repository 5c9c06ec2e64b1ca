//! The fast path against the planned path: the same statements in two spellings, the second of
//! which hides the key from the fast path.

use crate::harness::{Session, World};
use base::Value;

async fn world() -> (World, Session) {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (a int, b text, n int, m numeric(8,2), d date, PRIMARY KEY (a, b));
         INSERT INTO t VALUES (1, 'x', 10, 1.25, '2024-01-01'), (2, 'x', NULL, NULL, NULL)",
    )
    .await
    .expect("data");
    (world, s)
}

#[tokio::test]
async fn reads_agree() {
    let (_w, mut s) = world().await;
    for items in [
        "*",
        "n",
        "n + 1, m * 2, b || '!'",
        "n / 3, n % 3, -n, m / 3",
        "t.*, a = 1 AS one",
        "coalesce(n, 0), CASE WHEN n > 5 THEN 'big' ELSE 'small' END",
        "d + interval '1 month', extract(year from d)",
        "n > 5 AND m < 2, n IS NULL",
        "1, 'lit', NULL, now() > d, current_user",
    ] {
        for row in [
            (1, "x", ""),
            (2, "x", ""),
            (3, "x", ""),
            (1, "x", " AND n > 5"),
            (1, "x", " AND n > 50"),
        ] {
            let point =
                format!("SELECT {items} FROM t WHERE a = {} AND b = '{}'{}", row.0, row.1, row.2);
            let planned = format!(
                "SELECT {items} FROM t WHERE a + 0 = {} AND b = '{}'{}",
                row.0, row.1, row.2
            );
            let (point, planned) =
                (s.run(&point).await.expect(&point), s.run(&planned).await.expect(&planned));
            assert_eq!(point, planned, "{items} {row:?}");
        }
    }
}

#[tokio::test]
async fn keys_compare_exactly() {
    let (_w, mut s) = world().await;
    for (condition, rows) in [
        ("a = 1.0", 1),
        ("a = 1.5", 0),
        ("a = 99999999999", 0),
        ("a = NULL", 0),
        ("a = '1'", 1),
        ("1 = a", 1),
        ("a = 3 - 2", 1),
        ("a = 1 AND a = 2", 0),
        ("a = 1 AND a = 1", 1),
        ("t.a = 1", 1),
    ] {
        let sql = format!("SELECT n FROM t WHERE b = 'x' AND {condition}");
        assert_eq!(s.rows(&sql).await.len(), rows, "{condition}");
    }
}

#[tokio::test]
async fn changes_agree() {
    for set in
        ["n = n + 5", "n = 7, m = m * 2 + n", "d = '2024-02-29', n = NULL", "b = 'moved'", "m = n"]
    {
        let (_w, mut s) = world().await;
        let point = format!("UPDATE t SET {set} WHERE a = 1 AND b = 'x' AND n > 5 RETURNING *");
        let planned =
            format!("UPDATE t SET {set} WHERE a + 0 = 1 AND b = 'x' AND n > 5 RETURNING *");
        let by_key =
            (s.run(&point).await.expect(&point), s.rows("SELECT * FROM t ORDER BY a").await);
        let (_w, mut s) = world().await;
        let by_plan =
            (s.run(&planned).await.expect(&planned), s.rows("SELECT * FROM t ORDER BY a").await);
        assert_eq!(by_key, by_plan, "{set}");
    }
    let (_w, mut s) = world().await;
    assert_eq!(s.rows("DELETE FROM t WHERE a = 1 AND b = 'x' RETURNING n").await, ["10"]);
    assert_eq!(s.tag("DELETE FROM t WHERE a = 1 AND b = 'x'").await, "DELETE 0");
    assert_eq!(s.fails("UPDATE t SET n = a / 0 WHERE a = 2 AND b = 'x'").await.0, "22012");
    assert_eq!(s.tag("UPDATE t SET n = a / 0 WHERE a = 9 AND b = 'x'").await, "UPDATE 0");
}

#[tokio::test]
async fn parameters_work_on_the_fast_path() {
    let (_w, mut s) = world().await;
    for (by, n) in [(1, "11"), (2, "13")] {
        let shown = s
            .with(
                "UPDATE t SET n = n + $1 WHERE a = $2 AND b = $3 RETURNING n",
                &[Value::Int(by), Value::Int(1), Value::Text("x".into())],
            )
            .await
            .expect("an update");
        assert_eq!(shown.rows, [n]);
    }
}
