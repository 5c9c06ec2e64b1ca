//! `antipode-bench`: Antipode and PostgreSQL side by side, in one run on one machine.
//!
//! ```text
//!            pgbench ──► antipode east ──► antipode west
//!  the same  pgbench ──► postgres      ──► streaming standby
//! ```
//!
//! Both sides run with the same durability (every commit is on disk before it is acknowledged),
//! the same `pgbench` program, prepared statements, and an asynchronous standby where it says so.
//! Runs alternate between the sides, so that a machine that drifts drifts for both. Only ratios of
//! one run mean something.
//!
//! * **commits/s** for each script and number of clients, without a standby.
//! * **engine**: COPY of `--rows` rows, two aggregates over them, their space on disk (without the
//!   log), one row that 32 clients update, and the time from the start after a crash until a row can
//!   be read, all changes since the load's begin being in the log of a PostgreSQL that made no
//!   checkpoint.
//! * **replicated rows/s**: TPC-B with a standby attached; the rows that its commits changed,
//!   divided by the time until the standby had them all.
//! * **catch-up rows/s**: the standby is stopped, TPC-B runs, the standby starts; the rows it missed,
//!   divided by the time from its start until it had them all.
//! * **recovery** (only when asked for: `--only recovery`): a database of `--megabytes`; full copy,
//!   what a standby costs, catch-up of `--catch-up`, switchover, failover, and the failback by
//!   difference (`FORCE DIFFERENTIAL` against `pg_rewind`) after `--changes`, in seconds and in bytes
//!   shipped.

#![allow(clippy::disallowed_methods, reason = "this program measures the real world")]

mod args;
mod engine;
mod load;
mod ours;
mod peer;
mod recovery;
mod replicated;
mod side;
mod table;

use args::{Args, Suite};
use clap::Parser;
use side::{Result, Side};
use std::process::ExitCode;
use table::{Figure, Figures};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("antipode-bench: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&args)) {
        Ok(figures) => {
            println!("{}", figures.table());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("antipode-bench: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn started(args: &Args) -> Result<Vec<Box<dyn Side>>> {
    let mut sides: Vec<Box<dyn Side>> = vec![Box::new(ours::Ours::start(args).await?)];
    match peer::Peer::find(args) {
        Some(bin) => sides.push(Box::new(peer::Peer::start(args, &bin)?)),
        None => eprintln!(
            "no PostgreSQL found: only Antipode is measured (bench/peer/pg.sh installs one, or give \
             --postgres DIR)"
        ),
    }
    Ok(sides)
}

async fn run(args: &Args) -> Result<Figures> {
    let mut sides = started(args).await?;
    let mut figures = Figures::new(sides.iter().map(|s| s.name()).collect());
    let wanted = |suite| args.only.contains(&suite);
    if wanted(Suite::Oltp) || wanted(Suite::Standby) {
        for side in &sides {
            eprintln!("{}: pgbench -i -s {}", side.name(), args.scale);
            load::initialise(args, &side.endpoint())?;
        }
    }
    if wanted(Suite::Oltp) {
        oltp(args, &sides, &mut figures)?;
    }
    if wanted(Suite::Engine) {
        for (i, side) in sides.iter_mut().enumerate() {
            engine::measure(args, i, side.as_mut(), &mut figures).await?;
        }
    }
    if wanted(Suite::Standby) {
        for (i, side) in sides.iter_mut().enumerate() {
            replicated::measure(args, i, side.as_mut(), &mut figures).await?;
        }
    }
    if wanted(Suite::Recovery) {
        // With nothing in them but what is copied and shipped.
        drop(sides);
        sides = started(args).await?;
        for (i, side) in sides.iter_mut().enumerate() {
            recovery::measure(args, i, side.as_mut(), &mut figures).await?;
        }
    }
    Ok(figures)
}

fn oltp(args: &Args, sides: &[Box<dyn Side>], figures: &mut Figures) -> Result<()> {
    for script in ["tpcb-like", "simple-update", "select-only"] {
        for clients in &args.clients {
            let label = format!("{script}, {clients} clients: commits/s");
            for run in 0..args.runs {
                for (i, side) in sides.iter().enumerate() {
                    let tps = load::run(args, &side.endpoint(), script, *clients)?.tps;
                    eprintln!("{label} run {}: {} {tps:.0}", run + 1, side.name());
                    figures.add(&label, Figure { side: i, value: tps });
                }
            }
        }
    }
    Ok(())
}
