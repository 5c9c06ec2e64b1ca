//! What must hold, one file each. Every file begins with its statement.

pub mod acknowledged;
pub mod bulk_whole;
pub mod closed;
pub mod consistent_cut;
pub mod covered;
pub mod equal_sides;
pub mod files;
pub mod group_cut;
pub mod index_matches;
pub mod kept_somewhere;
pub mod log_prefix;
pub mod nothing_stuck;
pub mod one_primary;
pub mod own_rows;
pub mod roles_of_cut;
pub mod same_past;
pub mod state_is_replay;
pub mod stranded_once;
