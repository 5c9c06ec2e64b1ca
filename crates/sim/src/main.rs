//! `antipode-sim`: runs seeds, and prints the one line that repeats the first that fails.

use clap::Parser;
use sim::{Options, histories};
use std::process::ExitCode;

/// Simulates two or three regions with faults of all kinds, and checks that nothing is lost.
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
    /// Instead, run three clusters: a source with two standbys.
    #[arg(long)]
    trio: bool,
    /// Instead, run transactions at this level in one region and judge their history:
    /// read-committed, repeatable-read or serializable.
    #[arg(long, value_parser = level)]
    history: Option<txn::Isolation>,
    /// Write that history to standard output, one JSON object per line.
    #[arg(long)]
    print: bool,
}

fn level(name: &str) -> Result<txn::Isolation, String> {
    histories::level(name).ok_or_else(|| format!("there is no level {name}"))
}

/// Runs one seed; true if everything held.
fn whole(args: &Args, seed: u64) -> bool {
    let (rounds, full_trace, verbose) = (args.rounds, args.full, args.verbose);
    let options = Options { seed, rounds, full_trace, verbose };
    let report = if args.trio { sim::trio::run(options) } else { sim::run(options) };
    let (acknowledged, not, unknown) = report.transactions;
    let took = report.took.as_secs();
    match &report.violation {
        None => println!(
            "seed {seed}: holds ({took} s, {acknowledged} acknowledged, {not} failed, \
             {unknown} unknown)"
        ),
        Some(violation) => {
            println!("seed {seed}: VIOLATION of {violation}");
            println!("replay: {}", report.replay());
        }
    }
    report.violation.is_none()
}

/// Runs and judges one history; true if its level was kept.
fn history(args: &Args, seed: u64, level: txn::Isolation) -> bool {
    let report = histories::run(histories::Options { seed, level, verbose: args.verbose });
    if args.print {
        print!("{}", report.history);
    }
    let (ok, fail, info) = report.transactions;
    let kind = report.kind;
    match &report.violation {
        None => println!("seed {seed}: holds ({kind:?}, {ok} ok, {fail} failed, {info} unknown)"),
        Some(violation) => {
            println!("seed {seed}: VIOLATION ({kind:?}): {violation}");
            println!("replay: {}", report.replay());
        }
    }
    report.violation.is_none()
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
    let mut failed: u64 = 0;
    for seed in args.seed..args.seed + args.seeds {
        let held = match args.history {
            Some(level) => history(&args, seed, level),
            None => whole(&args, seed),
        };
        failed += u64::from(!held);
        if !held && !args.keep_going {
            break;
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
