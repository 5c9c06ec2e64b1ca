//! What must hold for everything that is persisted: round trips, order, survival, fixed bytes.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod fixtures;
mod keys;
mod survive;
mod trips;
mod values;
