//! The state room as its callers see it, on a simulated disk.

mod crash;
mod damage;
mod manifests;
mod measure;
mod model;
mod room;
mod tables;
mod threads;
