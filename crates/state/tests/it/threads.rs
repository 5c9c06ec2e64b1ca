//! Readers, a writer, spills and merges at the same time, on a real disk.

use crate::room::*;
use base::{Lsn, Value};
use env::Env;
use state::State;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const ACCOUNTS: i64 = 200;

/// Every transaction moves something from one account to another: the sum stays.
fn write(state: &State, now: &AtomicU64, stop: &AtomicBool) {
    let mut balance = vec![100; ACCOUNTS as usize];
    let mut dice = 1u64;
    while !stop.load(Ordering::Relaxed) {
        dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (a, b) = ((dice >> 33) as i64 % ACCOUNTS, (dice >> 43) as i64 % ACCOUNTS);
        if a == b {
            continue;
        }
        let at = now.load(Ordering::Relaxed) + 1;
        let mut ops = Vec::new();
        for (account, change) in [(a, -1), (b, 1)] {
            let money = &mut balance[account as usize];
            *money += change;
            // An empty account is a deleted row.
            ops.push(match *money {
                0 => delete(A, account),
                money => put(A, account, "account", Some(money)),
            });
        }
        state.apply(ts(at), Lsn(at), &ops);
        now.store(at, Ordering::Release);
    }
}

fn sum(rows: Rows) -> i64 {
    let money = rows.into_values().map(|(_, values)| match values[2] {
        Value::Int(v) => v,
        _ => panic!("no number"),
    });
    money.sum()
}

#[test]
fn every_scan_sees_one_moment() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _guard = runtime.enter();
    let env: Env = env::real::env();
    let folder = tempfile::tempdir().unwrap();
    let cache = state::PageCache::new(100_000);
    let state = State::open(&env, folder.path().join("0"), cache, small()).unwrap();
    let ops: Vec<_> = (0..ACCOUNTS).map(|id| put(A, id, "account", Some(100))).collect();
    state.apply(ts(1), Lsn(1), &ops);
    let (now, stop) = (AtomicU64::new(1), AtomicBool::new(false));
    // Held for reading while a reader takes its timestamp and its view.
    let begin = RwLock::new(());
    std::thread::scope(|threads| {
        threads.spawn(|| write(&state, &now, &stop));
        for _ in 0..2 {
            threads.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (at, scan) = {
                        let _begin = begin.read().unwrap();
                        let now = now.load(Ordering::Acquire);
                        let at = now - (now % 40).min(now - 1);
                        (at, state.scan(whole(A, at)).unwrap())
                    };
                    assert_eq!(sum(collect(scan).unwrap()), 100 * ACCOUNTS, "at {at}");
                }
            });
        }
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                state.merge(state.manifest().horizon).unwrap();
            }
        });
        while state.manifest().seq < 60 {
            let at = {
                let _begin = begin.write().unwrap();
                now.load(Ordering::Acquire)
            };
            let horizon = at.saturating_sub(50);
            spill_above(&state, at.saturating_sub(20).max(state.manifest().ts.0), horizon).unwrap();
        }
        assert!(state.stats().merged_bytes > 0);
        stop.store(true, Ordering::Relaxed);
    });
}
