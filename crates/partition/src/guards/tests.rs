use super::*;
use base::{StorageId, Timestamp, Value};
use bytes::Bytes;
use format::record::Op;

fn key(n: i64) -> Bytes {
    format::key::encode(StorageId::FIRST_USER, &[&Value::Int(n)])
}

fn reads(from: i64, to: i64) -> ReadSet {
    let mut reads = ReadSet::default();
    reads.add_range(key(from), key(to));
    reads
}

fn write(n: i64) -> Changes {
    vec![Op { key: key(n), prev: Timestamp::ZERO, row: None }].into()
}

#[test]
fn others_wait_for_a_guard_and_its_owner_does_not() {
    let mut guards = Guards::default();
    guards.stand(TxnId(5), &reads(10, 20));
    assert_eq!(guards.way(TxnId(9), false, &write(15)), Way::Wait);
    assert_eq!(guards.way(TxnId(9), false, &write(20)), Way::Free);
    assert_eq!(guards.way(TxnId(5), true, &write(15)), Way::Free);
    guards.fall(TxnId(5));
    assert_eq!(guards.way(TxnId(9), false, &write(15)), Way::Free);
    assert!(guards.is_empty());
}

#[test]
fn of_two_that_guard_what_the_other_writes_the_younger_gives_way() {
    let mut guards = Guards::default();
    guards.stand(TxnId(5), &reads(10, 20));
    guards.stand(TxnId(7), &reads(30, 40));
    assert_eq!(guards.way(TxnId(7), true, &write(15)), Way::GiveWay);
    assert_eq!(guards.way(TxnId(5), true, &write(35)), Way::Wait);
    guards.stand(TxnId(3), &reads(30, 31));
    assert_eq!(guards.way(TxnId(5), true, &write(30)), Way::GiveWay, "one of the two is older");
}
