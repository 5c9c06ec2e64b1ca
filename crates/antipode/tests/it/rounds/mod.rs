//! Rounds of faults with real processes: two clusters that replicate, traffic on the primary, and one
//! fault after the other, with what an operator would do about it.
//!
//! ```text
//!   pgbench, witnesses ──▶ door ──▶ east ◀── link ──▶ west ◀── door ◀── those with a stale route
//!        │                          (SIGKILL)  │      (SIGKILL)
//!        ▼                                     └─ every line is a port that can be cut
//!     ledger ─── at the end of each round: is every commit somewhere, once?
//! ```
//!
//! Where `sim` looks for what goes wrong inside of one thread, this looks for what goes wrong outside of
//! it: real disks, sockets, signals and clocks. So a seed repeats faults and their times, not the
//! interleaving.
//!
//! Four rounds are part of the tests. More, or others:
//! ```text
//! ANTIPODE_ROUNDS=100 ANTIPODE_SEED=7 cargo test -p antipode --test it rounds:: -- --nocapture
//! ```

mod audit;
mod faults;
mod ledger;
mod operator;
mod stage;
mod traffic;

use faults::{ALL, Fault};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use stage::Stage;
use std::time::{Duration, Instant};
use traffic::Traffic;

/// Chance of one round.
pub type Dice = SmallRng;

/// A time between two, in milliseconds.
pub fn ms(dice: &mut Dice, low: u64, high: u64) -> Duration {
    Duration::from_millis(dice.random_range(low..=high))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
        Err(_) => otherwise,
    }
}

/// Prints how to repeat a run that fails.
struct Replay {
    seed: u64,
    rounds: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Replay { seed, rounds } = self;
            eprintln!(
                "replay: ANTIPODE_SEED={seed} ANTIPODE_ROUNDS={rounds} cargo test -p antipode \
                 --test it rounds:: -- --nocapture"
            );
        }
    }
}

/// The faults of a run: every kind once, in any order, then every kind once again, and so on.
fn order(seed: u64, rounds: u64) -> Vec<Fault> {
    let mut dice = Dice::seed_from_u64(seed);
    let mut faults = Vec::new();
    while (faults.len() as u64) < rounds {
        let mut deck = ALL.to_vec();
        deck.shuffle(&mut dice);
        faults.extend(deck);
    }
    faults.truncate(rounds as usize);
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_every_commit_is_accounted_for() {
    let Some(pgbench) = testkit::pgbench("whatever_fails_every_commit_is_accounted_for") else {
        return;
    };
    let (seed, rounds) = (number("ANTIPODE_SEED", 5), number("ANTIPODE_ROUNDS", 4));
    let mut replay = Replay { seed, rounds: 0 };
    let mut stage = Stage::start(&pgbench).await;
    for (round, fault) in order(seed, rounds).into_iter().enumerate() {
        replay.rounds = round as u64 + 1;
        let mut dice = Dice::seed_from_u64(seed ^ ((round as u64 + 1) << 32));
        let began = Instant::now();
        let mut traffic = Traffic::start(&stage, &pgbench, &mut dice);
        tokio::time::sleep(ms(&mut dice, 300, 2_500)).await;
        fault.strike(&mut stage, &mut dice).await;
        stage.settle().await;
        tokio::time::sleep(ms(&mut dice, 200, 1_000)).await;
        traffic.stop().await;
        let found = stage.audit().await;
        eprintln!("round {round:>3} {fault:?}: {found} ({:.1} s)", began.elapsed().as_secs_f64());
    }
    stage.ledger.check_busy();
}
