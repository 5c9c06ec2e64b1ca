//! Every kept input, and some thousand damaged ones, through every decoder.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

use fuzz::{Corpus, Finding, Hunt, Target};

/// Inputs for each target; whole files take longer each.
const INPUTS: usize = 3000;
const FILES: [&str; 3] = ["segment", "commands", "snapshot"];

#[track_caller]
fn fine<T>(target: &Target, outcome: Result<T, Finding>) {
    let Err(finding) = outcome else { return };
    let kept = Corpus::here().keep(target, &finding.input).unwrap();
    panic!(
        "{}: {}\nrepeat it with: cargo run -p antipode-fuzz -- {} --replay {}",
        target.name,
        finding.said,
        target.name,
        kept.display()
    );
}

#[test]
fn no_decoder_panics() {
    for target in fuzz::all() {
        let kept = Corpus::here().read(&target).unwrap();
        let mut hunt = Hunt::new(&target, kept.into_iter().map(|k| k.1).collect(), 20_261_129);
        fine(&target, hunt.pool());
        let inputs = if FILES.contains(&target.name) { INPUTS / 10 } else { INPUTS };
        for _ in 0..inputs {
            let outcome = hunt.step();
            fine(&target, outcome);
        }
    }
}

#[test]
fn a_panic_is_found_kept_and_found_again_from_what_was_kept() {
    fn run(input: &[u8]) -> bool {
        assert!(!input.contains(&b'!'), "it has a mark");
        true
    }
    let (name, about) = ("test", "finds a mark");
    let target = Target { name, about, run, seeds: || vec![b"abc".to_vec()], words: &["!"] };
    let mut hunt = Hunt::new(&target, Vec::new(), 1);
    hunt.pool().unwrap();
    let finding = (0..1000).find_map(|_| hunt.step().err()).expect("one word in a thousand tries");
    assert!(finding.said.contains("it has a mark"), "{finding:?}");

    let dir = tempfile::tempdir().unwrap();
    let corpus = Corpus::new(dir.path());
    corpus.keep(&target, &finding.input).unwrap();
    let kept: Vec<_> = corpus.read(&target).unwrap().into_iter().map(|k| k.1).collect();
    assert_eq!(kept, [finding.input]);
    assert!(Hunt::new(&target, kept, 1).pool().is_err());
}

#[test]
fn every_target_begins_with_different_valid_seeds() {
    for target in fuzz::all() {
        let mut seeds = (target.seeds)();
        for (n, seed) in seeds.iter().enumerate() {
            let accepted = fuzz::try_one(&target, seed).unwrap();
            assert!(accepted, "seed {n} of {} is refused", target.name);
        }
        assert!(!seeds.is_empty(), "{} begins with nothing", target.name);
        let before = seeds.len();
        seeds.sort();
        seeds.dedup();
        assert_eq!(seeds.len(), before, "{} has a seed twice", target.name);
    }
}
