use super::*;
use format::block::BlockBuilder;
use proptest::prelude::*;

const MUCH: usize = 1 << 30;

fn key(n: i64) -> Bytes {
    format::key::encode(StorageId::FIRST_USER, &[&base::Value::Int(n)])
}

fn block(keys: &[i64], row: &str) -> Block {
    let mut block = BlockBuilder::default();
    keys.iter().for_each(|n| block.push(&key(*n), row.as_bytes()));
    block.finish().expect("has rows")
}

#[test]
fn rolling_back_to_a_savepoint_restores_what_was_pending() {
    let mut set = WriteSet::default();
    let row = |s: &'static str| Some(Bytes::from_static(s.as_bytes()));
    set.put(0, key(1), row("a"), Some(Timestamp(5)), 1 << 20).expect("fits");
    set.savepoint("s");
    set.put(0, key(1), row("b"), None, 1 << 20).expect("fits");
    set.put(0, key(2), row("c"), None, 1 << 20).expect("fits");
    assert_eq!(set.get(0, &key(1)).expect("there").prev, Some(Timestamp(5)));
    set.rollback_to("s").expect("known");
    assert_eq!(set.get(0, &key(1)).expect("there").row, row("a"));
    assert_eq!(set.get(0, &key(2)), None);
    set.release("s").expect("known");
    assert!(set.rollback_to("s").is_err());
}

#[test]
fn a_transaction_that_grows_too_large_is_refused() {
    let mut set = WriteSet::default();
    let error = set.put(0, key(1), Some(Bytes::from(vec![0; 2000])), None, 1000);
    assert_eq!(error.expect_err("too large").state, SqlState::PROGRAM_LIMIT_EXCEEDED);
    let mut set = WriteSet::default();
    let error = set.put_block(0, block(&[1], &"x".repeat(2000)), 1000);
    assert_eq!(error.expect_err("too large").state, SqlState::PROGRAM_LIMIT_EXCEEDED);
}

#[test]
fn rows_in_blocks_cost_little_more_than_their_bytes() {
    let mut set = WriteSet::default();
    let rows: Vec<i64> = (0..1000).collect();
    set.put_block(0, block(&rows, &"x".repeat(100)), MUCH).expect("fits");
    assert!(set.bytes() < 1000 * (100 + 13 + 10), "{}", set.bytes());
}

#[test]
fn blocks_of_random_keys_are_taken_too() {
    let mut set = WriteSet::default();
    for n in 0..200 {
        set.put_block(0, block(&[n, n + 1000, n + 2000], "x"), MUCH).expect("fits");
    }
    assert_eq!(set.range(0, &key(0), &key(5000)).len(), 600);
    let (blocks, rows) = set.take().remove(&0).expect("written").into_parts();
    let keys: Vec<Bytes> =
        blocks.iter().flat_map(|b| (0..b.rows()).map(|at| b.shared_key(at))).collect();
    assert!(keys.is_sorted() && blocks.len() == 1, "they are merged");
    assert_eq!(keys.len() + rows.len(), 600);
}

#[derive(Clone, Debug)]
enum Step {
    Put(i64, bool),
    Load(Vec<i64>),
    Savepoint,
    Rollback,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..30i64, any::<bool>()).prop_map(|(k, row)| Step::Put(k, row)),
        4 => prop::collection::vec(0..30i64, 1..6).prop_map(Step::Load),
        1 => Just(Step::Savepoint),
        1 => Just(Step::Rollback),
    ]
}

type Model = BTreeMap<Bytes, Option<Bytes>>;

fn check(set: &WriteSet, model: &Model) {
    for n in 0..31 {
        assert_eq!(set.get(0, &key(n)).map(|p| p.row), model.get(&key(n)).cloned(), "{n}");
        let touched = model.range(key(n)..=key(n + 3)).next().is_some();
        assert!(set.touches(0, &key(n), &key(n + 3)) || !touched);
    }
    for (from, to) in [(0, 31), (5, 20), (20, 5)] {
        let found = set.range(0, &key(from), &key(to));
        let found: Vec<_> = found.into_iter().map(|(k, p)| (k, p.row)).collect();
        let all = model.iter().filter(|(k, _)| **k >= key(from) && **k < key(to));
        let wanted: Vec<_> = all.map(|(k, r)| (k.clone(), r.clone())).collect();
        assert_eq!(found, wanted);
    }
}

proptest! {
    #[test]
    fn blocks_and_single_rows_are_one_set(steps in prop::collection::vec(step(), 0..40)) {
        let mut set = WriteSet::default();
        let mut model = Model::new();
        let mut saved: Option<Model> = None;
        for (at, step) in steps.into_iter().enumerate() {
            let row = Bytes::from(format!("row {at}"));
            match step {
                Step::Put(n, there) => {
                    let row = there.then_some(row);
                    model.insert(key(n), row.clone());
                    set.put(0, key(n), row, None, MUCH).expect("fits");
                }
                Step::Load(mut keys) => {
                    keys.retain(|n| !model.contains_key(&key(*n)));
                    keys.sort_unstable();
                    keys.dedup();
                    if keys.is_empty() {
                        continue;
                    }
                    model.extend(keys.iter().map(|n| (key(*n), Some(row.clone()))));
                    let text = std::str::from_utf8(&row).expect("text");
                    set.put_block(0, block(&keys, text), MUCH).expect("fits");
                }
                Step::Savepoint => {
                    saved = Some(model.clone());
                    set.savepoint("s");
                }
                Step::Rollback => {
                    if let Some(saved) = &saved {
                        model = saved.clone();
                        set.rollback_to("s").expect("set");
                    }
                }
            }
            check(&set, &model);
        }
        let Some(writes) = set.take().remove(&0) else { return Ok(()) };
        let (blocks, rows) = writes.into_parts();
        let mut all = Model::new();
        let rows = rows.into_iter().map(|(k, p)| (k, p.row));
        let ops: Vec<_> = blocks.iter().flat_map(Block::to_ops).collect();
        for (key, row) in ops.into_iter().map(|op| (op.key, op.row)).chain(rows) {
            prop_assert!(all.insert(key, row).is_none(), "each key once");
        }
        prop_assert_eq!(all, model);
        prop_assert!(blocks.windows(2).all(|w| w[0].last() < w[1].first()));
    }
}
