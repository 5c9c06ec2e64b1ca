use super::*;
use crate::record::Record;
use crate::stage::{kind, new_rows, of_blocks, of_ops};
use base::TxnId;

fn key(n: u32) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

fn block(keys: impl IntoIterator<Item = u32>) -> Block {
    let mut builder = BlockBuilder::default();
    for n in keys {
        builder.push(&key(n), format!("row {n}").as_bytes());
    }
    builder.finish().expect("has rows")
}

fn keys(block: &Block) -> Vec<u32> {
    (0..block.rows())
        .map(|at| u32::from_be_bytes(block.key(at).try_into().expect("four bytes")))
        .collect()
}

#[test]
fn rows_are_found_by_key_and_by_range() {
    let b = block([2, 4, 6]);
    assert_eq!(b.get(1), (&key(4)[..], &b"row 4"[..]));
    assert_eq!((b.find(&key(6)), b.find(&key(5)), b.find(&key(9))), (Some(2), None, None));
    assert_eq!(b.places(&key(3), &key(6)), 1..2);
    assert_eq!(b.places(&key(7), &key(3)), 3..3);
    assert!(b.overlaps(&key(6), &key(9)) && !b.overlaps(&key(7), &key(9)));
    assert!(BlockBuilder::default().finish().is_none());
}

#[test]
fn rows_can_be_left_out() {
    let b = block(0..10);
    let odd = b.without(|k| k[3] % 2 == 0).expect("some are left");
    assert_eq!(keys(&odd), [1, 3, 5, 7, 9]);
    assert!(b.without(|_| true).is_none());
}

#[test]
fn stages_hold_blocks_whole_and_in_pieces() {
    let blocks = [block(0..5), block(5..500), block(600..601)];
    let payloads = of_blocks(TxnId(7), &blocks, 1000);
    assert!(payloads.len() > 5, "cut into pieces");
    let mut found = Vec::new();
    for payload in &payloads {
        assert!(payload.len() < 1200);
        let (txn, rows) = new_rows(kind(), payload).expect("valid").expect("are new rows");
        assert_eq!(txn, TxnId(7));
        found.extend(keys(&rows));
        // Who knows nothing of blocks reads the same.
        let Record::Stage { txn, ops } = Record::decode(kind(), payload).expect("valid") else {
            panic!("no stage")
        };
        assert_eq!((txn, ops), (TxnId(7), rows.to_ops().collect::<Vec<_>>()));
    }
    let wanted: Vec<u32> = (0..500).chain([600]).collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_is_not_all_new_rows_is_no_block() {
    let new = |n: u32| Op {
        key: key(n).into(),
        prev: Timestamp::ZERO,
        row: Some(Bytes::from_static(b"x")),
    };
    let read = |ops: &[Op]| new_rows(kind(), &of_ops(TxnId(1), ops)).expect("valid");
    assert!(read(&[new(1), new(2)]).is_some());
    assert!(read(&[new(2), new(1)]).is_none(), "not sorted");
    assert!(read(&[new(1), new(1)]).is_none(), "twice");
    assert!(read(&[new(1), Op { row: None, ..new(2) }]).is_none(), "a deletion");
    assert!(read(&[Op { prev: Timestamp(5), ..new(1) }]).is_none(), "replaces a version");
    assert!(read(&[]).is_none());
    let payload = of_ops(TxnId(1), &[new(1), new(2)]);
    assert!(new_rows(kind(), &payload.slice(..payload.len() - 1)).is_err(), "cut off");
    assert!(new_rows(1, &payload).expect("not looked at").is_none(), "another kind");
}

#[test]
fn series_merge_into_ascending_blocks() {
    let series = vec![
        vec![block((0..900).step_by(3)), block((900..3000).step_by(3))],
        vec![block((1..3000).step_by(3))],
        vec![],
        vec![block((2..3000).step_by(3)), block(5000..50_000)],
    ];
    let all = merged(series);
    let found: Vec<u32> = all.iter().flat_map(keys).collect();
    let wanted: Vec<u32> = (0..3000).chain(5000..50_000).collect();
    assert_eq!(found, wanted);
    assert!(all.len() > 1, "it is cut");
    assert_eq!(all[0].get(5), (&key(5)[..], &b"row 5"[..]));
}
