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
            assert!(state.get(&key_of(A, 0), ts(20)).is_err());
            assert!(state.get(&key_of(A, 99), ts(20)).is_ok(), "other chunks can be read");
            state.apply(ts(21), Lsn(21), &[put(A, 0, "x", None)]);
            assert!(spill(&state, 21, 0).is_err(), "a spill does not pass over it");
            file.write_at(&byte, i as u64).unwrap();
        }
        assert_eq!(scan(&open(&env).unwrap(), whole(A, 20)).unwrap().len(), 100);
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
