//! `antipode promote` and `antipode dr reset`: what an operator types when a region is lost. Both only
//! say SQL to a node, and print what it answers.

use crate::client::{self, Answer, Target};
use crate::start::ADMIN_DATABASE;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use std::collections::BTreeSet;
use std::process::ExitCode;
use tokio_postgres::Client;

/// Flags of `promote`.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
pub struct PromoteArgs {
    #[command(flatten)]
    target: Target,
    /// Also if the source cannot be reached: what only it has is left behind
    #[arg(long)]
    with_data_loss: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Flags of `dr`.
#[derive(Args, Clone, Debug)]
pub struct DrArgs {
    /// What to do.
    #[command(subcommand)]
    command: DrCommand,
}

/// What `dr` can do.
#[derive(Subcommand, Clone, Debug)]
enum DrCommand {
    /// Forgets a cluster that is gone, and what is kept for it
    Reset(ResetArgs),
}

/// Flags of `dr reset`.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
struct ResetArgs {
    #[command(flatten)]
    target: Target,
    /// Name or number of the cluster
    #[arg(long, value_name = "CLUSTER", required_unless_present = "all")]
    cluster: Option<String>,
    /// Every cluster
    #[arg(long, conflicts_with = "cluster")]
    all: bool,
    /// Also one that is connected
    #[arg(long)]
    force: bool,
    /// Only say what would be done
    #[arg(long)]
    explain: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Runs `promote`: every standby of the node becomes a primary.
pub fn promote(args: &PromoteArgs) -> ExitCode {
    run(&args.target, async |client| promote_all(client, args.with_data_loss).await)
}

/// Runs `dr`.
pub fn dr(args: &DrArgs) -> ExitCode {
    let DrCommand::Reset(args) = &args.command;
    run(&args.target, async |client| {
        let answer = client::ask(client, &reset_sql(args)).await.map_err(tell)?;
        println!("{}", table(&answer));
        let blocked = (0..answer.rows.len()).any(|r| answer.field(r, "kind") == Some("blocker"));
        Ok(!blocked)
    })
}

fn reset_sql(args: &ResetArgs) -> String {
    let whom = match &args.cluster {
        Some(cluster) => format!("CLUSTER '{}'", cluster.replace('\'', "''")),
        None => "ALL".to_owned(),
    };
    let explain = if args.explain { "EXPLAIN " } else { "" };
    let force = if args.force { " FORCE" } else { "" };
    format!("{explain}RESET REPLICATION TO {whom}{force}")
}

/// Connects, works, and tells by the exit code whether all went well.
fn run(target: &Target, work: impl AsyncFnOnce(&Client) -> Result<bool, String>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("antipode: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        let client = target.connect(ADMIN_DATABASE).await.map_err(tell)?;
        work(&client).await
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("antipode: {}:{}: {e}", target.host, target.port);
            ExitCode::FAILURE
        }
    }
}

fn tell(e: tokio_postgres::Error) -> String {
    client::explain(&e)
}

/// What is promoted by one statement: a database, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Database(String),
    Group(String),
}

impl Unit {
    fn sql(&self, data_loss: bool) -> String {
        let what = match self {
            Unit::Database(name) => format!("FAILOVER DATABASE {}", quoted(name)),
            Unit::Group(name) => format!("FAILOVER REPLICATION GROUP {}", quoted(name)),
        };
        if data_loss { format!("{what} WITH DATA LOSS") } else { what }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn promote_all(client: &Client, data_loss: bool) -> Result<bool, String> {
    let standbys = "SELECT d.name, g.group_name FROM sys.database d LEFT JOIN \
                    information_schema.replication_groups g ON g.database_name = d.name \
                    WHERE d.role = 'standby'";
    let found = client::ask(client, standbys).await.map_err(tell)?;
    let units: BTreeSet<Unit> = (0..found.rows.len())
        .filter_map(|row| match found.field(row, "group_name") {
            Some(group) => Some(Unit::Group(group.to_owned())),
            None => found.field(row, "name").map(|name| Unit::Database(name.to_owned())),
        })
        .collect();
    if units.is_empty() {
        return Err("no database of this node is a standby: there is nothing to promote".into());
    }
    let mut well = true;
    for unit in units {
        let sql = unit.sql(data_loss);
        if data_loss {
            // What it costs is known only before.
            let cost = client::ask(client, &format!("EXPLAIN {sql}")).await.map_err(tell)?;
            print_loss(&sql, &cost);
        }
        match client::ask(client, &sql).await {
            Ok(answer) => println!("{}", table(&answer)),
            Err(e) => {
                well = false;
                eprintln!("antipode: {sql}: {}", tell(e));
            }
        }
    }
    if !well && !data_loss {
        eprintln!(
            "antipode: nothing is lost and nothing has changed where it failed; \
             antipode promote --with-data-loss goes without the source"
        );
    }
    Ok(well)
}

fn print_loss(sql: &str, cost: &Answer) {
    println!("{sql}");
    for row in 0..cost.rows.len() {
        if cost.field(row, "kind") == Some("loss") {
            let text = |column| cost.field(row, column).unwrap_or_default();
            println!("  {}: {}", text("item"), text("value"));
        }
    }
}

fn table(answer: &Answer) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(&answer.columns);
    for row in &answer.rows {
        table.add_row(row.iter().map(|cell| cell.as_deref().unwrap_or("")));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn reset(flags: &[&str]) -> Result<String, clap::Error> {
        let cli = Cli::try_parse_from([&["antipode", "dr", "reset"], flags].concat())?;
        let Command::Dr(DrArgs { command: DrCommand::Reset(args) }) = cli.command else {
            panic!("another command")
        };
        Ok(reset_sql(&args))
    }

    #[test]
    fn flags_become_one_statement() {
        assert_eq!(reset(&["--all"]).unwrap(), "RESET REPLICATION TO ALL");
        let sql = reset(&["--cluster", "it's", "--force", "--explain"]).unwrap();
        assert_eq!(sql, "EXPLAIN RESET REPLICATION TO CLUSTER 'it''s' FORCE");
        assert!(reset(&[]).is_err(), "nobody is named");
        assert!(reset(&["--all", "--cluster", "2"]).is_err(), "both are named");
    }

    #[test]
    fn names_are_quoted_and_loss_has_its_own_words() {
        let unit = Unit::Database("a\"B".into());
        assert_eq!(unit.sql(false), "FAILOVER DATABASE \"a\"\"B\"");
        let group = Unit::Group("shop".into());
        assert_eq!(group.sql(true), "FAILOVER REPLICATION GROUP \"shop\" WITH DATA LOSS");
    }
}
