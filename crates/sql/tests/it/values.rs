//! Types: what goes in, what comes out, what is refused.

use crate::harness::World;

#[tokio::test]
async fn every_type_keeps_its_values() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (id int PRIMARY KEY, b bool, s smallint, l bigint, r real, d double precision,
           n numeric(12,3), m numeric, t text, v varchar(5), c char(4), y bytea, da date, ti time,
           ts timestamp, tz timestamptz, u uuid, j jsonb);
         INSERT INTO t VALUES (1, true, -32768, 9223372036854775807, 1.5, 0.1, 123456789.125, 1.5, 'é',
           'abc', 'ab', '\\xdeadbeef', '2024-02-29', '12:34:56.789', '2024-02-29 12:00:00',
           '2024-02-29 12:00:00+02', '550e8400-e29b-41d4-a716-446655440000', '{\"a\": 1}')",
    )
    .await
    .expect("values of every type");
    assert_eq!(
        s.rows("SELECT * FROM t").await,
        [
            "1|t|-32768|9223372036854775807|1.5|0.1|123456789.125|1.5000000000|é|abc|ab  |\\xdeadbeef|\
          2024-02-29|12:34:56.789|2024-02-29 12:00:00|2024-02-29 10:00:00+00|\
          550e8400-e29b-41d4-a716-446655440000|{\"a\": 1}"
        ]
    );
    s.run("INSERT INTO t (id) VALUES (2)").await.expect("nulls");
    assert_eq!(s.rows("SELECT b, s, j FROM t WHERE id = 2").await, ["NULL|NULL|NULL"]);
}

#[tokio::test]
async fn assignment_rounds_or_refuses() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (id int PRIMARY KEY, s smallint, i int, n numeric(5,2), v varchar(3), \
         c char(3), u uuid, j jsonb, d date, b bool)",
    )
    .await
    .expect("a table");
    for (assignment, state) in [
        ("s = 40000", "22003"),
        ("i = 2147483648", "22003"),
        ("i = 3000000000.5", "22003"),
        ("n = 1000", "22003"),
        ("n = 999.999", "22003"),
        ("v = 'abcd'", "22001"),
        ("c = 'abcd'", "22001"),
        ("u = 'not a uuid'", "22P02"),
        ("j = '{bad'", "22P02"),
        ("i = 'x'", "22P02"),
        ("d = 'yesterdayish'", "22007"),
        ("b = 5", "42804"),
        ("i = true", "42804"),
    ] {
        let column = assignment.split(' ').next().expect("a column");
        let value = assignment.split_once("= ").expect("a value").1;
        let insert = format!("INSERT INTO t (id, {column}) VALUES (1, {value})");
        let (got, message) = s.fails(&insert).await;
        assert_eq!(got, state, "{insert}: {message}");
        s.run("INSERT INTO t (id) VALUES (1)").await.expect("a row");
        for update in [
            format!("UPDATE t SET {assignment} WHERE id = 1"),
            format!("UPDATE t SET {assignment} WHERE id > 0"),
        ] {
            let (got, message) = s.fails(&update).await;
            assert_eq!(got, state, "{update}: {message}");
        }
        s.run("DELETE FROM t").await.expect("empty");
    }
    s.run("INSERT INTO t (id, s, i, n, v) VALUES (1, 1.5, 2.5, 1.005, 'abc   ')")
        .await
        .expect("rounded");
    assert_eq!(s.rows("SELECT s, i, n, v FROM t").await, ["2|3|1.01|abc"]);
    assert_eq!(
        s.fails("INSERT INTO t (id, i) VALUES (2, 2147483647 + 1)").await,
        ("22003", "integer out of range".into())
    );
}

#[tokio::test]
async fn integer_arithmetic_fails_instead_of_wrapping_around() {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "CREATE TABLE t (id int PRIMARY KEY, i int, l bigint);
         INSERT INTO t VALUES (1, 2147483647, 9223372036854775807)",
    )
    .await
    .expect("data");
    for sql in [
        "SELECT i + i FROM t",
        "SELECT l + 1 FROM t",
        "SELECT l + 1 FROM t WHERE id = 1",
        "SELECT -2 - l FROM t",
        "SELECT l * 2 FROM t WHERE id = 1",
        "SELECT count(*) FROM t GROUP BY l + 1",
        "UPDATE t SET l = l + 1 WHERE id = 1",
        "UPDATE t SET l = l + 1 WHERE id < 2",
        "SELECT 9223372036854775807 + 1",
    ] {
        let (state, message) = s.fails(sql).await;
        assert_eq!(state, "22003", "{sql}: {message}");
    }
    assert_eq!(
        s.rows("SELECT i + 1::bigint, i - 1, l - 1 FROM t").await,
        ["2147483648|2147483646|9223372036854775806"]
    );
    assert_eq!(s.rows("SELECT i - 1, count(*) FROM t GROUP BY i - 1").await, ["2147483646|1"]);
}
