//! Two clusters in one thread over a network in memory, and one pair over real gRPC.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod copies;
mod failback;
mod faults;
mod follow;
mod grpc;
mod refusals;
mod world;
