use super::*;
use base::Value;

fn at(space: u32, n: i64) -> Bytes {
    key::encode(StorageId(space), &[&Value::Int(n)])
}

fn shown(reads: &ReadSet) -> Vec<(Bytes, Bytes)> {
    reads.ranges().map(|(a, b)| (a.clone(), b.clone())).collect()
}

#[test]
fn ranges_that_overlap_or_touch_become_one() {
    let mut reads = ReadSet::default();
    reads.add_range(at(7, 10), at(7, 20));
    reads.add_range(at(7, 30), at(7, 40));
    reads.add_key(&at(7, 15));
    assert_eq!(shown(&reads), [(at(7, 10), at(7, 20)), (at(7, 30), at(7, 40))]);
    reads.add_range(at(7, 20), at(7, 25));
    reads.add_range(at(7, 5), at(7, 12));
    assert_eq!(shown(&reads), [(at(7, 5), at(7, 25)), (at(7, 30), at(7, 40))]);
    reads.add_range(at(7, 0), at(7, 99));
    assert_eq!(shown(&reads), [(at(7, 0), at(7, 99))]);
}

#[test]
fn neighbouring_key_spaces_stay_apart() {
    let mut reads = ReadSet::default();
    for space in [8, 7] {
        let (start, end) = key::range(StorageId(space));
        reads.add_range(start, end);
    }
    assert_eq!(reads.storages(), BTreeSet::from([StorageId(7), StorageId(8)]));
    assert!(reads.contains(&at(7, 1)) && reads.contains(&at(8, 1)));
    assert!(!reads.contains(&at(9, 1)) && !reads.contains(&at(6, 1)));
}

#[test]
fn a_key_is_only_itself() {
    let mut reads = ReadSet::default();
    reads.add_key(&at(7, 1));
    assert!(reads.contains(&at(7, 1)));
    assert!(!reads.contains(&at(7, 2)) && !reads.contains(&at(7, 0)));
    let mut longer = at(7, 1).to_vec();
    longer.push(1);
    assert!(!reads.contains(&longer));
}

#[test]
fn very_many_keys_are_few_ranges_that_leave_none_out() {
    let mut reads = ReadSet::default();
    for n in 0..10_000 {
        reads.add_key(&at(7 + (n % 3) as u32, n * 10));
    }
    assert!(shown(&reads).len() <= RANGES_MAX);
    for n in 0..10_000 {
        assert!(reads.contains(&at(7 + (n % 3) as u32, n * 10)), "{n}");
    }
    assert_eq!(reads.storages().len(), 3);
    assert!(!reads.contains(&at(7, -1)) && !reads.contains(&at(9, 1_000_000)));
}
