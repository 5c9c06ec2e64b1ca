//! What goes on by itself, and what it must leave alone.

use crate::world::{add, balances, bank, begin, create_table, open, put, read, settings};
use std::sync::Arc;
use std::time::Duration;
use txn::Isolation::{ReadCommitted, RepeatableRead};
use txn::{Database, Engine};

async fn spill(engine: &Engine, database: &Arc<Database>) {
    // Until everything so far is closed.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    engine.spill_above(database, 0).await.expect("spills");
}

fn delta_bytes(database: &Database) -> usize {
    database.local_partitions().iter().map(|p| p.delta_bytes()).sum()
}

async fn runs(database: &Database) -> usize {
    let mut runs = 0;
    for partition in database.partitions() {
        runs += partition.status().await.expect("here").runs;
    }
    runs
}

#[test]
fn a_long_reader_keeps_its_rows_and_stops_no_spill() {
    env::sim::run(21, |world| async move {
        let node = world.node();
        let mut settings = settings();
        settings.version_retention = Duration::ZERO;
        let engine = Engine::open(node.env(), settings).await.expect("opens");
        let (database, table) = bank(&engine, 100).await;
        spill(&engine, &database).await;
        let old = begin(&database, RepeatableRead).await;
        for round in 1..=12 {
            let mut txn = begin(&database, ReadCommitted).await;
            for id in 0..100 {
                add(&mut txn, &table, id, round).await.expect("free");
            }
            txn.commit().await.expect("no conflict");
            spill(&engine, &database).await;
            assert_eq!(delta_bytes(&database), 0, "the delta is written down whoever reads");
            assert_eq!(balances(&old, &table).await, vec![100; 100], "round {round}");
            assert_eq!(read(&old, &table, 7).await, Some(100), "round {round}");
        }
        assert!(runs(&database).await > 0, "what the reader needs stays out of the base");
        let mut ddl = begin(&database, ReadCommitted).await;
        ddl.drop_table(table.id).await.expect("there");
        ddl.commit().await.expect("no conflict");
        spill(&engine, &database).await;
        assert_eq!(balances(&old, &table).await, vec![100; 100], "its table is there for it");
        drop(old);
        let another = create_table(&database, "another").await;
        let mut txn = begin(&database, ReadCommitted).await;
        for id in 0..40 {
            put(&mut txn, &another, id, 1).await.expect("free");
        }
        txn.commit().await.expect("no conflict");
        spill(&engine, &database).await;
        for partition in database.local_partitions() {
            assert!(partition.manifest().table(table.storage).is_none(), "nobody can ask for it");
        }
    });
}

#[test]
fn a_column_that_was_dropped_stays_for_those_who_began_before() {
    env::sim::run(22, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 20).await;
        let old = begin(&database, RepeatableRead).await;
        let mut ddl = begin(&database, ReadCommitted).await;
        let mut narrow = table.clone();
        narrow.columns.retain(|c| c.id == 1);
        narrow.version += 1;
        ddl.put_table(&narrow).await.expect("free name");
        ddl.commit().await.expect("no conflict");
        spill(&engine, &database).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(delta_bytes(&database), 0);
        assert_eq!(balances(&old, &table).await, vec![100; 20]);
    });
}

#[test]
fn data_much_larger_than_its_memory_is_kept_in_order() {
    env::sim::run(23, |world| async move {
        let node = world.node();
        let mut settings = settings();
        (settings.delta_bytes, settings.cache_bytes) = (100_000, 50_000);
        let engine = Engine::open(node.env(), settings.clone()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let dice = world.rng();
        for _ in 0..60 {
            let mut txn = begin(&database, ReadCommitted).await;
            for _ in 0..200 {
                let id = (dice.next_u64() % 5_000) as i64;
                put(&mut txn, &table, id, 100).await.expect("free");
            }
            txn.commit().await.expect("no conflict");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(delta_bytes(&database) < 250_000, "{} bytes", delta_bytes(&database));
        for partition in database.partitions() {
            let status = partition.status().await.expect("here");
            let written = status.spilled_bytes + status.merged_bytes;
            assert!(status.spilled_bytes > 0 && status.merged_bytes > 0, "{status:?}");
            assert!(written < 8 * status.spilled_bytes, "{status:?}");
            assert!(status.runs < 16, "{status:?}");
        }
        let txn = begin(&database, ReadCommitted).await;
        let before = balances(&txn, &table).await.len();
        drop((txn, database, engine));
        node.crash();
        let engine = Engine::open(node.restart(), settings).await.expect("opens");
        let database = engine.database("bank").expect("there");
        let txn = begin(&database, ReadCommitted).await;
        assert_eq!(balances(&txn, &table).await.len(), before);
    });
}

#[test]
fn what_is_at_rest_is_written_down_and_a_few_rows_are_not() {
    env::sim::run(24, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 8_000).await;
        for id in 0..8 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut txn = begin(&database, ReadCommitted).await;
            add(&mut txn, &table, id, 1).await.expect("free");
            txn.commit().await.expect("no conflict");
            assert!(delta_bytes(&database) > 1 << 20, "it is in use");
        }
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(delta_bytes(&database), 0);
        let mut txn = begin(&database, ReadCommitted).await;
        add(&mut txn, &table, 0, 1).await.expect("free");
        txn.commit().await.expect("no conflict");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(delta_bytes(&database) > 0, "one row is not worth a file");
        let now = begin(&database, ReadCommitted).await;
        let all = balances(&now, &table).await;
        assert_eq!((all.len(), all.iter().sum::<i64>()), (8_000, 800_009));
    });
}
