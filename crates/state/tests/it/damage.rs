//! Damaged and missing files are errors that name the file.

use crate::room::*;
use base::{Lsn, SqlState};
use env::{Env, sim};
use state::State;

fn written(env: &Env) -> State {
    let state = open(env).unwrap();
    let ops: Vec<_> = (0..100).map(|id| put(A, id, &format!("row {id}"), None)).collect();
    state.apply(ts(5), Lsn(5), &ops);
    spill(&state, 9, 0).unwrap();
    settle(&state);
    state.apply(ts(12), Lsn(12), &[put(A, 0, "later", None), put(A, 3, "later", None)]);
    spill_above(&state, 12, 9).unwrap();
    assert_eq!(state.stats().runs, 1);
    state
}

fn first_chunk(state: &State) -> String {
    state.manifest().chunks().next().unwrap().file.clone()
}

#[test]
fn every_damaged_byte_of_a_chunk_is_found() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let name = first_chunk(&written(&env));
        let path = dir().join(&name);
        let len = env.disk.read(&path).unwrap().len();
        for i in (0..len).step_by(7) {
            let file = env.disk.open(&path).unwrap();
            let mut byte = [0];
            file.read_at(&mut byte, i as u64).unwrap();
            file.write_at(&[byte[0] ^ 0x40], i as u64).unwrap();
            let state = open(&env).unwrap();
            let error = scan(&state, whole(A, 20)).unwrap_err();
            assert_eq!(error.state, SqlState::DATA_CORRUPTED);
            assert!(error.message.contains(&name), "{error}");
            assert!(state.get(&key_of(A, 0), ts(11)).is_err());
            assert!(state.get(&key_of(A, 0), ts(12)).is_ok(), "the run is not damaged");
            assert!(state.get(&key_of(A, 99), ts(20)).is_ok(), "other chunks can be read");
            assert!(state.merge(ts(12)).is_err(), "a merge does not pass over it");
            file.write_at(&byte, i as u64).unwrap();
        }
        assert_eq!(scan(&open(&env).unwrap(), whole(A, 20)).unwrap().len(), 100);
    });
}

#[test]
fn a_damaged_run_is_found() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let state = written(&env);
        let name = state.manifest().tables[0].runs[0].chunks[0].file.clone();
        let file = env.disk.open(&dir().join(&name)).unwrap();
        file.write_at(b"x", 20).unwrap();
        let state = open(&env).unwrap();
        for error in [
            scan(&state, whole(A, 20)).unwrap_err(),
            state.get(&key_of(A, 3), ts(20)).unwrap_err(),
            state.merge(ts(12)).unwrap_err(),
        ] {
            assert_eq!(error.state, SqlState::DATA_CORRUPTED);
            assert!(error.message.contains(&name), "{error}");
        }
        assert_eq!(scan(&state, whole(A, 9)).unwrap().len(), 100, "nothing in it is so old");
    });
}

#[test]
fn a_cut_chunk_is_found() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let name = first_chunk(&written(&env));
        env.disk.open(&dir().join(&name)).unwrap().set_len(100).unwrap();
        let error = scan(&open(&env).unwrap(), whole(A, 20)).unwrap_err();
        assert!(error.message.contains(&name), "{error}");
    });
}

#[test]
fn a_missing_chunk_is_found_at_once() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let name = first_chunk(&written(&env));
        env.disk.remove(&dir().join(&name)).unwrap();
        let error = open(&env).unwrap_err();
        assert!(error.message.contains(&name), "{error}");
    });
}

#[test]
fn a_damaged_manifest_is_never_passed_over() {
    sim::run(1, |world| async move {
        let env = world.node().env();
        let seq = written(&env).manifest().seq;
        let path = dir().join(format!("manifest-{seq}"));
        env.disk.open(&path).unwrap().write_at(b"x", 30).unwrap();
        let error = open(&env).unwrap_err();
        assert!(error.message.contains(&format!("manifest-{seq}")), "{error}");
    });
}
