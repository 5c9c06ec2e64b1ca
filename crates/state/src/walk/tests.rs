use super::*;
use base::Lsn;
use format::block::BlockBuilder;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Write {
    Row(u8, bool),
    Block(Vec<u8>),
}

fn write() -> impl Strategy<Value = (bool, Write)> {
    let what = prop_oneof![
        2 => (0..60u8, any::<bool>()).prop_map(|(key, there)| Write::Row(key, there)),
        3 => prop::collection::vec(0..60u8, 1..20).prop_map(Write::Block),
    ];
    (any::<bool>(), what)
}

fn row(key: u8, ts: u64) -> Bytes {
    format!("{key} at {ts}").into()
}

/// What each key has at each time.
type Model = BTreeMap<u8, BTreeMap<u64, Option<Bytes>>>;

fn put(generation: &Generation, model: &mut Model, ts: u64, write: Write) {
    let at = (Timestamp(ts), Lsn(ts));
    match write {
        Write::Row(key, there) => {
            let row = there.then(|| row(key, ts));
            model.entry(key).or_default().insert(ts, row.clone());
            let version = Version { ts: at.0, lsn: at.1, row };
            generation.add(std::iter::once((Bytes::from(vec![key]), version)));
        }
        Write::Block(mut keys) => {
            keys.sort_unstable();
            keys.dedup();
            let mut block = BlockBuilder::default();
            for key in keys {
                block.push(&[key], &row(key, ts));
                model.entry(key).or_default().insert(ts, Some(row(key, ts)));
            }
            generation.add_block(at.0, at.1, block.finish().expect("has rows"));
        }
    }
}

fn by_pieces(mut walk: Walk, rows: usize) -> Vec<(Bytes, Version)> {
    let mut found = Vec::new();
    while let Some(piece) = walk.next_piece(rows, 1 << 20) {
        match piece {
            Piece::Row(key, version) => found.push((key, version)),
            Piece::Rows(stretch) => {
                assert!((1..=rows).contains(&stretch.places.len()));
                let mut rest = Some(stretch);
                while let Some(stretch) = rest {
                    let (one, more) = stretch.split(0);
                    found.push(one.first());
                    rest = more;
                }
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn whole_stretches_show_what_single_keys_show(
        writes in prop::collection::vec(write(), 0..12),
        rows in 1..30usize,
        (from, to) in (0..60u8, 0..62u8),
    ) {
        let sides = [Arc::new(Generation::default()), Arc::new(Generation::default())];
        let mut model = Model::new();
        let last = writes.len() as u64 + 1;
        for (ts, (side, write)) in (1..).zip(writes) {
            put(&sides[usize::from(side)], &mut model, ts, write);
        }
        for ts in 0..=last {
            let walk = || {
                let (from, to) = (vec![from].into(), vec![to].into());
                Walk::new(sides.iter().cloned(), from, to, Timestamp(ts))
            };
            let shown = model.range(from..to.max(from)).filter_map(|(key, versions)| {
                let (at, row) = versions.range(..=ts).next_back()?;
                let version = Version { ts: Timestamp(*at), lsn: Lsn(*at), row: row.clone() };
                Some((Bytes::from(vec![*key]), version))
            });
            let shown: Vec<_> = shown.collect();
            prop_assert_eq!(&walk().collect::<Vec<_>>(), &shown);
            prop_assert_eq!(by_pieces(walk(), rows), shown);
        }
    }
}
