//! Rows that are loaded in the order of their keys while the past is kept readable.

use crate::room::*;
use base::Lsn;
use env::sim;
use state::{PageCache, Settings, State};

/// Loads rows `ids` at a time and spills them; nothing may go that was there at time 1.
fn load(state: &State, at: u64, ids: std::ops::Range<i64>) {
    let ops: Vec<_> = ids.map(|id| put(A, id, &format!("row number {id}"), Some(id))).collect();
    state.apply(ts(at), Lsn(at), &ops);
    spill_above(state, at, 1).unwrap();
    while state.merge(ts(1)).unwrap() {}
}

#[test]
fn they_are_not_written_again_and_the_past_stays() {
    sim::run(51, |world| async move {
        let state = open(&world.node().env()).unwrap();
        for n in 1..=30 {
            load(&state, n as u64, (n - 1) * 200..n * 200);
        }
        let stats = state.stats();
        assert!(stats.runs_deepest <= small().runs_max, "{stats:?}");
        assert!(stats.merged_bytes < stats.spilled_bytes / 2, "{stats:?}");
        for n in [1, 2, 7, 15, 29, 30] {
            let rows = scan(&state, whole(A, n)).unwrap();
            assert_eq!(rows.len() as u64, 200 * n);
            let last = key_of(A, 200 * n as i64 - 1);
            assert!(state.get(&last, ts(n)).unwrap().is_some());
            assert!(state.get(&last, ts(n - 1)).map_or(true, |v| v.is_none()));
        }
    });
}

#[test]
fn files_among_which_others_lie_are_joined_around_them() {
    sim::run(52, |world| async move {
        let state = open(&world.node().env()).unwrap();
        // Every load has a stretch of its own, and two rows that all of them change.
        for n in 1..=20_i64 {
            let own = (n * 1_000..n * 1_000 + 150).chain([0, 90_000]);
            let ops: Vec<_> = own.map(|id| put(A, id, &format!("{id} at {n}"), None)).collect();
            state.apply(ts(n as u64), Lsn(n as u64), &ops);
            spill_above(&state, n as u64, 1).unwrap();
            while state.merge(ts(1)).unwrap() {}
        }
        for layer in &state.manifest().table(A).unwrap().runs {
            let overlap = layer.chunks.windows(2).any(|w| w[0].max_key >= w[1].min_key);
            assert!(!overlap, "{layer:?}");
        }
        for n in 1..=20 {
            assert_eq!(scan(&state, whole(A, n)).unwrap().len() as u64, 150 * n + 2);
            for id in [0, 90_000] {
                assert_eq!(state.get(&key_of(A, id), ts(n)).unwrap().unwrap().ts, ts(n));
            }
        }
    });
}

#[test]
fn all_versions_of_a_small_space_are_told() {
    sim::run(53, |world| async move {
        let state = open(&world.node().env()).unwrap();
        for n in [3, 5, 8, 12] {
            state.apply(ts(n), Lsn(n), &[put(A, 1, &n.to_string(), None)]);
            spill_above(&state, n, 1).unwrap();
        }
        state.apply(ts(14), Lsn(14), &[delete(A, 1), put(A, 2, "x", None)]);
        let told = |since| {
            let mut all: Vec<_> = state.versions(A, ts(since)).unwrap();
            all.sort_by_key(|(key, v)| (v.ts, key.clone()));
            all.iter().map(|(_, v)| (v.ts.0, v.row.is_some())).collect::<Vec<_>>()
        };
        let newest = [(14, false), (14, true)];
        assert_eq!(told(12), newest);
        assert_eq!(told(4), [&[(5, true), (8, true), (12, true)][..], &newest].concat());
        while state.merge(ts(8)).unwrap() {}
        assert_eq!(told(8), [&[(12, true)][..], &newest].concat());
    });
}

#[test]
fn the_indexes_of_chunks_are_part_of_what_the_cache_may_hold() {
    sim::run(54, |world| async move {
        let env = world.node().env();
        let cache = PageCache::new(60_000);
        let state = State::open(&env, dir(), cache.clone(), small()).unwrap();
        for n in 1..=30 {
            load(&state, n as u64, (n - 1) * 200..n * 200);
        }
        assert!(state.stats().chunks > 100, "{:?}", state.stats());
        for round in 0..3 {
            for id in (0..6_000).step_by(37) {
                let found = state.get(&key_of(A, id), ts(99)).unwrap();
                assert!(found.is_some_and(|v| v.row.is_some()), "row {id} in round {round}");
                assert!(cache.bytes() <= 60_000);
            }
            assert_eq!(scan(&state, whole(A, 99)).unwrap().len(), 6_000);
        }
        let stats = cache.stats();
        assert!(stats.index_bytes > 0 && stats.index_bytes <= stats.bytes, "{stats:?}");
        let hot = |state: &State| state.get(&key_of(A, 7), ts(99)).unwrap().unwrap();
        hot(&state);
        let before = cache.stats();
        hot(&state);
        assert_eq!(cache.stats().misses, before.misses);
        assert!(cache.stats().hits > before.hits);
    });
}

#[test]
fn a_read_of_one_wide_row_decodes_few_others() {
    sim::run(55, |world| async move {
        let cache = PageCache::new(64 << 20);
        let env = world.node().env();
        let state = State::open(&env, dir(), cache.clone(), Settings::default()).unwrap();
        let text = |id: i64| format!("{id:02000}");
        let ops: Vec<_> = (0..2_000).map(|id| put(A, id, &text(id), None)).collect();
        state.apply(ts(1), Lsn(1), &ops);
        spill(&state, 1, 1).unwrap();
        let row = state.get(&key_of(A, 999), ts(1)).unwrap().unwrap().row.unwrap();
        assert!(row.windows(2_000).any(|bytes| bytes == text(999).as_bytes()));
        let stats = cache.stats();
        let pages = stats.bytes - stats.index_bytes;
        assert!(pages < 256 << 10, "one of 4 MB took {pages} bytes");
    });
}
