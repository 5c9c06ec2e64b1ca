//! What must hold, one file each. Every file begins with its statement.

pub mod acknowledged;
pub mod consistent_cut;
pub mod equal_sides;
pub mod index_matches;
pub mod log_prefix;
pub mod nothing_stuck;
pub mod one_primary;
pub mod same_past;
pub mod stranded_once;
