//! Many new rows at a time: claimed, committed, read, lost or kept as others are.

use crate::world::{add, balances, bank, begin, open, place, put, read};
use base::{Result, TableDescriptor, Value};
use format::Block;
use format::block::BlockBuilder;
use partition::LockWait;
use std::collections::BTreeMap;
use std::time::Duration;
use txn::Isolation::{ReadCommitted, RepeatableRead};
use txn::Transaction;

const WAIT: Option<LockWait> = Some(LockWait::Block(Some(Duration::from_secs(1))));

/// Rows with these ids and a balance of 1, by partition.
fn blocks(table: &TableDescriptor, ids: impl IntoIterator<Item = i64>) -> Vec<(u16, Block)> {
    let mut all: BTreeMap<u16, BTreeMap<bytes::Bytes, i64>> = BTreeMap::new();
    for id in ids {
        let (partition, key) = place(table, id);
        all.entry(partition).or_default().insert(key, id);
    }
    let block = |rows: BTreeMap<bytes::Bytes, i64>| {
        let mut block = BlockBuilder::default();
        for (key, id) in rows {
            let row = format::row::encode(&[(1, Value::Int(id)), (2, Value::Int(1))]);
            block.push(&key, &row);
        }
        block.finish().expect("has rows")
    };
    all.into_iter().map(|(partition, rows)| (partition, block(rows))).collect()
}

/// Claims and inserts them all; how many were there already.
async fn load(
    txn: &mut Transaction,
    table: &TableDescriptor,
    ids: impl IntoIterator<Item = i64>,
) -> Result<usize> {
    let mut there = 0;
    let blocks = blocks(table, ids);
    for (partition, block) in &blocks {
        there += txn.claim_new(*partition, block, WAIT).await?.iter().filter(|t| **t).count();
    }
    if there == 0 {
        blocks.into_iter().try_for_each(|(partition, block)| txn.insert(partition, block))?;
    }
    Ok(there)
}

#[test]
fn what_is_loaded_survives_a_power_loss_whole_or_not_at_all() {
    for changes in (0..24).step_by(2) {
        env::sim::run(700 + changes, |world| async move {
            let node = world.node();
            let engine = open(node.env()).await.expect("opens");
            let (database, table) = bank(&engine, 10).await;
            let mut txn = begin(&database, ReadCommitted).await;
            assert_eq!(load(&mut txn, &table, 100..5_100).await.expect("free"), 0);
            add(&mut txn, &table, 3, 7).await.expect("free");
            add(&mut txn, &table, 200, 7).await.expect("its own");
            node.crash_after(changes);
            let commit = tokio::spawn(txn.commit());
            let answer = tokio::time::timeout(Duration::from_secs(5), commit).await;
            let acknowledged = matches!(answer, Ok(Ok(Ok(_))));
            drop((database, engine));
            node.crash();
            let engine = open(node.restart()).await.expect("opens after the power loss");
            let database = engine.database("bank").expect("there");
            let txn = begin(&database, ReadCommitted).await;
            let all = balances(&txn, &table).await;
            let there = all.len() > 10;
            assert!(there || !acknowledged, "changes={changes}: an acknowledged commit is gone");
            let wanted = if there { (5_010, 6_014) } else { (10, 1_000) };
            assert_eq!((all.len(), all.iter().sum::<i64>()), wanted, "changes={changes}");
            assert_eq!(read(&txn, &table, 200).await, there.then_some(8));
        });
    }
}

#[test]
fn loaded_rows_are_changed_spilled_and_read_in_the_past() {
    env::sim::run(731, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let old = begin(&database, RepeatableRead).await;
        let mut txn = begin(&database, ReadCommitted).await;
        load(&mut txn, &table, 100..4_100).await.expect("free");
        txn.commit().await.expect("no conflict");
        let before = begin(&database, RepeatableRead).await;
        let mut txn = begin(&database, ReadCommitted).await;
        add(&mut txn, &table, 100, 4).await.expect("free");
        let (partition, key) = place(&table, 101);
        add(&mut txn, &table, 101, 4).await.expect("free");
        txn.write(partition, key, None).expect("locked");
        txn.commit().await.expect("no conflict");
        for round in 0..2 {
            let now = begin(&database, ReadCommitted).await;
            assert_eq!(balances(&old, &table).await.len(), 10, "round {round}");
            let all = balances(&before, &table).await;
            assert_eq!((all.len(), all.iter().sum::<i64>()), (4_010, 5_000));
            let all = balances(&now, &table).await;
            assert_eq!((all.len(), all.iter().sum::<i64>()), (4_009, 5_003));
            assert_eq!(read(&before, &table, 101).await, Some(1));
            assert_eq!(
                (read(&now, &table, 100).await, read(&now, &table, 101).await),
                (Some(5), None)
            );
            tokio::time::sleep(Duration::from_secs(2)).await;
            engine.spill_above(&database, 0).await.expect("spills");
        }
        let mut txn = begin(&database, ReadCommitted).await;
        let there = load(&mut txn, &table, 4_000..5_000).await.expect("nobody is in the way");
        assert_eq!(there, 100, "those in files are found");
        txn.rollback().await;
        let mut txn = begin(&database, ReadCommitted).await;
        let again = [101].into_iter().chain(4_100..5_000);
        assert_eq!(load(&mut txn, &table, again).await.expect("free"), 0, "101 was deleted");
        txn.commit().await.expect("no conflict");
        let now = begin(&database, ReadCommitted).await;
        assert_eq!(balances(&now, &table).await.len(), 4_910);
    });
}

#[test]
fn two_loads_meet_at_the_rows_they_share() {
    env::sim::run(732, |world| async move {
        let node = world.node();
        let engine = open(node.env()).await.expect("opens");
        let (database, table) = bank(&engine, 10).await;
        let mut one = begin(&database, ReadCommitted).await;
        let mut two = begin(&database, ReadCommitted).await;
        // Between each other's rows, in the same range.
        load(&mut one, &table, (100..2_100).step_by(2)).await.expect("free");
        load(&mut two, &table, (101..2_101).step_by(2)).await.expect("free");
        let refused = load(&mut two, &table, [500, 2_500]).await;
        assert_eq!(refused.expect_err("held").state, base::SqlState::LOCK_NOT_AVAILABLE);
        put(&mut two, &table, 2_700, 1).await.expect("free");
        one.commit().await.expect("no conflict");
        assert_eq!(load(&mut two, &table, [500, 2_500]).await.expect("given up"), 1);
        two.commit().await.expect("no conflict");
        let now = begin(&database, ReadCommitted).await;
        assert_eq!(balances(&now, &table).await.len(), 10 + 2_000 + 1);
    });
}
