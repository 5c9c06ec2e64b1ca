//! Power loss and full disks in the middle of a spill or a merge.

use crate::room::*;
use base::{Lsn, SqlState};
use env::{Env, sim};
use format::Op;
use state::State;

fn history() -> Vec<(u64, Vec<Op>)> {
    let mut log = Vec::new();
    for n in 1..=20u64 {
        let id = n as i64;
        let mut ops = vec![put(A, id * 3, &format!("first {n}"), None)];
        ops.push(put(B, id, "b", Some(1)));
        if n > 10 {
            ops.push(put(A, (id - 10) * 3, &format!("second {n}"), Some(n as i64)));
            ops.push(delete(B, id - 10));
        }
        log.push((n * 10, ops));
    }
    log
}

fn replay(env: &Env) -> State {
    let state = open(env).unwrap();
    let from = state.manifest().replay_from;
    for (at, ops) in history().iter().filter(|(at, _)| Lsn(*at) >= from) {
        state.apply(ts(*at), Lsn(*at), ops);
    }
    state
}

fn everything(state: &State) -> (Rows, Rows) {
    (scan(state, whole(A, 200)).unwrap(), scan(state, whole(B, 200)).unwrap())
}

#[test]
fn a_crash_at_any_point_of_a_spill_loses_nothing() {
    let expected = sim::run(0, |world| async move { everything(&replay(&world.node().env())) });
    for point in 0.. {
        let ended = (0..12).map(|seed| crashed_at(point, seed, &expected)).filter(|d| *d).count();
        if ended == 12 {
            assert!(point > 10, "a spill changes the disk more often than {point} times");
            return;
        }
    }
}

/// A power loss in the disk change with this number; true if the spill was over before it.
fn crashed_at(point: u64, seed: u64, expected: &(Rows, Rows)) -> bool {
    sim::run(seed * 1000 + point, |world| async move {
        let node = world.node();
        let state = replay(&node.env());
        spill(&state, 100, 0).unwrap();
        node.crash_after(point);
        let done = spill(&state, 180, 0).is_ok();
        let ended = done && node.is_alive();
        node.crash();
        let env = node.restart();
        let state = replay(&env);
        let at = state.manifest().ts;
        assert!(at == ts(180) || (at == ts(100) && !done), "point {point}: {at}");
        assert_eq!(&everything(&state), expected, "point {point}");
        spill(&state, 200, 1000).unwrap();
        assert_eq!(&everything(&state), expected, "point {point}");
        let chunks = state.manifest().chunks().count();
        assert_eq!(files(&env).len(), chunks + 1, "point {point}: {:?}", files(&env));
        ended
    })
}

#[test]
fn a_crash_at_any_point_of_a_merge_loses_nothing() {
    let expected = sim::run(0, |world| async move { everything(&replay(&world.node().env())) });
    for point in 0.. {
        let ended = (0..3).filter(|seed| crashed_in_merge(point, *seed, &expected)).count();
        if ended == 3 {
            assert!(point > 10, "merges change the disk more often than {point} times");
            return;
        }
    }
}

/// As [`crashed_at`], while runs are joined and then merged into the base.
fn crashed_in_merge(point: u64, seed: u64, expected: &(Rows, Rows)) -> bool {
    sim::run(seed * 1000 + point, |world| async move {
        let node = world.node();
        let state = replay(&node.env());
        for at in [50, 100, 150, 180] {
            spill_above(&state, at, 20).unwrap();
        }
        node.crash_after(point);
        let merged = |horizon| -> base::Result<()> {
            while state.merge(ts(horizon))? {}
            Ok(())
        };
        let done = merged(20).is_ok() && merged(180).is_ok();
        let ended = done && node.is_alive();
        node.crash();
        let env = node.restart();
        let state = replay(&env);
        assert_eq!(state.manifest().ts, ts(180), "point {point}");
        assert_eq!(&everything(&state), expected, "point {point}");
        spill(&state, 200, 1000).unwrap();
        settle(&state);
        assert_eq!(&everything(&state), expected, "point {point}");
        let chunks = state.manifest().chunks().count();
        assert_eq!(files(&env).len(), chunks + 1, "point {point}: {:?}", files(&env));
        ended
    })
}

/// A killed process leaves removals behind that are not durable: who opens the folder next must
/// not take chunks away that a manifest needs which may come back.
#[test]
fn a_power_loss_while_opening_after_a_kill_loses_nothing() {
    let expected = sim::run(0, |world| async move { everything(&replay(&world.node().env())) });
    for point in 0..40 {
        for later in 0..8 {
            for seed in 0..3 {
                killed_then_crashed(point, later, seed, &expected);
            }
        }
    }
}

fn killed_then_crashed(point: u64, later: u64, seed: u64, expected: &(Rows, Rows)) {
    sim::run(seed * 100_000 + point * 100 + later, |world| async move {
        let node = world.node();
        let state = replay(&node.env());
        for at in [50, 100, 150, 180] {
            spill_above(&state, at, 20).unwrap();
        }
        node.kill_after(point);
        let mut merging = true;
        while merging {
            merging = state.merge(ts(180)).unwrap_or_default();
        }
        node.kill();
        let env = node.restart();
        node.crash_after(later);
        let _ = open(&env);
        node.crash();
        let state = replay(&node.restart());
        assert_eq!(&everything(&state), expected, "killed at {point}, crashed at {later}");
    });
}

#[test]
fn a_full_disk_fails_the_merge_and_nothing_else() {
    let expected = sim::run(0, |world| async move { everything(&replay(&world.node().env())) });
    sim::run(3, |world| async move {
        let node = world.node();
        let state = replay(&node.env());
        for at in [50, 100, 150, 180] {
            spill_above(&state, at, at).unwrap();
        }
        let used = node.used_bytes();
        node.set_capacity(Some(used + 700));
        let error = state.merge(ts(180)).unwrap_err();
        assert_eq!(error.state, SqlState::DISK_FULL, "{error}");
        assert_eq!(node.used_bytes(), used, "what was half written is gone");
        assert_eq!(everything(&state), expected);
        node.set_capacity(None);
        settle(&state);
        assert_eq!(everything(&state), expected);
        assert_eq!(state.stats().runs, 0);
    });
}

#[test]
fn a_crash_while_opening_a_new_folder_is_harmless() {
    for seed in 0..40 {
        sim::run(seed, |world| async move {
            let node = world.node();
            node.crash_after(seed / 4);
            let _ = open(&node.env());
            node.crash();
            assert_eq!(open(&node.restart()).unwrap().manifest().replay_from, Lsn(1));
        });
    }
}

#[test]
fn a_full_disk_fails_the_spill_and_nothing_else() {
    let expected = sim::run(0, |world| async move { everything(&replay(&world.node().env())) });
    sim::run(3, |world| async move {
        let node = world.node();
        let state = replay(&node.env());
        spill(&state, 100, 0).unwrap();
        let used = node.used_bytes();
        node.set_capacity(Some(used + 3000));
        let error = spill(&state, 180, 0).unwrap_err();
        assert_eq!(error.state, SqlState::DISK_FULL, "{error}");
        assert_eq!(node.used_bytes(), used, "what was half written is gone");
        assert_eq!(everything(&state), expected);
        state.apply(ts(210), Lsn(210), &[delete(A, 3)]);
        node.set_capacity(None);
        spill(&state, 200, 0).unwrap();
        assert_eq!(everything(&state), expected);
        assert!(state.newest(&key_of(A, 3)).unwrap().unwrap().row.is_none());
    });
}
