//! The state room as its callers see it, on a simulated disk.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod append;
mod branch;
mod crash;
mod damage;
mod manifests;
mod measure;
mod model;
mod room;
mod tables;
mod threads;
