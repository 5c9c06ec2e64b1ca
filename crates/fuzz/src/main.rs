//! `antipode-fuzz`: throws damaged bytes at every decoder.

use clap::Parser;
use fuzz::{Corpus, Hunt, Target};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Throws damaged bytes at every decoder; ends with 1 if one of them panics.
#[derive(Parser, Debug)]
#[command(name = "antipode-fuzz", version)]
struct Args {
    /// Targets [default: all]; --list names them
    targets: Vec<String>,
    /// Print the names of the targets
    #[arg(long)]
    list: bool,
    /// Seconds for each target
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The same seed tries the same inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run one file through the named target, nothing else
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Folder of kept inputs [default: that of the source tree]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<bool, String> {
    let all = fuzz::all();
    if let Some(wrong) = args.targets.iter().find(|n| all.iter().all(|t| t.name != **n)) {
        return Err(format!("there is no target {wrong}; --list names them"));
    }
    let chosen = all.iter().filter(|t| args.targets.is_empty() || names(&args.targets, t));
    if args.list {
        chosen.for_each(|t| println!("{:<12} {}", t.name, t.about));
        return Ok(true);
    }
    let corpus = args.corpus.clone().map_or_else(Corpus::here, Corpus::new);
    let mut well = true;
    for target in chosen {
        well &= match &args.replay {
            Some(file) => replay(target, file)?,
            None => hunt(target, &corpus, args)?,
        };
    }
    Ok(well)
}

fn names(wanted: &[String], target: &Target) -> bool {
    wanted.iter().any(|n| n == target.name)
}

fn replay(target: &Target, file: &Path) -> Result<bool, String> {
    let input = env::real::env().disk.read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(report(target, fuzz::try_one(target, &input).map(|_| ()), None))
}

fn hunt(target: &Target, corpus: &Corpus, args: &Args) -> Result<bool, String> {
    let kept = corpus.read(target).map_err(|e| format!("reading the corpus: {e}"))?;
    let mut hunt = Hunt::new(target, kept.into_iter().map(|k| k.1).collect(), args.seed);
    let clock = env::real::env().clock;
    let began = clock.monotonic();
    let mut tried = 0u64;
    let mut accepted = 0u64;
    let mut outcome = hunt.pool().map(|_| ());
    while outcome.is_ok() && clock.monotonic().saturating_sub(began).as_secs() < args.seconds {
        for _ in 0..64 {
            tried += 1;
            outcome = outcome.and_then(|()| hunt.step()).map(|yes| accepted += u64::from(yes));
        }
    }
    println!("{:<12} {tried} inputs, {accepted} accepted", target.name);
    Ok(report(target, outcome, Some(corpus)))
}

/// Prints a finding, and keeps it in the corpus if there is one.
fn report(target: &Target, outcome: Result<(), fuzz::Finding>, keep: Option<&Corpus>) -> bool {
    let Err(finding) = outcome else { return true };
    println!("{:<12} PANIC on {} bytes: {}", target.name, finding.input.len(), finding.said);
    match keep.map(|corpus| corpus.keep(target, &finding.input)) {
        Some(Ok(file)) => {
            println!("kept; antipode-fuzz {} --replay {}", target.name, file.display())
        }
        Some(Err(e)) => println!("could not keep the input: {e}"),
        None => {}
    }
    false
}
