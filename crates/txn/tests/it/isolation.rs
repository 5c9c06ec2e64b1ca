use crate::world::{add, balances, bank, begin, open, put, read};
use base::SqlState;
use std::time::Duration;
use txn::Isolation::{ReadCommitted, RepeatableRead};

#[test]
fn a_transaction_sees_its_own_writes_and_others_only_when_committed() {
    env::sim::run(1, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut writer = begin(&database, ReadCommitted).await;
        add(&mut writer, &table, 3, 11).await.expect("free");
        assert_eq!(read(&writer, &table, 3).await, Some(111));
        assert_eq!(balances(&writer, &table).await.iter().sum::<i64>(), 1011);
        let mut reader = begin(&database, ReadCommitted).await;
        assert_eq!(read(&reader, &table, 3).await, Some(100));
        writer.commit().await.expect("no conflict");
        assert_eq!(read(&reader, &table, 3).await, Some(100), "the statement's snapshot stays");
        reader.start_statement().await.expect("readable");
        assert_eq!(read(&reader, &table, 3).await, Some(111));
    });
}

#[test]
fn read_committed_builds_on_the_newest_version() {
    env::sim::run(2, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut first = begin(&database, ReadCommitted).await;
        let mut second = begin(&database, ReadCommitted).await;
        add(&mut first, &table, 1, 5).await.expect("free");
        let waiting = tokio::spawn({
            let table = table.clone();
            async move {
                let now = add(&mut second, &table, 1, 7).await.expect("gets the lock");
                second.commit().await.expect("no conflict");
                now
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished(), "the second writer waits for the first");
        first.commit().await.expect("no conflict");
        assert_eq!(waiting.await.expect("ran"), 112);
    });
}

#[test]
fn repeatable_read_lets_the_first_committer_win() {
    env::sim::run(3, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut late = begin(&database, RepeatableRead).await;
        let mut early = begin(&database, ReadCommitted).await;
        add(&mut early, &table, 1, 5).await.expect("free");
        early.commit().await.expect("no conflict");
        let refused = add(&mut late, &table, 1, 7).await.expect_err("changed since the snapshot");
        assert_eq!(refused.state, SqlState::SERIALIZATION_FAILURE);
        assert_eq!(read(&late, &table, 1).await, Some(100));
    });
}

#[test]
fn a_deadlock_over_two_partitions_has_one_victim() {
    env::sim::run(4, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut one = begin(&database, ReadCommitted).await;
        let mut two = begin(&database, ReadCommitted).await;
        add(&mut one, &table, 1, 1).await.expect("free");
        add(&mut two, &table, 2, 1).await.expect("free");
        let waiting = tokio::spawn({
            let table = table.clone();
            async move {
                add(&mut one, &table, 2, 1).await?;
                one.commit().await
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let victim = add(&mut two, &table, 1, 1).await.expect_err("closes the circle");
        assert_eq!(victim.state, SqlState::DEADLOCK_DETECTED);
        two.rollback().await;
        waiting.await.expect("ran").expect("the other one goes on");
    });
}

#[test]
fn dropping_a_transaction_gives_its_locks_up() {
    env::sim::run(5, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut one = begin(&database, ReadCommitted).await;
        add(&mut one, &table, 1, 1).await.expect("free");
        drop(one);
        let mut two = begin(&database, ReadCommitted).await;
        assert_eq!(add(&mut two, &table, 1, 1).await.expect("free"), 101);
    });
}

#[test]
fn a_gate_lets_running_writers_end_and_refuses_new_ones_also_after_a_restart() {
    env::sim::run(6, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut running = begin(&database, ReadCommitted).await;
        add(&mut running, &table, 1, 1).await.expect("free");
        let gating = tokio::spawn({
            let engine = engine.clone();
            async move { engine.gate("bank", "root", "moving").await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!gating.is_finished(), "the gate waits for the running writer");
        let mut fresh = begin(&database, ReadCommitted).await;
        let refused = put(&mut fresh, &table, 77, 1).await.expect_err("gated");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        assert!(refused.message.contains("moving"));
        add(&mut running, &table, 2, 1).await.expect("was let in before");
        running.commit().await.expect("was let in before");
        gating.await.expect("ran").expect("gated");
        drop((fresh, database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let mut fresh = begin(&database, ReadCommitted).await;
        assert!(put(&mut fresh, &table, 77, 1).await.is_err(), "the gate survives a restart");
        engine.ungate("bank", "test").expect("open");
        put(&mut fresh, &table, 77, 1).await.expect("open again");
        fresh.commit().await.expect("open again");
    });
}

#[test]
fn a_restarted_primary_with_a_follower_waits_for_it_before_it_takes_writes() {
    env::sim::run(10, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let slot = meta::Slot {
            target_cluster: base::ClusterId(2),
            target_name: "west".into(),
            acked: vec![],
            replicated: engine.oracle.now(),
            last_seen_ms: 0,
            dropped: None,
        };
        let name = "west".to_owned();
        let put_slot = meta::Command::PutSlot { database: database.id(), name, slot };
        engine.meta.apply(put_slot).expect("known database");
        drop((database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let mut txn = begin(&database, ReadCommitted).await;
        assert_eq!(read(&txn, &table, 1).await, Some(100), "reads go on");
        let refused = put(&mut txn, &table, 77, 1).await.expect_err("not heard from west");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        engine.standby_seen(&database, "north");
        let refused = put(&mut txn, &table, 77, 1).await.expect_err("not heard from west");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
        engine.standby_seen(&database, "west");
        put(&mut txn, &table, 77, 1).await.expect("west agrees");
        txn.commit().await.expect("west agrees");
    });
}
