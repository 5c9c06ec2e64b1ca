use crate::world::{add, balances, bank, begin, create_table, open, place, put, read};
use base::{Result, SqlState, TableDescriptor};
use std::sync::Arc;
use std::time::Duration;
use txn::Isolation::{ReadCommitted, Serializable};
use txn::{Committed, Database, Transaction, TxnOptions};

/// Two accounts of one partition, or of two.
fn pair(table: &TableDescriptor, together: bool) -> (i64, i64) {
    let first = place(table, 0).0;
    let other = (1..).find(|id| (place(table, *id).0 == first) == together).expect("there is one");
    (0, other)
}

fn refused(result: Result<Committed>) {
    let error = result.expect_err("what it read has changed");
    assert_eq!(error.state, SqlState::SERIALIZATION_FAILURE);
    assert!(error.message.contains("read/write dependencies"), "{error}");
    assert!(error.retry() && error.hint.is_some());
}

/// Reads one account and writes another one.
async fn skew(txn: &mut Transaction, table: &TableDescriptor, from: i64, to: i64) {
    assert_eq!(read(txn, table, from).await, Some(100));
    add(txn, table, to, -1).await.expect("free");
}

async fn blind(database: &Arc<Database>, table: &TableDescriptor, id: i64) {
    let mut txn = begin(database, ReadCommitted).await;
    put(&mut txn, table, id, 7).await.expect("free");
    txn.commit().await.expect("no conflict");
}

#[test]
fn of_two_that_read_what_the_other_writes_the_second_is_refused() {
    for together in [true, false] {
        env::sim::run(20, |world| async move {
            let engine = open(world.node().env()).await.expect("opens");
            let (database, table) = bank(&engine, 20).await;
            let (a, b) = pair(&table, together);
            let mut one = begin(&database, Serializable).await;
            let mut two = begin(&database, Serializable).await;
            skew(&mut one, &table, a, b).await;
            skew(&mut two, &table, b, a).await;
            one.commit().await.expect("the first one");
            refused(two.commit().await);
            let mut again = begin(&database, Serializable).await;
            assert_eq!(read(&again, &table, b).await, Some(99));
            add(&mut again, &table, a, -1).await.expect("free");
            again.commit().await.expect("nobody else is there");
        });
    }
}

/// The commits meet in the middle: each guards what the other is about to write.
#[test]
fn of_two_that_commit_at_once_one_goes_on() {
    for seed in 0..20 {
        env::sim::run(seed, |world| async move {
            let engine = open(world.node().env()).await.expect("opens");
            let (database, table) = bank(&engine, 20).await;
            let (a, b) = pair(&table, false);
            let mut one = begin(&database, Serializable).await;
            let mut two = begin(&database, Serializable).await;
            skew(&mut one, &table, a, b).await;
            skew(&mut two, &table, b, a).await;
            let (one, two) = tokio::join!(one.commit(), two.commit());
            assert!(one.is_ok() != two.is_ok(), "seed {seed}: {one:?} {two:?}");
            refused(if one.is_ok() { two } else { one });
            let mut other = begin(&database, ReadCommitted).await;
            add(&mut other, &table, a, 1).await.expect("no lock is left");
            add(&mut other, &table, b, 1).await.expect("no lock is left");
            other.commit().await.expect("no guard is left");
        });
    }
}

#[test]
fn a_row_that_appears_in_what_was_scanned_is_noticed() {
    env::sim::run(21, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let log = create_table(&database, "log").await;
        let mut counting = begin(&database, Serializable).await;
        let sum: i64 = balances(&counting, &table).await.iter().sum();
        put(&mut counting, &log, 1, sum).await.expect("free");
        blind(&database, &table, 77).await;
        refused(counting.commit().await);
    });
}

#[test]
fn what_was_not_read_may_change() {
    env::sim::run(22, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 20).await;
        let mut txn = begin(&database, Serializable).await;
        assert_eq!(read(&txn, &table, 3).await, Some(100));
        add(&mut txn, &table, 3, 1).await.expect("its own write is no conflict");
        assert_eq!(read(&txn, &table, 3).await, Some(101));
        for id in [0, 2, 4, 6] {
            blind(&database, &table, id).await;
        }
        txn.commit().await.expect("nothing it read has changed");
    });
}

#[test]
fn a_transaction_that_only_reads_is_never_refused() {
    env::sim::run(23, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let txn = begin(&database, Serializable).await;
        assert_eq!(read(&txn, &table, 1).await, Some(100));
        blind(&database, &table, 1).await;
        blind(&database, &table, 2).await;
        assert_eq!(read(&txn, &table, 2).await, Some(100), "its snapshot stays");
        txn.commit().await.expect("it stands before them");
    });
}

#[test]
fn a_read_write_transaction_can_not_be_made_of_one_whose_reads_were_not_noted() {
    env::sim::run(24, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, _) = bank(&engine, 1).await;
        let options = TxnOptions { isolation: Serializable, read_only: true };
        let mut txn = database.begin(options);
        txn.start_statement().await.expect("readable");
        let error = txn.set_options(TxnOptions { read_only: false, ..options });
        assert_eq!(error.expect_err("too late").state, SqlState::ACTIVE_SQL_TRANSACTION);
        txn.set_options(options).expect("no change");
    });
}

#[test]
fn chunks_written_meanwhile_hide_no_conflict() {
    env::sim::run(25, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 20).await;
        let (a, b) = pair(&table, false);
        let mut txn = begin(&database, Serializable).await;
        skew(&mut txn, &table, a, b).await;
        blind(&database, &table, a).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        engine.spill_above(&database, 0).await.expect("spills");
        refused(txn.commit().await);
    });
}

#[test]
fn a_table_that_was_read_is_not_dropped_before_the_commit() {
    env::sim::run(26, |world| async move {
        let engine = open(world.node().env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let log = create_table(&database, "log").await;
        let mut txn = begin(&database, Serializable).await;
        txn.catalog().await.expect("readable");
        assert_eq!(read(&txn, &table, 1).await, Some(100));
        put(&mut txn, &log, 1, 1).await.expect("free");
        let mut ddl = begin(&database, ReadCommitted).await;
        ddl.drop_table(table.id).await.expect("nobody has it locked");
        ddl.commit().await.expect("no conflict");
        refused(txn.commit().await);
    });
}

/// A doctor may leave if another one is on call: the constraint that snapshots alone lose.
#[test]
fn a_constraint_over_rows_of_several_partitions_holds() {
    for seed in 0..4 {
        env::sim::run(seed, |world| async move {
            let node = world.node();
            let mut engine = open(node.env()).await.expect("opens");
            let (_, table) = bank(&engine, 6).await;
            for _life in 0..2 {
                let database = engine.database("bank").expect("there");
                let clients: Vec<_> = (0..6)
                    .map(|me| {
                        let (database, table, rng) = (database.clone(), table.clone(), world.rng());
                        tokio::spawn(async move {
                            loop {
                                let mut txn = begin(&database, Serializable).await;
                                let on_call = balances(&txn, &table).await;
                                let on = on_call.iter().filter(|b| **b > 0).count();
                                let mine = read(&txn, &table, me).await.expect("there") > 0;
                                tokio::time::sleep(Duration::from_millis(rng.next_u64() % 3)).await;
                                let to = if mine { 0 } else { 100 };
                                if (!mine || on > 1) && put(&mut txn, &table, me, to).await.is_ok()
                                {
                                    let _ = txn.commit().await;
                                }
                            }
                        })
                    })
                    .collect();
                for _ in 0..40 {
                    tokio::time::sleep(Duration::from_millis(world.rng().next_u64() % 20)).await;
                    let txn = begin(&database, Serializable).await;
                    let on_call = balances(&txn, &table).await;
                    assert!(on_call.iter().any(|b| *b > 0), "seed {seed}: nobody is on call");
                }
                clients.iter().for_each(tokio::task::JoinHandle::abort);
                drop(database);
                drop(engine);
                node.crash();
                engine = open(node.restart()).await.expect("opens after a power loss");
            }
        });
    }
}
