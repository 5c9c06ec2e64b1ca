use crate::world::{add, balances, bank, begin, open, read};
use txn::Isolation::ReadCommitted;

/// One transfer over two partitions with a power loss after every possible number of disk changes:
/// acknowledged means there, and never half.
#[test]
fn a_transfer_is_there_or_not_wherever_the_power_fails() {
    for changes in 0..12 {
        env::sim::run(100 + changes, |world| async move {
            let node = world.node();
            let engine = open(node.env()).await.expect("opens");
            let (database, table) = bank(&engine, 10).await;
            let mut txn = begin(&database, ReadCommitted).await;
            for (id, by) in [(1, -30), (2, 10), (3, 10), (4, 10)] {
                add(&mut txn, &table, id, by).await.expect("free");
            }
            node.crash_after(changes);
            let commit = tokio::spawn(txn.commit());
            let limit = std::time::Duration::from_secs(5);
            let answer = tokio::time::timeout(limit, commit).await;
            let acknowledged = matches!(answer, Ok(Ok(Ok(_))));
            drop((database, engine));
            node.crash();
            let engine = open(node.restart()).await.expect("opens after the power loss");
            let database = engine.database("bank").expect("there");
            let txn = begin(&database, ReadCommitted).await;
            let moved = read(&txn, &table, 1).await == Some(70);
            assert!(moved || !acknowledged, "changes={changes}: an acknowledged commit is gone");
            for id in 2..5 {
                let expected = if moved { 110 } else { 100 };
                assert_eq!(read(&txn, &table, id).await, Some(expected), "changes={changes}");
            }
            assert_eq!(balances(&txn, &table).await.iter().sum::<i64>(), 1000);
        });
    }
}

#[test]
fn chunks_and_log_together_are_the_data_after_a_restart() {
    env::sim::run(7, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 200).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        engine.spill_above(&database, 0).await.expect("spills");
        let spilled = database.local_partitions().iter().map(|p| p.manifest().seq).max();
        assert!(spilled > Some(0), "something is in chunks");
        let mut txn = begin(&database, ReadCommitted).await;
        for id in 0..50 {
            add(&mut txn, &table, id, 1).await.expect("free");
        }
        txn.commit().await.expect("no conflict");
        let txn = begin(&database, ReadCommitted).await;
        assert_eq!(balances(&txn, &table).await.iter().sum::<i64>(), 20_050);
        drop((txn, database, engine));
        node.crash();
        let engine = open(node.restart()).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let txn = begin(&database, ReadCommitted).await;
        assert_eq!(balances(&txn, &table).await.iter().sum::<i64>(), 20_050);
        assert_eq!(read(&txn, &table, 49).await, Some(101));
        assert_eq!(read(&txn, &table, 50).await, Some(100));
    });
}

/// Locks go before the disk has a commit, so another transaction can see it early; it must not tell
/// a client about it until it can no longer be lost.
#[test]
fn what_an_open_transaction_has_seen_under_lock_is_shown_only_when_it_is_durable() {
    env::sim::run(8, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut first = begin(&database, ReadCommitted).await;
        add(&mut first, &table, 1, 5).await.expect("free");
        let mut second = begin(&database, ReadCommitted).await;
        second.await_shown().await.expect("it has seen nothing");
        node.crash_after(0);
        tokio::spawn(first.commit());
        let limit = std::time::Duration::from_secs(5);
        let seen = tokio::time::timeout(limit, add(&mut second, &table, 1, 1)).await;
        if let Ok(Ok(balance)) = seen {
            assert_eq!(balance, 106, "the lock was given up by the commit");
            let shown = tokio::time::timeout(limit, second.await_shown()).await;
            assert!(!matches!(shown, Ok(Ok(()))), "a client would be told of a lost commit");
        }
    });
}
