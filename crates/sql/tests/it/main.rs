//! SQL against a real engine in a temporary folder.

mod changes;
mod conflicts;
mod definitions;
mod harness;
mod identity;
mod indexes;
mod lifted;
mod past;
mod pgbench;
mod point;
mod queries;
mod sequences;
mod system;
mod unique;
mod values;
