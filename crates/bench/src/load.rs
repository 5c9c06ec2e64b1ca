//! Running pgbench.

use crate::args::Args;
use crate::peer::Peer;
use crate::side::{Endpoint, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run of pgbench said.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Transactions per second, without the time to connect.
    pub tps: f64,
    /// Transactions.
    pub transactions: u64,
}

/// Makes pgbench's tables.
pub fn initialise(args: &Args, at: &Endpoint) -> Result<()> {
    pgbench(args, at, &["-i", "-q", "-s", &args.scale.to_string()]).map(drop)
}

/// Runs a built-in script with prepared statements.
pub fn run(args: &Args, at: &Endpoint, script: &str, clients: u32) -> Result<Run> {
    measured(args, at, ["-b", script], clients)
}

/// Runs a script of one's own, with prepared statements.
pub fn run_text(args: &Args, at: &Endpoint, script: &str, clients: u32) -> Result<Run> {
    let dir = args.folder()?;
    let file = dir.path().join("script.sql");
    std::fs::write(&file, script).map_err(|e| e.to_string())?;
    measured(args, at, ["-f", &file.display().to_string()], clients)
}

fn measured(args: &Args, at: &Endpoint, script: [&str; 2], clients: u32) -> Result<Run> {
    let (clients, seconds) = (clients.to_string(), args.seconds.to_string());
    let threads = if clients == "1" { "1" } else { "2" };
    let [how, script] = script;
    let out = pgbench(
        args,
        at,
        &["-n", "-M", "prepared", how, script, "-c", &clients, "-j", threads, "-T", &seconds],
    )?;
    let number = |start: &str| {
        let line = out.lines().find(|l| l.starts_with(start))?;
        let rest = line[start.len()..].trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest[..end].parse::<f64>().ok()
    };
    let (tps, transactions) =
        (number("tps = "), number("number of transactions actually processed: "));
    match (tps, transactions) {
        (Some(tps), Some(n)) => Ok(Run { tps, transactions: n as u64 }),
        _ => Err(format!("pgbench printed no figures:\n{out}")),
    }
}

fn pgbench(args: &Args, at: &Endpoint, arguments: &[&str]) -> Result<String> {
    // One and the same program for both sides.
    let program = Peer::find(args).map(|bin| bin.join("pgbench")).filter(|p| p.is_file());
    let output = Command::new(program.unwrap_or_else(|| PathBuf::from("pgbench")))
        .args(arguments)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", at.port.to_string())
        .env("PGUSER", &at.user)
        .env("PGPASSWORD", &at.password)
        .env("PGDATABASE", &at.database)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run pgbench: {e}"))?;
    if !output.status.success() {
        let err = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pgbench {} failed: {}", arguments.join(" "), err.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
