//! Which manifests are kept, going back to an older one, and bases for other copies.

use crate::room::*;
use base::Lsn;
use env::sim;
use state::{PageCache, State};
use std::path::Path;

fn kept(state: &State) -> Vec<u64> {
    state.manifests().iter().map(|m| m.ts.0).collect()
}

#[test]
fn the_newest_and_the_newest_needed_are_kept() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let state = open(&env).unwrap();
        for at in [10, 20, 30] {
            state.apply(ts(at), Lsn(at), &[put(A, at as i64, "x", None)]);
            spill(&state, at, 5).unwrap();
            assert_eq!(kept(&state), [0, at], "the log from the start is still wanted");
        }
        spill(&state, 40, 32).unwrap();
        assert_eq!(kept(&state), [30, 40]);
        assert_eq!(kept(&open(&env).unwrap()), [30, 40]);
        spill(&state, 40, 40).unwrap();
        assert_eq!(kept(&state), [40], "nothing to spill, but less to keep");
        spill(&state, 39, 40).unwrap();
        assert_eq!(kept(&state), [40]);
    });
}

#[test]
fn going_back_to_an_older_manifest() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let state = open(&env).unwrap();
        state.apply(ts(10), Lsn(1), &[put(A, 1, "old", None)]);
        spill(&state, 10, 0).unwrap();
        state.apply(ts(20), Lsn(2), &[put(A, 1, "new", None)]);
        spill(&state, 20, 10).unwrap();
        state.apply(ts(30), Lsn(3), &[put(A, 2, "newer", None)]);
        while state.merge(ts(20)).unwrap() {}
        assert_eq!(kept(&state), [10, 20], "a merge takes the place of what it merged");
        assert!(!state.drop_manifests_above(ts(25)).unwrap(), "nothing is above");
        assert!(state.newest(&key_of(A, 2)).unwrap().is_some());
        assert!(state.drop_manifests_above(ts(15)).unwrap());
        for state in [state.clone(), open(&env).unwrap()] {
            assert_eq!(kept(&state), [10]);
            assert_eq!(state.manifest().replay_from, Lsn(11));
            assert_eq!(state.newest(&key_of(A, 1)).unwrap().unwrap().ts, ts(10));
            assert_eq!(state.newest(&key_of(A, 2)).unwrap(), None);
        }
        assert!(state.drop_manifests_above(ts(9)).is_err(), "none would be left");
        assert_eq!(kept(&state), [10]);
        state.apply(ts(15), Lsn(9), &[put(A, 3, "other", None)]);
        spill(&state, 15, 20).unwrap();
        assert_eq!(scan(&open(&env).unwrap(), whole(A, 15)).unwrap().len(), 2);
    });
}

#[test]
fn a_pinned_base_is_copied_and_installed() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let state = open(&env).unwrap();
        let ops: Vec<_> = (0..50).map(|id| put(A, id, "pinned", None)).collect();
        state.apply(ts(10), Lsn(1), &ops);
        spill(&state, 10, 0).unwrap();
        state.apply(ts(12), Lsn(2), &[put(A, 7, "later", None), delete(A, 8)]);
        spill_above(&state, 12, 10).unwrap();
        let pin = state.pin_base();
        assert_eq!(pin.manifest.tables[0].runs.len(), 2, "runs travel, too");
        let gone: Vec<_> = (0..50).map(|id| delete(A, id)).collect();
        state.apply(ts(20), Lsn(2), &gone);
        spill(&state, 20, 20).unwrap();
        settle(&state);
        assert!(state.manifest().tables.is_empty());

        let other = world.node().env();
        let target = Path::new("/data/db/9/0");
        other.disk.create_dir(target).unwrap();
        let (first, rest) = pin.files.split_first().unwrap();
        for file in rest {
            copy(&env, &other, &pin.dir.join(file), &target.join(file));
        }
        assert!(State::install_base(&other, target, &pin.manifest).is_err(), "one is missing");
        copy(&env, &other, &pin.dir.join(first), &target.join(first));
        State::install_base(&other, target, &pin.manifest).unwrap();
        State::install_base(&other, target, &pin.manifest).unwrap();
        let open_other =
            || State::open(&other, target.into(), PageCache::new(1000), small()).unwrap();
        assert_eq!(scan(&open_other(), whole(A, 10)).unwrap().len(), 50);
        assert_eq!(scan(&open_other(), whole(A, 12)).unwrap().len(), 49);
        let copy = open_other();
        copy.apply(ts(15), Lsn(3), &[delete(A, 1)]);
        spill(&copy, 15, 15).unwrap();
        assert!(State::install_base(&other, target, &pin.manifest).is_err(), "it has moved on");

        assert!(pin.files.iter().all(|f| files(&env).contains(f)));
        drop(pin);
        spill(&state, 30, 30).unwrap();
        assert_eq!(files(&env).len(), 1, "{:?}", files(&env));
    });
}

fn copy(from: &env::Env, to: &env::Env, source: &Path, target: &Path) {
    let bytes = from.disk.read(source).unwrap();
    to.disk.create(target).unwrap().write_at(&bytes, 0).unwrap();
}
