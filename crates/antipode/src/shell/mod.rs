//! `antipode sql`: a shell, `-c`, or statements from standard input.
//!
//! Statements are cut at `;` here, as PostgreSQL's shell does, so that each runs and is answered
//! on its own. In a pipe the first error ends the program with exit code 1.

mod line;
mod meta;
mod render;
mod split;

use crate::client::{self, Target};
use clap::Args;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::time::Instant;
use tokio_postgres::{Client, NoTls};

/// Flags of `sql`.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
pub struct SqlArgs {
    #[command(flatten)]
    target: Target,
    /// Database
    #[arg(long, short = 'd', env = "PGDATABASE", default_value = "antipode")]
    database: String,
    /// Run these statements and end
    #[arg(long, short = 'c', value_name = "SQL")]
    command: Vec<String>,
    /// Rows as plain tab-separated values instead of tables
    #[arg(long)]
    plain: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Runs the command.
pub fn command(args: &SqlArgs) -> ExitCode {
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
            Ok(runtime) => runtime,
            Err(e) => return fail(&format!("cannot start: {e}")),
        };
    let client = match runtime.block_on(args.target.connect(&args.database)) {
        Ok(client) => client,
        Err(e) => {
            let place = format!("{}:{}", args.target.host, args.target.port);
            return fail(&format!("cannot connect to {place}: {}", client::explain(&e)));
        }
    };
    let mut shell = Shell {
        runtime,
        client,
        target: args.target.clone(),
        database: args.database.clone(),
        plain: args.plain,
        timing: false,
        interactive: false,
    };
    if !args.command.is_empty() {
        return shell.batch(&args.command.join(";\n"));
    }
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        shell.interactive = true;
        return line::run(&mut shell);
    }
    let mut text = String::new();
    match std::io::stdin().read_to_string(&mut text) {
        Ok(_) => shell.batch(&text),
        Err(e) => fail(&format!("cannot read standard input: {e}")),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("antipode: {message}");
    ExitCode::FAILURE
}

/// One connection and how to show what it answers.
pub struct Shell {
    runtime: tokio::runtime::Runtime,
    client: Client,
    target: Target,
    database: String,
    plain: bool,
    timing: bool,
    interactive: bool,
}

impl Shell {
    /// Runs all statements of a text; the last one needs no `;`. Stops at the first error.
    fn batch(&mut self, text: &str) -> ExitCode {
        let (statements, rest) = split::statements(text);
        for statement in statements.into_iter().chain(Some(rest.trim())) {
            let fine = match statement {
                "" => true,
                s if s.starts_with('\\') => match self.backslash(s) {
                    meta::Next::Leave => return ExitCode::SUCCESS,
                    meta::Next::Stay(fine) => fine,
                },
                s => self.run(s),
            };
            if !fine {
                return ExitCode::FAILURE;
            }
        }
        ExitCode::SUCCESS
    }

    /// Runs one statement and shows its answer; false if it failed.
    fn run(&mut self, sql: &str) -> bool {
        let started = Instant::now();
        let cancel = self.client.cancel_token();
        let result = self.runtime.block_on(async {
            let query = client::ask_all(&self.client, sql);
            tokio::pin!(query);
            loop {
                tokio::select! {
                    biased;
                    answer = &mut query => return answer,
                    _ = tokio::signal::ctrl_c() => {
                        // The answer still comes, as an error that says "cancelled".
                        let _ = cancel.cancel_query(NoTls).await;
                    }
                }
            }
        });
        let fine = result.is_ok();
        match result {
            Ok(answers) => answers.iter().for_each(|a| render::show(a, self.plain)),
            Err(e) => eprintln!("{}", client::explain_in(sql, &e)),
        }
        if self.timing {
            println!("Time: {:.3} ms", started.elapsed().as_secs_f64() * 1000.0);
        }
        fine
    }

    /// Connects to another database.
    fn reconnect(&mut self, database: &str) -> bool {
        match self.runtime.block_on(self.target.connect(database)) {
            Ok(client) => {
                self.client = client;
                self.database = database.into();
                println!("connected to {database}");
                true
            }
            Err(e) => {
                eprintln!("ERROR: {}", client::explain(&e));
                false
            }
        }
    }
}
