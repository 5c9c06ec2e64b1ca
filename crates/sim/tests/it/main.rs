//! Seeds: new ones, those that once found something, and one seed twice.

mod histories;

use sim::{Options, Report, run, trio};

/// How many seeds a test run tries.
const SEEDS: u64 = 20;

fn check(report: &Report) {
    if let Some(violation) = &report.violation {
        panic!("seed {}: {violation}\nreplay: {}", report.seed, report.replay());
    }
}

#[test]
fn invariants_hold_even_seeds() {
    (0..SEEDS).filter(|s| s % 2 == 0).for_each(|seed| {
        check(&run(Options { seed, rounds: Some(2), ..Options::default() }));
    });
}

#[test]
fn invariants_hold_odd_seeds() {
    (0..SEEDS).filter(|s| s % 2 == 1).for_each(|seed| {
        check(&run(Options { seed, rounds: Some(2), ..Options::default() }));
    });
}

#[test]
fn invariants_hold_for_three_clusters() {
    (0..SEEDS / 2).for_each(|seed| {
        check(&trio::run(Options { seed, rounds: Some(2), ..Options::default() }));
    });
}

/// Every line of `seeds.txt`: `trio` if it is of three clusters, a seed, its rounds, and what it found.
#[test]
fn found_seeds_hold() {
    for line in include_str!("../seeds.txt").lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (run, line) = match line.strip_prefix("trio ") {
            Some(rest) => (trio::run as fn(Options) -> Report, rest),
            None => (run as fn(Options) -> Report, line),
        };
        let mut words = line.split_whitespace().map(|w| w.parse::<u64>().expect("a number"));
        if let Some(seed) = words.next() {
            let rounds = words.next().map(|r| r as u32);
            check(&run(Options { seed, rounds, ..Options::default() }));
        }
    }
}

/// Without this, no seed means anything.
#[test]
fn a_seed_run_twice_gives_the_same_trace() {
    for (seed, run) in [(3, run as fn(Options) -> Report), (1_000_003, run), (4, trio::run)] {
        let options = Options { seed, rounds: Some(2), full_trace: true, verbose: false };
        let (one, two) = (run(options), run(options));
        let mut lines = one.trace.lines().zip(two.trace.lines()).enumerate();
        if let Some((n, (a, b))) = lines.find(|(_, (a, b))| a != b) {
            panic!("seed {seed} differs in event {n}:\n{a}\n{b}");
        }
        assert_eq!(one.trace.len(), two.trace.len(), "seed {seed}");
        assert!(one.trace.lines().count() > 300, "seed {seed} does next to nothing");
    }
}
