//! Memory for row versions has its bounds, whoever writes.

use crate::world::{bank, begin, put, settings};
use base::SqlState;
use std::time::Duration;
use txn::Engine;
use txn::Isolation::ReadCommitted;

#[test]
fn writers_are_slowed_to_the_pace_of_spills() {
    env::sim::run(61, |world| async move {
        let node = world.node();
        let mut settings = settings();
        (settings.delta_bytes, settings.delta_limit) = (100_000, 200_000);
        let engine = Engine::open(node.env(), settings).await.expect("opens");
        let (database, table) = bank(&engine, 1).await;
        let mut most = 0;
        for round in 0..300 {
            let mut txn = begin(&database, ReadCommitted).await;
            for id in 0..100 {
                put(&mut txn, &table, round * 100 + id, 1).await.expect("room in the end");
            }
            txn.commit().await.expect("no conflict");
            let now: usize = database.local_partitions().iter().map(|p| p.delta_bytes()).sum();
            most = most.max(now);
        }
        assert!(most < 260_000, "{most} bytes of 200000 and one transaction");
        assert!(most > 100_000, "{most}: the test does not press");
        assert!(world.elapsed() < Duration::from_secs(600), "spills are told when they are wanted");
    });
}

#[test]
fn a_transaction_that_writes_too_much_changes_nothing() {
    env::sim::run(62, |world| async move {
        let node = world.node();
        let mut settings = settings();
        settings.pending_limit = 50_000;
        let engine = Engine::open(node.env(), settings).await.expect("opens");
        let (database, table) = bank(&engine, 1).await;
        let mut txn = begin(&database, ReadCommitted).await;
        let mut refused = None;
        for id in 1..1_000 {
            refused = put(&mut txn, &table, id, 1).await.err();
            if refused.is_some() {
                break;
            }
        }
        assert_eq!(refused.expect("too much").state, SqlState::OUT_OF_MEMORY);
        txn.rollback().await;
        assert_eq!(engine.room().pending().0, 0);
        let mut txn = begin(&database, ReadCommitted).await;
        put(&mut txn, &table, 5, 1).await.expect("room again");
        txn.commit().await.expect("no conflict");
    });
}
