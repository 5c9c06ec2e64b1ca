//! Power losses at any moment, under many seeds, checked against a model: what is found after a
//! crash is the state after some prefix of all appends, and no frame that was confirmed is missing.

use super::*;
use env::Rng;
use env::sim::{self, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LOGS: u32 = 3;

/// All that was appended, in physical order.
#[derive(Default)]
struct Model {
    appends: Vec<(LogId, u64, u32)>,
    confirmed: usize,
    epochs: BTreeMap<LogId, u32>,
    keep_from: BTreeMap<LogId, u64>,
}

impl Model {
    /// What one log holds after so many appends.
    fn state(&self, id: LogId, appends: usize) -> BTreeMap<u64, u32> {
        let mut state = BTreeMap::new();
        for (_, lsn, number) in self.appends[..appends].iter().filter(|a| a.0 == id) {
            state.split_off(lsn);
            state.insert(*lsn, *number);
        }
        state
    }

    /// Whether the log found is what it should be after so many appends.
    fn matches(&self, id: LogId, appends: usize, first: u64, found: &[(u64, u32)]) -> bool {
        let keep_from = self.keep_from.get(&id).copied().unwrap_or(0);
        let mut state = self.state(id, appends);
        if found.is_empty() {
            return state.last_key_value().is_none_or(|(end, _)| *end < keep_from);
        }
        let state = state.split_off(&first);
        let complete = state.first_key_value().is_some_and(|(l, _)| *l <= keep_from.max(1));
        complete && state.into_iter().eq(found.iter().copied())
    }
}

/// One committer's step: appends to a log, perhaps rewinding it, and waits.
async fn commit(log: &Log, model: &Mutex<Model>, rng: &dyn Rng) {
    let id = LogId(1 + rng.below(LOGS.into()) as u32);
    let size = if rng.below(20) == 0 { 5000 } else { rng.below(900) as usize };
    let count = 1 + rng.below(3);
    let Ok(_room) = log.admit(size * count as usize).await else {
        return;
    };
    let (last, position) = {
        let mut model = model.lock().unwrap();
        let number = model.epochs.entry(id).or_insert(1);
        let mut end = log.end(id).0;
        if rng.below(15) == 0 && end > 3 {
            *number += 1;
            end -= rng.below(3);
            if rng.below(2) == 0 {
                log.truncate_after(id, Lsn(end)).unwrap();
            }
        }
        let number = *number;
        let lsns = end + 1..=end + count;
        let frames = lsns.clone().map(|lsn| frame(id, lsn, number, size)).collect();
        let Ok(last) = log.append(id, frames) else {
            return;
        };
        model.appends.extend(lsns.map(|lsn| (id, lsn, number)));
        (last, model.appends.len())
    };
    if log.wait_durable(id, last).await.is_ok() {
        let mut model = model.lock().unwrap();
        model.confirmed = model.confirmed.max(position);
    }
    if rng.below(10) == 0 {
        let keep_from = log.durable(id).0.saturating_sub(rng.below(20)).max(1);
        let mut model = model.lock().unwrap();
        let before = model.keep_from.entry(id).or_insert(0);
        *before = keep_from.max(*before);
        log.trim(id, Lsn(keep_from));
        log.recycle();
    }
}

/// Opens the log after a crash and compares it with the model.
fn check(node: &SimNode, model: &mut Model, seed: u64) -> Log {
    let log = open(node).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    let ids: Vec<LogId> = (1..=LOGS).map(LogId).collect();
    log.retain(&ids);
    let found: Vec<_> = ids.iter().map(|id| (*id, log.first(*id).0, content(&log, *id))).collect();
    let all = (model.confirmed..=model.appends.len()).rev();
    let fits = all
        .clone()
        .find(|n| found.iter().all(|(id, first, frames)| model.matches(*id, *n, *first, frames)));
    let Some(fits) = fits else {
        let (confirmed, all) = (model.confirmed, model.appends.len());
        panic!("seed {seed}: nothing between {confirmed} and {all} appends fits {found:?}");
    };
    model.appends.truncate(fits);
    model.confirmed = fits;
    for (id, ..) in found {
        let end = model.state(id, fits).last_key_value().map_or(0, |(lsn, _)| *lsn);
        log.start_at(id, Lsn(end + 1));
        assert_eq!(log.end(id), Lsn(end), "seed {seed}");
        // The next writer is a new one: what the old one had in flight must not matter.
        *model.epochs.entry(id).or_insert(1) += 1;
    }
    log
}

async fn lives(world: World) {
    let (node, seed, rng) = (world.node(), world.seed(), world.rng());
    let model = Arc::new(Mutex::new(Model::default()));
    for _ in 0..6 {
        if rng.below(4) == 0 {
            // Power fails while the log is being opened, too.
            node.crash_after(rng.below(8));
            let _ = open(&node);
            node.crash();
            node.restart();
        }
        let log = check(&node, &mut model.lock().unwrap(), seed);
        let env = node.env();
        match rng.below(4) {
            // Power fails before anything was written in this life: what was found must be safe.
            0 => node.crash(),
            1 => node.kill_after(rng.below(200)),
            _ => node.crash_after(rng.below(200)),
        }
        for _ in 0..1 + rng.below(6) {
            let (log, model, env) = (log.clone(), model.clone(), env.clone());
            let work = async move {
                loop {
                    commit(&log, &model, &*env.rng).await;
                    let pause = Duration::from_millis(env.rng.below(4));
                    env.sleep(pause).await;
                }
            };
            node.env().tasks.spawn("committer", Box::pin(work));
        }
        let mut left = 1 + rng.below(2000);
        while node.is_alive() && left > 0 {
            env.sleep(Duration::from_millis(1)).await;
            left -= 1;
        }
        match rng.below(3) {
            0 => node.kill(),
            _ => node.crash(),
        }
        node.restart();
    }
    drop(check(&node, &mut model.lock().unwrap(), seed));
}

#[test]
fn a_crash_never_loses_what_was_confirmed_nor_revives_what_was_not() {
    let seeds = match std::env::var("SEED").ok().and_then(|s| s.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..300,
    };
    for seed in seeds {
        let run = std::panic::AssertUnwindSafe(|| sim::run(seed, lives));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("replay with: SEED={seed} cargo test -p antipode-log --test it crash");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn power_may_fail_at_any_step_of_removing_and_recycling() {
    for seed in 0..20 {
        for step in 0..24 {
            sim::run(seed, |world| async move {
                let node = world.node();
                let log = open(&node).unwrap();
                fill(&log, A, 1..=180, 1, 500).await;
                log.trim(A, Lsn(170));
                node.crash_after(step);
                log.recycle();
                let more = async {
                    for lsn in 181.. {
                        let _room = log.admit(500).await?;
                        log.append(A, vec![frame(A, lsn, 1, 500)])?;
                        log.wait_durable(A, Lsn(lsn)).await?;
                    }
                    Ok::<_, base::Error>(())
                };
                more.await.unwrap_err();
                let confirmed = log.durable(A);
                node.restart();
                let log = open(&node).unwrap_or_else(|e| panic!("seed {seed} step {step}: {e}"));
                assert!(log.first(A) <= Lsn(170) && log.end(A) >= confirmed);
                content(&log, A);
            });
        }
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let changes = |seed| {
        sim::run(seed, |world| async move {
            let node = world.node();
            let log = open(&node).unwrap();
            log.retain(&[A, B, LogId(3)]);
            let model = Mutex::new(Model::default());
            for _ in 0..200 {
                commit(&log, &model, &*node.env().rng).await;
            }
            (node.disk_changes(), node.used_bytes(), world.elapsed())
        })
    };
    assert_eq!(changes(7), changes(7));
    assert_ne!(changes(7).0, changes(8).0);
}
