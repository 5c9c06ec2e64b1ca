//! Two whole regions in one thread, repeatable from a seed: traffic, an operator who moves the
//! primary from side to side, and everything that can go wrong at any moment.
//!
//! ```text
//!   clients ──▶ east: Engine + Links ◀── memory network ──▶ Engine + Links :west ◀── readers
//!      │             SimNode (disk)          ▲                 SimNode (disk)
//!      ▼                  ▲                  │                      ▲
//!   ledger            mischief: power loss, kill, full disk, skew, cut links, lost answers,
//!      │              spills, pauses, schema changes, indexes made and dropped, branches
//!      │              operator: lost region, split, planned switch, failback by difference, logs
//!      │                        that are gone
//!      └─────────▶ invariants, at every read and once everything is healed
//! ```
//!
//! # How a run goes
//! 1. The seed draws a [`plan::Plan`] and gives every actor chance of its own.
//! 2. East is created with a bank, west replicates it, clients make transfers.
//! 3. For some rounds the operator loses a region, is cut off from it, or plans a switch (by hand, by
//!    `SWITCHOVER` on either side, by `FAILOVER` without loss); the other one is promoted, now and
//!    then at an older time; the old one comes back `WITH FORCE DIFFERENTIAL`. Meanwhile mischief.
//!    In some runs slots are given up and logs go on both sides, so that contents are compared; standbys
//!    verify themselves all the time.
//! 4. Everything is healed; then all must hold that [`invariants`] states.
//!
//! # Why a failed run can be repeated
//! Time is tokio's paused clock, everything runs on one thread, disks are models, the network is
//! memory, and all chance comes from the seed. A test runs a seed twice and compares every event.
//!
//! ```text
//! cargo run -p antipode-sim -- --seed 7 --seeds 100     # 100 seeds; stops at the first violation
//! cargo run -p antipode-sim -- --seed 42 --verbose      # what happens in seed 42
//! ```
//! A second kind of run looks for broken isolation in one region: [`histories`]. A third one has three
//! clusters, groups, replicas, roles, rows in blocks and tables that are not replicated: [`trio`] (`--trio`).
//!
//! Seeds that once found something, or do something rare, are in `tests/seeds.txt` and run for ever.

pub mod bank;
mod biography;
mod branches;
pub mod client;
pub mod dice;
mod far;
mod healing;
pub mod histories;
pub mod indexes;
pub mod invariants;
pub mod ledger;
pub mod locals;
pub mod mischief;
pub mod operator;
mod panics;
pub mod picture;
pub mod plan;
pub mod reader;
mod records;
pub mod region;
mod run;
pub mod stage;
pub mod trace;
pub mod trio;
mod verdict;
pub mod weather;

pub use run::{Options, Report, run};
pub use verdict::{Verdict, Violation};
