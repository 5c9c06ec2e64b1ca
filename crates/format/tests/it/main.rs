//! What must hold for everything that is persisted: round trips, order, survival, fixed bytes.

mod fixtures;
mod keys;
mod survive;
mod trips;
mod values;
