//! From a statement's AST to something that runs.
//!
//! ```text
//!   AST ── Names (tables of this catalog, functions) ──▶ logical plan with $1, now() … open
//!        parameters ──▶ bind: values for $1, now(), current_user … ──▶ physical plan ──▶ stream
//! ```
//!
//! Plans are made once and bound many times, so nothing of one execution may get into a plan:
//! no snapshot (see [`crate::scan::Snapshot`]), no time, no parameter value.

mod arithmetic;
mod bind;
mod functions;
mod joins;
mod names;
mod operators;
mod parameters;
mod run;
mod runtime;
mod series;
mod statement;

pub use bind::bind;
pub use functions::{Circumstances, session_value};
pub use names::{Names, Sequences, TARGET, no_table};
pub use parameters::{
    assigned, check_count, count_placeholders, fields, has_placeholder, placeholder_index,
};
pub use run::{ResultColumn, Rows, columns_of, conform, execute, execute_optimised, optimise};
pub use runtime::{Runtime, RuntimeSettings};
pub use statement::plan_statement;
