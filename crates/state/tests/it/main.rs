//! The state room as its callers see it, on a simulated disk.

mod crash;
mod damage;
mod manifests;
mod model;
mod room;
mod tables;
