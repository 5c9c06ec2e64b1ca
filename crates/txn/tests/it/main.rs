//! Transactions over real partitions, in the simulated world.

mod bank;
mod crash;
mod isolation;
mod schema;
mod world;
