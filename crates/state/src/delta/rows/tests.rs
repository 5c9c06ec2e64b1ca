use super::*;
use crate::delta::{Generation, SLICE};
use base::StorageId;
use format::block::BlockBuilder;
use proptest::prelude::*;
use std::collections::VecDeque;

fn key(n: u8) -> Bytes {
    format::key::encode(StorageId::FIRST_USER, &[&base::Value::Int(n.into())])
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, bool),
    /// New rows: of those keys that have none now.
    Load(Vec<u8>),
    Cut(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40u8, any::<bool>()).prop_map(|(k, row)| Step::Put(k, row)),
        4 => prop::collection::vec(0..40u8, 1..9).prop_map(Step::Load),
        1 => (0..5u64).prop_map(Step::Cut),
    ]
}

/// All versions by key and timestamp.
type Model = BTreeMap<(Bytes, Timestamp), Option<Bytes>>;

fn row(n: u8, ts: u64) -> Bytes {
    format!("{n} at {ts}").into()
}

fn load(generation: &Generation, model: &mut Model, keys: Vec<u8>, ts: u64) {
    let taken = |k: &u8| {
        let mut all = model.range((key(*k), Timestamp::ZERO)..=(key(*k), Timestamp::MAX));
        all.next_back().is_some_and(|(_, row)| row.is_some())
    };
    let mut keys: Vec<u8> = keys.into_iter().filter(|k| !taken(k)).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut block = BlockBuilder::default();
    keys.iter().for_each(|k| block.push(&key(*k), &row(*k, ts)));
    model.extend(keys.iter().map(|k| ((key(*k), Timestamp(ts)), Some(row(*k, ts)))));
    if let Some(block) = block.finish() {
        generation.add_block(Timestamp(ts), Lsn(ts), block);
    }
}

fn check(generation: &Generation, model: &Model, now: u64) {
    for ts in (0..=now).map(Timestamp) {
        let at = |k: &Bytes| {
            let mut all = model.range((k.clone(), Timestamp::ZERO)..=(k.clone(), ts));
            all.next_back().map(|((_, at), row)| (*at, row.clone()))
        };
        for n in 0..42 {
            let got = generation.get(&key(n), ts).map(|v| (v.ts, v.row));
            assert_eq!(got, at(&key(n)), "key {n} at {ts}");
        }
    }
    for (from, to) in [(0, 41), (7, 23), (12, 13), (30, 12)] {
        let within: Model = match from < to {
            true => model.range((key(from), Timestamp::ZERO)..(key(to), Timestamp::ZERO)),
            false => model.range(..(Bytes::new(), Timestamp::ZERO)),
        }
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
        let mut all = Vec::new();
        let stretch = (Timestamp::ZERO, Timestamp::MAX);
        assert_eq!(generation.versions(&key(from), &key(to), stretch, &mut all), None);
        let mut wanted: Vec<_> = within.iter().map(|((k, ts), row)| (k, *ts, row)).collect();
        wanted.sort_by_key(|(k, ts, _)| (*k, std::cmp::Reverse(*ts)));
        let got: Vec<_> = all.iter().map(|(k, v)| (k, v.ts, &v.row)).collect();
        assert_eq!(got, wanted);
        assert_eq!(generation.touches(&key(from), &key(to)), !within.is_empty());
        let deletes = within.values().any(Option::is_none);
        assert_eq!(generation.deletes(&key(from), &key(to)), deletes);
        for since in (0..=now).map(Timestamp) {
            let newer = within.keys().any(|(_, ts)| *ts > since);
            let got = generation.newer(since, &key(from), &key(to));
            assert_eq!(got, std::ops::ControlFlow::Break(newer));
        }
    }
    let storages = if model.is_empty() { vec![] } else { vec![StorageId::FIRST_USER] };
    assert_eq!(generation.storages(), storages);
}

proptest! {
    #[test]
    fn blocks_and_single_versions_are_one_set_of_rows(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut generation = Generation::default();
        let mut model = Model::new();
        let mut now = 1;
        for step in steps {
            now += 1;
            match step {
                Step::Put(n, there) => {
                    let row = there.then(|| row(n, now));
                    model.insert((key(n), Timestamp(now)), row.clone());
                    let version = Version { ts: Timestamp(now), lsn: Lsn(now), row };
                    generation.add(std::iter::once((key(n), version)));
                }
                Step::Load(keys) => load(&generation, &mut model, keys, now),
                Step::Cut(back) => {
                    let cut = Timestamp(now.saturating_sub(back));
                    model.retain(|(_, ts), _| *ts <= cut);
                    generation.drop_above(cut);
                    // What a spill that failed does.
                    let again = Generation::default();
                    again.add_newer_of(&generation, Timestamp::ZERO);
                    prop_assert_eq!(again.bytes(), generation.bytes());
                    generation = again;
                }
            }
        }
        check(&generation, &model, now);
        generation.drop_above(Timestamp::ZERO);
        prop_assert_eq!((generation.bytes(), generation.keys()), (0, 0));
    }
}

#[test]
fn a_long_block_is_read_in_slices() {
    let rows = 3 * SLICE as u32 + 5;
    let mut block = BlockBuilder::default();
    (0..rows).for_each(|n| block.push(&n.to_be_bytes(), b"row"));
    let generation = Generation::default();
    generation.add_block(Timestamp(3), Lsn(1), block.finish().expect("has rows"));
    let (mut from, mut found) = (Some(Bytes::new()), Vec::new());
    let mut turns = 0;
    while let Some(start) = from {
        let all = (Timestamp::ZERO, Timestamp(9));
        let mut next = Vec::new();
        from = generation.versions(&start, &[0xff], all, &mut next);
        found.append(&mut next);
        turns += 1;
    }
    assert_eq!((found.len() as u32, turns), (rows, 4));
    assert!(found.iter().zip(0..rows).all(|((key, _), n)| key[..] == n.to_be_bytes()));
    let mut pieces = VecDeque::new();
    assert_eq!(generation.slice(b"", &[0xff], Timestamp(2), &mut pieces), None);
    assert!(pieces.is_empty(), "it was committed later");
    assert_eq!(generation.slice(b"", &[0xff], Timestamp(3), &mut pieces), None);
    assert_eq!(pieces.len(), 1, "the whole block as one");
}
