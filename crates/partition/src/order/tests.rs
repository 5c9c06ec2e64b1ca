use super::*;
use format::record::Op;

fn prepared(ts: u64, lsn: u64, key: &'static [u8]) -> Prepared {
    Prepared {
        ts: Timestamp(ts),
        lsn: Lsn(lsn),
        first: Lsn(lsn),
        origin: ClusterId(1),
        participants: vec![0, 1],
        changes: vec![Op { key: Bytes::from_static(key), prev: Timestamp::ZERO, row: None }].into(),
    }
}

#[test]
fn commits_stay_above_reads_commits_and_closed() {
    let mut order = Order::starting_at(Timestamp(10));
    assert_eq!(order.assign(Timestamp(5)), Timestamp(11));
    order.read(Timestamp(20), Reach::Keys(&[])).expect("nothing in the way");
    assert_eq!(order.assign(Timestamp(5)), Timestamp(21));
    order.committed(Lsn(1), Timestamp(30));
    assert_eq!(order.assign(Timestamp(5)), Timestamp(31));
    order.close(Timestamp(40));
    assert_eq!(order.assign(Timestamp(5)), Timestamp(41));
    assert_eq!(order.assign(Timestamp(50)), Timestamp(50));
}

#[test]
fn a_reader_waits_only_for_prepares_it_could_see() {
    let mut order = Order::default();
    order.prepare(TxnId(1), prepared(10, 1, b"k"));
    let keys = [Bytes::from_static(b"k")];
    assert_eq!(order.read(Timestamp(9), Reach::Keys(&keys)), Ok(()));
    assert_eq!(order.read(Timestamp(10), Reach::Keys(&keys)), Err(TxnId(1)));
    assert_eq!(order.read(Timestamp(10), Reach::Range(b"a", b"k")), Ok(()));
    assert_eq!(order.read(Timestamp(10), Reach::Range(b"a", b"l")), Err(TxnId(1)));
    order.decide(TxnId(1), Some(Timestamp(12)));
    assert_eq!(order.read(Timestamp(12), Reach::Keys(&keys)), Ok(()));
}

#[test]
fn closed_timestamps_stop_below_undecided_prepares() {
    let mut order = Order::default();
    order.prepare(TxnId(1), prepared(10, 1, b"k"));
    assert_eq!(order.closable(Timestamp(50)), Some(Timestamp(9)));
    order.close(Timestamp(9));
    assert_eq!(order.closable(Timestamp(50)), None);
    order.decide(TxnId(1), None);
    assert_eq!(order.closable(Timestamp(50)), Some(Timestamp(50)));
}

#[test]
fn what_lies_beyond_a_fork_is_read_from_its_first_record() {
    let mut order = Order::default();
    for n in 1..=6 {
        order.committed(Lsn(n * 10), Timestamp(n));
    }
    // Nothing is beyond: only the last one could go on after the common point.
    assert_eq!(order.first_beyond(Lsn(65), Timestamp(6)), Lsn(60));
    assert!(!order.has_above(Timestamp(6)));
    assert_eq!(order.first_beyond(Lsn(65), Timestamp(3)), Lsn(40), "above the cut");
    assert_eq!(order.first_beyond(Lsn(25), Timestamp::MAX), Lsn(20), "goes on after the point");
    assert_eq!(order.first_beyond(Lsn(5), Timestamp::MAX), Lsn(6));
    order.prepare(TxnId(1), prepared(7, 15, b"k"));
    assert_eq!(order.first_beyond(Lsn(65), Timestamp(9)), Lsn(15), "undecided");
    assert!(order.has_above(Timestamp(9)));
}

#[test]
fn replay_starts_at_the_first_record_the_manifest_lacks() {
    let mut order = Order::default();
    order.committed(Lsn(1), Timestamp(5));
    order.prepare(TxnId(1), prepared(6, 2, b"k"));
    order.committed(Lsn(3), Timestamp(7));
    assert_eq!(order.replay_from(Timestamp(7), Lsn(3)), Lsn(2));
    order.decide(TxnId(1), Some(Timestamp(8)));
    assert_eq!(order.replay_from(Timestamp(7), Lsn(4)), Lsn(2));
    assert_eq!(order.replay_from(Timestamp(8), Lsn(4)), Lsn(5));
}
