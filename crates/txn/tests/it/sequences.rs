use crate::world::{bank, begin, open};
use base::{Result, SequenceDescriptor, SqlState, SqlType};
use meta::Durability;
use partition::{LockMode, LockWait};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use txn::Isolation::{ReadCommitted, RepeatableRead};
use txn::{Database, Transaction};

const WAIT: LockWait = LockWait::Block(None);

async fn create(database: &Arc<Database>, name: &str) -> SequenceDescriptor {
    let mut txn = begin(database, ReadCommitted).await;
    let s = add(&mut txn, name).await;
    txn.commit().await.expect("no conflict");
    s
}

async fn add(txn: &mut Transaction, name: &str) -> SequenceDescriptor {
    let s = SequenceDescriptor {
        id: txn.next_table_id().await.expect("primary"),
        schema: "public".into(),
        name: name.into(),
        ty: SqlType::BigInt,
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        cycle: false,
        owner: None,
        generation: 1,
        version: 1,
    };
    txn.put_sequence(&s, Some((s.start, false))).await.expect("free name");
    s
}

async fn next(txn: &mut Transaction, s: &SequenceDescriptor) -> Result<i64> {
    Ok(txn.sequences(WAIT)?.next(s.id, 1).await?[0])
}

/// As `ALTER SEQUENCE … RESTART` does.
async fn restart(txn: &mut Transaction, s: &SequenceDescriptor) -> SequenceDescriptor {
    txn.begin_ddl().await.expect("primary");
    txn.lock_table(s.id, LockMode::Exclusive, WAIT).await.expect("there");
    let new = SequenceDescriptor { generation: s.generation + 1, ..s.clone() };
    txn.put_sequence(&new, Some((new.start, false))).await.expect("same name");
    txn.retire_sequence(s).await.expect("there");
    new
}

#[test]
fn values_rise_through_crashes_and_none_comes_twice() {
    for (seed, durability) in [(20, Durability::Sync), (21, Durability::Async)] {
        env::sim::run(seed, |world| async move {
            let node = world.node();
            let engine = open(node.env()).await.expect("opens");
            let database = engine.create_database("shop", 2, durability).await.expect("new");
            let s = create(&database, "s").await;
            drop((database, engine));
            let mut last = 0;
            node.crash();
            for life in 0..5 {
                let engine = open(node.restart()).await.expect("opens");
                let database = engine.database("shop").expect("there");
                for _ in 0..100 {
                    let mut txn = begin(&database, ReadCommitted).await;
                    let value = next(&mut txn, &s).await.expect("a value");
                    assert!(value > last, "life {life}: {value} after {last}");
                    last = value;
                    txn.rollback().await;
                }
                drop((database, engine));
                node.crash();
            }
            assert!(last < 5 * 1500, "a crash wastes at most a block: {last}");
        });
    }
}

#[test]
fn sessions_side_by_side_get_different_values_each_rising() {
    env::sim::run(22, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, _) = bank(&engine, 1).await;
        let s = create(&database, "s").await;
        let sessions = (0..8).map(|session| {
            let (database, s) = (database.clone(), s.clone());
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for n in 0..60 {
                    let isolation = if n % 2 == 0 { ReadCommitted } else { RepeatableRead };
                    let mut txn = begin(&database, isolation).await;
                    let count = 1 + (session * n) % 7;
                    let handle = txn.sequences(WAIT).expect("a handle");
                    mine.extend(handle.next(s.id, count).await.expect("values"));
                    match n % 3 {
                        0 => txn.rollback().await,
                        _ => drop(txn.commit().await.expect("no conflict")),
                    }
                }
                mine
            })
        });
        let mut all = BTreeSet::new();
        for session in sessions.collect::<Vec<_>>() {
            let mine = session.await.expect("no panic");
            assert!(mine.windows(2).all(|w| w[0] < w[1]), "{mine:?}");
            for value in mine {
                assert!(all.insert(value), "{value} came twice");
            }
        }
    });
}

#[test]
fn a_sequence_works_in_the_transaction_that_makes_it() {
    env::sim::run(23, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, _) = bank(&engine, 1).await;
        let mut txn = begin(&database, ReadCommitted).await;
        let s = add(&mut txn, "s").await;
        assert_eq!(next(&mut txn, &s).await.expect("a value"), 1);
        txn.savepoint("p");
        assert_eq!(next(&mut txn, &s).await.expect("a value"), 2);
        let gone = add(&mut txn, "t").await;
        assert_eq!(next(&mut txn, &gone).await.expect("a value"), 1);
        txn.rollback_to("p").expect("known");
        assert_eq!(next(&mut txn, &s).await.expect("a value"), 3);
        let error = next(&mut txn, &gone).await.expect_err("rolled back");
        assert_eq!(error.state, SqlState::UNDEFINED_TABLE);
        txn.commit().await.expect("no conflict");
        let mut txn = begin(&database, ReadCommitted).await;
        assert_eq!(next(&mut txn, &s).await.expect("a value"), 4);
        assert_eq!(txn.sequence_shown(&s).await.expect("there").0, (4, true));
        drop((txn, database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let mut txn = begin(&database, ReadCommitted).await;
        assert!(next(&mut txn, &s).await.expect("a value") > 4);
    });
}

#[test]
fn a_restart_waits_for_users_and_can_be_rolled_back() {
    env::sim::run(24, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, _) = bank(&engine, 1).await;
        let s = create(&database, "s").await;
        let mut user = begin(&database, ReadCommitted).await;
        assert_eq!(next(&mut user, &s).await.expect("a value"), 1);
        let ddl = {
            let (database, s) = (database.clone(), s.clone());
            tokio::spawn(async move {
                let mut txn = begin(&database, ReadCommitted).await;
                let new = restart(&mut txn, &s).await;
                (next(&mut txn, &new).await.expect("a value"), txn)
            })
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!ddl.is_finished(), "it waits for the one who uses the sequence");
        assert_eq!(next(&mut user, &s).await.expect("a value"), 2);
        user.commit().await.expect("nothing to write");
        let (value, txn) = ddl.await.expect("no panic");
        assert_eq!(value, 1);
        txn.rollback().await;
        let mut user = begin(&database, ReadCommitted).await;
        assert_eq!(next(&mut user, &s).await.expect("a value"), 3);
        user.rollback().await;
        let mut txn = begin(&database, ReadCommitted).await;
        restart(&mut txn, &s).await;
        txn.commit().await.expect("no conflict");
        let mut user = begin(&database, ReadCommitted).await;
        assert_eq!(next(&mut user, &s).await.expect("a value"), 1);
    });
}

#[test]
fn a_sequence_can_be_set_and_outlives_a_spill() {
    env::sim::run(25, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, _) = bank(&engine, 1).await;
        let s = create(&database, "s").await;
        let mut txn = begin(&database, ReadCommitted).await;
        let handle = txn.sequences(WAIT).expect("a handle");
        handle.set(s.id, 1000, true).await.expect("within bounds");
        let error = handle.set(s.id, 0, true).await.expect_err("below the minimum");
        assert_eq!(error.state, SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        txn.rollback().await;
        let mut txn = begin(&database, ReadCommitted).await;
        assert_eq!(next(&mut txn, &s).await.expect("a value"), 1001);
        drop(txn);
        tokio::time::sleep(Duration::from_secs(2)).await;
        engine.spill_above(&database, 0).await.expect("spills");
        assert!(database.local_partitions()[0].manifest().seq > 0, "it is in chunks");
        drop((database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let mut txn = begin(&database, ReadCommitted).await;
        assert!(next(&mut txn, &s).await.expect("a value") > 1001);
    });
}

#[test]
fn a_gate_waits_for_a_transaction_that_uses_a_sequence_and_refuses_the_next() {
    env::sim::run(26, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, _) = bank(&engine, 1).await;
        let s = create(&database, "s").await;
        let mut user = begin(&database, ReadCommitted).await;
        user.start_writing().expect("open");
        let gate = tokio::spawn({
            let engine = engine.clone();
            async move { engine.gate("bank", "test", "a test").await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(next(&mut user, &s).await.expect("it was let in"), 1);
        assert!(!gate.is_finished());
        user.commit().await.expect("nothing to write");
        gate.await.expect("no panic").expect("gated");
        let mut late = begin(&database, ReadCommitted).await;
        let refused = late.start_writing().expect_err("gated");
        assert_eq!(refused.state, SqlState::READ_ONLY_SQL_TRANSACTION);
    });
}

#[test]
fn a_branch_gives_no_value_that_it_has_already() {
    env::sim::run(29, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let database = engine.create_database("shop", 2, Durability::Sync).await.expect("new");
        let s = create(&database, "orders").await;
        let mut given = BTreeSet::new();
        for _ in 0..100 {
            let mut txn = begin(&database, ReadCommitted).await;
            given.insert(next(&mut txn, &s).await.expect("a value"));
        }
        let (source, name) = ("shop".to_owned(), "copy".to_owned());
        let order =
            txn::BranchOrder { source, name, at: None, purpose: meta::Purpose::Own, by: None };
        let branch = engine.branch(order).await.expect("can be made").database;
        for _ in 0..2_000 {
            let mut txn = begin(&branch, ReadCommitted).await;
            assert!(given.insert(next(&mut txn, &s).await.expect("a value")), "comes twice");
        }
        let mut txn = begin(&database, ReadCommitted).await;
        assert_eq!(next(&mut txn, &s).await.expect("a value"), 101, "the source goes on");
    });
}
