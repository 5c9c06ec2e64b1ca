//! Tests with real processes: the built binary, real sockets, real SIGKILL, and PostgreSQL's own
//! client programs where they are installed.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod apart;
mod bad_input;
mod bounded_loss;
mod branches;
mod clients;
mod commands;
mod content;
mod damage;
mod demo;
mod durability;
mod failback;
mod memory;
mod pgbench;
mod replicas;
mod replication;
mod restart;
mod roles;
mod rounds;
mod tls;
mod vault;
mod verbs;
mod voter;
mod walkthrough;

/// The program under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_antipode");
