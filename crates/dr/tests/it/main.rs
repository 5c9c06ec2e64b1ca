//! Two clusters in one thread over a network in memory, and one pair over real gRPC.

#![allow(clippy::disallowed_methods, reason = "the simulated clock is tokio's, paused")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod copies;
mod explain;
mod failback;
mod failover;
mod faults;
mod follow;
mod grpc;
mod handover;
mod indexes;
mod past;
mod refusals;
mod roles;
mod sequences;
mod states;
mod verify;
mod world;
