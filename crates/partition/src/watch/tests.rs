use super::*;
use base::{StorageId, Timestamp, Value};
use format::record::Op;

fn key(n: i64) -> Bytes {
    format::key::encode(StorageId::FIRST_USER, &[&Value::Int(n)])
}

fn write(watch: &mut Watch, n: i64) {
    watch.note(&vec![Op { key: key(n), prev: Timestamp::ZERO, row: None }].into());
}

fn reads(n: i64) -> ReadSet {
    let mut reads = ReadSet::default();
    reads.add_key(&key(n));
    reads
}

#[test]
fn each_one_who_looks_learns_of_what_was_written_since() {
    let mut watch = Watch::default();
    write(&mut watch, 1);
    let one = watch.begin();
    write(&mut watch, 2);
    let two = watch.begin();
    write(&mut watch, 3);
    assert!(!watch.touched(one, &reads(1)), "that was before");
    assert!(watch.touched(one, &reads(2)) && watch.touched(one, &reads(3)));
    assert!(!watch.touched(two, &reads(2)) && watch.touched(two, &reads(3)));
    watch.end(one);
    assert!(!watch.touched(two, &reads(2)) && watch.touched(two, &reads(3)));
    write(&mut watch, 4);
    assert!(watch.touched(two, &reads(4)));
    watch.end(two);
    assert!(watch.keys.is_empty(), "nobody looks");
    write(&mut watch, 5);
    assert!(watch.keys.is_empty(), "nobody looks");
    let three = watch.begin();
    assert!(!watch.touched(three, &reads(4)) && !watch.touched(three, &reads(5)));
    assert!(watch.touched(one, &reads(9)), "one who does not look knows nothing");
}
