use super::*;

fn t(n: u128) -> TxnId {
    TxnId(n)
}

fn k(s: &str) -> Bytes {
    Bytes::copy_from_slice(s.as_bytes())
}

#[test]
fn writers_are_served_in_order() {
    let mut table = LockTable::default();
    assert_eq!(table.acquire(t(1), &k("a"), LockMode::Exclusive), Acquire::Granted);
    let Acquire::Queued { ticket: second, blockers } =
        table.acquire(t(2), &k("a"), LockMode::Exclusive)
    else {
        panic!("must wait")
    };
    assert_eq!(blockers, BTreeSet::from([t(1)]));
    let Acquire::Queued { ticket: third, blockers } =
        table.acquire(t(3), &k("a"), LockMode::Exclusive)
    else {
        panic!("must wait")
    };
    assert_eq!(blockers, BTreeSet::from([t(1), t(2)]));
    assert_eq!(table.release(t(1)), vec![second]);
    assert_eq!(table.release(t(2)), vec![third]);
    assert!(table.release(t(3)).is_empty());
    assert!(table.is_idle());
}

#[test]
fn readers_share_and_one_may_become_the_writer() {
    let mut table = LockTable::default();
    assert!(table.try_acquire(t(1), &k("a"), LockMode::Shared));
    assert!(table.try_acquire(t(2), &k("a"), LockMode::Shared));
    assert!(!table.try_acquire(t(3), &k("a"), LockMode::Exclusive));
    let Acquire::Queued { ticket, blockers } = table.acquire(t(1), &k("a"), LockMode::Exclusive)
    else {
        panic!("must wait for the other reader")
    };
    assert_eq!(blockers, BTreeSet::from([t(2)]));
    assert_eq!(table.release(t(2)), vec![ticket]);
    assert!(!table.try_acquire(t(2), &k("a"), LockMode::Shared));
    table.release(t(1));
    assert!(table.is_idle());
}

#[test]
fn a_cancelled_waiter_lets_the_next_one_through() {
    let mut table = LockTable::default();
    assert!(table.try_acquire(t(1), &k("a"), LockMode::Shared));
    let Acquire::Queued { ticket: writer, .. } = table.acquire(t(2), &k("a"), LockMode::Exclusive)
    else {
        panic!("must wait")
    };
    let Acquire::Queued { ticket: reader, .. } = table.acquire(t(3), &k("a"), LockMode::Shared)
    else {
        panic!("does not overtake the writer")
    };
    assert_eq!(table.cancel(&k("a"), writer), vec![reader]);
}

#[test]
fn a_circle_is_found_over_partitions() {
    let graph = WaitGraph::default();
    assert!(graph.wait(t(1), &BTreeSet::from([t(2)])));
    assert!(graph.wait(t(2), &BTreeSet::from([t(3)])));
    assert!(!graph.wait(t(3), &BTreeSet::from([t(1)])));
    graph.done(t(1));
    assert!(graph.wait(t(3), &BTreeSet::from([t(1)])));
}

fn block(keys: &[&str]) -> Block {
    let mut block = format::block::BlockBuilder::default();
    keys.iter().for_each(|key| block.push(key.as_bytes(), b"row"));
    block.finish().expect("has rows")
}

#[test]
fn a_block_of_keys_is_held_as_each_of_them_would_be() {
    let mut table = LockTable::default();
    assert!(table.claim(t(1), &block(&["b", "d"])));
    assert!(table.try_acquire(t(1), &k("b"), LockMode::Exclusive), "it is its own");
    assert!(!table.try_acquire(t(2), &k("b"), LockMode::Shared));
    assert!(table.try_acquire(t(2), &k("c"), LockMode::Exclusive), "between its keys");
    let Acquire::Queued { ticket, blockers } = table.acquire(t(3), &k("d"), LockMode::Exclusive)
    else {
        panic!("d is held")
    };
    assert_eq!(blockers, BTreeSet::from([t(1)]));
    assert_eq!(table.release(t(1)), [ticket]);
    assert!(!table.try_acquire(t(1), &k("d"), LockMode::Exclusive), "it has passed on");
    assert!(table.try_acquire(t(2), &k("b"), LockMode::Exclusive), "it is free");
    table.release(t(2));
    table.release(t(3));
    assert!(table.is_idle());
}

#[test]
fn a_block_is_refused_where_others_are() {
    let mut table = LockTable::default();
    assert!(table.try_acquire(t(2), &k("c"), LockMode::Exclusive));
    assert!(!table.claim(t(1), &block(&["b", "d"])), "2 is between its keys");
    assert!(table.claim(t(1), &block(&["d", "e"])));
    assert!(!table.claim(t(2), &block(&["a", "f"])), "1 is");
    assert!(table.claim(t(1), &block(&["da", "f"])), "only itself is");
    assert!(table.try_acquire(t(1), &k("g"), LockMode::Exclusive));
    assert!(table.claim(t(1), &block(&["fa", "h"])), "only itself is");
    assert!(!table.try_acquire(t(2), &k("e"), LockMode::Exclusive));
    assert!(!table.try_acquire(t(2), &k("da"), LockMode::Exclusive));
    assert!(!table.try_acquire(t(2), &k("h"), LockMode::Exclusive));
    table.release(t(1));
    assert!(table.claim(t(2), &block(&["a", "f"])), "its own lock is no hindrance");
    table.release(t(2));
    assert!(table.is_idle());
}

#[test]
fn blocks_that_overlap_very_often_are_refused() {
    let mut table = LockTable::default();
    let claimed = (0..100).filter(|_| table.claim(t(1), &block(&["a", "z"]))).count();
    assert!((2..100).contains(&claimed));
    table.release(t(1));
    assert!(table.is_idle());
}
