//! Helpers for tests with real processes: servers of the built binary, and PostgreSQL's own clients.
//!
//! ```text
//!   Server ── spawns ──► antipode start --listen 127.0.0.1:0 --exit-with-parent
//!     │ kill (SIGKILL), stop (SIGTERM), start again on the same folder and port
//!     └ Drop: SIGKILL; and the server ends by itself when this process is gone
//!   Cable ── a port that leads to another one, and can be cut
//!   Tool ── psql, pgbench: found, or a visible SKIP line
//! ```
//!
//! The caller gives the path of the binary (`env!("CARGO_BIN_EXE_antipode")`), so this crate
//! depends on none of the rooms.
//!
//! # When a client program is missing
//! Tests that need `psql` or `pgbench` install nothing. Without them they print a line that begins
//! with `SKIP` and pass; with `ANTIPODE_REQUIRE_CLIENTS=1`, as in CI, they fail.

#![allow(clippy::disallowed_methods, reason = "helpers of tests")]

mod cable;
mod pair;
mod server;
mod sql;
mod tool;
mod wait;

pub use cable::{Cable, Line};
pub use pair::Pair;
pub use server::{PASSWORD, Server};
pub use sql::{connect, connect_hearing, error_of, one, rows, script, try_rows};
pub use tool::{Output, Tool, pgbench, psql};
pub use wait::{eventually, free_port};
