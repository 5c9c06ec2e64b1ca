//! SQL against a real engine in a temporary folder.

mod changes;
mod conflicts;
mod definitions;
mod harness;
mod identity;
mod index_model;
mod indexes;
mod joins;
mod lifted;
mod past;
mod pgbench;
mod point;
mod privileges;
mod queries;
mod replicated;
mod roles;
mod sequences;
mod system;
mod unique;
mod values;
