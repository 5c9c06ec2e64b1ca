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
//! * **large** (`--only large`): a table of five times `--memory-mib` of bytes that hardly compress,
//!   which is Antipode's `memory-limit` and PostgreSQL's `shared_buffers`; then reads and updates of
//!   single rows all over it. Both read through the system's cache, which is not limited. The
//!   memory that Antipode took at most is told too.
//! * **scan** (`--only scan`): aggregates, a sort and a join over `--scan-rows` rows.
//! * **restart** (`--only restart`): COPY and updates of `--change-mib` in all, a crash, and the time
//!   until a row can be read and until one can be written. PostgreSQL makes no checkpoint in between.

#![allow(clippy::disallowed_methods, reason = "this program measures the real world")]

mod args;
mod engine;
mod large;
mod load;
mod ours;
mod peer;
mod recovery;
mod replicated;
mod restart;
mod rows;
mod scan;
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

async fn run(args: &Args) -> Result<Figures> {
    if peer::Peer::find(args).is_none() {
        eprintln!(
            "no PostgreSQL found: only Antipode is measured (bench/peer/pg.sh installs one, or give \
             --postgres DIR)"
        );
    }
    let mut sides = start(args, &[], "").await?;
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
    if wanted(Suite::Scan) {
        for (i, side) in sides.iter().enumerate() {
            scan::measure(args, i, side.as_ref(), &mut figures).await?;
        }
    }
    // What follows wants other settings, or nothing in the databases but its own.
    drop(sides);
    if wanted(Suite::Recovery) {
        for (i, side) in start(args, &[], "").await?.iter_mut().enumerate() {
            recovery::measure(args, i, side.as_mut(), &mut figures).await?;
        }
    }
    if wanted(Suite::Large) {
        let memory = args.memory_mib;
        let flags = ["--memory-limit", &format!("{memory}MiB")];
        let sides = start(args, &flags, &format!("shared_buffers = {memory}MB\n")).await?;
        large::measure(args, &sides, &mut figures).await?;
    }
    if wanted(Suite::Restart) {
        // A checkpoint would leave less to replay; Antipode makes its own as ever.
        let settings = "checkpoint_timeout = 1h\nmax_wal_size = 64GB\n";
        for (i, side) in start(args, &[], settings).await?.iter_mut().enumerate() {
            restart::measure(args, i, side.as_mut(), &mut figures).await?;
        }
    }
    Ok(figures)
}

/// Both sides, with more flags for Antipode and more settings for PostgreSQL, if that is there.
async fn start(args: &Args, flags: &[&str], settings: &str) -> Result<Vec<Box<dyn Side>>> {
    let mut sides: Vec<Box<dyn Side>> = vec![Box::new(ours::Ours::start(args, flags).await?)];
    if let Some(bin) = peer::Peer::find(args) {
        sides.push(Box::new(peer::Peer::start(args, &bin, settings)?));
    }
    Ok(sides)
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
