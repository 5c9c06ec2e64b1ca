//! Transactions over real partitions, in the simulated world.

#![allow(clippy::disallowed_methods, reason = "the simulated clock is tokio's, paused")]

mod bank;
mod branches;
mod bulk;
mod crash;
mod indexes;
mod isolation;
mod past;
mod room;
mod schema;
mod sequences;
mod serializable;
mod upkeep;
mod world;
