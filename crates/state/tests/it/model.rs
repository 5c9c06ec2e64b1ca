//! Random histories against a map: reads of the past, scans that outlive spills and merges,
//! restarts.

use crate::room::*;
use base::{Lsn, StorageId, Timestamp, Value};
use bytes::Bytes;
use env::{Env, sim};
use format::{Op, key, row};
use proptest::collection::vec;
use proptest::prelude::*;
use state::{Scan, ScanSpec, State};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    /// One transaction: (second key space?, id, None = delete, Some(added column?)).
    Apply(Vec<(bool, i64, Option<bool>)>),
    /// Spill at a share of the way from the last spill to now, with a horizon at a share of the
    /// way from the last one to there.
    Spill(u8, u8),
    /// Merge so often at most, with a horizon at a share of the way from the last one.
    Merge(u8, u8),
    /// Read everything at a share of the way from the horizon to now, in a range of ids.
    Check(u8, i64, i64),
    /// Begin a scan and finish it some steps later.
    Hold,
    Release,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    // Some rows are hot: their versions fill pages and row groups.
    let id = prop_oneof![3 => 0..60i64, 1 => 0..3i64];
    let change = (any::<bool>(), id, prop::option::weighted(0.7, any::<bool>()));
    prop_oneof![
        6 => vec(change, 1..12).prop_map(Step::Apply),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(at, horizon)| Step::Spill(at, horizon)),
        2 => (1..4u8, any::<u8>()).prop_map(|(times, horizon)| Step::Merge(times, horizon)),
        3 => (any::<u8>(), -1..60i64, 0..62i64).prop_map(|(a, b, c)| Step::Check(a, b, c)),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::Restart),
    ]
}

fn between(from: u64, to: u64, share: u8) -> u64 {
    from + (to - from) * u64::from(share) / 255
}

type Versions = BTreeMap<Bytes, Vec<(u64, Option<Bytes>)>>;

struct Model {
    now: u64,
    spilled: u64,
    horizon: u64,
    log: Vec<(u64, Vec<Op>)>,
    versions: Versions,
}

impl Model {
    fn apply(&mut self, ops: Vec<Op>) {
        self.now += 2;
        for op in &ops {
            let versions = self.versions.entry(op.key.clone()).or_default();
            versions.retain(|v| v.0 != self.now);
            versions.push((self.now, op.row.clone()));
        }
        self.log.push((self.now, ops));
    }

    fn get(&self, key: &[u8], at: u64) -> Option<(u64, Option<Bytes>)> {
        self.versions.get(key)?.iter().rev().find(|v| v.0 <= at).cloned()
    }

    fn rows(&self, start: &Bytes, end: &Bytes, at: u64) -> Rows {
        let range = self.versions.range(start.clone()..end.clone());
        let live = range.filter_map(|(key, _)| match self.get(key, at) {
            Some((ts, Some(row))) => Some((key.clone(), (ts, shown(&row)))),
            _ => None,
        });
        live.collect()
    }
}

/// A stored row in the columns of the layout.
fn shown(bytes: &[u8]) -> Vec<Value> {
    let row = row::decode(bytes).unwrap();
    let value =
        |id: u32, missing: Value| row.iter().find(|c| c.0 == id).map_or(missing, |c| c.1.clone());
    vec![value(2, Value::Null), value(1, Value::Null), value(3, ADDED)]
}

fn check(model: &Model, state: &State, at: u64, from: i64, to: i64) {
    for storage in [A, B] {
        let (start, end) = (key_of(storage, from.min(to)), key_of(storage, from.max(to)));
        let spec = ScanSpec { start: start.clone(), end: end.clone(), ..whole(storage, at) };
        assert_eq!(scan(state, spec).unwrap(), model.rows(&start, &end, at), "at {at}");
        let mut versions = model.versions.range(start.clone()..end.clone()).flat_map(|(_, v)| v);
        let newer = versions.any(|v| v.0 > at);
        assert_eq!(state.changed_since(ts(at), &start, &end).unwrap(), newer, "since {at}");
        for id in -1..61 {
            let key = key_of(storage, id);
            let found = state.get(&key, ts(at)).unwrap().and_then(|v| Some((v.ts.0, v.row?)));
            let expected = model.get(&key, at).and_then(|(ts, row)| Some((ts, row?)));
            assert_eq!(
                found.map(|(ts, row)| (ts, shown(&row))),
                expected.map(|(ts, row)| (ts, shown(&row))),
                "key {id} at {at}"
            );
        }
        check_shapes(
            state,
            storage,
            at,
            &model.rows(&key::range(storage).0, &key::range(storage).1, at),
        );
    }
}

/// Without any column, and with a limit.
fn check_shapes(state: &State, storage: StorageId, at: u64, all: &Rows) {
    let count = ScanSpec { columns: Vec::new(), with_key: false, ..whole(storage, at) };
    let batches = state.scan(count).unwrap();
    assert_eq!(batches.map(|b| b.unwrap().num_rows()).sum::<usize>(), all.len());
    let first = ScanSpec { limit: Some(7), ..whole(storage, at) };
    let some = scan(state, first).unwrap();
    assert_eq!(some.len(), all.len().min(7));
    assert!(some.iter().all(|(k, v)| all.get(k) == Some(v)));
}

fn replay(env: &Env, model: &Model) -> State {
    let state = open(env).unwrap();
    for (at, ops) in &model.log {
        state.apply(ts(*at), Lsn(*at), ops);
    }
    state
}

fn run(env: &Env, steps: Vec<Step>) {
    let mut model =
        Model { now: 10, spilled: 0, horizon: 0, log: vec![], versions: Versions::new() };
    let mut state = open(env).unwrap();
    let mut held: Vec<(Scan, Rows)> = Vec::new();
    for step in steps {
        match step {
            Step::Apply(changes) => {
                let ops = changes.into_iter().map(|(second, id, change)| {
                    let storage = if second { B } else { A };
                    match change {
                        None => delete(storage, id),
                        Some(added) => {
                            let text = format!("{id} at {}", model.now);
                            put(storage, id, &text, added.then_some(id * 2))
                        }
                    }
                });
                let ops: Vec<Op> = ops.collect();
                model.apply(ops.clone());
                state.apply(ts(model.now), Lsn(model.now), &ops);
            }
            Step::Spill(share, old) => {
                let at = between(model.spilled, model.now, share);
                model.horizon = between(model.horizon, at, old);
                spill_above(&state, at, model.horizon).unwrap();
                model.spilled = at;
                assert_eq!(state.manifest().ts, Timestamp(at));
                let deepest = state.manifest().tables.iter().map(|t| t.runs.len()).max();
                assert!(deepest.unwrap_or(0) <= small().runs_max);
            }
            Step::Merge(times, old) => {
                model.horizon = between(model.horizon, model.spilled, old);
                for _ in 0..times {
                    state.merge(Timestamp(model.horizon)).unwrap();
                }
            }
            Step::Check(share, from, to) => {
                check(&model, &state, between(model.horizon, model.now, share), from, to);
            }
            Step::Hold => {
                let (start, end) = key::range(A);
                let rows = model.rows(&start, &end, model.now);
                held.push((state.scan(whole(A, model.now)).unwrap(), rows));
            }
            Step::Release => {
                for (scan, rows) in held.drain(..) {
                    assert_eq!(collect(scan).unwrap(), rows);
                }
            }
            Step::Restart => {
                held.clear();
                state = replay(env, &model);
            }
        }
    }
    for (scan, rows) in held {
        assert_eq!(collect(scan).unwrap(), rows);
    }
    check(&model, &state, model.horizon, -1, 61);
    check(&model, &state, model.now, -1, 61);
    let newest = model.horizon.max(model.spilled);
    while state.merge(Timestamp(newest)).unwrap() {}
    check(&model, &state, newest, -1, 61);
    check(&model, &state, model.now, -1, 61);
    drop(state);
    let named = open(env).unwrap().manifest().chunks().count();
    assert_eq!(files(env).len(), named + 1, "files are left over: {:?}", files(env));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn random_histories(steps in vec(step(), 1..40), seed in any::<u64>()) {
        sim::run(seed, |world| async move { run(&world.node().env(), steps) });
    }
}

#[test]
fn scans_may_move_between_threads() {
    fn movable<T: Send + 'static>() {}
    movable::<Scan>();
    movable::<State>();
}

#[test]
fn old_versions_stay_until_the_horizon_passes_them() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        let seen = |at| {
            let version = state.get(&key_of(A, 1), ts(at)).unwrap();
            assert_eq!(
                scan(&state, whole(A, at)).unwrap().len(),
                usize::from(version.as_ref().is_some_and(|v| v.row.is_some()))
            );
            version.map(|v| (v.ts.0, v.row.is_some()))
        };
        for at in [5, 7, 12, 14] {
            state.apply(ts(at), Lsn(at), &[put(A, 1, "x", None)]);
        }
        state.apply(ts(9), Lsn(9), &[delete(A, 1)]);
        spill_above(&state, 13, 6).unwrap();
        for round in 0..3 {
            assert!(state.get(&key_of(A, 1), ts(5)).is_err());
            let found = [6, 7, 8, 9, 11, 12, 20].map(seen);
            let (first, gone) = (Some((5, true)), Some((9, false)));
            let (second, third, last) = (Some((7, true)), Some((12, true)), Some((14, true)));
            assert_eq!(found, [first, second, second, gone, gone, third, last], "round {round}");
            while state.merge(ts(6)).unwrap() {}
            spill_above(&state, 14 + round, 6).unwrap();
        }
        settle(&state);
        assert!(state.get(&key_of(A, 1), ts(13)).is_err());
        assert_eq!((seen(16), state.stats().chunk_rows), (Some((14, true)), 1));
    });
}

#[test]
fn a_version_that_was_merged_away_is_refused() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        state.apply(ts(5), Lsn(1), &[put(A, 1, "x", None)]);
        spill(&state, 9, 0).unwrap();
        assert!(state.get(&key_of(A, 1), ts(8)).is_err());
        assert!(state.scan(whole(A, 8)).is_err());
        assert!(state.get(&key_of(A, 1), ts(9)).unwrap().is_some());
    });
}

#[test]
fn a_scan_says_how_far_the_log_must_be_durable() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        state.apply(ts(5), Lsn(4), &[put(A, 1, "x", None), put(A, 2, "x", None)]);
        spill(&state, 9, 0).unwrap();
        let mut scan = state.scan(whole(A, 20)).unwrap();
        while scan.next().is_some() {}
        assert_eq!(scan.revealed_lsn(), Lsn::ZERO);
        state.apply(ts(12), Lsn(6), &[delete(A, 1)]);
        state.apply(ts(30), Lsn(7), &[delete(A, 2)]);
        let mut scan = state.scan(whole(A, 20)).unwrap();
        while scan.next().is_some() {}
        assert_eq!(scan.revealed_lsn(), Lsn(6), "a deletion shows, a later one does not");
    });
}

#[test]
fn the_newest_version_wins_in_whatever_order_it_came() {
    sim::run(1, |world| async move {
        let state = open(&world.node().env()).unwrap();
        for at in [7, 3, 9, 5, 9] {
            state.apply(ts(at), Lsn(at), &[put(A, 1, &at.to_string(), None)]);
        }
        for (at, seen) in [(3, 3), (4, 3), (6, 5), (8, 7), (100, 9)] {
            assert_eq!(state.get(&key_of(A, 1), ts(at)).unwrap().unwrap().ts, ts(seen));
        }
        state.drop_above(ts(5));
        assert_eq!(state.newest(&key_of(A, 1)).unwrap().unwrap().ts, ts(5));
        state.drop_above(ts(2));
        assert_eq!(state.newest(&key_of(A, 1)).unwrap(), None);
        assert_eq!(state.delta_bytes(), 0);
    });
}
