//! Guards of SERIALIZABLE transactions, and who meets them.

use crate::{epoch, key, open};
use base::{SqlState, Timestamp, TxnId};
use bytes::Bytes;
use partition::{CommitOne, GuardOne, PartitionHandle, PrepareOne, ReadSet, Role, Write};

fn reads(n: i64) -> ReadSet {
    let mut reads = ReadSet::default();
    reads.add_key(&key(n));
    reads
}

fn write(txn: u128, n: i64, floor: u64) -> CommitOne {
    CommitOne {
        txn: TxnId(txn),
        floor: Timestamp(floor),
        snapshot: None,
        reads: ReadSet::default(),
        guarding: false,
        blocks: Vec::new(),
        writes: vec![Write { key: key(n), row: Some(Bytes::from_static(b"\x01\x00")), prev: None }],
        sync: true,
    }
}

#[test]
fn nobody_writes_into_what_is_guarded_until_its_reader_has_its_place() {
    env::sim::run(3, |world| async move {
        let node = world.node();
        let leader = open(&node.env(), Role::Leader);
        leader.start_epoch(epoch(1, 2), Timestamp::MAX, "test").await.expect("leads");
        let guard = |txn, n| GuardOne { txn: TxnId(txn), snapshot: Timestamp(10), reads: reads(n) };
        leader.guard(guard(5, 1)).await.expect("nothing is there");
        leader.commit(write(6, 2, 20)).await.expect("not guarded");
        let (one, younger) = (leader.clone(), CommitOne { guarding: true, ..write(7, 1, 20) });
        let waiting = tokio::spawn(async move { one.commit(write(8, 1, 20)).await });
        let refused = leader.commit(younger).await.expect_err("it might be waited for");
        assert_eq!(refused.state, SqlState::SERIALIZATION_FAILURE);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "it waits for the guard");
        leader.unguard(TxnId(5), Some(Timestamp(1000))).await;
        let ack = waiting.await.expect("ran").expect("the guard has fallen");
        assert!(ack.commit_ts > Timestamp(1000), "it comes after the one that read");
        let late = leader.guard(guard(9, 1)).await.expect_err("changed after the snapshot");
        assert_eq!(late.state, SqlState::SERIALIZATION_FAILURE);
    });
}

#[test]
fn what_is_prepared_by_another_can_not_be_guarded() {
    env::sim::run(4, |world| async move {
        let node = world.node();
        let leader = open(&node.env(), Role::Leader);
        leader.start_epoch(epoch(1, 2), Timestamp::MAX, "test").await.expect("leads");
        let CommitOne { txn, floor, writes, .. } = write(5, 1, 20);
        let (participants, sync) = (vec![0, 1], true);
        let prepare = PrepareOne {
            txn,
            floor,
            snapshot: None,
            guarding: false,
            participants,
            blocks: Vec::new(),
            writes,
            sync,
        };
        leader.prepare(prepare).await.expect("nothing is in the way");
        let guard = |txn| GuardOne { txn: TxnId(txn), snapshot: Timestamp(10), reads: reads(1) };
        assert!(leader.guard(guard(6)).await.is_err(), "it may be about to change");
        leader.guard(guard(5)).await.expect("its own prepare is no obstacle");
        leader.decide(txn, None).await.expect("known");
        leader.guard(guard(6)).await.expect("the other one was given up");
    });
}

/// A commit compares what it has read before it waits for a guard, and must not forget what came
/// while it waited.
#[test]
fn what_changes_while_a_commit_waits_for_a_guard_is_noticed() {
    for changed in [false, true] {
        env::sim::run(5, |world| async move {
            let node = world.node();
            let leader = open(&node.env(), Role::Leader);
            leader.start_epoch(epoch(1, 2), Timestamp::MAX, "test").await.expect("leads");
            let snapshot = Timestamp(10);
            let guard = GuardOne { txn: TxnId(5), snapshot, reads: reads(1) };
            leader.guard(guard).await.expect("nothing is there");
            let commit = CommitOne { snapshot: Some(snapshot), reads: reads(2), ..write(8, 1, 20) };
            let one = leader.clone();
            let waiting = tokio::spawn(async move { one.commit(commit).await });
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let other = if changed { 2 } else { 3 };
            leader.commit(write(6, other, 20)).await.expect("not guarded");
            leader.unguard(TxnId(5), None).await;
            let answer = waiting.await.expect("ran").map_err(|e| e.state);
            let refused = Err(SqlState::SERIALIZATION_FAILURE);
            assert_eq!(answer.map(|_| ()), if changed { refused } else { Ok(()) });
        });
    }
}
