//! A partition as its neighbours see it: frames in, locks, promotion, the way back.

#![allow(clippy::disallowed_methods, reason = "the simulated clock is tokio's, paused")]

mod guards;
mod rewind;

use base::{ClusterId, Epoch, LogId, Lsn, NodeId, Timestamp, TxnId};
use bytes::Bytes;
use env::Env;
use format::{Frame, Op, Record};
use log::{Log, LogSettings, OnFatal};
use partition::{
    LockMode, LockRequest, LockWait, Partition, PartitionHandle, PartitionSettings, Role,
};
use std::sync::Arc;

fn epoch(number: u32, cluster: u8) -> Epoch {
    Epoch { number, cluster: ClusterId(cluster), node: NodeId(1) }
}

fn open(env: &Env, role: Role) -> Arc<Partition> {
    let settings = LogSettings {
        segment_bytes: 1 << 20,
        on_fatal: OnFatal::call(|_| {}),
        ..LogSettings::default()
    };
    let log = Log::open(env.clone(), "/data/log".into(), settings).expect("opens");
    log.retain(&[LogId(1)]);
    let settings = PartitionSettings {
        index: 0,
        log_id: LogId(1),
        dir: "/data/p0".into(),
        cluster: ClusterId(2),
        node: NodeId(1),
        sync: true,
        role,
        state: state::Settings::default(),
    };
    env.disk.create_dir(&settings.dir).expect("there is room");
    let cache = state::PageCache::new(1 << 20);
    let waits = Arc::default();
    Arc::new(Partition::open(env.clone(), log, cache, waits, settings).expect("opens"))
}

fn key(n: i64) -> Bytes {
    format::key::encode(base::StorageId::FIRST_USER, &[&base::Value::Int(n)])
}

fn op(n: i64) -> Op {
    Op { key: key(n), prev: Timestamp::ZERO, row: Some(Bytes::from_static(b"\x01\x00")) }
}

/// Frames of the source's first epoch, from a position on.
fn frames(first: u64, records: Vec<Record>) -> Vec<Frame> {
    records
        .into_iter()
        .zip(first..)
        .map(|(r, lsn)| Frame {
            lsn: Lsn(lsn),
            epoch: epoch(1, 1),
            kind: r.kind(),
            payload: r.encode(),
        })
        .collect()
}

fn epoch_start() -> Record {
    Record::EpochStart { cut: Timestamp::MAX, previous_end: Lsn(0), reason: "created".into() }
}

fn prepare(n: i64, ts: u64) -> Record {
    Record::Prepare {
        txn: TxnId(n as u128),
        prepare_ts: Timestamp(ts),
        origin: ClusterId(1),
        participants: vec![0, 1],
        ops: vec![op(n)],
    }
}

async fn try_lock(partition: &Partition, n: i64) -> bool {
    let request = LockRequest {
        txn: TxnId(99),
        keys: vec![key(n)],
        mode: LockMode::Exclusive,
        wait: LockWait::NoWait,
    };
    partition.lock(request).await.is_ok()
}

/// A follower that restarted between a prepare and its decision once kept the row locked for ever.
#[test]
fn a_promoted_follower_has_no_locks_of_decided_or_void_transactions() {
    env::sim::run(1, |world| async move {
        let node = world.node();
        let follower = open(&node.env(), Role::Follower);
        let records = vec![epoch_start(), prepare(1, 10), prepare(2, 11)];
        let end = follower.ingest(frames(1, records)).expect("dense");
        follower.settled(end).await.expect("durable");
        node.kill();
        drop(follower);
        let follower = open(&node.restart(), Role::Follower);
        let decide = Record::Decide { txn: TxnId(1), commit_ts: Some(Timestamp(12)) };
        let end = follower.ingest(frames(4, vec![decide])).expect("dense");
        follower.settled(end).await.expect("durable");
        follower.start_epoch(epoch(2, 2), Timestamp(12), "test").await.expect("promoted");
        assert!(try_lock(&follower, 1).await, "decided");
        assert!(try_lock(&follower, 2).await, "void: it was undecided at the cut");
    });
}

/// A leader that restarted keeps the rows of undecided transactions locked until the decision.
#[test]
fn a_restarted_leader_keeps_undecided_rows_locked() {
    env::sim::run(2, |world| async move {
        let node = world.node();
        let follower = open(&node.env(), Role::Follower);
        let end = follower.ingest(frames(1, vec![epoch_start(), prepare(1, 10)])).expect("dense");
        follower.settled(end).await.expect("durable");
        node.kill();
        drop(follower);
        let leader = open(&node.restart(), Role::Leader);
        assert!(!try_lock(&leader, 1).await, "undecided");
        leader.decide(TxnId(1), None).await.expect("known");
        assert!(try_lock(&leader, 1).await, "aborted");
    });
}
