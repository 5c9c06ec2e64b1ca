//! Which side of a join is kept in memory, and what happens if neither fits.

use crate::harness::{Session, World};

async fn tables(world: &World, rows: u32) -> Session {
    let mut s = world.session();
    s.run(&format!(
        "CREATE TABLE large (id int PRIMARY KEY, kind int, owner int);
         CREATE TABLE kinds (kind int PRIMARY KEY, name text);
         CREATE TABLE owners (owner int PRIMARY KEY, name text);
         INSERT INTO large SELECT i, i % 100, i % 1000 FROM generate_series(0, {rows} - 1) AS g(i);
         INSERT INTO kinds SELECT i, 'kind ' || i FROM generate_series(0, 99) AS g(i);
         INSERT INTO owners SELECT i, 'owner ' || i FROM generate_series(0, 999) AS g(i)"
    ))
    .await
    .expect("tables");
    s
}

/// The tables in the order in which EXPLAIN shows them: of each join, what is kept first.
async fn order(s: &mut Session, sql: &str) -> Vec<String> {
    let plan = s.rows(&format!("EXPLAIN {sql}")).await.join("\n");
    assert!(plan.contains("HashJoinExec"), "{plan}");
    let scans = plan.split("ScanExec: table=").skip(1);
    scans.filter_map(|after| after.split(',').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_small_side_of_a_join_is_kept_however_it_is_written() {
    let world = World::new().await;
    let mut s = tables(&world, 20_000).await;
    for checkpoint in [false, true] {
        if checkpoint {
            s.run("CHECKPOINT").await.expect("writes chunks");
        }
        for sql in [
            "SELECT count(*) FROM large l JOIN kinds k ON k.kind = l.kind",
            "SELECT count(*) FROM kinds k JOIN large l ON k.kind = l.kind",
            "SELECT count(*) FROM large l LEFT JOIN kinds k ON k.kind = l.kind",
        ] {
            assert_eq!(order(&mut s, sql).await, ["kinds", "large"], "{sql}");
        }
        let three = "SELECT count(*) FROM large l JOIN kinds k ON k.kind = l.kind
                     JOIN owners o ON o.owner = l.owner";
        assert_eq!(order(&mut s, three).await, ["owners", "kinds", "large"]);
        assert_eq!(s.rows(three).await, ["20000"]);
    }
}

#[tokio::test]
async fn a_join_of_which_neither_side_fits_into_memory_is_merged() {
    let world = World::with_query_memory(6 << 20).await;
    let mut s = tables(&world, 150_000).await;
    s.run("CREATE TABLE other (id int PRIMARY KEY, large int); INSERT INTO other SELECT id, id / 2 * 2 FROM large")
        .await
        .expect("rows");
    let joined = "FROM large l JOIN other o ON o.large = l.id";
    let plan = s.rows(&format!("EXPLAIN SELECT count(*) {joined}")).await.join("\n");
    assert!(plan.contains("SortMergeJoin"), "{plan}");
    assert_eq!(
        s.rows(&format!("SELECT count(*), sum(l.kind), sum(o.id - o.large) {joined}")).await,
        ["150000|7350000|75000"]
    );
    for (kind, rows) in [("LEFT", "225000"), ("RIGHT", "150000"), ("FULL", "225000")] {
        let sql = format!("SELECT count(*) FROM large l {kind} JOIN other o ON o.large = l.id");
        assert_eq!(s.rows(&sql).await, [rows], "{sql}");
    }
    let half = "SELECT count(*) FROM large WHERE id IN (SELECT large FROM other)";
    assert_eq!(s.rows(half).await, ["75000"]);
    let rest =
        "SELECT count(*) FROM large l WHERE NOT EXISTS (SELECT 1 FROM other WHERE large = l.id)";
    assert_eq!(s.rows(rest).await, ["75000"]);
}

#[tokio::test]
async fn a_sort_that_does_not_fit_into_memory_is_written_down() {
    let world = World::with_query_memory(6 << 20).await;
    let mut s = tables(&world, 150_000).await;
    let sorted = "SELECT id, kind, owner, row_number() OVER (ORDER BY owner, id) AS n FROM large";
    let sql = format!("SELECT count(*), sum(id * n % 1009) FROM ({sorted}) AS s");
    let plenty = World::new().await;
    let mut other = tables(&plenty, 150_000).await;
    assert_eq!(s.rows(&sql).await, other.rows(&sql).await);
}
