//! Branches: the same rows at the same times, from files that neither side can take from the other.

use crate::room::*;
use base::{Epoch, Result, SqlState};
use env::{Env, sim};
use state::{BranchRequest, PageCache, State};
use std::path::{Path, PathBuf};

fn elsewhere() -> PathBuf {
    PathBuf::from("/data/db/2/0")
}

fn branch(state: &State, at: u64) -> Result<(u64, u64)> {
    state.branch(&BranchRequest {
        at: ts(at),
        dir: &elsewhere(),
        epoch: Epoch::default(),
        layouts: &|_| Some(layout()),
    })
}

fn open_branch(env: &Env) -> Result<State> {
    State::open(env, elsewhere(), PageCache::new(1 << 20), small())
}

/// Rows that come, change and go at every time up to 40; a spill at every fifth one up to 30, with the
/// past readable from 10 on.
fn lively(env: &Env) -> State {
    let state = open(env).unwrap();
    for n in 1..=40_u64 {
        let id = n as i64;
        let mut ops = vec![put(A, id, &format!("new {n}"), None), put(B, id % 7, "b", Some(id))];
        ops.push(put(A, id / 2, &format!("again {n}"), Some(id)));
        if n % 3 == 0 {
            ops.push(delete(A, id - 2));
            ops.push(delete(B, (id + 3) % 7));
        }
        state.apply(ts(n), base::Lsn(n), &ops);
        if n % 5 == 0 && n <= 30 {
            spill_above(&state, n, n.min(10)).unwrap();
            while state.merge(ts(n.min(10))).unwrap() {}
        }
    }
    state
}

fn rows(state: &State, at: u64) -> (Rows, Rows) {
    (scan(state, whole(A, at)).unwrap(), scan(state, whole(B, at)).unwrap())
}

#[test]
fn a_branch_shows_what_was_up_to_its_time_and_nothing_later() {
    for at in 10..=40 {
        sim::run(at, |world| async move {
            let env = world.node().env();
            let state = lively(&env);
            branch(&state, at).unwrap();
            let made = open_branch(&env).unwrap();
            assert_eq!(made.manifest().ts, ts(at));
            for then in 10..=at {
                assert_eq!(rows(&made, then), rows(&state, then), "branch at {at}, read at {then}");
            }
            assert_eq!(rows(&made, 1_000), rows(&state, at), "branch at {at}: nothing is above it");
            let gone = made.get(&key_of(A, 1), ts(9)).unwrap_err();
            assert_eq!(gone.state, SqlState::SNAPSHOT_TOO_OLD);
        });
    }
}

#[test]
fn both_sides_go_on_and_neither_misses_a_file_of_the_other() {
    sim::run(1, |world| async move {
        let node = world.node();
        let env = node.env();
        let state = lively(&env);
        let before = node.used_bytes();
        let (shared, written) = branch(&state, 33).unwrap();
        assert!(shared > 0 && written > 0);
        // Nothing but the rows since the last spill, and a manifest.
        assert!(node.used_bytes() < before + written + 2_000, "files are shared");
        let then = rows(&state, 33);
        let made = open_branch(&env).unwrap();
        // The source rewrites everything and goes.
        for n in 41..=60_u64 {
            let ops: Vec<_> = (0..40).map(|id| put(A, id, &format!("late {n}"), None)).collect();
            state.apply(ts(n), base::Lsn(n), &ops);
            spill(&state, n, 0).unwrap();
        }
        settle(&state);
        assert_eq!(rows(&made, 33), then);
        state.close();
        drop(state);
        env.disk.remove_dir(&dir()).unwrap();
        assert_eq!(rows(&made, 33), then);
        // The branch has a life of its own, over a power loss too.
        for n in 41..=60_u64 {
            made.apply(ts(n), base::Lsn(n), &[put(A, n as i64, "own", None)]);
            spill(&made, n, 0).unwrap();
            settle(&made);
        }
        let own = rows(&made, 60);
        assert_eq!(own.0.len(), then.0.len() + 20);
        drop(made);
        node.crash();
        let env = node.restart();
        let made = open_branch(&env).unwrap();
        assert_eq!(rows(&made, 60), own);
        let chunks = made.manifest().chunks().count();
        assert_eq!(env.disk.list(&elsewhere()).unwrap().len(), chunks + 1);
    });
}

#[test]
fn where_files_cannot_have_two_names_they_are_copied() {
    sim::run(2, |world| async move {
        let node = world.node();
        let env = node.env();
        let state = lively(&env);
        node.fail_links(true);
        let before = node.used_bytes();
        let (shared, _) = branch(&state, 33).unwrap();
        assert!(node.used_bytes() >= before + shared);
        let then = rows(&state, 33);
        drop(state);
        env.disk.remove_dir(&dir()).unwrap();
        assert_eq!(rows(&open_branch(&env).unwrap(), 33), then);
    });
}

#[test]
fn a_power_loss_leaves_a_whole_branch_or_none() {
    let mut whole = 0;
    for point in 0..200 {
        let ended = sim::run(point, |world| async move {
            let node = world.node();
            let env = node.env();
            let state = lively(&env);
            let then = rows(&state, 33);
            node.crash_after(point);
            let done = branch(&state, 33).is_ok() && node.is_alive();
            node.crash();
            let env = node.restart();
            let is_manifest = |name: &String| {
                name.strip_prefix("manifest-").is_some_and(|seq| seq.parse::<u64>().is_ok())
            };
            let names = env.disk.list(&elsewhere()).unwrap_or_default();
            if names.iter().any(is_manifest) {
                assert_eq!(rows(&open_branch(&env).unwrap(), 33), then, "point {point}");
            } else {
                assert!(!done, "point {point}");
                env.disk.remove_dir(&elsewhere()).unwrap();
            }
            let state = open(&env).unwrap();
            assert_eq!(state.manifest().ts, ts(30), "the source is what it was");
            rows(&state, 30);
            done
        });
        whole += u64::from(ended);
        if whole == 3 {
            assert!(point > 5, "a branch changes the disk more often than {point} times");
            return;
        }
    }
    panic!("a branch never came to an end");
}

#[test]
fn a_folder_that_is_a_partition_is_not_made_another() {
    sim::run(3, |world| async move {
        let state = lively(&world.node().env());
        branch(&state, 33).unwrap();
        let refused = branch(&state, 34).unwrap_err();
        assert_eq!(refused.state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        let refused = state.branch(&BranchRequest {
            at: ts(9),
            dir: Path::new("/data/db/3/0"),
            epoch: Epoch::default(),
            layouts: &|_| Some(layout()),
        });
        assert_eq!(refused.unwrap_err().state, SqlState::SNAPSHOT_TOO_OLD);
    });
}
