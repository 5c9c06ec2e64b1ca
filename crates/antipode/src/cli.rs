//! Commands and flags, and how a mistake in them is told.

use crate::demo::DemoArgs;
use crate::operate::{DrArgs, PromoteArgs};
use crate::settings::StartArgs;
use crate::shell::SqlArgs;
use crate::status::StatusArgs;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Antipode: a SQL database with a living copy in another region.
#[derive(Parser, Debug)]
#[command(name = "antipode", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Runs one node of a cluster
    Start(Box<StartArgs>),
    /// Opens a SQL shell, or runs statements from -c or standard input
    Sql(SqlArgs),
    /// Prints databases, links and lag; exit code 0 if all is protected, else 1
    Status(StatusArgs),
    /// Makes every standby of a node a primary
    Promote(PromoteArgs),
    /// Looks after the replication between clusters
    Dr(DrArgs),
    /// Two regions on this machine: replicate, lose one, go on, come back by difference
    Demo(DemoArgs),
}

/// Prints what is wrong with the command line: help in full, a mistake in one line.
pub fn explain(e: &clap::Error) -> ExitCode {
    match e.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = e.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let _ = e.print();
            ExitCode::from(2)
        }
        _ => {
            eprintln!("antipode: {}", one_line(&e.to_string()));
            ExitCode::from(2)
        }
    }
}

/// The message and the tip of clap's report, without the usage paragraph.
fn one_line(report: &str) -> String {
    let told = report.lines().map(str::trim).filter(|l| !l.is_empty());
    let mut words: Vec<&str> = told
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .collect();
    if let Some(first) = words.first_mut() {
        *first = first.strip_prefix("error: ").unwrap_or(first);
    }
    words.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_one_line_with_its_tip() {
        let e = Cli::try_parse_from(["antipode", "start", "--cluster-it", "1"]).unwrap_err();
        let line = one_line(&e.to_string());
        assert!(line.contains("unexpected argument '--cluster-it'"), "{line}");
        assert!(line.contains("--cluster-id"), "{line}");
        assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
    }
}
