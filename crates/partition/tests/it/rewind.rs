//! The way back: to a common point from which another line of history leads on.

use crate::{epoch, epoch_start, frames, key, op, open, prepare};
use base::{ClusterId, SqlType, StorageId, Timestamp, TxnId, Value};
use bytes::Bytes;
use format::{ColumnLayout, Frame, Record};
use partition::{CommitOne, Partition, PartitionHandle, ReadSet, Role, Write};
use std::sync::Arc;

fn txn(n: i64, ts: u64) -> Record {
    let (txn, commit_ts) = (TxnId(n as u128), Timestamp(ts));
    Record::Txn { txn, commit_ts, origin: ClusterId(1), ops: vec![op(n)] }
}

/// The start of the epoch of a cluster that took over at a cut.
fn taken_over(lsn: u64, cluster: u8, cut: u64) -> Frame {
    let (cut, previous_end) = (Timestamp(cut), base::Lsn(lsn - 1));
    let record = Record::EpochStart { cut, previous_end, reason: "promoted".into() };
    let (kind, payload) = (record.kind(), record.encode());
    Frame { lsn: base::Lsn(lsn), epoch: epoch(2, cluster), kind, payload }
}

fn committed(partition: &Partition, n: i64) -> Option<u64> {
    let version = partition.stored_version(&key(n)).expect("readable");
    version.filter(|v| v.row.is_some()).map(|v| v.ts.0)
}

async fn follower(env: &env::Env, records: Vec<Record>) -> Arc<Partition> {
    let follower = open(env, Role::Follower);
    let end = follower.ingest(frames(1, records)).expect("dense");
    follower.settled(end).await.expect("durable");
    follower
}

/// A standby whose log ended between a prepare and its decision once lost the transaction when it was
/// given another source: the rest of the old epoch came from there.
#[test]
fn a_decision_that_comes_after_the_common_point_finds_its_prepare() {
    env::sim::run(5, |world| async move {
        let node = world.node();
        let standby =
            follower(&node.env(), vec![epoch_start(), prepare(1, 10), prepare(2, 11)]).await;
        standby.rewind(standby.end(), Timestamp(20)).await.expect("there");
        let decide = Record::Decide { txn: TxnId(1), commit_ts: Some(Timestamp(12)) };
        let mut rest = frames(4, vec![decide]);
        rest.push(taken_over(5, 3, 20));
        let end = standby.ingest(rest).expect("dense");
        assert_eq!(committed(&standby, 1), Some(12), "decided before the new epoch");
        assert_eq!(committed(&standby, 2), None, "undecided when it began");
        assert!(standby.undecided().is_empty());
        standby.settled(end).await.expect("durable");
        node.kill();
        drop(standby);
        let standby = open(&node.restart(), Role::Follower);
        assert_eq!(committed(&standby, 1), Some(12));
        assert_eq!(committed(&standby, 2), None);
    });
}

/// Two standbys were promoted, each without knowing of the other: the one with the lower cut follows
/// the other one in the end.
#[test]
fn chunks_written_after_an_own_promotion_are_given_up() {
    env::sim::run(6, |world| async move {
        let node = world.node();
        let both = follower(&node.env(), vec![epoch_start(), txn(1, 10), txn(2, 20)]).await;
        let common = both.end();
        both.start_epoch(epoch(2, 2), Timestamp(15), "promoted").await.expect("leads");
        let own = CommitOne {
            txn: TxnId(77),
            floor: Timestamp(25),
            snapshot: None,
            reads: ReadSet::default(),
            guarding: false,
            blocks: Vec::new(),
            writes: vec![Write {
                key: key(3),
                row: Some(Bytes::from_static(b"\x01\x00")),
                prev: None,
            }],
            sync: true,
        };
        let at = both.commit(own).await.expect("leads").commit_ts;
        let column = ColumnLayout { id: 1, ty: SqlType::BigInt, missing: Value::Null };
        let layouts = Arc::new(move |_: StorageId| Some(vec![column.clone()]));
        both.spill(at, Timestamp::ZERO, Timestamp::ZERO, layouts).await.expect("there is room");
        assert_eq!((committed(&both, 2), committed(&both, 3)), (None, Some(at.0)));
        // The other one was promoted later, with all of the first epoch.
        let cut = at.next();
        let given_up = both.diverged(common, cut).await.expect("told");
        assert_eq!(given_up.iter().map(|t| t.txn).collect::<Vec<_>>(), vec![TxnId(77)]);
        both.rewind(common, cut).await.expect("there");
        assert_eq!(committed(&both, 1), Some(10));
        assert_eq!(committed(&both, 2), Some(20), "of both epochs' past, and valid in the other's");
        assert_eq!(committed(&both, 3), None, "never in the other's line");
    });
}
