//! Histories at every level, and proof that the judge can tell the levels apart.

use sim::histories::{Model, Options, Report, judge, run};
use txn::Isolation::{self, ReadCommitted, RepeatableRead, Serializable};

fn held(level: Isolation, seed: u64) -> Report {
    let report = run(Options { seed, level, verbose: false });
    if let Some(violation) = &report.violation {
        panic!("seed {seed}: {violation}\nreplay: {}", report.replay());
    }
    report
}

fn many(level: Isolation) {
    for seed in 0..8 {
        let (ok, ..) = held(level, seed).transactions;
        assert!(ok > 20, "seed {seed} does next to nothing: {ok}");
    }
}

#[test]
fn read_committed_reads_what_is_committed() {
    many(ReadCommitted);
}

#[test]
fn repeatable_read_is_snapshot_isolation() {
    many(RepeatableRead);
}

#[test]
fn serializable_is_strictly_so() {
    many(Serializable);
}

/// If the clients never got in each other's way, or the judge were blind, the tests above would
/// say nothing.
#[test]
fn the_weaker_levels_are_told_from_the_stronger_ones() {
    let caught = |level, model| {
        (0..20).any(|seed| {
            let report = held(level, seed);
            judge(report.kind, &report.history, model).is_err()
        })
    };
    assert!(caught(RepeatableRead, Model::Serializable), "write skew");
    assert!(caught(ReadCommitted, Model::Snapshot), "read skew");
}

#[test]
fn a_seed_run_twice_gives_the_same_history() {
    for level in [ReadCommitted, Serializable] {
        let (one, two) = (held(level, 5), held(level, 5));
        assert!(one.history == two.history, "{level:?}");
    }
}
