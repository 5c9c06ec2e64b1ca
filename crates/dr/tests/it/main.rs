//! Two clusters in one thread over a network in memory, and one pair over real gRPC.

#![allow(clippy::disallowed_methods, reason = "the simulated clock is tokio's, paused")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod branches;
mod content;
mod copies;
mod explain;
mod failback;
mod failover;
mod faults;
mod follow;
mod groups;
mod grpc;
mod handover;
mod indexes;
mod past;
mod refusals;
mod replicas;
mod reset;
mod rights;
mod role;
mod roles;
mod sequences;
mod states;
mod statistics;
mod tables;
mod three;
mod verify;
mod world;
