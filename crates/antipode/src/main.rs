//! The `antipode` program: one binary that is server, shell, status and demonstration.
//!
//! ```text
//!  antipode start    settings ─► txn::Engine + dr::Links + session::Front ─► listener
//!  antipode sql      a shell over the PostgreSQL protocol
//!  antipode status   what is protected, what lags; exit code 0 or 1
//!  antipode promote  every standby of a node becomes a primary
//!  antipode dr reset a cluster that is gone is forgotten, and what is kept for it
//!  antipode demo     two regions, one disaster, one way back, every row accounted for
//! ```
//!
//! This is the only room that wires the others together and the only one that looks at flags,
//! environment variables and files of settings. The client commands know nothing of the
//! server's inside: they speak SQL over the wire like everybody else.
//!
//! # Exit codes
//! 0 all well · 1 the work failed (for `status`: not protected; for `demo`: something does not add
//! up) · 2 bad flags or settings, one line each · 130 ended by Ctrl-C.

#![allow(clippy::disallowed_methods, reason = "this room is the outside world")]

mod allocator;
mod cli;
mod client;
mod demo;
mod logging;
mod operate;
mod settings;
mod shell;
mod start;
mod status;
mod views;
mod words;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return cli::explain(&e),
    };
    logging::start(&cli.command);
    // Two providers could come in with dependencies; the first one chosen holds for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        cli::Command::Start(args) => start::command(&args),
        cli::Command::Sql(args) => shell::command(&args),
        cli::Command::Status(args) => status::command(&args),
        cli::Command::Promote(args) => operate::promote(&args),
        cli::Command::Dr(args) => operate::dr(&args),
        cli::Command::Demo(args) => demo::command(&args),
    }
}
