//! Two sessions that get in each other's way.
#![expect(clippy::disallowed_methods, reason = "sessions of a test run beside each other")]

use crate::harness::World;
use std::time::Duration;
use txn::Isolation;

#[tokio::test]
async fn concurrent_updates_of_a_row_both_count() {
    let world = World::new().await;
    let mut a = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
        .await
        .expect("t");
    for update in ["UPDATE t SET n = n + 1 WHERE id = 1", "UPDATE t SET n = n + 1 WHERE id < 2"] {
        let mut b = world.session();
        a.begin();
        a.run("UPDATE t SET n = n + 10 WHERE id = 1").await.expect("an update");
        let update = update.to_owned();
        let waiting = tokio::spawn(async move { b.run(&update).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        a.commit().await.expect("a commit");
        assert_eq!(waiting.await.expect("a task").expect("an update").tag, "UPDATE 1");
    }
    assert_eq!(a.rows("SELECT n FROM t WHERE id = 1").await, ["22"]);
}

#[tokio::test]
async fn a_condition_is_checked_again_on_the_row_that_is_overwritten() {
    let world = World::new().await;
    let mut a = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY, open bool); INSERT INTO t VALUES (1, true)")
        .await
        .expect("t");
    for sql in [
        "UPDATE t SET open = false WHERE id = 1 AND open",
        "DELETE FROM t WHERE open AND id + 0 = 1",
    ] {
        a.run("UPDATE t SET open = true").await.expect("open");
        let mut b = world.session();
        a.begin();
        a.run("UPDATE t SET open = false WHERE id = 1").await.expect("closed");
        let waiting = tokio::spawn(async move { b.run(sql).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        a.commit().await.expect("a commit");
        let tag = waiting.await.expect("a task").expect("no row").tag;
        assert!(tag.ends_with(" 0"), "{tag}");
    }
}

#[tokio::test]
async fn repeatable_read_refuses_to_overwrite_what_it_did_not_see() {
    let world = World::new().await;
    let mut a = world.session();
    let mut b = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
        .await
        .expect("t");
    for sql in ["UPDATE t SET n = n + 1 WHERE id = 1", "UPDATE t SET n = n + 1"] {
        b.begin_with(Isolation::RepeatableRead);
        let before = b.rows("SELECT n FROM t").await;
        a.run("UPDATE t SET n = n + 10 WHERE id = 1").await.expect("an update");
        assert_eq!(b.rows("SELECT n FROM t").await, before);
        assert_eq!(b.fails(sql).await.0, "40001");
        b.rollback().await;
    }
}

#[tokio::test]
async fn two_inserts_of_one_key_leave_one_row() {
    let world = World::new().await;
    let mut a = world.session();
    let mut b = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY)").await.expect("t");
    a.begin();
    a.run("INSERT INTO t VALUES (1)").await.expect("a row");
    let waiting = tokio::spawn(async move { b.run("INSERT INTO t VALUES (1)").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    a.commit().await.expect("a commit");
    assert_eq!(waiting.await.expect("a task").expect_err("taken").state.0, "23505");
}

#[tokio::test]
async fn a_deadlock_ends_with_one_victim() {
    let world = World::new().await;
    let mut a = world.session();
    let mut b = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
        .await
        .expect("t");
    a.begin();
    b.begin();
    a.run("UPDATE t SET n = 1 WHERE id = 1").await.expect("an update");
    b.run("UPDATE t SET n = 2 WHERE id = 2").await.expect("an update");
    let first = tokio::spawn(async move {
        let result = a.run("UPDATE t SET n = 1 WHERE id = 2").await;
        a.rollback().await;
        result
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = b.run("UPDATE t SET n = 2 WHERE id = 1").await;
    b.rollback().await;
    let first = first.await.expect("a task");
    let states: Vec<_> =
        [first, second].into_iter().filter_map(|r| r.err()).map(|e| e.state.0).collect();
    assert_eq!(states, ["40P01"]);
}

#[tokio::test]
async fn select_for_update_keeps_others_away() {
    let world = World::new().await;
    let mut a = world.session();
    let mut b = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
        .await
        .expect("t");
    a.begin();
    assert_eq!(a.rows("SELECT n FROM t WHERE id = 1 FOR UPDATE").await, ["0"]);
    assert_eq!(b.fails("SELECT n FROM t WHERE id = 1 FOR UPDATE NOWAIT").await.0, "55P03");
    assert_eq!(
        b.rows("SELECT n FROM t WHERE id = 1 FOR UPDATE SKIP LOCKED").await,
        Vec::<String>::new()
    );
    assert_eq!(b.rows("SELECT n FROM t WHERE id = 2 FOR UPDATE").await, ["0"]);
    assert_eq!(b.fails("SELECT id FROM t ORDER BY id FOR UPDATE NOWAIT").await.0, "55P03");
    a.rollback().await;
    assert_eq!(b.rows("SELECT id FROM t ORDER BY id FOR UPDATE NOWAIT").await, ["1", "2"]);
}

#[tokio::test]
async fn workers_share_a_queue_with_skip_locked() {
    let world = World::new().await;
    let mut a = world.session();
    a.run("CREATE TABLE jobs (id int PRIMARY KEY, state text NOT NULL)").await.expect("jobs");
    a.run("INSERT INTO jobs SELECT v, 'new' FROM generate_series(1, 60) AS g (v)")
        .await
        .expect("60");
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let mut worker = world.session();
            tokio::spawn(async move {
                let mut done = Vec::new();
                loop {
                    worker.begin();
                    let job = "SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 3 \
                               FOR UPDATE SKIP LOCKED";
                    let taken = worker.rows(job).await;
                    if taken.is_empty() {
                        worker.rollback().await;
                        // What others hold may come back; here nobody gives a job back.
                        return done;
                    }
                    assert!(taken.len() <= 3, "{taken:?}");
                    let list = taken.join(", ");
                    let update = format!("UPDATE jobs SET state = 'done' WHERE id IN ({list})");
                    worker.run(&update).await.expect("its own rows");
                    worker.commit().await.expect("a commit");
                    done.extend(taken);
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("a worker"));
    }
    let mut all: Vec<i32> = all.iter().map(|id| id.parse().expect("an id")).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=60).collect::<Vec<_>>(), "each job once");
}

#[tokio::test]
async fn skip_locked_leaves_out_what_is_locked_and_counts_what_is_not() {
    let world = World::new().await;
    let mut a = world.session();
    let mut b = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY, n int)").await.expect("t");
    a.run("INSERT INTO t SELECT v, v * 10 FROM generate_series(1, 8) AS g (v)").await.expect("8");
    a.begin();
    a.rows("SELECT id FROM t WHERE id IN (1, 4) FOR UPDATE").await;
    b.begin();
    let rest = "FROM t ORDER BY id LIMIT 3 OFFSET 1 FOR UPDATE SKIP LOCKED";
    assert_eq!(
        b.rows(&format!("SELECT n + 1 AS m, * {rest}")).await,
        ["31|3|30", "51|5|50", "61|6|60"]
    );
    // The one that OFFSET left out is locked as well; what LIMIT cut off is not.
    assert_eq!(a.fails("SELECT id FROM t WHERE id = 2 FOR UPDATE NOWAIT").await.0, "55P03");
    a.rollback().await;
    a.begin();
    let free = "SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED";
    assert_eq!(a.rows(free).await, ["1", "4", "7", "8"]);
    b.rollback().await;
    assert_eq!(a.fails("SELECT count(*) FROM t FOR UPDATE SKIP LOCKED").await.0, "0A000");
    a.rollback().await;
    let negative = "SELECT id FROM t ORDER BY id LIMIT -1 FOR UPDATE SKIP LOCKED";
    assert_eq!(a.fails(negative).await.0, "2201W");
}

#[tokio::test]
async fn writers_meet_a_truncate_with_their_rows_in_the_right_place() {
    let world = World::new().await;
    let mut a = world.session();
    let mut b = world.session();
    a.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await.expect("t");
    a.begin();
    a.run("TRUNCATE t").await.expect("empty");
    let waiting = tokio::spawn(async move { b.run("INSERT INTO t VALUES (2)").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    a.commit().await.expect("a commit");
    waiting.await.expect("a task").expect("a row");
    assert_eq!(a.rows("SELECT id FROM t").await, ["2"]);
}
