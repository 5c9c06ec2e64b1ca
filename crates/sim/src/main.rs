//! `antipode-sim`: runs seeds, and prints the one line that repeats the first that fails.

use clap::Parser;
use sim::Options;
use std::process::ExitCode;

/// Simulates two regions with faults of all kinds, and checks that nothing is lost.
#[derive(Debug, Parser)]
struct Args {
    /// The seed, or the first of many.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds to run, one after the other.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many times the primary changes sides (drawn from the seed if not given).
    #[arg(long)]
    rounds: Option<u32>,
    /// Go on after a seed that fails.
    #[arg(long)]
    keep_going: bool,
    /// Print what happens, and the log of the regions (RUST_LOG chooses what of it).
    #[arg(long)]
    verbose: bool,
    /// Print every call over the network too.
    #[arg(long)]
    full: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.verbose {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .with_writer(std::io::stderr)
            .init();
    }
    let mut failed = 0;
    for seed in args.seed..args.seed + args.seeds {
        let (rounds, full_trace, verbose) = (args.rounds, args.full, args.verbose);
        let report = sim::run(Options { seed, rounds, full_trace, verbose });
        let (acknowledged, not, unknown) = report.transactions;
        let took = report.took.as_secs();
        match &report.violation {
            None => println!(
                "seed {seed}: holds ({took} s, {acknowledged} acknowledged, {not} failed, \
                 {unknown} unknown)"
            ),
            Some(violation) => {
                failed += 1;
                println!("seed {seed}: VIOLATION of {violation}");
                println!("replay: {}", report.replay());
                if !args.keep_going {
                    break;
                }
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
