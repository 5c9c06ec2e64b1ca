//! SQL against a real engine in a temporary folder.

mod changes;
mod conflicts;
mod definitions;
mod harness;
mod lifted;
mod point;
mod queries;
mod values;
